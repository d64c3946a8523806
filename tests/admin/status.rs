//! What `repoint status` prints, for people, programs and node checks.

use super::*;

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
    let long = format!("repoint.toml:1:10: `größe\u{1b}[2J`: {}", "ö".repeat(100));
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
            &format!("reload refused: repoint.toml:1:10: `größe\\u{{1b}}[2J`: {}", "ö".repeat(12)),
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
