//! What an operator has to change where nothing can be done from here.

use crate::runtime::Peer;
use crate::runtime::peer::CONTAINERD;

/// The line, and the file it belongs in, for a runtime that is to make pods with `instead`.
pub(super) fn remedy(peer: &Peer, instead: &str) -> String {
    match peer.name.as_str() {
        "cri-o" => format!(
            "set `pause_image = \"{instead}\"` under `[crio.image]` in /etc/crio/crio.conf, or in a file in \
             /etc/crio/crio.conf.d, or put what `repoint config export registries.conf` writes into \
             /etc/containers/registries.conf.d; then `systemctl reload crio`"
        ),
        "docker" => format!(
            "add `--pod-infra-container-image={instead}` to cri-dockerd's `ExecStart=` in cri-docker.service; then \
             `systemctl daemon-reload` and `systemctl restart cri-docker`"
        ),
        CONTAINERD if peer.is_since(2, 0) => format!(
            "set `sandbox = \"{instead}\"` under `[plugins.'io.containerd.cri.v1.images'.pinned_images]` in \
             /etc/containerd/config.toml; then `systemctl restart containerd`"
        ),
        CONTAINERD => format!(
            "set `sandbox_image = \"{instead}\"` under `[plugins.\"io.containerd.grpc.v1.cri\"]` in \
             /etc/containerd/config.toml; then `systemctl restart containerd`"
        ),
        _ => format!("name `{instead}` as the sandbox image in its configuration"),
    }
}
