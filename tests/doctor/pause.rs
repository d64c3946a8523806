//! Which image pods are made with, and whose word on that holds, by the files of a node.

use super::files::{CONTAINERD, CRIO, K3S, KUBEADM_FLAGS, are_found, examined, left_over, node};

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

#[test]
fn a_word_in_a_unit_is_read_anew_and_the_unit_that_has_it_is_started_anew() {
    let flag = "--pod-infra-container-image=k8s.gcr.io/pause:3.9";
    let docker = format!("[Service]\nExecStart=/usr/bin/cri-dockerd {flag}\n");
    let docker_s =
        ("/var/lib/kubelet/config.yaml", "kind: X\ncontainerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n");
    let k3s = "[Service]\nExecStart=/usr/local/bin/k3s agent --pause-image k8s.gcr.io/pause:3.9\n";
    let argument = format!("kubelet-arg:\n- {}\n", &flag[2..]);
    for (files, remedy) in [
        (
            vec![(
                "/etc/systemd/system/kubelet.service.d/9.conf",
                format!("[Service]\nEnvironment=KUBELET_KUBEADM_ARGS={flag}\n"),
            )],
            "in /etc/systemd/system/kubelet.service.d/9.conf:2 to registry.k8s.io/pause:3.9, then `systemctl daemon-reload` and `systemctl restart kubelet`",
        ),
        (
            vec![(KUBEADM_FLAGS, format!("KUBELET_KUBEADM_ARGS={flag}\n"))],
            "to registry.k8s.io/pause:3.9, then `systemctl restart kubelet`",
        ),
        (
            vec![("/etc/systemd/system/cri-dockerd.service", docker), (docker_s.0, docker_s.1.to_owned())],
            "then `systemctl daemon-reload` and `systemctl restart cri-dockerd`",
        ),
        (
            vec![
                ("/etc/systemd/system/k3s-agent.service", k3s.to_owned()),
                ("/etc/systemd/system/multi-user.target.wants/k3s-agent.service", String::new()),
            ],
            "`pause-image` in /etc/systemd/system/k3s-agent.service:2 to registry.k8s.io/pause:3.9, then `systemctl daemon-reload` and `systemctl restart k3s-agent`",
        ),
        (
            vec![
                (K3S[0].0, K3S[0].1.to_owned()),
                (K3S[1].0, String::new()),
                ("/etc/rancher/k3s/config.yaml", argument),
            ],
            "change `--pod-infra-container-image` in /etc/rancher/k3s/config.yaml:2 to registry.k8s.io/pause:3.9, then `systemctl restart k3s`",
        ),
        (
            [
                CRIO.iter().map(|(path, text)| (*path, (*text).to_owned())).collect(),
                vec![(
                    "/etc/systemd/system/crio.service",
                    "[Service]\nExecStart=/usr/bin/crio --pause-image=k8s.gcr.io/pause:3.9\n".to_owned(),
                )],
            ]
            .concat(),
            "then `systemctl daemon-reload` and `systemctl restart crio`",
        ),
    ] {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let (_, said) = examined(node(&files).path());
        let all = said.all("images.sandbox");
        let has = |check: &&serde_json::Value| check["remedy"].as_str().is_some_and(|said| said.ends_with(remedy));
        let found = all.iter().filter(|check| has(check)).count();
        assert_eq!(found, 1, "{remedy}: {all:#?}");
    }
}

#[test]
fn a_key_that_rke2_has_already_is_changed_and_not_set_a_second_time() {
    let old = "k8s.gcr.io/pause:3.6";
    let written = format!("[plugins.cri]\nsandbox_image = {old:?}\n");
    for said_now in [old, "k8s.gcr.io/pause:3.5"] {
        let directory = node(&[
            ("/etc/systemd/system/rke2-server.service", "[Service]\nExecStart=/usr/local/bin/rke2 server\n"),
            ("/etc/systemd/system/multi-user.target.wants/rke2-server.service", ""),
            ("/etc/rancher/rke2/config.yaml", &format!("# x\npause-image: {said_now}\n")),
            ("/var/lib/rancher/rke2/agent/etc/containerd/config.toml", &written),
        ]);
        let (_, said) = examined(directory.path());
        let check = said.has("images.sandbox", "warning", "pods are made with k8s.gcr.io/pause:3.6", "");
        assert_eq!(
            check["remedy"],
            "change `pause-image` in /etc/rancher/rke2/config.yaml:2 to registry.k8s.io/pause:3.6, then `systemctl restart rke2-server`"
        );
        assert!(said.all("images.sandbox").iter().all(|check| !check.to_string().contains("set `")));
    }
}
