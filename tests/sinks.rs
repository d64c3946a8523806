//! Other places that records go to, as the program fills them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, PipeReader, Read, pipe};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use repoint::audit::record::{MOST_PODS, PodRecord, Use};
use repoint::audit::{Body, Event, Origin, Record, Sinks};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::journal::Journal;
use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Repoint, Setup};
use crate::support::standin::{Standin, User};

const LIMIT: Duration = Duration::from_secs(30);
const OLD: &str = "k8s.gcr.io/pause:3.9";
const NEW: &str = "registry.k8s.io/pause:3.9";
const JOURNALD: &str = "journald = true";
const STDOUT: &str = "stdout = true";

/// A runtime that can have the image, and what is to stand in front of it.
fn place(audit: &str) -> (TempDir, Standin, Setup) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = directory.path().join("runtime.sock");
    let standin = Standin::start(&runtime);
    standin.offers_image(NEW, User::Unsaid);
    let setup = Repoint::before(&runtime, directory.path()).audit(audit);
    (directory, standin, setup)
}

async fn pull(repoint: &Repoint, times: usize) {
    let kubelet = Kubelet::v1(&repoint.socket());
    for _ in 0..times {
        kubelet.pull(OLD).await.unwrap();
    }
}

/// Waits until this sink has missed all there is in the file but for so many lines.
async fn all_missed(repoint: &Repoint, sink: &str, but: usize) {
    let missed = repoint.all_records().len() - but;
    let counted = format!("repoint_sink_failures_total{{sink=\"{sink}\"}} {missed}\n");
    wait_until(|| repoint.metrics().contains(&counted)).await;
    assert_eq!(repoint.log().matches("Records do not get to a sink").count(), 1, "{}", repoint.log());
}

/// Waits for what happens by itself soon.
async fn wait_until(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LIMIT, "it does not happen");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_real_journal_finds_a_pull_by_its_fields() {
    let Some(journal) = Journal::start().await else { return };
    let (_directory, _standin, setup) = place(JOURNALD);
    let repoint = setup.within(&journal.within().each_ref().map(String::as_str)).start().await;
    pull(&repoint, 2).await;
    let entries = journal.entries(&["-t", "repoint", "REPOINT_EVENT=substituted"], 2).await;
    let lines: Vec<Value> = repoint.records();
    for (entry, line) in entries.iter().zip(&lines) {
        assert_eq!(entry["MESSAGE"], format!("Pulled {NEW} for {OLD}"));
        assert_eq!(entry["REPOINT_IMAGE"], OLD);
        assert_eq!(entry["REPOINT_SEQ"], line["seq"].to_string());
        assert_eq!((&entry["PRIORITY"], &entry["_TRANSPORT"]), (&json!("6"), &json!("journal")));
        let record: Value = serde_json::from_str(entry["REPOINT_RECORD"].as_str().unwrap()).unwrap();
        assert_eq!(record, *line);
    }
    assert_eq!(entries.len(), 2);
    assert!(repoint.metrics().contains("repoint_sink_failures_total{sink=\"journald\"} 0\n"), "{}", repoint.metrics());
}

#[tokio::test]
async fn a_real_journal_takes_a_record_that_is_larger_than_any_datagram() {
    let Some(journal) = Journal::start().await else { return };
    let pod = |number: usize| PodRecord {
        namespace: format!("team-{number}"),
        name: "p".repeat(4096),
        uid: format!("line\nfeed {number}"),
    };
    let found = Use {
        rule: "r".to_owned(),
        image: OLD.to_owned(),
        substitute: NEW.to_owned(),
        image_ref: None,
        digest: None,
        post_freeze: false,
        pods: Some((0..MOST_PODS).map(pod).collect()),
        times: 1,
    };
    let time = "2023-03-20T12:00:00Z".parse().unwrap();
    let record = Record { time, event: Event::Used, body: Body::Use(Box::new(found)) };
    let origin = Origin {
        node: "n".to_owned(),
        machine_id: None,
        boot_id: None,
        labels: [].into(),
        version: "v",
        config: "c".to_owned(),
    };
    let line = record.line(&origin, 1).unwrap();
    assert!(line.len() > 1 << 20, "{}", line.len());
    let sinks = Sinks::default().with_journald(&journal.socket(), &Default::default()).unwrap();
    sinks.hand(&record, 1, &line);
    let entries = journal.entries(&["REPOINT_EVENT=used", "REPOINT_POD_NAMESPACE=team-77"], 1).await;
    assert_eq!(format!("{}\n", entries[0]["REPOINT_RECORD"].as_str().unwrap()).as_bytes(), line);
    for (field, one) in [("REPOINT_POD_NAMESPACE", "team-9"), ("REPOINT_POD_UID", "line\nfeed 9")] {
        let values = entries[0][field].as_array().unwrap();
        assert!(values.len() == MOST_PODS && values.contains(&json!(one)), "{values:?}");
    }
}

