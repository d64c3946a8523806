//! A policy of signatures, as containers-policy.json(5) has it: what is wanted of an image, by its name.

use crate::rules::place::{Host, normal};
use crate::rules::{Pattern, Place};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A policy, by its keys.
#[derive(Debug, serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Policy(Map<String, Value>);

/// What is wanted of images of a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    /// What in the policy says so.
    pub(super) scope: &'a str,
    /// All of this.
    requirements: &'a [Value],
}

/// How much that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Nothing,
    Signatures,
    /// More than any image has.
    Refusal,
}

/// The transport that registries are.
const DOCKER: &str = "docker";
/// What stands for whatever has no scope.
const DEFAULT: &str = "default";
/// Whom a signature has to name, if that is not the image itself.
const IDENTITY: &str = "signedIdentity";

// === impl Policy ===

impl Policy {
    fn scopes(&self) -> Option<&Map<String, Value>> {
        self.0.get("transports")?.get(DOCKER)?.as_object()
    }

    /// Where the policy may tell old names from new ones: at the place of the rule, and at each scope that lies within it by
    /// either name.
    pub(super) fn pairs(&self, pattern: &Pattern, target: &Place) -> Vec<(String, String)> {
        let prefix = |registry: &str, path: &[String]| {
            std::iter::once(registry).chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("/")
        };
        // Any label in the star's place: it is told by the name that the rule has.
        let host = match pattern.host() {
            Host::Exactly(host) => host.clone(),
            Host::Below(host) => format!("x.{host}"),
        };
        let (old, new) = (prefix(&host, pattern.path()), prefix(target.registry(), target.path()));
        let mut pairs = vec![(old.clone(), new.clone())];
        for scope in self.scopes().into_iter().flat_map(Map::keys) {
            let (registry, rest) = scope.split_at(scope.find('/').unwrap_or(scope.len()));
            let below = |path: &[String]| {
                let path = path.iter().map(|part| format!("/{part}")).collect::<String>();
                rest.strip_prefix(path.as_str()).filter(|rest| rest.starts_with('/')).map(str::to_owned)
            };
            if pattern.host().matches(&normal(registry))
                && let Some(rest) = below(pattern.path())
            {
                pairs.push((scope.clone(), format!("{new}{rest}")));
            }
            if normal(registry) == target.registry()
                && let Some(rest) = below(target.path())
            {
                pairs.push((format!("{old}{rest}"), scope.clone()));
            }
        }
        pairs.sort();
        pairs.dedup();
        // The rule's own place first, whatever is below it.
        pairs.sort_by_key(|(known, _)| *known != old);
        pairs
    }

    /// What is wanted of images of that name: what the longest scope says that it lies in, then any of the transport, then any at
    /// all.
    pub(super) fn wanted<'a>(&'a self, name: &'a str) -> Wanted<'a> {
        let own = self.scopes().and_then(|scopes| within(name).find_map(|scope| scopes.get_key_value(scope.as_ref())));
        let (scope, value) =
            own.map_or_else(|| (DEFAULT, self.0.get(DEFAULT)), |(scope, value)| (scope.as_str(), Some(value)));
        let requirements = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Wanted { name, scope, requirements }
    }
}

// === impl Wanted ===

impl<'a> Wanted<'a> {
    pub(super) fn level(self) -> Level {
        self.requirements.iter().map(Level::of).max().unwrap_or(Level::Refusal)
    }

    /// What it is, in the file's own word.
    pub(super) fn kind(self) -> &'a str {
        let decides = self.requirements.iter().find(|one| Level::of(one) == self.level());
        decides.map_or("nothing", kind)
    }

    /// Whether the same signers are wanted, whatever names they sign for.
    pub(super) fn has_signers_of(self, other: Self) -> bool {
        let signers = |wanted: Self| wanted.signatures().map(signer).collect::<Vec<_>>();
        self.level() == other.level() && signers(self) == signers(other)
    }

    /// Whether what satisfies this satisfies the other, and the other way round: the same signers, for the same names.
    pub(super) fn is_as(self, other: Self) -> bool {
        let signed = |wanted: Self| wanted.signatures().map(|one| signed(one, wanted.name)).collect::<Vec<_>>();
        self.has_signers_of(other) && (self.level() != Level::Signatures || signed(self) == signed(other))
    }

    fn signatures(self) -> impl Iterator<Item = &'a Value> {
        self.requirements.iter().filter(|one| Level::of(one) == Level::Signatures)
    }
}

// === impl Level ===

impl Level {
    fn of(requirement: &Value) -> Self {
        match kind(requirement) {
            "insecureAcceptAnything" => Self::Nothing,
            "reject" => Self::Refusal,
            _ => Self::Signatures,
        }
    }
}

fn kind(requirement: &Value) -> &str {
    requirement.get("type").and_then(Value::as_str).unwrap_or("nothing")
}

/// A requirement, but for the names that are to be signed.
fn signer(requirement: &Value) -> Vec<(&String, &Value)> {
    let all = requirement.as_object().into_iter().flatten();
    let mut signer: Vec<_> = all.filter(|(key, _)| *key != IDENTITY).collect();
    signer.sort_by_key(|(key, _)| *key);
    signer
}

/// The name that has to be signed for an image of that one. How much of it has to be the same (`matchExact`, `matchRepository`) is
/// left out: it is about tags.
fn signed<'a>(requirement: &'a Value, name: &'a str) -> Cow<'a, str> {
    let identity = requirement.get(IDENTITY);
    let word = |key| identity.and_then(|identity| identity.get(key)).and_then(Value::as_str);
    if let Some(fixed) = word("dockerReference").or_else(|| word("dockerRepository")) {
        return Cow::Borrowed(repository(fixed));
    }
    let name = repository(name);
    let rest = word("prefix").and_then(|prefix| name.strip_prefix(prefix));
    match (rest, word("signedPrefix")) {
        (Some(rest), Some(signed)) if rest.is_empty() || rest.starts_with('/') => Cow::Owned(format!("{signed}{rest}")),
        _ => Cow::Borrowed(name),
    }
}

/// A name without its tag and digest.
pub(super) fn repository(name: &str) -> &str {
    let repository = name.split('@').next().unwrap_or(name);
    let Some(last) = repository.rfind('/') else { return repository };
    let tag = repository.get(last..).and_then(|last| last.find(':'));
    tag.and_then(|tag| repository.get(..last.saturating_add(tag))).unwrap_or(repository)
}

/// The scopes that a name lies in, the longest first: with its digest or tag, each part of its path, its registry, all registries of
/// a domain.
fn within(name: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let repository = repository(name);
    let parents = std::iter::successors(Some(repository), |name| name.rsplit_once('/').map(|(parent, _)| parent));
    let host = repository.split('/').next().unwrap_or_default();
    let domains = std::iter::successors(host.split_once('.'), |(_, domain)| domain.split_once('.'));
    let own = (name != repository).then_some(name);
    let named = own.into_iter().chain(parents).map(Cow::Borrowed);
    named.chain(domains.map(|(_, domain)| Cow::Owned(format!("*.{domain}")))).chain([Cow::Borrowed("")])
}
