//! On a node that runs: a real containerd with a real registry, and a real repoint in front of it.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::node::around;
use crate::support::kubelet::Kubelet;
use crate::support::world::{Image, LOGIN, Refusal, Witness, World};

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
