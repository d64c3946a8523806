//! The round of a pull: who is asked, in which order, for how long, and what comes back in the end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use repoint::cri::v1::{
    AuthConfig, ImageSpec, PodSandboxConfig, PodSandboxMetadata, PullImageRequest, PullImageResponse,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::support::caller::{Caller, Reply};
use crate::support::grpc;
use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Repoint, Setup};
use crate::support::standin::{Answer, Seen, Standin, State, User};
use crate::support::world::{Image, Refusal, Witness, World};

const PULL: &str = "/runtime.v1.ImageService/PullImage";
const OLD: &str = "old.example/x:1";

/// Longer than anything takes that happens.
const LIMIT: Duration = Duration::from_secs(30);

/// A stand-in runtime with repoint in front of it, which has one rule: `old.example` is pulled from these targets.
struct Pair {
    standin: Standin,
    repoint: Repoint,
    caller: Caller,
    runtime: PathBuf,
    directory: TempDir,
}

impl Pair {
    async fn with_targets(targets: &str) -> Self {
        Self::with_rule(&format!("targets = [{targets}]")).await
    }

    async fn with_rule(rule: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = directory.path().join("runtime.sock");
        let standin = Standin::start(&runtime);
        let repoint = setup(&runtime, &directory, rule).start().await;
        let caller = Caller::dial(&repoint.socket()).await;
        Self { standin, repoint, caller, runtime, directory }
    }

    /// The same node after a restart of repoint, with another rule.
    async fn restarted_with(self, rule: &str) -> Self {
        let Self { standin, repoint, runtime, directory, .. } = self;
        assert!(repoint.stop().await.success());
        let repoint = setup(&runtime, &directory, rule).start().await;
        let caller = Caller::dial(&repoint.socket()).await;
        Self { standin, repoint, caller, runtime, directory }
    }

    async fn pull(&mut self, request: &PullImageRequest) -> Reply {
        self.caller.call(PULL, grpc::encoded(request)).await.unwrap()
    }

    /// The images that the runtime was asked to pull.
    fn asked(&self) -> Vec<String> {
        let pulls = self.standin.calls().into_iter().filter(|seen| seen.path() == PULL);
        pulls.map(|seen| seen.message::<PullImageRequest>().image.unwrap().image).collect()
    }

    fn last_record(&self) -> serde_json::Value {
        self.repoint.records().pop().expect("a record")
    }
}

fn setup(runtime: &std::path::Path, directory: &TempDir, rule: &str) -> Setup {
    Repoint::before(runtime, directory.path())
        .toml(&format!("[[rules]]\nname = \"moved\"\nmatch = [\"old.example\"]\n{rule}\n"))
}

fn request(image: &str) -> PullImageRequest {
    let image = Some(ImageSpec { image: image.to_owned(), ..ImageSpec::default() });
    PullImageRequest { image, ..PullImageRequest::default() }
}

/// One credential of a pod's, as the kubelet tries it.
fn candidate(image: &str, password: &str) -> PullImageRequest {
    let metadata = PodSandboxMetadata { name: "web".into(), uid: "u-1".into(), namespace: "prod".into(), attempt: 0 };
    PullImageRequest {
        auth: Some(AuthConfig { username: "u".into(), password: password.into(), ..AuthConfig::default() }),
        sandbox_config: Some(PodSandboxConfig { metadata: Some(metadata), ..PodSandboxConfig::default() }),
        ..request(image)
    }
}

fn pulled(id: &str) -> Answer {
    Answer::message(&PullImageResponse { image_ref: id.to_owned() })
}

fn down() -> Answer {
    Answer::refusal(Code::Unknown, "failed to do request: dial tcp 10.0.0.1:443: connect: connection refused")
}

fn message(reply: &Reply) -> String {
    let status = Status::from_header_map(&reply.trailers).or_else(|| Status::from_header_map(&reply.headers));
    status.expect("a status").message().to_owned()
}

