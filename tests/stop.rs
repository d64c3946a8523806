//! The end of the service, and the next one: no call is lost but those whose time ran out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use repoint::cri::v1::{PullImageResponse, VersionResponse};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::support::http2::{self, Authority, REFUSED_STREAM};
use crate::support::kubelet::Kubelet;
use crate::support::pair::pair;
use crate::support::repoint::Repoint;
use crate::support::standin::{Answer, State};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const LIST: &str = "/runtime.v1.RuntimeService/ListContainers";
const EXEC: &str = "/runtime.v1.RuntimeService/ExecSync";
const EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";
const PULL: &str = "/runtime.v1.ImageService/PullImage";

/// How long something that takes a moment may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A client that does what grpc-go does about its connection: a call that was refused unseen, or came to none, is made again
/// on the next one.
struct Client {
    socket: PathBuf,
    connection: tokio::sync::Mutex<Option<SendRequest<Full<Bytes>>>>,
    again: AtomicUsize,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Code(i32),
    /// For good: nobody knows whether it was looked at.
    Broken(String),
}

// === impl Client ===

impl Client {
    fn new(socket: &Path) -> Arc<Self> {
        Arc::new(Self {
            socket: socket.to_owned(),
            connection: tokio::sync::Mutex::default(),
            again: AtomicUsize::new(0),
        })
    }

    async fn connected(&self) -> SendRequest<Full<Bytes>> {
        let mut connection = self.connection.lock().await;
        if let Some(live) = connection.as_ref().filter(|live| !live.is_closed()) {
            return live.clone();
        }
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < LIMIT, "nobody accepts");
            let Ok(stream) = UnixStream::connect(&self.socket).await else {
                sleep(Duration::from_millis(5)).await;
                continue;
            };
            let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
            let Ok((sender, task)) = builder.handshake(TokioIo::new(stream)).await else { continue };
            drop(detached(async move { drop(task.await) }));
            return connection.insert(sender).clone();
        }
    }

    async fn call(&self, path: &str) -> End {
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < LIMIT, "it is refused again and again");
            let mut sender = self.connected().await;
            let request = Request::post(format!("http://localhost{path}"))
                .version(Version::HTTP_2)
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(Full::new(Bytes::from_static(&[0, 0, 0, 0, 0])))
                .unwrap();
            let error = match sender.try_send_request(request).await {
                Ok(response) => return ended(response).await,
                Err(mut error) => {
                    let is_unsent = error.take_message().is_some();
                    let error = error.into_error();
                    if !is_unsent && !is_refused(&error) {
                        return End::Broken(format!("{error:?}"));
                    }
                    error
                }
            };
            self.again.fetch_add(1, Ordering::Relaxed);
            // That connection is at its end.
            let mut connection = self.connection.lock().await;
            if connection.as_ref().is_some_and(SendRequest::is_closed) || is_refused(&error) {
                *connection = None;
            }
            drop(connection);
            sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn ended(response: Response<Incoming>) -> End {
    let of = |headers: &http::HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
    if let Some(code) = of(response.headers()) {
        return End::Code(code);
    }
    match response.into_body().collect().await {
        Ok(body) => body.trailers().and_then(of).map_or_else(|| End::Broken("no status".to_owned()), End::Code),
        Err(error) => End::Broken(format!("{error:?}")),
    }
}

/// Whether the server says that it did not look at it.
fn is_refused(error: &hyper::Error) -> bool {
    let mut cause = Some(error as &(dyn std::error::Error + 'static));
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            // Of a GOAWAY, those that came after the last one that was looked at.
            return error.reason() == Some(h2::Reason::REFUSED_STREAM) || (error.is_go_away() && error.is_remote());
        }
        cause = error.source();
    }
    false
}

/// Runs on without anybody who waits for it: hyper's half of a connection, which has nothing to tell.
#[expect(clippy::disallowed_methods, reason = "as above")]
fn detached(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}

