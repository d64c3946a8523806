//! Transparent: what repoint was not told to change passes through it, in both directions.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use repoint::cri::v1::{ImageSpec, ImageStatusRequest, PullImageRequest, PullImageResponse, VersionRequest};
use tempfile::TempDir;
use tokio::time::timeout;
use tonic::Code;

use crate::support::caller::{Caller, Reply};
use crate::support::echo::Echo;
use crate::support::grpc;
use crate::support::repoint::Repoint;
use crate::support::standin::{Answer, Seen, Standin, State, User};

const PULL: &str = "/runtime.v1.ImageService/PullImage";
const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const LIST: &str = "/runtime.v1.ImageService/ListImages";
const EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";

/// Methods that nobody has heard of yet, in services known and unknown.
const UNKNOWN: [&str; 4] = [
    "/runtime.v1.RuntimeService/Teleport",
    "/runtime.v7.ImageService/PullImage",
    "/grpc.health.v1.Health/Check",
    "/x/Y",
];

/// Field 30, a varint, with key and value longer than they need be.
const OVER_LONG: &[u8] = &[0xf0, 0x81, 0x00, 0x81, 0x80, 0x00];

/// Longer than anything takes that happens.
const LIMIT: Duration = Duration::from_secs(30);

/// A stand-in runtime with repoint in front of it.
struct Pair {
    _directory: TempDir,
    runtime: PathBuf,
    standin: Standin,
    repoint: Repoint,
}

impl Pair {
    /// Where its audit log was, when that is gone.
    async fn without_audit_log(&self) -> PathBuf {
        let log = self.repoint.audit_file();
        wait_until(|| log.exists()).await;
        std::fs::remove_file(&log).unwrap();
        log
    }

    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = directory.path().join("runtime.sock");
        let standin = Standin::start(&runtime);
        let repoint = Repoint::before(&runtime, directory.path()).settings(settings).start().await;
        Self { _directory: directory, runtime, standin, repoint }
    }

    /// A client that takes next to nothing of an answer as long as nobody reads it.
    async fn slow_caller(&self) -> Caller {
        Caller::dial_with_window(&self.repoint.socket(), 16 << 10).await
    }

    async fn caller(&self) -> Caller {
        Caller::dial(&self.repoint.socket()).await
    }

    /// The same call, directly and through repoint: what the runtime saw and what came back, each time.
    async fn both_ways(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> [(Seen, Reply); 2] {
        let mut outcomes = Vec::new();
        for socket in [self.runtime.clone(), self.repoint.socket()] {
            let number = self.standin.calls().iter().filter(|seen| seen.path() == path).count();
            let reply = Caller::dial(&socket).await.call_with(path, headers.clone(), body.clone()).await.unwrap();
            outcomes.push((self.standin.nth(number, path, State::Answered).await, reply));
        }
        outcomes.try_into().unwrap()
    }
}

fn headers(fields: &[(&'static str, &[u8])]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &[u8])| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        headers.append(name, value);
    }
    headers
}

fn pull_of(image: &str) -> Bytes {
    let image = Some(ImageSpec { image: image.to_owned(), ..ImageSpec::default() });
    grpc::encoded(&PullImageRequest { image, ..PullImageRequest::default() })
}

fn reason(error: &hyper::Error) -> Option<Reason> {
    repoint::error::cause::<h2::Error>(error).and_then(h2::Error::reason)
}

/// A length-delimited field.
fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::bytes::encode(number, &value.to_vec(), &mut out);
    out
}

