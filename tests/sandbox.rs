//! The image that the runtime makes pods with: it names it in its own configuration, and pulls it past everybody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue};
use prost::Message;
use repoint::cri::v1::{
    Image as Listed, ImageStatusResponse, ListImagesResponse, PodSandboxConfig, RunPodSandboxRequest,
    RunPodSandboxResponse, StatusResponse, VersionResponse,
};
use repoint::runtime::containerd::api::{
    CreateImageRequest, CreateImageResponse, Descriptor, GetImageResponse, Image as Named,
};
use serde_json::Value;
use tempfile::TempDir;
use tonic::{Code, Status};

use crate::support::caller::Caller;
use crate::support::grpc;
use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Repoint, Setup};
use crate::support::standin::{Answer, Standin, User};
use crate::support::world::World;

const OLD: &str = "k8s.gcr.io/pause:3.9";
const NEW: &str = "registry.k8s.io/pause:3.9";

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const STATUS: &str = "/runtime.v1.RuntimeService/Status";
const RUN: &str = "/runtime.v1.RuntimeService/RunPodSandbox";
const LIST: &str = "/runtime.v1.ImageService/ListImages";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const PRESENCE: &str = "/runtime.v1.ImageService/ImageStatus";
const GET: &str = "/containerd.services.images.v1.Images/Get";
const CREATE: &str = "/containerd.services.images.v1.Images/Create";

/// Longer than anything takes that happens.
const LIMIT: Duration = Duration::from_secs(30);

/// A node whose runtime still names the old registry.
async fn node() -> Option<World> {
    World::start_with_sandbox_image(OLD).await
}

fn before(world: &World) -> Setup {
    Repoint::before(&world.containerd_socket(), world.path())
}

/// Makes a pod and takes it away again.
async fn pod(kubelet: &Kubelet, world: &World, name: &str) -> Result<(), Status> {
    let id = kubelet.run_pod(&world.pod("default", name)).await?;
    kubelet.stop_pod(&id).await?;
    kubelet.remove_pod(&id).await
}

/// Waits until it is so.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The records of it.
fn told(repoint: &Repoint) -> Vec<Value> {
    repoint.all_records().into_iter().filter(|record| record["event"] == "sandbox_image").collect()
}

fn outcomes(repoint: &Repoint) -> Vec<String> {
    told(repoint).iter().map(|record| record["outcome"].as_str().unwrap().to_owned()).collect()
}

async fn until_told(repoint: &Repoint, outcome: &str) -> Value {
    until(outcome, async || told(repoint).into_iter().find(|record| record["outcome"] == outcome)).await
}

#[tokio::test]
async fn with_the_runtime_endpoint_through_repoint_a_pod_that_fails_directly_runs() {
    let Some(world) = node().await else { return };
    let direct = Kubelet::v1(&world.containerd_socket());
    let failed = pod(&direct, &world, "direct").await.unwrap_err();
    assert!(failed.message().contains(OLD) && failed.message().contains("connection refused"), "{failed}");

    let repoint = before(&world).start().await;
    let id = async || direct.image_status(OLD).await.unwrap().map(|image| image.id);
    for (number, kubelet) in
        [Kubelet::v1(&repoint.socket()), Kubelet::v1alpha2(&repoint.socket())].into_iter().enumerate()
    {
        // The first one comes before anybody had the time to look.
        pod(&kubelet, &world, &format!("first-{number}")).await.unwrap();
        // As the kubelet's garbage collector does it.
        let there = id().await.expect("it is there");
        kubelet.remove_image(&there).await.unwrap();
        assert_eq!(id().await, None);
        pod(&kubelet, &world, &format!("second-{number}")).await.unwrap();
    }
    let record = told(&repoint).remove(0);
    for (key, value) in [("rule", "kubernetes"), ("image", OLD), ("substitute", NEW), ("outcome", "pulled")] {
        assert_eq!(record[key], value, "{key} of {record}");
    }
    assert_eq!(record["message"], Value::Null);
    // The pulls are pulls like any other, for no pod.
    let pulls = repoint.records();
    assert!(pulls.len() >= 3 && pulls.iter().all(|pull| pull["event"] == "substituted" && pull["image"] == OLD));
    assert_eq!((&pulls[0]["pod"], &pulls[0]["api"]), (&Value::Null, &"v1".into()));
    let metrics = repoint.metrics();
    assert!(metrics.contains(&format!("repoint_sandbox_image_total{{outcome=\"pulled\"}} {}\n", told(&repoint).len())));
    assert!(metrics.contains("repoint_sandbox_image_missing 0\n"), "{metrics}");
    world.stop();
}

