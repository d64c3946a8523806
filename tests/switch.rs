//! The kill switch, and overrides of single rules.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use repoint::cri::v1::PullImageRequest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Output, Repoint, Setup, run};
use crate::support::standin::{Standin, User};

const PULL: &str = "/runtime.v1.ImageService/PullImage";

fn place() -> (TempDir, Standin) {
    let directory = tempfile::tempdir().unwrap();
    let standin = Standin::start(&directory.path().join("runtime.sock"));
    (directory, standin)
}

fn setup(directory: &TempDir) -> Setup {
    let denied = "[[rules]]\nname = \"denied\"\nmatch = [\"bad.example\"]\naction = \"deny\"\n";
    Repoint::before(&directory.path().join("runtime.sock"), directory.path())
        .rule("moved", "old.example", &["new.example"])
        .toml(denied)
}

/// What an image is pulled as by the last pull that there is.
fn last_pull(standin: &Standin) -> String {
    let calls = standin.calls();
    let pull = calls.iter().rev().find(|seen| seen.path() == PULL).expect("a pull");
    pull.message::<PullImageRequest>().image.expect("an image").image
}

/// Throws the switch, or puts it back, and waits until that is heard, which may take five seconds.
async fn throw(repoint: &Repoint, is_thrown: bool) -> Value {
    let switch = repoint.config().with_file_name("disabled");
    let seen = repoint.all_records().len();
    let thrown = Instant::now();
    if is_thrown {
        fs::write(&switch, "").unwrap();
    } else {
        fs::remove_file(&switch).unwrap();
    }
    let event = if is_thrown { "disabled" } else { "enabled" };
    let record = repoint
        .recorded("the switch", |record| record["event"] == event && record["seq"].as_u64() > Some(seen as u64))
        .await;
    // A busy machine is no slow switch.
    assert!(thrown.elapsed() < Duration::from_secs(20), "{:?}", thrown.elapsed());
    record
}

/// `repoint override` with these words, of this service.
async fn override_rule(repoint: &Repoint, words: &[&str]) -> Output {
    // Once somebody answers there.
    repoint.status();
    let admin = format!("unix://{}", repoint.admin().display());
    let words: Vec<String> =
        ["override"].iter().chain(words).map(ToString::to_string).chain(["--admin".to_owned(), admin]).collect();
    tokio::task::spawn_blocking(move || run(&words.iter().map(String::as_str).collect::<Vec<_>>(), "")).await.unwrap()
}

#[tokio::test]
async fn while_the_switch_is_thrown_nothing_is_substituted_or_denied_and_what_was_stays_findable() {
    let (directory, standin) = place();
    standin.offers_image("new.example/x:1", User::Number(1000));
    let repoint = setup(&directory).start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.pull("old.example/x:1").await.unwrap();
    let record = throw(&repoint, true).await;
    assert_eq!(record["file"].as_str(), repoint.config().with_file_name("disabled").to_str());
    // With the files broken, too, as they are when somebody needs it.
    fs::write(repoint.config(), "not even TOML").unwrap();
    repoint.signal("HUP");
    repoint.recorded("a reload", |record| record["event"] == "reloaded").await;
    for image in ["old.example/y:1", "bad.example/y:1"] {
        kubelet.pull(image).await.unwrap();
        assert_eq!(last_pull(&standin), image);
        let record = repoint.records().pop().unwrap();
        assert_eq!((&record["event"], &record["image"]), (&json!("observed"), &json!(image)));
    }
    let image = kubelet.image_status("old.example/x:1").await.unwrap().expect("it is findable by its old name");
    assert_eq!(image.uid.map(|uid| uid.value), Some(1000));
    assert_eq!(repoint.status()["disabled"], true);
    assert!(repoint.metrics().contains("\nrepoint_disabled 1\n"));
    throw(&repoint, false).await;
    kubelet.pull("old.example/z:1").await.unwrap();
    assert_eq!(last_pull(&standin), "new.example/z:1");
    assert!(repoint.metrics().contains("\nrepoint_disabled 0\n"));
}

