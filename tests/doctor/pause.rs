//! Which image pods are made with, and whose word on that holds, by the files of a node.

use super::files::{CONTAINERD, CRIO, KUBEADM_FLAGS, are_found, examined, left_over, node};

#[test]
fn an_old_name_of_the_pause_image_is_told_with_the_line_that_holds() {
    let left_over = left_over();
    let crio = [("/etc/crio/crio.conf.d/10-p", "# x\n[crio.image]\npause_image = \"k8s.gcr.io/pause:3.6\"\n")];
    let crio = [CRIO, &crio].concat();
    let reject = "{\"default\": [{\"type\": \"reject\"}]}";
    are_found(&[
        // The pause image, wherever it is said.
        (
            &[(
                CONTAINERD,
                "version = 3\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 'k8s.gcr.io/pause:3.9'\n",
            )],
            "images.sandbox",
            "warning",
            "pods are made with k8s.gcr.io/pause:3.9",
            "in /etc/containerd/config.toml:3 (`sandbox_image`, or `sandbox`) to registry.k8s.io/pause:3.9, then `systemctl restart containerd`",
            "/etc/containerd/config.toml:3",
        ),
        (
            &[
                (CONTAINERD, "imports = [\"conf.d/*.toml\"]\n"),
                ("/etc/containerd/conf.d/9.toml", "[plugins.cri]\nsandbox_image = \"k8s.gcr.io/pause:3.1\"\n"),
            ],
            "images.sandbox",
            "warning",
            "k8s.gcr.io/pause:3.1",
            "/etc/containerd/conf.d/9.toml:2",
            "/etc/containerd/conf.d/9.toml:2",
        ),
        (
            &[
                (CONTAINERD, "[plugins.cri]\nsandbox_image = \"k8s.gcr.io/pause:3.9\"\n"),
                ("/etc/repoint/repoint.toml", "keep_original_name = \"never\"\n"),
            ],
            "images.sandbox",
            "failure",
            "no pod starts",
            "/etc/containerd/config.toml:2",
            "/etc/containerd/config.toml:2",
        ),
        (
            &crio,
            "images.sandbox",
            "failure",
            "k8s.gcr.io/pause:3.6",
            "/etc/crio/crio.conf.d/10-p:3 (`pause_image`)",
            "/etc/crio/crio.conf.d/10-p:3",
        ),
        (
            &[(KUBEADM_FLAGS, "KUBELET_KUBEADM_ARGS=\"--pod-infra-container-image=k8s.gcr.io/pause:3.9\"\n")],
            "images.sandbox",
            "warning",
            "the kubelet is told to keep k8s.gcr.io/pause:3.9",
            "`--pod-infra-container-image` in /var/lib/kubelet/kubeadm-flags.env:1",
            "/var/lib/kubelet/kubeadm-flags.env:1",
        ),
        (
            &[
                (
                    "/etc/systemd/system/cri-docker.service",
                    "[Service]\nExecStart=/usr/bin/cri-dockerd --pod-infra-container-image=k8s.gcr.io/pause:3.9\n",
                ),
                (
                    "/var/lib/kubelet/config.yaml",
                    "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n",
                ),
            ],
            "images.sandbox",
            "failure",
            "pods are made with k8s.gcr.io/pause:3.9",
            "/etc/systemd/system/cri-docker.service:2",
            "/etc/systemd/system/cri-docker.service:2",
        ),
        // What an upgrade left behind says nothing.
        (
            &[(
                CONTAINERD,
                "version = 3\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 'registry.k8s.io/pause:3.10'\n\
                 [plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"k8s.gcr.io/pause:3.9\"\n",
            )],
            "images.sandbox",
            "ok",
            "registry.k8s.io/pause:3.10",
            "",
            "/etc/containerd/config.toml:3",
        ),
        (
            &[
                (CONTAINERD, "version = 2\nimports = [\"/etc/containerd/*.d/[0-9]-*.toml\"]\n"),
                ("/etc/containerd/x.d/1-pause.toml", "imports = [\"../deep.toml\"]\n"),
                (
                    "/etc/containerd/deep.toml",
                    "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"k8s.gcr.io/pause:3.8\"\n",
                ),
            ],
            "images.sandbox",
            "warning",
            "pods are made with k8s.gcr.io/pause:3.8",
            "/etc/containerd/deep.toml:2",
            "/etc/containerd/deep.toml:2",
        ),
        // What a runtime left behind that is not this node's says nothing.
        (
            &left_over,
            "images.sandbox",
            "ok",
            "pods are made with registry.k8s.io/pause:3.9",
            "",
            "/etc/crio/crio.conf:2",
        ),
        (
            &left_over,
            "images.sandbox",
            "note",
            "containerd, which is not this node's runtime",
            "",
            "/etc/containerd/config.toml:2",
        ),
        (&left_over, "containerd.hosts", "skipped", "the runtime is not containerd", "", ""),
        (
            &[("/etc/crio/crio.conf", "[crio.image]\n"), ("/etc/containers/policy.json", reject)],
            "crio.signatures",
            "skipped",
            "the runtime is not CRI-O",
            "",
            "",
        ),
        (&[("/etc/crio/crio.conf", "[crio\n")], "images.sandbox", "note", "/etc/crio/crio.conf:1", "", ""),
    ]);
}

#[test]
fn a_runtime_that_is_left_over_is_no_place_to_change_what_holds() {
    let image = "k8s.gcr.io/pause:3.6";
    let crio = format!("[crio.image]\npause_image = {image:?}\n");
    let containerd = format!("[plugins.cri]\nsandbox_image = {image:?}\n");
    let directory = node(&[CRIO, &[("/etc/crio/crio.conf", &crio), (CONTAINERD, &containerd)]].concat());
    let (_, said) = examined(directory.path());
    let check = said.has("images.sandbox", "failure", "pods are made with", "`systemctl reload crio`");
    assert_eq!(check["places"], serde_json::json!(["/etc/crio/crio.conf:2"]));
    assert!(!check["remedy"].as_str().unwrap().contains("containerd"), "{check}");
    said.has("images.sandbox", "note", "containerd, which is not this node's runtime", CONTAINERD);
}