#[tokio::test]
async fn with_the_image_endpoint_alone_pods_run_and_a_removed_image_is_back_within_seconds() {
    let Some(mut world) = node().await else { return };
    let repoint = before(&world).start().await;
    until_told(&repoint, "pulled").await;
    let direct = Kubelet::v1(&world.containerd_socket());
    pod(&direct, &world, "first").await.unwrap();

    // By either name it is gone by both, as with two names that were pulled.
    for name in [OLD, NEW] {
        let [image]: [Listed; 1] = direct.list_images(None).await.unwrap().try_into().unwrap();
        let mut names = image.repo_tags.clone();
        names.sort();
        assert_eq!(names, [OLD, NEW]);
        direct.remove_image(name).await.unwrap();
        assert_eq!(direct.list_images(None).await.unwrap(), [], "{name}");
        let gone = Instant::now();
        until("it is back", async || direct.image_status(OLD).await.unwrap()).await;
        assert!(gone.elapsed() < Duration::from_secs(10), "{:?}", gone.elapsed());
        pod(&direct, &world, "again").await.unwrap();
    }

    // Through a restart, and removed before it.
    world.restart_containerd().await;
    pod(&direct, &world, "restarted").await.unwrap();
    direct.remove_image(OLD).await.unwrap();
    world.restart_containerd().await;
    until("it is back", async || direct.image_status(OLD).await.unwrap()).await;
    pod(&direct, &world, "restarted-without").await.unwrap();
    world.stop();
}

#[tokio::test]
async fn a_restart_of_repoint_finds_it_there_and_pulls_nothing() {
    let Some(world) = node().await else { return };
    let repoint = before(&world).start().await;
    until_told(&repoint, "pulled").await;
    assert!(repoint.stop().await.success());
    let repoint = before(&world).start().await;
    until_told(&repoint, "present").await;
    assert_eq!((outcomes(&repoint), repoint.records().len()), (vec!["pulled".to_owned(), "present".to_owned()], 1));
    world.stop();
}

#[tokio::test]
async fn with_the_mirror_down_at_the_start_it_heals_by_itself_when_that_is_back() {
    let Some(world) = node().await else { return };
    world.cut_off("registry.k8s.io");
    let repoint = before(&world).start().await;
    let direct = Kubelet::v1(&world.containerd_socket());
    let failed = until_told(&repoint, "failed").await;
    assert!(failed["message"].as_str().unwrap().contains("connection refused"), "{failed}");
    // Nobody waits long for what can't be had, and the runtime says itself what is wrong.
    let asked = Instant::now();
    let refused = pod(&Kubelet::v1(&repoint.socket()), &world, "early").await.unwrap_err();
    assert!(refused.message().contains(OLD) && asked.elapsed() < Duration::from_secs(15), "{refused}");
    assert!(repoint.metrics().contains("repoint_sandbox_image_missing 1\n"));

    world.serve("registry.k8s.io");
    until_told(&repoint, "pulled").await;
    pod(&direct, &world, "late").await.unwrap();
    assert_eq!(outcomes(&repoint), ["failed", "pulled"], "once each");
    assert!(repoint.metrics().contains("repoint_sandbox_image_missing 0\n"));
    world.stop();
}

#[tokio::test]
async fn a_substitute_that_is_there_serves_while_the_mirror_is_down_and_names_are_not_kept() {
    let Some(world) = node().await else { return };
    let direct = Kubelet::v1(&world.containerd_socket());
    direct.pull(NEW).await.unwrap();
    world.cut_off("registry.k8s.io");
    let repoint = before(&world).settings("keep_original_name = \"never\"").start().await;
    pod(&Kubelet::v1(&repoint.socket()), &world, "web").await.unwrap();
    until_told(&repoint, "pulled").await;
    assert_eq!(outcomes(&repoint), ["pulled"]);
    assert!(repoint.log().contains("Took a sandbox image that was there already"), "{}", repoint.log());
    world.stop();
}

