//! All rules together: one reference in, at most one rule out.

use super::rule::{Place, Rule, normal};
use crate::reference::Reference;
use std::collections::HashMap;

/// Rules, indexed by registry and path component, so that deciding does not depend on how many there are.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rules: Vec<Rule>,
    registries: HashMap<String, Node>,
}

/// A rule that applies to a reference.
#[derive(Debug, Clone, Copy)]
pub struct Match<'a> {
    /// The rule.
    pub rule: &'a Rule,
    reference: Reference<'a>,
    /// How many path components of the reference the pattern covers.
    covered: usize,
}

/// Two rules, or two places of one, that can't both be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Two rules match the very same place.
    #[error("rules `{first}` and `{second}` both match `{place}`: keep one of them")]
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
        "rule `{rule}` pulls from `{target}`, which rule `{by}` matches: rules do not chain, so name in `{rule}` the registry that serves in the end"
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

#[derive(Debug, Clone, Default)]
struct Node {
    rule: Option<usize>,
    children: HashMap<String, Self>,
}

// === impl Table ===

impl Table {
    /// Puts rules together.
    ///
    /// # Errors
    ///
    /// With everything about them that contradicts itself.
    pub fn new(rules: Vec<Rule>) -> Result<Self, Vec<Conflict>> {
        let mut table = Self::default();
        let mut conflicts = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            for place in &rule.patterns {
                let node = table.registries.entry(place.registry().to_owned()).or_default();
                let node = place.path().iter().fold(node, |node, part| node.children.entry(part.clone()).or_default());
                match node.rule.replace(index).and_then(|earlier| rules.get(earlier)) {
                    None => {}
                    Some(earlier) => conflicts.push(Conflict::Twice {
                        first: earlier.name.clone(),
                        second: rule.name.clone(),
                        place: place.to_string(),
                    }),
                }
            }
            for target in &rule.targets {
                if let Some(by) = rules.iter().find(|by| by.patterns.iter().any(|place| place.meets(target))) {
                    conflicts.push(Conflict::Chain {
                        rule: rule.name.clone(),
                        target: target.to_string(),
                        by: by.name.clone(),
                    });
                }
            }
        }
        table.rules = rules;
        if conflicts.is_empty() { Ok(table) } else { Err(conflicts) }
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule with the longest pattern that `reference` matches.
    pub fn decide<'a>(&'a self, reference: Reference<'a>) -> Option<Match<'a>> {
        let mut node = self.registries.get(normal(reference.registry()).as_ref())?;
        let all = reference.components().count();
        let mut longest = None;
        let mut components = reference.components();
        for covered in 0..=all {
            if let Some(rule) = node.rule.and_then(|index| self.rules.get(index)) {
                let found = Match { rule, reference, covered };
                longest = if found.makes_sense(all) { Some(found) } else { longest };
            }
            match components.next().and_then(|part| node.children.get(part)) {
                Some(deeper) => node = deeper,
                None => break,
            }
        }
        longest
    }
}

// === impl Match ===

impl<'a> Match<'a> {
    /// A pattern that covers the whole path and a target without one would leave a reference to no repository.
    fn makes_sense(&self, components: usize) -> bool {
        self.covered < components || self.rule.targets.iter().all(|target| !target.path().is_empty())
    }

    /// What is asked for instead, one for each target: the matched part replaced, the rest kept to the byte.
    pub fn substitutes(&self) -> impl Iterator<Item = String> + use<'a> {
        let Self { rule, reference, covered } = *self;
        rule.targets.iter().map(move |target| {
            let mut substitute = target.to_string();
            for component in reference.components().skip(covered) {
                substitute.push('/');
                substitute.push_str(component);
            }
            substitute.push_str(reference.suffix());
            substitute
        })
    }

    /// Whether the registry asked at `target` is another one than the caller named, so that what it knows of the
    /// caller's credentials would be news to it.
    pub fn leaves_registry(&self, target: &Place) -> bool {
        target.registry() != normal(self.reference.registry())
    }
}
