//! Before a runtime that does as it is told, and what a real one can't be made to do.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use repoint::cri::v1;
use serde_json::Value;
use tonic::Code;

use super::node::before_a_standin;
use crate::support::standin::{Answer, Standin};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const LIST: &str = "/runtime.v1.ImageService/ListImages";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const REMOVE: &str = "/runtime.v1.ImageService/RemoveImage";
const CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";
const PAUSE: &str = "m.example/pause:3.9";

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