/// Waits until `is_so`.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn tallied(ends: Vec<End>) -> BTreeMap<End, usize> {
    ends.into_iter().fold(BTreeMap::new(), |mut all, end| {
        *all.entry(end).or_default() += 1;
        all
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_calls_under_way_across_a_restart_only_those_fail_whose_time_ran_out() {
    let (directory, standin, setup) = pair();
    let socket = directory.path().join("repoint/repoint.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let held = CancellationToken::new();
    let version = || Answer::message(&VersionResponse::default());
    let token = held.clone();
    standin.answers(VERSION, move |_| version().held_by(&token));
    standin.answers(LIST, |_| Answer::silence());
    let hand = || listener.try_clone().unwrap();
    let first = setup.toml("[drain]\ncalls = \"5s\"\n").handed(hand(), "repoint").start().await;
    let clients: Vec<_> = (0..10).map(|_| Client::new(&socket)).collect();
    let (mut in_time, mut too_late) = (JoinSet::new(), JoinSet::new());
    for number in 0..1000 {
        let client = Arc::clone(&clients[number % clients.len()]);
        // Every hundredth hangs.
        if number % 100 == 0 {
            too_late.spawn(async move { client.call(LIST).await });
        } else {
            in_time.spawn(async move { client.call(VERSION).await });
        }
    }
    until("a thousand calls are under way", || standin.calls().len() == 1000).await;
    first.signal("TERM");
    until("it stops", || first.log().contains("Stopping: waiting for calls under way")).await;
    // These come in between: on connections that are told to go, and on one that nobody accepts yet.
    let mut between = JoinSet::new();
    for client in clients.iter().cloned().chain([Client::new(&socket)]) {
        between.spawn(async move { client.call("/runtime.v1.RuntimeService/Status").await });
    }
    held.cancel();
    let in_time = in_time.join_all().await;
    assert_eq!(tallied(in_time), BTreeMap::from([(End::Code(0), 990)]));
    assert!(first.ended().await.success());
    let too_late = too_late.join_all().await;
    assert_eq!(tallied(too_late), BTreeMap::from([(End::Code(Code::Unavailable as i32), 10)]));
    let next = Repoint::before(&directory.path().join("runtime.sock"), directory.path());
    let next = next.handed(hand(), "repoint").start().await;
    // The stand-in knows no such call, and who says so is the stand-in.
    let between = between.join_all().await;
    assert_eq!(tallied(between), BTreeMap::from([(End::Code(Code::Unimplemented as i32), 11)]));
    assert!(clients.iter().any(|client| client.again.load(Ordering::Relaxed) > 0));
    drop(next);
}

#[tokio::test]
async fn each_call_has_the_time_of_what_it_does_and_ends_in_a_status() {
    let (_directory, standin, setup) = pair();
    for path in [LIST, EXEC, EVENTS] {
        standin.answers(path, |_| Answer::silence());
    }
    let repoint = setup.toml("[drain]\ncalls = \"1s\"\nlong_calls = \"4s\"\n").start().await;
    let client = Client::new(&repoint.socket());
    let timed = |path: &'static str| {
        let (client, stopping) = (Arc::clone(&client), &repoint);
        async move {
            let end = client.call(path).await;
            assert_eq!(end, End::Code(Code::Unavailable as i32), "{path}");
            (Instant::now(), stopping.log())
        }
    };
    let stop = async {
        for path in [LIST, EXEC, EVENTS] {
            standin.first(path, State::Received).await;
        }
        let stopped = Instant::now();
        repoint.signal("TERM");
        stopped
    };
    let ((usual, log), (long, _), (endless, _), stopped) = tokio::join!(timed(LIST), timed(EXEC), timed(EVENTS), stop);
    let after = |ended: Instant| ended.duration_since(stopped);
    assert!(after(usual) >= Duration::from_secs(1) && after(long) >= Duration::from_secs(4));
    // In this order, however slow the machine is.
    assert!(endless < usual && usual < long, "{:?}", (after(endless), after(usual), after(long)));
    assert!(log.contains("it is being stopped"), "{log}");
    assert!(repoint.ended().await.success());
}

#[tokio::test]
async fn a_call_that_comes_after_the_stop_began_is_refused_so_that_it_may_be_made_again() {
    let (_directory, standin, setup) = pair();
    let held = CancellationToken::new();
    standin.answers_once(EXEC, Answer::message(&VersionResponse::default()).held_by(&held));
    let repoint = setup.start().await;
    let mut client = http2::Client::connect(UnixStream::connect(repoint.socket()).await.unwrap()).await.unwrap();
    let of = |path| http2::Request::grpc(path, Authority::Localhost, b"");
    let under_way = client.send(&of(EXEC)).await;
    standin.first(EXEC, State::Received).await;
    repoint.signal("TERM");
    until("it stops", || repoint.log().contains("Stopping: waiting")).await;
    // It was told so by then, and has not read it yet.
    let late = client.send(&of(VERSION)).await;
    assert_eq!(client.answer(late).await.end, http2::End::Reset(REFUSED_STREAM));
    held.cancel();
    assert!(matches!(client.answer(under_way).await.end, http2::End::Trailers(_)));
    assert!(repoint.ended().await.success());
    assert!(standin.calls().iter().all(|seen| seen.path() != VERSION), "the runtime has not heard of it");
}

#[tokio::test]
async fn an_answer_that_has_begun_ends_in_trailers_when_its_time_is_over() {
    let (_directory, standin, setup) = pair();
    let (feed, answer) = Answer::stream();
    standin.answers_once(EVENTS, answer);
    let repoint = setup.start().await;
    let client = Client::new(&repoint.socket());
    let stop = async {
        standin.first(EVENTS, State::Received).await;
        assert!(feed.send(&[7; 27]).await);
        repoint.signal("TERM");
    };
    let (end, ()) = tokio::join!(client.call(EVENTS), stop);
    assert_eq!(end, End::Code(Code::Unavailable as i32));
    assert!(repoint.ended().await.success());
}

#[tokio::test]
async fn a_pull_is_given_its_time_and_its_record() {
    let (_directory, standin, setup) = pair();
    let held = CancellationToken::new();
    let answer = Answer::message(&PullImageResponse { image_ref: "id".into() }).held_by(&held);
    standin.answers_once(PULL, answer);
    let repoint = setup.toml("[drain]\ncalls = \"10ms\"\n").start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    let audit = repoint.audit_file();
    let stop = async {
        standin.first(PULL, State::Received).await;
        repoint.signal("TERM");
        // Long after the time of other calls.
        sleep(Duration::from_secs(2)).await;
        held.cancel();
    };
    let (pulled, ()) = tokio::join!(kubelet.pull("k8s.gcr.io/x:1"), stop);
    assert_eq!(pulled.unwrap(), "id");
    assert!(repoint.ended().await.success());
    let text = fs::read_to_string(audit).unwrap();
    assert!(text.lines().any(|line| line.contains("\"event\":\"substituted\"")), "{text}");
}

#[tokio::test]
async fn who_reads_slowly_is_cut_when_the_time_is_over() {
    let (_directory, standin, setup) = pair();
    // More than all windows hold together.
    standin.answers(LIST, |_| Answer::frames((0..64).map(|_| Bytes::from(vec![0; 1 << 20]))));
    let repoint = setup.toml("[drain]\ncalls = \"1s\"\n").start().await;
    let client = Client::new(&repoint.socket());
    let mut sender = client.connected().await;
    let request = Request::post(format!("http://localhost{LIST}"))
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .body(Full::new(Bytes::from_static(&[0, 0, 0, 0, 0])))
        .unwrap();
    let unread = sender.send_request(request).await.unwrap();
    let signalled = Instant::now();
    repoint.signal("TERM");
    // Nobody reads on, and nobody is waited for who takes his time: the limit of long calls is two minutes.
    assert!(repoint.ended().await.success());
    assert!(signalled.elapsed() < Duration::from_secs(25), "{:?}", signalled.elapsed());
    unread.into_body().collect().await.unwrap_err();
}

#[tokio::test]
async fn a_second_signal_means_now() {
    let (_directory, standin, setup) = pair();
    standin.answers(EXEC, |_| Answer::silence());
    let repoint = setup.start().await;
    let client = Client::new(&repoint.socket());
    let call = client.call(EXEC);
    let stop = async {
        standin.first(EXEC, State::Received).await;
        repoint.signal("TERM");
        until("it stops", || repoint.log().contains("Stopping: waiting")).await;
        repoint.signal("INT");
        assert!(repoint.ended().await.success());
    };
    let signalled = Instant::now();
    let (end, ()) = tokio::join!(call, stop);
    assert!(matches!(end, End::Broken(_)), "{end:?}");
    assert!(signalled.elapsed() < Duration::from_secs(25), "{:?}", signalled.elapsed());
}

#[tokio::test]
async fn a_service_without_calls_ends_at_once() {
    let (_directory, _standin, setup) = pair();
    let repoint = setup.start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.version().await.unwrap();
    let signalled = Instant::now();
    assert!(repoint.stop().await.success());
    assert!(signalled.elapsed() < Duration::from_secs(9), "less than calls would have had");
}
