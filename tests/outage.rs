//! Never the reason a node is down: the runtime is away, late, dying, back, or there twice.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use repoint::cri::v1::VersionRequest;
use repoint::error::Chain;
use repoint::runtime::{Address, Dialer, Endpoint};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tonic::Code;

use crate::support::caller::{Caller, Reply};
use crate::support::grpc;
use crate::support::http2::{Frame, GOAWAY, HEADERS, PREFACE, SETTINGS};
use crate::support::kubelet::Kubelet;
use crate::support::repoint::Repoint;
use crate::support::standin::{Answer, Standin, State};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";
const PULL: &str = "/runtime.v1.ImageService/PullImage";

/// Long enough to be told from a call that is answered at once, or not held so long.
const LONG: Duration = Duration::from_secs(50);

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("runtime.sock");
    (directory, socket)
}

fn request() -> Bytes {
    grpc::encoded(&VersionRequest::default())
}

fn unavailable(reply: &Reply) -> String {
    assert_eq!(reply.status(), Some("14"), "{reply:?}");
    let message = reply.trailers.get("grpc-message").or_else(|| reply.headers.get("grpc-message")).unwrap();
    message.to_str().unwrap().replace("%20", " ")
}

#[tokio::test]
async fn without_a_runtime_calls_end_in_unavailable_and_work_on_the_same_connection_when_it_is_there() {
    let (directory, socket) = place();
    let repoint = Repoint::before(&socket, directory.path()).settings("runtime_wait = \"200ms\"").start().await;
    let mut caller = Caller::dial(&repoint.socket()).await;
    // Never UNIMPLEMENTED, whatever is called: a kubelet would fall back to v1alpha2, for good.
    for path in [VERSION, EVENTS, PULL, "/runtime.v1alpha2.RuntimeService/Version", "/x/Y"] {
        let told = unavailable(&caller.call(path, request()).await.unwrap());
        assert!(told.contains(socket.to_str().unwrap()), "{told}");
    }
    assert!(repoint.metrics().contains("repoint_answered_total{reason=\"unreachable\"} 5\n"), "{}", repoint.metrics());
    let standin = Standin::start(&socket);
    assert_eq!(caller.call(VERSION, request()).await.unwrap().status(), Some("0"));
    drop(standin);
}

#[tokio::test]
async fn a_call_waits_for_a_runtime_that_is_on_its_way() {
    let (directory, socket) = place();
    let repoint = Repoint::before(&socket, directory.path()).settings("runtime_wait = \"50s\"").start().await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let mut caller = Caller::dial(&repoint.socket()).await;
        callers.spawn(async move { caller.call(VERSION, request()).await.unwrap().status().map(str::to_owned) });
    }
    // Some of them are surely waiting by now.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    let standin = Standin::start(&socket);
    for status in callers.join_all().await {
        assert_eq!(status.as_deref(), Some("0"));
    }
    assert!(started.elapsed() < LONG);
    assert_eq!(standin.calls().len(), 100);
}

#[tokio::test]
async fn a_runtime_that_takes_connections_and_hangs_up_is_waited_for() {
    let (directory, socket) = place();
    let repoint = Repoint::before(&socket, directory.path()).settings("runtime_wait = \"50s\"").start().await;
    let stopping = UnixListener::bind(&socket).unwrap();
    let mut caller = Caller::dial(&repoint.socket()).await;
    let calling = caller.call(VERSION, request());
    let coming_back = async {
        // In the queue of one that is about to end; then of the next, which is there.
        for _ in 0..5 {
            drop(stopping.accept().await.unwrap());
        }
        std::fs::remove_file(&socket).unwrap();
        drop(stopping);
        Standin::start(&socket)
    };
    let both = async { tokio::join!(calling, coming_back) };
    let (reply, standin) = tokio::time::timeout(LONG, both).await.unwrap();
    assert_eq!(reply.unwrap().status(), Some("0"));
    assert_eq!(standin.calls().len(), 1);
}