#[tokio::test]
async fn an_image_that_no_rule_has_pulled_from_elsewhere_is_the_runtime_s_own_affair() {
    let Some(world) = node().await else { return };
    for rule in [
        "action = \"observe\"",
        "action = \"deny\"",
        "targets = [\"registry.k8s.io\"]\npercent = 0",
        "targets = [\"registry.k8s.io\"]\nnamespaces = [\"prod\"]",
    ] {
        let rule = format!("[[rules]]\nname = \"r\"\nmatch = [\"k8s.gcr.io\"]\n{rule}\n");
        let repoint = before(&world).toml(&rule).start().await;
        let refused = pod(&Kubelet::v1(&repoint.socket()), &world, "web").await.unwrap_err();
        assert!(refused.message().contains(OLD), "{refused}");
        assert!(told(&repoint).is_empty() && repoint.records().is_empty(), "{rule}");
    }
    world.stop();
}

// ==== How other runtimes say it ====

/// A stand-in runtime, and repoint to be started in front of it.
fn pair() -> (Standin, Setup, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = directory.path().join("runtime.sock");
    let standin = Standin::start(&runtime);
    let setup = Repoint::before(&runtime, directory.path());
    standin.answers(RUN, |_| Answer::message(&RunPodSandboxResponse { pod_sandbox_id: "p".into() }));
    (standin, setup, directory)
}

/// The same with a containerd that is configured with the old pause image, and says so.
fn old_pair() -> (Arc<Standin>, Setup, TempDir) {
    let (standin, setup, directory) = pair();
    let standin = Arc::new(standin);
    is_called(&standin, "containerd", "1.7.2");
    says_in_status(&standin, &format!("{{\"sandboxImage\":{OLD:?}}}"));
    keeps_records(&standin);
    (standin, setup, directory)
}

fn is_called(standin: &Standin, name: &str, version: &str) {
    let version =
        VersionResponse { runtime_name: name.into(), runtime_version: version.into(), ..VersionResponse::default() };
    standin.answers(VERSION, move |_| Answer::message(&version));
}

fn says_in_status(standin: &Standin, config: &str) {
    let info = [("config".to_owned(), config.to_owned())].into();
    let status = StatusResponse { info, ..StatusResponse::default() };
    standin.answers(STATUS, move |_| Answer::message(&status));
}

/// The records of a containerd, which leads every name to one image and shows what it is told.
fn keeps_records(standin: &Arc<Standin>) {
    let target = Some(Descriptor { digest: format!("sha256:{}", "a".repeat(64)), ..Descriptor::default() });
    standin.answers(GET, move |seen| {
        let name: repoint::runtime::containerd::api::GetImageRequest = seen.message();
        if name.name.starts_with("repoint.invalid") {
            return Answer::refusal(Code::NotFound, "no such image");
        }
        Answer::message(&GetImageResponse { image: Some(Named { target: target.clone(), ..Named::default() }) })
    });
    let shows = Arc::downgrade(standin);
    standin.answers(CREATE, move |seen| {
        let name = seen.message::<CreateImageRequest>().image.unwrap().name;
        if let Some(standin) = shows.upgrade() {
            standin.has_image(&name, User::Unsaid);
        }
        Answer::message(&CreateImageResponse::default())
    });
}

/// An image that is there.
fn there() -> ImageStatusResponse {
    let image = Listed { id: "there".into(), ..Listed::default() };
    ImageStatusResponse { image: Some(image), ..ImageStatusResponse::default() }
}

#[tokio::test]
async fn where_nothing_can_be_done_it_is_said_which_line_to_change_in_which_file() {
    for (name, line, file) in [
        ("cri-o", "pause_image = \"registry.k8s.io/pause:3.9\"", "/etc/crio/crio.conf"),
        ("docker", "--pod-infra-container-image=registry.k8s.io/pause:3.9", "cri-docker.service"),
    ] {
        let (standin, setup, _directory) = pair();
        is_called(&standin, name, "1.30.0");
        says_in_status(&standin, &format!("{{\"sandboxImage\":{OLD:?}}}"));
        let repoint = setup.start().await;
        let record = until_told(&repoint, "cannot").await;
        let message = record["message"].as_str().unwrap();
        assert!(message.contains(line) && message.contains(file), "{message}");
        assert_eq!((&record["image"], &record["substitute"]), (&OLD.into(), &NEW.into()));
        let log = repoint.log();
        let warning = log.lines().find(|said| said.contains("WARN") && said.contains("pulls it by itself"));
        assert!(warning.is_some_and(|said| said.contains(file)), "{log}");
        let metrics = repoint.metrics();
        assert!(metrics.contains("repoint_sandbox_image_total{outcome=\"cannot\"} 1\n"), "{metrics}");
        assert!(metrics.contains("repoint_sandbox_image_missing 1\n"), "{metrics}");
        // Nothing is tried that is of no use, and pods go their way.
        Kubelet::v1(&repoint.socket()).run_pod(&PodSandboxConfig::default()).await.unwrap();
        assert!(standin.own_calls().iter().all(|seen| ![PULL, CREATE].contains(&seen.path())));
        assert_eq!(outcomes(&repoint), ["cannot"]);
    }
}

