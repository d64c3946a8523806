//! An image is meant, not a name: what is asked about it, and what is done with it, where the runtime answers oddly.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use repoint::cri::v1::{
    ContainerConfig, CreateContainerRequest, Image, ImageFilter, ImageSpec, ImageStatusRequest, ImageStatusResponse,
    ListImagesRequest, Mount, RemoveImageRequest,
};
use tempfile::TempDir;
use tonic::Code;

use crate::support::caller::Caller;
use crate::support::grpc;
use crate::support::repoint::Repoint;
use crate::support::standin::{Answer, Seen, Standin, User};

const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const LIST: &str = "/runtime.v1.ImageService/ListImages";
const STREAM: &str = "/runtime.v1.ImageService/StreamImages";
const REMOVE: &str = "/runtime.v1.ImageService/RemoveImage";
const CREATE: &str = "/runtime.v1.RuntimeService/CreateContainer";

const OLD: &str = "k8s.gcr.io/x:1";
const NEW: &str = "registry.k8s.io/x:1";
const ID: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A stand-in runtime with repoint in front of it, and a connection to that.
struct Pair {
    standin: Standin,
    repoint: Repoint,
    caller: Caller,
    _directory: TempDir,
}

impl Pair {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = directory.path().join("runtime.sock");
        let standin = Standin::start(&runtime);
        let repoint = Repoint::before(&runtime, directory.path()).start().await;
        let caller = Caller::dial(&repoint.socket()).await;
        Self { standin, repoint, caller, _directory: directory }
    }

    /// The calls that one call came to at the runtime.
    async fn calls_for(&mut self, path: &str, message: &impl Message) -> Vec<Seen> {
        let before = self.standin.calls().len();
        self.caller.call(path, grpc::encoded(message)).await.unwrap();
        self.standin.calls().split_off(before)
    }
}

fn spec(image: &str) -> Option<ImageSpec> {
    Some(ImageSpec { image: image.to_owned(), ..ImageSpec::default() })
}

fn asking(image: &str) -> ImageStatusRequest {
    ImageStatusRequest { image: spec(image), verbose: true }
}

fn asked(calls: &[Seen]) -> Vec<String> {
    calls.iter().map(|seen| seen.message::<ImageStatusRequest>().image.unwrap().image).collect()
}

#[tokio::test]
async fn an_error_is_an_answer_and_not_an_absence() {
    let mut pair = Pair::start().await;
    pair.standin.has_image(OLD, User::Number(7));
    pair.standin.answers_once(STATUS, Answer::refusal(Code::Unknown, "the store is locked"));
    let reply = pair.caller.call(STATUS, grpc::encoded(&asking(OLD))).await.unwrap();
    assert_eq!((reply.status(), &reply.headers["grpc-message"]), (Some("2"), &"the store is locked".parse().unwrap()));
    assert_eq!(asked(&pair.standin.calls()), [NEW]);
}

#[tokio::test]
async fn not_found_is_an_absence_too() {
    let mut pair = Pair::start().await;
    pair.standin.has_image(OLD, User::Number(7));
    pair.standin.answers_once(STATUS, Answer::refusal(Code::NotFound, "no such image"));
    let reply = pair.caller.call(STATUS, grpc::encoded(&asking(OLD))).await.unwrap();
    let found = ImageStatusResponse::decode(&reply.body[5..]).unwrap().image.unwrap();
    assert_eq!(found.uid.unwrap().value, 7);
}

