//! How entries get to the journal, or not.

use super::journal::{Journal, value, values};
use super::{failures, hand, line, pod, pulled, record, used, wait_until};
use crate::audit::record::{Body, Event};
use crate::audit::sink::{Failures, Sinks};
use std::time::{Duration, Instant};

#[test]
fn an_entry_that_is_too_large_for_a_datagram_comes_as_sealed_memory() {
    let journal = Journal::start();
    let sinks = Sinks::default().with_journald(&journal.path(), &Failures::default()).unwrap();
    let record = record(Event::Used, Body::Use(Box::new(used((0..256).map(|_| pod(&"p".repeat(4096))).collect()))));
    let long = line(&record, 1);
    assert!(long.len() > 1 << 20, "{}", long.len());
    sinks.hand(&record, 1, &long);
    hand(&sinks, &pulled("k8s.gcr.io/x:1"), 2);
    let (fields, is_memory) = journal.next();
    assert!(is_memory);
    assert_eq!(value(&fields, "REPOINT_RECORD").as_bytes(), &long[..long.len() - 1]);
    assert_eq!(values(&fields, "REPOINT_POD_NAME").len(), 256);
    let (fields, is_memory) = journal.next();
    assert_eq!((value(&fields, "REPOINT_SEQ").as_str(), is_memory), ("2", false));
}

#[test]
fn a_journal_that_is_not_there_is_counted_and_found_again() {
    let mut journal = Journal::absent();
    let counted = Failures::default();
    let sinks = Sinks::default().with_journald(&journal.path(), &counted).unwrap();
    hand(&sinks, &pulled("k8s.gcr.io/x:1"), 1);
    wait_until(|| failures(&counted, "journald") == 1);
    journal.appear();
    hand(&sinks, &pulled("k8s.gcr.io/x:2"), 2);
    assert_eq!(value(&journal.next().0, "REPOINT_SEQ"), "2");
    // Its socket stays where it was when it ends, as systemd's does not, and refuses.
    journal.socket = None;
    hand(&sinks, &pulled("k8s.gcr.io/x:3"), 3);
    wait_until(|| failures(&counted, "journald") == 2);
    std::fs::remove_file(journal.path()).unwrap();
    journal.appear();
    hand(&sinks, &pulled("k8s.gcr.io/x:4"), 4);
    assert_eq!(value(&journal.next().0, "REPOINT_SEQ"), "4");
}

#[test]
fn a_journal_that_is_busy_for_a_moment_loses_nothing() {
    let journal = Journal::start();
    let counted = Failures::default();
    let sinks = Sinks::default().with_journald(&journal.path(), &counted).unwrap();
    // More than the kernel keeps for it (net.unix.max_dgram_qlen).
    for number in 0..900 {
        hand(&sinks, &pulled("k8s.gcr.io/x:1"), number);
    }
    std::thread::sleep(Duration::from_millis(50));
    for number in 0..900 {
        assert_eq!(value(&journal.next().0, "REPOINT_SEQ"), number.to_string());
    }
    assert_eq!(failures(&counted, "journald"), 0);
}

#[test]
fn a_journal_that_hangs_holds_up_nobody_and_what_it_misses_is_counted() {
    let journal = Journal::start();
    let counted = Failures::default();
    let sinks = Sinks::default().with_journald(&journal.path(), &counted).unwrap();
    let record = pulled("k8s.gcr.io/x:1");
    let line = line(&record, 1);
    let started = Instant::now();
    for number in 0..5000 {
        sinks.hand(&record, number, &line);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let ending = Instant::now();
    drop(sinks);
    assert!(ending.elapsed() < Duration::from_secs(3), "{:?}", ending.elapsed());
    let mut got = 0;
    journal.socket.as_ref().unwrap().set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    while journal.socket.as_ref().unwrap().recv(&mut [0; 8192]).is_ok() {
        got += 1;
    }
    wait_until(|| failures(&counted, "journald") + got == 5000);
    assert!(got > 0);
}
