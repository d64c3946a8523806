//! The configuration, read again while the service runs; and what a service stands on whose configuration is wrong.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use repoint::cri::v1::PullImageRequest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Repoint, Setup};
use crate::support::standin::{Answer, Standin, State, User};
use crate::support::world::Missing;

const EXEC: &str = "/runtime.v1.RuntimeService/ExecSync";
const PULL: &str = "/runtime.v1.ImageService/PullImage";

/// A directory, a runtime in it that has anything from anywhere, and repoint in front of that with a rule to `target`.
fn place(target: &str) -> (TempDir, Standin, Setup) {
    let directory = tempfile::tempdir().unwrap();
    let standin = Standin::start(&directory.path().join("runtime.sock"));
    let setup = setup(&directory, target);
    (directory, standin, setup)
}

fn setup(directory: &TempDir, target: &str) -> Setup {
    Repoint::before(&directory.path().join("runtime.sock"), directory.path()).rule("moved", "old.example", &[target])
}

/// The file of a service with a rule to `target`.
fn file(directory: &TempDir, target: &str) -> String {
    setup(directory, target).file()
}

/// What an image of the old registry is pulled as.
async fn pulled_as(standin: &Standin, repoint: &Repoint, image: &str) -> String {
    let before = standin.calls().len();
    Kubelet::v1(&repoint.socket()).pull(image).await.unwrap();
    let calls = standin.calls();
    let pull = calls[before..].iter().find(|seen| seen.path() == PULL).expect("a pull");
    pull.message::<PullImageRequest>().image.expect("an image").image
}

/// Has it read its configuration again, and says what it recorded of that.
async fn reload(repoint: &Repoint) -> Value {
    let before = reloads(repoint);
    repoint.signal("HUP");
    repoint.recorded("a reload", |record| record["event"] == "reloaded" && record["seq"].as_u64() > before).await
}

/// The number of the last reload that it recorded.
fn reloads(repoint: &Repoint) -> Option<u64> {
    let all = repoint.all_records();
    all.iter().rev().find(|record| record["event"] == "reloaded").and_then(|record| record["seq"].as_u64())
}

#[tokio::test]
async fn a_good_configuration_is_in_force_for_calls_that_come_from_then_on() {
    let (directory, standin, setup) = place("one.example");
    let repoint = setup.start().await;
    let before = repoint.status()["configuration"]["hash"].clone();
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "one.example/x:1");
    // One that is under way goes on as it began, also to its second target.
    let held = CancellationToken::new();
    standin.answers_once(PULL, Answer::refusal(Code::NotFound, "not there").held_by(&held));
    fs::write(repoint.config(), file(&directory, "two.example")).unwrap();
    let kubelet = Kubelet::v1(&repoint.socket());
    let under_way = kubelet.pull("old.example/y:1");
    let meanwhile = async {
        standin.nth(1, PULL, State::Received).await;
        let record = reload(&repoint).await;
        held.cancel();
        record
    };
    let (under_way, record) = tokio::join!(under_way, meanwhile);
    assert!(under_way.unwrap_err().message().contains("one.example/y:1"));
    assert_eq!((&record["outcome"], &record["message"], &record["rules"]), (&json!("loaded"), &Value::Null, &json!(2)));
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "two.example/x:1");
    // Whoever reads the log tells the two apart.
    let status = repoint.status();
    let after = &status["configuration"]["hash"];
    assert_ne!(after, &before);
    assert_eq!((&record["config"], &repoint.records().last().unwrap()["config"]), (after, after));
    let metrics = repoint.metrics();
    assert!(metrics.contains("repoint_config_reloads_total{outcome=\"loaded\"} 1"), "{metrics}");
    assert!(metrics.contains(&format!("repoint_config_info{{hash={after},source=\"files\"}} 1")), "{metrics}");
}

