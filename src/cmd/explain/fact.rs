//! What there is to say of an image. These types, written as JSON, are documented API: fields are added, never taken away
//! or given another meaning, and one that has nothing to say is `null` or empty.

use crate::reference::{Name, Reference};
use crate::rewrite;
use crate::rules::{Action, Apart, Credentials, Match, Standpoint, Table};
use serde::Serialize;

/// All of it, for one image.
#[derive(Debug, Serialize)]
pub(super) struct Explanation<'a> {
    /// As it was given.
    pub(super) image: &'a str,
    /// What it is.
    pub(super) kind: Kind,
    /// Why it is no reference.
    pub(super) error: Option<Fault>,
    /// How it is read.
    pub(super) reference: Option<Parts<'a>>,
    /// The namespace of the pod that wants it.
    pub(super) namespace: Option<&'a str>,
    /// What the deciding rule says; `null` where none decides, so that it is pulled as asked for.
    pub(super) decision: Option<Decision<'a>>,
    /// The other rules with a pattern that matches, in the order in which they are asked.
    pub(super) passed_over: Vec<PassedOver<'a>>,
    /// Patterns of built-in rules that match and stand back, because a rule was written for the very same place.
    pub(super) stands_back: Vec<StandsBack<'a>>,
    /// The names under which it is looked for on the node, in that order.
    pub(super) presence: Vec<String>,
}

/// What an image is asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A name in a registry.
    Reference,
    /// An image ID, which is never touched.
    Id,
    /// Neither.
    Invalid,
}

/// A mistake in a reference.
#[derive(Debug, Serialize)]
pub(super) struct Fault {
    /// What is wrong.
    pub(super) message: String,
    /// The byte at which it shows, counted from 0.
    pub(super) at: usize,
}

/// A reference in its parts, with what is implied.
#[derive(Debug, Serialize)]
pub(super) struct Parts<'a> {
    pub(super) registry: &'a str,
    pub(super) path: String,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
    /// What is not written: `registry`, `library` (the first component of the path), `tag` (which is `latest` then).
    pub(super) implied: Vec<&'static str>,
}

/// A rule that decides.
#[derive(Debug, Serialize)]
pub(super) struct Decision<'a> {
    pub(super) rule: &'a str,
    /// Whether nobody wrote it.
    pub(super) builtin: bool,
    /// The pattern that matches.
    pub(super) pattern: &'a str,
    /// What the rule says: `rewrite`, `observe` or `deny`.
    pub(super) configured_action: &'static str,
    /// What that comes to on this node now.
    pub(super) action: &'static str,
    /// What it depends on.
    pub(super) rollout: Rollout,
    /// What is asked for, in that order (or would be, where the action is to observe).
    pub(super) targets: Vec<Asked>,
    /// Targets that make no valid name of it.
    pub(super) nameless_targets: Vec<&'a str>,
    /// `fail` or `original`.
    pub(super) on_failure: &'static str,
}

/// On which nodes and from when on.
#[derive(Debug, Serialize)]
pub(super) struct Rollout {
    /// The share of nodes the rule has reached, in percent.
    pub(super) percent: String,
    /// Where this node stands: it is reached by a larger share.
    pub(super) position: String,
    /// The moment from which on.
    pub(super) from: Option<String>,
    /// Whether this node is reached now.
    pub(super) reached: bool,
}

/// A target.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    /// The substitute.
    pub(super) image: String,
    /// The name of the source of its credentials; `null` where it has none of its own.
    pub(super) credentials: Option<String>,
    /// What becomes of those that came with the call.
    pub(super) of_call: OfCall,
    /// How long it may take, in seconds; `null` for what is usual.
    pub(super) timeout_seconds: Option<f64>,
}

/// What becomes of the credentials that came with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OfCall {
    /// The registry is another one, and is not shown them.
    Dropped,
    /// The registry is the one they were chosen for.
    Kept,
    /// The rule says so.
    Forwarded,
}

/// A rule that does not decide.
#[derive(Debug, Serialize)]
pub(super) struct PassedOver<'a> {
    pub(super) rule: &'a str,
    pub(super) pattern: &'a str,
    pub(super) why: Why,
    /// The pattern that excludes the image, where that is why.
    pub(super) by: Option<&'a str>,
}

/// Why it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// It excludes the image.
    Excluded,
    /// It is about pods of other namespaces.
    Namespace,
    /// No target makes a name of the image.
    NoName,
    /// A longer pattern decides.
    ShorterPattern,
    /// The deciding rule is for the same place, and for some namespaces alone.
    ForAllNamespaces,
}

/// A built-in rule's pattern that is not in force.
#[derive(Debug, Serialize)]
pub(super) struct StandsBack<'a> {
    pub(super) builtin: &'a str,
    pub(super) pattern: &'a str,
    /// The rule in its place.
    pub(super) by: &'a str,
}

// === impl Explanation ===