#[tokio::test]
async fn a_question_is_the_call_itself_under_another_name_in_plain() {
    let mut pair = Pair::start().await;
    let headers = ["grpc-accept-encoding", "grpc-encoding", "traceparent"]
        .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("gzip")));
    let body = grpc::encoded(&asking(OLD));
    pair.caller.call_with(STATUS, HeaderMap::from_iter(headers), body).await.unwrap();
    let calls = pair.standin.calls();
    assert_eq!(asked(&calls), [NEW, OLD]);
    for seen in calls {
        assert!(seen.message::<ImageStatusRequest>().verbose);
        assert!(seen.headers.contains_key("traceparent") && !seen.headers.contains_key("grpc-accept-encoding"));
        assert!(!seen.headers.contains_key("grpc-encoding"));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_passed_on_and_not_taken_for_an_absence() {
    let mut pair = Pair::start().await;
    for frame in [grpc::frame(grpc::COMPRESSED, b"\x1f\x8b"), grpc::frame(grpc::PLAIN, b"\x0a\xff")] {
        let answer = frame.clone();
        pair.standin.answers_once(STATUS, Answer::frames([answer]).header("grpc-encoding", b"gzip"));
        let before = pair.standin.calls().len();
        let reply = pair.caller.call(STATUS, grpc::encoded(&asking(OLD))).await.unwrap();
        assert_eq!((reply.body, &reply.headers["grpc-encoding"]), (frame, &"gzip".parse().unwrap()));
        assert_eq!(pair.standin.calls().len(), before + 1);
    }
}

#[tokio::test]
async fn a_large_answer_about_an_image_arrives_whole() {
    let mut pair = Pair::start().await;
    for size in [10 << 20, 20 << 20] {
        let image = Image { id: ID.to_owned(), username: "x".repeat(size), ..Image::default() };
        let answer = grpc::encoded(&ImageStatusResponse { image: Some(image), ..ImageStatusResponse::default() });
        let sent = answer.clone();
        pair.standin.answers_once(STATUS, Answer::frames([sent]));
        let reply = pair.caller.call(STATUS, grpc::encoded(&asking(OLD))).await.unwrap();
        assert!(reply.body == answer, "{} bytes", reply.body.len());
    }
}

#[tokio::test]
async fn a_list_filtered_by_an_old_name_finds_what_is_there() {
    let mut pair = Pair::start().await;
    let filtered = |image: &str| ListImagesRequest { filter: Some(ImageFilter { image: spec(image) }) };
    let named = |calls: &[Seen]| {
        let request = calls.last().unwrap().message::<ListImagesRequest>();
        request.filter.and_then(|filter| filter.image).map(|image| image.image)
    };
    for path in [LIST, STREAM] {
        let calls = pair.calls_for(path, &filtered(OLD)).await;
        assert_eq!(named(&calls).as_deref(), Some(OLD), "under neither name");
    }
    pair.standin.has_image(NEW, User::Number(7));
    for path in [LIST, STREAM] {
        let calls = pair.calls_for(path, &filtered(OLD)).await;
        assert_eq!(named(&calls).as_deref(), Some(NEW));
        assert_eq!(asked(&calls[..1]), [NEW]);
        // Without a filter, or with another image, there is nothing to ask.
        let calls = pair.calls_for(path, &ListImagesRequest::default()).await;
        assert_eq!((calls.len(), named(&calls)), (1, None));
        assert_eq!(pair.calls_for(path, &filtered("busybox")).await.len(), 1);
    }
}

#[tokio::test]
async fn an_image_that_is_there_under_its_old_name_alone_is_removed_by_it() {
    let mut pair = Pair::start().await;
    let remove = RemoveImageRequest { image: spec(OLD) };
    for there in [false, true] {
        if there {
            pair.standin.has_image(OLD, User::Number(7));
        }
        let calls = pair.calls_for(REMOVE, &remove).await;
        assert_eq!(asked(&calls[..2]), [NEW, OLD]);
        assert_eq!(calls[2].body, grpc::encoded(&remove));
    }
    pair.standin.has_image(NEW, User::Number(7));
    let calls = pair.calls_for(REMOVE, &remove).await;
    assert_eq!(calls.last().unwrap().message::<RemoveImageRequest>().image, spec(NEW));
}

#[tokio::test]
async fn a_container_s_image_and_image_volumes_are_named_as_they_are_there() {
    let mut pair = Pair::start().await;
    pair.standin.has_image(NEW, User::Number(7));
    pair.standin.has_image("k8s.gcr.io/kept:1", User::Number(7));
    let mount = |image: &str| Mount { image: spec(image), ..Mount::default() };
    let create = |image: &str, volumes: [&str; 3]| CreateContainerRequest {
        config: Some(ContainerConfig {
            image: spec(image),
            mounts: volumes.map(mount).to_vec(),
            ..ContainerConfig::default()
        }),
        ..CreateContainerRequest::default()
    };
    let calls = pair.calls_for(CREATE, &create(OLD, ["k8s.gcr.io/kept:1", OLD, "k8s.gcr.io/gone:1"])).await;
    let sent = calls.last().unwrap().message::<CreateContainerRequest>();
    assert_eq!(sent, create(NEW, ["k8s.gcr.io/kept:1", NEW, "k8s.gcr.io/gone:1"]));

    // As the kubelet does it, by ID: nothing is asked, and not a byte changes.
    let by_id = create(ID, [ID, &ID[7..], ID]);
    let calls = pair.calls_for(CREATE, &by_id).await;
    let [only] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(only.body, grpc::encoded(&by_id));
}

#[tokio::test]
async fn a_question_that_fails_leaves_the_call_as_it_is() {
    let mut pair = Pair::start().await;
    let create = CreateContainerRequest {
        config: Some(ContainerConfig { image: spec(OLD), ..ContainerConfig::default() }),
        ..CreateContainerRequest::default()
    };
    for answer in
        [Answer::refusal(Code::Internal, "no"), Answer::reset(h2::Reason::CANCEL), Answer::frames([Bytes::new()])]
    {
        pair.standin.answers_once(STATUS, answer);
        let calls = pair.calls_for(CREATE, &create).await;
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[1].body, grpc::encoded(&create));
    }
    assert!(pair.repoint.records().is_empty());
}
