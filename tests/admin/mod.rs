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

mod overrides;
mod pages;
mod status;

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
