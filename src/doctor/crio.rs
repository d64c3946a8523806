//! Signatures that CRI-O and its kind want, by the name that an image is asked for: with repoint that is another one.

use super::{Case, Check, Id};
use crate::node::Runtime;
use crate::node::crio::Crio;
use crate::rules::place::{Host, normal};
use crate::rules::{Pattern, Place};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::Path;

/// The policy that is everybody's.
const POLICY: &str = "/etc/containers/policy.json";
/// Where policies for single namespaces are, if nobody says otherwise.
const POLICIES: &str = "/etc/crio/policies";
/// The transport that registries are.
const DOCKER: &str = "docker";

pub(super) fn checks(case: &Case) -> Vec<Check> {
    let id = Id::CrioSignatures;
    if !case.may_have(Runtime::Crio) {
        return vec![Check::skipped(id, "the runtime is not CRI-O")];
    }
    let crio = match Crio::read(&case.tree) {
        Ok(crio) => crio,
        Err(error) => {
            return vec![Check::warning(id, error.to_string(), "mend the file: CRI-O does not start with it")];
        }
    };
    let is_known = case.which() == Some(Runtime::Crio);
    let Some(crio) = crio.or_else(|| is_known.then(Crio::default)) else {
        return vec![Check::skipped(id, "the runtime is not CRI-O")];
    };
    let file = crio.policy.as_ref().map_or(POLICY, |word| word.text.as_str());
    let directory = crio.policies.as_ref().map_or(POLICIES, |word| word.text.as_str());
    let mut files = vec![file.to_owned()];
    let names = case.tree.names(Path::new(directory)).unwrap_or_default();
    files.extend(names.iter().filter(|name| name.ends_with(".json")).map(|name| format!("{directory}/{name}")));
    let mut checks: Vec<Check> = files.iter().flat_map(|file| policy(case, Path::new(file))).collect();
    if checks.is_empty() {
        checks.push(Check::ok(id, "no policy of signatures tells the old names from the new ones"));
    }
    checks
}

fn policy(case: &Case, file: &Path) -> Vec<Check> {
    let id = Id::CrioSignatures;
    let place = file.display().to_string();
    let text = match case.tree.text(file) {
        Ok(Some(text)) => text,
        Ok(None) => return Vec::new(),
        Err(error) => {
            return vec![Check::warning(id, error.to_string(), format!("see to {place}: CRI-O pulls nothing without"))];
        }
    };
    let policy: Policy = match serde_json::from_str(&text) {
        Ok(policy) => policy,
        Err(error) => {
            let found = format!("{place}: {error}");
            return vec![Check::failure(id, found, format!("mend {place}: CRI-O pulls nothing with it")).at(place)];
        }
    };
    let line = |scope: &str| {
        let quoted = format!("\"{scope}\"");
        text.lines().position(|line| line.contains(&quoted)).map_or(1, |line| line.saturating_add(1))
    };
    let mut checks = Vec::new();
    for rule in case.rules.rules() {
        for pattern in &rule.patterns {
            for target in &rule.targets {
                let pairs = pairs(&policy, pattern, &target.place);
                let differs = |pair: &&(String, String)| wanted(&policy, &pair.0).1 != wanted(&policy, &pair.1).1;
                for (old, new) in pairs.iter().filter(differs).take(MOST.saturating_sub(checks.len())) {
                    checks.push(difference(&policy, old, new, &place, line));
                }
            }
        }
    }
    checks
}

/// What is asked for by the first name is pulled by the second, and the policy wants something else of it.
fn difference(policy: &Policy, old: &str, new: &str, place: &str, line: impl Fn(&str) -> usize) -> Check {
    let (before, after) = (wanted(policy, old), wanted(policy, new));
    let named = |(scope, value): &(&str, Option<&Value>)| format!("{} (by `{scope}`)", kind(*value));
    let found = format!(
        "{place} wants {} of {old}, and {} of {new}: with repoint, pulls are judged by the new name, and CRI-O from 1.31 on judges the start \
         of a container by the old one",
        named(&before),
        named(&after),
    );
    let remedy = format!(
        "write for {new} what stands for {old} (with \"signedIdentity\": {{\"type\": \"remapIdentity\", \"prefix\": \"{old}\", \
         \"signedPrefix\": \"{new}\"}} where signatures name the new one), or leave {old} to registries.conf (`repoint config export \
         registries.conf`)"
    );
    let is_refused = kind(before.1) == "reject" || kind(after.1) == "reject";
    let id = Id::CrioSignatures;
    let check = if is_refused { Check::failure(id, found, remedy) } else { Check::warning(id, found, remedy) };
    let at = |scope: &str| format!("{place}:{}", line(scope));
    check.about(old).at(at(before.0)).at(at(after.0))
}

/// So many differences are enough to see that there are some.
const MOST: usize = 10;

/// A policy, by its keys.
type Policy = Map<String, Value>;

fn scopes(policy: &Policy) -> Option<&Policy> {
    policy.get("transports")?.get(DOCKER)?.as_object()
}

/// Where the policy may tell old names from new ones: at the place of the rule, and at each scope that lies within it by either name.
fn pairs(policy: &Policy, pattern: &Pattern, target: &Place) -> Vec<(String, String)> {
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
    for scope in scopes(policy).into_iter().flat_map(Map::keys) {
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

/// What is wanted of images of that name, and by which scope: the longest that it lies in, then any of the transport, then any at all.
fn wanted<'a>(policy: &'a Policy, name: &str) -> (&'a str, Option<&'a Value>) {
    if let Some(scopes) = scopes(policy) {
        let found = within(name).find_map(|scope| scopes.get_key_value(scope.as_ref()));
        if let Some((scope, value)) = found {
            return (scope, Some(value));
        }
    }
    ("default", policy.get("default"))
}

/// The scopes that a name lies in, the longest first: with its digest or tag, each part of its path, its registry, all registries of a domain.
fn within(name: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let repository = name.split('@').next().unwrap_or(name);
    let last = repository.rfind('/').map_or(repository.len(), |at| at.saturating_add(1));
    let (before, last) = repository.split_at(last);
    let repository = name.get(..before.len().saturating_add(last.find(':').unwrap_or(last.len()))).unwrap_or(name);
    let parents = std::iter::successors(Some(repository), |name| name.rsplit_once('/').map(|(parent, _)| parent));
    let host = repository.split('/').next().unwrap_or_default();
    let domains = std::iter::successors(host.split_once('.'), |(_, domain)| domain.split_once('.'));
    let own = (name != repository).then_some(name);
    let named = own.into_iter().chain(parents).map(Cow::Borrowed);
    named.chain(domains.map(|(_, domain)| Cow::Owned(format!("*.{domain}")))).chain([Cow::Borrowed("")])
}

/// What it is, in the file's own word.
fn kind(value: Option<&Value>) -> &str {
    value.and_then(|all| all.get(0)).and_then(|first| first.get("type")).and_then(Value::as_str).unwrap_or("nothing")
}
