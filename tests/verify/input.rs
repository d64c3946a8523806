//! Which images: of a report, of a scan, of a log.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::bench::{Bench, verdicts};
use super::server::Server;
use super::store::{AMD64, Store};

/// A registry with `a:1`, and rules for it.
async fn bench() -> (Server, Bench, String) {
    let mut store = Store::default();
    let digest = store.image("a", "1", AMD64);
    let server = Server::plain(move |asked| store.answer(asked)).await;
    let bench = Bench::new("old.example", &server.host());
    (server, bench.words(&["--skip-old", "--platform", AMD64, "--format", "json"]), digest)
}

fn record(seq: u64, hour: u64, rest: &Value) -> String {
    let mut record = json!({
        "schema": 1,
        "time": format!("2023-03-20T{hour:02}:00:00.000000Z"),
        "seq": seq,
        "node": "n",
        "machine_id": "m",
    });
    record.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    format!("{record}\n")
}

fn pull(image: &str, digest: Option<&str>) -> Value {
    json!({ "event": "substituted", "image": image, "outcome": "pulled", "digest": digest })
}

fn found(stdout: &str) -> Vec<(String, String)> {
    let said: Value = serde_json::from_str(stdout).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    said["images"].as_array().unwrap().iter().map(|row| (text(row, "image"), text(row, "verdict"))).collect()
}

const IMAGE: &str = "old.example/a:1";

#[tokio::test]
async fn a_scan_is_read_with_the_digests_it_knows() {
    let (_server, bench, digest) = bench().await;
    let findings = |digest: &str| {
        json!({ "findings": [
            { "image": IMAGE, "digest": digest, "rule": "mirror", "substitute": "x" },
            { "image": "old.example/", "partial": true, "rule": "mirror" },
        ], "files": 1 })
    };
    for text in [findings(&digest).to_string(), format!("{:#}\n", findings(&digest))] {
        let ended = bench.run(&["-"], &text).await;
        assert_eq!((found(&ended.stdout), ended.code), (verdicts(&[(IMAGE, "there")]), Some(0)), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("1 finding passed over, where only a part of a name is written"),
            "{}",
            ended.stderr
        );
    }
    let file = bench.file("scan.json", format!("{:#}", findings("sha256:0000")));
    let ended = bench.run(&[file.to_str().unwrap()], "").await;
    assert_eq!((found(&ended.stdout), ended.code), (verdicts(&[(IMAGE, "differs")]), Some(5)), "{}", ended.stderr);
}

#[tokio::test]
async fn a_log_is_read_as_a_report_reads_it_with_the_last_digest() {
    let (_server, bench, digest) = bench().await;
    let mut log = record(1, 1, &pull(IMAGE, Some("sha256:0000")));
    log += &record(3, 3, &json!({ "event": "failed", "image": IMAGE, "outcome": "failed", "digest": null }));
    log += &record(2, 2, &pull(IMAGE, Some(&digest)));
    log += &record(4, 4, &json!({ "event": "heartbeat", "since": "2023-03-20T00:00:00Z", "last_call": null }));
    let there = verdicts(&[(IMAGE, "there")]);

    let ended = bench.run(&["-"], &log).await;
    assert_eq!((found(&ended.stdout), ended.code), (there.clone(), Some(0)), "{}", ended.stderr);
    // More than is taken from standard input at once, and the first line is one of it.
    let many: String = (10..400).map(|seq| record(seq, 5, &pull(IMAGE, Some(&digest)))).collect();
    let ended = bench.run(&["-"], &(log.clone() + &many + &record(500, 6, &pull("old.example/b:1", None)))).await;
    assert_eq!(found(&ended.stdout), verdicts(&[("old.example/b:1", "missing"), (IMAGE, "there")]), "{}", ended.stderr);

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(log.as_bytes()).unwrap();
    let file = bench.file("audit.jsonl.1.gz", packed.finish().unwrap());
    for path in [file.as_path(), file.parent().unwrap()] {
        let ended = bench.run(&[path.to_str().unwrap()], "").await;
        assert_eq!((found(&ended.stdout), ended.code), (there.clone(), Some(0)), "{}", ended.stderr);
    }
    let ended = bench.run(&["-"], &(log + &record(5, 7, &pull(IMAGE, Some("sha256:1111"))))).await;
    assert_eq!((found(&ended.stdout), ended.code), (verdicts(&[(IMAGE, "differs")]), Some(5)));
}

