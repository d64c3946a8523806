//! What the table decides, place by place.
//!
//! A decision depends on which patterns and exclusions a reference lies in, and on nothing else of it. So each of these
//! places is asked once, by a reference that lies in it and in no place below: the answer holds for all that do. (But for
//! a reference that ends where the place does, from which a target without a path can make no name.)

use super::{Loss, View};
use crate::reference::{DEFAULT_REGISTRY, Reference};
use crate::rules::place::Host;
use crate::rules::{Action, Credentials, Match, OnFailure, Pattern, Place, Rule, Table, Target};

/// A place, and what becomes of the references in it that lie in no other place below it.
#[derive(Debug)]
pub(super) struct Cell {
    /// Its registries.
    pub(super) host: Host,
    /// Its path prefix.
    pub(super) path: Vec<String>,
    /// The name of the rule that decides.
    pub(super) rule: Option<String>,
    /// What becomes of them.
    pub(super) outcome: Outcome,
    /// Whether the image that the place itself names gets no whole name from some target: there is nothing left to put
    /// behind a registry.
    pub(super) leaves_nothing: bool,
}

/// What becomes of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is pulled as asked for.
    AsAsked,
    /// It is refused.
    Denied,
    /// It is pulled from elsewhere.
    From {
        /// What takes the place of the cell's.
        places: Vec<String>,
        /// Whether it is pulled as asked for if none of them has it.
        or_as_asked: bool,
    },
}

/// What is below every place, and in no rule.
const PROBE: &str = "/repoint-probe/repoint-probe";
/// A subdomain that no rule names.
const PROBE_LABEL: &str = "repoint-probe";

/// The cells of the rules, as far as they can be said of places alone, and what can't.
pub(super) fn cells(view: View<'_>) -> (Vec<Cell>, Vec<Loss>) {
    let mut losses = Vec::new();
    let table = plain(view, &mut losses);
    let mut cells: Vec<Cell> = Vec::new();
    for (rule, host, path) in spots(&table) {
        if cells.iter().any(|cell| cell.host == *host && cell.path == path) {
            continue;
        }
        match Cell::of(host, path, &table) {
            Some(cell) => cells.push(cell),
            None => {
                let registry = joined(host_text(host), path);
                let what = format!("`{registry}` is left out: nothing but upper-case letters make a registry of it");
                losses.push(Loss::of(&rule.name, what));
            }
        }
    }
    cells.sort_by_key(Cell::text);
    (cells, losses)
}

/// Where decisions may change, and for whose sake: at every place of a rule, and where the path of one with a star meets a
/// registry that the star stands for and that has places of its own.
fn spots(table: &Table) -> Vec<(&Rule, &Host, &[String])> {
    let mut spots: Vec<(&Rule, &Host, &[String])> = Vec::new();
    for rule in table.rules() {
        spots.extend(rule.patterns.iter().chain(&rule.exclude).map(|place| (&**rule, place.host(), place.path())));
    }
    let stars: Vec<_> =
        spots.iter().copied().filter(|(_, host, path)| matches!(host, Host::Below(_)) && !path.is_empty()).collect();
    let mut hosts: Vec<&Host> = Vec::new();
    for (_, host, _) in &spots {
        if !hosts.contains(host) {
            hosts.push(host);
        }
    }
    for (rule, star, path) in stars {
        spots.extend(hosts.iter().filter(|host| is_within(host, star)).map(|host| (rule, *host, path)));
    }
    spots
}

/// Whether every registry of `host` is one of the more that a star stands for.
fn is_within(host: &Host, star: &Host) -> bool {
    host != star && star.surrounds(host)
}

/// The rules without what depends on the pod, the node or the day.
fn plain(View { rules, now }: View<'_>, losses: &mut Vec<Loss>) -> Table {
    let mut plain: Vec<Rule> = Vec::new();
    for rule in rules.rules() {
        let mut rule = Rule::clone(rule);
        // What stands back for a rule that is left out here still stands back.
        rule.patterns.retain(|pattern| !rule.builtin || !stands_back(rules, &rule.name, pattern));
        if rule.patterns.is_empty() {
            continue;
        }
        if !rule.namespaces.are_all() {
            let what = "it is left out: nobody but the kubelet says which namespace a pull is for";
            losses.push(Loss::of(&rule.name, what));
            continue;
        }
        let share = rule.rollout.percent.to_string();
        if rule.action != Action::Observe && (share != "100" || rule.rollout.from.is_some_and(|from| from > now)) {
            let what = "its images are pulled as asked for: `percent` and `from` have no counterpart, and it has not reached all nodes";
            losses.push(Loss::of(&rule.name, what));
            rule.action = Action::Observe;
        } else if rule.action == Action::Observe {
            let what =
                "it observes, so its images are pulled as asked for, and nobody records what would have become of them";
            losses.push(Loss::of(&rule.name, what));
        }
        if rule.action == Action::Rewrite {
            of_targets(&rule, losses);
        }
        plain.push(rule);
    }
    // A part of rules that get on together gets on, and one that observes is in nobody's way: there is nothing to tell.
    Table::new(plain).unwrap_or_else(|conflicts| {
        losses.extend(conflicts.iter().map(|conflict| Loss::of_all(conflict.to_string())));
        Table::default()
    })
}

