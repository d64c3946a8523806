//! What an entry says.

use super::journal::{Journal, fields, value, values};
use super::{hand, line, pod, pull, pulled, record, used};
use crate::audit::record::{
    Body, Count, Counters, Event, Outcome, Override, Pull, Reload, ReloadOutcome, SandboxImage, SandboxOutcome, Start,
    Status, Switch,
};
use crate::audit::sink::entry::{entry, message_id};
use crate::audit::sink::{Failures, Sinks};

#[test]
fn a_record_is_an_entry_with_fields_to_search_by() {
    let journal = Journal::start();
    let sinks = Sinks::default().with_journald(&journal.path(), &Failures::default()).unwrap();
    let record = pulled("k8s.gcr.io/pause:3.9");
    hand(&sinks, &record, 42);
    let (fields, is_memory) = journal.next();
    assert!(!is_memory);
    for (name, expected) in [
        ("MESSAGE", "Pulled registry.k8s.io/pause:3.9 for k8s.gcr.io/pause:3.9 (kube-system/etcd-worker-1)"),
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "repoint"),
        ("MESSAGE_ID", "65004edff1dc4a75b9488fde66771167"),
        ("REPOINT_EVENT", "substituted"),
        ("REPOINT_SEQ", "42"),
        ("REPOINT_RULE", "kubernetes"),
        ("REPOINT_IMAGE", "k8s.gcr.io/pause:3.9"),
        ("REPOINT_SUBSTITUTE", "registry.k8s.io/pause:3.9"),
        ("REPOINT_OUTCOME", "pulled"),
        ("REPOINT_CODE", "0"),
        ("REPOINT_IMAGE_REF", "sha256:aa"),
        ("REPOINT_POST_FREEZE", "0"),
        ("REPOINT_POD_NAMESPACE", "kube-system"),
        ("REPOINT_POD_NAME", "etcd-worker-1"),
        ("REPOINT_POD_UID", "u-etcd-worker-1"),
    ] {
        assert_eq!(value(&fields, name), expected, "{name}");
    }
    assert_eq!(value(&fields, "REPOINT_RECORD") + "\n", String::from_utf8(line(&record, 42)).unwrap());
    assert_eq!(fields.len(), 17, "{:?}", fields.keys());
}

#[test]
fn foreign_text_can_add_no_field_and_act_on_no_terminal() {
    let image = "k8s.gcr.io/x\nPRIORITY=0\nREPOINT_EVENT=denied\n\u{1b}[2J";
    let record = pulled(image);
    let fields = fields(&entry(&record, 1, &line(&record, 1)));
    assert_eq!(value(&fields, "REPOINT_IMAGE"), image);
    assert_eq!((value(&fields, "PRIORITY"), value(&fields, "REPOINT_EVENT")), ("6".into(), "substituted".into()));
    assert!(!value(&fields, "MESSAGE").contains(['\n', '\u{1b}']));
    let record = pulled(&"x".repeat(1 << 20));
    let fields = super::journal::fields(&entry(&record, 1, &line(&record, 1)));
    assert!(value(&fields, "REPOINT_IMAGE").ends_with("bytes cut)"));
    assert!(value(&fields, "MESSAGE").len() < 10_000);
}

#[test]
fn an_image_that_many_pods_use_is_found_by_each_of_them() {
    let mut other = pod("c");
    other.namespace = "default".to_owned();
    let body = Body::Use(Box::new(used(vec![pod("a"), pod("b"), other])));
    let record = record(Event::Used, body);
    let fields = fields(&entry(&record, 1, &line(&record, 1)));
    assert_eq!(values(&fields, "REPOINT_POD_NAMESPACE"), ["default", "kube-system"]);
    assert_eq!(values(&fields, "REPOINT_POD_NAME"), ["a", "b", "c"]);
    assert_eq!(values(&fields, "REPOINT_POD_UID"), ["u-a", "u-b", "u-c"]);
    assert_eq!(value(&fields, "REPOINT_POST_FREEZE"), "1");
    assert!(value(&fields, "MESSAGE").ends_with("and is there as registry.k8s.io/pause:3.9 (3 pods)"));
}

