//! The program takes nothing from the system it is on: in a directory with nothing else in it, it does what it is there
//! for.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::host::packages;
use crate::support::kubelet::Kubelet;
use crate::support::standin::Standin;
use crate::support::world::Missing;

const LIMIT: Duration = Duration::from_secs(30);

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped_already = self.0.wait();
    }
}

/// A directory with the program in it, and nothing else. `None` where nobody can be shut into one.
fn empty() -> Option<TempDir> {
    if let Err(missing) = Missing::privilege() {
        missing.skip("no root of one's own");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    // By a process of its own. What is open for writing here would be open in whatever another test starts just then, and
    // nobody can run a program that somebody may write to.
    let program = packages().join("../package/made/repoint");
    let copied = Command::new("cp").arg(program).arg(directory.path()).status().unwrap();
    assert!(copied.success(), "`make try` makes it");
    Some(directory)
}

fn within(directory: &Path) -> Command {
    let mut command = Command::new("chroot");
    command.arg(directory).arg("/repoint").env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

#[test]
fn it_says_which_version_it_is() {
    let Some(directory) = empty() else { return };
    let output = within(directory.path()).arg("--version").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), concat!("repoint ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test]
async fn it_pulls_the_substitute() {
    let Some(directory) = empty() else { return };
    let root = directory.path();
    fs::create_dir(root.join("run")).unwrap();
    let standin = Standin::start(&root.join("run/runtime.sock"));
    fs::write(root.join("repoint.toml"), "state = \"/state\"\n[audit]\nfile = \"/audit.jsonl\"\n").unwrap();
    let _running = Running(
        within(root)
            .args(["serve", "--config", "/repoint.toml", "--listen", "unix:///run/repoint.sock"])
            .args(["--runtime", "unix:///run/runtime.sock"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let socket = root.join("run/repoint.sock");
    let started = Instant::now();
    while !socket.exists() {
        assert!(started.elapsed() < LIMIT, "it does not listen");
        sleep(Duration::from_millis(10)).await;
    }
    Kubelet::v1(&socket).pull("k8s.gcr.io/pause:3.9").await.unwrap();
    let record = fs::read_to_string(root.join("audit.jsonl")).unwrap();
    assert!(record.contains("\"substitute\":\"registry.k8s.io/pause:3.9\""), "{record}");
    assert!(standin.calls().iter().any(|call| call.path().ends_with("/PullImage")));
}
