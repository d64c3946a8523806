//! For whom, where and when a rule holds, and what it is to look on or to forbid.

use std::path::PathBuf;

use http::HeaderMap;
use repoint::cri::v1::{AuthConfig, ImageSpec, PodSandboxConfig, PodSandboxMetadata, PullImageRequest};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;

use crate::support::caller::Caller;
use crate::support::grpc;
use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Repoint, Setup};
use crate::support::standin::{Answer, Standin, User};
use crate::support::world::{Image, World};

const PULL: &str = "/runtime.v1.ImageService/PullImage";
const OLD: &str = "old.example/x:1";

/// A stand-in runtime with repoint in front of it.
struct Pair {
    standin: Standin,
    repoint: Repoint,
    kubelet: Kubelet,
    runtime: PathBuf,
    _directory: TempDir,
}

impl Pair {
    async fn with(toml: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = directory.path().join("runtime.sock");
        let standin = Standin::start(&runtime);
        let repoint = Repoint::before(&runtime, directory.path()).toml(toml).start().await;
        let kubelet = Kubelet::v1(&repoint.socket());
        Self { standin, repoint, kubelet, runtime, _directory: directory }
    }

    /// The name that the runtime is asked for when a pod of this namespace wants the image.
    async fn pulled_as(&self, image: &str, namespace: Option<&str>) -> String {
        let pod = namespace.map(|namespace| PodSandboxConfig {
            metadata: Some(PodSandboxMetadata { namespace: namespace.into(), ..PodSandboxMetadata::default() }),
            ..PodSandboxConfig::default()
        });
        self.kubelet.pull_for(image, None, pod.as_ref()).await.unwrap();
        let calls = self.standin.calls();
        calls.last().unwrap().message::<PullImageRequest>().image.unwrap().image
    }

    /// The names that the runtime is asked for when somebody asks whether the image is there.
    async fn asked_for(&self, image: &str) -> Vec<String> {
        let before = self.standin.calls().len();
        self.kubelet.image_status(image).await.unwrap();
        let calls = self.standin.calls().split_off(before);
        calls.iter().map(|seen| seen.message::<PullImageRequest>().image.unwrap().image).collect()
    }

    fn events(&self) -> Vec<Value> {
        self.repoint.records().into_iter().map(|record| record["event"].clone()).collect()
    }
}

fn rule(name: &str, target: &str, more: &str) -> String {
    format!("[[rules]]\nname = {name:?}\nmatch = [\"old.example\"]\ntargets = [{target:?}]\n{more}\n")
}

#[tokio::test]
async fn a_rule_for_some_namespaces_governs_their_pulls_and_everybody_finds_the_image() {
    let rules = rule("teams", "a.example", "namespaces = [\"team-*\"]\nexclude_namespaces = [\"team-z\"]")
        + &rule("all", "b.example", "");
    let pair = Pair::with(&rules).await;
    // Whoever asks for an image that is there says no namespace: any of them may have been the one that pulled it.
    assert_eq!(pair.asked_for(OLD).await, ["a.example/x:1", "b.example/x:1", OLD]);
    for (namespace, expected) in [
        (Some("team-a"), "a.example"),
        (Some("team-z"), "b.example"),
        (Some("prod"), "b.example"),
        (Some(""), "b.example"),
        (None, "b.example"),
    ] {
        assert_eq!(pair.pulled_as("old.example/y:1", namespace).await, format!("{expected}/y:1"), "{namespace:?}");
    }
    // What the last pull gave is what counts.
    assert_eq!(pair.asked_for("old.example/y:1").await, ["b.example/y:1"]);
    pair.pulled_as("old.example/y:1", Some("team-a")).await;
    assert_eq!(pair.asked_for("old.example/y:1").await, ["a.example/y:1"]);
    assert_eq!(pair.repoint.records().last().unwrap()["rule"], "teams");
}

#[tokio::test]
async fn where_no_rule_is_for_everybody_the_others_pull_as_they_ask() {
    let pair = Pair::with(&rule("teams", "a.example", "namespaces = [\"team-a\"]")).await;
    assert_eq!(pair.pulled_as(OLD, Some("team-b")).await, OLD);
    assert!(pair.repoint.records().is_empty());
    assert_eq!(pair.pulled_as("old.example/y:1", Some("team-a")).await, "a.example/y:1");
    assert_eq!(pair.asked_for("old.example/y:1").await, ["a.example/y:1"]);
}

