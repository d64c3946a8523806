//! What the service tells about itself, and what it can be told: on its admin socket, over TCP, and by the commands that ask it.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use repoint::cri::v1::PullImageResponse;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::support::admin::{Admin, Answer as Page, connected, request, until};
use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Output, Repoint, Setup, run};
use crate::support::somebody::{Somebody, can_be_somebody};
use crate::support::standin::{Answer, Standin, State};

const PULL: &str = "/runtime.v1.ImageService/PullImage";

const RULES: &str = r#"
[[rules]]
name = "moved"
match = ["old.example"]
targets = ["new.example"]

[[rules]]
name = "looked-at"
match = ["look.example"]
action = "observe"

[[rules]]
name = "retired"
match = ["retired.example"]
action = "deny"
"#;

/// What one client may take, as the program has it, and what a busy machine may add.
const PATIENCE: Duration = Duration::from_secs(5);
const LATE: Duration = Duration::from_secs(15);

/// More than are served at a time.
const SLOW: usize = 9;

/// A runtime, and repoint in front of it, with rules of every kind.
struct Pair {
    standin: Standin,
    repoint: Repoint,
    admin: Admin,
    directory: TempDir,
}

impl Pair {
    async fn start() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(more: impl FnOnce(Setup) -> Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = directory.path().join("runtime.sock");
        let standin = Standin::start(&runtime);
        let setup = Repoint::before(&runtime, directory.path()).settings("builtin_rules = []").toml(RULES);
        let repoint = more(setup).start().await;
        let admin = Admin::of(&repoint).await;
        Self { standin, repoint, admin, directory }
    }

    fn kubelet(&self) -> Kubelet {
        Kubelet::v1(&self.repoint.socket())
    }

    /// A command, asked about this service: exit code, standard output, standard error.
    async fn asks(&self, words: &[&str]) -> (i32, String, String) {
        asks(&self.repoint.admin(), words).await
    }

    /// What is recorded of overrides, once that is so many times.
    async fn overridden(&self, times: usize) -> Vec<Value> {
        let mut found = Vec::new();
        until("all overrides are recorded", || {
            let text = fs::read_to_string(self.repoint.audit_file()).unwrap_or_default();
            // The last line may be on its way.
            let all = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            found = all.filter(|record| record["event"] == "overridden").collect();
            found.len() >= times
        })
        .await;
        assert_eq!(found.len(), times, "{found:#?}");
        found
    }
}

async fn asks(admin: &Path, words: &[&str]) -> (i32, String, String) {
    let mut words: Vec<String> = words.iter().map(ToString::to_string).collect();
    words.extend(["--admin".to_owned(), format!("unix://{}", admin.display())]);
    let ended = spawn_blocking(move || run(&words.iter().map(String::as_str).collect::<Vec<_>>(), "")).await;
    let Output { code, stdout, stderr } = ended.unwrap();
    (code.expect("no signal ends it"), stdout, stderr)
}

fn time(value: &Value) -> Timestamp {
    value.as_str().expect("a time").parse().expect("a time")
}

/// Whether it is the same time but for a moment; the log has microseconds.
fn is_near(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() < SignedDuration::from_millis(50)
}

// ==== Pages ====

#[tokio::test]
async fn it_is_ready_while_the_runtime_accepts_and_healthy_whether_or_not() {
    let mut pair = Pair::start().await;
    assert_eq!((pair.admin.get("/readyz").code, pair.admin.get("/readyz").body.as_str()), (200, "ok\n"));
    pair.standin.stop().await;
    let away = pair.admin.get("/readyz");
    assert_eq!(away.code, 503);
    assert!(away.body.contains("the container runtime is not reachable: No such file"), "{away:?}");
    let socket = format!("unix://{}", pair.directory.path().join("runtime.sock").display());
    let runtime = &pair.admin.status()["runtime"];
    assert_eq!(runtime["socket"], socket);
    assert!(runtime["error"].as_str().unwrap().contains("No such file"), "{runtime}");
    assert_eq!((pair.admin.get("/healthz").code, pair.admin.get("/healthz").body.as_str()), (200, "ok\n"));
    pair.standin.start_again();
    assert_eq!(pair.admin.get("/readyz").code, 200);
    assert_eq!(pair.admin.status()["runtime"], json!({"socket": socket, "error": null}));
    // It asks the runtime nothing for that.
    assert!(pair.standin.calls().is_empty());
}