#[tokio::test]
async fn a_containerd_that_does_not_say_it_shows_it_pinned_or_the_configuration_names_it() {
    for is_named in [false, true] {
        let (standin, mut setup, _directory) = pair();
        let standin = Arc::new(standin);
        is_called(&standin, "containerd", "v2.1.0");
        says_in_status(&standin, "{\"containerd\":{},\"cni\":{}}");
        keeps_records(&standin);
        if is_named {
            setup = setup.settings(&format!("sandbox_image = {OLD:?}"));
        } else {
            let images = ["k8s.gcr.io/etcd:3", OLD].map(|name| Listed {
                repo_tags: vec![name.to_owned()],
                pinned: true,
                ..Listed::default()
            });
            standin.answers(LIST, move |_| Answer::message(&ListImagesResponse { images: images.to_vec() }));
        }
        let repoint = setup.start().await;
        until_told(&repoint, "pulled").await;
        let created: Vec<_> =
            standin.own_calls().into_iter().filter(|seen| seen.path() == CREATE).map(|seen| seen.message()).collect();
        for CreateImageRequest { image } in &created {
            let labels = &image.as_ref().unwrap().labels;
            assert_eq!(labels["io.cri-containerd.image"], "managed");
            // The round of the pull gives names, too; those are not for ever.
            let is_pinned = labels.get("io.cri-containerd.pinned").is_some_and(|value| value == "pinned");
            assert_eq!(is_pinned, labels.len() == 2);
        }
        assert_eq!(created.len(), 4, "{created:?}");
        assert_eq!(created[2..].iter().filter(|create| create.image.as_ref().unwrap().labels.len() == 2).count(), 2);
    }
}

#[tokio::test]
async fn the_name_that_the_runtime_looks_for_is_pinned_where_its_versions_may_know_of_that() {
    for (version, is_pinned) in [("1.5.18", false), ("v1.6.39", true), ("v1.7.2", true)] {
        let (standin, setup, _directory) = pair();
        let standin = Arc::new(standin);
        is_called(&standin, "containerd", version);
        says_in_status(&standin, &format!("{{\"sandboxImage\":{OLD:?}}}"));
        keeps_records(&standin);
        let repoint = setup.settings("keep_original_name = \"never\"").start().await;
        until_told(&repoint, "pulled").await;
        for seen in standin.own_calls().iter().filter(|seen| seen.path() == CREATE) {
            let labels = seen.message::<CreateImageRequest>().image.unwrap().labels;
            assert_eq!(labels.contains_key("io.cri-containerd.pinned"), is_pinned, "{version}");
        }
    }
}

#[tokio::test]
async fn a_name_with_a_digest_is_never_given_to_an_image_of_another() {
    let (standin, setup, _directory) = pair();
    let standin = Arc::new(standin);
    is_called(&standin, "containerd", "1.7.2");
    let asked = format!("k8s.gcr.io/pause@sha256:{}", "b".repeat(64));
    says_in_status(&standin, &format!("{{\"sandboxImage\":{asked:?}}}"));
    // The record of the image's ID leads to another manifest with the same configuration.
    keeps_records(&standin);
    let repoint = setup.settings("keep_original_name = \"never\"").start().await;
    let told = until("it is told", async || told(&repoint).pop()).await;
    let created = standin.own_calls().iter().filter(|seen| seen.path() == CREATE).count();
    assert_eq!((&told["outcome"], created), (&"failed".into(), 0), "{told}");
    assert!(told["message"].as_str().unwrap().contains(&"a".repeat(64)), "{told}");
}