#[tokio::test]
async fn a_runtime_that_is_repoint_itself_is_refused_however_it_is_written() {
    let (directory, _) = place();
    let link = directory.path().join("link.sock");
    std::os::unix::fs::symlink(directory.path().join("repoint/repoint.sock"), &link).unwrap();
    let repoint = Repoint::before(&link, directory.path()).settings("runtime_wait = \"100ms\"").start().await;
    let told = unavailable(&Caller::dial(&repoint.socket()).await.call(VERSION, request()).await.unwrap());
    assert!(told.contains("repoint itself listens on"), "{told}");
}

#[tokio::test]
async fn a_call_is_held_no_longer_than_somebody_listens() {
    let (directory, socket) = place();
    let repoint = Repoint::before(&socket, directory.path()).settings("runtime_wait = \"50s\"").start().await;
    let headers =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-timeout"), HeaderValue::from_static("500m"))]);
    let started = Instant::now();
    let reply = Caller::dial(&repoint.socket()).await.call_with(VERSION, headers, request()).await.unwrap();
    unavailable(&reply);
    assert!(started.elapsed() < LONG);
}

#[tokio::test]
async fn a_call_that_dies_with_the_runtime_ends_in_a_status() {
    let (directory, socket) = place();
    let mut standin = Standin::start(&socket);
    let repoint = Repoint::before(&socket, directory.path()).start().await;
    let mut caller = Caller::dial(&repoint.socket()).await;

    // Before its answer began.
    for path in [VERSION, PULL] {
        standin.answers_once(path, Answer::death());
        unavailable(&caller.call(path, request()).await.unwrap());
    }
    // And after.
    let (feed, answer) = Answer::stream();
    standin.answers_once(EVENTS, answer);
    let response = caller.begin(EVENTS, HeaderMap::new(), request()).await.unwrap();
    assert!(feed.send(b"first").await);
    let reading = http_body_util::BodyExt::collect(response.into_body());
    let (collected, ()) = tokio::join!(reading, async {
        // Only once the first message is on its way.
        while feed.taken() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        standin.stop().await;
    });
    let collected = collected.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "14");
    assert_eq!(collected.to_bytes(), grpc::frame(grpc::PLAIN, b"first"));
}

#[tokio::test]
async fn a_runtime_that_restarts_between_two_calls_is_not_noticed() {
    let (directory, socket) = place();
    let mut standin = Standin::start(&socket);
    let repoint = Repoint::before(&socket, directory.path()).start().await;
    let mut caller = Caller::dial(&repoint.socket()).await;
    for _ in 0..20 {
        assert_eq!(caller.call(VERSION, request()).await.unwrap().status(), Some("0"));
        standin.stop().await;
        standin.start_again();
    }
    assert!(!repoint.log().contains("Answered a call"), "{}", repoint.log());
}

#[tokio::test]
async fn a_call_that_the_runtime_has_seen_is_not_made_twice() {
    let (directory, socket) = place();
    let standin = Standin::start(&socket);
    let repoint = Repoint::before(&socket, directory.path()).start().await;
    standin.answers_once(PULL, Answer::death());
    let kubelet = Kubelet::v1(&repoint.socket());
    let lost = kubelet.pull("k8s.gcr.io/x:1").await.unwrap_err();
    assert_eq!(lost.code(), Code::Unavailable);
    assert_eq!(standin.calls().len(), 1);
    let record = repoint.records().pop().unwrap();
    assert_eq!((&record["event"], &record["status"]["code"]), (&"failed".into(), &14.into()));
    kubelet.pull("k8s.gcr.io/x:1").await.unwrap();
}

#[tokio::test]
async fn what_a_broken_connection_carried_is_not_what_a_new_one_waits_for() {
    let (directory, socket) = place();
    let standin = Standin::start(&socket);
    let repoint = Repoint::before(&socket, directory.path()).start().await;
    standin.answers(EVENTS, |_| Answer::silence());
    // Closing the client's connection closes the one to the runtime, with what is under way on it.
    let mut caller = Caller::dial(&repoint.socket()).await;
    tokio::select! {
        _ = caller.begin(EVENTS, HeaderMap::new(), request()) => panic!("there is no answer to wait for"),
        _ = standin.first(EVENTS, State::Received) => {}
    }
    drop(caller);
    standin.first(EVENTS, State::Cancelled).await;
}

