//! Whose credentials a registry is shown: on a real node, asserted on what the registries receive.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use repoint::cri::v1::AuthConfig;
use tonic::Status;

use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Repoint, Setup};
use crate::support::world::{Image, LOGIN, Refusal, Registry, Witness, World};

const OLD: &str = "k8s.gcr.io/busybox:1";

/// What the kubelet found for the old registry, which names none: so it is on real nodes, and so it would be shown to
/// whoever asks.
fn pods_own() -> AuthConfig {
    AuthConfig { username: "_json_key".into(), password: "hunter2".into(), ..AuthConfig::default() }
}

/// The same, as a registry receives it.
const PODS_OWN: &str = "Basic X2pzb25fa2V5Omh1bnRlcjI=";

/// A node with a mirror that wants a password, and that has the image.
async fn node() -> Option<(World, Registry)> {
    let mut world = World::start().await?;
    let mirror = world.guarded_registry("mirror.example").await;
    mirror.push("busybox:1", &Image::busybox().user("65534")).await;
    Some((world, mirror))
}

/// A rule for the old registry, with this as the text of its targets.
fn with_targets(world: &World, targets: &str, more: &str) -> Setup {
    Repoint::before(&world.containerd_socket(), world.path())
        .toml(&format!("[[rules]]\nname = \"mirror\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [{targets}]\n{more}"))
}

/// A target with credentials.
fn target(location: &str, credentials: &str) -> String {
    format!("{{ location = {location:?}, credentials = {credentials:?} }}")
}

async fn pull(world: &World, repoint: &Repoint) -> Result<String, Status> {
    Kubelet::v1(&repoint.socket()).pull_for(OLD, Some(pods_own()), Some(&world.pod("prod", "web"))).await
}

/// A docker `config.json` with the mirror's password in it.
fn docker_config(world: &World, host: &str) -> PathBuf {
    let file = world.path().join("config.json");
    // "puller:open-sesame".
    fs::write(&file, format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"cHVsbGVyOm9wZW4tc2VzYW1l\"}}}}}}")).unwrap();
    file
}

/// A program at `path`. It is written under another name: one that is open for writing somewhere can't be run.
fn program(path: &Path, script: &str) {
    let new = path.with_extension("new");
    fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, path).unwrap();
}

/// Nothing that repoint wrote has a secret in it.
fn kept_secret(repoint: &Repoint) {
    let written = [repoint.log(), repoint.metrics(), format!("{:?}", repoint.records())].concat();
    for secret in ["hunter2", "open-sesame", "cHVsbGVyOm9wZW4tc2VzYW1l", "X2pzb25fa2V5Omh1bnRlcjI"] {
        assert!(!written.contains(secret), "{secret} in {written}");
    }
}

#[tokio::test]
async fn the_mirror_is_shown_its_own_credentials_whatever_they_come_from() {
    let Some((world, mirror)) = node().await else { return };
    let config = docker_config(&world, &mirror.host());
    let direct = Kubelet::v1(&world.containerd_socket());
    direct.pull(&format!("{}/busybox:1", mirror.host())).await.unwrap_err();

    let bin = world.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let host = mirror.host();
    program(
        &bin.join("docker-credential-vault"),
        "read server; [ -z \"$CREDENTIALS_DIRECTORY\" ] && [ \"$1\" = get ] && echo \"{\\\"ServerURL\\\":\\\"$server\\\",\\\"Username\\\":\\\"puller\\\",\\\"Secret\\\":\\\"open-sesame\\\"}\"",
    );
    let helped = world.path().join("helped.json");
    fs::write(&helped, format!("{{\"credHelpers\": {{\"{host}\": \"vault\"}}}}")).unwrap();
    let plugin = bin.join("ecr-credential-provider");
    program(
        &plugin,
        &format!(
            "cat >/dev/null; [ -z \"$CREDENTIALS_DIRECTORY\" ] && echo '{{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\"cacheKeyType\":\"Registry\",\"cacheDuration\":\"1h0m0s\",\"auth\":{{\"{host}\":{{\"username\":\"puller\",\"password\":\"open-sesame\"}}}}}}'"
        ),
    );
    let handed_over = world.path().join("handed-over");
    fs::create_dir(&handed_over).unwrap();
    fs::write(handed_over.join("mirror-login"), "puller:open-sesame\n").unwrap();

    for source in [
        format!("docker_config = {config:?}"),
        format!("docker_config = {helped:?}"),
        format!("provider = {plugin:?}"),
        "systemd = \"mirror-login\"".to_owned(),
    ] {
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let repoint = with_targets(&world, &target(&host, "vault"), &format!("[credentials.vault]\n{source}\n"))
            .env("PATH", &path)
            .env("CREDENTIALS_DIRECTORY", handed_over.to_str().unwrap())
            .start()
            .await;
        let id = pull(&world, &repoint).await.unwrap_or_else(|status| panic!("{source}: {status}"));
        let record = repoint.records().pop().unwrap();
        assert_eq!((&record["event"], &record["attempts"][0]["credentials"]), (&"substituted".into(), &"vault".into()));
        kept_secret(&repoint);
        direct.remove_image(&id).await.unwrap();
        fs::remove_file(repoint.audit_file()).unwrap();
    }
    world.stop();
}