#[tokio::test]
async fn a_bad_configuration_keeps_the_old_rules_and_says_so_everywhere() {
    let (directory, standin, setup) = place("one.example");
    let repoint = setup.start().await;
    let good = file(&directory, "two.example");
    let half = &good[..good.len() - 10];
    for (text, expected) in [
        ("lissen = 1\n".to_owned(), "`lissen`: there is no such key"),
        // Written by halves.
        (half.to_owned(), "repoint.toml:"),
        // Of a newer version, which knows another key.
        (format!("key_of_the_future = 1\n{good}"), "`key_of_the_future`: there is no such key"),
        // What a process can't change any more, each by its name.
        (
            good.replace("[audit]\n", "message_limit_bytes = 1\nimage_endpoint = \"/x.sock\"\n[audit]\nsync = true\n"),
            "`image_endpoint` and `audit.sync` cannot be changed while the service runs",
        ),
    ] {
        fs::write(repoint.config(), &text).unwrap();
        let record = reload(&repoint).await;
        assert_eq!(record["outcome"], "refused", "{text}");
        let said = record["message"].as_str().unwrap();
        assert!(said.contains(expected), "{said}");
        assert!(repoint.log().contains("The configuration was not taken"), "{}", repoint.log());
        let status = repoint.status();
        assert_eq!(status["configuration"]["refused"]["message"], said);
        assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "one.example/x:1", "{text}");
        let metrics = repoint.metrics();
        assert!(metrics.contains("repoint_config_last_reload_successful 0"), "{metrics}");
    }
    fs::write(repoint.config(), good).unwrap();
    assert_eq!(reload(&repoint).await["outcome"], "loaded");
    assert_eq!(repoint.status()["configuration"]["refused"], Value::Null);
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "two.example/x:1");
}

#[tokio::test]
async fn whatever_a_process_can_change_is_changed() {
    let (directory, mut standin, setup) = place("one.example");
    standin.answers(EXEC, |_| Answer::silence());
    // Long enough that whoever waits so long fails.
    let repoint = setup.settings("runtime_wait = \"10m\"").toml("[drain]\nlong_calls = \"10m\"\n").start().await;
    let text = fs::read_to_string(repoint.config()).unwrap();
    let text = text
        .replace("node = \"node-1\"", "node = \"renamed\"\nmessage_limit_bytes = 1")
        .replace("runtime_wait = \"10m\"", "runtime_wait = \"3s\"")
        .replace("long_calls = \"10m\"", "long_calls = \"0s\"\ncalls = \"0s\"\n[labels]\npool = \"gpu\"");
    fs::write(repoint.config(), text).unwrap();
    let record = reload(&repoint).await;
    assert_eq!(record["outcome"], "loaded", "{record}");
    assert_eq!((&record["node"], &record["labels"]), (&json!("renamed"), &json!({ "pool": "gpu" })));
    // A message that is too large is passed on as it came.
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "old.example/x:1");
    let kubelet = Kubelet::v1(&repoint.socket());
    standin.stop().await;
    assert_eq!(kubelet.version().await.unwrap_err().code(), Code::Unavailable);
    standin.start_again();
    let call = kubelet.exec("x", ["true"]);
    let stop = async {
        standin.first(EXEC, State::Received).await;
        repoint.signal("TERM");
    };
    let (ended, ()) = tokio::join!(call, stop);
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    assert!(repoint.ended().await.success());
    drop(directory);
}

#[tokio::test]
async fn a_configuration_that_is_gone_is_no_wish_for_the_defaults() {
    let (_directory, standin, setup) = place("one.example");
    let repoint = setup.start().await;
    fs::remove_file(repoint.config()).unwrap();
    let record = reload(&repoint).await;
    assert_eq!(record["outcome"], "refused");
    assert!(record["message"].as_str().unwrap().contains("No such file"), "{record}");
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "one.example/x:1");
}

#[tokio::test]
async fn a_drop_in_that_comes_and_goes_is_read() {
    let (_directory, standin, setup) = place("one.example");
    let repoint = setup.drop_in("10-keep", "# Nothing.").start().await;
    let drop_in = repoint.config().with_extension("d").join("20-moved.toml");
    let rule = "[[rules]]\nname = \"moved\"\nmatch = [\"old.example\"]\ntargets = [\"three.example\"]\n";
    fs::write(&drop_in, rule).unwrap();
    assert_eq!(reload(&repoint).await["outcome"], "loaded");
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "three.example/x:1");
    fs::remove_file(&drop_in).unwrap();
    assert_eq!(reload(&repoint).await["outcome"], "loaded");
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "one.example/x:1");
}

