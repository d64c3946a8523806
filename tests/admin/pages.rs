//! Pages of the socket, and those that are to be had over TCP.

use super::*;

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
