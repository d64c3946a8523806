//! The kubelet: where its calls go by what it is told, whether they come, and whether that stays so.

use super::{Case, Check, Id};
use crate::args::Check as Asked;
use crate::daemon::wrong::wrong;
use crate::node::Runtime;
use crate::node::kubelet::{Endpoints, RUNTIME_KEY, Said};
use crate::node::unit::restart;
use crate::node::{GENERATED, Kind, Node, yaml};
use crate::runtime::Address;
use std::path::Path;

/// How a path has to end that a kubelet since 1.29 takes for CRI-O's.
const CRIO: &str = "run/crio/crio.sock";
/// What `kubeadm upgrade` and nodeadm write anew, besides flags.
const WRITTEN_ANEW: &[&str] = &[
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet/config.json",
    "/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf",
];
/// What kubeadm writes when a node joins, and takes flags out of as it upgrades.
const FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
/// What kubeadm keeps of a node from 1.34 on.
const INSTANCE: &str = "/var/lib/kubelet/instance-config.yaml";
const INSTALL: &str = "`repoint install` points it to repoint; `repoint install --dry-run` shows how";

pub(super) fn checks(case: &Case) -> Vec<Check> {
    let node = match &case.node {
        Ok(node) => node,
        Err(error) => {
            let remedy = "mend what is named, or see by hand that the kubelet's image endpoint leads to repoint";
            let why = "what the kubelet is told is not known";
            let unclear = Check::unclear(Id::KubeletEndpoint, error, remedy);
            let found = format!("what the kubelet is told can't be made out: {}", unclear.found);
            return vec![
                Check { found, ..unclear },
                calls(case),
                Check::skipped(Id::KubeletLasting, why),
                Check::skipped(Id::KubeletPath, why),
            ];
        }
    };
    vec![endpoint(case, node), calls(case), lasting(case, node), path(case, &node.endpoints)]
}

fn is_ours(case: &Case, said: &Said) -> bool {
    said.address.as_ref().is_some_and(|address| address.is_same_as(&case.listen))
}

fn endpoint(case: &Case, node: &Node) -> Check {
    let id = Id::KubeletEndpoint;
    let Endpoints { image, runtime } = &node.endpoints;
    // An image endpoint that is nowhere in particular is the runtime's.
    let all = if image.iter().any(|said| said.address.is_some()) { image } else { runtime };
    let Some(last) = all.last() else {
        let found =
            format!("{}: nothing is said of its endpoints, so its image calls go to the runtime itself", node.kind);
        return Check::failure(id, found, INSTALL);
    };
    let what = |said: &Said| match &said.address {
        Some(address) => format!("{address} ({}{said})", if said.is_flag { "a flag, " } else { "" }),
        None => format!("nowhere in particular ({said})"),
    };
    let places = |check: Check| all.iter().rev().fold(check, |check, said| check.at(said.to_string()));
    let earlier: Vec<_> = all.iter().rev().skip(1).map(what).collect();
    let goes_before =
        if earlier.is_empty() { String::new() } else { format!(", which goes before {}", earlier.join(", ")) };
    let found = format!("{}: image calls go to {}{goes_before}", node.kind, what(last));
    if is_ours(case, last) {
        return places(Check::ok(id, found));
    }
    let remedy = if all.iter().any(|said| is_ours(case, said)) {
        let before = all.iter().rev().take_while(|said| !is_ours(case, said)).map(Said::to_string);
        format!(
            "take out what is said in {}: it goes before what leads to repoint at {}; then {}",
            before.collect::<Vec<_>>().join(" and "),
            case.listen,
            restart(&node.units, true)
        )
    } else {
        INSTALL.to_owned()
    };
    places(Check::failure(id, format!("{found}; nothing of them comes to repoint at {}", case.listen), remedy))
}

fn calls(case: &Case) -> Check {
    let id = Id::KubeletCalls;
    match &case.service {
        None => Check::skipped(id, "only files are looked at"),
        Some(Err(_)) => Check::skipped(id, "the service does not answer"),
        Some(Ok(status)) => match (wrong(Asked::Kubelet, status), status.last_call) {
            (Some(wrong), _) => Check::failure(
                id,
                wrong,
                "see what the kubelet is told (kubelet.endpoint), and whether it was restarted since: `systemctl restart kubelet`",
            ),
            (None, Some(last)) => Check::ok(id, format!("the last call came at {last:.0}")),
            (None, None) => Check::note(id, "no call came since the start of the service, which is not long ago"),
        },
    }
}

