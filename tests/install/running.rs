//! On a node that runs, or looks as if it did: the program sees this node's files in the place of the machine's, a systemctl
//! that notes what it is told, a kubelet that does what its files say, a real repoint and a stand-in for the runtime.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Code;

use super::eyes::{Seen, all_but};
use super::layouts::{Layout, OURS, named, put};
use super::{is_wired, same, somewhere};
use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Output, Repoint, program};
use crate::support::standin::{Answer, Standin};

pub const PULL: &str = "/runtime.v1.ImageService/PullImage";
pub const LIST: &str = "/runtime.v1.ImageService/ListImages";
pub const CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";
pub const TARGET: &str = "registry.k8s.io/pause:3.9";
pub const LIMIT: Duration = Duration::from_secs(150);

/// What notes it, and does it to a kubelet that is a number in a file.
const SYSTEMCTL: &str = r#"#!/bin/sh
here=$(dirname "$0")
case $1 in
show) ;;
*) echo "$*" >>"$here/calls" ;;
esac
if [ -e "$here/die" ] && [ "$*" = "$(cat "$here/die")" ]; then
    rm "$here/die"
    kill -KILL "$PPID"
fi
case "$1 $2" in
"show "*)
    [ ! -e "$here/unsteady" ] || echo $(($(cat "$here/pid") + 1)) >"$here/pid"
    echo "MainPID=$(cat "$here/pid")"
    echo "ActiveState=$(cat "$here/active")"
    ;;
"restart --no-block") echo $(($(cat "$here/pid") + 1)) >"$here/pid" ;;
esac
"#;

/// A node.
pub struct Live {
    pub directory: TempDir,
    pub before: Seen,
    pub layout: Layout,
    /// Unset where the runtime is a real one.
    pub standin: Option<Standin>,
    pub repoint: Option<Repoint>,
    pub healthz: SocketAddr,
    pub is_well: Arc<AtomicBool>,
    /// Whether the kubelet calls whoever its files say.
    pub calls: Arc<AtomicBool>,
    _kubelet: JoinSet<()>,
}

/// A node with a stand-in for its runtime.
pub async fn live(name: &str) -> Option<Live> {
    live_before(name, None).await
}

/// Unset where nobody may make namespaces, or the machine's own files can't be hidden.
pub async fn live_before(name: &str, containerd: Option<&Path>) -> Option<Live> {
    let can = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status().await;
    if !can.is_ok_and(|can| can.success()) {
        assert!(std::env::var_os("CI").is_none(), "no namespaces can be had here");
        eprintln!("skipped: no namespaces can be had here");
        return None;
    }
    let layout = named(name);
    let directory = somewhere();
    let root = directory.path();
    layout.make(root);
    for directory in ["var/lib", "etc", "run/containerd", "run/k3s/containerd", "bin"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    // The machine's own directory of units is not hidden, and need not be there.
    for directory in ["usr/lib/systemd/system", "lib/systemd/system"] {
        for unit in fs::read_dir(root.join(directory)).into_iter().flatten().map(Result::unwrap) {
            fs::rename(unit.path(), root.join("etc/systemd/system").join(unit.file_name())).unwrap();
        }
    }
    put(root, "/bin/systemctl", SYSTEMCTL);
    fs::set_permissions(root.join("bin/systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
    for (file, text) in [("pid", "100"), ("active", "active"), ("calls", "")] {
        fs::write(root.join("bin").join(file), text).unwrap();
    }
    let before = node(root);
    let runtime = root.join("run/containerd/containerd.sock");
    let standin = if let Some(containerd) = containerd {
        symlink(containerd, &runtime).unwrap();
        None
    } else {
        let standin = Standin::start(&runtime);
        standin.answers(LIST, |_| Answer::refusal(Code::Unimplemented, "no lists"));
        Some(standin)
    };
    let repoint = Repoint::before(&runtime, &root.join("run")).start().await;
    let (is_well, calls) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let healthz = health(Arc::clone(&is_well));
    let _kubelet = kubelet(root.to_owned(), layout.endpoint, repoint.socket(), Arc::clone(&calls));
    Some(Live { before, layout, standin, repoint: Some(repoint), healthz, is_well, calls, _kubelet, directory })
}

/// The files of the node, without those that are the test's and those that come and go.
pub fn node(root: &Path) -> Seen {
    all_but(root, &["bin", "run"])
}

fn health(is_well: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _asked = stream.read(&mut [0; 1024]);
            let code = if is_well.load(Ordering::Relaxed) { "200 OK" } else { "500 Internal Server Error" };
            let _gone = stream.write_all(format!("HTTP/1.0 {code}\r\n\r\n").as_bytes());
        }
    });
    address
}

/// Calls repoint from each start on, if its files say so then.
fn kubelet(root: PathBuf, says: fn(&Path) -> Option<String>, socket: PathBuf, calls: Arc<AtomicBool>) -> JoinSet<()> {
    let mut kubelet = JoinSet::new();
    kubelet.spawn(async move {
        let pid = || fs::read_to_string(root.join("bin/pid")).unwrap_or_default();
        let (mut process, mut endpoint) = (String::new(), None);
        loop {
            if pid() != process {
                (process, endpoint) = (pid(), says(&root));
            }
            if endpoint.as_deref() == Some(OURS) && calls.load(Ordering::Relaxed) {
                let _answered = Kubelet::v1(&socket).version().await;
            }
            sleep(Duration::from_millis(200)).await;
        }
    });
    kubelet
}

impl Live {
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn standin(&self) -> &Standin {
        self.standin.as_ref().expect("this node's runtime is a stand-in")
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let root = self.root().display();
        let script = format!(
            "mount --make-rprivate / && for d in etc run var/lib; do mount --bind {root}/$d /$d || exit 9; done; exec \"$@\""
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh"]).arg(program()).args(words);
        command.args(["--healthz", &self.healthz.to_string()]);
        if !words.contains(&"--wait") {
            // Longer than any machine takes: what is to be well is waited for, and what is not says so itself.
            command.args(["--wait", "60s"]);
        }
        let path = format!("{root}/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("PATH", path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub async fn run(&self, words: &[&str]) -> Output {
        let output = timeout(LIMIT, self.command(words).output()).await.expect("it ends").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub async fn done(&self, words: &[&str]) -> String {
        let output = self.run(words).await;
        assert_eq!(output.code, Some(0), "{output:?}\n{}", self.repoint.as_ref().map(Repoint::log).unwrap_or_default());
        output.stdout
    }

    /// What systemd was told to do since the last look.
    pub fn told(&self) -> Vec<String> {
        let file = self.root().join("bin/calls");
        let calls = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
        fs::write(file, "").unwrap();
        calls
    }

    pub fn is_as_it_was(&self) {
        same(self.layout.name, &node(self.root()), &self.before);
    }

    pub fn is_wired(&self) {
        is_wired(&self.layout, self.root());
    }
}