#[tokio::test]
async fn the_credentials_of_a_pod_reach_no_registry_but_the_one_they_are_for() {
    let Some((world, _)) = node().await else { return };
    // Whoever answers 401 is shown what containerd has: so these ask for it.
    let [mirror, other, old] = [(); 3].map(|()| Witness::start(Refusal::Unauthorized));
    for witness in [&mirror, &other] {
        world.serve_from(&witness.address().to_string(), witness.address());
    }
    world.serve_from("k8s.gcr.io", old.address());
    let hosts = format!("\"{}\", \"{}/k8s\"", mirror.address(), other.address());

    let repoint = with_targets(&world, &hosts, "").start().await;
    pull(&world, &repoint).await.unwrap_err();
    assert!(!mirror.asked().is_empty() && !other.asked().is_empty());
    assert!(old.asked().is_empty(), "it fails closed: {:?}", old.asked());
    assert_eq!([mirror.credentials(), other.credentials()], [vec![], vec![] as Vec<String>]);
    kept_secret(&repoint);
    drop(repoint);

    // They are for the old registry, so that it may see them, if it is asked at all.
    let repoint = with_targets(&world, &hosts, "on_failure = \"original\"\n").start().await;
    pull(&world, &repoint).await.unwrap_err();
    assert_eq!([mirror.credentials(), other.credentials()], [vec![], vec![] as Vec<String>]);
    assert!(old.credentials().iter().all(|seen| seen == PODS_OWN) && !old.credentials().is_empty());
    let credentials: Vec<_> = repoint.records().pop().unwrap()["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["credentials"].clone())
        .collect();
    assert_eq!(credentials, ["none", "none", "call"]);
    kept_secret(&repoint);
    world.stop();
}

#[tokio::test]
async fn the_credentials_of_a_pod_are_forwarded_where_a_target_says_so_and_only_there() {
    let Some((world, _)) = node().await else { return };
    let [trusted, other] = [(); 2].map(|()| Witness::start(Refusal::Unauthorized));
    for witness in [&trusted, &other] {
        world.serve_from(&witness.address().to_string(), witness.address());
    }
    let targets = format!("\"{}\", {}", other.address(), target(&trusted.address().to_string(), "forward"));
    let repoint = with_targets(&world, &targets, "").start().await;
    pull(&world, &repoint).await.unwrap_err();
    assert!(trusted.credentials().iter().all(|seen| seen == PODS_OWN) && !trusted.credentials().is_empty());
    assert_eq!(other.credentials(), [] as [String; 0]);
    world.stop();
}

#[tokio::test]
async fn the_mirror_s_credentials_reach_nobody_but_the_mirror() {
    let Some((world, _)) = node().await else { return };
    // What it is led to by the runtime's own configuration is another host.
    let [mirror, elsewhere] = [(); 2].map(|()| Witness::start(Refusal::Unauthorized));
    world.serve_from(&mirror.address().to_string(), mirror.address());
    world.serve_from("mirror.example", elsewhere.address());
    let config = docker_config(&world, &mirror.address().to_string());
    let both = fs::read_to_string(&config)
        .unwrap()
        .replace("}}}", "}, \"mirror.example\": {\"auth\": \"cHVsbGVyOm9wZW4tc2VzYW1l\"}}}");
    fs::write(&config, both).unwrap();
    let targets = format!("{}, {}", target(&mirror.address().to_string(), "vault"), target("mirror.example", "vault"));
    let repoint =
        with_targets(&world, &targets, &format!("[credentials.vault]\ndocker_config = {config:?}\n")).start().await;
    pull(&world, &repoint).await.unwrap_err();
    assert!(mirror.credentials().iter().all(|seen| *seen == LOGIN.basic()) && !mirror.credentials().is_empty());
    assert!(!elsewhere.asked().is_empty());
    assert_eq!(elsewhere.credentials(), [] as [String; 0]);
    kept_secret(&repoint);
    world.stop();
}

#[tokio::test]
async fn a_source_that_cannot_be_asked_is_told_and_the_image_is_pulled_if_it_can_be_without() {
    let Some((world, mirror)) = node().await else { return };
    let missing = world.path().join("missing.json");
    let source = format!("[credentials.vault]\ndocker_config = {missing:?}\n");
    let repoint = with_targets(&world, &target("registry.k8s.io", "vault"), &source).start().await;
    world.push("busybox:1", &Image::busybox()).await;
    pull(&world, &repoint).await.unwrap();
    let told = repoint.records().pop().unwrap()["attempts"][0]["credentials_error"].as_str().unwrap().to_owned();
    assert!(told.contains(missing.to_str().unwrap()), "{told}");
    assert!(repoint.log().contains("Pulling without credentials"));
    drop(repoint);

    // And where it can't be without, the events of the pod say why.
    let repoint = with_targets(&world, &target(&mirror.host(), "vault"), &source).start().await;
    let refused = pull(&world, &repoint).await.unwrap_err();
    assert!(refused.message().contains("401") && refused.message().contains("missing.json"), "{refused}");
    // Files are read anew: what is mended works at the next pull.
    fs::rename(docker_config(&world, &mirror.host()), &missing).unwrap();
    pull(&world, &repoint).await.unwrap();
    world.stop();
}
