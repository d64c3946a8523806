//! The sinks, in front of what stands in for a journal and for standard output.

mod entry;
mod journal;
mod journald;
mod stdout;

use super::{Failures, Sinks};
use crate::audit::record::{Body, Event, Origin, Outcome, PodRecord, Pull, Record, Status, Use};
use crate::metrics;
use std::time::{Duration, Instant};

/// How long something that takes a moment may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

fn pod(name: &str) -> PodRecord {
    PodRecord { namespace: "kube-system".to_owned(), name: name.to_owned(), uid: format!("u-{name}") }
}

fn pull(image: &str) -> Pull {
    Pull {
        rule: "kubernetes".to_owned(),
        image: image.to_owned(),
        substitute: Some("registry.k8s.io/pause:3.9".to_owned()),
        pod: Some(pod("etcd-worker-1")),
        api: "v1",
        outcome: Some(Outcome::Pulled),
        status: Some(Status { code: 0, message: String::new() }),
        image_ref: Some("sha256:aa".to_owned()),
        digest: None,
        aliases: Vec::new(),
        post_freeze: false,
        attempts: Vec::new(),
        duration: Duration::from_millis(12),
    }
}

fn used(pods: Vec<PodRecord>) -> Use {
    Use {
        rule: "kubernetes".to_owned(),
        image: "k8s.gcr.io/pause:3.9".to_owned(),
        substitute: "registry.k8s.io/pause:3.9".to_owned(),
        image_ref: None,
        digest: Some("sha256:dd".to_owned()),
        post_freeze: true,
        pods: Some(pods),
        times: 3,
    }
}

fn record(event: Event, body: Body) -> Record {
    Record { time: jiff::Timestamp::UNIX_EPOCH, event, body }
}

fn pulled(image: &str) -> Record {
    record(Event::Substituted, Body::Pull(Box::new(pull(image))))
}

fn line(record: &Record, number: u64) -> Vec<u8> {
    let origin = Origin::somewhere();
    record.line(&origin, number).unwrap()
}

fn hand(sinks: &Sinks, record: &Record, number: u64) {
    sinks.hand(record, number, &line(record, number));
}

fn failures(failures: &Failures, sink: &'static str) -> u64 {
    failures.get_or_create(&metrics::Sink { sink }).get()
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LIMIT, "it does not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}