#[tokio::test]
async fn a_call_that_makes_a_pod_goes_on_with_the_very_bytes_that_came_after_the_image_is_there() {
    let (standin, setup, _directory) = old_pair();
    let repoint = setup.start().await;
    let request = RunPodSandboxRequest { runtime_handler: "kata".into(), ..RunPodSandboxRequest::default() };
    let mut bytes = request.encode_to_vec();
    // A field that nobody here knows.
    bytes.extend([0xfa, 0x07, 1, 7]);
    let sent = grpc::frame(grpc::PLAIN, &bytes);
    let reply = Caller::dial(&repoint.socket()).await.call(RUN, sent.clone()).await.unwrap();
    assert_eq!(reply.status(), Some("0"));
    assert_eq!(standin.calls().pop().unwrap().body, sent);
    let presence = standin.own_calls().iter().filter(|seen| seen.path() == PRESENCE).count();
    assert!(presence > 0);
    // The record is on its way when the call goes on.
    until_told(&repoint, "pulled").await;
    assert_eq!(outcomes(&repoint), ["pulled"]);
}

#[tokio::test]
async fn pods_that_are_made_side_by_side_wait_for_one_pull() {
    let (standin, setup, _directory) = old_pair();
    let repoint = setup.start().await;
    let mut pods = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let kubelet = Kubelet::v1(&repoint.socket());
        pods.spawn(async move { kubelet.run_pod(&PodSandboxConfig::default()).await.unwrap() });
    }
    assert_eq!(pods.join_all().await.len(), 100);
    assert_eq!(standin.own_calls().iter().filter(|seen| seen.path() == PULL).count(), 1);
    until_told(&repoint, "pulled").await;
    assert_eq!(outcomes(&repoint), ["pulled"]);
}