#[tokio::test]
async fn without_a_source_it_is_the_configured_log() {
    let (server, ..) = bench().await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("audit.jsonl"), record(1, 1, &pull(IMAGE, None))).unwrap();
    let audit = format!("[audit]\nfile = {:?}\n", directory.path().join("audit.jsonl"));
    let bench = Bench::with_targets("old.example", &format!("{:?}", server.host()), &audit);
    let ended = bench.words(&["--skip-old", "--platform", AMD64, "--format", "json"]).run(&[], "").await;
    assert_eq!((found(&ended.stdout), ended.code), (verdicts(&[(IMAGE, "there")]), Some(0)), "{}", ended.stderr);
}

#[tokio::test]
async fn what_is_none_of_these_is_told() {
    let (_server, bench, _) = bench().await;
    for (text, expected) in [
        ("{\n  \"images\": [\n", "begins like a report or a scan in JSON, and is none"),
        ("{\n  \"items\": []\n}\n", "is neither what"),
        ("some words\n", "is neither what"),
    ] {
        let ended = bench.run(&["-"], text).await;
        assert_eq!(ended.code, Some(1), "{text}");
        assert!(ended.stderr.contains(expected), "{text}: {}", ended.stderr);
    }
    let ended = bench.run(&["/nonexistent"], "").await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("cannot read /nonexistent"), "{}", ended.stderr);
}

#[tokio::test]
async fn nothing_is_no_list_without_images() {
    let (_server, bench, _) = bench().await;
    let nothing = tempfile::tempdir().unwrap();
    let empty = bench.file("empty.jsonl", "");
    let none = "there is no report, scan or record in";
    for (source, text) in
        [("-", ""), ("-", "\n\n"), (nothing.path().to_str().unwrap(), ""), (empty.to_str().unwrap(), "")]
    {
        let ended = bench.run(&[source], text).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{source}: {}", ended.stderr);
        assert!(ended.stderr.contains(none), "{source}: {}", ended.stderr);
    }
    let heartbeat = record(1, 1, &json!({ "event": "heartbeat", "since": "2023-03-20T00:00:00Z", "last_call": null }));
    for text in [heartbeat.as_str(), "{\"images\":[]}", "{\"findings\":[]}"] {
        let ended = bench.run(&["-"], text).await;
        assert_eq!((ended.code, found(&ended.stdout)), (Some(0), vec![]), "{text}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_report_of_a_log_has_its_digests() {
    let (_server, bench, digest) = bench().await;
    for (last, verdict, code) in [(digest.as_str(), "there", 0), ("sha256:1111", "differs", 5)] {
        let mut log = record(2, 2, &pull(IMAGE, Some(last)));
        log += &record(1, 1, &pull(IMAGE, Some("sha256:0000")));
        log +=
            &record(3, 3, &json!({ "event": "failed", "image": IMAGE, "outcome": "failed", "digest": "sha256:2222" }));
        let report = crate::support::repoint::run(&["report", "-", "--format", "json"], &log);
        let said: Value = serde_json::from_str(&report.stdout).unwrap();
        assert_eq!(said["images"][0]["digest"], json!(last));
        let ended = bench.run(&["-"], &report.stdout).await;
        assert_eq!((found(&ended.stdout), ended.code), (verdicts(&[(IMAGE, verdict)]), Some(code)), "{}", ended.stderr);
        let csv = crate::support::repoint::run(&["report", "-", "--format", "csv"], &log).stdout;
        assert!(csv.contains(&format!(",{last}\r\n")), "{csv}");
    }
}

#[tokio::test]
async fn what_no_rule_is_about_is_not_known_to_be_fine() {
    let (_server, bench, _) = bench().await;
    let report = json!({ "images": [{ "image": "other.example/a:1" }, { "image": "NOT A NAME" }, { "image": IMAGE }] });
    let ended = bench.run(&["-"], &report.to_string()).await;
    let expected = [("NOT A NAME", "unknown"), ("other.example/a:1", "unknown"), (IMAGE, "there")];
    assert_eq!((found(&ended.stdout), ended.code), (verdicts(&expected), Some(1)), "{}", ended.stderr);
}
