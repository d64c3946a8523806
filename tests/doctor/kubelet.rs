//! What the kubelet and crictl are told, by the files of a node.

use super::files::{CRIO, K3S, KUBEADM_FLAGS, are_found, examined, left_over, node};

#[test]
fn where_the_calls_of_the_kubelet_and_of_crictl_go_is_told_with_the_line_that_says_so() {
    let left_over = left_over();
    let both = [
        ("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--container-runtime-endpoint=/run/repoint/repoint.sock\n"),
        ("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n"),
    ];
    are_found(&[
        // Where the kubelet's calls go.
        (
            &[("/etc/default/kubelet", "")],
            "kubelet.endpoint",
            "failure",
            "unix:///run/containerd/containerd.sock (/var/lib/kubelet/config.yaml:2)",
            "repoint install",
            "/var/lib/kubelet/config.yaml:2",
        ),
        (
            &[(
                "/etc/default/kubelet",
                "KUBELET_EXTRA_ARGS=--image-service-endpoint=/run/repoint/repoint.sock --image-service-endpoint=/run/x.sock\n",
            )],
            "kubelet.endpoint",
            "failure",
            "unix:///run/x.sock (a flag, /etc/default/kubelet:1), which goes before unix:///run/repoint/repoint.sock",
            "take out what is said in /etc/default/kubelet:1",
            "/etc/default/kubelet:1",
        ),
        (
            &[("/etc/systemd/system/kubelet.service", "[Service]\nExecStart=/opt/start-kubelet.sh\n")],
            "kubelet.endpoint",
            "warning",
            "kubelet.service does not start the kubelet itself",
            "by hand",
            "",
        ),
        // Where it does not stay.
        (
            &[
                ("/etc/default/kubelet", ""),
                (KUBEADM_FLAGS, "KUBELET_KUBEADM_ARGS=\"--image-service-endpoint=unix:///run/repoint/repoint.sock\"\n"),
            ],
            "kubelet.lasting",
            "note",
            "kubeadm writes when a node joins",
            "repoint install",
            "/var/lib/kubelet/kubeadm-flags.env:1",
        ),
        (
            &[
                (
                    "/var/lib/kubelet/config.yaml",
                    "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/containerd/containerd.sock\nimageServiceEndpoint: /run/repoint/repoint.sock\n",
                ),
                ("/etc/default/kubelet", ""),
            ],
            "kubelet.lasting",
            "warning",
            "/var/lib/kubelet/config.yaml:3",
            "repoint install",
            "/var/lib/kubelet/config.yaml:3",
        ),
        (
            &[(
                "/var/lib/kubelet/instance-config.yaml",
                "kind: X\ncontainerRuntimeEndpoint: unix:///run/repoint/repoint.sock\n",
            )],
            "kubelet.lasting",
            "note",
            "kubeadm itself calls",
            "the runtime's own socket",
            "/var/lib/kubelet/instance-config.yaml:2",
        ),
        // CRI-O by its path.
        (
            &[
                CRIO[0],
                CRIO[1],
                CRIO[2],
                ("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--container-runtime-endpoint=/run/repoint/repoint.sock\n"),
            ],
            "kubelet.path",
            "warning",
            "/run/repoint/repoint.sock is none that ends in run/crio/crio.sock",
            "the image endpoint alone",
            "",
        ),
        // crictl.
        (
            &[("/etc/crictl.yaml", "runtime-endpoint: /run/containerd/containerd.sock\n")],
            "crictl.endpoint",
            "note",
            "goes past repoint",
            "--image-endpoint",
            "/etc/crictl.yaml:1",
        ),
        (
            &[("/etc/crictl.yaml", "timeout: [\n")],
            "crictl.endpoint",
            "warning",
            "/etc/crictl.yaml",
            "mend",
            "/etc/crictl.yaml",
        ),
        (
            &[("/etc/crictl.yaml", "# x\nimage-endpoint: tcp://x\n")],
            "crictl.endpoint",
            "warning",
            "tcp://x",
            "/etc/crictl.yaml:2",
            "/etc/crictl.yaml:2",
        ),
        // With both endpoints led to repoint, its own configuration says which runtime it is; else nobody knows.
        (
            &[&left_over[..], &both, &[("/etc/repoint/repoint.toml", "runtime = \"/run/crio/crio.sock\"\n")]].concat(),
            "kubelet.path",
            "warning",
            "/run/repoint/repoint.sock is none that ends in run/crio/crio.sock",
            "the image endpoint alone",
            "",
        ),
        (
            &[&left_over[..], &both].concat(),
            "kubelet.path",
            "note",
            "which runtime this node has can't be made out",
            "by `runtime` in /etc/repoint/repoint.toml",
            "",
        ),
        // What k3s makes is where it has its data.
        (
            &[
                K3S,
                &[
                    ("/etc/rancher/k3s/config.yaml", "data-dir: /data\nkubelet-arg:\n- a=b\n- image-service-endpoint=/run/x.sock\n"),
                    (
                        "/data/agent/etc/containerd/config.toml",
                        "version = 3\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 'k8s.gcr.io/pause:3.6'\n",
                    ),
                ],
            ]
            .concat(),
            "images.sandbox",
            "warning",
            "pods are made with k8s.gcr.io/pause:3.6",
            "set `pause-image: registry.k8s.io/pause:3.6` in /etc/rancher/k3s/config.yaml, from which /data/agent",
            "/data/agent/etc/containerd/config.toml:3",
        ),
        (
            &[K3S, &[("/etc/rancher/k3s/config.yaml", "kubelet-arg:\n- a=b\n- image-service-endpoint=/run/x.sock\n")]].concat(),
            "kubelet.endpoint",
            "failure",
            "image calls go to unix:///run/x.sock",
            "repoint install",
            "/etc/rancher/k3s/config.yaml:3",
        ),
        // Whoever owns a node's files, they are looked at.
        (
            &[("/etc/os-release", "ID=rhcos\n"), ("/etc/machine-config-daemon/currentconfig", "{}")],
            "kubelet.endpoint",
            "ok",
            "a flag, /etc/default/kubelet:2",
            "",
            "/etc/default/kubelet:2",
        ),
        (
            &[
                (
                    "/etc/systemd/system/kubelet.service",
                    "[Service]\nExecStart=/usr/bin/kubelet --config=/etc/kubernetes/kubelet/config.json $NODEADM_KUBELET_ARGS\n",
                ),
                (
                    "/etc/kubernetes/kubelet/config.json",
                    "{\n  \"kind\": \"KubeletConfiguration\",\n  \"imageServiceEndpoint\": \"unix:///run/repoint/repoint.sock\"\n}\n",
                ),
            ],
            "kubelet.lasting",
            "note",
            "it stays if the NodeConfig says it",
            "--render nodeadm",
            "/etc/kubernetes/kubelet/config.json:3",
        ),
        // Kubeadm's note of the node is read, and not searched.
        (
            &[(
                "/var/lib/kubelet/instance-config.yaml",
                "# not unix:///run/repoint/repoint.sock\nkind: X\ncontainerRuntimeEndpoint: unix:///run/repoint/repoint.sock.old\n",
            )],
            "kubelet.lasting",
            "ok",
            "nobody generates",
            "",
            "",
        ),
    ]);
}