#[tokio::test]
async fn while_it_stops_it_says_so_and_is_not_ready_for_anything() {
    let pair = Pair::start().await;
    let held = CancellationToken::new();
    let message = PullImageResponse { image_ref: "id".to_owned() };
    pair.standin.answers_once(PULL, Answer::message(&message).held_by(&held));
    let kubelet = pair.kubelet();
    let stop = async {
        pair.standin.first(PULL, State::Received).await;
        assert_eq!(pair.admin.status()["calls_under_way"], 1);
        pair.repoint.signal("TERM");
        until("it stops", || pair.admin.get("/readyz").code == 503).await;
        let page = pair.admin.get("/readyz");
        assert_eq!(page.body, "it is being stopped\n");
        let status = pair.admin.status();
        assert_eq!((&status["stopping"], &status["calls_under_way"]), (&true.into(), &1.into()));
        assert_eq!(pair.admin.get("/healthz").code, 200, "calls are served still");
        let (code, said, _) = pair.asks(&["status"]).await;
        assert!(code == 0 && said.lines().next().unwrap().ends_with(", STOPPING"), "{said}");
        held.cancel();
    };
    let (pulled, ()) = tokio::join!(kubelet.pull("old.example/x:1"), stop);
    assert_eq!(pulled.unwrap(), "id");
    assert!(pair.repoint.ended().await.success());
}

#[tokio::test]
async fn what_status_says_is_true() {
    let started = Timestamp::now();
    let pair = Pair::with(|setup| setup.drop_in("10", "[labels]\nx = \"y\"")).await;
    let status = pair.admin.status();
    for never in ["last_call", "last_pulled", "last_failed", "last_error"] {
        assert_eq!(status[never], Value::Null, "{never}");
    }
    assert_eq!(
        (&status["pid"], &status["stopping"], &status["disabled"]),
        (&pair.repoint.pid().into(), &false.into(), &false.into())
    );
    assert_eq!((&status["version"], &status["overrides"]), (&env!("CARGO_PKG_VERSION").into(), &json!([])));
    assert!(started <= time(&status["started"]) && time(&status["started"]) <= time(&status["now"]));
    assert!(time(&status["now"]) <= Timestamp::now());

    // Calls of every kind.
    let kubelet = pair.kubelet();
    kubelet.version().await.unwrap();
    for image in ["old.example/a:1", "old.example/b:1", "look.example/a:1"] {
        kubelet.pull(image).await.unwrap();
    }
    assert_eq!(kubelet.pull("retired.example/a:1").await.unwrap_err().code(), Code::PermissionDenied);
    pair.standin.answers_once(PULL, Answer::refusal(Code::NotFound, "gone"));
    kubelet.pull("old.example/c:1").await.unwrap_err();
    kubelet.image_status("old.example/absent:1").await.unwrap();
    let status = pair.admin.until("all calls are over", |status| status["calls_under_way"] == 0).await;
    let counters = json!({
        "calls": 7, "asked": 1, "substituted": 2, "fell_back": 0, "failed": 1, "observed": 1, "denied": 1, "used": 0, "lost": 0
    });
    assert_eq!(status["counters"], counters);
    let records = pair.repoint.records();
    let last = |event: &str| time(&records.iter().rev().find(|record| record["event"] == event).expect(event)["time"]);
    assert!(is_near(time(&status["last_pulled"]), last("substituted")), "{status}");
    assert!(is_near(time(&status["last_failed"]), last("failed")), "{status}");
    assert!(time(&status["last_call"]) >= time(&status["last_failed"]), "{status}");

    let configuration = &status["configuration"];
    let files = [pair.repoint.config(), pair.repoint.config().with_file_name("repoint.d").join("10.toml")];
    assert_eq!(configuration["files"], json!(files));
    assert_eq!((&configuration["source"], &configuration["rules"]), (&"files".into(), &3.into()));
    assert_eq!((&configuration["hash"], &configuration["refused"]), (&records[0]["config"], &Value::Null));
    assert!(is_near(time(&configuration["since"]), time(&status["started"])));
}