fn stands_back(rules: &Table, builtin: &str, pattern: &Pattern) -> bool {
    rules.replaced().iter().any(|replaced| {
        replaced.builtin == builtin
            && replaced.pattern.host() == pattern.host()
            && replaced.pattern.path() == pattern.path()
    })
}

/// What nobody else knows of a target.
fn of_targets(rule: &Rule, losses: &mut Vec<Loss>) {
    for target in &rule.targets {
        let place = &target.place;
        match &target.credentials {
            Credentials::Usual | Credentials::None => {}
            Credentials::Forward => {
                let what =
                    format!("`{place}` is shown the credentials of a call only if the runtime thinks it should be");
                losses.push(Loss::of(&rule.name, what));
            }
            Credentials::Source(name) => {
                let what = format!("credentials `{name}` for `{place}` have to be given to the runtime in its own way");
                losses.push(Loss::of(&rule.name, what));
            }
        }
        if target.timeout.is_some() {
            losses.push(Loss::of(&rule.name, format!("the time limit for `{place}` has no counterpart")));
        }
        if place.registry() == DEFAULT_REGISTRY && place.path().is_empty() {
            let what =
                "images whose path has one component are not found on docker.io: nobody puts `library/` before it";
            losses.push(Loss::of(&rule.name, what));
        }
    }
}

// === impl Cell ===

impl Cell {
    /// The cell of a place; `None` where its name is read as a registry only in the letters it was written in.
    fn of(host: &Host, path: &[String], table: &Table) -> Option<Self> {
        let mut cell = Self {
            host: host.clone(),
            path: path.to_vec(),
            rule: None,
            outcome: Outcome::AsAsked,
            leaves_nothing: false,
        };
        let probe = cell.probe();
        let reference = Reference::parse(&probe).ok().filter(|reference| cell.host.matches(reference.registry()))?;
        let Some(found) = table.decide(reference, None) else { return Some(cell) };
        cell.rule = Some(found.rule.name.clone());
        cell.outcome = match found.rule.action {
            Action::Observe => Outcome::AsAsked,
            Action::Deny => Outcome::Denied,
            Action::Rewrite => {
                let is_all = found.pattern.path().len() == cell.path.len() && !cell.path.is_empty();
                // On docker.io, one component alone would have to be completed by `library/`.
                let shortest = |place: &Place| if place.registry() == DEFAULT_REGISTRY { 2 } else { 1 };
                let is_short = |target: &Target| target.place.path().len() < shortest(&target.place);
                cell.leaves_nothing = is_all && found.rule.targets.iter().any(is_short);
                Outcome::From { places: places(&found), or_as_asked: found.rule.on_failure == OnFailure::Original }
            }
        };
        Some(cell)
    }

    /// A reference in this place and no other.
    fn probe(&self) -> String {
        let registry = match &self.host {
            Host::Exactly(registry) => registry.clone(),
            Host::Below(registry) => format!("{PROBE_LABEL}.{registry}"),
        };
        format!("{}{PROBE}", joined(registry, &self.path))
    }

    /// The place as text.
    pub(super) fn text(&self) -> String {
        joined(host_text(&self.host), &self.path)
    }

    /// Of `cells`, the one that references here would be in if it were not for this one: the longest around it.
    pub(super) fn around<'a>(&self, cells: &'a [Self]) -> Option<&'a Self> {
        let lies_in = |cell: &&Self| {
            let is_wider = if cell.host == self.host {
                cell.path.len() < self.path.len()
            } else {
                is_within(&self.host, &cell.host)
            };
            is_wider && self.path.starts_with(&cell.path)
        };
        let length = |cell: &&Self| match &cell.host {
            Host::Exactly(_) => (1, 0, cell.path.len()),
            Host::Below(registry) => (0, registry.len(), cell.path.len()),
        };
        cells.iter().filter(lies_in).max_by_key(length)
    }

    /// What becomes of references here by what the cell around it says.
    pub(super) fn inherited(&self, around: Option<&Self>) -> Outcome {
        let Some(around) = around else { return Outcome::AsAsked };
        let rest = self.path.get(around.path.len()..).unwrap_or_default();
        match &around.outcome {
            Outcome::From { places, or_as_asked } => Outcome::From {
                places: places.iter().map(|place| joined(place.clone(), rest)).collect(),
                or_as_asked: *or_as_asked,
            },
            same @ (Outcome::AsAsked | Outcome::Denied) => same.clone(),
        }
    }
}

fn host_text(host: &Host) -> String {
    match host {
        Host::Exactly(registry) => registry.clone(),
        Host::Below(registry) => format!("*.{registry}"),
    }
}

fn joined(mut text: String, path: &[String]) -> String {
    for part in path {
        text.push('/');
        text.push_str(part);
    }
    text
}

/// What takes the place of the probed cell.
fn places(found: &Match<'_>) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for (target, substitute) in found.substitutes() {
        let place = substitute.strip_suffix(PROBE).unwrap_or(&substitute);
        // Only the grammar of references knows Docker Hub's old name.
        let (written, hub) = (target.place.as_str(), target.place.registry() == DEFAULT_REGISTRY);
        let (registry, _) = written.split_once('/').unwrap_or((written, ""));
        let place = place
            .strip_prefix(registry)
            .filter(|_| hub)
            .map_or_else(|| place.to_owned(), |path| format!("{DEFAULT_REGISTRY}{path}"));
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}
