//! What is counted adds up: with the calls that were made, and with the audit log, event by event.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;
use repoint::cri::v1::{ImageSpec, ImageStatusRequest, PullImageRequest, PullImageResponse, VersionRequest};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tonic::Code;

use crate::support::caller::Caller;
use crate::support::catalogue::Catalogue;
use crate::support::grpc;
use crate::support::page::{Page, read_by_prometheus};
use crate::support::repoint::Repoint;
use crate::support::standin::{Answer, Feed, Seen, Standin, State, User};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const OLD_STATUS: &str = "/runtime.v1alpha2.ImageService/ImageStatus";

/// Longer than anything takes that happens.
const LIMIT: Duration = Duration::from_secs(30);

const RULES: &str = r#"
[[rules]]
name = "moved"
match = ["old.example"]
targets = ["a.example/mirror", "b.example"]
on_failure = "original"

[[rules]]
name = "strict"
match = ["strict.example"]
targets = ["c.example"]

[[rules]]
name = "looked-at"
match = ["look.example"]
action = "observe"
targets = ["a.example"]

[[rules]]
name = "retired"
match = ["retired.example"]
action = "deny"
targets = ["a.example"]
"#;

/// A stand-in runtime, with repoint in front of it, and how many calls were made through it.
struct Pair {
    standin: Standin,
    repoint: Repoint,
    caller: Caller,
    calls: usize,
    _directory: TempDir,
}