#[tokio::test]
async fn a_mirror_that_accepts_and_says_nothing_has_its_time_and_no_more() {
    let mut pair = Pair::with_targets("{ location = \"a.example\", timeout = \"200ms\" }, \"b.example\"").await;
    pair.standin.answers_once(PULL, Answer::silence());
    let reply = tokio::time::timeout(LIMIT, pair.pull(&request(OLD))).await.unwrap();
    assert_eq!(reply.status(), Some("0"));
    assert_eq!(pair.asked(), ["a.example/x:1", "b.example/x:1"]);
    // The runtime does not go on with what nobody waits for.
    assert_eq!(pair.standin.first(PULL, State::Cancelled).await.state, State::Cancelled);
    let attempts = &pair.last_record()["attempts"];
    assert_eq!(attempts[0]["status"]["code"], 4);
    assert!(attempts[0]["status"]["message"].as_str().unwrap().contains("within 0.2 s"), "{attempts}");
    assert!(pair.repoint.metrics().contains("repoint_attempts_total{target=\"a.example\",outcome=\"late\"} 1\n"));

    // Where all of them are late, the caller is told so.
    let mut pair = pair.restarted_with("targets = [{ location = \"a.example\", timeout = \"100ms\" }]").await;
    pair.standin.answers(PULL, |_| Answer::silence());
    let reply = tokio::time::timeout(LIMIT, pair.pull(&request("old.example/y:1"))).await.unwrap();
    assert_eq!(reply.status(), Some("4"));
    assert!(
        message(&reply).contains("a.example/y:1 could not be pulled within 0.1 s (repoint, rule moved"),
        "{reply:?}"
    );
}

