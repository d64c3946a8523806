//! The main job, on a real node: containerd cannot reach the old registry, and repoint is in front of it.

use prost::Message;
use repoint::cri::v1::{
    AuthConfig, ContainerConfig, ContainerMetadata, ContainerState, ImageSpec, PullImageRequest, PullImageResponse,
};
use serde_json::json;
use tokio::net::UnixStream;
use tonic::Code;

use crate::support::http2::{Authority, Client};
use crate::support::kubelet::Kubelet;
use crate::support::repoint::Repoint;
use crate::support::world::{Image, World};

const OLD: &str = "k8s.gcr.io/busybox:1";
const NEW: &str = "registry.k8s.io/busybox:1";

/// A node with an image in its registry, and repoint in front of its runtime.
async fn node() -> Option<(World, Repoint)> {
    node_that_keeps("auto").await
}

/// One whose images get their old names, or do not, as on a runtime that can't give them.
async fn node_that_keeps(names: &str) -> Option<(World, Repoint)> {
    let world = World::start().await?;
    world.push("busybox:1", &Image::busybox().user("65534")).await;
    let setup = Repoint::before(&world.containerd_socket(), world.path());
    let repoint = setup.settings(&format!("keep_original_name = {names:?}")).start().await;
    Some((world, repoint))
}

