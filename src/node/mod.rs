//! What a node is, by its files: who starts its kubelet, what that one is told, and where a word of ours would hold and stay.
//!
//! A [`Tree`] is the files, as they are or as they would be; [`mod@unit`] reads systemd's, with their [`environment`], [`kubelet`] what
//! the command line, the configuration and its drop-ins come to, `rancher` the same where the kubelet is within k3s or RKE2.
//! Which [`Runtime`] it has decides whose files matter: [`containerd`] and [`crio`] are what these are told, and [`pause`] all that
//! anybody says of the sandbox image.
//! What can't be understood is [`Unclear`], with file and line. Nothing here changes anything.

pub mod containerd;
pub mod crio;
mod document;
pub mod environment;
mod glob;
pub mod kubelet;
pub mod pause;
mod rancher;
pub mod runtime;
pub mod tree;
mod unclear;
pub mod unit;
pub mod unsupported;
mod words;
pub mod yaml;

pub use runtime::Runtime;
pub use tree::{Content, Tree};
pub use unclear::Unclear;

use self::kubelet::{Endpoints, Kubelet, Pods, words};
use self::unit::Unit;
use crate::runtime::Address;
use std::fmt;
use std::path::{Path, PathBuf};

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The units that have the kubelet in them. More than one where only one of them runs, and nobody says which.
    pub units: Vec<String>,
    /// What the kubelet is told.
    pub endpoints: Endpoints,
    /// What it is told of its own pods.
    pub pods: Pods,
    /// Where k3s or RKE2 have what they make for the node: containerd's configuration, and static pods.
    pub agent: Option<PathBuf>,
    /// Where another word can be put in.
    pub way: Way,
}

/// Who set the kubelet up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// kubeadm.
    Kubeadm,
    /// nodeadm, on EKS.
    Eks,
    /// Somebody, in a unit of its own.
    Plain,
    /// k3s.
    K3s,
    /// RKE2.
    Rke2,
}

/// How the kubelet is told. Each stays when what was generated is generated anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By a flag in `KUBELET_EXTRA_ARGS`, in this file.
    Variable(PathBuf),
    /// By a drop-in of its configuration.
    Configuration(PathBuf),
    /// By a drop-in of its unit that has this command with one flag more.
    Command {
        /// The drop-in.
        file: PathBuf,
        /// The command as it is.
        command: String,
    },
    /// By a drop-in of the configuration of k3s or RKE2.
    Argument(PathBuf),
}

/// The variable that the kubelet's packages leave to whoever runs the node.
pub const VARIABLE: &str = "KUBELET_EXTRA_ARGS";
/// The files that they have it in: Debian's, and those of distributions with RPM. Neither is generated.
const VARIABLE_FILES: [&str; 2] = ["/etc/default/kubelet", "/etc/sysconfig/kubelet"];
/// Our drop-in of the kubelet's unit.
pub const UNIT_DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/99-repoint.conf";
/// What our drop-ins elsewhere are called. The last file has the last word.
const CONFIGURATION: &str = "99-repoint.conf";
const ARGUMENT: &str = "99-repoint.yaml";
/// What kubeadm writes anew: a flag that is there now need not be there after the next upgrade.
pub const GENERATED: &[&str] = &["/var/lib/kubelet/kubeadm-flags.env", "/etc/eks/kubelet/environment"];

const KUBELET: &str = "kubelet.service";
/// What k3s and RKE2 have below where their data is.
const AGENT: &str = "agent";
/// What is below that.
const MANIFESTS: &str = "pod-manifests";

// === impl Kind ===

impl Kind {
    /// The units that it may have the kubelet in.
    const fn units(self) -> &'static [&'static str] {
        match self {
            Self::Kubeadm | Self::Eks | Self::Plain => &[KUBELET],
            Self::K3s => &["k3s.service", "k3s-agent.service"],
            Self::Rke2 => &["rke2-server.service", "rke2-agent.service"],
        }
    }

    /// Where manifests of static pods are, if nobody says otherwise.
    pub fn manifests(self) -> PathBuf {
        self.agent().map_or_else(|| "/etc/kubernetes/manifests".into(), |agent| agent.join(MANIFESTS))
    }

    /// Where k3s or RKE2 have what they make for the node, if nobody says otherwise.
    pub fn agent(self) -> Option<PathBuf> {
        let name = match self {
            Self::Kubeadm | Self::Eks | Self::Plain => return None,
            Self::K3s => "k3s",
            Self::Rke2 => "rke2",
        };
        Some(Path::new("/var/lib/rancher").join(name).join(AGENT))
    }

    /// Where k3s or RKE2 are configured, if nobody says otherwise.
    pub fn configuration(self) -> Option<&'static str> {
        self.rancher().map(|(file, _)| file)
    }

    /// That, and the variable that says otherwise.
    const fn rancher(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Kubeadm | Self::Eks | Self::Plain => None,
            Self::K3s => Some(("/etc/rancher/k3s/config.yaml", "K3S_CONFIG_FILE")),
            Self::Rke2 => Some(("/etc/rancher/rke2/config.yaml", "RKE2_CONFIG_FILE")),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kubeadm => "kubeadm",
            Self::Eks => "EKS (nodeadm)",
            Self::Plain => "a kubelet in a unit of its own",
            Self::K3s => "k3s",
            Self::Rke2 => "RKE2",
        })
    }
}