#[tokio::test]
async fn methods_that_nobody_has_heard_of_go_both_ways_with_all_that_goes_with_them() {
    let pair = Pair::start().await;
    let sent = headers(&[
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-many", b"one"),
        ("x-many", b"two"),
        ("x-many", b"one"),
        ("x-odd-bin", b"AAEC"),
        ("x-latin", b"caf\xe9"),
        ("x-empty", b""),
        ("grpc-timeout", b"119999m"),
        ("user-agent", b"grpc-go/1.47.0"),
    ]);
    for path in UNKNOWN {
        pair.standin.answers(path, |_| {
            Answer::frames([grpc::frame(grpc::PLAIN, b"first"), grpc::frame(grpc::PLAIN, b"second")])
                .header("x-head", b"a")
                .header("x-head", b"b")
                .header("x-head-bin", b"/w==")
                .ending_in(Code::DataLoss, "half of it, \u{fc}ber")
                .trailer("grpc-status-details-bin", b"CAUSBm9oIG5v")
                .trailer("x-tail", b"1")
                .trailer("x-tail", b"2")
        });
        let body = grpc::frame(grpc::PLAIN, b"\xff not a message of ours");
        let [direct, through] = pair.both_ways(path, &sent, &body).await;
        assert_eq!(through.0.headers, direct.0.headers, "{path}");
        assert_eq!(through.0.uri, direct.0.uri, "{path}");
        assert_eq!(through.0.body, direct.0.body, "{path}");
        assert_eq!(through.1.headers, direct.1.headers, "{path}");
        assert_eq!(through.1.body, direct.1.body, "{path}");
        assert_eq!(through.1.trailers, direct.1.trailers, "{path}");
    }
}

#[tokio::test]
async fn an_intercepted_call_that_no_rule_matches_goes_both_ways_as_it_is() {
    let pair = Pair::start().await;
    let sent =
        headers(&[("x-many", b"one"), ("x-many", b"two"), ("grpc-timeout", b"5S"), ("grpc-accept-encoding", b"gzip")]);
    // Unknown fields, a repeated one, an over-long varint, fields out of order.
    let message = [
        field(99, b"new"),
        OVER_LONG.to_vec(),
        field(3, &field(1, &field(1, b"web"))),
        field(1, &[field(19, b"kata"), field(1, b"k8s.gcr.io/first:1"), field(1, b"registry.k8s.io/last:1")].concat()),
        field(2, &field(1, b"user")),
    ]
    .concat();
    let body = grpc::frame(grpc::PLAIN, &message);
    for path in
        [PULL, STATUS, LIST, "/runtime.v1alpha2.ImageService/PullImage", "/runtime.v1.RuntimeService/CreateContainer"]
    {
        pair.standin.answers(path, |_| Answer::refusal(Code::AlreadyExists, "as it is").trailer("x-tail", b"1"));
        let [direct, through] = pair.both_ways(path, &sent, &body).await;
        assert_eq!((through.0.headers, through.0.body), (direct.0.headers, direct.0.body), "{path}");
        assert_eq!((through.1.headers, through.1.trailers), (direct.1.headers, direct.1.trailers), "{path}");
    }
    assert_eq!(pair.repoint.records(), [] as [serde_json::Value; 0]);
}

#[tokio::test]
async fn of_a_substituted_pull_only_the_reference_and_the_credentials_change() {
    let pair = Pair::start().await;
    let around = |image: &[u8], auth: &[u8]| {
        [
            field(99, b"new"),
            OVER_LONG.to_vec(),
            field(1, &[field(19, b"kata"), field(1, b"k8s.gcr.io/first:1"), field(1, image)].concat()),
            auth.to_vec(),
            field(1, &field(20, b"ref")),
            field(3, &field(1, &[field(1, b"web"), field(77, b"?")].concat())),
        ]
        .concat()
    };
    let sent = headers(&[("x-many", b"one"), ("x-many", b"two"), ("traceparent", b"00-00-00-01")]);
    let asked = grpc::frame(grpc::PLAIN, &around(b"k8s.gcr.io/last:1", &field(2, &field(2, b"hunter2"))));
    pair.caller().await.call_with(PULL, sent, asked).await.unwrap();
    let seen = pair.standin.first(PULL, State::Answered).await;
    let expected = grpc::frame(grpc::PLAIN, &around(b"registry.k8s.io/last:1", b""));
    assert_eq!(seen.body, expected);
    let values: Vec<_> = seen.headers.get_all("x-many").iter().collect();
    assert_eq!(values, ["one", "two"]);
    assert_eq!(seen.headers["traceparent"], "00-00-00-01");
}