#[tokio::test]
async fn a_mirror_that_says_nothing_holds_a_pod_up_for_a_third_of_its_time() {
    let (standin, setup, _directory) = old_pair();
    standin.answers(PULL, |_| Answer::silence());
    let repoint = setup.start().await;
    let headers = [(HeaderName::from_static("grpc-timeout"), HeaderValue::from_static("3S"))].into_iter().collect();
    let started = Instant::now();
    let body = grpc::encoded(&RunPodSandboxRequest::default());
    let reply = Caller::dial(&repoint.socket()).await.call_with(RUN, headers, body).await.unwrap();
    assert_eq!(reply.status(), Some("0"));
    assert!(started.elapsed() > Duration::from_millis(900), "{:?}", started.elapsed());
    let left = standin.calls().pop().unwrap().headers["grpc-timeout"].to_str().unwrap().to_owned();
    let left: u64 = left.strip_suffix('u').unwrap().parse().unwrap();
    assert!((1..=2_100_000).contains(&left), "{left} µs");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for_for_ever() {
    for lost in [STATUS, LIST, PRESENCE, CREATE] {
        let (standin, setup, _directory) = pair();
        let standin = Arc::new(standin);
        is_called(&standin, "containerd", "v2.1.0");
        says_in_status(&standin, "{}");
        keeps_records(&standin);
        let pinned = Listed { repo_tags: vec![OLD.to_owned()], pinned: true, ..Listed::default() };
        let images = ListImagesResponse { images: vec![pinned] };
        standin.answers(LIST, move |_| Answer::message(&images));
        standin.answers(lost, |_| Answer::silence());
        let repoint = setup.settings("keep_original_name = \"never\"").start().await;
        until(lost, async || standin.own_calls().iter().any(|seen| seen.path() == lost).then_some(())).await;
        // The runtime is itself again; the call that it lost stays lost.
        says_in_status(&standin, &format!("{{\"sandboxImage\":{OLD:?}}}"));
        keeps_records(&standin);
        standin.answers(LIST, |_| Answer::message(&ListImagesResponse::default()));
        let outcome = if lost == PRESENCE { "present" } else { "pulled" };
        if lost == PRESENCE {
            standin.answers(PRESENCE, |_| Answer::message(&there()));
        }
        until_told(&repoint, outcome).await;
    }
}

#[tokio::test]
async fn the_record_says_which_target_served_and_none_where_the_old_registry_did() {
    let Some(world) = node().await else { return };
    let direct = Kubelet::v1(&world.containerd_socket());
    for (targets, served) in [("\"nobody.example\", \"registry.k8s.io\"", Some(NEW)), ("\"nobody.example\"", None)] {
        if served.is_none() {
            world.serve("k8s.gcr.io");
        }
        let rule = format!("targets = [{targets}]\non_failure = \"original\"");
        let rule = format!("[[rules]]\nname = \"r\"\nmatch = [\"k8s.gcr.io\"]\n{rule}\n");
        let repoint = before(&world).toml(&rule).start().await;
        assert_eq!(until_told(&repoint, "pulled").await["substitute"].as_str(), served, "{targets}");
        let records = repoint.audit_file();
        assert!(repoint.stop().await.success());
        direct.remove_image(OLD).await.unwrap();
        std::fs::remove_file(records).unwrap();
    }
    world.stop();
}

#[tokio::test]
async fn a_runtime_that_speaks_v1alpha2_alone_is_served_in_that() {
    let old = |path: &str| path.replace("runtime.v1.", "runtime.v1alpha2.");
    let (standin, setup, _directory) = pair();
    let standin = Arc::new(standin);
    for path in [VERSION, STATUS, LIST, PULL, PRESENCE] {
        standin.answers(path, |_| Answer::refusal(Code::Unimplemented, "unknown service runtime.v1"));
    }
    let version = VersionResponse {
        runtime_name: "containerd".into(),
        runtime_version: "1.5.18".into(),
        ..VersionResponse::default()
    };
    standin.answers(&old(VERSION), move |_| Answer::message(&version));
    let info = [("config".to_owned(), format!("{{\"sandboxImage\":{OLD:?}}}"))].into();
    let status = StatusResponse { info, ..StatusResponse::default() };
    standin.answers(&old(STATUS), move |_| Answer::message(&status));
    keeps_records(&standin);
    let repoint = setup.start().await;
    until_told(&repoint, "pulled").await;
    assert_eq!(repoint.records()[0]["api"], "v1alpha2");
}

#[tokio::test]
async fn what_the_runtime_pulls_by_itself_is_learnt_anew_when_it_has_restarted() {
    let (mut standin, setup, _directory) = pair();
    is_called(&standin, "cri-o", "1.30.0");
    says_in_status(&standin, &format!("{{\"sandboxImage\":{OLD:?}}}"));
    let repoint = setup.start().await;
    until_told(&repoint, "cannot").await;
    // The operator changes the line.
    standin.stop().await;
    says_in_status(&standin, &format!("{{\"sandboxImage\":{NEW:?}}}"));
    standin.start_again();
    until("all is well", async || repoint.metrics().contains("repoint_sandbox_image_missing 0\n").then_some(())).await;
    assert_eq!(outcomes(&repoint), ["cannot"]);
}

// ==== What changes while the service runs ====

#[tokio::test]
async fn while_the_kill_switch_is_thrown_it_is_the_runtime_s_own_affair_and_seen_to_again_after() {
    let (standin, setup, directory) = old_pair();
    let switch = directory.path().join("repoint/disabled");
    std::fs::create_dir(switch.parent().unwrap()).unwrap();
    std::fs::write(&switch, "").unwrap();
    let repoint = setup.start().await;
    Kubelet::v1(&repoint.socket()).run_pod(&PodSandboxConfig::default()).await.unwrap();
    assert!(standin.own_calls().iter().all(|seen| ![PULL, CREATE].contains(&seen.path())));
    std::fs::remove_file(&switch).unwrap();
    until_told(&repoint, "pulled").await;
}

#[tokio::test]
async fn a_rule_that_comes_with_a_reload_is_about_it_at_once() {
    let (standin, setup, _directory) = old_pair();
    let repoint = setup.settings("builtin_rules = []").start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.run_pod(&PodSandboxConfig::default()).await.unwrap();
    assert_eq!(outcomes(&repoint), [""; 0]);
    let text = std::fs::read_to_string(repoint.config()).unwrap();
    std::fs::write(repoint.config(), text.replace("builtin_rules = []", "")).unwrap();
    repoint.signal("HUP");
    repoint.recorded("a reload", |record| record["event"] == "reloaded").await;
    kubelet.run_pod(&PodSandboxConfig::default()).await.unwrap();
    assert!(standin.own_calls().iter().any(|seen| seen.path() == CREATE), "before the call goes on");
    until_told(&repoint, "pulled").await;
}