// === impl Node ===

impl Node {
    /// What the node is whose files these are. `baked` is what it is going to be, where no kubelet is there yet.
    ///
    /// # Errors
    ///
    /// When it is none that is known, or more than one, or what the kubelet is told can't be understood.
    pub fn read(tree: &Tree, baked: Option<Kind>) -> Result<Self, Unclear> {
        refuse(tree)?;
        Self::of(tree, baked)
    }

    /// The same for who only looks, whoever the files belong to.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn look(tree: &Tree) -> Result<Self, Unclear> {
        // Of one that is not even understood, its name says more.
        Self::of(tree, None).map_err(|error| refuse(tree).err().unwrap_or(error))
    }

    fn of(tree: &Tree, baked: Option<Kind>) -> Result<Self, Unclear> {
        let mut found = Vec::new();
        for kind in [Kind::Plain, Kind::K3s, Kind::Rke2] {
            let mut units = Vec::new();
            for name in kind.units() {
                units.extend(Unit::read(tree, name)?);
            }
            if !units.is_empty() {
                found.push((kind, units));
            }
        }
        // A machine that has several installed runs one of them.
        let is_used = |(_, units): &(Kind, Vec<Unit>)| units.iter().any(|unit| is_enabled(tree, unit));
        if found.len() > 1 && found.iter().any(is_used) {
            found.retain(is_used);
        }
        if let (Some(baked), [(kind, units)]) = (baked, found.as_slice())
            && baked.units() != kind.units()
        {
            let names = units.iter().map(|unit| unit.name.as_str()).collect::<Vec<_>>().join(" and ");
            return Err(Unclear::Node(format!(
                "--kind says that {baked} will come, and {names} is there: remove what is not used"
            )));
        }
        match (found.as_slice(), baked) {
            ([(Kind::Plain, units)], _) => plain(tree, units),
            ([(kind, units)], _) => with_units(tree, *kind, units),
            ([], Some(kind)) => Ok(to_be(tree, kind)),
            ([], None) => Err(Unclear::Node(
                "no kubelet found: there is neither a kubelet.service, nor one of k3s or RKE2 (for an image that gets its kubelet \
                 later: --bake --kind)"
                    .to_owned(),
            )),
            (several, _) => {
                let names = several.iter().flat_map(|(_, units)| units).map(|unit| unit.name.as_str());
                let names = names.collect::<Vec<_>>().join(" and ");
                Err(Unclear::Node(format!("more than one kubelet: there are {names}; disable what is not used")))
            }
        }
    }

    /// The socket of the runtime as the kubelet has it, or would have it if told nothing.
    pub fn runtime(&self, ours: &Address) -> Option<Address> {
        self.endpoints.without(ours).runtime().cloned().or_else(|| match self.kind {
            Kind::Eks => "/run/containerd/containerd.sock".parse().ok(),
            Kind::Kubeadm | Kind::Plain | Kind::K3s | Kind::Rke2 => None,
        })
    }
}

/// Names those that nothing is done to.
fn refuse(tree: &Tree) -> Result<(), Unclear> {
    let release = match tree.text(Path::new("/etc/os-release"))? {
        Some(release) => Some(release),
        None => tree.text(Path::new("/usr/lib/os-release"))?,
    };
    let id = release.iter().flat_map(|text| text.lines()).find_map(|line| line.strip_prefix("ID="));
    let id = id.map(|id| id.trim_matches(['"', '\'']).to_owned()).unwrap_or_default();
    if id == "rhcos" || tree.has(Path::new("/etc/machine-config-daemon/currentconfig")) {
        return Err(Unclear::Node(
            "the Machine Config Operator owns this node's files, and would undo or report a change: `repoint install --render \
             machineconfig` prints what to give it"
                .to_owned(),
        ));
    }
    let units = [
        ("k0sworker.service", "k0s"),
        ("k0scontroller.service", "k0s"),
        ("snap.microk8s.daemon-kubelite.service", "microk8s"),
    ];
    let mut named = unsupported::named(&id);
    for (unit, name) in units {
        if named.is_none() && Unit::read(tree, unit)?.is_some() {
            named = unsupported::named(name);
        }
    }
    match named {
        Some(unsupported) => Err(Unclear::Node(format!("{} is not supported: {}", unsupported.name, unsupported.why))),
        None => Ok(()),
    }
}

