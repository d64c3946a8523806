//! How long a round waits for whom, with time held still.

use super::pull::Pull;
use super::round::PATIENCE;
use super::*;
use crate::audit;
use crate::clock::Clock;
use crate::credentials;
use crate::cri::method::Version;
use crate::cri::v1::{ImageSpec, PullImageRequest};
use crate::metrics::Metrics;
use crate::rules::{Action, Namespaces, OnFailure, Pattern, Place, Position, Rollout, Rule, Table, Target};
use crate::runtime::{Aliases, Dialer, Endpoint, Keep, Peers};
use http::HeaderMap;
use prost::Message;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::{ServiceExt, service_fn};

const PULL: &str = "/runtime.v1.ImageService/PullImage";

/// What a runtime does with a pull of an image of this registry.
#[derive(Debug, Clone, Copy)]
enum Registry {
    Stalls,
    IsDown,
    /// It takes twice what is usual.
    IsSlow,
}

fn rule(targets: &[&str], on_failure: OnFailure) -> Rule {
    Rule {
        name: "moved".to_owned(),
        patterns: vec![Pattern::parse("old.example").unwrap()],
        exclude: Vec::new(),
        namespaces: Namespaces::default(),
        action: Action::Rewrite,
        rollout: Rollout::FULL,
        targets: targets.iter().map(|place| Target::at(Place::parse(place).unwrap())).collect(),
        on_failure,
        builtin: false,
    }
}

fn shared(rule: Rule, directory: &std::path::Path) -> Shared {
    let metrics = Metrics::default();
    let settings = {
        let rotation = audit::Rotation { bytes: 0, after: None, keep: 1, compress: false };
        audit::Settings {
            file: directory.join("audit.jsonl"),
            sync: false,
            required: false,
            rotation,
            journald: false,
            stdout: false,
        }
    };
    let origin = audit::Origin::somewhere();
    let nobody = Dialer::new(Endpoint::default(), directory.join("x.sock"));
    let (audit, _writer) =
        audit::Log::start(&settings, origin, metrics.audit_failures.clone(), audit::Sinks::default()).unwrap();
    Arc::new(Context {
        rules: Arc::new(Table::new(vec![rule]).unwrap()),
        overrides: Arc::default(),
        served: Arc::default(),
        aliases: Aliases::new(Arc::new(Peers::new(Arc::new(nobody))), Keep::Never),
        sandbox_image: None,
        sandbox: Arc::new(sandbox::Gate::new().0),
        credentials: Arc::new(credentials::Store::new(Vec::new(), None, Clock::SYSTEM)),
        health: Arc::default(),
        candidates: Arc::default(),
        digests: Arc::new(Semaphore::new(DIGESTS)),
        audit,
        audit_required: false,
        tally: Arc::new(audit::Tally::new(jiff::Timestamp::UNIX_EPOCH)),
        usage: Arc::new(audit::Usage::new().0),
        metrics,
        clock: Clock::SYSTEM,
        access: access::Access::default(),
        position: Position::of("a"),
        message_limit: 1 << 20,
        hold: Duration::ZERO,
    })
}

fn answer(code: &'static str, text: &'static str) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.parse().unwrap());
    trailers.insert("grpc-message", text.parse().unwrap());
    Response::new(Body::new(bytes::Bytes::new(), Some(trailers)))
}

/// Pulls `old.example/x:1`, and says who was asked and after how long.
async fn asked(shared: &Shared, registries: &'static [(&'static str, Registry)]) -> Vec<(String, Duration)> {
    asked_by(shared, registries, false).await
}