impl<'a> Explanation<'a> {
    /// What becomes of `image`.
    pub(super) fn of(image: &'a str, namespace: Option<&'a str>, rules: &'a Table, standpoint: Standpoint) -> Self {
        let nothing = Self {
            image,
            kind: Kind::Reference,
            error: None,
            reference: None,
            namespace,
            decision: None,
            passed_over: Vec::new(),
            stands_back: Vec::new(),
            presence: Vec::new(),
        };
        let reference = match Name::parse(image) {
            Err(invalid) => {
                let error = Fault { message: invalid.fault.to_string(), at: invalid.at };
                return Self { kind: Kind::Invalid, error: Some(error), ..nothing };
            }
            Ok(Name::Id(id)) => return Self { kind: Kind::Id, presence: vec![id.to_owned()], ..nothing },
            Ok(Name::Reference(reference)) => reference,
        };
        let decided = rules.decide(reference, namespace);
        let mut presence = rewrite::presence(rules, reference, standpoint);
        if !presence.iter().any(|name| name == image) {
            presence.push(image.to_owned());
        }
        let stands_back = rules.replaced().iter().filter(|replaced| replaced.pattern.matches(&reference));
        Self {
            reference: Some(Parts::of(reference)),
            decision: decided.map(|found| Decision::of(&found, standpoint)),
            passed_over: passed_over(&rules.matches(reference), decided.as_ref(), namespace),
            stands_back: stands_back
                .map(|replaced| StandsBack {
                    builtin: &replaced.builtin,
                    pattern: replaced.pattern.as_str(),
                    by: &replaced.by,
                })
                .collect(),
            presence,
            ..nothing
        }
    }
}

/// The rules of `matches` but the one that decides, each with its reason.
fn passed_over<'a>(matches: &[Match<'a>], decided: Option<&Match<'a>>, namespace: Option<&str>) -> Vec<PassedOver<'a>> {
    let is_decided = |found: &&Match<'_>| decided.is_some_and(|decided| std::ptr::eq(decided.pattern, found.pattern));
    let others = matches.iter().filter(|found| !is_decided(found));
    others
        .map(|found| {
            let same = |decided: &&Match<'_>| {
                decided.pattern.host() == found.pattern.host() && decided.pattern.path() == found.pattern.path()
            };
            let (why, by) = match found.apart(namespace) {
                Some(Apart::Excluded(pattern)) => (Why::Excluded, Some(pattern.as_str())),
                Some(Apart::Namespace) => (Why::Namespace, None),
                Some(Apart::NoName) => (Why::NoName, None),
                None if decided.as_ref().is_some_and(same) => (Why::ForAllNamespaces, None),
                None => (Why::ShorterPattern, None),
            };
            PassedOver { rule: &found.rule.name, pattern: found.pattern.as_str(), why, by }
        })
        .collect()
}

// === impl Parts ===

impl<'a> Parts<'a> {
    fn of(reference: Reference<'a>) -> Self {
        let path = reference.components().collect::<Vec<_>>().join("/");
        let implied = [
            ("registry", reference.is_short()),
            // What is not written can't be found.
            ("library", !reference.source().contains(path.as_str())),
            ("tag", reference.suffix().is_empty()),
        ];
        Self {
            registry: reference.registry(),
            path,
            tag: reference.tag(),
            digest: reference.digest(),
            implied: implied.into_iter().filter(|(_, is)| *is).map(|(what, _)| what).collect(),
        }
    }
}

// === impl Decision ===

impl<'a> Decision<'a> {
    fn of(found: &Match<'a>, standpoint: Standpoint) -> Self {
        let rule = found.rule;
        let action = rule.action_at(standpoint);
        // Whom a denied pull would be asked of is of no interest: nobody is.
        let substitutes: Vec<_> =
            if action == Action::Deny { Vec::new() } else { rewrite::substitutes(found).collect() };
        let named = |place: &str| found.substitutes().any(|(target, _)| target.place.as_str() == place);
        let places = rule.targets.iter().map(|target| target.place.as_str());
        Self {
            rule: &rule.name,
            builtin: rule.builtin,
            pattern: found.pattern.as_str(),
            configured_action: rule.action.as_str(),
            action: action.as_str(),
            rollout: Rollout {
                percent: rule.rollout.percent.to_string(),
                position: standpoint.node.percent().to_string(),
                from: rule.rollout.from.map(|from| from.to_string()),
                reached: rule.rollout.has_reached(standpoint),
            },
            nameless_targets: places.filter(|place| action != Action::Deny && !named(place)).collect(),
            targets: substitutes.iter().map(Asked::of).collect(),
            on_failure: rule.on_failure.as_str(),
        }
    }
}

// === impl Asked ===

impl Asked {
    fn of(substitute: &rewrite::Substitute) -> Self {
        let own = match &substitute.target.credentials {
            Credentials::Source(name) => Some(name.clone()),
            Credentials::Usual | Credentials::None | Credentials::Forward => None,
        };
        let of_call = match (substitute.shows_what_came(), &substitute.target.credentials) {
            (false, _) => OfCall::Dropped,
            (true, Credentials::Forward) => OfCall::Forwarded,
            (true, Credentials::Usual | Credentials::None | Credentials::Source(_)) => OfCall::Kept,
        };
        Self {
            image: substitute.image.clone(),
            credentials: own,
            of_call,
            timeout_seconds: substitute.target.timeout.map(|limit| limit.as_secs_f64()),
        }
    }
}
