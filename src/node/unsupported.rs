//! Nodes that `install` does nothing to, and why: whatever it wrote there would be undone, or was never tried.

/// A kind of node, and the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported {
    /// What it is called.
    pub name: &'static str,
    /// Why nothing is done, and what can be.
    pub why: &'static str,
}

/// All of them.
pub const ALL: &[Unsupported] = &[
    Unsupported {
        name: "bottlerocket",
        why: "the kubelet's command line is part of a read-only image, and no setting reaches its endpoints",
    },
    Unsupported {
        name: "talos",
        why: "Talos sets the kubelet's runtime endpoint itself and refuses another; the image endpoint can be given by \
              machine.kubelet.extraArgs, but nobody has tried it, and a service of one's own takes a system extension",
    },
    Unsupported {
        name: "cos",
        why: "Container-Optimized OS makes /etc anew at every boot: what is written there is gone with the next one",
    },
    Unsupported {
        name: "k0s",
        why: "k0s overwrites the endpoints in the kubelet's configuration, and nobody has tried another way: by its documentation, \
              `k0s worker --kubelet-extra-args=--image-service-endpoint=unix:///run/repoint/repoint.sock` should do it",
    },
    Unsupported {
        name: "microk8s",
        why: "the snap writes its files of arguments itself, and nobody has tried whether a line of ours stays: it would be \
              `--image-service-endpoint=unix:///run/repoint/repoint.sock` in /var/snap/microk8s/current/args/kubelet",
    },
];

/// The one of that name.
pub fn named(name: &str) -> Option<&'static Unsupported> {
    ALL.iter().find(|unsupported| unsupported.name == name)
}
