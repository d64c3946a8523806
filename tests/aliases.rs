//! Images that were pulled from elsewhere have the names that they were asked for by, too: on a real containerd, and where
//! the runtime can't give them.

use std::time::{Duration, Instant};

use http::HeaderMap;
use prost::Message;
use repoint::cri::v1::{Image as Listed, ImageSpec, ImageStatusRequest, PullImageRequest, VersionResponse};
use repoint::runtime::containerd::api::{
    CreateImageRequest, CreateImageResponse, Descriptor, GetImageResponse, Image as Named,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;

use crate::support::caller::Caller;
use crate::support::grpc;
use crate::support::kubelet::Kubelet;
use crate::support::repoint::Repoint;
use crate::support::standin::{Answer, Seen, Standin};
use crate::support::world::{Image, World};

const OLD: &str = "k8s.gcr.io/busybox:1";
const NEW: &str = "registry.k8s.io/busybox:1";
const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const GET: &str = "/containerd.services.images.v1.Images/Get";
const CREATE: &str = "/containerd.services.images.v1.Images/Create";

async fn node() -> Option<(World, Repoint)> {
    let world = World::start().await?;
    let repoint = Repoint::before(&world.containerd_socket(), world.path()).start().await;
    Some((world, repoint))
}

fn sorted(names: &[String]) -> Vec<&str> {
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// The aliases that the last record says.
fn recorded(repoint: &Repoint) -> Value {
    repoint.records().pop().expect("a record")["aliases"].clone()
}

#[tokio::test]
async fn before_a_pull_is_answered_its_image_has_the_names_that_a_direct_pull_gives() {
    let Some((world, repoint)) = node().await else { return };
    let digest = world.push("busybox:1", &Image::busybox()).await;
    let direct = Kubelet::v1(&world.containerd_socket());
    let both = |repository: &str| format!("{repository}/busybox@{digest}");
    for kubelet in [Kubelet::v1(&repoint.socket()), Kubelet::v1alpha2(&repoint.socket())] {
        let id = kubelet.pull(OLD).await.unwrap();
        // At once, by everybody.
        let [image]: [Listed; 1] = direct.list_images(None).await.unwrap().try_into().unwrap();
        assert_eq!((image.id.as_str(), sorted(&image.repo_tags)), (id.as_str(), vec![OLD, NEW]));
        assert_eq!(sorted(&image.repo_digests), [both("k8s.gcr.io"), both("registry.k8s.io")]);
        for name in [OLD, &both("k8s.gcr.io"), NEW] {
            assert_eq!(direct.image_status(name).await.unwrap().unwrap().id, id, "{name}");
        }
        assert_eq!(recorded(&repoint), json!([both("k8s.gcr.io"), OLD]));
        assert_eq!(repoint.records().pop().unwrap()["digest"], digest);
        direct.remove_image(&id).await.unwrap();
    }
    assert!(repoint.metrics().contains("repoint_aliases_total{rule=\"kubernetes\",outcome=\"given\"} 2\n"));
    world.stop();
}

#[tokio::test]
async fn an_image_that_is_removed_by_either_name_is_gone_by_both() {
    let Some((world, repoint)) = node().await else { return };
    world.push("busybox:1", &Image::busybox()).await;
    let [direct, kubelet] = [world.containerd_socket(), repoint.socket()].map(|socket| Kubelet::v1(&socket));
    // As with two names that were both pulled.
    world.serve("k8s.gcr.io");
    for name in [OLD, NEW] {
        direct.pull(OLD).await.unwrap();
        direct.pull(NEW).await.unwrap();
        direct.remove_image(name).await.unwrap();
        assert_eq!(direct.list_images(None).await.unwrap(), [], "{name}, pulled");
    }
    world.cut_off("k8s.gcr.io");
    for name in [OLD, NEW] {
        kubelet.pull(OLD).await.unwrap();
        kubelet.remove_image(name).await.unwrap();
        assert_eq!(direct.list_images(None).await.unwrap(), [], "{name}, given");
        assert_eq!(kubelet.image_status(OLD).await.unwrap(), None);
    }
    world.stop();
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_moved_and_that_is_said() {
    let Some((world, repoint)) = node().await else { return };
    let [direct, kubelet] = [world.containerd_socket(), repoint.socket()].map(|socket| Kubelet::v1(&socket));
    world.push("busybox:1", &Image::busybox().label("build", "old")).await;
    world.serve("k8s.gcr.io");
    let before = direct.pull(OLD).await.unwrap();
    world.cut_off("k8s.gcr.io");
    for build in ["new", "newer"] {
        let digest = world.push("busybox:1", &Image::busybox().label("build", build)).await;
        let after = kubelet.pull(OLD).await.unwrap();
        assert_ne!(after, before);
        assert_eq!(direct.image_status(OLD).await.unwrap().unwrap().id, after);
        let log = repoint.log();
        let said = log.lines().find(|line| line.contains("Moved an old name") && line.contains(&digest));
        assert!(said.is_some_and(|line| line.contains(OLD)), "{log}");
    }
    world.stop();
}

#[tokio::test]
async fn pulls_of_one_image_side_by_side_do_not_get_into_each_other_s_way() {
    let Some((world, repoint)) = node().await else { return };
    world.push("busybox:1", &Image::busybox()).await;
    let mut pulls = tokio::task::JoinSet::new();
    for number in 0..12 {
        let kubelet = Kubelet::v1(&repoint.socket());
        pulls.spawn(async move { kubelet.pull(if number % 4 == 0 { NEW } else { OLD }).await.unwrap() });
    }
    let mut ids = pulls.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let records = repoint.records();
    assert_eq!(records.len(), 9);
    for record in records {
        assert_eq!(record["aliases"].as_array().unwrap().len(), 2, "{record}");
    }
    assert!(!repoint.log().contains("did not get its old names"), "{}", repoint.log());
    world.stop();
}

#[tokio::test]
async fn without_repoint_and_after_a_restart_of_containerd_the_old_names_are_there() {
    let Some((mut world, repoint)) = node().await else { return };
    world.push("busybox:1", &Image::busybox()).await;
    let id = Kubelet::v1(&repoint.socket()).pull(OLD).await.unwrap();
    assert!(repoint.stop().await.success());
    world.restart_containerd().await;
    let direct = Kubelet::v1(&world.containerd_socket());
    assert_eq!(direct.image_status(OLD).await.unwrap().unwrap().id, id);
    world.stop();
}

#[tokio::test]
async fn after_a_restart_of_containerd_names_are_given_as_before() {
    let Some((mut world, repoint)) = node().await else { return };
    world.push("busybox:1", &Image::busybox()).await;
    let kubelet = Kubelet::v1(&repoint.socket());
    let id = kubelet.pull(OLD).await.unwrap();
    kubelet.remove_image(&id).await.unwrap();
    world.restart_containerd().await;
    kubelet.pull(OLD).await.unwrap();
    assert_eq!(recorded(&repoint).as_array().unwrap().len(), 2);
    world.stop();
}

#[tokio::test]
async fn what_was_not_substituted_gets_no_other_name() {
    let Some(world) = World::start().await else { return };
    world.push("busybox:1", &Image::busybox()).await;
    world.serve("k8s.gcr.io");
    let direct = Kubelet::v1(&world.containerd_socket());
    let rule = |more: &str| format!("[[rules]]\nname = \"r\"\nmatch = [\"k8s.gcr.io\"]\n{more}\n");
    for (rule, keep, names) in [
        (rule("action = \"observe\""), "always", vec![OLD]),
        (rule("targets = [\"nobody.example\"]\non_failure = \"original\""), "always", vec![OLD]),
        (String::new(), "never", vec![NEW]),
    ] {
        let setup = Repoint::before(&world.containerd_socket(), world.path());
        let repoint = setup.settings(&format!("keep_original_name = {keep:?}")).toml(&rule).start().await;
        let id = Kubelet::v1(&repoint.socket()).pull(OLD).await.unwrap();
        assert_eq!(direct.image_status(&id).await.unwrap().unwrap().repo_tags, names, "{rule}");
        assert_eq!(recorded(&repoint), json!([]), "{rule}");
        direct.remove_image(&id).await.unwrap();
        std::fs::remove_file(repoint.audit_file()).unwrap();
    }
    world.stop();
}

// ==== Where it can't be ====

/// A stand-in runtime of this name, which has no records, with repoint in front of it.
async fn pair(name: &str, keep: &str) -> (Standin, Repoint, Caller, TempDir) {
    pair_with(name, keep, |_| {}).await
}

/// One that was told something before anybody asked it.
async fn pair_with(name: &str, keep: &str, tell: fn(&Standin)) -> (Standin, Repoint, Caller, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = directory.path().join("runtime.sock");
    let standin = Standin::start(&runtime);
    let version =
        VersionResponse { runtime_name: name.into(), runtime_version: "1.6.20".into(), ..VersionResponse::default() };
    standin.answers(VERSION, move |_| Answer::message(&version));
    tell(&standin);
    let setup = Repoint::before(&runtime, directory.path()).settings(&format!("keep_original_name = {keep:?}"));
    let repoint = setup.start().await;
    let caller = Caller::dial(&repoint.socket()).await;
    (standin, repoint, caller, directory)
}

fn digest() -> String {
    format!("sha256:{}", "a".repeat(64))
}

/// Records of every name, all of one image.
fn has_records(standin: &Standin) {
    let target = Some(Descriptor { digest: digest(), ..Descriptor::default() });
    let found = GetImageResponse { image: Some(Named { target, ..Named::default() }) };
    standin.answers(GET, move |_| Answer::message(&found));
}

async fn pull(caller: &mut Caller, image: &str) {
    let image = Some(ImageSpec { image: image.to_owned(), ..ImageSpec::default() });
    let body = grpc::encoded(&PullImageRequest { image, ..PullImageRequest::default() });
    let reply = caller.call_with(PULL, HeaderMap::new(), body).await.unwrap();
    assert_eq!(reply.status(), Some("0"));
}

fn own(standin: &Standin, path: &str) -> usize {
    standin.own_calls().iter().filter(|seen| seen.path() == path).count()
}

fn asked(calls: &[Seen]) -> Vec<String> {
    let questions = calls.iter().filter(|seen| seen.path() == STATUS);
    questions.map(|seen| seen.message::<ImageStatusRequest>().image.unwrap().image).collect()
}

#[tokio::test]
async fn a_runtime_is_asked_once_what_it_is_and_again_when_it_has_restarted() {
    let (mut standin, repoint, mut caller, _directory) = pair("containerd", "auto").await;
    for number in 0..3 {
        pull(&mut caller, &format!("k8s.gcr.io/x:{number}")).await;
    }
    // It is one by its name alone. (Two may have asked at once.)
    let (versions, records) = (own(&standin, VERSION), own(&standin, GET));
    assert!(versions <= 2 && records == versions, "{versions} {records}");
    standin.stop().await;
    standin.start_again();
    pull(&mut caller, "k8s.gcr.io/x:3").await;
    let again = own(&standin, VERSION) - versions;
    assert!((1..=2).contains(&again) && own(&standin, GET) == records + again, "{again}");
    assert_eq!(recorded(&repoint), json!([]));
    assert!(!repoint.log().contains("did not get its old names"), "{}", repoint.log());
}

#[tokio::test]
async fn a_runtime_that_cannot_is_a_warning_only_where_it_has_to() {
    for (keep, warned) in [("auto", false), ("always", true), ("never", false)] {
        let (_standin, repoint, mut caller, _directory) = pair("standin", keep).await;
        pull(&mut caller, OLD).await;
        let told = "standin has no call to give an image another name";
        assert_eq!(repoint.log().contains(told), warned, "{keep}: {}", repoint.log());
        assert_eq!(repoint.metrics().contains("outcome=\"failed\"} 1\n"), warned, "{keep}");
    }
}

#[tokio::test]
async fn a_name_that_is_never_shown_holds_a_pull_up_for_two_seconds_and_is_not_relied_on() {
    let (standin, repoint, mut caller, _directory) = pair_with("containerd", "auto", |standin| {
        has_records(standin);
        standin.answers(CREATE, |_| Answer::message(&CreateImageResponse::default()));
    })
    .await;
    let digest = digest();
    let started = Instant::now();
    pull(&mut caller, OLD).await;
    assert!(started.elapsed() > Duration::from_secs(1) && started.elapsed() < Duration::from_secs(10));
    let created: Vec<_> = standin.own_calls().iter().filter(|seen| seen.path() == CREATE).cloned().collect();
    let names: Vec<_> = created.iter().map(|seen| seen.message::<CreateImageRequest>().image.unwrap()).collect();
    assert_eq!(
        names.iter().map(|image| image.name.clone()).collect::<Vec<_>>(),
        [format!("k8s.gcr.io/busybox@{digest}"), OLD.to_owned()]
    );
    for (image, seen) in names.iter().zip(&created) {
        assert_eq!(image.labels, [("io.cri-containerd.image".to_owned(), "managed".to_owned())].into());
        assert_eq!(seen.headers["containerd-namespace"], "k8s.io");
    }
    assert_eq!(recorded(&repoint), json!([]));
    assert!(repoint.log().contains("it was not shown by them within 2 s"), "{}", repoint.log());

    // It is found by the name it was pulled as.
    let before = standin.calls().len();
    let question =
        ImageStatusRequest { image: Some(ImageSpec { image: OLD.into(), ..ImageSpec::default() }), verbose: false };
    caller.call(STATUS, grpc::frame(grpc::PLAIN, &question.encode_to_vec())).await.unwrap();
    assert_eq!(asked(&standin.calls()[before..]), [NEW]);
}

#[tokio::test]
async fn a_runtime_that_refuses_is_no_reason_to_fail_a_pull() {
    let (_standin, repoint, mut caller, _directory) = pair_with("containerd", "auto", |standin| {
        has_records(standin);
        standin.answers(CREATE, |_| Answer::refusal(Code::PermissionDenied, "read-only"));
    })
    .await;
    pull(&mut caller, OLD).await;
    assert!(repoint.log().contains("containerd refuses: read-only"), "{}", repoint.log());
    assert_eq!(repoint.records().pop().unwrap()["outcome"], "pulled");
}
