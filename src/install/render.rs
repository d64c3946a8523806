//! Fragments for tools that own a node's files, and would undo what is written past them.

use crate::args::Fragment;
use crate::config::check::LISTEN;
use crate::node::{Unclear, unsupported};

/// What does the same as an installation with the image endpoint, at repoint's usual socket.
///
/// # Errors
///
/// When nothing does, with the reason.
pub fn fragment(fragment: Fragment) -> Result<String, Unclear> {
    let text = match fragment {
        Fragment::Nodeadm => NODEADM,
        Fragment::Kubeadm => KUBEADM,
        Fragment::MachineConfig => MACHINE_CONFIG,
        Fragment::K3s => K3S,
        Fragment::CloudInit => CLOUD_INIT,
        Fragment::Bottlerocket => return Err(refused("bottlerocket")),
        Fragment::Talos => return Err(refused("talos")),
        Fragment::K0s => return Err(refused("k0s")),
        Fragment::Microk8s => return Err(refused("microk8s")),
    };
    Ok(text.replace("LISTEN", LISTEN))
}

fn refused(name: &str) -> Unclear {
    let why = unsupported::named(name).map_or("", |unsupported| unsupported.why);
    Unclear::Node(format!("{name} is not supported: {why}"))
}

const NODEADM: &str = "\
# nodeadm, for kubelets from 1.27 on: a part of the instance's user data (Content-Type: application/node.eks.aws), or a file in
# /etc/eks/nodeadm.d of an image whose nodeadm-run.service reads that directory. nodeadm merges it with the rest.
# With SOCI on, tell repoint whom to ask: `image_endpoint = \"unix:///run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock\"`
# in /etc/repoint/repoint.toml.
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    config:
      imageServiceEndpoint: LISTEN
";

const KUBEADM: &str = "\
# kubeadm, for nodes that are yet to join: these lines belong into the JoinConfiguration (and, for the first node, the
# InitConfiguration) that it is given. In v1beta3, which kubeadm up to 1.30 takes, they are a map:
# `kubeletExtraArgs: {image-service-endpoint: \"LISTEN\"}`.
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
nodeRegistration:
  kubeletExtraArgs:
  - name: image-service-endpoint
    value: LISTEN
";

const MACHINE_CONFIG: &str = "\
# OpenShift's Machine Config Operator, for workers; their image has to have repoint in it (image layering). It says so with
# every other pool if the labels do. By its code the operator passes this key on to the kubelet; nobody has tried it.
apiVersion: machineconfiguration.openshift.io/v1
kind: KubeletConfig
metadata:
  name: repoint
spec:
  machineConfigPoolSelector:
    matchLabels:
      pools.operator.machineconfiguration.openshift.io/worker: \"\"
  kubeletConfig:
    imageServiceEndpoint: LISTEN
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata:
  name: 99-worker-repoint
  labels:
    machineconfiguration.openshift.io/role: worker
spec:
  config:
    ignition:
      version: 3.2.0
    storage:
      files:
      # runtime = \"unix:///var/run/crio/crio.sock\"
      - path: /etc/repoint/repoint.d/00-install.toml
        mode: 0644
        contents:
          source: data:,runtime%20%3D%20%22unix%3A%2F%2F%2Fvar%2Frun%2Fcrio%2Fcrio.sock%22%0A
    systemd:
      units:
      - name: repoint.service
        enabled: true
      - name: repoint.socket
        enabled: true
";

const K3S: &str = "\
# k3s: /etc/rancher/k3s/config.yaml.d/99-repoint.yaml. RKE2: /etc/rancher/rke2/config.yaml.d/99-repoint.yaml. And for repoint, in
# /etc/repoint/repoint.toml: `runtime = \"unix:///run/k3s/containerd/containerd.sock\"`.
kubelet-arg+:
- \"image-service-endpoint=LISTEN\"
";

const CLOUD_INIT: &str = "\
#cloud-config
# For images that have repoint and the kubelet's package, or k3s, in them. In front of what joins the cluster: the kubelet
# starts with what is there then. It may be run at every boot.
runcmd:
- [systemctl, enable, --now, repoint.service]
- [repoint, install, --bake]
- [systemctl, daemon-reload]
";