#[tokio::test]
async fn what_is_done_to_a_running_service_is_in_its_status() {
    let pair = Pair::start().await;
    let before = pair.admin.status();
    // A configuration that is wrong, and one that is right.
    let good = fs::read_to_string(pair.repoint.config()).unwrap();
    fs::write(pair.repoint.config(), format!("nod = 1\n{good}")).unwrap();
    pair.repoint.signal("HUP");
    let status = pair.admin.until("it is refused", |status| !status["configuration"]["refused"].is_null()).await;
    let refused = &status["configuration"]["refused"];
    assert!(refused["message"].as_str().unwrap().contains("`nod`"), "{refused}");
    assert!(time(&refused["time"]) >= time(&before["now"]));
    assert_eq!(status["configuration"]["hash"], before["configuration"]["hash"]);
    assert_eq!(status["configuration"]["since"], before["configuration"]["since"]);
    let trouble = status["last_error"]["message"].as_str().unwrap();
    assert!(trouble.starts_with("The configuration was not taken") && trouble.contains("`nod`"), "{trouble}");
    fs::write(pair.repoint.config(), good.replace("action = \"observe\"\n", "targets = [\"new.example\"]\n")).unwrap();
    pair.repoint.signal("HUP");
    let status = pair.admin.until("it is taken", |status| status["configuration"]["refused"].is_null()).await;
    assert_ne!(status["configuration"]["hash"], before["configuration"]["hash"]);
    assert!(time(&status["configuration"]["since"]) > time(&refused["time"]));

    // Overrides, and the kill switch.
    let wish = json!({"rule": "moved", "instead": "observe", "seconds": 600});
    let granted: Value = serde_json::from_str(&pair.admin.post("/override", &wish.to_string()).body).unwrap();
    let status = pair.admin.status();
    let one = &status["overrides"][0];
    assert_eq!((&one["rule"], &one["instead"], &one["until"]), (&"moved".into(), &"observe".into(), &granted["until"]));
    assert_eq!(time(&one["until"]).duration_since(time(&one["since"])), SignedDuration::from_secs(600));
    let switch = pair.repoint.config().with_file_name("disabled");
    assert_eq!(status["switch"], json!(switch));
    fs::write(&switch, "").unwrap();
    pair.admin.until("the kill switch is thrown", |status| status["disabled"] == true).await;
    // Whatever was done, the rules are still all there.
    assert_eq!(pair.admin.status()["configuration"]["rules"], 3);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_is_asked_for_otherwise_is_not_allowed() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let pair = Pair::with(|setup| setup.settings(&format!("metrics_tcp = \"{address}\""))).await;
    let tcp = Admin::over_tcp(address).await;
    for (method, path, on_socket, over_tcp) in [
        ("GET", "/metrics", 200, 200),
        ("GET", "/metrics?name[]=x", 200, 200),
        ("GET", "/healthz", 200, 200),
        ("GET", "/readyz", 200, 200),
        ("GET", "/status", 200, 404),
        ("POST", "/metrics", 405, 405),
        ("DELETE", "/readyz", 405, 405),
        ("POST", "/status", 405, 404),
        ("GET", "/override", 405, 404),
        ("POST", "/override", 400, 404),
        ("GET", "/", 404, 404),
        ("GET", "/metrics/", 404, 404),
        ("GET", "/debug", 404, 404),
    ] {
        for (admin, expected) in [(&pair.admin, on_socket), (&tcp, over_tcp)] {
            let answer = admin.ask(method, path, "");
            assert_eq!(answer.code, expected, "{method} {path}: {answer:?}");
            let allow = if path == "/override" { "\r\nallow: post" } else { "\r\nallow: get" };
            assert_eq!(answer.head.contains(allow), expected == 405, "{answer:?}");
            // Whoever asked for the wrong page hears of the right one.
            assert_eq!(answer.body.contains("/healthz"), expected == 404, "{answer:?}");
            assert!(!answer.body.is_empty() && answer.head.contains("\r\ncontent-type: "), "{answer:?}");
        }
    }
    assert!(!tcp.get("/").body.contains("/status") && pair.admin.get("/").body.contains("/status"));
}

/// A port that nobody has.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn metrics_over_tcp_are_those_of_the_socket_and_nothing_can_be_done_there() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let pair = Pair::with(|setup| setup.settings(&format!("metrics_tcp = \"{address}\""))).await;
    let tcp = Admin::over_tcp(address).await;
    pair.kubelet().pull("old.example/a:1").await.unwrap();
    pair.admin.until("the call is over", |status| status["calls_under_way"] == 0).await;
    let without_room =
        |page: Page| page.body.lines().filter(|line| !line.contains("room")).collect::<Vec<_>>().join("\n");
    let (on_socket, over_tcp) = (pair.admin.get("/metrics"), tcp.get("/metrics"));
    assert!(over_tcp.head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{over_tcp:?}");
    assert_eq!(without_room(over_tcp), without_room(on_socket));
    assert_eq!(tcp.page().count("repoint_substitutions_total", &[("rule", "moved"), ("outcome", "pulled")]), 1);

    let wish = json!({"rule": "moved", "instead": "observe", "seconds": 600}).to_string();
    assert_eq!(tcp.post("/override", &wish).code, 404);
    assert_eq!(pair.admin.status()["overrides"], json!([]));
    assert_eq!(pair.admin.post("/override", &wish).code, 200, "where it may be asked for, it is one");
}