fn plain(tree: &Tree, units: &[Unit]) -> Result<Node, Unclear> {
    let [unit] = units else { return Err(Unclear::Node("more than one kubelet.service".to_owned())) };
    let Kubelet { endpoints, directory, pods } = Kubelet::read(tree, unit)?;
    let command = unit.command()?.value.clone();
    let has = |name: &str| command.split_whitespace().any(|word| word == name);
    let kind = if has("$NODEADM_KUBELET_ARGS") {
        Kind::Eks
    } else if has("$KUBELET_KUBEADM_ARGS") {
        Kind::Kubeadm
    } else {
        Kind::Plain
    };
    let is_lasting = |file: &Path| !GENERATED.iter().any(|generated| file == Path::new(generated));
    let way = if let Some(directory) = directory.filter(|word| is_lasting(&word.file))
        && !endpoints.image.iter().chain(&endpoints.runtime).any(|said| said.is_flag)
    {
        Way::Configuration(Path::new(&directory.text).join(CONFIGURATION))
    } else if has(&format!("${VARIABLE}"))
        && let Some(file) = variable_file(tree, unit)?
    {
        Way::Variable(file)
    } else {
        Way::Command { file: UNIT_DROP_IN.into(), command }
    };
    Ok(Node { kind, units: vec![unit.name.clone()], endpoints, pods, agent: None, way })
}

/// The file to put the variable in. None where somebody sets it elsewhere: in the unit, whose word ours would replace; or in
/// a file that may be written anew.
fn variable_file(tree: &Tree, unit: &Unit) -> Result<Option<PathBuf>, Unclear> {
    let usual = VARIABLE_FILES.map(PathBuf::from);
    match unit.environment(tree)?.get(VARIABLE) {
        Some(variable) => Ok(Some(variable.file.clone()).filter(|file| usual.contains(file))),
        None => Ok(unit.environment_files(tree)?.into_iter().rfind(|file| usual.contains(file))),
    }
}

fn with_units(tree: &Tree, kind: Kind, units: &[Unit]) -> Result<Node, Unclear> {
    let (usual, variable) = kind.rancher().unwrap_or_default();
    // Their packages may bring the server's and the agent's; one of them runs.
    let mut units: Vec<&Unit> = units.iter().collect();
    if units.iter().any(|unit| is_enabled(tree, unit)) {
        units.retain(|unit| is_enabled(tree, unit));
    }
    let mut found: Option<(PathBuf, Endpoints, Pods, PathBuf)> = None;
    for unit in &units {
        let words = words(tree, unit)?;
        let named = unit.environment(tree)?.remove(variable).map(|variable| variable.value);
        let config = rancher::config(&words, named.as_deref(), Path::new(usual))?;
        let given = rancher::given(tree, &config, &words)?;
        let endpoints = rancher::endpoints(&given, &config)?;
        let agent = rancher::agent(&given, kind);
        let pods = rancher::pods(&given, &agent.join(MANIFESTS));
        let this = (config, endpoints, pods, agent);
        if found.as_ref().is_some_and(|other| *other != this) {
            let names = units.iter().map(|unit| unit.name.as_str()).collect::<Vec<_>>().join(" and ");
            return Err(Unclear::Node(format!(
                "{names} differ in what they tell the kubelet: enable the one that is used"
            )));
        }
        found = Some(this);
    }
    let (config, endpoints, pods, agent) = found.ok_or_else(|| Unclear::Node(format!("{kind} has no unit")))?;
    let way = Way::Argument(rancher::drop_ins(&config).join(ARGUMENT));
    let units = units.into_iter().map(|unit| unit.name.clone()).collect();
    Ok(Node { kind, units, endpoints, pods, agent: Some(agent), way })
}

/// A node whose kubelet is not there yet.
fn to_be(tree: &Tree, kind: Kind) -> Node {
    let way = match kind.rancher() {
        Some((config, _)) => Way::Argument(rancher::drop_ins(Path::new(config)).join(ARGUMENT)),
        None => {
            let [debian, other] = VARIABLE_FILES;
            let is_debian = tree.has(Path::new("/etc/debian_version")) || tree.has(Path::new("/var/lib/dpkg"));
            Way::Variable(PathBuf::from(if is_debian { debian } else { other }))
        }
    };
    let (endpoints, pods) = (Endpoints::default(), Pods::default());
    Node { kind, units: Vec::new(), endpoints, pods, agent: kind.agent(), way }
}

fn is_enabled(tree: &Tree, unit: &Unit) -> bool {
    let wants = Path::new("/etc/systemd/system/multi-user.target.wants");
    tree.has(&wants.join(&unit.name))
}
