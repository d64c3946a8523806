//! The rules that need not be written.
//!
//! Each goes by the name of what it is about, in `builtin_rules`. Sources: Kubernetes' notices of 2023-02-06 and
//! 2023-03-10, which tell people to substitute just the host; KEP-3720; the promotion manifests and the "Vanity Domain
//! Flip" notes of kubernetes/k8s.io; the source of registry.k8s.io, which joins the asked path to its backends'.

use super::place::{Pattern, Place};
use super::rule::{Rule, Target};

/// A built-in rule, or what makes one.
#[derive(Debug)]
pub struct Alias {
    /// The name it is switched on by.
    pub name: &'static str,
    /// What one has to know of it.
    pub about: &'static str,
    /// The rule's name in records.
    rule: &'static str,
    /// What it matches.
    places: &'static [&'static str],
    /// What the `REGION` in its places stands for, where there is one.
    regions: &'static [&'static str],
}

/// The alias that is on unless it is switched off.
pub const KUBERNETES: &str = "k8s.gcr.io";

/// The alias that derives rules from others, for mirrors that kubeadm filled.
pub const COREDNS: &str = "coredns/coredns";

/// All of them.
pub const ALIASES: &[Alias] = &[
    Alias {
        name: KUBERNETES,
        about: "every image that was ever on it is on registry.k8s.io, under the same path",
        rule: "kubernetes",
        places: &[KUBERNETES],
        regions: &[],
    },
    Alias {
        name: "*.gcr.io/k8s-artifacts-prod",
        about: "what k8s.gcr.io led to until 2023: the same paths",
        rule: "artifacts-prod",
        places: &["us.gcr.io/k8s-artifacts-prod", "eu.gcr.io/k8s-artifacts-prod", "asia.gcr.io/k8s-artifacts-prod"],
        regions: &[],
    },
    Alias {
        name: "*-docker.pkg.dev/k8s-artifacts-prod/images",
        about: "what registry.k8s.io leads to itself, and asks nobody to depend on: the same paths",
        rule: "artifacts-prod-backend",
        places: &["REGION-docker.pkg.dev/k8s-artifacts-prod/images"],
        regions: REGIONS,
    },
    Alias {
        name: "gcr.io/google-containers",
        about: "a different project, Google's own: k8s.gcr.io led to it until July 2020, and only what was in it then is on registry.k8s.io",
        rule: "google-containers",
        places: &["gcr.io/google-containers"],
        regions: &[],
    },
    Alias {
        name: "gcr.io/google_containers",
        about: "the same project, as it was spelt at first; only what was in it in July 2020 is on registry.k8s.io",
        rule: "google_containers",
        places: &["gcr.io/google_containers"],
        regions: &[],
    },
    Alias {
        name: COREDNS,
        about: "for mirrors filled by `kubeadm config images pull --image-repository`, which puts coredns/coredns at coredns: adds that to your rules for whole registries of Kubernetes'",
        rule: "coredns",
        places: &[],
        regions: &[],
    },
];

/// What takes their place.
const NEW: &str = "registry.k8s.io";

/// Where the backends of registry.k8s.io are.
const REGIONS: &[&str] = &[
    "asia-east1",
    "asia-northeast1",
    "asia-northeast2",
    "asia-south1",
    "australia-southeast1",
    "europe-north1",
    "europe-southwest1",
    "europe-west1",
    "europe-west10",
    "europe-west2",
    "europe-west3",
    "europe-west4",
    "europe-west8",
    "europe-west9",
    "southamerica-west1",
    "us-central1",
    "us-east1",
    "us-east4",
    "us-east5",
    "us-south1",
    "us-west1",
    "us-west2",
];

/// The alias of that name.
pub fn alias(name: &str) -> Option<&'static Alias> {
    ALIASES.iter().find(|alias| alias.name == name)
}

/// The built-in rule for the alias of that name; `None` where there is no such alias, or where it has no rule of its own.
pub fn rule(name: &str) -> Option<Rule> {
    let alias = alias(name)?;
    let regions = if alias.regions.is_empty() { &[""] } else { alias.regions };
    let places: Vec<String> =
        alias.places.iter().flat_map(|place| regions.iter().map(|region| place.replace("REGION", region))).collect();
    if places.is_empty() {
        return None;
    }
    Some(Rule {
        name: alias.rule.to_owned(),
        patterns: places.iter().filter_map(|place| Pattern::parse(place).ok()).collect(),
        exclude: Vec::new(),
        namespaces: super::Namespaces::default(),
        action: super::Action::Rewrite,
        rollout: super::Rollout::FULL,
        targets: Place::parse(NEW).map(Target::at).into_iter().collect(),
        on_failure: super::OnFailure::Fail,
        builtin: true,
    })
}

/// What [`COREDNS`] adds to `rules`: for each that is about a whole registry of Kubernetes' and has a mirror for it, one
/// for `coredns/coredns` there. kubeadm takes the first component off where the repository is not the default one, and so
/// puts the image where a longer pattern has to look for it.
pub fn coredns(rules: &[Rule]) -> Vec<Rule> {
    let path = COREDNS;
    let old = ALIASES.iter().filter_map(|alias| rule(alias.name)).flat_map(|rule| rule.patterns);
    // The places that the paths of registry.k8s.io begin at.
    let kubernetes: Vec<Pattern> = old.chain(Pattern::parse(NEW)).collect();
    let is_kubernetes = |pattern: &&Pattern| {
        kubernetes.iter().any(|place| place.host() == pattern.host() && place.path() == pattern.path())
    };
    let is_mirror = |target: &&Target| target.place.registry() != NEW;
    let derive = |rule: &Rule| {
        let whole = rule.patterns.iter().filter(is_kubernetes);
        let patterns: Vec<_> = whole.filter_map(|pattern| Pattern::parse(&format!("{pattern}/{path}")).ok()).collect();
        let at = |target: &Target| {
            let below = if is_mirror(&target) { "coredns" } else { path };
            let place = Place::parse(&format!("{target}/{below}")).ok()?;
            Some(Target { place, ..target.clone() })
        };
        let targets: Vec<_> = rule.targets.iter().filter_map(at).collect();
        (!patterns.is_empty() && rule.targets.iter().any(|target| is_mirror(&target))).then(|| Rule {
            name: format!("{}-coredns", rule.name),
            patterns,
            targets,
            builtin: true,
            ..rule.clone()
        })
    };
    rules.iter().filter_map(derive).collect()
}