impl Pair {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = runtime(directory.path());
        let standin = Standin::start(&socket);
        standin.answers(PULL, pulls);
        let repoint = Repoint::before(&socket, directory.path()).toml(RULES).start().await;
        let page = repoint.socket().with_file_name("admin.sock");
        let is_there = async {
            while UnixStream::connect(&page).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, is_there).await.expect("it tells its metrics");
        let caller = Caller::dial(&repoint.socket()).await;
        Self { standin, repoint, caller, calls: 0, _directory: directory }
    }

    /// One call, and the code that it came to; `None` where it was reset.
    async fn call(&mut self, path: &str, body: Bytes) -> Option<String> {
        self.calls += 1;
        let reply = self.caller.call(path, body).await.ok()?;
        Some(reply.status().unwrap_or("none").to_owned())
    }

    async fn pull(&mut self, image: &str) -> Option<String> {
        self.call(PULL, named(image)).await
    }

    /// A call that is given up as soon as the runtime has it.
    async fn give_up(&mut self, path: &str, body: Bytes) {
        self.calls += 1;
        let before = self.standin.calls().iter().filter(|seen| seen.path() == path).count();
        let call = self.caller.begun(path, body);
        tokio::select! {
            _ = call => panic!("nobody answers it"),
            _ = self.standin.nth(before, path, State::Received) => {}
        }
    }

    /// A stream of which the caller has a first message, and what happens then.
    async fn begin_to_read(
        &mut self,
        end: impl FnOnce(Answer) -> Answer,
        then: impl AsyncFnOnce(Feed, Response<Incoming>),
    ) {
        let (feed, stream) = Answer::stream();
        self.standin.answers_once(EVENTS, end(stream));
        self.calls += 1;
        let mut response = self.caller.begin(EVENTS, HeaderMap::new(), version()).await.unwrap();
        assert!(feed.send(b"first").await);
        assert!(response.body_mut().frame().await.unwrap().is_ok());
        then(feed, response).await;
    }

    fn page(&self) -> Page {
        Page::read(&self.repoint.metrics())
    }

    /// The page once all calls that were made are over.
    async fn settled(&self) -> Page {
        let counted = async {
            while self.page().count("repoint_calls_total", &[]) < self.calls {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let is_over = tokio::time::timeout(LIMIT, counted).await.is_ok();
        assert!(is_over, "{} calls were made: {:#?}", self.calls, self.page());
        self.page()
    }
}

fn runtime(directory: &Path) -> PathBuf {
    directory.join("runtime.sock")
}

/// A message with an image in it, as pulls and questions have it in the same place.
fn named(image: &str) -> Bytes {
    let image = Some(ImageSpec { image: image.to_owned(), ..ImageSpec::default() });
    grpc::encoded(&ImageStatusRequest { image, verbose: false })
}

fn version() -> Bytes {
    grpc::encoded(&VersionRequest::default())
}

/// What the registries have: the name of an image says who has not.
fn pulls(seen: &Seen) -> Answer {
    let image = seen.message::<PullImageRequest>().image.unwrap().image;
    let host = image.split('/').next().unwrap();
    if image.contains("held") {
        Answer::silence()
    } else if image.contains(&format!("no-{}", host.replace(".example", ""))) {
        Answer::refusal(Code::NotFound, "no such image")
    } else if image.contains("down") {
        Answer::refusal(Code::Unknown, "dial tcp 10.0.0.1:443: connect: connection refused")
    } else {
        Answer::message(&PullImageResponse { image_ref: "sha256:img".to_owned() })
    }
}

/// All that can become of a call.
async fn mixed(pair: &mut Pair) {
    // Substituted, by the first target or the second; fell back; failed, refused or down; given up.
    for (image, code) in [
        ("old.example/img-plain:1", "0"),
        ("old.example/img-plain:2", "0"),
        ("old.example/img-no-a:1", "0"),
        ("old.example/img-no-a-no-b:1", "0"),
        ("old.example/img-no-a-no-b-no-old:1", "5"),
        ("strict.example/img-plain:1", "0"),
        ("strict.example/img-no-c:1", "5"),
        ("strict.example/img-down:1", "2"),
        // Looked on at, forbidden, and none of anybody's business.
        ("look.example/img-plain:1", "0"),
        ("look.example/img-no-look:1", "5"),
        ("retired.example/img-plain:1", "7"),
        ("retired.example/img-plain:2", "7"),
        ("other.example/img-plain:1", "0"),
    ] {
        assert_eq!(pair.pull(image).await.as_deref(), Some(code), "{image}");
    }
    for image in ["strict.example/img-held:1", "old.example/img-held:1", "look.example/img-held:1"] {
        pair.give_up(PULL, named(image)).await;
    }

    // Relayed: done, refused, reset before and within the answer, given up before and within it.
    for _ in 0..5 {
        assert_eq!(pair.call(VERSION, version()).await.as_deref(), Some("0"));
    }
    pair.standin.answers_once(VERSION, Answer::refusal(Code::Unavailable, "not yet"));
    assert_eq!(pair.call(VERSION, version()).await.as_deref(), Some("14"));
    pair.standin.answers_once(VERSION, Answer::reset(Reason::ENHANCE_YOUR_CALM));
    assert_eq!(pair.call(VERSION, version()).await, None);
    pair.begin_to_read(
        |stream| stream.ending_in_reset(Reason::CANCEL),
        async |feed, response| {
            drop(feed);
            assert!(response.into_body().collect().await.is_err());
        },
    )
    .await;
    pair.standin.answers_once(EVENTS, Answer::silence());
    pair.give_up(EVENTS, version()).await;
    pair.begin_to_read(|stream| stream, async |_feed, response| drop(response)).await;

    // Unknown to CRI, or to this runtime.
    for path in ["/x.Y/Z", "/runtime.v1.RuntimeService/NotYetInvented", "/runtime.v1.ImageService/Version"] {
        assert_eq!(pair.call(path, version()).await.as_deref(), Some("12"));
    }
    assert_eq!(pair.call("/runtime.v1.RuntimeService/Attach", version()).await.as_deref(), Some("12"));

    // Under the name asked for, under another, and under none; and the runtime says nothing.
    pair.standin.has_image("old.example/img-there:1", User::Unsaid);
    pair.standin.has_image("look.example/img-there:1", User::Unsaid);
    pair.standin.has_image("c.example/img-moved:1", User::Unsaid);
    for (path, image) in [
        (STATUS, "old.example/img-there:1"),
        (STATUS, "look.example/img-there:1"),
        (STATUS, "strict.example/img-moved:1"),
        (OLD_STATUS, "strict.example/img-absent:1"),
        (STATUS, "other.example/img-absent:1"),
    ] {
        assert_eq!(pair.call(path, named(image)).await.as_deref(), Some("0"), "{image}");
    }
    pair.standin.answers_once(STATUS, Answer::refusal(Code::Internal, "who knows"));
    assert_eq!(pair.call(STATUS, named("strict.example/img-absent:1")).await.as_deref(), Some("13"));
    pair.standin.answers_once(STATUS, Answer::reset(Reason::INTERNAL_ERROR));
    assert_eq!(pair.call(STATUS, named("strict.example/img-absent:1")).await, None);
}

/// How many records say that, by rule and outcome.
fn recorded(records: &[Value], events: &[&str]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        let [event, rule, outcome] = ["event", "rule", "outcome"].map(|key| record[key].as_str().unwrap());
        // What the metrics make of it: one label.
        let outcome = match event {
            "fell_back" => event,
            "denied" => "",
            _ => outcome,
        };
        if events.contains(&event) {
            *counts.entry((rule.to_owned(), outcome.to_owned())).or_default() += 1;
        }
    }
    counts
}

/// The same, on the page.
fn counted(page: &Page, name: &str) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for sample in page.with(name, &[]) {
        let [rule, outcome] = ["rule", "outcome"].map(|label| sample.labels.get(label).cloned().unwrap_or_default());
        let labels: Vec<_> = sample.labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect();
        counts.insert((rule, outcome), page.count(name, &labels));
    }
    counts.retain(|_, count| *count > 0);
    counts
}

