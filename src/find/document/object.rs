//! What a Kubernetes object says of itself: what it is, where it lives, and what made it.

use super::super::owner;
use super::super::yaml::{Id, Tree};
use super::super::{Owner, Whose};
use std::collections::HashMap;

/// What goes for all that is within an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    /// Its namespace.
    pub(super) whose: Whose,
    /// What made it, or itself.
    pub(super) owner: Option<Owner>,
    /// Whether the API server had it.
    pub(super) is_live: bool,
    /// Whether it is kubeadm's, whose `imageRepository` is a place for all images.
    pub(super) is_kubeadm: bool,
    /// The digests of what its containers run, by their names.
    pub(super) digests: HashMap<String, String>,
    /// Whether it is a kustomization.
    pub(super) is_kustomization: bool,
}

/// The groups of objects that speak of images and pull none: what they say is a rule of somebody's.
const POLICIES: [&str; 8] = [
    "admissionregistration.k8s.io",
    "audit.gatekeeper.sh",
    "constraints.gatekeeper.sh",
    "kyverno.io",
    "mutations.gatekeeper.sh",
    "policies.kubewarden.io",
    "policy.sigstore.dev",
    "templates.gatekeeper.sh",
];

/// The kind of what does not say it.
const UNSAID: &str = "object";

/// The annotation of a static pod's mirror.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What a Kubernetes object is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity<'a> {
    version: &'a str,
    kind: &'a str,
}

// === impl Identity ===

impl<'a> Identity<'a> {
    /// What a mapping says that it is; nothing where it is no object.
    pub(super) fn of(tree: &'a Tree<'_>, id: Id) -> Option<Self> {
        Some(Self { version: tree.text(id, &["apiVersion"])?, kind: tree.text(id, &["kind"])? })
    }

    /// What a list says that its items are: in those of one kind, as the API server has them, they do not say it themselves.
    pub(super) fn listed(tree: &'a Tree<'_>, item: Id, list: Id) -> Option<Self> {
        let version = tree.text(list, &["apiVersion"])?;
        // It may be said behind them.
        let kind = tree.text(list, &["kind"]).map_or(Some(""), |kind| kind.strip_suffix("List"))?;
        tree.get(item, "metadata")?;
        Some(Self { version, kind: if kind.is_empty() { UNSAID } else { kind } })
    }

    /// Whether it is about images and has none.
    pub(super) fn is_policy(self) -> bool {
        let group = self.version.split_once('/').map_or("", |(group, _)| group);
        POLICIES.contains(&group) || group.ends_with(".kyverno.io")
    }
}

// === impl Context ===

impl Context {
    /// That of an object; what it does not say itself is that of what it is in.
    pub(super) fn of(tree: &Tree<'_>, id: Id, identity: Identity<'_>, outer: &Self) -> Self {
        let text = |path: &[&str]| tree.text(id, path).filter(|text| !text.is_empty());
        let Identity { version, kind } = identity;
        let is_kubeadm = version.starts_with("kubeadm.k8s.io/");
        let namespace = text(&["metadata", "namespace"]).map(|name| Whose::Namespace(name.to_owned()));
        let name = text(&["metadata", "name"]).or_else(|| text(&["metadata", "generateName"]));
        let own = name.map(|name| Owner { kind: kind.to_owned(), name: name.to_owned() });
        Self {
            whose: if is_kubeadm { Whose::Nobody } else { namespace.unwrap_or_else(|| outer.whose.clone()) },
            owner: controller(tree, id).or(own).or_else(|| outer.owner.clone()),
            is_live: outer.is_live || text(&["metadata", "uid"]).is_some(),
            is_kubeadm,
            digests: digests(tree, id),
            is_kustomization: ["kustomize.config.k8s.io/", "kustomize.toolkit.fluxcd.io/"]
                .iter()
                .any(|group| version.starts_with(group)),
        }
    }
}

/// The digests by which a pod's images were found in a registry. An ID alone is of an image that is there, and in no registry.
fn digests(tree: &Tree<'_>, id: Id) -> HashMap<String, String> {
    let kinds = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let all = kinds.iter().filter_map(|kind| tree.below(id, &["status", kind])).flat_map(|list| tree.items(list));
    let digest = |state: &Id| {
        let (_, digest) = tree.text(*state, &["imageID"])?.split_once('@')?;
        Some((tree.text(*state, &["name"])?.to_owned(), digest.to_owned()))
    };
    all.filter_map(digest).collect()
}

/// What made an object, as far up as can be told from it.
fn controller(tree: &Tree<'_>, id: Id) -> Option<Owner> {
    let references = tree.items(tree.below(id, &["metadata", "ownerReferences"])?);
    let is_controller = |owner: &&Id| tree.text(**owner, &["controller"]) == Some("true");
    let found = references.iter().find(is_controller).or_else(|| references.first())?;
    let kind = tree.text(*found, &["kind"])?;
    let name = tree.text(*found, &["name"])?;
    let own = tree.text(id, &["metadata", "name"]).unwrap_or_default();
    let owner = |kind: &str, name: &str| Some(Owner { kind: kind.to_owned(), name: name.to_owned() });
    match kind {
        "ReplicaSet" => {
            let hash = tree.text(id, &["metadata", "labels", "pod-template-hash"]);
            let deployment = hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
            deployment.map_or_else(|| owner(kind, name), |name| owner("Deployment", name))
        }
        "Job" => owner::cron_job(name).map_or_else(|| owner(kind, name), |name| owner("CronJob", name)),
        "Node" if tree.below(id, &["metadata", "annotations", MIRROR]).is_some() => {
            owner("static pod", owner::owner(own, name).name)
        }
        _ => owner(kind, name),
    }
}