#[tokio::test]
async fn a_journal_that_is_not_there_stops_no_pull_and_is_told_once() {
    let Some(nowhere) = Journal::absent().await else { return };
    let (_directory, _standin, setup) = place(JOURNALD);
    let repoint = setup.within(&nowhere.within().each_ref().map(String::as_str)).start().await;
    pull(&repoint, 3).await;
    assert_eq!(repoint.records().len(), 3);
    all_missed(&repoint, "journald", 0).await;
}

#[tokio::test]
async fn standard_output_has_what_the_file_has() {
    let (directory, _standin, setup) = place(STDOUT);
    let out = directory.path().join("stdout");
    let repoint = setup.stdout(File::create(&out).unwrap()).start().await;
    let file = repoint.audit_file();
    pull(&repoint, 5).await;
    assert!(repoint.stop().await.success());
    let (lines, copy) = (fs::read_to_string(file).unwrap(), fs::read_to_string(out).unwrap());
    assert!(lines.lines().count() >= 5, "{lines}");
    assert_eq!(lines, copy);
}

#[tokio::test]
async fn nothing_is_on_standard_output_if_that_was_not_wanted() {
    let (directory, _standin, setup) = place("");
    let out = directory.path().join("stdout");
    let repoint = setup.stdout(File::create(&out).unwrap()).start().await;
    pull(&repoint, 1).await;
    assert!(repoint.stop().await.success());
    assert_eq!(fs::read_to_string(out).unwrap(), "");
}

/// One whose standard output is a pipe.
async fn piped() -> (TempDir, Standin, Repoint, PipeReader) {
    let (directory, standin, setup) = place(STDOUT);
    let (reader, writer) = pipe().unwrap();
    let repoint = setup.stdout(OwnedFd::from(writer)).start().await;
    (directory, standin, repoint, reader)
}

#[tokio::test]
async fn a_pipe_that_nobody_empties_stops_no_pull_and_not_the_service_s_end() {
    let (_directory, _standin, repoint, mut reader) = piped().await;
    let file = repoint.audit_file();
    // Each is some hundred bytes; a pipe has 64 KiB.
    pull(&repoint, 300).await;
    assert_eq!(repoint.records().len(), 300);
    let stopping = Instant::now();
    assert!(repoint.stop().await.success());
    assert!(stopping.elapsed() < Duration::from_secs(8), "{:?}", stopping.elapsed());
    let mut got = String::new();
    reader.read_to_string(&mut got).unwrap();
    let lines = fs::read_to_string(file).unwrap();
    assert!(got.len() > 30_000 && lines.starts_with(&got), "{} bytes", got.len());
}

#[tokio::test]
async fn a_reader_that_goes_away_stops_no_pull_and_is_told_once() {
    let (_directory, _standin, repoint, reader) = piped().await;
    let mut first = String::new();
    BufReader::new(reader).read_line(&mut first).unwrap();
    assert!(first.contains("\"event\":\"started\""), "{first}");
    pull(&repoint, 3).await;
    assert_eq!(repoint.records().len(), 3);
    all_missed(&repoint, "stdout", 1).await;
}
