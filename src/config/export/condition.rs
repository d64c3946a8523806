//! When a rule decides, as an expression over one image's name and one namespace.
//!
//! The table asks rules one after another, the longest pattern first, and the first that applies decides. An expression
//! has no order, so each says whom it waits for: those that are asked before it and may match the same names.

use super::cel::{Text, Truth};
use crate::rules::place::Host;
use crate::rules::{Action, Namespaces, Pattern, Rule, Table};
use std::sync::Arc;

/// The variable that a name is in.
pub(super) const NAME: &str = "n";
/// The variable that a reference is in while a name is made of it.
pub(super) const IMAGE: &str = "i";

/// A rule by one of its patterns.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    rule: &'a Arc<Rule>,
    pattern: &'a Pattern,
}

/// The steps by which a reference becomes a name that can be compared: its registry, a slash and its path, as the
/// runtimes read them. Without its digest first, since that has a colon.
pub(super) fn steps() -> [Text; 5] {
    let image = || Box::new(Text::Variable(IMAGE));
    let first = || Text::Before(image(), "/");
    let is_registry = Truth::All(vec![
        Truth::Contains(Text::Variable(IMAGE), "/"),
        Truth::Any(vec![
            Truth::Equal(first(), Text::Literal("localhost".to_owned())),
            Truth::Contains(first(), "."),
            Truth::Contains(first(), ":"),
            Truth::Not(Box::new(Truth::Equal(first(), Text::Lower(Box::new(first()))))),
        ]),
    ]);
    let (hub, old, slash) = ("docker.io/", "index.docker.io/", "/");
    let on_hub = |rest| Text::Join(vec![Text::Literal(hub.to_owned()), rest]);
    let is_old = Truth::StartsWith(Text::Variable(IMAGE), old.to_owned());
    let lacks_library = Truth::All(vec![
        Truth::StartsWith(Text::Variable(IMAGE), hub.to_owned()),
        Truth::HasParts(Text::Variable(IMAGE), 2),
    ]);
    let library = Text::Join(vec![Text::Literal("docker.io/library/".to_owned()), Text::Skip(image(), hub.len())]);
    let registry = Text::Join(vec![Text::Lower(Box::new(first())), Text::Literal(slash.to_owned())]);
    let renamed = Text::If(Box::new(is_old), Box::new(on_hub(Text::Skip(image(), old.len()))), image());
    [
        Text::If(Box::new(is_registry), image(), Box::new(on_hub(Text::Variable(IMAGE)))),
        renamed.clone(),
        Text::If(Box::new(lacks_library), Box::new(library), image()),
        Text::Join(vec![
            Text::Replace(Box::new(registry), ":443/", "/"),
            Text::Before(Box::new(Text::BehindSlash(image())), ":"),
        ]),
        // Now in any spelling, which implies no `library/`.
        renamed,
    ]
}

/// Whether `rule` decides.
pub(super) fn decides(table: &Table, rule: &Arc<Rule>) -> Truth {
    let entries: Vec<Entry<'_>> = entries(table).collect();
    let own = entries.iter().filter(|entry| Arc::ptr_eq(entry.rule, rule));
    let by_pattern = own.map(|entry| {
        let mut all = entry.applies();
        let before = entries.iter().filter(|other| !Arc::ptr_eq(other.rule, rule) && other.precedes(entry));
        let others: Vec<Truth> = before.map(|other| Truth::All(other.applies())).collect();
        if !others.is_empty() {
            all.push(Truth::Not(Box::new(Truth::Any(others))));
        }
        Truth::All(all)
    });
    Truth::Any(by_pattern.collect())
}

/// What is in the table's index: built-in patterns that stand back are not.
fn entries(table: &Table) -> impl Iterator<Item = Entry<'_>> {
    let all = table.rules().iter().flat_map(|rule| rule.patterns.iter().map(move |pattern| Entry { rule, pattern }));
    all.filter(|Entry { rule, pattern }| {
        !rule.builtin
            || !table
                .replaced()
                .iter()
                .any(|replaced| replaced.builtin == rule.name && is_same(&replaced.pattern, pattern))
    })
}

fn is_same(one: &Pattern, other: &Pattern) -> bool {
    one.host() == other.host() && one.path() == other.path()
}

// === impl Entry ===

impl Entry<'_> {
    /// Whether it is asked before another one, of names that both may match.
    fn precedes(&self, other: &Self) -> bool {
        let (own, its) = (self.pattern, other.pattern);
        if is_same(own, its) {
            let for_some = |entry: &Self| !entry.rule.namespaces.only.is_empty();
            return for_some(self) || !for_some(other);
        }
        if own.host() == its.host() {
            return own.path().starts_with(its.path());
        }
        its.host().surrounds(own.host()) && own.meets(its)
    }

    /// Whether it matches and does not stand aside.
    fn applies(&self) -> Vec<Truth> {
        let Self { rule, pattern } = self;
        let mut all = vec![lies_in(pattern, self.leaves_nothing())];
        all.extend(rule.exclude.iter().map(|pattern| Truth::Not(Box::new(lies_in(pattern, false)))));
        all.extend(is_meant(&rule.namespaces));
        all
    }

    /// Whether an image that ends with the pattern gets no name.
    fn leaves_nothing(&self) -> bool {
        let targets = &self.rule.targets;
        self.rule.action != Action::Deny
            && !targets.is_empty()
            && targets.iter().all(|target| target.place.path().is_empty())
    }
}

/// Whether the name lies in a place, and, with `below`, does not end with it.
fn lies_in(pattern: &Pattern, below: bool) -> Truth {
    let name = || Text::Variable(NAME);
    let path = pattern.path().join("/");
    let (mut all, start, rest) = match pattern.host() {
        Host::Exactly(registry) if path.is_empty() => (Vec::new(), registry.clone(), name()),
        Host::Exactly(registry) => (Vec::new(), format!("{registry}/{path}"), name()),
        Host::Below(registry) => {
            let host = Text::Before(Box::new(name()), "/");
            (vec![Truth::EndsWith(host, format!(".{registry}"))], path.clone(), Text::BehindSlash(Box::new(name())))
        }
    };
    if !start.is_empty() {
        let within = Truth::StartsWith(rest.clone(), format!("{start}/"));
        all.push(match below || path.is_empty() {
            true => within,
            false => Truth::Any(vec![Truth::Equal(rest, Text::Literal(start)), within]),
        });
    }
    Truth::All(all)
}

/// Whether the namespace is one that is meant; nothing where all are.
fn is_meant(namespaces: &Namespaces) -> Vec<Truth> {
    let like = |glob: &crate::rules::Glob| Truth::Like(Text::Variable(super::policy::NAMESPACE), glob.clone());
    let mut all = Vec::new();
    if !namespaces.only.is_empty() {
        all.push(Truth::Any(namespaces.only.iter().map(like).collect()));
    }
    all.extend(namespaces.except.iter().map(|glob| Truth::Not(Box::new(like(glob)))));
    all
}
