//! What names images on a node: what is on it and runs there, and what its files say.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Output, run};
use crate::support::standin::{Answer, Standin};
use crate::support::world::{Image, World};

const LIST: &str = "/runtime.v1.ImageService/ListImages";
const CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";

const OLD: &str = "k8s.gcr.io/busybox:1";
const PAUSE: &str = "k8s.gcr.io/pause:3.9";

/// Where `image` is found, and what is to be done there.
fn places<'a>(said: &'a Value, image: &str) -> Vec<(&'a str, &'a str)> {
    let findings = said["findings"].as_array().unwrap().iter().filter(|finding| finding["image"] == image);
    findings.map(|finding| (finding["where"].as_str().unwrap(), finding["fix"].as_str().unwrap())).collect()
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn scan(root: &Path, runtime: Option<&Path>) -> (Output, Value) {
    let root = root.display().to_string();
    let mut words = vec!["scan", "node", "--format", "json", "--root", &root];
    let runtime = runtime.map(|runtime| runtime.display().to_string());
    words.extend(runtime.iter().flat_map(|runtime| ["--runtime", runtime]));
    // The machine's own rules are not the test's.
    let file = Path::new(&root).join("rules.toml").display().to_string();
    fs::write(&file, "").unwrap();
    words.extend(["--config", &file]);
    let output = run(&words, "");
    let said = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, said)
}