#[tokio::test]
async fn what_is_counted_adds_up_with_the_calls_and_with_the_audit_log() {
    let mut pair = Pair::start().await;
    assert_eq!(pair.page().with("repoint_last_call_timestamp_seconds", &[]).count(), 0);
    mixed(&mut pair).await;
    let page = pair.settled().await;

    let codes = |method, code| page.count("repoint_calls_total", &[("method", method), ("code", code)]);
    assert_eq!(page.count("repoint_calls_total", &[]), pair.calls, "{page:#?}");
    for (method, code, count) in [
        ("Version", "OK", 5),
        ("Version", "Unavailable", 1),
        ("Version", "reset", 1),
        ("GetContainerEvents", "reset", 1),
        ("GetContainerEvents", "Canceled", 2),
        ("Attach", "Unimplemented", 1),
        ("other", "Unimplemented", 3),
        ("PullImage", "OK", 7),
        ("PullImage", "NotFound", 3),
        ("PullImage", "Unknown", 1),
        ("PullImage", "PermissionDenied", 2),
        ("PullImage", "Canceled", 3),
        ("ImageStatus", "OK", 5),
        ("ImageStatus", "Internal", 1),
        ("ImageStatus", "reset", 1),
    ] {
        assert_eq!(codes(method, code), count, "{method} {code}: {page:#?}");
    }
    for (answer, count) in [("as_asked", 2), ("substitute", 1), ("absent", 1), ("unknown", 2)] {
        assert_eq!(page.count("repoint_presence_answers_total", &[("answer", answer)]), count, "{answer}");
    }
    // Those that went straight through and had a head of an answer.
    assert_eq!(page.count("repoint_relay_overhead_seconds_count", &[]), 5 + 1 + 2 + 4);
    let spent = page.sum("repoint_relay_overhead_seconds_sum", &[]);
    assert!(spent > 0.0 && spent < 10.0, "{spent} s");
    let ago = Timestamp::now().as_duration().as_secs_f64() - page.sum("repoint_last_call_timestamp_seconds", &[]);
    assert!((0.0..60.0).contains(&ago), "{ago} s ago");
    let up = page.sum("repoint_last_call_timestamp_seconds", &[]) - page.sum("repoint_start_timestamp_seconds", &[]);
    assert!((0.0..60.0).contains(&up), "{up} s up");

    let records = pair.repoint.records();
    for (name, events) in [
        ("repoint_substitutions_total", &["substituted", "fell_back", "failed"][..]),
        ("repoint_observed_total", &["observed"]),
        ("repoint_denied_total", &["denied"]),
    ] {
        let recorded = recorded(&records, events);
        assert!(!recorded.is_empty(), "{name}: {records:#?}");
        assert_eq!(counted(&page, name), recorded, "{name}");
    }
    attempts_add_up(&page, &records);

    assert_eq!(page.count("repoint_audit_failures_total", &[]), 0);
    let room = page.count("repoint_audit_room_bytes", &[]);
    assert!(room > 0, "{room}");
    let hash = records[0]["config"].as_str().unwrap();
    assert_eq!(page.count("repoint_config_info", &[("hash", hash), ("source", "files")]), 1);
    assert_eq!(page.count("repoint_build_info", &[("version", records[0]["version"].as_str().unwrap())]), 1);

    // And with what the service says of itself at its end.
    let log = pair.repoint.audit_file();
    assert!(pair.repoint.stop().await.success());
    let text = std::fs::read_to_string(log).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let heartbeat = records.rev().find(|record| record["event"] == "heartbeat").unwrap();
    assert_eq!(heartbeat["counters"]["calls"], pair.calls, "{heartbeat}");
    assert_eq!(heartbeat["counters"]["asked"], page.count("repoint_presence_answers_total", &[]), "{heartbeat}");
}