#[tokio::test]
async fn what_was_pulled_stays_findable_whatever_the_rules_are_by_then() {
    let (directory, standin, setup) = place("one.example");
    standin.offers_image("one.example/x:1", User::Number(1000));
    let repoint = setup.start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.pull("old.example/x:1").await.unwrap();
    fs::write(repoint.config(), file(&directory, "two.example")).unwrap();
    assert_eq!(reload(&repoint).await["outcome"], "loaded");
    let image = kubelet.image_status("old.example/x:1").await.unwrap().expect("it is there");
    assert_eq!(image.uid.map(|uid| uid.value), Some(1000));
}

#[tokio::test]
async fn files_that_change_are_read_once_they_have_come_to_rest_and_only_if_that_is_wanted() {
    for is_wanted in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let standin = Standin::start(&directory.path().join("runtime.sock"));
        let wanted = |target: &str| setup(&directory, target).settings(&format!("reload_on_change = {is_wanted}"));
        let repoint = wanted("one.example").start().await;
        // As tools write a file: beside it, and then in its place.
        let new = repoint.config().with_extension("new");
        fs::write(&new, wanted("two.example").file()).unwrap();
        fs::rename(&new, repoint.config()).unwrap();
        if is_wanted {
            repoint.recorded("a reload", |record| record["event"] == "reloaded" && record["outcome"] == "loaded").await;
            assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "two.example/x:1");
        } else {
            tokio::time::sleep(Duration::from_secs(4)).await;
            assert_eq!(reloads(&repoint), None);
        }
    }
}

#[tokio::test]
async fn a_directory_that_is_exchanged_by_its_link_is_read_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let standin = Standin::start(&directory.path().join("runtime.sock"));
    let wanted = |target: &str| setup(&directory, target).settings("reload_on_change = true").file();
    // As a config map is mounted: each file a link through one that leads to all of them.
    let etc = directory.path().join("etc");
    let version = |number: &str, target: &str| {
        let own = etc.join(number);
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("repoint.toml"), wanted(target)).unwrap();
    };
    version("..1", "one.example");
    symlink("..1", etc.join("..data")).unwrap();
    symlink("..data/repoint.toml", etc.join("repoint.toml")).unwrap();
    let config = etc.join("repoint.toml");
    let repoint = setup(&directory, "unused.example").config(&config).start().await;
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "one.example/x:1");
    version("..2", "two.example");
    symlink("..2", etc.join("..data_tmp")).unwrap();
    fs::rename(etc.join("..data_tmp"), etc.join("..data")).unwrap();
    repoint.recorded("a reload", |record| record["event"] == "reloaded" && record["outcome"] == "loaded").await;
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "two.example/x:1");
}

#[tokio::test]
async fn a_config_map_whose_directory_is_for_everybody_is_trusted_where_it_is_mounted_read_only() {
    if let Err(missing) = Missing::privilege() {
        return missing.skip("no mount");
    }
    let (directory, standin, _setup) = place("one.example");
    let map = directory.path().join("map");
    fs::create_dir(&map).unwrap();
    fs::set_permissions(&map, fs::Permissions::from_mode(0o777)).unwrap();
    let config = map.join("repoint.toml");
    fs::write(&config, file(&directory, "one.example")).unwrap();
    let at = map.display();
    let mounted = format!("mount --bind {at} {at} && mount -o remount,bind,ro {at} && exec \"$@\"");
    for (within, source) in [(&["unshare", "-m", "sh", "-c", &mounted, "sh"][..], "files"), (&[], "none")] {
        let repoint = setup(&directory, "unused.example").config(&config).within(within).start().await;
        assert_eq!(repoint.status()["configuration"]["source"], source, "{}", repoint.log());
        let pulled = if source == "files" { "one.example/x:1" } else { "old.example/x:1" };
        assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, pulled);
        // What was kept of the first is not to be found by the second.
        assert!(repoint.stop().await.success());
        fs::remove_file(directory.path().join("repoint/state/last-good.json")).ok();
    }
}