#[test]
fn every_event_says_in_a_sentence_what_happened() {
    let of_pull = |event, change: fn(&mut Pull)| {
        let mut pull = Pull { pod: None, ..pull("k8s.gcr.io/pause:3.9") };
        change(&mut pull);
        record(event, Body::Pull(Box::new(pull)))
    };
    let gone = |pull: &mut Pull| {
        pull.outcome = Some(Outcome::Failed);
        pull.status = Some(Status { code: 5, message: "not found".to_owned() });
    };
    let sandbox = |outcome, message: Option<&str>| {
        let body = SandboxImage {
            rule: "kubernetes".to_owned(),
            image: "k8s.gcr.io/pause:3.9".to_owned(),
            substitute: Some("registry.k8s.io/pause:3.9".to_owned()),
            outcome,
            message: message.map(str::to_owned),
        };
        record(Event::SandboxImage, Body::SandboxImage(Box::new(body)))
    };
    let count = Count {
        since: jiff::Timestamp::UNIX_EPOCH,
        counters: Counters { substituted: 2, ..Counters::default() },
        last_call: None,
    };
    let started = |configuration, message: Option<&str>| {
        let start = Start { rules: 1, configuration, message: message.map(str::to_owned), repaired: 0 };
        record(Event::Started, Body::Start(Box::new(start)))
    };
    let reloaded = |outcome, message: Option<&str>| {
        let reload = Reload { outcome, rules: 2, message: message.map(str::to_owned) };
        record(Event::Reloaded, Body::Reload(Box::new(reload)))
    };
    let overridden = |instead: Option<&'static str>, uid| {
        let until = instead.map(|_| jiff::Timestamp::UNIX_EPOCH);
        let one = Override { rule: "moved".to_owned(), instead, until, uid };
        record(Event::Overridden, Body::Override(Box::new(one)))
    };
    let switched = |event| record(event, Body::Switch(Box::new(Switch { file: "/etc/repoint/disabled".to_owned() })));
    for (record, priority, sentence) in [
        (
            of_pull(Event::FellBack, |_| {}),
            "4",
            "Pulled k8s.gcr.io/pause:3.9 as it is named, since no target served it",
        ),
        (
            of_pull(Event::Failed, gone),
            "4",
            "Could not pull registry.k8s.io/pause:3.9 for k8s.gcr.io/pause:3.9: not found",
        ),
        (
            of_pull(Event::Failed, |pull| pull.outcome = Some(Outcome::Cancelled)),
            "4",
            "The pull of registry.k8s.io/pause:3.9 for k8s.gcr.io/pause:3.9 was given up",
        ),
        (of_pull(Event::Observed, |_| {}), "6", "Looked on at a pull of k8s.gcr.io/pause:3.9, by rule kubernetes"),
        (of_pull(Event::Denied, |_| {}), "5", "Refused to pull k8s.gcr.io/pause:3.9, by rule kubernetes"),
        (of_pull(Event::Intended, |_| {}), "6", "About to pull registry.k8s.io/pause:3.9 for k8s.gcr.io/pause:3.9"),
        (
            sandbox(SandboxOutcome::Present, None),
            "5",
            "The sandbox image is there by its old name, k8s.gcr.io/pause:3.9",
        ),
        (
            sandbox(SandboxOutcome::Pulled, None),
            "5",
            "Gave the sandbox image registry.k8s.io/pause:3.9 its old name, k8s.gcr.io/pause:3.9",
        ),
        (
            sandbox(SandboxOutcome::Failed, Some("not found")),
            "5",
            "Could not have the sandbox image k8s.gcr.io/pause:3.9: not found",
        ),
        (
            sandbox(SandboxOutcome::Cannot, Some("change it")),
            "5",
            "The runtime pulls its sandbox image k8s.gcr.io/pause:3.9 by itself: change it",
        ),
        (
            record(Event::Heartbeat, Body::Count(Box::new(count.clone()))),
            "6",
            "Since 1970-01-01T00:00:00Z: 2 substituted, 0 fell back, 0 failed, 0 observed, 0 denied, 0 used, 0 lost",
        ),
        (started("files", None), "6", "Started with 1 rule"),
        (
            started("last_good", Some("/etc/x:1:1: wrong")),
            "6",
            "Started with 1 rule of the last good configuration: /etc/x:1:1: wrong",
        ),
        (reloaded(ReloadOutcome::Loaded, None), "5", "Read the configuration again: 2 rules"),
        (reloaded(ReloadOutcome::Refused, Some("wrong")), "5", "Kept what holds, 2 rules: wrong"),
        (
            overridden(Some("original"), Some(1000)),
            "5",
            "Rule moved is overridden until 1970-01-01T00:00:00Z with original, says user 1000",
        ),
        (overridden(None, Some(0)), "5", "Rule moved holds again, says user 0"),
        (overridden(None, None), "5", "Rule moved holds again"),
        (switched(Event::Disabled), "5", "No pull is substituted any more: /etc/repoint/disabled is there"),
        (switched(Event::Enabled), "5", "Pulls are substituted again: /etc/repoint/disabled is gone"),
        (record(Event::Stopped, Body::Count(Box::new(count))), "6", "Stopped"),
    ] {
        let fields = fields(&entry(&record, 1, &line(&record, 1)));
        assert_eq!(value(&fields, "MESSAGE"), sentence);
        assert_eq!(value(&fields, "PRIORITY"), priority, "{sentence}");
    }
}

#[test]
fn the_page_for_operators_has_every_message_id_once() {
    const PAGE: &str = include_str!("../../../../docs/audit.md");
    for event in Event::ALL {
        let row = format!("| `{}` | `{}` |", event.as_str(), message_id(event));
        assert_eq!(PAGE.matches(&row).count(), 1, "{row}");
        assert_eq!(PAGE.matches(message_id(event)).count(), 1, "{row}");
    }
}
