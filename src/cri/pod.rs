//! The pod a request is made for.

use super::method::{PULL_POD_NAME, PULL_POD_NAMESPACE, PULL_POD_UID};
use crate::wire;
use std::collections::HashMap;

/// A pod, as the kubelet names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's UID.
    pub uid: String,
}

/// The labels that a kubelet gives each container and sandbox.
pub const NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// Likewise.
pub const NAME: &str = "io.kubernetes.pod.name";
/// Likewise.
pub const UID: &str = "io.kubernetes.pod.uid";
/// Of containers alone.
pub const CONTAINER: &str = "io.kubernetes.container.name";

impl Pod {
    /// The pod that a container or a sandbox with these labels is of; `None` where no kubelet made it.
    pub fn of_labels(labels: &HashMap<String, String>) -> Option<Self> {
        let label = |name| labels.get(name).cloned();
        Some(Self { namespace: label(NAMESPACE)?, name: label(NAME)?, uid: label(UID).unwrap_or_default() })
    }

    /// The pod a `PullImageRequest` is for; `None` where it names none, as those of kubeadm and crictl.
    pub fn of_pull(message: &[u8]) -> Option<Self> {
        let text = |path| wire::text(message, path).unwrap_or_default().to_owned();
        let pod = Self { namespace: text(PULL_POD_NAMESPACE), name: text(PULL_POD_NAME), uid: text(PULL_POD_UID) };
        (pod != Self::default()).then_some(pod)
    }
}
