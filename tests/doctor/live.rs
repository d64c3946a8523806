//! On a node that runs: a real containerd with a real registry, a real repoint in front of it, and their files in the place of the
//! machine's.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use repoint::cri::v1;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;
use tonic::Code;

use super::Said;
use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Output, Repoint, program};
use crate::support::standin::{Answer, Standin};
use crate::support::unit::{SERVICE, SOCKET};
use crate::support::world::{Image, LOGIN, Refusal, Witness, World};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const LIST: &str = "/runtime.v1.ImageService/ListImages";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const REMOVE: &str = "/runtime.v1.ImageService/RemoveImage";
const CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";
const PAUSE: &str = "m.example/pause:3.9";
const LIMIT: Duration = Duration::from_secs(90);

/// Both have nothing to say against the node.
const PROGRAMS: [(&str, &str); 2] = [("systemctl", "echo NeedDaemonReload=no"), ("timedatectl", "echo yes")];

/// Files that a program sees in the place of the machine's.
struct Node {
    root: PathBuf,
    runtime: PathBuf,
}

impl Node {
    /// One below `directory`, whose runtime listens there, with repoint's units, a kubelet that is pointed to it, and a rule.
    fn make(directory: &Path, runtime: &Path) -> Self {
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

    fn put(&self, path: &str, text: &str) {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Where repoint listens, which is one place from inside and from outside.
    fn listen(&self) -> PathBuf {
        Repoint::directory_in(&self.root.join("run")).join("repoint.sock")
    }

    /// Points the kubelet's image calls there.
    fn kubelet(&self, image: &Path) {
        let text = format!(
            "[Service]\nExecStart=/usr/bin/kubelet --container-runtime-endpoint=unix://{} \\\n  --image-service-endpoint=unix://{}\n",
            self.runtime.display(),
            image.display()
        );
        self.put("/etc/systemd/system/kubelet.service", &text);
    }

    /// What repoint is told: this target in the place of the old registry, and more.
    fn target(&self, target: &str, more: &str) -> String {
        let text = format!(
            "listen = \"unix://{}\"\nruntime = \"unix://{}\"\n{more}\n[[rules]]\nname = \"mirror\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [{target:?}]\n",
            self.listen().display(),
            self.runtime.display()
        );
        self.put("/etc/repoint/repoint.toml", &text);
        text
    }

    /// Words before those of a program that is to see these files.
    fn within(&self) -> Vec<String> {
        let root = self.root.display();
        let script = format!(
            "mount --make-rprivate / && for d in etc run var/lib var/log; do mount --bind {root}/$d /$d || exit 9; done; exec \"$@\""
        );
        ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).into()
    }

    /// A repoint that goes by that configuration.
    async fn repoint(&self, text: &str) -> Repoint {
        let within = self.within();
        let within: Vec<&str> = within.iter().map(String::as_str).collect();
        // Where the admin socket is asked for is beside the other one.
        Repoint::in_directory(&self.root.join("run")).within(&within).verbatim(text).start().await
    }

    async fn doctor(&self, words: &[&str]) -> (Output, Said) {
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
fn around(world: &World) -> Node {
    let node = Node::make(world.path(), &world.containerd_socket());
    let settings = fs::read_to_string(world.path().join("containerd.toml")).unwrap();
    node.put("/etc/containerd/config.toml", &settings);
    node
}

/// A node before a runtime that does as it is told.
fn before_a_standin() -> Option<(TempDir, Standin, Node)> {
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

async fn ids(world: &World) -> Vec<String> {
    let images = Kubelet::v1(&world.containerd_socket()).list_images(None).await.unwrap();
    let mut ids: Vec<_> = images.into_iter().map(|image| image.id).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_well_is_well_and_is_left_as_it_was() {
    let Some(world) = World::start().await else { return };
    let node = around(&world);
    let registry = world.registry().to_string();
    world.serve_from(&registry, world.registry());
    let text = node.target(&registry, "");
    let repoint = node.repoint(&text).await;
    Kubelet::v1(&repoint.socket()).version().await.unwrap();
    let before = ids(&world).await;
    let (output, said) = node.doctor(&[]).await;
    said.comes_to(&output, "note");
    let pulled = said.has("targets.pull", "ok", "it is removed again", "");
    assert_eq!(pulled["about"], format!("{registry}/pause:3.9"));
    assert!(pulled["duration_ms"].is_u64(), "{pulled}");
    assert_eq!(ids(&world).await, before, "what was pulled to try is gone");
    for (id, found) in [
        ("runtime.reachable", "containerd "),
        ("runtime.api", "v1"),
        ("kubelet.endpoint", "repoint.sock (a flag, /etc/systemd/system/kubelet.service:2)"),
        ("kubelet.calls", "the last call came at"),
        ("crictl.endpoint", "repoint"),
        ("images.sandbox", "registry.k8s.io/pause:3.9"),
        ("service.running", "process"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.configuration", "rules are in force"),
        ("audit.writable", "/var/log/repoint/audit.jsonl"),
        ("audit.whole", "no record is missing"),
        ("node.clock", "kept"),
    ] {
        said.has(id, "ok", found, "");
    }
    let socket = said.all("service.units")[1];
    assert!(
        socket["found"].as_str().unwrap().contains("with /etc/systemd/system/repoint.socket.d/listen.conf"),
        "{socket}"
    );
    // And so is the way there, by a proxy that the runtime's unit does not name for this machine itself.
    let unit = "[Service]\nEnvironment=HTTPS_PROXY=http://user:secret@127.0.0.1:1 NO_PROXY=x.example\nExecStart=/usr/bin/containerd\n";
    node.put("/etc/systemd/system/containerd.service", unit);
    let (output, said) = node.doctor(&["--egress", "--skip-pull"]).await;
    let way = said.has("targets.egress", "ok", "manifest and blob came in ", "");
    assert!(way["found"].as_str().unwrap().contains(&format!("met {registry} at {registry}")), "{way}");
    assert_eq!(way["places"], serde_json::json!(["/etc/systemd/system/containerd.service:2"]));
    assert!(!output.stdout.contains("secret"), "{output:?}");
    said.comes_to(&output, "note");
    // Elsewhere it is gone by, and named.
    node.target("m.example", "");
    let (output, said) = node.doctor(&["--egress", "--skip-pull"]).await;
    said.has("targets.egress", "failure", "127.0.0.1:1", "in /etc/systemd/system/containerd.service:2");
    assert!(!output.stdout.contains("secret"), "{output:?}");
    node.target(&registry, "");
    // What was there before stays.
    Kubelet::v1(&world.containerd_socket()).pull(&format!("{registry}/pause:3.9")).await.unwrap();
    let before = ids(&world).await;
    let (_, said) = node.doctor(&["--pull", "k8s.gcr.io/pause:3.9"]).await;
    said.has("targets.pull", "ok", "it was there before", "");
    assert_eq!(ids(&world).await, before);
    // What was written since is not in force, and what is in force is not what is written.
    node.target(&registry, "runtime_wait = \"9s\"");
    let (output, said) = node.doctor(&["--skip-pull"]).await;
    said.has("service.configuration", "warning", "is not what is in force", "systemctl reload repoint");
    said.has("targets.pull", "skipped", "nothing is to be pulled", "");
    said.comes_to(&output, "warning");
    world.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_does_not_serve_is_named_with_what_to_mend() {
    let Some(mut world) = World::start().await else { return };
    let node = around(&world);
    let here = world.registry().to_string();
    world.serve_from(&here, world.registry());
    let sealed = world.sealed_registry().await.host();
    let guarded = world.guarded_registry("guarded.example").await;
    guarded.push("pause:3.9", &Image::busybox()).await;
    let witness = Witness::start(Refusal::TooManyRequests);
    let busy = witness.address().to_string();
    world.serve_from(&busy, witness.address());
    let before = ids(&world).await;
    for (target, found, remedy, met) in [
        (
            "127.0.0.1:1".to_owned(),
            "connection refused",
            "see that 127.0.0.1:1 runs and listens; if that takes a proxy, it is the runtime that has to know it: Environment=HTTPS_PROXY= in /etc/systemd/system/containerd.service.d/http-proxy.conf".to_owned(),
            "connection refused",
        ),
        (sealed.clone(), "x509", format!("/hosts/{sealed}/hosts.toml, or add it"), "certified by `CN=rcgen"),
        (
            guarded.host(),
            "401",
            "`credentials` of that target in /etc/repoint/repoint.toml".to_owned(),
            "401 Unauthorized",
        ),
        (format!("{here}/nothing"), "not found", format!("{here} does not have it: fill it"), "404 Not Found"),
        (busy.clone(), "429", format!("{busy} answers so many pulls a time"), "429 Too Many Requests"),
    ] {
        node.target(&target, "");
        let (output, said) = node.doctor(&["--egress"]).await;
        let check = said.has("targets.pull", "failure", found, &remedy);
        let host = target.split('/').next().unwrap();
        let way = said.has("targets.egress", "failure", met, host);
        assert!(way["found"].as_str().unwrap().contains(&format!("met {host}")), "{way}");
        assert_eq!(check["about"], format!("{target}/pause:3.9"));
        said.comes_to(&output, "failure");
        assert_eq!(ids(&world).await, before);
    }
    // With the target's own credentials it comes, by the runtime and by itself.
    let host = guarded.host();
    let auth = STANDARD.encode(format!("{}:{}", LOGIN.user, LOGIN.password));
    let file = format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"{auth}\"}}}}}}");
    node.put("/etc/repoint/docker.json", &file);
    let text = node.target(&host, "");
    let target = format!("targets = [{host:?}]");
    assert!(text.contains(&target));
    let text = text.replace(&target, &format!("targets = [{{ location = {host:?}, credentials = \"own\" }}]"));
    let credentials = "[credentials.own]\ndocker_config = \"/etc/repoint/docker.json\"\n";
    node.put("/etc/repoint/repoint.toml", &format!("{text}{credentials}"));
    let (output, said) = node.doctor(&["--egress"]).await;
    said.has("targets.pull", "ok", "pulled in", "");
    said.has("targets.egress", "ok", "manifest and blob came", "");
    assert!(!output.stdout.contains(&auth) && !output.stdout.contains(LOGIN.password));
    assert_eq!(ids(&world).await, before);
    world.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_who_takes_image_calls_is_not_passed_by_in_silence() {
    let Some((_directory, _runtime, node)) = before_a_standin() else { return };
    let examined = async || node.doctor(&["--skip-pull"]).await.1;
    examined().await.has("runtime.image-endpoint", "ok", "nobody else takes any", "");
    // One that is there, and that nobody uses.
    let soci = "/run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock";
    fs::create_dir_all(node.root.join("run/soci-snapshotter-grpc")).unwrap();
    let proxy = Standin::start(&node.root.join(&soci[1..]));
    examined().await.has("runtime.image-endpoint", "note", soci, "image_endpoint = ");
    // One that the kubelet used before.
    let unit = fs::read_to_string(node.root.join("etc/systemd/system/kubelet.service")).unwrap();
    let other = unit
        .replace(" --image-service-endpoint", &format!(" --image-service-endpoint={soci} --image-service-endpoint"));
    node.put("/etc/systemd/system/kubelet.service", &other);
    examined().await.has("runtime.image-endpoint", "warning", "with it, that is passed by", soci);
    // One that repoint uses, and that then is not there.
    node.target("m.example", &format!("image_endpoint = \"unix://{soci}\""));
    examined().await.has("runtime.image-endpoint", "ok", "by `image_endpoint`", "");
    drop(proxy);
    examined().await.has("runtime.image-endpoint", "failure", "by `image_endpoint`", soci);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_image_of_the_old_registry_is_named_with_its_line() {
    let Some(world) = World::start_with_sandbox_image("k8s.gcr.io/pause:3.9").await else { return };
    let node = around(&world);
    let registry = world.registry().to_string();
    world.serve_from(&registry, world.registry());
    node.target(&registry, "");
    let settings = fs::read_to_string(world.path().join("containerd.toml")).unwrap();
    let line = settings.lines().position(|line| line.starts_with("sandbox_image")).unwrap() + 1;
    let place = format!("/etc/containerd/config.toml:{line}");
    let remedy = format!("in {place} (`sandbox_image`, or `sandbox`) to {registry}/pause:3.9");
    let (_, said) = node.doctor(&["--skip-pull"]).await;
    let check = said.has("images.sandbox", "warning", "repoint sees to it", &remedy);
    assert_eq!(check["places"], serde_json::json!([place]));
    // The runtime says it, and no file does that is known.
    fs::remove_file(node.root.join("etc/containerd/config.toml")).unwrap();
    node.doctor(&["--skip-pull"]).await.1.has("images.sandbox", "warning", "k8s.gcr.io/pause:3.9", "no file says so");
    world.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_lead_elsewhere_are_named() {
    let Some(world) = World::start().await else { return };
    let mut node = around(&world);
    let registry = world.registry().to_string();
    world.serve_from(&registry, world.registry());
    let text = node.target(&registry, "");
    let repoint = node.repoint(&text).await;
    // The kubelet asks the runtime itself.
    node.kubelet(&world.containerd_socket());
    let (output, said) = node.doctor(&["--skip-pull"]).await;
    let socket = world.containerd_socket().display().to_string();
    said.has("kubelet.endpoint", "failure", &format!("unix://{socket} (a flag, "), "repoint install");
    said.has("kubelet.calls", "note", "no call came", "");
    said.comes_to(&output, "failure");
    repoint.stop().await;
    said.has("service.running", "ok", "", "");
    node.kubelet(&node.listen());
    // repoint asks where no runtime is, and does not run.
    node.runtime = world.path().join("nobody.sock");
    node.target(&registry, "");
    let (_, said) = node.doctor(&[]).await;
    said.has("runtime.reachable", "failure", "no connection", "nobody.sock; another socket is named by `runtime`");
    said.has("targets.pull", "skipped", "does not answer", "");
    said.has("service.running", "failure", "does not answer", "systemctl enable --now repoint.service");
    world.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_log_that_is_not_written_is_named_by_its_file_and_by_the_service() {
    let Some(world) = World::start().await else { return };
    let node = around(&world);
    let registry = world.registry().to_string();
    world.serve_from(&registry, world.registry());
    fs::create_dir(node.root.join("var/log/repoint/audit.jsonl")).unwrap();
    let text = node.target(&registry, "");
    let repoint = node.repoint(&text).await;
    Kubelet::v1(&repoint.socket()).pull("k8s.gcr.io/pause:3.9").await.unwrap();
    let (output, said) = node.doctor(&["--skip-pull"]).await;
    let file = "/var/log/repoint/audit.jsonl";
    said.has("audit.writable", "failure", &format!("{file} is not a file"), &format!("move {file} away"));
    said.has("audit.whole", "failure", "audit records are missing", "journalctl -u repoint");
    said.comes_to(&output, "failure");
    drop(repoint);
    world.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_hangs_or_says_terrible_things_is_a_finding_and_no_wait() {
    let Some((_directory, standin, node)) = before_a_standin() else { return };
    let name = "con\u{1b}[2Jtain\u{202e}erd".to_owned() + &"x".repeat(1 << 20);
    let version = v1::VersionResponse { runtime_name: name, ..Default::default() };
    standin.answers(VERSION, move |_| Answer::message(&version));
    let terrible = format!("\u{1b}]0;owned\u{7} x509 {}", "y".repeat(2_000));
    standin.answers(PULL, move |_| {
        Answer::refusal(Code::Unknown, &terrible.replace(|one: char| one.is_control(), "\u{9b}"))
    });
    let huge = v1::Image { repo_tags: vec!["k8s.gcr.io/x".repeat(2 << 20)], pinned: true, ..Default::default() };
    let huge = v1::ListImagesResponse { images: vec![huge] };
    standin.answers(LIST, move |_| Answer::message(&huge));
    let (output, said) = node.doctor(&[]).await;
    said.has("runtime.reachable", "ok", "con\\u{1b}[2Jtain\\u{202e}erdxxx", "");
    said.has("targets.pull", "failure", "x509", "m.example");
    said.has("images.pinned", "warning", "does not list its images", "");
    let text: String = output.stdout.chars().filter(|one| one.is_control() && *one != '\n').collect();
    assert!(text.is_empty() && output.stdout.len() < 60_000, "{}", output.stdout);
    standin.answers(VERSION, |_| Answer::silence());
    let (_, said) = node.doctor(&[]).await;
    said.has("runtime.reachable", "failure", "timed out after", "");
    let untouched = |call: &Value| call["verdict"] == "skipped";
    assert!(said.all("targets.pull").into_iter().all(untouched));
}

/// Names, and the ids of what they name.
type Names<'a> = &'a [(&'a str, &'a str)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_somebody_else_comes_to_use_meanwhile_is_left() {
    let (other, third) = ("m.example/etcd:1", "m.example/coredns:1");
    // Which names, of which image, are there once the first image is pulled, and once the last one is; what is removed.
    let cases: &[(Names<'_>, Names<'_>, &[&str])] = &[
        (&[], &[], &[PAUSE, other, third]),
        // It is pulled while another is tried: by its name, by an old name, by its digest.
        (&[(other, "2")], &[], &[PAUSE, third]),
        (&[("k8s.gcr.io/etcd:1", "2")], &[], &[PAUSE, third]),
        (&[("m.example/etcd@sha256:2", "2")], &[], &[PAUSE, third]),
        (&[("quay.io/else:1", "9")], &[], &[PAUSE, other, third]),
        // It is, while it is tried itself, and has got a name more.
        (&[], &[("k8s.gcr.io/coredns:1", "3")], &[PAUSE, other]),
        (&[], &[("m.example/coredns:2", "3")], &[PAUSE, other]),
        // A container was made of it.
        (&[], &[("container", "3")], &[PAUSE, other]),
    ];
    for (first, last, expected) in cases {
        let Some((_directory, standin, node)) = before_a_standin() else { return };
        let names: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let add = |more: &[(&str, &str)]| {
            more.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect::<Vec<_>>()
        };
        let (first, last, pulled) = (add(first), add(last), Arc::clone(&names));
        standin.answers(PULL, move |seen| {
            let request: v1::PullImageRequest = seen.message();
            let name = request.image.unwrap().image;
            let (id, more) = match name.as_str() {
                PAUSE => ("1", first.clone()),
                name if name == other => ("2", Vec::new()),
                _ => ("3", last.clone()),
            };
            pulled.lock().unwrap().extend([vec![(name, id.to_owned())], more].concat());
            Answer::message(&v1::PullImageResponse { image_ref: id.to_owned() })
        });
        let listed = Arc::clone(&names);
        standin.answers(LIST, move |_| Answer::message(&v1::ListImagesResponse { images: images(&listed) }));
        let asked = Arc::clone(&names);
        standin.answers(STATUS, move |seen| {
            let request: v1::ImageStatusRequest = seen.message();
            let name = request.image.unwrap().image;
            let image = images(&asked).into_iter().find(|image| image.repo_tags.contains(&name));
            Answer::message(&v1::ImageStatusResponse { image, ..Default::default() })
        });
        let used = Arc::clone(&names);
        standin.answers(CONTAINERS, move |_| {
            let made = used.lock().unwrap().clone().into_iter().filter(|(name, _)| name == "container");
            let made = made.map(|(_, id)| v1::Container { image_ref: format!("sha256:{id}"), ..Default::default() });
            Answer::message(&v1::ListContainersResponse { containers: made.collect() })
        });
        let (removed, out): (Arc<Mutex<Vec<String>>>, _) = (Arc::default(), Arc::clone(&names));
        let taken = Arc::clone(&removed);
        standin.answers(REMOVE, move |seen| {
            let request: v1::RemoveImageRequest = seen.message();
            let name = request.image.unwrap().image;
            out.lock().unwrap().retain(|(other, _)| *other != name);
            taken.lock().unwrap().push(name);
            Answer::message(&v1::RemoveImageResponse::default())
        });
        node.doctor(&["--pull", PAUSE, "--pull", other, "--pull", third]).await;
        assert_eq!(*removed.lock().unwrap(), *expected);
    }
}

/// Images by their ids.
fn images(names: &Mutex<Vec<(String, String)>>) -> Vec<v1::Image> {
    let mut images: BTreeMap<String, v1::Image> = BTreeMap::new();
    for (name, id) in names.lock().unwrap().iter().filter(|(name, _)| name != "container") {
        let image = images.entry(id.clone()).or_default();
        image.id = format!("sha256:{id}");
        if name.contains('@') {
            image.repo_digests.push(name.replace("@sha256:2", &format!("@sha256:{}", "2".repeat(64))));
        } else {
            image.repo_tags.push(name.clone());
        }
    }
    images.into_values().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_to_write_for_a_pause_image_that_no_file_names_are_those_of_that_containerd() {
    let Some((_directory, standin, node)) = before_a_standin() else { return };
    let image = "k8s.gcr.io/pause:3.9";
    let info = [("config".to_owned(), format!("{{\"sandboxImage\":{image:?}}}"))].into();
    let status = v1::StatusResponse { info, ..Default::default() };
    standin.answers("/runtime.v1.RuntimeService/Status", move |_| Answer::message(&status));
    let second = "[plugins.\"io.containerd.grpc.v1.cri\"]";
    let third = "[plugins.'io.containerd.cri.v1.images'.pinned_images]";
    let (old, new) = ("`sandbox_image = \"m.example/pause:3.9\"`", "`sandbox = \"m.example/pause:3.9\"`");
    let made = "write /etc/containerd/config.toml with three lines:";
    for (release, file, expected) in [
        ("v1.7.27", None, format!("{made} `version = 2`, `{second}`, {old}; then `systemctl restart containerd`")),
        ("v2.1.0", None, format!("{made} `version = 3`, `{third}`, {new}; then `systemctl restart containerd`")),
        ("v1.7.27", Some("version = 2\n"), format!("add {old} under {second} in /etc/containerd/config.toml;")),
        ("v2.1.0", Some("version = 2\n"), format!("add {old} under {second} in /etc/containerd/config.toml;")),
        ("v2.1.0", Some("version = 3\n"), format!("add {new} under {third} in /etc/containerd/config.toml;")),
        (
            "1.6.8~ds1",
            Some("root = \"/x\"\n"),
            format!("add {old} under [plugins.cri] in /etc/containerd/config.toml;"),
        ),
    ] {
        let (name, version) = ("containerd".to_owned(), release.to_owned());
        let version = v1::VersionResponse { runtime_name: name, runtime_version: version, ..Default::default() };
        standin.answers(VERSION, move |_| Answer::message(&version));
        if let Some(file) = file {
            node.put("/etc/containerd/config.toml", file);
        }
        let (_, said) = node.doctor(&["--skip-pull"]).await;
        said.has("images.sandbox", "failure", "where it is not on the node, no pod starts", &expected);
    }
    let there = v1::Image { repo_tags: vec![image.to_owned()], ..Default::default() };
    let there = v1::ListImagesResponse { images: vec![there] };
    standin.answers(LIST, move |_| Answer::message(&there));
    let (_, said) = node.doctor(&["--skip-pull"]).await;
    said.has("images.sandbox", "warning", "it is on the node, and once it is collected or removed, no pod starts", "");
}
