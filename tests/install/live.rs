//! A node that runs is tried before its kubelet is switched, and watched after.

use std::fs;
use std::sync::atomic::Ordering;

use tonic::Code;

use super::running::{LIST, Live, PULL, TARGET, live, live_before};
use crate::support::kubelet::Kubelet;
use crate::support::standin::Answer;
use crate::support::world::World;

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
