//! All rules together: one reference in, at most one rule out.

use super::conflict::{self, Conflict};
use super::place::{Host, Pattern, Place, normal};
use super::rule::{Action, Rule, Target};
use crate::reference::Reference;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Rules, indexed by registry and path component, so that deciding does not depend on how many there are for other places.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// By the numbers that the index has, those that stand back among them.
    all: Vec<Arc<Rule>>,
    rules: Vec<Arc<Rule>>,
    index: Index,
    replaced: Vec<Replaced>,
}

/// A rule with a pattern that a reference lies in.
#[derive(Debug, Clone, Copy)]
pub struct Match<'a> {
    /// The rule.
    pub rule: &'a Arc<Rule>,
    /// Its pattern.
    pub pattern: &'a Pattern,
    reference: Reference<'a>,
    /// How many path components of the reference the pattern covers.
    covered: usize,
}

/// Why a rule does not apply to a reference that one of its patterns matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart<'a> {
    /// It says so.
    Excluded(&'a Pattern),
    /// It is about pods of other namespaces.
    Namespace,
    /// No target makes a name of it: the pattern covers all of the path and the target has none, or the name would be
    /// too long.
    NoName,
}

/// A built-in rule's pattern that stands back, because somebody wrote a rule for the very same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The built-in rule's name.
    pub builtin: String,
    /// The pattern.
    pub pattern: Pattern,
    /// The name of the rule that was written.
    pub by: String,
}

/// Where the patterns are.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    exactly: HashMap<String, Node>,
    below: HashMap<String, Node>,
}

/// A registry, or a place within one.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// The rules for this place; those for some namespaces come first.
    entries: Vec<Entry>,
    children: HashMap<String, Self>,
}

/// A pattern of a rule, by their numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) rule: usize,
    pattern: usize,
}

/// A path of more bytes may make no valid reference. Less than the grammar's limit of 255 by what it may count besides:
/// an implied `library/`, and a registry that has an underscore, which is looked at in full.
const SURELY_SHORT: usize = 240;

// === impl Table ===