/// The same; `is_own` where nobody's call has it pulled.
async fn asked_by(
    shared: &Shared,
    registries: &'static [(&'static str, Registry)],
    is_own: bool,
) -> Vec<(String, Duration)> {
    let started = Instant::now();
    let seen: Arc<Mutex<Vec<(String, Duration)>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let runtime = service_fn(move |request: Request<Body>| {
        let noted = Arc::clone(&noted);
        async move {
            if request.uri().path() != PULL {
                return Ok(answer("5", "no such image"));
            }
            let read = message::read(request.into_body(), 1 << 20).await.unwrap();
            let image = PullImageRequest::decode(read.message.unwrap()).unwrap().image.unwrap().image;
            let host = image.split('/').next().unwrap().to_owned();
            noted.lock().unwrap().push((host.clone(), started.elapsed()));
            match registries.iter().find(|(name, _)| *name == host) {
                Some((_, Registry::Stalls)) => std::future::pending().await,
                Some((_, Registry::IsDown)) => Ok(answer("2", "dial tcp: connection refused")),
                Some((_, Registry::IsSlow)) => {
                    tokio::time::sleep(PATIENCE.saturating_mul(2)).await;
                    Ok(answer("0", ""))
                }
                None => Ok(answer("5", "no such image")),
            }
        }
    });
    let stack = Pull::new(runtime, Arc::clone(shared));
    // A day, for what would go on for ever.
    let day = Duration::from_secs(86_400);
    if is_own {
        let pulled = own::pull(stack, shared, Version::V1, "old.example/x:1");
        let _ended = tokio::time::timeout(day, pulled).await.expect("it goes on for ever");
    } else {
        let image = Some(ImageSpec { image: "old.example/x:1".to_owned(), ..ImageSpec::default() });
        let sent = PullImageRequest { image, ..PullImageRequest::default() }.encode_to_vec();
        let request = Request::post(PULL).body(message::body(&sent, None)).unwrap();
        let _ended = tokio::time::timeout(day, stack.oneshot(request)).await.expect("it goes on for ever");
    }
    let seen = seen.lock().unwrap();
    seen.clone()
}

fn hosts(asked: &[(String, Duration)]) -> Vec<&str> {
    asked.iter().map(|(host, _)| host.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_target_that_stalls_is_waited_for_five_minutes_while_others_follow() {
    let directory = tempfile::tempdir().unwrap();
    let shared = shared(rule(&["a.example", "b.example"], OnFailure::Fail), directory.path());
    let asked = asked(&shared, &[("a.example", Registry::Stalls)]).await;
    assert_eq!(hosts(&asked), ["a.example", "b.example"]);
    assert_eq!(asked[1].1.as_secs(), PATIENCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_pull_of_our_own_comes_to_the_next_target_before_whoever_waits_for_it_gives_up() {
    for timeout in [None, Some(PATIENCE)] {
        let directory = tempfile::tempdir().unwrap();
        let mut rule = rule(&["a.example", "b.example"], OnFailure::Fail);
        rule.targets[0].timeout = timeout;
        let asked = asked_by(&shared(rule, directory.path()), &[("a.example", Registry::Stalls)], true).await;
        assert_eq!(hosts(&asked), ["a.example", "b.example"]);
        assert_eq!(asked[1].1.as_secs(), 30, "{timeout:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_image_on_a_slow_line_has_all_the_time_it_takes_on_the_last_target() {
    let directory = tempfile::tempdir().unwrap();
    let one = shared(rule(&["a.example"], OnFailure::Fail), directory.path());
    assert_eq!(hosts(&asked(&one, &[("a.example", Registry::IsSlow)]).await), ["a.example"]);
    assert_eq!(one.served.order("old.example/x:1", &[])[0], "a.example/x:1", "it was pulled");

    // Those that are known to be down are not what would make it hurry.
    let two = shared(rule(&["a.example", "b.example"], OnFailure::Fail), directory.path());
    let first = asked(&two, &[("a.example", Registry::IsDown)]).await;
    assert_eq!(hosts(&first), ["a.example", "b.example"]);
    assert_eq!(hosts(&asked(&two, &[("b.example", Registry::IsSlow)]).await), ["b.example"]);
    assert_eq!(two.served.order("old.example/x:1", &[])[0], "b.example/x:1", "it was pulled");
}

#[tokio::test(start_paused = true)]
async fn a_target_in_trouble_does_not_hold_up_the_node_for_ever_by_being_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let shared = shared(rule(&["a.example", "b.example"], OnFailure::Fail), directory.path());
    asked(&shared, &[("a.example", Registry::IsDown)]).await;
    let second = asked(&shared, &[("a.example", Registry::Stalls)]).await;
    assert_eq!(hosts(&second), ["b.example", "a.example"]);
}

#[tokio::test(start_paused = true)]
async fn the_old_registry_is_somebody_who_follows() {
    let directory = tempfile::tempdir().unwrap();
    let shared = shared(rule(&["a.example"], OnFailure::Original), directory.path());
    let asked = asked(&shared, &[("a.example", Registry::Stalls)]).await;
    assert_eq!(hosts(&asked), ["a.example", "old.example"]);
}