/// What a pod's start on this node comes to, in both versions of the API.
fn kubelets(repoint: &Repoint) -> [(&'static str, Kubelet); 2] {
    [("v1", Kubelet::v1(&repoint.socket())), ("v1alpha2", Kubelet::v1alpha2(&repoint.socket()))]
}

#[tokio::test]
async fn a_pull_from_the_old_registry_comes_from_the_new_one_and_is_recorded() {
    let Some((world, repoint)) = node().await else { return };
    let direct = Kubelet::v1(&world.containerd_socket());
    direct.pull(OLD).await.unwrap_err();

    for (number, (api, kubelet)) in kubelets(&repoint).into_iter().enumerate() {
        let pod = world.pod("prod", "web");
        let secret = AuthConfig { username: "_json_key".into(), password: "hunter2".into(), ..AuthConfig::default() };
        let id = kubelet.pull_for(OLD, Some(secret), Some(&pod)).await.unwrap();
        assert_eq!(direct.image_status(NEW).await.unwrap().unwrap().id, id);

        // The record was there before the answer.
        let records = repoint.records();
        assert_eq!(records.len(), number + 1);
        let record = records.last().unwrap();
        assert_eq!(record["pod"], json!({"namespace": "prod", "name": "web", "uid": "uid-of-web"}));
        for (key, value) in [
            ("event", "substituted"),
            ("outcome", "pulled"),
            ("node", "node-1"),
            ("rule", "kubernetes"),
            ("image", OLD),
            ("substitute", NEW),
            ("api", api),
            ("image_ref", id.as_str()),
        ] {
            assert_eq!(record[key], value, "{key} of {record}");
        }
        assert_eq!(record["status"], json!({"code": 0, "message": ""}));
        assert!(!record.to_string().contains("hunter2") && !repoint.log().contains("hunter2"));
        kubelet.remove_image(&id).await.unwrap();
    }
    assert!(repoint.log().contains("Substituted a pull"));
    world.stop();
}

#[tokio::test]
async fn every_kubelet_since_1_20_can_pull_whatever_it_sends_as_authority() {
    let Some((world, repoint)) = node().await else { return };
    let direct = Kubelet::v1(&world.containerd_socket());
    let image = Some(ImageSpec { image: OLD.to_owned(), ..ImageSpec::default() });
    let request = PullImageRequest { image, ..PullImageRequest::default() }.encode_to_vec();
    // All of them on one connection, and each first on one of its own.
    let mut shared = Client::connect(UnixStream::connect(repoint.socket()).await.unwrap()).await.unwrap();
    for authority in
        [Authority::Localhost, Authority::RawPath, Authority::PercentEncoded, Authority::Empty, Authority::Absent]
    {
        for version in ["v1", "v1alpha2"] {
            let path = format!("/runtime.{version}.ImageService/PullImage");
            let own = Client::connect(UnixStream::connect(repoint.socket()).await.unwrap()).await.unwrap();
            for client in [&mut { own }, &mut shared] {
                let answer = client.call(&path, authority, &request).await;
                let [message] = answer.messages()[..] else { panic!("{authority:?}, {version}: {answer:?}") };
                let id = PullImageResponse::decode(message).unwrap().image_ref;
                assert_eq!(direct.image_status(NEW).await.unwrap().unwrap().id, id);
                direct.remove_image(&id).await.unwrap();
            }
        }
    }
    assert_eq!(repoint.records().len(), 20);
    world.stop();
}

#[tokio::test]
async fn a_pull_that_fails_says_what_the_runtime_said_and_is_recorded() {
    let Some((world, repoint)) = node().await else { return };
    let kubelet = Kubelet::v1(&repoint.socket());
    let direct = Kubelet::v1(&world.containerd_socket());
    let expected = direct.pull("registry.k8s.io/nothing:1").await.unwrap_err();
    let refused = kubelet.pull("k8s.gcr.io/nothing:1").await.unwrap_err();
    assert_eq!(refused.code(), expected.code());
    assert_eq!(
        refused.message(),
        format!(
            "{} (repoint, rule kubernetes: instead of k8s.gcr.io/nothing:1 asked registry.k8s.io/nothing:1)",
            expected.message()
        )
    );
    let record = repoint.records().pop().unwrap();
    assert_eq!(record["event"], "failed");
    assert_eq!(record["status"], json!({"code": i32::from(expected.code()), "message": expected.message()}));
    assert_eq!(record["pod"], json!(null));
    world.stop();
}

#[tokio::test]
async fn what_no_rule_matches_is_pulled_as_asked_and_not_recorded() {
    let Some((world, repoint)) = node().await else { return };
    let kubelet = Kubelet::v1(&repoint.socket());
    let id = kubelet.pull(NEW).await.unwrap();
    assert_eq!(kubelet.image_status(NEW).await.unwrap().unwrap().id, id);
    let elsewhere = kubelet.pull("harbor.example/k8s.gcr.io/busybox:1").await.unwrap_err();
    assert!(elsewhere.message().contains("harbor.example/k8s.gcr.io/busybox:1"), "{elsewhere}");
    assert!(repoint.records().is_empty());
    world.stop();
}

#[tokio::test]
async fn an_image_is_found_by_its_old_name_wherever_it_came_from() {
    for keep in ["auto", "never"] {
        let Some((world, repoint)) = node_that_keeps(keep).await else { return };
        is_found_by_its_old_name(&world, &repoint).await;
        world.stop();
    }
}

async fn is_found_by_its_old_name(world: &World, repoint: &Repoint) {
    let direct = Kubelet::v1(&world.containerd_socket());
    for (api, kubelet) in kubelets(repoint) {
        // Under neither name.
        assert_eq!(kubelet.image_status(OLD).await.unwrap(), None, "{api}");

        // Under the old name alone: somebody put it there before.
        world.serve("k8s.gcr.io");
        world.push("busybox:1", &Image::busybox().user("1000").label("build", "old")).await;
        let old = direct.pull(OLD).await.unwrap();
        world.cut_off("k8s.gcr.io");
        let found = kubelet.image_status(OLD).await.unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.uid.unwrap().value), (old.as_str(), 1000), "{api}");

        // Under both, with different content: what a pull gives is what counts.
        world.push("busybox:1", &Image::busybox().user("65534").label("build", "new")).await;
        let new = kubelet.pull(OLD).await.unwrap();
        assert_ne!(old, new);
        let found = kubelet.image_status(OLD).await.unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.uid.unwrap().value), (new.as_str(), 65534), "{api}");

        // What had the old name before is gone, and the name with it where it was not moved.
        direct.remove_image(&old).await.unwrap();
        let found = kubelet.image_status(OLD).await.unwrap().unwrap();
        assert_eq!(found.id, new, "{api}");

        // By the old name one removes what one was shown under it.
        kubelet.remove_image(OLD).await.unwrap();
        assert_eq!(direct.list_images(None).await.unwrap().iter().filter(|image| image.id == new).count(), 0);
        assert_eq!(kubelet.image_status(OLD).await.unwrap(), None, "{api}");
    }
}

#[tokio::test]
async fn an_image_without_a_tag_is_found_as_the_pod_names_it() {
    let Some((world, repoint)) = node().await else { return };
    world.push("busybox:latest", &Image::busybox().user("65534")).await;
    let kubelet = Kubelet::v1(&repoint.socket());
    // The kubelet adds the tag to what it pulls, and not to what it asks for the user of.
    let id = kubelet.pull("k8s.gcr.io/busybox:latest").await.unwrap();
    let found = kubelet.image_status("k8s.gcr.io/busybox").await.unwrap().unwrap();
    assert_eq!((found.id, found.uid.unwrap().value), (id, 65534));
    world.stop();
}