/// What the targets were asked, by whom it was asked, how often, what it came to, and for how long.
fn attempts_add_up(page: &Page, records: &[Value]) {
    for target in ["a.example/mirror", "b.example", "c.example"] {
        let attempts = records
            .iter()
            .filter(|record| record["event"] != "observed")
            .flat_map(|record| record["attempts"].as_array().unwrap())
            .filter(|attempt| attempt["image"].as_str().unwrap().starts_with(&format!("{target}/")))
            // One that was given up says nothing of its target.
            .filter(|attempt| !attempt["status"].is_null());
        let (mut outcomes, mut took) = (BTreeMap::<&str, usize>::new(), 0);
        for attempt in attempts {
            let outcome = match (attempt["status"]["code"].as_i64(), attempt["status"]["message"].as_str()) {
                (Some(0), _) => "pulled",
                (_, Some(message)) if message.contains("connection refused") => "unreachable",
                _ => "refused",
            };
            *outcomes.entry(outcome).or_default() += 1;
            took += attempt["duration_ms"].as_u64().unwrap();
        }
        let all: usize = outcomes.values().sum();
        assert!(all > 0, "{target}: {records:#?}");
        for outcome in ["pulled", "refused", "unreachable", "late"] {
            let labels = [("target", target), ("outcome", outcome)];
            let expected = outcomes.get(outcome).copied().unwrap_or_default();
            assert_eq!(page.count("repoint_attempts_total", &labels), expected, "{labels:?}");
        }
        let labels = [("target", target)];
        assert_eq!(page.count("repoint_attempt_duration_seconds_count", &labels), all, "{target}");
        // The log has whole milliseconds.
        let more = page.sum("repoint_attempt_duration_seconds_sum", &labels) * 1000.0
            - Duration::from_millis(took).as_secs_f64() * 1000.0;
        let limit = f64::from(u32::try_from(all).unwrap());
        assert!(more > -0.001 && more < limit, "{target}: {more} ms more than in the log");
    }
}

#[tokio::test]
async fn others_read_the_page_and_no_image_is_on_it() {
    let mut pair = Pair::start().await;
    mixed(&mut pair).await;
    pair.settled().await;
    let text = pair.repoint.metrics();
    let page = Page::read(&text);
    if let Some(families) = read_by_prometheus(&text) {
        assert_eq!(families, page.families.len(), "{text}");
    }
    assert!(!text.contains("img-") && !text.contains("sha256"), "{text}");

    let catalogue = Catalogue::read();
    for family in &page.families {
        assert!(!family.help.is_empty() && !family.kind.is_empty(), "{family:?}");
        for sample in &family.samples {
            let row = catalogue.of(&sample.name).unwrap_or_else(|| panic!("{} is not documented", sample.name));
            assert_eq!(row.kind, family.kind, "{}", family.name);
            for (label, value) in &sample.labels {
                assert!(row.may_have(label, value), "{}: {label} may not be {value:?}", sample.name);
            }
        }
    }
}

#[tokio::test]
async fn whatever_clients_call_the_page_stays_as_long_as_it_is() {
    let mut pair = Pair::start().await;
    pair.call("/x.Y/Z", version()).await;
    let before = pair.settled().await.samples().map(|sample| sample.name.clone()).collect::<Vec<_>>();
    for number in 0..1000 {
        let path = match number % 4 {
            0 => format!("/runtime.v1.RuntimeService/Made{number}"),
            1 => format!("/runtime.v1.Made{number}/Version"),
            2 => format!("/made{number}.v1.RuntimeService/Version"),
            _ => format!("/made{number}"),
        };
        assert_eq!(pair.call(&path, version()).await.as_deref(), Some("12"), "{path}");
    }
    let page = pair.settled().await;
    assert_eq!(page.count("repoint_calls_total", &[("method", "other"), ("code", "Unimplemented")]), 1001);
    let after: Vec<_> = page.samples().map(|sample| sample.name.clone()).collect();
    let [before, after] = [before, after].map(|mut names| {
        names.sort();
        names
    });
    assert_eq!(after, before);
}

#[tokio::test]
async fn connections_are_counted_while_they_are_open() {
    let pair = Pair::start().await;
    let until = async |count| {
        let reached = async {
            while pair.page().count("repoint_connections", &[]) != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let is_reached = tokio::time::timeout(LIMIT, reached).await.is_ok();
        assert!(is_reached, "{count}: {:#?}", pair.page());
    };
    until(1).await;
    let others = [Caller::dial(&pair.repoint.socket()).await, Caller::dial(&pair.repoint.socket()).await];
    until(3).await;
    drop(others);
    until(1).await;
}

#[tokio::test]
async fn a_call_that_the_runtime_dies_of_is_counted_as_what_its_caller_was_told() {
    let mut pair = Pair::start().await;
    pair.standin.answers_once(VERSION, Answer::death());
    assert_eq!(pair.call(VERSION, version()).await.as_deref(), Some("14"));
    let (feed, stream) = Answer::stream();
    pair.standin.answers_once(EVENTS, stream);
    pair.calls += 1;
    let mut response = pair.caller.begin(EVENTS, HeaderMap::new(), version()).await.unwrap();
    assert!(feed.send(b"first").await);
    assert!(response.body_mut().frame().await.unwrap().is_ok());
    pair.standin.stop().await;
    let ended = response.into_body().collect().await.unwrap();
    assert_eq!(ended.trailers().unwrap()["grpc-status"], "14");
    let page = pair.settled().await;
    for method in ["Version", "GetContainerEvents"] {
        assert_eq!(page.count("repoint_calls_total", &[("method", method), ("code", "Unavailable")]), 1, "{method}");
    }
}
