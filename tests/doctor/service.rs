//! What the running service says of itself, judged: a real one's words, some of them changed.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::{Value, json};

use super::Said;
use crate::support::repoint::{Repoint, run};

/// Says this to whoever asks, once.
fn says(socket: &Path, status: &Value) {
    let listener = UnixListener::bind(socket).unwrap();
    let body = status.to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _asked = stream.read(&mut [0; 4096]);
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        let _gone = stream.write_all(answer.as_bytes());
    });
}

/// Where in the status, what is said there, the name of what is found, how bad it is, and words of the reason and the remedy.
type Case<'a> = (&'a [&'a str], Value, &'a str, &'a str, &'a str, &'a str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_service_says_of_itself_is_judged() {
    let directory = tempfile::Builder::new().prefix("rp-").tempdir().unwrap();
    let repoint = Repoint::before(&directory.path().join("nobody.sock"), directory.path()).start().await;
    let whole = repoint.status();
    repoint.stop().await;
    let root = directory.path().join("node");
    fs::create_dir(&root).unwrap();
    let now = whole["now"].clone();
    let refused = json!({"time": now, "message": "rule 1: nonsense"});
    let rule = json!({"rule": "mirror", "instead": "original", "since": now, "until": now, "uid": 0});
    let cases: &[Case<'_>] = &[
        (&["version"], json!("9.9.9"), "service.version", "warning", "9.9.9", "systemctl restart repoint.service"),
        (&["stopping"], json!(true), "service.running", "warning", "it is stopping", "systemctl start"),
        (
            &["configuration", "source"],
            json!("last_good"),
            "service.configuration",
            "failure",
            "last good",
            "repoint config check",
        ),
        (
            &["configuration", "source"],
            json!("none"),
            "service.configuration",
            "failure",
            "nothing is substituted",
            "repoint config check",
        ),
        (
            &["configuration", "refused"],
            refused,
            "service.configuration",
            "failure",
            "rule 1: nonsense",
            "systemctl reload repoint",
        ),
        (
            &["configuration", "hash"],
            json!("0123456789ab"),
            "service.configuration",
            "warning",
            "0123456789ab",
            "systemctl reload repoint",
        ),
        (&["disabled"], json!(true), "service.overrides", "warning", "no pull is substituted", "disabled"),
        (
            &["overrides"],
            json!([rule]),
            "service.overrides",
            "note",
            "rule mirror does `original`",
            "repoint override mirror --end",
        ),
        (
            &["last_call"],
            json!("2001-01-01T00:00:00Z"),
            "kubelet.calls",
            "failure",
            "has not called for",
            "systemctl restart kubelet",
        ),
        (
            &["counters", "lost"],
            json!(3),
            "audit.whole",
            "failure",
            "3 audit records are missing",
            "journalctl -u repoint",
        ),
    ];
    for (number, (path, value, id, verdict, found, remedy)) in cases.iter().enumerate() {
        let mut status = whole.clone();
        let place = path.iter().fold(&mut status, |at, key| &mut at[*key]);
        *place = value.clone();
        let socket = directory.path().join(format!("{number}.sock"));
        says(&socket, &status);
        let (root, socket) = (root.display().to_string(), socket.display().to_string());
        let output = run(&["doctor", "--json", "--root", &root, "--admin", &socket], "");
        Said::of(&output).has(id, verdict, found, remedy);
    }
}

#[test]
fn a_service_that_talks_nonsense_is_one_that_does_not_answer() {
    let directory = tempfile::Builder::new().prefix("rp-").tempdir().unwrap();
    let socket = directory.path().join("a.sock");
    says(&socket, &json!({"version": "\u{1b}[2J"}));
    let (root, socket) = (directory.path().display().to_string(), socket.display().to_string());
    let output = run(&["doctor", "--json", "--root", &root, "--admin", &socket], "");
    let said = Said::of(&output);
    said.has("service.running", "failure", "of different versions", "repoint.service");
    said.has("service.version", "skipped", "does not answer", "");
}
