//! Targets that could not be reached. They are asked last for a while, and asked all the same.
//!
//! Nothing depends on this but the order: a guess that is wrong costs an attempt, never a pull.

use crate::metrics::{self, Metrics};
use crate::rewrite::Substitute;
use crate::rules::Target;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Code;

/// Which registries could not be reached, as far as is known. (Not which targets: all of a registry's are down with it.)
#[derive(Debug, Default)]
pub struct Health(Mutex<HashMap<String, Trouble>>);

#[derive(Debug, Clone, Copy)]
struct Trouble {
    /// Until when it is asked last.
    until: Instant,
    /// How often in a row it could not be reached.
    failures: u32,
}

/// How long a target is asked last after its first failure, and twice as long after each that follows...
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// ... up to this: a mirror that is back is used again within a coffee break.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What the runtimes' libraries say, in lower case, where a registry could not be asked, or could not answer. CRI has no
/// code for it: nearly everything is `UNKNOWN`.
const SIGNS: &[&str] = &[
    "connection refused",
    "connection reset",
    "connection timed out",
    "no such host",
    "server misbehaving",
    "no route to host",
    "network is unreachable",
    "i/o timeout",
    "tls handshake timeout",
    "client.timeout exceeded",
    "deadline exceeded",
    "unexpected eof",
    ": eof",
    "tls: ",
    "x509: ",
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway time",
    "429 too many requests",
];

/// What CRI lets a runtime begin its message with for the same.
const REGISTRY_UNAVAILABLE: &str = "RegistryUnavailable";

// === impl Health ===

impl Health {
    /// The substitutes in the order in which to ask for them, and whether their targets are in trouble: those that are come
    /// last.
    pub fn order<'a>(&self, substitutes: &'a [Substitute]) -> Vec<(&'a Substitute, bool)> {
        let troubles = self.troubles();
        let now = Instant::now();
        let is_in_trouble = |substitute: &Substitute| {
            troubles.get(substitute.target.place.registry()).is_some_and(|trouble| now < trouble.until)
        };
        let mut order: Vec<_> = substitutes.iter().map(|substitute| (substitute, is_in_trouble(substitute))).collect();
        order.sort_by_key(|(_, is_in_trouble)| *is_in_trouble);
        order
    }

    /// Notes that a target could not be reached. While it is asked last, that is known: the pulls that a mirror loses at
    /// once when it goes down are one failure, not ten in a row.
    pub fn failed(&self, target: &Target, metrics: &Metrics) {
        let mut troubles = self.troubles();
        let (known, now) = (troubles.get(target.place.registry()), Instant::now());
        if known.is_some_and(|trouble| now < trouble.until) {
            return;
        }
        let failures = known.map_or(0, |trouble| trouble.failures).saturating_add(1);
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        let pause = doubled.min(LONGEST_PAUSE);
        let until = now.checked_add(pause).unwrap_or(now);
        troubles.insert(target.place.registry().to_owned(), Trouble { until, failures });
        metrics.registry_failures.get_or_create(&label(target)).set(failures.into());
        tracing::warn!(
            registry = target.place.registry(),
            failures,
            pause_s = pause.as_secs(),
            "A registry could not be reached; it is asked last for a while"
        );
    }

    /// Notes that a target was reached.
    pub fn reached(&self, target: &Target, metrics: &Metrics) {
        if self.troubles().remove(target.place.registry()).is_some() {
            metrics.registry_failures.get_or_create(&label(target)).set(0);
        }
    }

    fn troubles(&self) -> MutexGuard<'_, HashMap<String, Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn label(target: &Target) -> metrics::RegistryFailures {
    metrics::RegistryFailures { registry: target.place.registry().to_owned() }
}

