//! What its caller sees.

use super::*;
use crate::audit::record::Start;
use crate::error::Chain;
use std::os::unix::fs::MetadataExt;

#[tokio::test]
async fn a_record_is_in_the_file_when_its_ticket_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("missing/audit.jsonl");
    let (log, writer) =
        Log::start(&settings(&file), Origin::somewhere(), Counter::default(), Sinks::default()).unwrap();
    log.take(record("a")).await.unwrap().written().await.unwrap();
    assert_eq!(images(&file), ["a"]);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777 & !0o640, 0, "wider than 0640");
    log.leave(record("b")).unwrap();
    drop(log);
    writer.join();
    assert_eq!(images(&file), ["a", "b"]);
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let (log, _writer) =
        Log::start(&settings(&file), Origin::somewhere(), Counter::default(), Sinks::default()).unwrap();
    log.take(record("a")).await.unwrap().written().await.unwrap();
    fs::rename(&file, dir.path().join("old")).unwrap();
    log.take(record("b")).await.unwrap().written().await.unwrap();
    assert_eq!(images(&file), ["b"]);
    assert_eq!(images(&dir.path().join("old")), ["a"]);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_says_which_file_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    fs::create_dir(&file).unwrap();
    let failures = Counter::default();
    let (log, _writer) = Log::start(&settings(&file), Origin::somewhere(), failures.clone(), Sinks::default()).unwrap();
    let error = log.take(record("a")).await.unwrap().written().await.unwrap_err();
    assert!(Chain(&error).to_string().contains(file.to_str().unwrap()), "{}", Chain(&error));
    assert_eq!(failures.get(), 1);
    fs::remove_dir(&file).unwrap();
    log.take(record("b")).await.unwrap().written().await.unwrap();
    assert_eq!(images(&file), ["b"]);
}

#[tokio::test]
async fn a_signal_opens_the_file_that_is_there_now_before_any_record() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let (log, _writer) =
        Log::start(&settings(&file), Origin::somewhere(), Counter::default(), Sinks::default()).unwrap();
    log.take(record("a")).await.unwrap().written().await.unwrap();
    fs::rename(&file, dir.path().join("audit.jsonl.1")).unwrap();
    log.reopen().await;
    let started = std::time::Instant::now();
    while !file.exists() {
        assert!(started.elapsed() < Duration::from_secs(30), "it is not opened");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    log.take(record("b")).await.unwrap().written().await.unwrap();
    assert_eq!(numbers(&file), [2]);
}

#[tokio::test]
async fn what_was_cut_is_said_where_the_service_says_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    fs::write(&file, "{\"schema\":1,\"ti").unwrap();
    let (log, _writer) =
        Log::start(&settings(&file), Origin::somewhere(), Counter::default(), Sinks::default()).unwrap();
    let body = Body::Start(Box::new(Start { rules: 1, configuration: "files", message: None, repaired: 0 }));
    let started = Record { time: Timestamp::UNIX_EPOCH, event: Event::Started, body };
    log.take(started).await.unwrap().written().await.unwrap();
    let record: serde_json::Value = serde_json::from_str(&text(&file)).unwrap();
    assert_eq!((&record["seq"], &record["repaired"]), (&1.into(), &15.into()), "{record}");
}

#[tokio::test]
async fn the_log_ends_with_all_that_it_took_and_leaves_the_rest_of_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let (log, writer) =
        Log::start(&rotating(&file), Origin::somewhere(), Counter::default(), Sinks::default()).unwrap();
    for number in 0..100 {
        log.leave(record(&number.to_string())).unwrap();
    }
    drop(log);
    writer.join();
    // A file may be there plain and compressed; the next process removes the one.
    work(&rotating(&file), Arc::new(System)).tidy();
    let found: Vec<_> = all(&file).into_iter().map(|(number, _)| number).collect();
    assert_eq!(found, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn of_two_processes_on_one_file_the_second_waits_for_the_first_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory.path().join("audit.jsonl"));
    let start = || Log::start(&settings, Origin::somewhere(), Counter::default(), Sinks::default()).unwrap();
    let (first, first_writer) = start();
    first.take(record("a")).await.unwrap().written().await.unwrap();
    // The first one has been told to end, and has calls under way.
    let (second, second_writer) = start();
    let waiting = second.take(record("c")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    first.take(record("b")).await.unwrap().written().await.unwrap();
    drop(first);
    first_writer.join();
    waiting.written().await.unwrap();
    drop(second);
    second_writer.join();
    assert_eq!(lines(&settings.file), [(1, "a".into()), (2, "b".into()), (3, "c".into())]);
}
