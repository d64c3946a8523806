//! Rules that can't be meant together.

use super::place::Pattern;
use super::rule::{Action, Rule, Target};
use super::table::Index;
use std::sync::Arc;

/// Two rules, or two places of one, that can't both be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Two rules match the very same place for the same pods.
    #[error(
        "rules `{first}` and `{second}` both match `{place}`: keep one of them, or tell them apart by `namespaces`"
    )]
    Twice {
        /// The earlier rule's name.
        first: String,
        /// The later rule's name.
        second: String,
        /// What both match.
        place: String,
    },
    /// A substitute would itself be matched.
    #[error(
        "rule `{rule}` pulls from `{target}`, which rule `{by}` matches: rules do not chain, so name in `{rule}` the registry that serves in the end, or `exclude` `{target}` from `{by}`"
    )]
    Chain {
        /// The rule with the target.
        rule: String,
        /// The target.
        target: String,
        /// The rule that matches it.
        by: String,
    },
}

/// Whether two rules for the very same place leave open which one holds.
pub(super) fn twice(first: &Rule, second: &Rule, place: &Pattern) -> Option<Conflict> {
    // A rule for some namespaces goes before one for all, so only its like is a rival.
    let are_rivals = first.namespaces.only.is_empty() == second.namespaces.only.is_empty();
    (are_rivals && !first.namespaces.are_apart_from(&second.namespaces)).then(|| Conflict::Twice {
        first: first.name.clone(),
        second: second.name.clone(),
        place: place.to_string(),
    })
}

/// The targets of `rule` that some rule would rewrite in turn. (One that observes or denies them says nothing about
/// where to pull from.)
pub(super) fn chains(index: &Index, rules: &[Arc<Rule>], rule: &Rule) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for Target { place, .. } in &rule.targets {
        let entries = index.roots(place.registry()).flat_map(|root| root.meeting(place.path()));
        let matching = entries
            .filter_map(|entry| rules.get(entry.rule))
            .find(|by| by.action == Action::Rewrite && !by.exclude.iter().any(|pattern| pattern.covers(place)));
        if let Some(by) = matching {
            conflicts.push(Conflict::Chain { rule: rule.name.clone(), target: place.to_string(), by: by.name.clone() });
        }
    }
    conflicts
}