/// Whether a status says that the registry of `image` could not be asked, rather than what it said.
pub fn is_unreachable(code: Code, message: &str, image: &str) -> bool {
    // `CANCELLED` is a runtime's own limit of time for a pull that makes no progress: nobody hears the answer to a call that
    // its caller cancelled.
    if matches!(code, Code::Unavailable | Code::Cancelled) || message.starts_with(REGISTRY_UNAVAILABLE) {
        return true;
    }
    // The name is in the message, and anybody may have chosen it.
    let said = message.replace(image, "").to_ascii_lowercase();
    SIGNS.iter().any(|sign| said.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Moment;
    use crate::rules::Place;

    fn target(place: &str) -> Target {
        Target::at(Place::parse(place).unwrap())
    }

    fn substitutes() -> Vec<Substitute> {
        ["a.example", "b.example", "c.example"]
            .map(|place| Substitute::new(format!("{place}/x"), target(place)))
            .to_vec()
    }

    fn order(health: &Health) -> Vec<String> {
        health.order(&substitutes()).into_iter().map(|(substitute, _)| substitute.target.to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_could_not_be_reached_is_asked_last_for_a_growing_while() {
        let (health, metrics) = (Health::default(), Metrics::default());
        assert_eq!(order(&health), ["a.example", "b.example", "c.example"]);
        for pause in [10, 20, 40, 80, 160, 300, 300] {
            health.failed(&target("a.example"), &metrics);
            assert_eq!(order(&health), ["b.example", "c.example", "a.example"]);
            tokio::time::advance(Duration::from_secs(pause) - Duration::from_millis(1)).await;
            assert_eq!(order(&health)[2], "a.example", "{pause}");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(order(&health)[0], "a.example", "{pause}");
        }
        assert!(
            metrics
                .encode(&Moment::default())
                .unwrap()
                .contains("repoint_registry_failures{registry=\"a.example\"} 7\n")
        );
        health.failed(&target("a.example"), &metrics);
        health.reached(&target("a.example"), &metrics);
        assert_eq!(order(&health)[0], "a.example");
        assert!(
            metrics
                .encode(&Moment::default())
                .unwrap()
                .contains("repoint_registry_failures{registry=\"a.example\"} 0\n")
        );
        health.failed(&target("a.example"), &metrics);
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(order(&health)[0], "a.example");
    }

    #[tokio::test(start_paused = true)]
    async fn pulls_that_fail_side_by_side_are_one_failure() {
        let (health, metrics) = (Health::default(), Metrics::default());
        for _ in 0..10 {
            health.failed(&target("a.example"), &metrics);
        }
        assert!(
            metrics
                .encode(&Moment::default())
                .unwrap()
                .contains("repoint_registry_failures{registry=\"a.example\"} 1\n")
        );
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(order(&health)[0], "a.example");
    }

    #[tokio::test]
    async fn those_in_trouble_keep_their_order_among_themselves() {
        let (health, metrics) = (Health::default(), Metrics::default());
        health.failed(&target("b.example"), &metrics);
        health.failed(&target("a.example"), &metrics);
        assert_eq!(order(&health), ["c.example", "a.example", "b.example"]);
    }

    #[test]
    fn what_the_runtimes_say_of_a_registry_out_of_reach_is_told_from_what_a_registry_says() {
        for message in [
            "failed to pull and unpack image \"m.example/x:1\": failed to resolve reference \"m.example/x:1\": failed to do request: Head \"https://m.example/v2/x/manifests/1\": dial tcp 127.0.0.1:1: connect: connection refused",
            "failed to do request: Head \"https://m.example/v2/x/manifests/1\": dial tcp: lookup m.example: no such host",
            "failed to do request: Head \"https://m.example/v2/x/manifests/1\": x509: certificate signed by unknown authority",
            "failed to do request: Head \"https://m.example/v2/x/manifests/1\": EOF",
            "unexpected status from HEAD request to https://m.example/v2/x/manifests/1: 503 Service Unavailable",
            "failed to do request: Get \"https://m.example/v2/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            "RegistryUnavailable: image pull failed for m.example/x:1 because the registry is unavailable",
        ] {
            assert!(is_unreachable(Code::Unknown, message, "m.example/x:1"), "{message}");
        }
        let stalled = "failed to pull and unpack image \"m.example/x:1\": context canceled";
        assert!(is_unreachable(Code::Cancelled, stalled, "m.example/x:1"), "containerd's limit for a pull that stalls");
        for message in [
            "failed to resolve reference \"m.example/x:1\": m.example/x:1: not found",
            "pulling from host m.example failed with status code [manifests 1]: 401 Unauthorized",
            "failed to resolve reference \"m.example/x: eof\"",
            "unexpected status from HEAD request to https://m.example/v2/client.timeout/manifests/1: 404 Not Found",
            "SignatureValidationFailed: no",
        ] {
            assert!(!is_unreachable(Code::Unknown, message, "m.example/x: eof"), "{message}");
        }
    }
}
