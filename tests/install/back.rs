//! The ways back of a node that runs: asked for, or because something failed, or after a process was killed.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tonic::Code;

use super::layouts::{OURS, at, put};
use super::running::{CONTAINERS, LIMIT, PULL, live, node};
use super::{JOURNAL, same, told};
use crate::support::standin::{Answer, User};

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
async fn an_installation_that_fails_on_a_wired_node_leaves_it_wired() {
    let Some(node) = live("plain").await else { return };
    node.done(&["install"]).await;
    // What an upgrade does: the drop-in repeats the command of a unit that is another one now.
    let unit = at(node.root(), "/etc/systemd/system/kubelet.service");
    fs::write(&unit, fs::read_to_string(&unit).unwrap().replace("/kubelet ", "/kubelet --v=7 ")).unwrap();
    let wired = self::node(node.root());
    node.told();
    node.standin().answers(PULL, |_| Answer::refusal(Code::Unknown, "dial tcp: connection refused"));
    let output = node.run(&["install"]).await;
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("with the kubelet pointed to repoint"), "{output:?}");
    same("plain", &self::node(node.root()), &wired);
    assert_eq!(node.told(), ["try-restart repoint.service"], "the kubelet was not in question");
    // The same where the kubelet was switched already.
    node.calls.store(false, Ordering::Relaxed);
    let output = node.run(&["install", "--skip-pull", "--wait", "8s"]).await;
    assert!(output.stderr.contains("it has not called repoint"), "{output:?}");
    same("plain", &self::node(node.root()), &wired);
    let kubelet = node.told().iter().filter(|call| *call == "restart --no-block kubelet.service").count();
    assert_eq!(kubelet, 2, "there and back");
    node.calls.store(true, Ordering::Relaxed);
    node.done(&["install", "--skip-pull"]).await;
    let drop_in = at(node.root(), "/etc/systemd/system/kubelet.service.d/99-repoint.conf");
    assert!(fs::read_to_string(drop_in).unwrap().contains("--v=7"));
    node.done(&["uninstall"]).await;
    assert_eq!((node.layout.endpoint)(node.root()), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_killed_and_is_then_undone_starts_the_kubelet_anew() {
    let Some(node) = live("plain").await else { return };
    fs::write(node.root().join("bin/die"), "restart --no-block kubelet.service").unwrap();
    assert_eq!(node.run(&["install"]).await.code, None);
    node.told();
    node.standin().answers(PULL, |_| Answer::refusal(Code::Unknown, "dial tcp: connection refused"));
    let output = node.run(&["install"]).await;
    assert!(output.stderr.contains("everything is as it was"), "{output:?}");
    assert!(node.told().contains(&"restart --no-block kubelet.service".to_owned()), "it may run with our flag");
    node.is_as_it_was();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_was_baked_is_led_back_like_any_node_once_it_runs() {
    let Some(node) = live("kubeadm 1.31 on Debian").await else { return };
    let root = node.root();
    let units = ["etc/systemd/system/kubelet.service", "etc/systemd/system/kubelet.service.d"];
    let aside = |name: &str| root.join("bin").join(Path::new(name).file_name().unwrap());
    for name in units {
        fs::rename(root.join(name), aside(name)).unwrap();
    }
    put(root, "/etc/debian_version", "12\n");
    node.done(&["install", "--bake", "--kind", "kubeadm"]).await;
    fs::remove_file(root.join("etc/debian_version")).unwrap();
    for name in units {
        fs::rename(aside(name), root.join(name)).unwrap();
    }
    assert_eq!((node.layout.endpoint)(root).as_deref(), Some(OURS));
    assert!(node.told().is_empty());
    node.done(&["uninstall"]).await;
    assert_eq!(node.told(), ["restart --no-block kubelet.service", "try-restart repoint.service"]);
    node.is_as_it_was();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kubelet_that_somebody_stopped_or_removed_is_not_started_by_the_way_back() {
    let Some(node) = live("plain").await else { return };
    for is_removed in [false, true] {
        node.done(&["install"]).await;
        node.told();
        fs::write(node.root().join("bin/active"), "inactive").unwrap();
        fs::write(node.root().join("bin/pid"), "0").unwrap();
        let unit = at(node.root(), "/etc/systemd/system/kubelet.service");
        let aside = node.root().join("bin/unit");
        if is_removed {
            fs::rename(&unit, &aside).unwrap();
        }
        let said = node.done(&["uninstall"]).await;
        assert!(said.contains("the kubelet is stopped, and was not started"), "{said}");
        assert_eq!(node.told(), ["daemon-reload", "try-restart repoint.service"]);
        if is_removed {
            fs::rename(&aside, &unit).unwrap();
        }
        fs::write(node.root().join("bin/active"), "active").unwrap();
        fs::write(node.root().join("bin/pid"), "200").unwrap();
        node.is_as_it_was();
    }
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
