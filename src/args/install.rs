//! Options of those who point a kubelet to repoint, and back.

use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Options of `install`.
#[derive(Debug, Args)]
#[command(after_long_help = INSTALL)]
pub struct Install {
    /// Which of the kubelet's endpoints lead to repoint
    #[arg(long, value_enum, default_value_t)]
    pub endpoint: KubeletEndpoint,
    /// Change nothing: print what would change as a diff, and why
    #[arg(long)]
    pub dry_run: bool,
    /// The files of a node that does not run, below DIR. Nothing is called, and nothing restarted
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The files of an image that nodes are made of, in place or below --root: its kubelet may not be there yet, nothing is called,
    /// and nothing restarted
    #[arg(long)]
    pub bake: bool,
    /// With --bake, whose kubelet it will be, where none is there
    #[arg(long, value_enum, value_name = "KIND", requires = "bake")]
    pub kind: Option<KubeletKind>,
    /// Print what does the same, for a tool that owns the node's files
    #[arg(long, value_enum, value_name = "TOOL", conflicts_with_all = ["dry_run", "root", "bake"])]
    pub render: Option<Fragment>,
    /// The container runtime's socket [default: the kubelet's]
    #[arg(long, value_name = "SOCKET")]
    pub runtime: Option<String>,
    /// The socket for image calls, if another than the runtime's [default: the kubelet's]
    #[arg(long, value_name = "SOCKET")]
    pub image_endpoint: Option<String>,
    /// Pull this, by its old name, from each of its targets before the kubelet is switched
    #[arg(long = "check-image", value_name = "IMAGE", default_values_t = [CHECK_IMAGE.to_owned()], conflicts_with = "skip_pull")]
    pub check_images: Vec<String>,
    /// Pull nothing before the kubelet is switched
    #[arg(long)]
    pub skip_pull: bool,
    /// What it has to be well by
    #[command(flatten)]
    pub well: Well,
}

/// Options of `uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Change nothing: print what would change as a diff
    #[arg(long)]
    pub dry_run: bool,
    /// The files of a node that does not run, below DIR. Nothing is called, and nothing restarted
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Even if images that are used can't be found by their old names afterwards
    #[arg(long)]
    pub force: bool,
    /// What it has to be well by
    #[command(flatten)]
    pub well: Well,
}

/// How a kubelet is known to be well.
#[derive(Debug, Args)]
pub struct Well {
    /// For how long it is waited for after a restart (also `s`); an installation is undone after that
    #[arg(long, value_name = "TIME", default_value = "3m")]
    pub wait: String,
    /// Where it tells how it is: its healthzBindAddress and healthzPort
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10248")]
    pub healthz: SocketAddr,
}

/// Which of the kubelet's endpoints lead to repoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum KubeletEndpoint {
    /// That for images: enough for all that repoint is for
    #[default]
    Image,
    /// That of the runtime, too: all calls pass through repoint
    Both,
}

/// Who sets a kubelet up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KubeletKind {
    /// kubeadm, or the kubelet's package
    Kubeadm,
    /// k3s
    K3s,
    /// RKE2
    Rke2,
}

/// Who owns the files of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fragment {
    /// nodeadm, on EKS: a part of its configuration
    Nodeadm,
    /// kubeadm: its configuration
    Kubeadm,
    /// The Machine Config Operator of OpenShift
    #[value(name = "machineconfig")]
    MachineConfig,
    /// k3s and RKE2: a drop-in of their configuration
    K3s,
    /// cloud-init: user data
    CloudInit,
    /// Not supported; tells why
    Bottlerocket,
    /// Not supported; tells why
    Talos,
    /// Not supported; tells why
    #[value(name = "k0s")]
    K0s,
    /// Not supported; tells why
    #[value(name = "microk8s")]
    Microk8s,
}

/// Small, on every registry that took the old one's place, and on most nodes anyway.
const CHECK_IMAGE: &str = "k8s.gcr.io/pause:3.9";

const INSTALL: &str = "\
On a node that runs, repoint has to run already. It is called, and images are pulled from every target, before the
kubelet is switched; and if the kubelet is not well in time after that, all is put back. An installation that was
interrupted is continued by the same command, and undone by `repoint uninstall`. What was there is kept in
/var/lib/repoint/install.json. docs/install.md has what is written where, and why it stays.";
