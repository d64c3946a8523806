//! Nodes that are not there yet: images, and what tools are given that make nodes.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::eyes::everything;
use super::layouts::{OURS, at, named, put};
use super::{done, made, same};
use crate::support::repoint::{program, run};
use crate::support::world::Missing;

#[test]
fn an_image_whose_kubelet_is_configured_at_boot_is_wired_before_that() {
    for (name, generated) in [
        ("kubeadm 1.28 with RPM", "/var/lib/kubelet"),
        ("EKS", "/etc/kubernetes"),
        ("EKS with SOCI", "/etc/eks"),
        ("k3s server", "/etc/rancher"),
    ] {
        let layout = named(name);
        let (directory, _) = made(&layout);
        let root = directory.path();
        fs::remove_dir_all(at(root, generated)).unwrap();
        let before = everything(root);
        done(&["install", "--bake"], root);
        (layout.regenerate)(root);
        assert_eq!((layout.endpoint)(root).as_deref(), Some(OURS), "{name}");
        let (other, _) = made(&layout);
        fs::remove_dir_all(at(other.path(), generated)).unwrap();
        same(name, &everything(other.path()), &before);
        (layout.regenerate)(other.path());
        done(&["uninstall"], root);
        same(name, &everything(root), &everything(other.path()));
    }
}

#[test]
fn an_image_without_any_kubelet_is_wired_for_the_one_that_is_said_to_come() {
    let (directory, _) = made(&named("plain"));
    let root = directory.path();
    fs::remove_file(at(root, "/etc/systemd/system/kubelet.service")).unwrap();
    put(root, "/etc/debian_version", "12\n");
    let before = everything(root);
    let refused = run(&["install", "--bake", "--root", root.to_str().unwrap()], "");
    assert!(refused.stderr.contains("--bake --kind"), "{refused:?}");
    for (kind, file, expected) in [
        ("kubeadm", "/etc/default/kubelet", format!("KUBELET_EXTRA_ARGS=--image-service-endpoint={OURS}\n")),
        (
            "k3s",
            "/etc/rancher/k3s/config.yaml.d/99-repoint.yaml",
            format!("kubelet-arg+:\n- \"image-service-endpoint={OURS}\"\n"),
        ),
        (
            "rke2",
            "/etc/rancher/rke2/config.yaml.d/99-repoint.yaml",
            format!("kubelet-arg+:\n- \"image-service-endpoint={OURS}\"\n"),
        ),
    ] {
        let said = done(&["install", "--bake", "--kind", kind], root);
        assert!(fs::read_to_string(at(root, file)).unwrap().ends_with(&expected), "{kind}");
        assert_eq!(said.contains("--force-confold"), kind == "kubeadm", "{said}");
        done(&["uninstall"], root);
        same(kind, &everything(root), &before);
    }
}

#[test]
fn what_was_baked_in_one_layer_of_an_image_is_taken_out_in_the_next() {
    if let Err(missing) = Missing::privilege() {
        return missing.skip("no layers");
    }
    let (directory, before) = made(&named("k3s server"));
    let lower = directory.path();
    done(&["install", "--bake"], lower);
    // Layers are of a file system that is not one of layers itself.
    let script = "mount --make-rprivate / && mount -t tmpfs tmpfs $1 && mkdir $1/upper $1/work $1/both && \
                  mount -t overlay overlay -o lowerdir=$2,upperdir=$1/upper,workdir=$1/work $1/both && \
                  $3 uninstall --root $1/both && cp -a $1/both $4/both";
    let (place, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut uninstall = Command::new("unshare");
    uninstall.args(["--mount", "sh", "-c", script, "sh"]).args([place.path(), lower]).arg(program()).arg(after.path());
    let output = uninstall.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}", said.lines().next().unwrap_or_default());
    same("k3s server", &everything(&after.path().join("both")), &before);
}

#[test]
fn a_kind_that_is_not_the_one_that_is_there_is_a_mistake() {
    let (directory, before) = made(&named("plain"));
    let root = directory.path();
    let refused = run(&["install", "--bake", "--kind", "k3s", "--root", root.to_str().unwrap()], "");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("--kind says that k3s will come, and kubelet.service is there"), "{refused:?}");
    same("plain", &everything(root), &before);
}

/// The documents of a fragment.
fn rendered(tool: &str) -> Vec<Value> {
    let output = run(&["install", "--render", tool], "");
    assert_eq!(output.code, Some(0), "{output:?}");
    serde_saphyr::from_multiple(&output.stdout).unwrap()
}

#[test]
fn fragments_say_it_in_the_words_of_the_tool_they_are_for() {
    assert_eq!(rendered("nodeadm")[0]["spec"]["kubelet"]["config"]["imageServiceEndpoint"], OURS);
    let kubeadm = &rendered("kubeadm")[0]["nodeRegistration"]["kubeletExtraArgs"][0];
    assert_eq!((&kubeadm["name"], &kubeadm["value"]), (&"image-service-endpoint".into(), &OURS.into()));
    let machine = rendered("machineconfig");
    assert_eq!(machine[0]["spec"]["kubeletConfig"]["imageServiceEndpoint"], OURS);
    assert_eq!(machine[1]["spec"]["config"]["systemd"]["units"][0]["enabled"], true);
    assert_eq!(rendered("k3s")[0]["kubelet-arg+"][0], format!("image-service-endpoint={OURS}"));
    assert_eq!(rendered("cloud-init")[0]["runcmd"][1][0], "repoint");
}

#[test]
fn what_a_fragment_for_k3s_says_is_what_an_installation_writes() {
    let (directory, _) = made(&named("k3s server"));
    done(&["install"], directory.path());
    let written = fs::read_to_string(at(directory.path(), "/etc/rancher/k3s/config.yaml.d/99-repoint.yaml")).unwrap();
    let written: Value = serde_saphyr::from_str(&written).unwrap();
    assert_eq!(rendered("k3s"), [written]);
}

#[test]
fn who_is_not_supported_is_told_why() {
    for tool in ["bottlerocket", "talos", "k0s", "microk8s"] {
        let output = run(&["install", "--render", tool], "");
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(
            output.stderr.contains(&format!("{tool} is not supported: ")) && output.stdout.is_empty(),
            "{output:?}"
        );
    }
}