/// A runtime that says GOAWAY when the first call of a connection comes, and that it did not look at it.
async fn say_goaway(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // One of them is repoint's own, which asks whether a runtime is there.
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(say_goaway_on(stream));
    }
}

async fn say_goaway_on(mut stream: UnixStream) {
    let mut heard = vec![0; PREFACE.len()];
    stream.read_exact(&mut heard).await.unwrap();
    let mut said = Vec::new();
    Frame::new(SETTINGS, 0, 0, []).write(&mut said);
    stream.write_all(&said).await.unwrap();
    heard.clear();
    loop {
        if stream.read_buf(&mut heard).await.unwrap_or(0) == 0 {
            return;
        }
        let mut frames = &heard[..];
        if std::iter::from_fn(|| Frame::read(&mut frames)).any(|frame| frame.kind == HEADERS) {
            break;
        }
    }
    // The last stream that was looked at is none; NO_ERROR.
    let mut goodbye = Vec::new();
    Frame::new(GOAWAY, 0, 0, [0; 8]).write(&mut goodbye);
    stream.write_all(&goodbye).await.unwrap();
    // The other side closes.
    while stream.read_buf(&mut heard).await.unwrap_or(0) > 0 {}
}

#[tokio::test]
async fn a_call_that_a_leaving_runtime_did_not_look_at_is_refused_so_that_it_may_be_made_again() {
    let (directory, socket) = place();
    let repoint = Repoint::before(&socket, directory.path()).start().await;
    let mut caller = Caller::dial(&repoint.socket()).await;
    let refused = tokio::select! {
        refused = caller.call(VERSION, request()) => refused,
        () = say_goaway(&socket) => unreachable!("it says so for ever"),
    };
    let reset = repoint::error::cause::<h2::Error>(&refused.unwrap_err()).and_then(h2::Error::reason);
    assert_eq!(reset, Some(h2::Reason::REFUSED_STREAM));
}

fn any_of(paths: &[&Path]) -> Endpoint {
    Endpoint::AnyOf(paths.iter().map(|path| path.to_str().unwrap().parse::<Address>().unwrap()).collect())
}

#[tokio::test]
async fn the_runtime_is_the_socket_that_answers() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two, dead, plain, own] = ["one", "two", "dead", "plain", "own"].map(|name| directory.path().join(name));
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    std::fs::write(&plain, "no socket").unwrap();
    std::os::unix::fs::symlink(&two, directory.path().join("link")).unwrap();
    let link = directory.path().join("link");
    let dialer = Dialer::new(any_of(&[&one, &two, &dead, &plain, &own, &link]), own.clone());

    let none = dialer.dial().await.unwrap_err();
    let told = Chain(&none).to_string();
    assert!(told.contains("no container runtime found") && told.contains(dead.to_str().unwrap()), "{told}");

    // Ours answers as the runtime does, and is not asked.
    let _ours = Standin::start(&own);
    dialer.dial().await.unwrap_err();

    // A runtime of old, which knows only v1alpha2, is one; and a link to it is not another.
    let mut old = Standin::start(&two);
    old.answers(VERSION, |_| Answer::refusal(Code::Unimplemented, "what is v1?"));
    assert_eq!(dialer.dial().await.unwrap().0.path(), two);

    // It is remembered, so that a second one that comes up later does not take the node down.
    let other = Standin::start(&one);
    assert_eq!(dialer.dial().await.unwrap().0.path(), two);

    // Asked anew, there are two.
    let fresh = Dialer::new(any_of(&[&one, &two]), own.clone());
    let told = Chain(&fresh.dial().await.unwrap_err()).to_string();
    assert!(told.contains("more than one") && told.contains("--runtime"), "{told}");
    assert!([&one, &two].iter().all(|path| told.contains(path.to_str().unwrap())), "{told}");

    // And when the one that served is gone, the other is not taken for it: it has none of its containers.
    old.stop().await;
    let told = Chain(&dialer.dial().await.unwrap_err()).to_string();
    assert!(told.contains(two.to_str().unwrap()), "{told}");
    old.start_again();
    assert_eq!(dialer.dial().await.unwrap().0.path(), two);
    drop(other);
}
