//! The stand-in runtime does what it is told, and says what it was asked.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue};
use repoint::cri::v1::{PullImageRequest, VersionRequest, VersionResponse};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::support::caller::Caller;
use crate::support::grpc;
use crate::support::kubelet::Kubelet;
use crate::support::standin::{Answer, Standin, State, User};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";

const BUSYBOX: &str = "registry.k8s.io/busybox:1";

/// A message of no particular type.
const ANYTHING: &[u8] = &[0x0a, 1, b'x'];

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("runtime.sock");
    (directory, socket)
}

fn request() -> Bytes {
    grpc::encoded(&VersionRequest::default())
}

/// The reset that ended a call.
fn reason(error: &hyper::Error) -> Option<Reason> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(reset) = error.downcast_ref::<h2::Error>() {
            return reset.reason();
        }
        cause = error.source();
    }
    None
}

#[tokio::test]
async fn untold_it_has_a_version_and_images_in_both_versions_of_the_api() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    standin.has_image("k8s.gcr.io/number:1", User::Number(65534));
    standin.has_image("k8s.gcr.io/name:1", User::Name("app".to_owned()));

    for (api, kubelet) in [("v1", Kubelet::v1(&socket)), ("v1alpha2", Kubelet::v1alpha2(&socket))] {
        assert_eq!(kubelet.version().await.unwrap().runtime_api_version, api);

        let image = async |name| kubelet.image_status(name).await.unwrap();
        let numbered = image("k8s.gcr.io/number:1").await.unwrap();
        assert_eq!(numbered.uid.unwrap().value, 65534);
        assert_eq!(image("k8s.gcr.io/name:1").await.unwrap().username, "app");

        let pulled = format!("{api}.example/busybox:1");
        assert_eq!(image(&pulled).await, None);
        let id = kubelet.pull(&pulled).await.unwrap();
        assert_eq!(image(&pulled).await.unwrap().id, id);

        let unknown = kubelet.list_images(None).await.unwrap_err();
        assert_eq!(unknown.code(), Code::Unimplemented);
    }
    let elsewhere = Caller::dial(&socket).await.call("/not.cri/At", request()).await.unwrap();
    assert_eq!(elsewhere.status(), Some("12"));
}

#[tokio::test]
async fn a_pull_gives_what_registries_have_unless_they_are_cut_off() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    standin.offers_image(BUSYBOX, User::Number(65534));
    standin.cut_off("k8s.gcr.io");
    let kubelet = Kubelet::v1(&socket);

    assert_eq!(kubelet.image_status(BUSYBOX).await.unwrap(), None);
    kubelet.pull(BUSYBOX).await.unwrap();
    assert_eq!(kubelet.image_status(BUSYBOX).await.unwrap().unwrap().uid.unwrap().value, 65534);

    let refused = kubelet.pull("k8s.gcr.io/busybox:1").await.unwrap_err();
    assert!(refused.message().contains("connection refused"), "{refused}");
    kubelet.pull("harbor.example/k8s.gcr.io/busybox:1").await.unwrap();
}

#[tokio::test]
async fn it_says_what_it_was_asked_in_full() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    let mut headers = HeaderMap::new();
    headers.append("x-twice", HeaderValue::from_static("a"));
    headers.append("x-twice", HeaderValue::from_static("b"));
    headers.append("x-data-bin", HeaderValue::from_static("AP8"));

    let mut caller = Caller::dial(&socket).await;
    caller.call_with(VERSION, headers, request()).await.unwrap();
    Kubelet::v1(&socket).pull(BUSYBOX).await.unwrap();

    let seen = standin.first(VERSION, State::Answered).await;
    assert_eq!(seen.uri.authority().unwrap(), "localhost");
    assert_eq!(seen.headers.get_all("x-twice").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(seen.headers["x-data-bin"], "AP8");
    assert_eq!(seen.body, request());
    assert!(seen.trailers.is_empty());

    let pull: PullImageRequest = standin.first(PULL, State::Received).await.message();
    assert_eq!(pull.image.unwrap().image, BUSYBOX);
    let paths: Vec<_> = standin.calls().iter().map(|call| call.path().to_owned()).collect();
    assert_eq!(paths, [VERSION, PULL]);
}