#[tokio::test]
async fn an_address_that_somebody_else_has_for_a_while_is_had_afterwards() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = other.local_addr().unwrap();
    let pair = Pair::with(|setup| setup.settings(&format!("metrics_tcp = \"{address}\""))).await;
    let said = || pair.repoint.log().lines().filter(|line| line.contains("There are no metrics over TCP yet")).count();
    until("it says that it has not got it", || said() == 1).await;
    pair.admin.looked(&pair.repoint).await;
    drop(other);
    assert_eq!(Admin::over_tcp(address).await.get("/healthz").code, 200);
    assert_eq!(said(), 1, "once is enough");
    assert!(pair.repoint.log().contains("Metrics are to be had over TCP"));
}

#[tokio::test]
async fn an_admin_socket_that_somebody_else_has_for_a_while_is_had_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = directory.path().join("runtime.sock");
    let _standin = Standin::start(&runtime);
    fs::create_dir(Repoint::directory_in(directory.path())).unwrap();
    let admin = Repoint::directory_in(directory.path()).join("admin.sock");
    let other = UnixListener::bind(&admin).unwrap();
    let repoint = Repoint::before(&runtime, directory.path()).start().await;
    let said = || {
        repoint
            .log()
            .lines()
            .filter(|line| line.contains("There are no status, no overrides and no metrics here yet"))
            .count()
    };
    until("it says that it has not got it", || said() == 1).await;
    Kubelet::v1(&repoint.socket()).version().await.unwrap();
    drop(other);
    until("it has it", || repoint.log().contains("There are status, overrides and metrics now")).await;
    assert_eq!(Admin::of(&repoint).await.get("/healthz").code, 200);
    assert_eq!(said(), 1, "once is enough");
}

#[tokio::test]
async fn slow_clients_keep_nobody_waiting_for_longer_than_one_may_take_and_no_call_at_all() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let pair = Pair::with(|setup| setup.settings(&format!("metrics_tcp = \"{address}\""))).await;
    let tcp = Admin::over_tcp(address).await;
    // Half a request, and nothing more.
    let half = &request("GET", "/metrics", "").into_bytes()[..20];
    let slow: Vec<_> = (0..SLOW)
        .map(|_| {
            let mut line = TcpStream::connect(address).unwrap();
            line.write_all(half).unwrap();
            line
        })
        .collect();
    assert_eq!(pair.admin.get("/healthz").code, 200, "those of one door are not before those of another");
    let more: Vec<_> = (0..SLOW)
        .map(|_| {
            let mut line = connected(&pair.repoint.admin());
            line.write_all(half).unwrap();
            line
        })
        .collect();

    let begun = Instant::now();
    let (admin, kubelet) = (pair.admin.clone(), pair.kubelet());
    let asked = spawn_blocking(move || (admin.get("/healthz").code, tcp.get("/healthz").code));
    let mut calls = 0;
    while !asked.is_finished() {
        kubelet.version().await.unwrap();
        calls += 1;
    }
    assert_eq!(asked.await.unwrap(), (200, 200));
    let waited = begun.elapsed();
    assert!(waited < PATIENCE + LATE, "{waited:?}");
    assert!(calls > 1, "calls go on meanwhile");
    drop((slow, more));
}

// ==== Overrides ====

