//! What is unclear is said, with file and line, and nothing is changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::eyes::everything;
use super::layouts::{CONTAINERD, OURS, at, named, put};
use super::{done, made, repoint};

/// Refused, with this said, and nothing changed.
fn refused(root: &Path, words: &[&str], expected: &str) {
    let before = everything(root);
    let output = repoint(words, root);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains(expected), "{expected}: {output:?}");
    super::same(expected, &everything(root), &before);
}

#[test]
fn what_contradicts_itself_or_is_in_the_way_is_named_by_file_and_line() {
    const DEBIAN: &str = "kubeadm 1.31 on Debian";
    const DROP_IN: &str = "/etc/repoint/repoint.d/00-install.toml";
    for (layout, path, text, expected) in [
        (
            DEBIAN,
            "/etc/repoint/repoint.toml",
            "\nruntime = \"unix:///run/crio/crio.sock\"\n",
            "/etc/repoint/repoint.toml:2: `runtime` is unix:///run/crio/crio.sock here",
        ),
        (DEBIAN, DROP_IN, "runtime = \"/x\"\n", "00-install.toml: repoint did not write this"),
        (
            DEBIAN,
            "/etc/default/kubelet",
            "A=1\nKUBELET_EXTRA_ARGS=\"--v\n",
            "/etc/default/kubelet:2: the value of KUBELET_EXTRA_ARGS has a \" that is not closed",
        ),
        (
            DEBIAN,
            "/etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/bin/k3s server\n",
            "more than one kubelet",
        ),
        (
            DEBIAN,
            "/etc/systemd/system/kubelet.service.d/50-x.conf",
            "[Service]\nExecStart=\nExecStart=/opt/wrap.sh\n",
            "50-x.conf:3: kubelet.service does not start the kubelet itself",
        ),
        (DEBIAN, "/var/lib/kubelet/config.yaml", "a: [\n", "/var/lib/kubelet/config.yaml:"),
        (DEBIAN, "/etc/os-release", "ID=bottlerocket\n", "bottlerocket is not supported: "),
        (DEBIAN, "/etc/os-release", "ID=\"rhcos\"\n", "--render machineconfig"),
        (
            DEBIAN,
            "/etc/systemd/system/k0sworker.service",
            "[Service]\nExecStart=/usr/bin/k0s worker\n",
            "k0s is not supported: ",
        ),
        (
            "k3s server",
            "/etc/rancher/k3s/config.yaml.d/99-z.yaml",
            "kubelet-arg:\n- image-service-endpoint=/run/z.sock\n",
            "99-z.yaml:2: what is said here of the image endpoint goes before",
        ),
        (
            "plain",
            "/etc/systemd/system/kubelet.service.d/zz.conf",
            "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet\n",
            "the kubelet would not see what repoint would write",
        ),
        ("EKS", "/etc/systemd/system/kubelet.service.d/99-repoint.conf", "[Service]\n", "repoint did not write this"),
        ("plain", "/var/lib/repoint/install.json", "{}", "install.json: this version does not understand the record"),
    ] {
        let (directory, _) = made(&named(layout));
        put(directory.path(), path, text);
        refused(directory.path(), &["install"], expected);
    }
}

#[test]
fn a_link_is_not_written_through_and_bytes_that_are_no_text_are_left_alone() {
    let (directory, _) = made(&named("kubeadm 1.31 on Debian"));
    let root = directory.path();
    fs::rename(at(root, "/etc/default/kubelet"), root.join("kept")).unwrap();
    symlink("/kept", at(root, "/etc/default/kubelet")).unwrap();
    refused(root, &["install"], "/etc/default/kubelet: this is a link");
    fs::remove_file(at(root, "/etc/default/kubelet")).unwrap();
    fs::write(at(root, "/etc/default/kubelet"), b"A=1\nKUBELET_EXTRA_ARGS=\xff\n").unwrap();
    refused(root, &["install"], "/etc/default/kubelet:2: this is not UTF-8");
}

#[test]
fn a_node_on_which_repoint_would_not_be_there_after_a_boot_is_not_wired() {
    let (directory, _) = made(&named("plain"));
    fs::remove_dir_all(at(directory.path(), "/etc/systemd/system/sockets.target.wants")).unwrap();
    refused(directory.path(), &["install"], "systemctl enable repoint.service");
}

#[test]
fn what_a_file_says_does_not_act_on_a_terminal() {
    let (directory, _) = made(&named("plain"));
    put(directory.path(), "/etc/systemd/system/kubelet.service", "[Service]\nExecStart=/bin/\u{1b}[2Jx\n");
    let output = repoint(&["install"], directory.path());
    assert!(output.stderr.contains("\\u{1b}[2Jx") && !output.stderr.contains('\u{1b}'), "{output:?}");
}

#[test]
fn who_pointed_the_kubelet_here_by_hand_takes_it_out_by_hand() {
    let layout = named("kubeadm 1.31 on Debian");
    let (directory, _) = made(&layout);
    let root = directory.path();
    put(root, layout.wired, &format!("KUBELET_EXTRA_ARGS=--image-service-endpoint={OURS}\n"));
    let before = everything(root);
    assert!(done(&["install"], root).contains("pointed to repoint already, by /etc/default/kubelet:1"));
    assert_eq!(super::told(root)["runtime"].as_str(), Some(CONTAINERD));
    refused(root, &["uninstall"], "/etc/default/kubelet:1: this points the kubelet to repoint");
    put(root, layout.wired, "KUBELET_EXTRA_ARGS=\n");
    done(&["uninstall"], root);
    assert_eq!(everything(root).len(), before.len());
}

#[test]
fn the_runtime_endpoint_is_refused_where_the_node_would_suffer() {
    let (directory, _) = made(&named("k3s server"));
    refused(directory.path(), &["install", "--endpoint", "both"], "k3s stops its own containerd");
    let (directory, _) = made(&named("kubeadm with CRI-O"));
    refused(directory.path(), &["install", "--endpoint", "both"], "run/crio/crio.sock");
    put(
        directory.path(),
        "/etc/systemd/system/repoint.socket.d/x.conf",
        "[Socket]\nListenStream=\nListenStream=/run/repoint/run/crio/crio.sock\n",
    );
    done(&["install", "--endpoint", "both"], directory.path());
    let text = fs::read_to_string(at(directory.path(), "/etc/sysconfig/kubelet")).unwrap();
    let ours = "unix:///run/repoint/run/crio/crio.sock";
    assert_eq!(
        text,
        format!("KUBELET_EXTRA_ARGS=--image-service-endpoint={ours} --container-runtime-endpoint={ours}\n")
    );
}
