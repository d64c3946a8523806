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
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Code;

use super::eyes::{Seen, all_but};
use super::layouts::{Layout, OURS, at, named, put};
use super::{JOURNAL, is_wired, same, somewhere, told};
use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Output, Repoint, program};
use crate::support::standin::{Answer, Standin, User};
use crate::support::world::World;

const PULL: &str = "/runtime.v1.ImageService/PullImage";
const LIST: &str = "/runtime.v1.ImageService/ListImages";
const CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";
const TARGET: &str = "registry.k8s.io/pause:3.9";
const LIMIT: Duration = Duration::from_secs(150);

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
struct Live {
    directory: TempDir,
    before: Seen,
    layout: Layout,
    /// Unset where the runtime is a real one.
    standin: Option<Standin>,
    repoint: Option<Repoint>,
    healthz: SocketAddr,
    is_well: Arc<AtomicBool>,
    /// Whether the kubelet calls whoever its files say.
    calls: Arc<AtomicBool>,
    _kubelet: JoinSet<()>,
}

/// A node with a stand-in for its runtime.
async fn live(name: &str) -> Option<Live> {
    live_before(name, None).await
}

/// Unset where nobody may make namespaces, or the machine's own files can't be hidden.
async fn live_before(name: &str, containerd: Option<&Path>) -> Option<Live> {
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
fn node(root: &Path) -> Seen {
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
    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn standin(&self) -> &Standin {
        self.standin.as_ref().expect("this node's runtime is a stand-in")
    }

    fn command(&self, words: &[&str]) -> Command {
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

    async fn run(&self, words: &[&str]) -> Output {
        let output = timeout(LIMIT, self.command(words).output()).await.expect("it ends").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    async fn done(&self, words: &[&str]) -> String {
        let output = self.run(words).await;
        assert_eq!(output.code, Some(0), "{output:?}\n{}", self.repoint.as_ref().map(Repoint::log).unwrap_or_default());
        output.stdout
    }

    /// What systemd was told to do since the last look.
    fn told(&self) -> Vec<String> {
        let file = self.root().join("bin/calls");
        let calls = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
        fs::write(file, "").unwrap();
        calls
    }

    fn is_as_it_was(&self) {
        same(self.layout.name, &node(self.root()), &self.before);
    }

    fn is_wired(&self) {
        is_wired(&self.layout, self.root());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_runs_is_tried_switched_watched_and_switched_back() {
    for name in ["kubeadm 1.31 on Debian", "plain"] {
        let Some(node) = live(name).await else { return };
        let said = node.done(&["install"]).await;
        assert!(said.contains(&format!("pulling {TARGET}")) && said.contains("the kubelet is well"), "{said}");
        node.is_wired();
        let reload = if name == "plain" { vec!["daemon-reload"] } else { vec![] };
        let kubelet = ["restart --no-block kubelet.service"];
        assert_eq!(node.told(), [&["restart repoint.service"][..], &reload, &kubelet].concat());
        assert!(node.standin().own_calls().iter().any(|call| call.path() == PULL));
        assert!(node.done(&["install"]).await.contains("so already"));
        assert!(node.told().is_empty(), "what is so already takes no restart");
        node.done(&["uninstall"]).await;
        node.is_as_it_was();
        assert_eq!(node.told(), [&reload[..], &kubelet, &["try-restart repoint.service"]].concat());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_runtime_pulls_from_a_real_registry_before_the_kubelet_is_switched() {
    let Some(world) = World::start().await else { return };
    let Some(node) = live_before("kubeadm 1.31 on Debian", Some(&world.containerd_socket())).await else { return };
    let containerd = Kubelet::v1(&world.containerd_socket());
    for (image, expected) in [
        ("k8s.gcr.io/pause:9.9", "registry.k8s.io does not have it"),
        // Its registry refuses connections.
        ("k8s.gcr.io/pause:3.9", "the runtime does not reach registry.k8s.io"),
    ] {
        if image.ends_with("3.9") {
            world.cut_off("registry.k8s.io");
        }
        let output = node.run(&["install", "--check-image", image]).await;
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.contains(expected) && output.stderr.contains("as it was"), "{image}: {output:?}");
        node.is_as_it_was();
    }
    world.serve("registry.k8s.io");
    node.done(&["install"]).await;
    node.is_wired();
    assert_eq!(containerd.image_status(TARGET).await.unwrap(), None, "what was pulled to try is gone again");
    node.done(&["uninstall"]).await;
    node.is_as_it_was();
    drop(node);
    world.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_fails_leaves_the_kubelet_alone_and_names_what_to_mend() {
    let Some(node) = live("kubeadm 1.31 on Debian").await else { return };
    node.standin().answers(PULL, |_| Answer::refusal(Code::Unknown, "x509: certificate signed by unknown authority"));
    let output = node.run(&["install"]).await;
    assert_eq!(output.code, Some(1));
    let expected = "name the CA of its certificate in";
    assert!(output.stderr.contains(expected) && output.stderr.contains("everything is as it was"), "{output:?}");
    assert!(output.stderr.contains(TARGET) && output.stderr.contains("signed by unknown authority"));
    node.is_as_it_was();
    assert_eq!(node.told(), ["restart repoint.service", "try-restart repoint.service"]);
    assert!(node.done(&["install", "--skip-pull"]).await.contains("done"), "who knows better says so");
    node.is_wired();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_was_pulled_to_try_is_removed_unless_it_was_there() {
    let Some(node) = live("kubeadm 1.31 on Debian").await else { return };
    node.standin().answers(LIST, |_| Answer::message(&repoint::cri::v1::ListImagesResponse::default()));
    let remove = "/runtime.v1.ImageService/RemoveImage";
    node.standin().answers(remove, |_| Answer::message(&repoint::cri::v1::RemoveImageResponse::default()));
    node.done(&["install"]).await;
    let is_removal = |node: &Live| node.standin().own_calls().iter().filter(|call| call.path() == remove).count();
    assert_eq!(is_removal(&node), 1);
    node.done(&["uninstall"]).await;
    let image = repoint::cri::v1::Image { id: id_of(&node).await, ..Default::default() };
    let there = repoint::cri::v1::ListImagesResponse { images: vec![image] };
    node.standin().answers(LIST, move |_| Answer::message(&there));
    node.done(&["install"]).await;
    assert_eq!(is_removal(&node), 1, "to remove it by one name is to remove it by all");
}

async fn id_of(node: &Live) -> String {
    let socket = node.root().join("run/containerd/containerd.sock");
    Kubelet::v1(&socket).image_status(TARGET).await.unwrap().unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kubelet_that_is_not_well_in_time_is_switched_back() {
    let Some(node) = live("plain").await else { return };
    // It starts, and calls nobody.
    node.calls.store(false, Ordering::Relaxed);
    let output = node.run(&["install", "--wait", "8s"]).await;
    assert!(output.stderr.contains("it has not called repoint") && output.stderr.contains("as it was"), "{output:?}");
    assert_eq!(output.code, Some(1));
    node.is_as_it_was();
    let restarts = node.told();
    let kubelet = restarts.iter().filter(|call| *call == "restart --no-block kubelet.service").count();
    assert_eq!(kubelet, 2, "there and back: {restarts:?}");
    // It ends again and again, and so it does without repoint: then nobody can say that it is as it was.
    node.calls.store(true, Ordering::Relaxed);
    fs::write(node.root().join("bin/unsteady"), "").unwrap();
    let output = node.run(&["install", "--wait", "8s"]).await;
    assert!(
        output.stderr.contains("it does not stay up") && output.stderr.contains("COULD NOT BE UNDONE"),
        "{output:?}"
    );
    fs::remove_file(node.root().join("bin/unsteady")).unwrap();
    node.done(&["uninstall"]).await;
    node.is_as_it_was();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_not_well_is_not_touched() {
    let Some(mut node) = live("plain").await else { return };
    node.is_well.store(false, Ordering::Relaxed);
    let output = node.run(&["install"]).await;
    assert!(output.stderr.contains("kubelet.service is not well as it is"), "{output:?}");
    node.is_well.store(true, Ordering::Relaxed);
    fs::write(node.root().join("bin/active"), "failed").unwrap();
    let output = node.run(&["install"]).await;
    assert!(output.stderr.contains("it does not run"), "{output:?}");
    fs::write(node.root().join("bin/active"), "active").unwrap();
    node.repoint.take().unwrap().stop().await;
    let output = node.run(&["install"]).await;
    assert!(output.stderr.contains("systemctl enable --now repoint.service"), "{output:?}");
    assert_eq!(output.code, Some(1));
    assert!(node.told().is_empty());
    node.is_as_it_was();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gives_up_waiting_gets_the_node_as_it_was() {
    let Some(node) = live("kubeadm 1.31 on Debian").await else { return };
    node.calls.store(false, Ordering::Relaxed);
    let child = node.command(&["install"]).spawn().unwrap();
    let began = Instant::now();
    while (node.layout.endpoint)(node.root()).as_deref() != Some(OURS)
        || !node.told().iter().any(|call| call.contains("kubelet"))
    {
        assert!(began.elapsed() < LIMIT, "it does not come to wait");
        sleep(Duration::from_millis(20)).await;
    }
    let pid = child.id().unwrap().to_string();
    // As a terminal does that is closed.
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let output = timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("it was interrupted; everything is as it was"), "{said}");
    node.is_as_it_was();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_killed_is_continued_by_the_next_or_undone() {
    let Some(node) = live("plain").await else { return };
    for moment in ["restart repoint.service", "daemon-reload", "restart --no-block kubelet.service"] {
        for way in ["install", "uninstall"] {
            fs::write(node.root().join("bin/die"), moment).unwrap();
            let output = node.run(&["install"]).await;
            assert_eq!(output.code, None, "{moment}: {output:?}");
            assert!(node.root().join(JOURNAL).exists());
            node.told();
            node.done(&[way]).await;
            assert!(node.told().contains(&"restart --no-block kubelet.service".to_owned()), "{moment}, {way}");
            if way == "install" {
                node.is_wired();
                node.done(&["uninstall"]).await;
            }
            node.is_as_it_was();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_that_would_be_lost_are_named_first() {
    let Some(node) = live("kubeadm 1.31 on Debian").await else { return };
    node.done(&["install"]).await;
    let (old, new, other) = ("k8s.gcr.io/app:v1", "registry.k8s.io/app:v1", "k8s.gcr.io/known:v1");
    put(node.root(), "/var/lib/repoint/served", &format!("{old} {new}\n{other} registry.k8s.io/known:v1\n"));
    for image in [new, other, "registry.k8s.io/known:v1"] {
        node.standin().has_image(image, User::Unsaid);
    }
    let container = repoint::cri::v1::Container {
        image: Some(repoint::cri::v1::ImageSpec { image: new.to_owned(), ..Default::default() }),
        metadata: Some(repoint::cri::v1::ContainerMetadata { name: "web".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let containers = repoint::cri::v1::ListContainersResponse { containers: vec![container] };
    node.standin().answers(CONTAINERS, move |_| Answer::message(&containers));
    node.told();
    let output = node.run(&["uninstall"]).await;
    assert_eq!(output.code, Some(5), "{output:?}");
    assert!(output.stderr.contains(&format!("{old} is here as {new}, and used by web")), "{output:?}");
    assert!(!output.stderr.contains(other), "what is found by its old name is not lost: {output:?}");
    node.is_wired();
    assert!(node.told().is_empty() && told(node.root()).contains_key("runtime"));
    node.done(&["uninstall", "--force"]).await;
    fs::remove_file(at(node.root(), "/var/lib/repoint/served")).unwrap();
    assert_eq!((node.layout.endpoint)(node.root()), None);
}