/// All that a kubeadm node's files may name.
fn files(root: &Path) {
    put(
        root,
        "/etc/systemd/system/kubelet.service",
        "[Service]\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n\
         ExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS\n",
    );
    put(root, "/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nstaticPodPath: /etc/pods\n");
    put(
        root,
        "/var/lib/kubelet/kubeadm-flags.env",
        "KUBELET_KUBEADM_ARGS=\"--pod-infra-container-image=k8s.gcr.io/pause:3.6\"\n",
    );
    put(
        root,
        "/etc/pods/etcd.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\n  namespace: kube-system\nspec:\n  containers:\n  - name: etcd\n    image: k8s.gcr.io/etcd:3.5\n",
    );
    put(root, "/etc/pods/.etcd.yaml.swp", "image: k8s.gcr.io/left-by-an-editor:1\n");
    put(
        root,
        "/etc/kubernetes/manifests/not.yaml",
        "kind: Pod\nspec: {containers: [{name: x, image: k8s.gcr.io/not-read:1}]}\n",
    );
    put(
        root,
        "/etc/containerd/config.toml",
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"k8s.gcr.io/pause:3.9\"\n",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_a_node_and_runs_there_is_told_with_its_pods() {
    let Some(world) = World::start_with_sandbox_image(PAUSE).await else { return };
    world.serve("k8s.gcr.io");
    let digest = world.push("busybox:1", &Image::busybox().label("of", "web")).await;
    world.push("short:1", &Image::busybox().entrypoint(["true"])).await;
    let kubelet = Kubelet::v1(&world.containerd_socket());
    for (name, image) in [("web", OLD), ("job", "k8s.gcr.io/short:1"), ("new", "registry.k8s.io/pause:3.9")] {
        let pod = world.pod("prod", name);
        let id = kubelet.run_pod(&pod).await.unwrap();
        kubelet.run_container(&id, &pod, image).await.unwrap();
        if name == "job" {
            // Again, as a kubelet does: a stop that meets a container just as it ends by itself may fail.
            let mut stopped = kubelet.stop_pod(&id).await;
            for _ in 0..100 {
                if stopped.is_ok() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                stopped = kubelet.stop_pod(&id).await;
            }
            stopped.unwrap();
        }
    }
    let root = world.path().join("node");
    files(&root);
    let (output, said) = scan(&root, Some(&world.containerd_socket()));
    assert_eq!((output.code, &said["unread"]), (Some(5), &Value::Array(vec![])), "{output:?}");
    let web = places(&said, OLD);
    assert!(web.iter().any(|(place, _)| place.starts_with("image on the node")), "{web:?}");
    let (_, fix) =
        web.iter().find(|(place, _)| place.ends_with(" of pod prod/web, running")).unwrap_or_else(|| panic!("{web:?}"));
    assert!(fix.contains("change what the pod is made of"), "{fix}");
    let job = places(&said, "k8s.gcr.io/short:1");
    assert!(job.iter().any(|(place, _)| place.ends_with(" of pod prod/job, exited")), "{job:?}");
    let pause = places(&said, PAUSE);
    for expected in [
        "sandbox of pod prod/web, running",
        "sandbox of pod prod/job, exited",
        "the runtime's sandbox image",
        "/etc/containerd/config.toml:3",
    ] {
        assert!(pause.iter().any(|(place, _)| *place == expected), "{expected}: {pause:?}");
    }
    assert!(said["findings"].as_array().unwrap().iter().all(|finding| finding["rule"] == "kubernetes"));
    let image =
        said["findings"].as_array().unwrap().iter().find(|one| one["image"] == OLD && one["owner"].is_null()).unwrap();
    assert_eq!((&image["digest"], &image["substitute"]), (&digest.into(), &"registry.k8s.io/busybox:1".into()));
    let container = said["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["owner"]["name"] == "web" && one["image"] == OLD)
        .unwrap();
    assert_eq!((&container["namespace"], &container["owner"]["kind"]), (&"prod".into(), &"Pod".into()));
    // By which of its names an image was asked for, this containerd does not say.
    let (_, fix) = pause.iter().find(|(place, _)| place.ends_with("prod/new, running")).unwrap();
    assert!(fix.contains("the runtime does not say by which of its names"), "{fix}");
    assert!(places(&said, "registry.k8s.io/pause:3.9").is_empty());
    world.stop();
}

#[test]
fn where_the_runtime_is_not_asked_or_does_not_answer_files_are_told_and_the_rest_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    files(root);
    let nobody = root.join("nobody.sock");
    for runtime in [None, Some(nobody.as_path())] {
        let (output, said) = scan(root, runtime);
        assert_eq!(output.code, Some(5), "{output:?}");
        let [(place, fix)] = places(&said, "k8s.gcr.io/etcd:3.5")[..] else { panic!("{said:#}") };
        assert_eq!((place, fix), ("/etc/pods/etcd.yaml:9:12", "write registry.k8s.io/etcd:3.5"));
        let [(place, fix)] = places(&said, "k8s.gcr.io/pause:3.6")[..] else { panic!("{said:#}") };
        assert_eq!(place, "/var/lib/kubelet/kubeadm-flags.env:1");
        assert!(
            fix.contains(
                "`--pod-infra-container-image` in /var/lib/kubelet/kubeadm-flags.env:1 to registry.k8s.io/pause:3.6"
            ),
            "{fix}"
        );
        let [(place, fix)] = places(&said, PAUSE)[..] else { panic!("{said:#}") };
        assert_eq!(place, "/etc/containerd/config.toml:3");
        assert!(fix.contains("`systemctl restart containerd`"), "{fix}");
        assert_eq!(said["findings"].as_array().unwrap().len(), 3, "{said:#}");
        let [unread] = &said["unread"].as_array().unwrap()[..] else { panic!("{said:#}") };
        assert_eq!(unread["where"], "the runtime's images, containers and sandboxes");
    }
}

#[test]
fn a_node_on_which_nothing_is_found_and_something_is_unread_is_not_clean() {
    let directory = tempfile::tempdir().unwrap();
    files(directory.path());
    for (path, text) in [
        ("etc/pods/etcd.yaml", "kind: Pod\n"),
        ("etc/containerd/config.toml", ""),
        ("var/lib/kubelet/kubeadm-flags.env", ""),
    ] {
        fs::write(directory.path().join(path), text).unwrap();
    }
    let (output, _) = scan(directory.path(), None);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("--runtime"), "{output:?}");
    // A file that can't be understood is unread, and so is a kubelet.
    fs::write(directory.path().join("etc/containerd/config.toml"), "a =\n").unwrap();
    fs::write(directory.path().join("etc/systemd/system/kubelet.service"), "[Service]\nExecStart=/opt/start\n")
        .unwrap();
    let (_, said) = scan(directory.path(), None);
    let unread: Vec<_> =
        said["unread"].as_array().unwrap().iter().map(|unread| unread["where"].as_str().unwrap()).collect();
    assert_eq!(unread.len(), 3, "{unread:?}");
    assert!(
        unread.contains(&"the sandbox image") && unread.contains(&"the kubelet's endpoints, flags and static pods"),
        "{unread:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_hangs_or_says_terrible_things_takes_away_what_it_does_not_tell_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    files(root);
    let runtime = root.join("c.sock");
    let standin = Standin::start(&runtime);
    standin.answers(CONTAINERS, |_| Answer::silence());
    let hostile = repoint::cri::v1::Image {
        repo_tags: vec!["k8s.gcr.io/\u{1b}[2J:1".to_owned(), OLD.to_owned()],
        ..Default::default()
    };
    let images = repoint::cri::v1::ListImagesResponse { images: vec![hostile] };
    standin.answers(LIST, move |_| Answer::message(&images));
    let (root, runtime) = (root.to_owned(), runtime.clone());
    let (output, said) = tokio::task::spawn_blocking(move || scan(&root, Some(&runtime))).await.unwrap();
    assert_eq!(places(&said, OLD).len(), 1, "{said:#}");
    assert_eq!(places(&said, "k8s.gcr.io/etcd:3.5").len(), 1);
    let unread: Vec<_> =
        said["unread"].as_array().unwrap().iter().map(|unread| unread["where"].as_str().unwrap()).collect();
    assert!(unread.contains(&"the runtime's containers"), "{unread:?}");
    let acts = |text: &str| text.chars().any(|one| one.is_control() && one != '\n');
    assert!(!acts(&output.stdout) && !acts(&output.stderr), "{output:?}");
}

#[test]
fn what_k3s_and_rke2_are_told_is_searched_where_no_kubelet_is_seen_as_well() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "/etc/rancher/k3s/config.yaml", "token: x\npause-image: \"k8s.gcr.io/pause:3.6\"\n");
    put(
        root.path(),
        "/etc/rancher/rke2/config.yaml.d/10.yaml",
        "kubelet-arg:\n- pod-infra-container-image=k8s.gcr.io/pause:3.6\n# k8s.gcr.io/pause:3.6\n",
    );
    let (_, said) = scan(root.path(), None);
    let found: Vec<_> = places(&said, "k8s.gcr.io/pause:3.6").into_iter().map(|(place, _)| place).collect();
    assert_eq!(found, ["/etc/rancher/k3s/config.yaml:2:15", "/etc/rancher/rke2/config.yaml.d/10.yaml:2:29"], "{said}");
}
