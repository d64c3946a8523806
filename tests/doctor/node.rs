//! A node that runs: a runtime, a repoint in front of it, and their files in the place of the machine's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::Said;
use crate::support::repoint::{Output, Repoint, program};
use crate::support::standin::Standin;
use crate::support::unit::{SERVICE, SOCKET};
use crate::support::world::World;

const LIMIT: Duration = Duration::from_secs(90);

/// Both have nothing to say against the node.
const PROGRAMS: [(&str, &str); 2] = [("systemctl", "echo NeedDaemonReload=no"), ("timedatectl", "echo yes")];

/// Files that a program sees in the place of the machine's.
pub(super) struct Node {
    pub(super) root: PathBuf,
    pub(super) runtime: PathBuf,
}

impl Node {
    /// One below `directory`, whose runtime listens there, with repoint's units, a kubelet that is pointed to it, and a rule.
    pub(super) fn make(directory: &Path, runtime: &Path) -> Self {
        let node = Self { root: directory.join("node"), runtime: runtime.to_owned() };
        for directory in ["etc", "run/repoint", "var/lib", "var/log/repoint", "bin"] {
            fs::create_dir_all(node.root.join(directory)).unwrap();
        }
        for (name, script) in PROGRAMS {
            node.put(&format!("/bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
            let path = node.root.join("bin").join(name);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let listen = node.listen();
        node.put("/etc/systemd/system/repoint.service", SERVICE);
        node.put("/etc/systemd/system/repoint.socket", SOCKET);
        node.put(
            "/etc/systemd/system/repoint.socket.d/listen.conf",
            &format!("[Socket]\nListenStream=\nListenStream={}\n", listen.display()),
        );
        node.kubelet(&listen);
        node.put("/etc/crictl.yaml", &format!("image-endpoint: unix://{}\n", listen.display()));
        node
    }

    pub(super) fn put(&self, path: &str, text: &str) {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Where repoint listens, which is one place from inside and from outside.
    pub(super) fn listen(&self) -> PathBuf {
        Repoint::directory_in(&self.root.join("run")).join("repoint.sock")
    }

    /// Points the kubelet's image calls there.
    pub(super) fn kubelet(&self, image: &Path) {
        let text = format!(
            "[Service]\nExecStart=/usr/bin/kubelet --container-runtime-endpoint=unix://{} \\\n  --image-service-endpoint=unix://{}\n",
            self.runtime.display(),
            image.display()
        );
        self.put("/etc/systemd/system/kubelet.service", &text);
    }

    /// What repoint is told: this target in the place of the old registry, and more.
    pub(super) fn target(&self, target: &str, more: &str) -> String {
        let text = format!(
            "listen = \"unix://{}\"\nruntime = \"unix://{}\"\n{more}\n[[rules]]\nname = \"mirror\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [{target:?}]\n",
            self.listen().display(),
            self.runtime.display()
        );
        self.put("/etc/repoint/repoint.toml", &text);
        text
    }

    /// Words before those of a program that is to see these files.
    pub(super) fn within(&self) -> Vec<String> {
        let root = self.root.display();
        let script = format!(
            "mount --make-rprivate / && for d in etc run var/lib var/log; do mount --bind {root}/$d /$d || exit 9; done; exec \"$@\""
        );
        ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).into()
    }

    /// A repoint that goes by that configuration.
    pub(super) async fn repoint(&self, text: &str) -> Repoint {
        let within = self.within();
        let within: Vec<&str> = within.iter().map(String::as_str).collect();
        // Where the admin socket is asked for is beside the other one.
        Repoint::in_directory(&self.root.join("run")).within(&within).verbatim(text).start().await
    }

    pub(super) async fn doctor(&self, words: &[&str]) -> (Output, Said) {
        let within = self.within();
        let mut command = Command::new(&within[0]);
        command.args(&within[1..]).arg(program()).args(["doctor", "--json"]).args(words);
        let path = format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", self.root.display());
        command.env("PATH", path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = timeout(LIMIT, command.output()).await.expect("it ends").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let output = Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        let said = Said::of(&output);
        (output, said)
    }
}

/// A node around a world.
pub(super) fn around(world: &World) -> Node {
    let node = Node::make(world.path(), &world.containerd_socket());
    let settings = fs::read_to_string(world.path().join("containerd.toml")).unwrap();
    node.put("/etc/containerd/config.toml", &settings);
    node
}

/// A node before a runtime that does as it is told.
pub(super) fn before_a_standin() -> Option<(TempDir, Standin, Node)> {
    if let Err(missing) = World::available() {
        missing.skip("no namespaces");
        return None;
    }
    let directory = tempfile::Builder::new().prefix("rp-").tempdir().unwrap();
    let runtime = directory.path().join("c.sock");
    let standin = Standin::start(&runtime);
    let node = Node::make(directory.path(), &runtime);
    node.target("m.example", "");
    Some((directory, standin, node))
}