#[tokio::test]
async fn a_start_with_a_broken_configuration_is_one_with_the_last_good_one() {
    let (directory, standin, good) = place("one.example");
    let state = directory.path().join("repoint/state");
    kept_as_good(&directory, good).await;
    for broken in ["lissen = 1\n", "not even TOML"] {
        let broken =
            setup(&directory, "unused.example").verbatim(broken).env("STATE_DIRECTORY", state.to_str().unwrap());
        let repoint = broken.start().await;
        assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "one.example/x:1");
        let status = repoint.status();
        assert_eq!(status["configuration"]["source"], "last_good");
        assert!(
            status["configuration"]["refused"]["message"].as_str().unwrap().contains("repoint.toml:1:"),
            "{status}"
        );
        assert!(repoint.log().contains("The configuration is wrong"), "{}", repoint.log());
        assert!(repoint.metrics().contains("source=\"last_good\"} 1"), "{}", repoint.metrics());
        // Mended, it takes no restart.
        fs::write(repoint.config(), file(&directory, "two.example")).unwrap();
        assert_eq!(reload(&repoint).await["outcome"], "loaded");
        assert_eq!(repoint.status()["configuration"]["source"], "files");
        assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "two.example/x:1");
        // That would be the last good one from now on; the first one is to be it for the next round.
        fs::write(repoint.config(), file(&directory, "one.example")).unwrap();
        assert_eq!(reload(&repoint).await["outcome"], "loaded");
        assert!(repoint.stop().await.success());
    }
}

#[tokio::test]
async fn without_a_last_good_configuration_it_starts_as_a_plain_relay_and_is_loud() {
    let (directory, standin, _setup) = place("one.example");
    let broken = format!("key_of_the_future = 1\n{}", file(&directory, "one.example"));
    let repoint = setup(&directory, "unused.example").verbatim(&broken).start().await;
    for image in ["old.example/x:1", "k8s.gcr.io/x:1"] {
        assert_eq!(pulled_as(&standin, &repoint, image).await, image);
    }
    assert!(repoint.log().contains("NOTHING IS SUBSTITUTED"), "{}", repoint.log());
    let started = repoint.all_records().remove(0);
    assert_eq!((&started["event"], &started["configuration"]), (&json!("started"), &json!("none")));
    assert!(started["message"].as_str().unwrap().contains("`key_of_the_future`"), "{started}");
    // What was kept is what was good, and this was not.
    assert!(!directory.path().join("repoint/state/last-good.json").exists());
    fs::write(repoint.config(), file(&directory, "one.example")).unwrap();
    assert_eq!(reload(&repoint).await["outcome"], "loaded");
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "one.example/x:1");
}

#[tokio::test]
async fn a_last_good_configuration_that_this_version_does_not_know_is_not_guessed_at() {
    let (directory, standin, good) = place("one.example");
    kept_as_good(&directory, good).await;
    // As a newer version would have kept it.
    let kept = directory.path().join("repoint/state/last-good.json");
    let text = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, text.replace("node = ", "key_of_the_future = 1\\nnode = ")).unwrap();
    let broken = format!("key_of_the_future = 1\n{}", file(&directory, "one.example"));
    let repoint = setup(&directory, "unused.example").verbatim(&broken).start().await;
    assert_eq!(repoint.status()["configuration"]["source"], "none");
    assert_eq!(pulled_as(&standin, &repoint, "old.example/x:1").await, "old.example/x:1");
}

#[tokio::test]
async fn secrets_of_a_configuration_that_is_kept_are_for_nobody_else() {
    use std::os::unix::fs::MetadataExt;
    let (directory, _standin, good) = place("one.example");
    let repoint = good.start().await;
    let kept = directory.path().join("repoint/state/last-good.json");
    wait_for(&kept).await;
    assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o600);
    drop(repoint);
}

/// Runs a service until its configuration is kept.
async fn kept_as_good(directory: &TempDir, good: Setup) {
    let repoint = good.start().await;
    wait_for(&directory.path().join("repoint/state/last-good.json")).await;
    assert!(repoint.stop().await.success());
}

async fn wait_for(file: &Path) {
    let started = Instant::now();
    while !file.exists() {
        assert!(started.elapsed() < Duration::from_secs(30), "no {}", file.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