fn lasting(case: &Case, node: &Node) -> Check {
    let id = Id::KubeletLasting;
    let endpoints = &node.endpoints;
    let last = |which: Which, all: &[Said]| Some((which, all.last().filter(|said| is_ours(case, said))?.clone()));
    let ours = [last(Which::Image, &endpoints.image), last(Which::Runtime, &endpoints.runtime)];
    let ours: Vec<(Which, Said)> = ours.into_iter().flatten().collect();
    let is_generated = |said: &Said| {
        let is_listed = |files: &[&str]| files.iter().any(|file| said.file == Path::new(file));
        is_listed(GENERATED) || (matches!(node.kind, Kind::Kubeadm | Kind::Eks) && is_listed(WRITTEN_ANEW))
    };
    let generated: Vec<_> = ours.iter().filter(|(_, said)| is_generated(said)).collect();
    if let Some((_, said)) = generated.first() {
        let changes: Vec<_> = generated.iter().map(|(which, said)| which.change(case, said)).collect();
        let check = written_anew(node.kind, said, &changes.join("; "));
        return generated.iter().fold(check, |check, (_, said)| check.at(said.to_string()));
    }
    if let Some(place) = in_instance(case) {
        let found = "kubeadm itself calls what stands in its instance-config.yaml, and that is repoint";
        let remedy =
            "name the runtime's own socket there: `kubeadm reset` and its checks are not for repoint to pass on";
        return Check::note(id, found).remedy(remedy).at(place);
    }
    match ours.first() {
        None => Check::skipped(id, "the kubelet is not pointed to repoint"),
        Some((_, said)) => Check::ok(id, format!("nobody generates {said}")).at(said.to_string()),
    }
}

/// Which endpoint it is that leads to repoint.
enum Which {
    Image,
    Runtime,
}

// === impl Which ===

impl Which {
    /// How it is led to repoint no more. A kubelet that is told no image endpoint asks the runtime; one that is told no runtime takes
    /// containerd's socket.
    fn change(&self, case: &Case, said: &Said) -> String {
        match self {
            Self::Image => format!("take the image endpoint out of {said}"),
            Self::Runtime => format!(
                "put {}, which is the runtime's own, in its place in {said} (without any, the kubelet takes containerd's)",
                case.own_socket()
            ),
        }
    }
}

/// What leads to repoint by a file that somebody writes anew, and what to change there.
fn written_anew(kind: Kind, said: &Said, change: &str) -> Check {
    let id = Id::KubeletLasting;
    if kind == Kind::Eks {
        let found = format!(
            "what leads to repoint is in {said}, which nodeadm writes anew at every boot: it stays if the NodeConfig says it"
        );
        return Check::note(id, found).remedy(format!(
            "see that the node's user data has what `repoint install --render nodeadm` prints; else {change}; then {INSTALL}"
        ));
    }
    if said.file == Path::new(FLAGS) {
        let found = format!(
            "what leads to repoint is in {said}, which kubeadm writes when a node joins, and takes flags out of as it upgrades"
        );
        return Check::note(id, found).remedy(format!("where it is to stay: {change}; then {INSTALL}"));
    }
    let found = format!(
        "what leads to repoint is in {said}, and `kubeadm upgrade` writes it anew: the kubelet is pointed elsewhere then"
    );
    Check::warning(id, found, format!("{change}; then {INSTALL}"))
}

/// Where kubeadm's own note of the node names repoint as the runtime.
fn in_instance(case: &Case) -> Option<String> {
    let file = Path::new(INSTANCE);
    let text = case.tree.text(file).ok()??;
    let said = yaml::text(yaml::read(file, &text).ok()?.get(RUNTIME_KEY)?)?;
    said.parse::<Address>().ok().filter(|address| address.is_same_as(&case.listen))?;
    Some(format!("{INSTANCE}:{}", yaml::line(&text, RUNTIME_KEY).unwrap_or(1)))
}

fn path(case: &Case, endpoints: &Endpoints) -> Check {
    let id = Id::KubeletPath;
    let Some(through_us) = endpoints.runtime.last().filter(|said| is_ours(case, said)) else {
        return Check::ok(id, "the runtime endpoint does not lead to repoint, so the path does not matter");
    };
    let listen = case.listen.path();
    if case.which().is_none() && case.far.met().is_none() {
        let found =
            "which runtime this node has can't be made out; CRI-O is known to kubelets by the path of its socket";
        return Check::note(id, found).remedy("name the runtime by `runtime` in /etc/repoint/repoint.toml");
    }
    if case.which() != Some(Runtime::Crio) {
        return Check::ok(id, "the runtime is not CRI-O, so the path does not matter");
    }
    if listen.ends_with(CRIO) {
        return Check::note(
            id,
            format!(
                "{} is one that kubelets since 1.29 take for CRI-O's; older ones take no other than CRI-O's own",
                listen.display()
            ),
        );
    }
    Check::warning(
        id,
        format!(
            "a kubelet knows CRI-O by the path of its runtime endpoint, and {} is none that ends in {CRIO}: it accounts for images and disks \
             in another way, and evicts by that",
            listen.display()
        ),
        format!(
            "lead the image endpoint alone to repoint: put {} back in {through_us}, where the runtime endpoint is said, then `repoint install`; \
             or listen at /run/repoint/{CRIO} (kubelets since 1.29)",
            case.own_socket()
        ),
    )
    .at(through_us.to_string())
}