const RUNTIME_TO_US: (&str, &str) =
    (KUBEADM_FLAGS, "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/repoint/repoint.sock\"\n");
const NOTHING_SAID: (&str, &str) = ("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n");

#[test]
fn a_runtime_endpoint_that_leads_to_repoint_is_not_taken_out_without_another_in_its_place() {
    let to_us = (NOTHING_SAID.0, "kind: X\ncontainerRuntimeEndpoint: unix:///run/repoint/repoint.sock\n");
    let ours = ("/etc/repoint/repoint.toml", "runtime = \"/run/crio/crio.sock\"\n");
    let crio_alone = ("/etc/crio/crio.conf", "");
    let docker = ("/etc/systemd/system/cri-docker.service", "[Service]\nExecStart=/usr/bin/cri-dockerd\n");
    let crio = |more: &[(&'static str, &'static str)]| [CRIO, &[RUNTIME_TO_US], more].concat();
    for (files, verdict, socket) in [
        (crio(&[]), "note", "unix:///var/run/crio/crio.sock"),
        (vec![NOTHING_SAID, RUNTIME_TO_US], "note", "unix:///run/containerd/containerd.sock"),
        (vec![NOTHING_SAID, RUNTIME_TO_US, crio_alone, docker], "note", "the socket of the node's runtime"),
        (vec![to_us, ours], "warning", "unix:///run/crio/crio.sock"),
    ] {
        let (_, said) = examined(node(&files).path());
        let check = said.has("kubelet.lasting", verdict, "what leads to repoint is in", socket);
        let remedy = check["remedy"].as_str().unwrap();
        assert!(remedy.contains("in its place in /var/lib/kubelet/") && !remedy.contains("take it out"), "{check:#}");
    }
    let both = "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=/run/repoint/repoint.sock \
                --image-service-endpoint=/run/repoint/repoint.sock\"\n";
    let (_, said) = examined(node(&[("/etc/default/kubelet", ""), (KUBEADM_FLAGS, both)]).path());
    let check =
        said.has("kubelet.lasting", "note", "", "take the image endpoint out of /var/lib/kubelet/kubeadm-flags");
    assert!(check["remedy"].as_str().unwrap().contains("put unix:///run/containerd/containerd.sock"), "{check:#}");
    let path = "KUBELET_EXTRA_ARGS=--container-runtime-endpoint=/run/repoint/repoint.sock\n";
    let (_, said) = examined(node(&[CRIO, &[("/etc/default/kubelet", path)]].concat()).path());
    let remedy = "put unix:///var/run/crio/crio.sock back in /etc/default/kubelet:1";
    said.has("kubelet.path", "warning", "", remedy);
}

