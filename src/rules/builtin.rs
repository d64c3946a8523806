//! The rules that need not be written.

use super::rule::{Place, Rule};

/// The alias that is on unless it is switched off.
pub const KUBERNETES: &str = "k8s.gcr.io";

/// The built-in rule for `alias`; `None` where there is none of that name.
///
/// `registry.k8s.io` serves every image that was ever on `k8s.gcr.io`, under the same path: Kubernetes' own notice of
/// 2023-02-06 and 2023-03-10 tells people to substitute just the host.
pub fn rule(alias: &str) -> Option<Rule> {
    (alias == KUBERNETES).then(|| Rule {
        name: "kubernetes".to_owned(),
        patterns: Place::parse(KUBERNETES).into_iter().collect(),
        targets: Place::parse("registry.k8s.io").into_iter().collect(),
    })
}

/// The names [`rule`] knows.
pub const ALIASES: &[&str] = &[KUBERNETES];