#[tokio::test]
async fn a_digest_is_pulled_by_that_digest() {
    for keep in ["auto", "never"] {
        let Some((world, repoint)) = node_that_keeps(keep).await else { return };
        let digest = world.push("pinned:1", &Image::busybox().label("build", "pinned")).await;
        let kubelet = Kubelet::v1(&repoint.socket());
        let asked = format!("k8s.gcr.io/pinned:1@{digest}");
        let id = kubelet.pull(&asked).await.unwrap();
        let mut found = kubelet.image_status(&asked).await.unwrap().unwrap();
        assert_eq!(found.id, id);
        found.repo_digests.sort();
        let old = (keep == "auto").then(|| format!("k8s.gcr.io/pinned@{digest}"));
        let new = format!("registry.k8s.io/pinned@{digest}");
        assert_eq!(found.repo_digests, old.into_iter().chain([new]).collect::<Vec<_>>());
        // As directly, a tag beside a digest is no name.
        assert_eq!(found.repo_tags, [""; 0]);
        world.stop();
    }
}

#[tokio::test]
async fn a_pod_that_names_the_old_registry_runs_as_the_user_of_its_image() {
    let Some((world, repoint)) = node().await else { return };
    let kubelet = Kubelet::v1(&repoint.socket());
    let pod = world.pod("prod", "web");
    let pod_id = kubelet.run_pod(&pod).await.unwrap();
    let container = kubelet.run_container(&pod_id, &pod, OLD).await.unwrap();
    assert_eq!(kubelet.exec(&container, ["id", "-u"]).await.unwrap().trim(), "65534");
    let status = kubelet.container_status(&container).await.unwrap();
    assert_eq!(status.state(), ContainerState::ContainerRunning);
    kubelet.stop_container(&container).await.unwrap();
    kubelet.remove_container(&container).await.unwrap();
    kubelet.stop_pod(&pod_id).await.unwrap();
    kubelet.remove_pod(&pod_id).await.unwrap();
    world.stop();
}

#[tokio::test]
async fn a_container_is_created_by_the_old_name_of_an_image_that_has_only_the_new_one() {
    let Some((world, repoint)) = node_that_keeps("never").await else { return };
    for (number, (api, kubelet)) in kubelets(&repoint).into_iter().enumerate() {
        let pod = world.pod("default", &format!("by-name-{number}"));
        let pod_id = kubelet.run_pod(&pod).await.unwrap();
        let config = |name: &str| ContainerConfig {
            metadata: Some(ContainerMetadata { name: name.to_owned(), attempt: 0 }),
            image: Some(ImageSpec { image: OLD.to_owned(), ..ImageSpec::default() }),
            log_path: format!("{name}.log"),
            ..ContainerConfig::default()
        };
        let absent = kubelet.create_container(&pod_id, &pod, config("early")).await.unwrap_err();
        assert!(absent.code() != Code::Unavailable && absent.message().contains(OLD), "{api}: {absent}");

        let id = kubelet.pull(OLD).await.unwrap();
        let container = kubelet.create_container(&pod_id, &pod, config("main")).await.unwrap();
        kubelet.start_container(&container).await.unwrap();
        kubelet.stop_container(&container).await.unwrap();
        kubelet.remove_container(&container).await.unwrap();
        kubelet.stop_pod(&pod_id).await.unwrap();
        kubelet.remove_pod(&pod_id).await.unwrap();
        kubelet.remove_image(&id).await.unwrap();
    }
    world.stop();
}

#[tokio::test]
async fn an_image_id_is_never_touched() {
    let Some((world, repoint)) = node().await else { return };
    let kubelet = Kubelet::v1(&repoint.socket());
    let id = kubelet.pull(OLD).await.unwrap();
    assert_eq!(kubelet.image_status(&id).await.unwrap().unwrap().id, id);
    assert!(!kubelet.list_images(Some(OLD)).await.unwrap().is_empty());
    kubelet.remove_image(&id).await.unwrap();
    assert_eq!(kubelet.image_status(&id).await.unwrap(), None);
    world.stop();
}

#[tokio::test]
async fn a_restart_of_containerd_is_waited_for_on_the_same_connection() {
    let Some((mut world, repoint)) = node().await else { return };
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.pull(OLD).await.unwrap();
    world.restart_containerd().await;
    assert!(kubelet.image_status(OLD).await.unwrap().is_some());
    world.kill_containerd().await;
    let asking = {
        let kubelet = kubelet.clone();
        async move { kubelet.version().await }
    };
    // Asked while nobody is there, and answered by the one that comes. In its first moments, before it knows its
    // containers again, containerd's answer is this refusal: it is its own, and nobody else's to mend.
    let (answer, ()) = tokio::join!(asking, world.start_containerd());
    match answer {
        Ok(version) => assert_eq!(version.runtime_name, "containerd"),
        Err(status) => assert_eq!((status.code(), status.message()), (Code::Unknown, "server is not initialized yet")),
    }
    assert!(kubelet.image_status(OLD).await.unwrap().is_some());
    world.stop();
}