#[tokio::test]
async fn a_wish_that_makes_no_sense_is_refused_and_changes_nothing() {
    let pair = Pair::start().await;
    let long = "x".repeat(1 << 20);
    let named = |rule: &str| json!({"rule": rule, "instead": "observe", "seconds": 60}).to_string();
    for (wish, why) in [
        (String::new(), "EOF"),
        ("{".to_owned(), "EOF"),
        ("[]".to_owned(), "invalid"),
        ("\u{fffd}".to_owned(), "expected value"),
        (r#"{"rule": "moved", "instead": "observe"}"#.to_owned(), "missing field `seconds`"),
        (r#"{"rule": "moved", "instead": "deny", "seconds": 60}"#.to_owned(), "unknown variant `deny`"),
        (r#"{"rule": "moved", "instead": "observe", "seconds": -1}"#.to_owned(), "invalid value"),
        (r#"{"rule": "moved", "instead": "observe", "seconds": 60, "uid": 0}"#.to_owned(), "unknown field `uid`"),
        (r#"{"rule": "moved", "instead": "observe", "seconds": 0}"#.to_owned(), "from a second to 7 days"),
        (r#"{"rule": "moved", "instead": "observe", "seconds": 604801}"#.to_owned(), "from a second to 7 days"),
        (format!(r#"{{"rule": "moved", "instead": "observe", "seconds": {}}}"#, u64::MAX), "from a second to 7 days"),
        (named("none"), "there is no rule `none`; there is `moved`, `looked-at`, `retired`"),
        (named(&long), "could not be read to its end"),
        (r#"{"rule": "moved", "instead": null, "seconds": 0}"#.to_owned(), "rule `moved` is not overridden"),
    ] {
        let answer = pair.admin.post("/override", &wish);
        assert_eq!(answer.code, 400, "{}: {answer:?}", &wish[..wish.len().min(80)]);
        assert!(answer.body.contains(why) && answer.body.len() < 1000, "{why}: {answer:?}");
    }
    // One that does not come to its end is no wish either.
    let half = request("POST", "/override", &named("moved"));
    connected(&pair.repoint.admin()).write_all(&half.as_bytes()[..half.len() - 1]).unwrap();
    assert_eq!(pair.admin.status()["overrides"], json!([]));
    assert_eq!(pair.admin.page().count("repoint_overrides", &[]), 0);
    assert!(pair.overridden(0).await.is_empty());
    assert!(!pair.directory.path().join("repoint/state/overrides.json").exists());
}

#[tokio::test]
async fn an_override_is_recorded_with_whoever_asked_for_it_as_the_kernel_says() {
    if !can_be_somebody() {
        return;
    }
    let pair = Pair::start().await;
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(pair.directory.path(), 0o755);
    mode(pair.repoint.socket().parent().unwrap(), 0o755);
    let somebody = Somebody::new(12345, 12346);
    somebody.connects(&pair.repoint.admin()).expect_err("it is root's");
    mode(&pair.repoint.admin(), 0o666);

    let wish = |instead: &str| {
        request("POST", "/override", &format!(r#"{{"rule":"moved","instead":{instead},"seconds":60}}"#))
    };
    for (by, instead) in [(somebody, r#""original""#), (Somebody::new(0, 0), r#""observe""#), (somebody, "null")] {
        let mut line = by.connects(&pair.repoint.admin()).unwrap();
        line.write_all(wish(instead).as_bytes()).unwrap();
        assert_eq!(Page::read(line).code, 200);
    }
    let told: Vec<_> = pair
        .overridden(3)
        .await
        .into_iter()
        .map(|record| [&record["rule"], &record["instead"], &record["uid"]].map(Value::to_string).join(" "))
        .collect();
    assert_eq!(told, [r#""moved" "original" 12345"#, r#""moved" "observe" 0"#, r#""moved" null 12345"#]);
}

#[tokio::test]
async fn an_override_is_recorded_whether_or_not_its_answer_is_waited_for() {
    let pair = Pair::start().await;
    let wish = |seconds| json!({"rule": "moved", "instead": "observe", "seconds": seconds}).to_string();
    for number in 0..20 {
        let mut line = connected(&pair.repoint.admin());
        line.write_all(request("POST", "/override", &wish(60 + number)).as_bytes()).unwrap();
        drop(line);
    }
    assert_eq!(pair.admin.post("/override", &wish(600)).code, 200);
    // Who goes too early has not asked.
    let done = || pair.repoint.log().lines().filter(|line| line.contains("A rule is overridden")).count();
    let records = pair.overridden(done()).await;
    assert!(records.len() > 1, "none of them was heard: {}", pair.repoint.log());
    let last = &pair.admin.status()["overrides"][0];
    assert!(is_near(time(&records.last().unwrap()["until"]), time(&last["until"])), "{records:#?}");
    let kept = fs::read_to_string(pair.directory.path().join("repoint/state/overrides.json")).unwrap();
    assert_eq!(&serde_json::from_str::<Value>(&kept).unwrap()[0], last);
}

#[tokio::test]
async fn the_command_overrides_a_rule_and_ends_it_again() {
    let pair = Pair::start().await;
    let (code, said, told) = pair.asks(&["override", "moved", "original", "--for", "1h 30m"]).await;
    assert_eq!((code, told.as_str()), (0, ""));
    let until = time(&pair.admin.status()["overrides"][0]["until"]);
    assert_eq!(said, format!("rule moved: original until {until:.0} (repoint override moved --end)\n"));
    assert!(said.ends_with("Z (repoint override moved --end)\n"), "{said}");
    let (code, said, told) = pair.asks(&["override", "moved", "--end"]).await;
    assert_eq!((code, said.as_str(), told.as_str()), (0, "rule moved holds again\n", ""));
    assert_eq!(pair.admin.status()["overrides"], json!([]));
}

#[tokio::test]
async fn the_command_says_why_a_rule_is_not_overridden() {
    let pair = Pair::start().await;
    let nobody = pair.directory.path().join("nobody.sock");
    for (words, admin, expected, why) in [
        (&["moved", "--end"][..], None, 1, "repoint: rule `moved` is not overridden"),
        (
            &["mov\u{1b}[2Jed", "observe", "--for", "2h"],
            None,
            1,
            "there is no rule `mov\\u{1b}[2Jed`; there is `moved`, `looked-at`, `retired`",
        ),
        (
            &["moved", "observe", "--for", "soon"],
            None,
            2,
            "--for soon: expected a time such as 2h or 30m, up to 7 days",
        ),
        (&["moved", "observe", "--for", "8d"], None, 2, "up to 7 days"),
        (&["moved", "observe", "--for", "0s"], None, 2, "expected a time"),
        (&["moved", "observe"], None, 2, "--for <TIME>"),
        (&["moved", "deny", "--for", "2h"], None, 2, "[possible values: original, observe]"),
        (&["moved", "observe", "--for", "2h", "--end"], None, 2, "cannot be used with"),
        (&["moved", "observe", "--for", "2h"], Some(&nobody), 1, "is it running (systemctl status repoint)?"),
    ] {
        let admin = admin.cloned().unwrap_or_else(|| pair.repoint.admin());
        let (code, said, told) = asks(&admin, &[&["override"], words].concat()).await;
        assert_eq!((code, said.as_str()), (expected, ""), "{words:?}: {told}");
        assert!(told.contains(why) && !told.contains('\u{1b}'), "{words:?}: {told}");
    }
    assert!(pair.overridden(0).await.is_empty());
}

// ==== `repoint status` ====

/// What a person is told, with what is another each time taken out.
fn masked(said: &str, pair: &Pair) -> String {
    let status = pair.admin.status();
    let masks = [
        (pair.directory.path().display().to_string(), "DIR"),
        (format!("process {}", pair.repoint.pid()), "process PID"),
        (status["configuration"]["hash"].as_str().unwrap().to_owned(), "HASH"),
        (env!("CARGO_PKG_VERSION").to_owned(), "VERSION"),
    ];
    let said = masks.iter().fold(said.to_owned(), |said, (what, with)| said.replace(what, with));
    // A busy machine takes its seconds, and a test no days.
    let mut words: Vec<&str> = said.split(' ').collect();
    for at in 1..words.len() {
        if words[at - 1].parse::<u32>().is_ok() && words[at].starts_with("s") && !words[at].starts_with("su") {
            words[at - 1] = "N";
        }
        if words[at - 1] == "until" {
            time(&words[at].trim_end_matches(',').into());
            words[at] = "TIME,";
        }
    }
    words.join(" ")
}

#[tokio::test]
async fn people_are_told_how_it_is() {
    let pair = Pair::start().await;
    pair.kubelet().pull("old.example/a:1").await.unwrap();
    pair.admin.until("the call is over", |status| status["calls_under_way"] == 0).await;
    let (code, said, told) = pair.asks(&["status"]).await;
    assert_eq!((code, told.as_str()), (0, ""));
    assert_eq!(
        masked(&said, &pair),
        "\
repoint        VERSION, process PID, started N s ago
configuration  DIR/repoint/repoint.toml (3 rules, HASH, in force for N s)
runtime        unix://DIR/runtime.sock
calls          1, the last N s ago; 0 under way
pulls          1 substituted, 0 fell back, 0 failed, 0 observed, 0 denied
"
    );
}

#[tokio::test]
async fn people_are_told_what_is_wrong_and_nothing_that_acts_on_a_terminal() {
    const EVIL: &str = "\u{1b}[2J\u{202e}\u{9b}1m\u{7}";
    let evil = "[[rules]]\nname = \"ev\\u001b[2J\\u202e\\u009b1m\\u0007il\"\nmatch = [\"x.example\"]\ntargets = [\"y.example\"]";
    let mut pair = Pair::with(|setup| setup.toml(evil)).await;
    pair.standin.answers_once(PULL, Answer::refusal(Code::NotFound, "gone"));
    pair.kubelet().pull("old.example/a:1").await.unwrap_err();
    let wish = json!({"rule": format!("ev{EVIL}il"), "instead": "original", "seconds": 60});
    assert_eq!(pair.admin.post("/override", &wish.to_string()).code, 200);
    fs::write(pair.repoint.config().with_file_name("disabled"), "").unwrap();
    pair.admin.until("the kill switch is thrown", |status| status["disabled"] == true).await;
    pair.standin.stop().await;
    let good = fs::read_to_string(pair.repoint.config()).unwrap();
    fs::write(pair.repoint.config(), format!("\"no\\u001b[2Jde\" = 1\n{good}")).unwrap();
    pair.repoint.signal("HUP");
    pair.admin.until("it is refused", |status| !status["configuration"]["refused"].is_null()).await;
    pair.admin.until("the call is over", |status| status["calls_under_way"] == 0).await;

    let (code, said, told) = pair.asks(&["status"]).await;
    assert_eq!((code, told.as_str()), (0, ""));
    // A key that there is not is told with all those that there are.
    let cut = |line: &str| line.split("; there is `listen`").next().unwrap().to_owned() + "\n";
    assert_eq!(
        masked(&said.lines().map(cut).collect::<String>(), &pair),
        "\
repoint        VERSION, process PID, started N s ago
configuration  DIR/repoint/repoint.toml (4 rules, HASH, in force for N s)
               REFUSED N s ago: DIR/repoint/repoint.toml:1:1: `\"no\\u{1b}[2Jde\"`: there is no such key
kill switch    THROWN: no pull is substituted while DIR/repoint/disabled is there
override       rule ev\\u{1b}[2J\\u{202e}\\u{9b}1m\\u{7}il: original until TIME, says user 0
runtime        unix://DIR/runtime.sock: NOT REACHABLE: No such file or directory (os error 2)
calls          1, the last N s ago; 0 under way
pulls          0 substituted, 0 fell back, 1 failed, 0 observed, 0 denied
last error     N s ago: The configuration was not taken: what is in force stays \
               error=\"DIR/repoint/repoint.toml:1:1: `\\\"no\\\\u{1b}[2Jde\\\"`: there is no such key
"
    );
}

#[tokio::test]
async fn a_program_is_told_the_very_page() {
    let pair = Pair::start().await;
    let (code, said, told) = pair.asks(&["status", "--json"]).await;
    assert_eq!((code, told.as_str()), (0, ""));
    let (said, mut page) = (serde_json::from_str::<Value>(&said).unwrap(), pair.admin.status());
    page["now"] = said["now"].clone();
    assert_eq!(said, page);
}

/// Answers everybody at `socket` with this status, until the end of the test's process.
fn pretends(socket: &Path, code: &str, status: &str) {
    let listener = UnixListener::bind(socket).unwrap();
    let length = status.len();
    let answer =
        format!("HTTP/1.1 {code}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{status}");
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _request = client.read(&mut [0; 4096]);
            let _gone_again = client.write_all(answer.as_bytes());
        }
    });
}

#[tokio::test]
async fn a_check_looks_at_one_thing_says_it_on_a_short_line_and_with_a_code() {
    let pair = Pair::start().await;
    let good = pair.admin.status();
    let now = time(&good["now"]);
    let ago = |minutes| json!(now.checked_sub(SignedDuration::from_mins(minutes)).unwrap());
    let refused = |message: &str| json!({"time": now, "message": message});
    let long = format!("repoint.toml:1:1: `größe\u{1b}[2J`: {}", "ö".repeat(100));
    for (check, changes, code, expected) in [
        // The kubelet.
        ("kubelet", json!({}), 0, "ok"),
        ("kubelet", json!({"last_call": ago(14)}), 0, "ok"),
        ("kubelet", json!({"last_call": ago(16)}), 1, "the kubelet has not called for 16 min"),
        ("kubelet", json!({"started": ago(180)}), 1, "the kubelet has not called since the start, 3 h ago"),
        ("kubelet", json!({"started": ago(180), "last_call": ago(1)}), 0, "ok"),
        // The audit log.
        ("audit", json!({}), 0, "ok"),
        ("audit", json!({"counters": with(&good["counters"], &json!({"lost": 3}))}), 1, "3 audit records are missing"),
        // The configuration.
        ("config", json!({}), 0, "ok"),
        ("config", configured(&good, "files", &refused("x.toml:1:1: no")), 1, "reload refused: x.toml:1:1: no"),
        ("config", configured(&good, "last_good", &refused("no")), 1, "runs on the last good: no"),
        ("config", configured(&good, "none", &refused("no")), 1, "nothing is substituted: no"),
        (
            "config",
            configured(&good, "files", &refused(&long)),
            1,
            &format!("reload refused: repoint.toml:1:1: `größe\\u{{1b}}[2J`: {}", "ö".repeat(13)),
        ),
        // Pulls.
        ("substitutions", json!({}), 0, "ok"),
        ("substitutions", json!({"last_failed": ago(2)}), 1, "the last pull failed, 2 min ago (repoint tail)"),
        ("substitutions", json!({"last_failed": ago(2), "last_pulled": ago(1)}), 0, "ok"),
        (
            "substitutions",
            json!({"last_failed": ago(2), "last_pulled": ago(3)}),
            1,
            "the last pull failed, 2 min ago (repoint tail)",
        ),
        ("substitutions", json!({"last_failed": ago(16)}), 0, "ok"),
        // What is well otherwise.
        ("audit", json!({"a_field_of_the_future": 1}), 0, "ok"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("admin.sock");
        pretends(&socket, "200 OK", &with(&good, &changes).to_string());
        let (found, said, told) = asks(&socket, &["status", "--check", check]).await;
        assert_eq!(
            (found, said.as_str(), told.as_str()),
            (code, format!("{expected}\n").as_str(), ""),
            "{check} {changes}"
        );
        assert!(said.trim_end().len() <= 80, "{said}");
    }
    // And of a real one.
    for check in ["kubelet", "audit", "config", "substitutions"] {
        assert_eq!(pair.asks(&["status", "--check", check]).await, (0, "ok\n".to_owned(), String::new()), "{check}");
    }
}

/// An object, with some of its fields changed.
fn with(object: &Value, changes: &Value) -> Value {
    let mut object = object.clone();
    for (key, value) in changes.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

fn configured(status: &Value, source: &str, refused: &Value) -> Value {
    json!({"configuration": with(&status["configuration"], &json!({"source": source, "refused": refused}))})
}

#[tokio::test]
async fn where_it_cannot_be_told_how_it_is_that_is_said_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    pretends(&at("odd.sock"), "200 OK", "{\"version\": \"9.0.0\"}");
    pretends(&at("busy.sock"), "503 Service Unavailable", "not \u{1b}[2Jnow\n");
    drop(UnixListener::bind(at("gone.sock")).unwrap());
    for (socket, why) in [
        ("none.sock", "is it running (systemctl status repoint)?: No such file or directory"),
        ("gone.sock", "is it running (systemctl status repoint)?: Connection refused"),
        ("odd.sock", "may be of different versions"),
        ("busy.sock", "repoint: not \\u{1b}[2Jnow"),
    ] {
        for words in [&["status"][..], &["status", "--json"]] {
            if (socket, words.len()) == ("odd.sock", 2) {
                // Programs know better what they understand.
                continue;
            }
            let (code, said, told) = asks(&at(socket), words).await;
            assert_eq!((code, said.as_str()), (1, ""), "{socket}: {told}");
            assert!(told.contains(why) && told.lines().count() == 1 && !told.contains('\u{1b}'), "{socket}: {told}");
        }
        let (code, said, told) = asks(&at(socket), &["status", "--check", "audit"]).await;
        assert_eq!((code, told.as_str()), (2, ""), "{socket}: {said}");
        assert!(said.len() > 1 && said.trim_end().len() <= 80 && !said.contains('\u{1b}'), "{socket}: {said}");
    }
    for words in [&["status", "--check", "moon"][..], &["status", "--json", "--check", "audit"]] {
        assert_eq!(asks(&at("none.sock"), words).await.0, 2, "{words:?}");
    }
    let (code, said, told) = asks(Path::new("relative.sock"), &["status"]).await;
    assert_eq!((code, said.as_str()), (2, ""));
    assert!(told.contains("is not a unix socket"), "{told}");
}

#[tokio::test]
async fn where_the_service_is_is_taken_from_its_configuration_however_wrong_that_is() {
    let pair = Pair::start().await;
    let admin = pair.repoint.admin().display().to_string();
    let beside = pair.repoint.socket().display().to_string();
    for text in [
        format!("admin = {admin:?}"),
        format!("listen = {beside:?}"),
        format!("admin = {admin:?}\nnod = 1"),
        format!("listen = {beside:?}\nnod = 1"),
    ] {
        let file = pair.directory.path().join("elsewhere.toml");
        fs::write(&file, &text).unwrap();
        let words = ["status", "--config", file.to_str().unwrap()].map(str::to_owned);
        let ended = spawn_blocking(move || run(&words.each_ref().map(String::as_str), "")).await.unwrap();
        assert_eq!(ended.code, Some(0), "{text}: {ended:?}");
        assert!(ended.stdout.contains(&format!("process {}", pair.repoint.pid())), "{text}: {ended:?}");
    }
}

#[test]
fn the_help_says_what_can_be_asked_and_done() {
    for (words, expected) in [
        (&["--help"][..], &["status", "override"][..]),
        (
            &["status", "--help"],
            &["--json", "--check <WHAT>", "kubelet", "substitutions", "exit code 0", "--admin <SOCKET>"],
        ),
        (&["override", "--help"], &["<RULE>", "original", "observe", "--for <TIME>", "--end", "/etc/repoint/disabled"]),
    ] {
        let ended = run(words, "");
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        for part in expected {
            assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
        }
    }
}