impl Table {
    /// Puts rules together.
    ///
    /// # Errors
    ///
    /// With everything about them that contradicts itself.
    pub fn new(mut rules: Vec<Rule>) -> Result<Self, Vec<Conflict>> {
        // A written rule has its place before a built-in one comes to it.
        rules.sort_by_key(|rule| rule.builtin);
        let rules: Vec<Arc<Rule>> = rules.into_iter().map(Arc::new).collect();
        let mut table = Self::default();
        let mut conflicts = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            for (pattern, place) in rule.patterns.iter().enumerate() {
                let node = table.index.node(place);
                let others = || node.entries.iter().filter_map(|entry| rules.get(entry.rule));
                if rule.builtin
                    && let Some(own) = others().find(|other| !other.builtin)
                {
                    let (builtin, by) = (rule.name.clone(), own.name.clone());
                    table.replaced.push(Replaced { builtin, pattern: place.clone(), by });
                    continue;
                }
                if node.entries.iter().any(|other| other.rule == number) {
                    continue;
                }
                // The first rival stands for all: of a thousand rules for one place, each is told of once.
                conflicts.extend(others().find_map(|other| conflict::twice(other, rule, place)));
                let entry = Entry { rule: number, pattern };
                let for_some = |rule: &Rule| !rule.namespaces.only.is_empty();
                let at = node
                    .entries
                    .iter()
                    .position(|other| for_some(rule) && rules.get(other.rule).is_some_and(|other| !for_some(other)));
                node.entries.insert(at.unwrap_or(node.entries.len()), entry);
            }
        }
        let in_force = rules.iter().enumerate().filter(|(number, rule)| table.is_in_force(*number, rule));
        table.rules = in_force.map(|(_, rule)| Arc::clone(rule)).collect();
        conflicts.extend(conflict::chains(&table.index, &rules, table.rules.iter()));
        table.all = rules;
        if conflicts.is_empty() { Ok(table) } else { Err(conflicts) }
    }

    /// The rules, the built-in ones last; without those that stand back everywhere.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The rules, and the built-in ones that stand back everywhere.
    pub fn all(&self) -> &[Arc<Rule>] {
        &self.all
    }

    /// The built-in rules' patterns that stand back.
    pub fn replaced(&self) -> &[Replaced] {
        &self.replaced
    }

    /// The rule for a pull of `reference` for a pod of `namespace`: of those that apply, the one with the longest
    /// pattern. Of patterns on different registries, one that names the registry is longer than one with a star.
    pub fn decide<'a>(&'a self, reference: Reference<'a>, namespace: Option<&str>) -> Option<Match<'a>> {
        self.visit(reference, &mut |found| match found.apart(namespace) {
            None => ControlFlow::Break(found),
            Some(_) => ControlFlow::Continue(()),
        })
    }

    /// Every rule with a pattern that matches, in the order in which they are asked, applying or not.
    pub fn matches<'a>(&'a self, reference: Reference<'a>) -> Vec<Match<'a>> {
        let mut all = Vec::new();
        let ended: Option<()> = self.visit(reference, &mut |found| {
            all.push(found);
            ControlFlow::Continue(())
        });
        debug_assert!(ended.is_none(), "nothing breaks it off");
        all
    }

    /// Every rule that decides for the pods of some namespace. Who asks for an image that is there says no namespace.
    pub fn possible<'a>(&'a self, reference: Reference<'a>) -> Vec<Match<'a>> {
        let mut all = Vec::new();
        let _last: Option<()> = self.visit(reference, &mut |found| {
            if found.apart_everywhere().is_some() {
                return ControlFlow::Continue(());
            }
            all.push(found);
            if found.rule.namespaces.are_all() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        all
    }

    /// Shows `see` the rules whose patterns match, the longest first.
    fn visit<'a, R>(
        &'a self,
        reference: Reference<'a>,
        see: &mut impl FnMut(Match<'a>) -> ControlFlow<R>,
    ) -> Option<R> {
        let registry = normal(reference.registry());
        for root in self.index.roots(&registry) {
            if let ControlFlow::Break(end) = self.descend(root, reference, reference.components(), 0, see) {
                return Some(end);
            }
        }
        None
    }

    /// Shows `see` the rules below `node` and then those at it. A reference has at most 128 components, so this ends
    /// before the stack does.
    fn descend<'a, R>(
        &'a self,
        node: &'a Node,
        reference: Reference<'a>,
        mut rest: impl Iterator<Item = &'a str> + Clone,
        covered: usize,
        see: &mut impl FnMut(Match<'a>) -> ControlFlow<R>,
    ) -> ControlFlow<R> {
        if let Some(deeper) = rest.next().and_then(|part| node.children.get(part)) {
            self.descend(deeper, reference, rest, covered.saturating_add(1), see)?;
        }
        for entry in &node.entries {
            if let Some(rule) = self.all.get(entry.rule)
                && let Some(pattern) = rule.patterns.get(entry.pattern)
            {
                see(Match { rule, pattern, reference, covered })?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether some pattern of the rule is in the index.
    fn is_in_force(&self, number: usize, rule: &Rule) -> bool {
        !rule.builtin
            || rule.patterns.iter().any(|pattern| {
                self.index.find(pattern).is_some_and(|node| node.entries.iter().any(|entry| entry.rule == number))
            })
    }
}

// === impl Index ===

impl Index {
    /// The node of a pattern, made where it is missing.
    fn node(&mut self, pattern: &Pattern) -> &mut Node {
        let root = match pattern.host() {
            Host::Exactly(registry) => self.exactly.entry(registry.clone()),
            Host::Below(registry) => self.below.entry(registry.clone()),
        };
        pattern.path().iter().fold(root.or_default(), |node, part| node.children.entry(part.clone()).or_default())
    }

    fn find(&self, pattern: &Pattern) -> Option<&Node> {
        let root = match pattern.host() {
            Host::Exactly(registry) => self.exactly.get(registry),
            Host::Below(registry) => self.below.get(registry),
        };
        pattern.path().iter().try_fold(root?, |node, part| node.children.get(part))
    }

    /// The patterns for a registry, as it is compared: those that name it, then those with a star, the longest first.
    pub(super) fn roots<'a>(&'a self, registry: &str) -> impl Iterator<Item = &'a Node> {
        let stars = (!self.below.is_empty()).then(|| registry.match_indices('.')).into_iter().flatten();
        let suffixes = stars.filter_map(|(dot, _)| registry.get(dot.saturating_add(1)..));
        self.exactly.get(registry).into_iter().chain(suffixes.filter_map(|suffix| self.below.get(suffix)))
    }
}

// === impl Node ===

impl Node {
    /// Shows `see` the entries of patterns that some reference in a place below this registry lies in.
    pub(super) fn meeting(&self, path: &[String], see: &mut impl FnMut(Entry)) {
        self.entries.iter().copied().for_each(&mut *see);
        match path.split_first() {
            Some((first, rest)) => self.children.get(first).into_iter().for_each(|child| child.meeting(rest, see)),
            None => self.children.values().for_each(|child| child.meeting(&[], see)),
        }
    }
}

// === impl Match ===

impl<'a> Match<'a> {
    /// Why the rule does not apply to a pull for a pod of `namespace`; `None` where it does.
    pub fn apart(&self, namespace: Option<&str>) -> Option<Apart<'a>> {
        if self.rule.namespaces.include(namespace) { self.apart_everywhere() } else { Some(Apart::Namespace) }
    }

    /// Why the rule applies in no namespace; `None` where it does in some.
    fn apart_everywhere(&self) -> Option<Apart<'a>> {
        if let Some(pattern) = self.rule.exclude.iter().find(|pattern| pattern.matches(&self.reference)) {
            return Some(Apart::Excluded(pattern));
        }
        let needs_name = self.rule.action != Action::Deny && !self.rule.targets.is_empty();
        let makes_none = || !self.rule.targets.iter().any(|target| self.makes_name(&target.place));
        (needs_name && makes_none()).then_some(Apart::NoName)
    }

    /// What is asked for instead, for each target that makes a name of it: the matched part replaced, the rest kept to
    /// the byte.
    pub fn substitutes(&self) -> impl Iterator<Item = (&'a Target, String)> + use<'a> {
        let found = *self;
        let makes_name = move |target: &&Target| found.makes_name(&target.place);
        found.rule.targets.iter().filter(makes_name).map(move |target| (target, found.substitute(&target.place)))
    }

    /// Whether `place` makes a valid reference of what is kept.
    fn makes_name(&self, place: &Place) -> bool {
        let path = place.path().iter().map(String::as_str).chain(self.kept());
        let length: usize = path.map(|component| component.len().saturating_add(1)).sum();
        let is_surely_short = length <= SURELY_SHORT && !place.registry().contains('_');
        length > 0 && (is_surely_short || Reference::parse(&self.substitute(place)).is_ok())
    }

    fn substitute(&self, place: &Place) -> String {
        let (written, suffix) = (place.as_str(), self.reference.suffix());
        let kept: usize = self.kept().map(|component| component.len().saturating_add(1)).sum();
        let mut substitute = String::with_capacity(written.len().saturating_add(kept).saturating_add(suffix.len()));
        substitute.push_str(written);
        for component in self.kept() {
            substitute.push('/');
            substitute.push_str(component);
        }
        substitute.push_str(suffix);
        substitute
    }

    /// The components of the path that the pattern does not cover.
    fn kept(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.reference.components().skip(self.covered)
    }

    /// The part of the reference that the pattern is about: its registry, and what the pattern covers of its path.
    pub fn matched(&self) -> String {
        let covered = self.reference.components().take(self.covered);
        std::iter::once(self.reference.registry()).chain(covered).collect::<Vec<_>>().join("/")
    }

    /// Whether the registry asked at `target` is another one than the caller named, so that what it knows of the
    /// caller's credentials would be news to it.
    pub fn leaves_registry(&self, target: &Target) -> bool {
        target.place.registry() != normal(self.reference.registry())
    }
}