#[tokio::test]
async fn on_nodes_that_have_not_their_turn_and_before_its_day_a_rule_looks_on() {
    for (more, expected, event) in [
        ("percent = 0", OLD, "observed"),
        ("percent = 100", "new.example/x:1", "substituted"),
        ("from = 2000-01-01", "new.example/x:1", "substituted"),
        ("from = 9000-01-01", OLD, "observed"),
        ("from = \"9000-01-01T00:00:00Z\"\naction = \"deny\"", OLD, "observed"),
    ] {
        let pair = Pair::with(&rule("moved", "new.example", more)).await;
        assert_eq!(pair.pulled_as(OLD, None).await, expected, "{more}");
        assert_eq!(pair.events(), [event], "{more}");
        assert_eq!(pair.asked_for(OLD).await, [expected], "{more}");
        // What nobody pulled is looked for as the rule does it here.
        let names = pair.asked_for("old.example/z:1").await;
        assert_eq!(names.len(), if expected == OLD { 1 } else { 2 }, "{more}: {names:?}");
    }
}

#[tokio::test]
async fn to_look_on_is_to_change_no_byte_in_either_direction_and_to_record_what_would_have_been() {
    let pair = Pair::with(&rule("moved", "new.example", "action = \"observe\"")).await;
    let auth = Some(AuthConfig { username: "u".into(), password: "hunter2".into(), ..AuthConfig::default() });
    let image = Some(ImageSpec { image: OLD.into(), ..ImageSpec::default() });
    let sent = grpc::encoded(&PullImageRequest { image, auth, ..PullImageRequest::default() });
    pair.standin.answers(PULL, |_| {
        Answer::refusal(Code::NotFound, "no such image")
            .header("grpc-status-details-bin", b"CAUSAm5v")
            .header("x", b"y")
    });
    let headers: HeaderMap =
        [(http::HeaderName::from_static("grpc-timeout"), "50S".parse().unwrap())].into_iter().collect();
    let direct = Caller::dial(&pair.runtime).await.call_with(PULL, headers.clone(), sent.clone()).await.unwrap();
    let through = Caller::dial(&pair.repoint.socket()).await.call_with(PULL, headers, sent.clone()).await.unwrap();
    assert_eq!((through.headers, through.trailers), (direct.headers, direct.trailers));
    let calls = pair.standin.calls();
    assert_eq!((&calls[1].body, &calls[1].headers), (&calls[0].body, &calls[0].headers));
    assert_eq!(calls[1].body, sent);

    let record = pair.repoint.records().pop().unwrap();
    for (key, value) in [
        ("event", "observed"),
        ("outcome", "failed"),
        ("image", OLD),
        ("substitute", "new.example/x:1"),
        ("rule", "moved"),
    ] {
        assert_eq!(record[key], value, "{record}");
    }
    assert_eq!((&record["attempts"][0]["image"], &record["attempts"][0]["credentials"]), (&json!(OLD), &json!("call")));
    assert!(!record.to_string().contains("hunter2"));
    let metrics = pair.repoint.metrics();
    assert!(metrics.contains("repoint_observed_total{rule=\"moved\",outcome=\"failed\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_rule_without_targets_can_look_on_and_forbid() {
    let bare = |action: &str| format!("[[rules]]\nname = \"hub\"\nmatch = [\"docker.io\"]\naction = {action:?}\n");
    let pair = Pair::with(&bare("observe")).await;
    assert_eq!(pair.pulled_as("busybox:1", None).await, "busybox:1");
    assert_eq!(pair.repoint.records().pop().unwrap()["substitute"], Value::Null);
    let pair = Pair::with(&bare("deny")).await;
    let denied = pair.kubelet.pull("busybox:1").await.unwrap_err();
    assert_eq!(
        (denied.code(), denied.message()),
        (Code::PermissionDenied, "docker.io is retired on this node (rule hub)")
    );
    assert!(pair.standin.calls().is_empty());
    let metrics = pair.repoint.metrics();
    assert!(metrics.contains("repoint_denied_total{rule=\"hub\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn names_that_several_patterns_match_go_by_the_longest() {
    let rules = "[[rules]]\nname = \"below\"\nmatch = [\"*.old.example\", \"old.example/team\"]\n\
                 exclude = [\"old.example/team/own\"]\ntargets = [\"a.example\"]\n"
        .to_owned()
        + &rule("all", "b.example", "");
    let pair = Pair::with(&rules).await;
    for (image, expected) in [
        ("eu.old.example/x:1", "a.example/x:1"),
        ("old.example/team/x:1", "a.example/x:1"),
        ("old.example/team/own:1", "b.example/team/own:1"),
        ("old.example/teams/x:1", "b.example/teams/x:1"),
        ("very-old.example/x:1", "very-old.example/x:1"),
    ] {
        assert_eq!(pair.pulled_as(image, None).await, expected, "{image}");
    }
}

#[tokio::test]
async fn a_kubeadm_mirror_has_coredns_one_component_further_up() {
    let rules = "builtin_rules = [\"k8s.gcr.io\", \"coredns/coredns\"]";
    let directory = tempfile::tempdir().unwrap();
    let runtime = directory.path().join("runtime.sock");
    let standin = Standin::start(&runtime);
    let setup: Setup = Repoint::before(&runtime, directory.path()).settings(rules);
    let repoint = setup.rule("mirror", "k8s.gcr.io", &["mirror.example/k8s", "registry.k8s.io"]).start().await;
    standin.answers(PULL, |_| Answer::refusal(Code::NotFound, "no"));
    for image in ["k8s.gcr.io/coredns/coredns:v1.8.0", "k8s.gcr.io/etcd:3"] {
        Kubelet::v1(&repoint.socket()).pull(image).await.unwrap_err();
    }
    let asked: Vec<_> =
        standin.calls().iter().map(|seen| seen.message::<PullImageRequest>().image.unwrap().image).collect();
    assert_eq!(
        asked,
        [
            "mirror.example/k8s/coredns:v1.8.0",
            "registry.k8s.io/coredns/coredns:v1.8.0",
            "mirror.example/k8s/etcd:3",
            "registry.k8s.io/etcd:3"
        ]
    );
}

#[tokio::test]
async fn on_a_real_node_what_is_present_still_starts_when_new_pulls_are_denied() {
    let Some(world) = World::start().await else { return };
    let old = "k8s.gcr.io/busybox:1";
    world.push("busybox:1", &Image::busybox().user("65534")).await;
    let before = || Repoint::before(&world.containerd_socket(), world.path());
    let repoint = before().start().await;
    Kubelet::v1(&repoint.socket()).pull(old).await.unwrap();
    drop(repoint);

    let deny =
        "[[rules]]\nname = \"retired\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [\"registry.k8s.io\"]\naction = \"deny\"\n";
    let repoint = before().toml(deny).start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    let pod = world.pod("prod", "web");
    let pod_id = kubelet.run_pod(&pod).await.unwrap();
    let container = kubelet.run_container(&pod_id, &pod, old).await.unwrap();
    assert_eq!(kubelet.exec(&container, ["id", "-u"]).await.unwrap().trim(), "65534");
    let denied = kubelet.pull_for("k8s.gcr.io/other:1", None, Some(&pod)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(denied.message(), "k8s.gcr.io is retired on this node; use registry.k8s.io/other:1 (rule retired)");
    let record = repoint.records().pop().unwrap();
    assert_eq!((&record["event"], &record["outcome"]), (&json!("denied"), &json!("denied")));
    assert_eq!(record["pod"]["name"], "web");
    kubelet.stop_pod(&pod_id).await.unwrap();
    kubelet.remove_pod(&pod_id).await.unwrap();
    world.stop();
}

#[tokio::test]
async fn a_twin_under_the_old_name_is_not_mistaken_for_what_was_pulled() {
    let pair = Pair::with(&rule("moved", "new.example", "")).await;
    pair.standin.has_image(OLD, User::Number(0));
    pair.standin.offers_image("new.example/x:1", User::Number(65534));
    pair.kubelet.pull(OLD).await.unwrap();
    let found = pair.kubelet.image_status(OLD).await.unwrap().unwrap();
    assert_eq!(found.uid.map(|uid| uid.value), Some(65534));
}

#[tokio::test]
async fn a_pull_that_no_rule_decides_is_what_counts_from_then_on_too() {
    let pair = Pair::with(&rule("teams", "a.example", "namespaces = [\"team-a\"]")).await;
    pair.standin.offers_image("a.example/x:1", User::Number(7));
    pair.standin.offers_image(OLD, User::Number(65534));
    let user = async || pair.kubelet.image_status(OLD).await.unwrap().unwrap().uid.map(|uid| uid.value);
    pair.pulled_as(OLD, Some("team-a")).await;
    assert_eq!(user().await, Some(7));
    assert_eq!(pair.pulled_as(OLD, Some("team-b")).await, OLD);
    assert_eq!(user().await, Some(65534));
    assert_eq!(pair.repoint.records().len(), 1, "no rule, no record");
    // One that failed gave nothing.
    pair.pulled_as(OLD, Some("team-a")).await;
    pair.standin.answers_once(PULL, Answer::refusal(Code::NotFound, "no such image"));
    let metadata = Some(PodSandboxMetadata { namespace: "team-b".into(), ..PodSandboxMetadata::default() });
    let pod = PodSandboxConfig { metadata, ..PodSandboxConfig::default() };
    pair.kubelet.pull_for(OLD, None, Some(&pod)).await.unwrap_err();
    assert_eq!(user().await, Some(7));
}