#[tokio::test]
async fn headers_and_trailers_are_any_and_may_repeat() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    standin.answers(VERSION, |call| {
        let answer = VersionResponse { version: call.path().to_owned(), ..Default::default() };
        Answer::message(&answer)
            .header("x-head", b"h")
            .ending_in(Code::DataLoss, "half of it")
            .trailer("x-twice", b"a")
            .trailer("x-twice", b"b")
            .trailer("x-details-bin", b"AP8")
    });

    let reply = Caller::dial(&socket).await.call(VERSION, request()).await.unwrap();
    assert_eq!(reply.headers["x-head"], "h");
    assert_eq!(grpc::unframed(reply.body.clone()).len(), 1);
    assert_eq!(reply.status(), Some("15"));
    assert_eq!(reply.trailers["grpc-message"], "half of it");
    assert_eq!(reply.trailers.get_all("x-twice").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(reply.trailers["x-details-bin"], "AP8");
}

#[tokio::test]
async fn a_refusal_is_all_in_the_headers() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    standin.answers_once(VERSION, Answer::refusal(Code::NotFound, "no").header("x-why", b"so"));

    let mut caller = Caller::dial(&socket).await;
    let refused = caller.call(VERSION, request()).await.unwrap();
    assert_eq!(refused.headers["grpc-status"], "5");
    assert!(refused.body.is_empty());
    assert_eq!(refused.headers["x-why"], "so");
    assert!(refused.trailers.is_empty());
    standin.first(VERSION, State::Answered).await;

    let next = caller.call(VERSION, request()).await.unwrap();
    assert_eq!(next.status(), Some("0"), "told for once, it is over");
}

#[tokio::test]
async fn a_message_may_be_huge_or_flagged_as_compressed() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    let huge = grpc::frame(grpc::PLAIN, &vec![7; 20 << 20]);
    standin.answers_once(VERSION, Answer::frames([huge.clone()]));
    standin.answers_once(VERSION, Answer::frames([grpc::frame(grpc::COMPRESSED, ANYTHING)]));

    let mut caller = Caller::dial(&socket).await;
    assert!(caller.call(VERSION, request()).await.unwrap().body == huge);
    let flagged = caller.call(VERSION, request()).await.unwrap().body;
    assert_eq!(grpc::unframed(flagged), [(grpc::COMPRESSED, Bytes::from_static(ANYTHING))]);
}

#[tokio::test]
async fn it_resets_with_any_reason_before_and_after_messages() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    standin.answers_once(VERSION, Answer::reset(Reason::REFUSED_STREAM));
    let message = grpc::frame(grpc::PLAIN, ANYTHING);
    let late = Answer::frames([message]).ending_in_reset(Reason::ENHANCE_YOUR_CALM);
    standin.answers_once(VERSION, late);

    let mut caller = Caller::dial(&socket).await;
    let reasons = [Reason::REFUSED_STREAM, Reason::ENHANCE_YOUR_CALM];
    for (n, expected) in reasons.into_iter().enumerate() {
        let error = caller.call(VERSION, request()).await.unwrap_err();
        assert_eq!(reason(&error), Some(expected), "{error:?}");
        assert_eq!(standin.nth(n, VERSION, State::Answered).await.state, State::CutOff);
    }
}

