//! The pod a request is made for.

use super::method::{PULL_POD_NAME, PULL_POD_NAMESPACE, PULL_POD_UID};
use crate::wire;

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

impl Pod {
    /// The pod a `PullImageRequest` is for; `None` where it names none, as those of kubeadm and crictl.
    pub fn of_pull(message: &[u8]) -> Option<Self> {
        let text = |path| wire::text(message, path).unwrap_or_default().to_owned();
        let pod = Self { namespace: text(PULL_POD_NAMESPACE), name: text(PULL_POD_NAME), uid: text(PULL_POD_UID) };
        (pod != Self::default()).then_some(pod)
    }
}