#[test]
fn what_goes_before_repoint_is_taken_out_of_all_its_places_and_whoever_reads_them_is_restarted() {
    let flags = "--image-service-endpoint=/run/repoint/repoint.sock --image-service-endpoint=/run/x.sock";
    are_found(&[
        (
            &[
                (KUBEADM_FLAGS, &format!("KUBELET_KUBEADM_ARGS=\"{flags}\"\n")),
                ("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--image-service-endpoint=/run/y.sock\n"),
            ],
            "kubelet.endpoint",
            "failure",
            "image calls go to unix:///run/y.sock",
            "take out what is said in /etc/default/kubelet:1 and /var/lib/kubelet/kubeadm-flags.env:1",
            "",
        ),
        (
            &[("/etc/default/kubelet", &format!("KUBELET_EXTRA_ARGS={flags}\n"))],
            "kubelet.endpoint",
            "failure",
            "",
            "then `systemctl daemon-reload` and `systemctl restart kubelet`",
            "",
        ),
        (
            &[
                K3S,
                &[(
                    "/etc/rancher/k3s/config.yaml",
                    "kubelet-arg:\n- image-service-endpoint=/run/repoint/repoint.sock\n- image-service-endpoint=/run/x.sock\n",
                )],
            ]
            .concat(),
            "kubelet.endpoint",
            "failure",
            "",
            "then `systemctl daemon-reload` and `systemctl restart k3s`",
            "",
        ),
    ]);
}

#[test]
fn a_command_that_is_left_open_at_the_end_of_its_file_is_read_as_systemd_reads_it() {
    let unit = "[Service]\nExecStart=/usr/bin/kubelet \\\n  --image-service-endpoint=/run/repoint/repoint.sock \\\n";
    let (_, said) = examined(node(&[("/etc/systemd/system/kubelet.service", unit)]).path());
    said.has("kubelet.endpoint", "ok", "a flag, /etc/systemd/system/kubelet.service:2", "");
}
