//! Rules that can't be meant together.

use super::place::{Pattern, Place};
use super::rule::{Action, Rule, Target};
use super::table::{Entry, Index};
use std::collections::HashMap;
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

/// The targets of `rules` that one of `all` would rewrite in turn. (One that observes or denies them says nothing about
/// where to pull from, and one that denies pulls from nowhere.)
pub(super) fn chains<'a>(
    index: &Index,
    all: &'a [Arc<Rule>],
    rules: impl Iterator<Item = &'a Arc<Rule>>,
) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    // Thousands of rules may share a target, and all the others lie below it.
    let mut known: HashMap<(&str, &[String]), Option<&str>> = HashMap::new();
    for rule in rules.filter(|rule| rule.action != Action::Deny) {
        for Target { place, .. } in &rule.targets {
            let by = *known.entry((place.registry(), place.path())).or_insert_with(|| rewrites(index, all, place));
            let told = |by: &str| (rule.name.clone(), place.to_string(), by.to_owned());
            conflicts.extend(by.map(told).map(|(rule, target, by)| Conflict::Chain { rule, target, by }));
        }
    }
    conflicts
}

/// The first of `all` that would rewrite some name in `place`.
fn rewrites<'a>(index: &Index, all: &'a [Arc<Rule>], place: &Place) -> Option<&'a str> {
    let mut first: Option<usize> = None;
    // The place as such, and where the runtimes look for a repository of its very name.
    for place in [Some(place), place.implied().as_ref()].into_iter().flatten() {
        let does =
            |by: &Arc<Rule>| by.action == Action::Rewrite && !by.exclude.iter().any(|pattern| pattern.covers(place));
        let mut see = |entry: Entry| {
            if all.get(entry.rule).is_some_and(does) {
                first = Some(first.map_or(entry.rule, |first| first.min(entry.rule)));
            }
        };
        index.roots(place.registry()).for_each(|root| root.meeting(place.path(), &mut see));
    }
    first.and_then(|first| all.get(first)).map(|by| by.name.as_str())
}

#[cfg(test)]
mod tests;