#[tokio::test]
async fn a_slow_reader_slows_the_runtime_down() {
    let pair = Pair::start().await;
    let (feed, answer) = Answer::stream();
    pair.standin.answers_once(EVENTS, answer);
    let mut caller = pair.caller().await;
    let response = caller.begin(EVENTS, HeaderMap::new(), grpc::frame(grpc::PLAIN, b"")).await.unwrap();

    // Nobody reads, so the runtime gets stuck. Were the stream gathered on the way, all of it would be taken.
    const CHUNK: usize = 64 << 10;
    const ALL: usize = 512 * CHUNK;
    let feed = std::sync::Arc::new(feed);
    let sending = std::sync::Arc::clone(&feed);
    let sender = async move {
        for _ in 0..ALL / CHUNK {
            assert!(sending.send(&[7; CHUNK]).await);
        }
    };
    let mut sender = std::pin::pin!(sender);
    let mut before = None;
    while before != Some(feed.taken()) {
        before = Some(feed.taken());
        // As long as it moves, it is not stuck; how long a quiet moment is decides nothing but how sure one is.
        if timeout(Duration::from_millis(500), sender.as_mut()).await.is_ok() {
            panic!("all {ALL} bytes were taken, and nobody read one of them");
        }
    }
    let stuck_at = feed.taken();
    assert!(stuck_at < ALL / 2, "{stuck_at} bytes are under way");

    // And once somebody reads, all of it comes.
    let reading = async { http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes().len() };
    drop(feed);
    let (read, ()) = timeout(LIMIT, async { tokio::join!(reading, sender) }).await.unwrap();
    assert_eq!(read, ALL + (ALL / CHUNK) * 5);
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_up_no_other_call() {
    let pair = Pair::start().await;
    let large = Bytes::from(vec![7; 8 << 20]);
    pair.standin.answers(EVENTS, move |_| Answer::frames([large.clone()]));
    let mut caller = pair.slow_caller().await;
    let mut unread = Vec::new();
    for _ in 0..10 {
        unread.push(caller.begun(EVENTS, pull_of("")).await.unwrap());
    }
    // What there is room for on the way has arrived when nothing moves any more.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let other = timeout(LIMIT, caller.call(STATUS, pull_of("busybox"))).await.unwrap().unwrap();
    assert_eq!(other.status(), Some("0"));
}

#[tokio::test]
async fn many_small_messages_may_wait_for_their_reader() {
    let pair = Pair::start().await;
    let (feed, answer) = Answer::stream();
    pair.standin.answers_once(EVENTS, answer);
    let caller = pair.slow_caller().await;
    let unread = caller.begun(EVENTS, pull_of("")).await.unwrap();
    const MANY: usize = 20_000;
    let sending = async move {
        for _ in 0..MANY {
            assert!(feed.send(&[7; 27]).await, "the connection was ended");
        }
    };
    timeout(LIMIT, sending).await.unwrap();
    let read = http_body_util::BodyExt::collect(unread.into_body()).await.unwrap();
    assert_eq!(read.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(read.to_bytes().len(), MANY * 32);
}

#[tokio::test]
async fn an_answer_of_32_mebibytes_arrives_whole() {
    let pair = Pair::start().await;
    let message: Vec<u8> = (0..32_u32 << 20).map(|at| at.to_le_bytes()[(at % 4) as usize]).collect();
    let framed = grpc::frame(grpc::PLAIN, &message);
    let answer = framed.clone();
    pair.standin.answers(LIST, move |_| Answer::frames([answer.clone()]));
    let reply = pair.caller().await.call(LIST, grpc::frame(grpc::PLAIN, b"")).await.unwrap();
    assert!(reply.body == framed, "{} bytes came", reply.body.len());
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_the_runtime() {
    let pair = Pair::start().await;
    for (number, path) in [EVENTS, PULL, STATUS, "/x/Y"].into_iter().enumerate() {
        pair.standin.answers(path, |_| Answer::silence());
        let mut caller = pair.caller().await;
        let call = caller.begin(path, HeaderMap::new(), pull_of("k8s.gcr.io/x:1"));
        let given_up = tokio::select! {
            _ = call => None,
            seen = pair.standin.first(path, State::Received) => Some(seen),
        };
        assert!(given_up.is_some());
        // Whether the stream alone goes, or the connection with it.
        if number % 2 == 0 {
            drop(caller);
            pair.standin.first(path, State::Cancelled).await;
        } else {
            pair.standin.first(path, State::Cancelled).await;
            drop(caller);
        }
    }
    // A cancelled pull has a record, too.
    wait_until(|| pair.repoint.records().len() == 1).await;
    let record = &pair.repoint.records()[0];
    assert_eq!((&record["event"], &record["outcome"]), (&"failed".into(), &"cancelled".into()), "{record}");
    assert_eq!(record["status"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_deadline_is_passed_on_as_it_was_given() {
    let pair = Pair::start().await;
    let sent = headers(&[("grpc-timeout", b"119999871u")]);
    for (path, body) in [(PULL, pull_of("k8s.gcr.io/x:1")), (EVENTS, pull_of("")), (STATUS, pull_of("busybox"))] {
        pair.caller().await.call_with(path, sent.clone(), body).await.unwrap();
        let seen = pair.standin.first(path, State::Answered).await;
        assert_eq!(seen.headers["grpc-timeout"], "119999871u", "{path}");
    }
}

#[tokio::test]
async fn a_question_of_our_own_leaves_the_call_the_rest_of_its_time() {
    let pair = Pair::start().await;
    pair.standin.has_image("registry.k8s.io/x:1", User::Number(7));
    let path = "/runtime.v1.ImageService/RemoveImage";
    let sent = headers(&[("grpc-timeout", b"50S")]);
    pair.caller().await.call_with(path, sent, pull_of("k8s.gcr.io/x:1")).await.unwrap();
    for path in [STATUS, path] {
        let seen = pair.standin.first(path, State::Answered).await;
        let left = repoint::proxy::deadline::given(&seen.headers).unwrap();
        assert!(Duration::from_secs(1) < left && left < Duration::from_secs(50), "{path}: {left:?}");
        assert_eq!(seen.message::<ImageStatusRequest>().image.unwrap().image, "registry.k8s.io/x:1", "{path}");
    }
}

/// Takes what repoint adds to the end of a message off again. It has to be there.
fn strip_account(headers: &mut HeaderMap) {
    let message = headers["grpc-message"].to_str().unwrap();
    let (said, _) = message.split_once(" (repoint, rule kubernetes: ").expect(message);
    let said = said.parse().unwrap();
    headers.insert("grpc-message", said);
}

#[tokio::test]
async fn a_refusal_in_the_headers_alone_stays_one() {
    let pair = Pair::start().await;
    for (path, body) in [(EVENTS, pull_of("")), (PULL, pull_of("k8s.gcr.io/x:1")), (PULL, pull_of("busybox:1"))] {
        // The kubelet looks at the beginning of the message, and the code.
        pair.standin.answers(path, |_| {
            Answer::refusal(Code::Unavailable, "RegistryUnavailable: no route")
                .header("grpc-status-details-bin", b"CAUS")
        });
        let [direct, mut through] = pair.both_ways(path, &HeaderMap::new(), &body).await;
        assert_eq!(direct.1.headers["grpc-status"], "14");
        if body == pull_of("k8s.gcr.io/x:1") {
            strip_account(&mut through.1.headers);
        }
        assert_eq!(through.1.headers, direct.1.headers, "{path}");
        assert_eq!(through.1.trailers, direct.1.trailers, "{path}");
    }
}

#[tokio::test]
async fn a_message_of_100_kilobytes_in_a_trailer_arrives_whole() {
    let pair = Pair::start().await;
    let long = "why ".repeat(25_000);
    for path in [EVENTS, PULL] {
        let text = long.clone();
        pair.standin.answers(path, move |_| Answer::frames([]).ending_in(Code::Internal, &text));
        let [direct, mut through] = pair.both_ways(path, &HeaderMap::new(), &pull_of("k8s.gcr.io/x:1")).await;
        assert!(direct.1.trailers["grpc-message"].len() >= long.len());
        if path == PULL {
            strip_account(&mut through.1.trailers);
        }
        assert!(through.1.trailers == direct.1.trailers, "{path}");
    }
}

#[tokio::test]
async fn a_reset_of_one_stream_is_passed_on_with_its_reason() {
    let pair = Pair::start().await;
    for reset in [Reason::CANCEL, Reason::ENHANCE_YOUR_CALM, Reason::REFUSED_STREAM] {
        pair.standin.answers_once(EVENTS, Answer::reset(reset));
        let error = pair.caller().await.call(EVENTS, pull_of("")).await.unwrap_err();
        assert_eq!(reason(&error), Some(reset));

        let half = Answer::frames([grpc::frame(grpc::PLAIN, b"half")]).ending_in_reset(reset);
        pair.standin.answers_once(EVENTS, half);
        let error = pair.caller().await.call(EVENTS, pull_of("")).await.unwrap_err();
        assert_eq!(reason(&error), Some(reset));
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_for_the_runtime_to_judge() {
    let pair = Pair::with("message_limit_bytes = 1000").await;
    let image = pull_of("k8s.gcr.io/x:1").slice(5..);
    let cases: [(&str, Bytes); 6] = [
        ("compressed", grpc::frame(grpc::COMPRESSED, &image)),
        ("too_large", grpc::frame(grpc::PLAIN, &[&image[..], &field(99, &[0; 2000])].concat())),
        ("malformed", grpc::frame(grpc::PLAIN, b"\x0a\xff\xff")),
        ("not_one_message", [grpc::frame(grpc::PLAIN, &image), grpc::frame(grpc::PLAIN, &image)].concat().into()),
        ("not_one_message", Bytes::from_static(b"\0\0")),
        ("empty", Bytes::new()),
    ];
    for path in [PULL, STATUS] {
        pair.standin.answers(path, |_| Answer::refusal(Code::Unknown, "judged"));
        for (number, (why, body)) in cases.iter().enumerate() {
            let reply = pair.caller().await.call(path, body.clone()).await.unwrap();
            assert_eq!(reply.headers["grpc-message"], "judged", "{path}: {why}");
            let seen = pair.standin.nth(number, path, State::Answered).await;
            assert_eq!(seen.body, body, "{path}: {why}");
        }
    }
    let log = pair.repoint.log();
    let warnings = log.lines().filter(|line| line.contains("Passed on a message that could not be read")).count();
    assert_eq!(warnings, 2 * cases.len(), "{log}");
    assert!(pair.repoint.records().is_empty());
    let metrics = pair.repoint.metrics();
    for (why, count) in [("compressed", 2), ("too_large", 2), ("malformed", 2), ("not_one_message", 4), ("empty", 2)] {
        assert!(metrics.contains(&format!("repoint_unread_total{{reason=\"{why}\"}} {count}\n")), "{metrics}");
    }
}

#[tokio::test]
async fn a_large_message_below_the_limit_is_read_and_above_it_passed_on() {
    let pair = Pair::start().await;
    for (size, image) in [(15 << 20, "registry.k8s.io/x:1"), (17 << 20, "k8s.gcr.io/x:1")] {
        let message = [pull_of("k8s.gcr.io/x:1").slice(5..).to_vec(), field(99, &vec![1; size])].concat();
        let reply = pair.caller().await.call(PULL, grpc::frame(grpc::PLAIN, &message)).await.unwrap();
        assert_eq!(reply.status(), Some("0"));
        let seen = pair.standin.calls().into_iter().rfind(|seen| seen.path() == PULL).unwrap();
        assert_eq!(seen.message::<PullImageRequest>().image.unwrap().image, image);
        assert!(seen.body.len() > size);
    }
}

#[tokio::test]
async fn both_halves_of_a_call_flow_at_their_own_pace() {
    let directory = tempfile::tempdir().unwrap();
    let echo = Echo::start(&directory.path().join("runtime.sock"));
    let repoint = Repoint::before(&directory.path().join("runtime.sock"), directory.path()).start().await;
    // Each message comes back before the next is sent: nothing waits for the end of anything.
    let mut talk = echo.talk_to(&repoint.socket()).await;
    for word in ["one", "two", "three"] {
        assert_eq!(timeout(LIMIT, talk.say(word)).await.unwrap(), word);
    }
    // And the end of the request is seen while the answer goes on.
    assert_eq!(timeout(LIMIT, talk.hang_up()).await.unwrap(), "and goodbye");
}

#[tokio::test]
async fn image_calls_can_go_to_an_endpoint_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let [general, images] = ["runtime.sock", "images.sock"].map(|name| directory.path().join(name));
    let (runtime, snapshotter) = (Standin::start(&general), Standin::start(&images));
    let repoint = Repoint::before(&general, directory.path()).flag("--image-endpoint", &images).start().await;
    snapshotter.has_image("registry.k8s.io/x:1", User::Number(7));
    let mut caller = Caller::dial(&repoint.socket()).await;
    for path in [PULL, "/runtime.v1alpha2.ImageService/PullImage", LIST] {
        caller.call(path, pull_of("k8s.gcr.io/x:1")).await.unwrap();
        snapshotter.first(path, State::Answered).await;
    }
    for path in ["/runtime.v1.RuntimeService/Version", "/containerd.services.images.v1.Images/Get", "/x/Y"] {
        caller.call(path, grpc::encoded(&VersionRequest::default())).await.unwrap();
        runtime.first(path, State::Answered).await;
    }
    assert!(runtime.calls().iter().all(|seen| !seen.path().contains("ImageService")));
    // A container is created there, and its image looked for here.
    let create = "/runtime.v1.RuntimeService/CreateContainer";
    let message = field(2, &field(2, &field(1, b"k8s.gcr.io/x:1")));
    caller.call(create, grpc::frame(grpc::PLAIN, &message)).await.unwrap();
    let seen = runtime.first(create, State::Answered).await;
    assert_eq!(seen.body, grpc::frame(grpc::PLAIN, &field(2, &field(2, &field(1, b"registry.k8s.io/x:1")))));
}

#[tokio::test]
async fn targets_are_tried_in_order_and_the_first_failure_is_what_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = directory.path().join("runtime.sock");
    let standin = Standin::start(&runtime);
    let repoint = Repoint::before(&runtime, directory.path())
        .rule("two", "old.example", &["a.example", "b.example/mirror"])
        .start()
        .await;
    let mut caller = Caller::dial(&repoint.socket()).await;
    standin.answers_once(PULL, Answer::refusal(Code::Unknown, "a is down"));
    standin.answers_once(PULL, Answer::message(&PullImageResponse { image_ref: "sha256:b".to_owned() }));
    let reply = caller.call(PULL, pull_of("old.example/x:1")).await.unwrap();
    assert_eq!(PullImageResponse::decode(&reply.body[5..]).unwrap().image_ref, "sha256:b");
    let asked = |number: usize| standin.calls()[number].message::<PullImageRequest>().image.unwrap().image;
    assert_eq!([asked(0), asked(1)], ["a.example/x:1", "b.example/mirror/x:1"]);

    // Whose image it was is asked for first from then on.
    standin.has_image("a.example/x:1", User::Number(1));
    standin.has_image("b.example/mirror/x:1", User::Number(2));
    caller.call(STATUS, pull_of("old.example/x:1")).await.unwrap();
    assert_eq!(asked(2), "b.example/mirror/x:1");

    standin.answers_once(PULL, Answer::refusal(Code::NotFound, "not on a").after(Duration::from_millis(50)));
    standin.answers_once(PULL, Answer::refusal(Code::Unknown, "b is down"));
    let given = headers(&[("grpc-timeout", b"50S")]);
    let reply = caller.call_with(PULL, given, pull_of("old.example/y:1")).await.unwrap();
    // The second has what the first left.
    let calls = standin.calls();
    let left = |seen: &Seen| repoint::proxy::deadline::given(&seen.headers).unwrap();
    let [.., first, second] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(left(first), Duration::from_secs(50));
    assert!(left(second) < Duration::from_secs(50) && left(second) > Duration::from_secs(1), "{:?}", left(second));
    let account = "not on a (repoint, rule two: instead of old.example/y:1 asked a.example/y:1 [NotFound: not on a], \
                   then b.example/mirror/y:1 [Unknown: b is down])";
    assert_eq!(reply.headers["grpc-message"], account);
    let records = repoint.records();
    assert_eq!(records[1]["status"]["code"], 5);
    assert_eq!(records[1]["attempts"][1]["status"]["message"], "b is down");
    assert_eq!(records[1]["substitute"], "b.example/mirror/y:1");
}

#[tokio::test]
async fn an_answer_to_a_pull_waits_for_its_record() {
    let pair = Pair::start().await;
    let mut caller = pair.caller().await;
    for number in 1..=50 {
        caller.call(PULL, pull_of(&format!("k8s.gcr.io/x:{number}"))).await.unwrap();
        assert_eq!(pair.repoint.records().len(), number);
    }
}

#[tokio::test]
async fn an_audit_log_that_cannot_be_written_stops_no_pull_and_raises_the_alarm() {
    let pair = Pair::start().await;
    // A directory in the way: nobody can open that for writing, root neither.
    std::fs::create_dir(pair.without_audit_log().await).unwrap();
    let reply = pair.caller().await.call(PULL, pull_of("k8s.gcr.io/x:1")).await.unwrap();
    assert_eq!(reply.status(), Some("0"));
    let log = pair.repoint.log();
    let metrics = pair.repoint.metrics();
    assert!(metrics.contains("repoint_audit_failures_total 1\n"), "{metrics}");
    assert!(metrics.contains("repoint_substitutions_total{rule=\"kubernetes\",outcome=\"pulled\"} 1\n"), "{metrics}");
    assert!(log.contains("A pull is not in the audit log") && log.contains("audit.jsonl"), "{log}");
}

#[tokio::test]
async fn an_audit_log_that_hangs_stops_no_pull_and_raises_the_alarm() {
    let pair = Pair::start().await;
    // A pipe that nobody reads: whoever opens it for writing waits, as on a disk that does not answer.
    let log = pair.without_audit_log().await;
    assert!(std::process::Command::new("mkfifo").arg(&log).status().unwrap().success());
    let reply = timeout(LIMIT, pair.caller().await.call(PULL, pull_of("k8s.gcr.io/x:1"))).await.unwrap().unwrap();
    assert_eq!(reply.status(), Some("0"));
    let metrics = pair.repoint.metrics();
    assert!(metrics.contains("repoint_audit_failures_total 1\n"), "{metrics}");
}

/// Waits for what happens by itself soon.
async fn wait_until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, waiting).await.expect("it happens");
}