#[tokio::test]
async fn an_answer_can_be_late_or_held_back() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    let delay = Duration::from_millis(50);
    standin.answers_once(VERSION, Answer::refusal(Code::Aborted, "late").after(delay));
    let token = CancellationToken::new();
    standin.answers_once(VERSION, Answer::refusal(Code::Aborted, "held").held_by(&token));

    let mut caller = Caller::dial(&socket).await;
    let started = Instant::now();
    caller.call(VERSION, request()).await.unwrap();
    assert!(started.elapsed() >= delay);

    let release = async {
        let held = standin.nth(1, VERSION, State::Received).await;
        assert_eq!(held.state, State::Received);
        token.cancel();
    };
    let (reply, ()) = tokio::join!(caller.call(VERSION, request()), release);
    assert_eq!(reply.unwrap().headers["grpc-message"], "held");
}

#[tokio::test]
async fn it_notices_that_a_client_gave_up() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    standin.answers_once(VERSION, Answer::silence());
    let (feed, stream) = Answer::stream();
    standin.answers_once(EVENTS, stream);
    let mut caller = Caller::dial(&socket).await;

    let given_up = timeout(Duration::from_millis(50), caller.call(VERSION, request())).await;
    assert!(given_up.is_err());
    assert_eq!(standin.first(VERSION, State::Answered).await.state, State::Cancelled);

    let response = caller.begin(EVENTS, HeaderMap::new(), request()).await.unwrap();
    drop(response);
    assert_eq!(standin.first(EVENTS, State::Answered).await.state, State::Cancelled);
    assert!(!feed.send(ANYTHING).await);
}

#[tokio::test]
async fn a_stream_waits_for_a_client_that_takes_nothing() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    let (feed, stream) = Answer::stream();
    standin.answers_once(EVENTS, stream.ending_in(Code::Ok, "over"));
    let mut caller = Caller::dial(&socket).await;
    let response = caller.begin(EVENTS, HeaderMap::new(), request()).await.unwrap();

    let message = vec![7; 64 << 10];
    let mut sent = 0;
    while timeout(Duration::from_millis(200), feed.send(&message)).await.is_ok() {
        sent += 1;
        assert!(sent < 1000, "nothing holds it back");
    }
    // At most one waits in the feed itself; the rest is in the window that hyper opened.
    let taken = feed.taken() / (message.len() + 5);
    assert!(sent - taken <= 1, "{taken} of {sent}");

    drop(feed);
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-message"], "over");
    assert_eq!(grpc::unframed(body.to_bytes()).len(), sent);
}

#[tokio::test]
async fn it_dies_in_the_middle_of_a_call_and_lives_on() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    standin.answers_once(VERSION, Answer::death());

    let mut caller = Caller::dial(&socket).await;
    caller.call(VERSION, request()).await.unwrap_err();
    assert_eq!(standin.first(VERSION, State::Answered).await.state, State::CutOff);
    caller.call(VERSION, request()).await.unwrap_err();

    let reply = Caller::dial(&socket).await.call(VERSION, request()).await.unwrap();
    assert_eq!(reply.status(), Some("0"));
}

#[tokio::test]
async fn stopped_it_hangs_up_and_can_start_again() {
    let (_directory, socket) = place();
    let mut standin = Standin::start(&socket);
    standin.answers_once(VERSION, Answer::silence());
    let kubelet = Kubelet::v1(&socket);

    let stop = async {
        standin.first(VERSION, State::Received).await;
        standin.stop().await;
    };
    let (cut_off, ()) = tokio::join!(kubelet.version(), stop);
    cut_off.unwrap_err();
    assert!(!socket.exists());
    assert_eq!(kubelet.version().await.unwrap_err().code(), Code::Unavailable);

    standin.start_again();
    kubelet.version().await.unwrap();
    assert_eq!(standin.calls().len(), 2);
}

#[tokio::test]
#[should_panic(expected = "a script panicked")]
async fn a_script_that_panics_fails_its_test() {
    let (_directory, socket) = place();
    let standin = Standin::start(&socket);
    standin.answers(VERSION, |_| panic!("an assertion in a script"));
    Caller::dial(&socket).await.call(VERSION, request()).await.unwrap_err();
}