#[tokio::test]
async fn a_switch_that_is_thrown_before_the_start_holds_from_the_first_call_on() {
    let (directory, standin) = place();
    let switch: PathBuf = directory.path().join("repoint/disabled");
    fs::create_dir(switch.parent().unwrap()).unwrap();
    // Whatever is there by that name.
    std::os::unix::fs::symlink("/nonexistent", &switch).unwrap();
    let repoint = setup(&directory).start().await;
    Kubelet::v1(&repoint.socket()).pull("old.example/x:1").await.unwrap();
    assert_eq!(last_pull(&standin), "old.example/x:1");
}

#[tokio::test]
async fn an_override_holds_for_its_rule_ends_by_itself_and_says_who_set_it() {
    let (directory, standin) = place();
    let repoint = setup(&directory).start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    for (instead, event, outcome) in [("original", "fell_back", "pulled"), ("observe", "observed", "pulled")] {
        let given = override_rule(&repoint, &["moved", instead, "--for", "2h"]).await;
        assert_eq!((given.code, given.stderr.as_str()), (Some(0), ""));
        assert!(given.stdout.starts_with(&format!("rule moved: {instead} until 20")), "{given:?}");
        kubelet.pull("old.example/x:1").await.unwrap();
        assert_eq!(last_pull(&standin), "old.example/x:1");
        let record = repoint.records().pop().unwrap();
        assert_eq!((&record["event"], &record["outcome"]), (&json!(event), &json!(outcome)));
        assert_eq!(record["attempts"].as_array().unwrap().len(), 1);
    }
    let set = repoint.all_records().into_iter().find(|record| record["event"] == "overridden").unwrap();
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!((&set["rule"], &set["instead"], &set["uid"]), (&json!("moved"), &json!("original"), &json!(uid)));
    // Other rules are as they were.
    kubelet.pull("bad.example/x:1").await.unwrap_err();
    let given = override_rule(&repoint, &["moved", "original", "--for", "2s"]).await;
    assert_eq!(given.code, Some(0), "{given:?}");
    let is_end = |record: &Value| record["event"] == "overridden" && record["instead"].is_null();
    let end = repoint.recorded("the end of an override", is_end).await;
    assert_eq!((&end["uid"], &end["until"]), (&Value::Null, &Value::Null));
    kubelet.pull("old.example/x:2").await.unwrap();
    assert_eq!(last_pull(&standin), "new.example/x:2");
    assert!(repoint.metrics().contains("\nrepoint_overrides 0\n"));
}

#[tokio::test]
async fn an_override_of_a_rule_that_denies_lets_its_pulls_pass() {
    let (directory, standin) = place();
    let repoint = setup(&directory).start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.pull("bad.example/x:1").await.unwrap_err();
    for instead in ["original", "observe"] {
        assert_eq!(override_rule(&repoint, &["denied", instead, "--for", "1h"]).await.code, Some(0));
        kubelet.pull("bad.example/x:1").await.unwrap();
        assert_eq!(last_pull(&standin), "bad.example/x:1");
    }
    assert_eq!(override_rule(&repoint, &["denied", "--end"]).await.code, Some(0));
    kubelet.pull("bad.example/x:1").await.unwrap_err();
}

#[tokio::test]
async fn an_override_outlives_a_restart_and_a_reload_and_not_its_time() {
    let (directory, standin) = place();
    let repoint = setup(&directory).start().await;
    assert_eq!(override_rule(&repoint, &["moved", "observe", "--for", "1h"]).await.code, Some(0));
    repoint.signal("HUP");
    repoint.recorded("a reload", |record| record["event"] == "reloaded").await;
    assert!(repoint.stop().await.success());
    let repoint = setup(&directory).start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.pull("old.example/x:1").await.unwrap();
    assert_eq!(last_pull(&standin), "old.example/x:1");
    assert_eq!(repoint.status()["overrides"][0]["rule"], "moved");
    assert!(repoint.metrics().contains("\nrepoint_overrides 1\n"), "{}", repoint.metrics());
    assert!(repoint.stop().await.success());
    // Its time was over while nobody was there.
    let kept = directory.path().join("repoint/state/overrides.json");
    let text = fs::read_to_string(&kept).unwrap();
    let mut all: Value = serde_json::from_str(&text).unwrap();
    all[0]["until"] = json!("2020-01-01T00:00:00Z");
    fs::write(&kept, all.to_string()).unwrap();
    let repoint = setup(&directory).start().await;
    Kubelet::v1(&repoint.socket()).pull("old.example/x:2").await.unwrap();
    assert_eq!(last_pull(&standin), "new.example/x:2");
}