#[tokio::test]
async fn no_target_s_time_outlasts_the_caller_s() {
    let mut pair = Pair::with_targets("{ location = \"a.example\", timeout = \"1h\" }, \"b.example\"").await;
    pair.standin.answers(PULL, |_| Answer::silence());
    let mut caller = Caller::dial(&pair.repoint.socket()).await;
    let body = grpc::encoded(&request(OLD));
    let call = caller.call(PULL, body);
    let cancel = async {
        pair.standin.first(PULL, State::Received).await;
    };
    // Dropped, as a kubelet does that gives up.
    tokio::select! { _ = call => panic!("it was answered"), () = cancel => {} }
    drop(caller);
    pair.standin.first(PULL, State::Cancelled).await;
    let started = Instant::now();
    while pair.repoint.records().is_empty() {
        assert!(started.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(pair.last_record()["outcome"], "cancelled");
    assert_eq!(pair.asked(), ["a.example/x:1"]);
    pair.standin.answers(PULL, |_| pulled("sha256:a"));
    assert_eq!(pair.pull(&request(OLD)).await.status(), Some("0"));
}

#[tokio::test]
async fn what_an_attempt_took_is_no_longer_the_next_one_s() {
    let mut pair = Pair::with_targets("{ location = \"a.example\", timeout = \"200ms\" }, \"b.example\"").await;
    pair.standin.answers_once(PULL, Answer::silence());
    let headers = [(HeaderName::from_static("grpc-timeout"), HeaderValue::from_static("50S"))].into_iter().collect();
    pair.caller.call_with(PULL, headers, grpc::encoded(&request(OLD))).await.unwrap();
    let calls = pair.standin.calls();
    let left = calls.iter().map(|seen| seen.headers["grpc-timeout"].to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(left[0], "50S");
    let left: u64 = left[1].strip_suffix('u').unwrap().parse().unwrap();
    assert!((1..=49_800_000).contains(&left), "{left} µs");
}

#[tokio::test]
async fn the_end_of_the_deadline_and_a_refused_signature_end_the_round() {
    for (refusal, deadline, asked) in [
        (
            Answer::refusal(Code::DeadlineExceeded, "context deadline exceeded").after(Duration::from_secs(2)),
            Some("2S"),
            1,
        ),
        // Long before the caller's, or without one, it is the registry's own.
        (Answer::refusal(Code::DeadlineExceeded, "context deadline exceeded"), Some("50S"), 2),
        (Answer::refusal(Code::DeadlineExceeded, "context deadline exceeded"), None, 2),
        // So containerd says that it gave up on a registry that sends nothing any more. Nobody hears the answer to a call
        // that is cancelled.
        (Answer::refusal(Code::Cancelled, "failed to pull and unpack image: context canceled"), None, 2),
        (Answer::refusal(Code::Cancelled, "failed to pull and unpack image: context canceled"), Some("50S"), 2),
        (Answer::refusal(Code::Unknown, "SignatureValidationFailed: not signed by us"), None, 1),
        // So CRI-O said it before CRI had a word for it.
        (
            Answer::refusal(Code::Unknown, "copying system image: Source image rejected: A signature was required"),
            None,
            1,
        ),
        (Answer::refusal(Code::PermissionDenied, "no"), None, 2),
        (Answer::refusal(Code::NotFound, "no"), None, 2),
        (Answer::refusal(Code::Unknown, "signature is fine, but: SignatureValidationFailed"), None, 2),
    ] {
        let mut pair = Pair::with_targets("\"a.example\", \"b.example\"").await;
        let told = format!("{refusal:?}");
        // The connection is there before: within such a deadline nobody can be counted on to make one.
        pair.caller.call("/x/Y", grpc::encoded(&request(OLD))).await.unwrap();
        pair.standin.answers_once(PULL, refusal);
        let headers = deadline.map(|limit| (HeaderName::from_static("grpc-timeout"), HeaderValue::from_static(limit)));
        let body = grpc::encoded(&request(OLD));
        let reply = pair.caller.call_with(PULL, headers.into_iter().collect::<HeaderMap>(), body).await.unwrap();
        assert_eq!(pair.asked().len(), asked, "{told}");
        assert_eq!(reply.status() == Some("0"), asked == 2, "{told}");
    }
}

#[tokio::test]
async fn without_leave_to_fall_back_the_old_registry_is_not_asked() {
    let mut pair = Pair::with_targets("\"a.example\", \"b.example\"").await;
    pair.standin.answers(PULL, |_| Answer::refusal(Code::NotFound, "no such image"));
    let reply = pair.pull(&candidate(OLD, "hunter2")).await;
    assert_eq!(reply.status(), Some("5"));
    assert_eq!(pair.asked(), ["a.example/x:1", "b.example/x:1"]);
    assert_eq!(pair.last_record()["event"], "failed");
}

#[tokio::test]
async fn with_leave_the_old_registry_is_asked_last_with_the_very_bytes_that_came() {
    let mut pair = Pair::with_rule("targets = [\"a.example\"]\non_failure = \"original\"").await;
    pair.standin.answers_once(PULL, Answer::refusal(Code::NotFound, "no such image"));
    pair.standin.answers_once(PULL, pulled("sha256:old"));
    let sent = grpc::encoded(&candidate(OLD, "hunter2"));
    let reply = pair.caller.call(PULL, sent.clone()).await.unwrap();
    assert_eq!(PullImageResponse::decode(&reply.body[5..]).unwrap().image_ref, "sha256:old");
    assert_eq!(pair.asked(), ["a.example/x:1", OLD]);
    assert_eq!(pair.standin.calls()[1].body, sent);
    let record = pair.last_record();
    assert_eq!((&record["event"], &record["outcome"]), (&"fell_back".into(), &"pulled".into()));
    assert_eq!(record["substitute"], "a.example/x:1");
    assert!(
        pair.repoint.metrics().contains("repoint_substitutions_total{rule=\"moved\",outcome=\"fell_back\"} 1\n"),
        "{}",
        pair.repoint.metrics()
    );

    // Where it has not got it either, the first target's answer is the one that counts.
    pair.standin.answers_once(PULL, Answer::refusal(Code::NotFound, "not here"));
    pair.standin.answers_once(PULL, Answer::refusal(Code::Unknown, "nor there"));
    let reply = pair.pull(&request("old.example/y:1")).await;
    assert_eq!(reply.status(), Some("5"));
    assert_eq!(
        message(&reply),
        "not here (repoint, rule moved: instead of old.example/y:1 asked a.example/y:1 [NotFound: not here], \
         then old.example/y:1 [Unknown: nor there])"
    );
    assert_eq!(pair.last_record()["event"], "failed");
}

#[tokio::test]
async fn a_target_that_is_down_is_asked_last_for_a_while_and_its_answer_is_still_the_one_that_counts() {
    let mut pair = Pair::with_targets("\"a.example\", \"b.example\"").await;
    pair.standin.answers_once(PULL, down());
    pair.pull(&request(OLD)).await;
    assert!(pair.repoint.metrics().contains("repoint_registry_failures{registry=\"a.example\"} 1\n"));
    pair.pull(&request("old.example/y:1")).await;
    assert_eq!(pair.asked(), ["a.example/x:1", "b.example/x:1", "b.example/y:1"]);
    pair.standin.answers_once(PULL, Answer::refusal(Code::Unknown, "b says no"));
    pair.standin.answers_once(PULL, Answer::refusal(Code::NotFound, "a says no"));
    let reply = pair.pull(&request("old.example/z:1")).await;
    assert_eq!(pair.asked()[3..], ["b.example/z:1", "a.example/z:1"]);
    assert!(message(&reply).starts_with("a says no (repoint"), "{reply:?}");
    // An answer is an answer: it can be reached.
    pair.pull(&request(OLD)).await;
    assert_eq!(pair.asked()[5], "a.example/x:1");
    assert!(pair.repoint.metrics().contains("repoint_registry_failures{registry=\"a.example\"} 0\n"));
}

#[tokio::test]
async fn calls_that_differ_in_what_nobody_is_shown_share_one_failed_round() {
    let mut pair = Pair::with_targets("\"a.example\", \"b.example\"").await;
    pair.standin.answers(PULL, |_| Answer::refusal(Code::NotFound, "no such image"));
    let first = pair.pull(&candidate(OLD, "one")).await;
    assert_eq!(pair.asked().len(), 2);
    for password in ["two", "three"] {
        let reply = pair.pull(&candidate(OLD, password)).await;
        assert_eq!((reply.headers, reply.trailers), (first.headers.clone(), first.trailers.clone()), "{password}");
    }
    assert_eq!(pair.asked().len(), 2);
    // Each has its record, which says so.
    let reused: Vec<_> = pair.repoint.records().iter().map(|record| record["attempts"][1]["reused"].clone()).collect();
    assert_eq!(reused, [false, true, true]);

    // The same candidate again is a new try.
    pair.pull(&candidate(OLD, "one")).await;
    assert_eq!(pair.asked().len(), 4);
    // Another image, another pod, and no pod at all, are other rounds.
    pair.pull(&candidate("old.example/y:1", "two")).await;
    let mut elsewhere = candidate(OLD, "two");
    elsewhere.sandbox_config.as_mut().unwrap().metadata.as_mut().unwrap().uid = "u-2".into();
    pair.pull(&elsewhere).await;
    for password in ["one", "two"] {
        pair.pull(&PullImageRequest { sandbox_config: None, ..candidate(OLD, password) }).await;
    }
    assert_eq!(pair.asked().len(), 12);
}

#[tokio::test]
async fn what_is_shown_to_somebody_is_tried_with_every_credential() {
    // The second target and the old registry are shown them; the first is not, and asked once.
    let targets = "targets = [\"a.example\", { location = \"b.example\", credentials = \"forward\" }]";
    let mut pair = Pair::with_rule(&format!("{targets}\non_failure = \"original\"")).await;
    pair.standin.answers(PULL, |seen: &Seen| {
        let request: PullImageRequest = seen.message();
        let password = request.auth.map(|auth| auth.password).unwrap_or_default();
        match (request.image.unwrap().image.as_str(), password.as_str()) {
            (OLD, "two") => pulled("sha256:old"),
            _ => Answer::refusal(Code::Unknown, "401 Unauthorized"),
        }
    });
    assert_eq!(pair.pull(&candidate(OLD, "one")).await.status(), Some("2"));
    assert_eq!(pair.pull(&candidate(OLD, "two")).await.status(), Some("0"));
    assert_eq!(pair.asked(), ["a.example/x:1", "b.example/x:1", OLD, "b.example/x:1", OLD]);
}

#[tokio::test]
async fn what_a_runtime_quotes_of_credentials_is_in_no_record_and_no_log() {
    // As containerd does with an `auth` that has no colon in it.
    let quoted = "invalid decoded auth: \"hunter2-t0ken\"";
    let auth = AuthConfig { auth: "aHVudGVyMi10MGtlbg==".into(), ..AuthConfig::default() };
    let asked = PullImageRequest { auth: Some(auth), ..candidate(OLD, "") };
    for rule in [
        "action = \"observe\"",
        "targets = [\"a.example\"]\non_failure = \"original\"",
        "targets = [\"b.example\", { location = \"a.example\", credentials = \"forward\" }]",
    ] {
        let mut pair = Pair::with_rule(rule).await;
        pair.standin.answers(PULL, move |seen: &Seen| match seen.message::<PullImageRequest>().auth {
            Some(_) => Answer::refusal(Code::Unknown, quoted),
            None => Answer::refusal(Code::NotFound, "no such image"),
        });
        let told = message(&pair.pull(&asked).await);
        let attempt = pair.last_record()["attempts"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(attempt["status"]["message"], "invalid decoded auth: \"[redacted]\"", "{rule}");
        let written = [pair.repoint.log(), format!("{:?}", pair.repoint.records())].concat();
        assert!(!written.contains("hunter2"), "{written}");
        // Its own bytes are a runtime's own; what is added to them is ours.
        assert_eq!(told.contains("hunter2"), rule.contains("observe"), "{told}");
    }
}

#[tokio::test]
async fn another_order_of_targets_and_a_restart_leave_every_image_where_it_was() {
    let mut pair = Pair::with_targets("\"a.example\", \"b.example\"").await;
    pair.pull(&request(OLD)).await;
    assert_eq!(pair.asked(), ["a.example/x:1"]);
    let kubelet = |pair: &Pair| Kubelet::v1(&pair.repoint.socket());
    let id = kubelet(&pair).image_status(OLD).await.unwrap().unwrap().id;

    // A twin is there under the name that is asked for first now.
    pair.standin.has_image("b.example/x:1", User::Number(1));
    for rule in [
        "targets = [\"b.example\", \"a.example\"]",
        "targets = [\"c.example\"]",
        "targets = [\"c.example\"]\naction = \"deny\"",
        "action = \"observe\"",
    ] {
        pair = pair.restarted_with(rule).await;
        let found = kubelet(&pair).image_status(OLD).await.unwrap();
        assert_eq!(found.map(|image| image.id).as_ref(), Some(&id), "{rule}");
    }
    // A pull that is only observed gives another image, which is the one from then on.
    pair.pull(&request(OLD)).await;
    let found = kubelet(&pair).image_status(OLD).await.unwrap().unwrap();
    assert_eq!(found.repo_tags, [OLD]);
}

#[tokio::test]
async fn on_a_real_node_targets_are_tried_in_order_and_the_round_fails_closed() {
    let Some(world) = World::start().await else { return };
    world.push("k8s/busybox:1", &Image::busybox().user("65534")).await;
    let [first, stalled, old] = [Refusal::Unavailable, Refusal::Silence, Refusal::NotFound].map(Witness::start);
    world.serve_from("first.example", first.address());
    world.serve_from("stalled.example", stalled.address());
    world.serve_from("k8s.gcr.io", old.address());
    let rule =
        |targets: &str| format!("[[rules]]\nname = \"moved\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [{targets}]\n");
    let before = || Repoint::before(&world.containerd_socket(), world.path());
    let targets = "\"first.example\", { location = \"stalled.example\", timeout = \"1s\" }, \"registry.k8s.io/k8s\"";
    let repoint = before().toml(&rule(targets)).start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    let id = kubelet.pull("k8s.gcr.io/busybox:1").await.unwrap();
    let found = kubelet.image_status("k8s.gcr.io/busybox:1").await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.uid.unwrap().value), (id.as_str(), 65534));
    assert!(!first.asked().is_empty() && !stalled.asked().is_empty() && old.asked().is_empty());
    let record = repoint.records().pop().unwrap();
    let asked: Vec<_> = record["attempts"].as_array().unwrap().iter().map(|attempt| attempt["image"].clone()).collect();
    assert_eq!(asked, ["first.example/busybox:1", "stalled.example/busybox:1", "registry.k8s.io/k8s/busybox:1"]);

    // Both are down, and so not in the way of the next pull.
    let before_it = (first.asked().len(), stalled.asked().len());
    world.push("k8s/busybox:2", &Image::busybox()).await;
    kubelet.pull("k8s.gcr.io/busybox:2").await.unwrap();
    assert_eq!((first.asked().len(), stalled.asked().len()), before_it);

    // The only one that works has not got it: the old registry is not asked, whatever it has.
    let refused = kubelet.pull("k8s.gcr.io/nothing:1").await.unwrap_err();
    assert!(refused.message().contains("then stalled.example/nothing:1"), "{refused}");
    assert!(old.asked().is_empty());
    drop(repoint);

    let repoint = before().toml(&(rule("\"first.example\"") + "on_failure = \"original\"\n")).start().await;
    world.serve("k8s.gcr.io");
    world.push("only-there:1", &Image::busybox()).await;
    Kubelet::v1(&repoint.socket()).pull("k8s.gcr.io/only-there:1").await.unwrap();
    assert_eq!(repoint.records().pop().unwrap()["event"], "fell_back");
    world.stop();
}

#[tokio::test]
async fn a_runtime_that_does_not_say_digests_keeps_nobody_waiting_for_long() {
    let pair = Pair::with_targets("\"a.example\"").await;
    let go_on = CancellationToken::new();
    pair.standin.answers("/runtime.v1.ImageService/ImageStatus", |_| Answer::silence());
    pair.standin.answers(PULL, {
        let go_on = go_on.clone();
        move |seen: &Seen| match seen.message::<PullImageRequest>().image.unwrap().image.as_str() {
            "a.example/held:1" => pulled("sha256:held").held_by(&go_on),
            _ => pulled("sha256:a"),
        }
    });
    let all = (0..200).map(|number| {
        let body = grpc::encoded(&request(&format!("old.example/x:{number}")));
        pair.caller.begun(PULL, body)
    });
    let held = pair.caller.begun(PULL, grpc::encoded(&request("old.example/held:1")));
    let others = async {
        let answers = futures(all).await;
        assert!(answers.into_iter().all(|answer| answer.is_ok()));
        go_on.cancel();
    };
    // A runtime ends a connection on which many questions are taken back at once, and every call on it.
    let (held, ()) = tokio::time::timeout(LIMIT, async { tokio::join!(held, others) }).await.unwrap();
    assert!(held.is_ok(), "{held:?}");
    assert!(pair.repoint.records().iter().all(|record| record["outcome"] == "pulled" && record["digest"].is_null()));
}

/// All of them at once.
async fn futures<F: Future<Output: Send + 'static> + Send + 'static>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running = tokio::task::JoinSet::new();
    for one in all {
        running.spawn(one);
    }
    running.join_all().await
}
