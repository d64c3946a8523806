//! Signatures that CRI-O and its kind want, by the name that an image is asked for: with repoint that is another one.

use super::{Case, Check, Id};
use crate::node::crio::Crio;
use crate::rules::Place;
use serde_json::{Map, Value};
use std::path::Path;

/// The policy that is everybody's.
const POLICY: &str = "/etc/containers/policy.json";
/// Where policies for single namespaces are, if nobody says otherwise.
const POLICIES: &str = "/etc/crio/policies";
/// The transport that registries are.
const DOCKER: &str = "docker";

pub(super) fn checks(case: &Case) -> Vec<Check> {
    let id = Id::CrioSignatures;
    let crio = match Crio::read(&case.tree) {
        Ok(crio) => crio,
        Err(error) => {
            return vec![Check::warning(id, error.to_string(), "mend the file: CRI-O does not start with it")];
        }
    };
    let is_crio = case.far.met().is_some_and(|met| met.name == "cri-o");
    let Some(crio) = crio.or_else(|| is_crio.then(Crio::default)) else {
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
    let policy: Map<String, Value> = match serde_json::from_str(&text) {
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
        for (pattern, target) in
            rule.patterns.iter().flat_map(|pattern| rule.targets.iter().map(move |target| (pattern, target)))
        {
            let Ok(old) = Place::parse(&pattern.as_str().replacen("*.", "x.", 1)) else { continue };
            let (before, after) = (wanted(&policy, &old), wanted(&policy, &target.place));
            if before.1 == after.1 || checks.len() > MOST {
                continue;
            }
            let named = |(scope, value): &(String, Option<&Value>)| format!("{} (by `{scope}`)", kind(*value));
            let found = format!(
                "{place} wants {} of {pattern}, and {} of {}: with repoint, pulls are judged by the new name, and CRI-O from 1.31 on judges the start \
                 of a container by the old one",
                named(&before),
                named(&after),
                target.place
            );
            let remedy = format!(
                "write for {} what stands for {pattern} (with \"signedIdentity\": {{\"type\": \"remapIdentity\", \"prefix\": \"{pattern}\", \
                 \"signedPrefix\": \"{}\"}} where signatures name the new one), or leave {pattern} to registries.conf (`repoint config export \
                 registries.conf`)",
                target.place, target.place
            );
            let is_refused = kind(before.1) == "reject" || kind(after.1) == "reject";
            let check = if is_refused { Check::failure(id, found, remedy) } else { Check::warning(id, found, remedy) };
            checks.push(
                check
                    .about(pattern.as_str())
                    .at(format!("{place}:{}", line(&before.0)))
                    .at(format!("{place}:{}", line(&after.0))),
            );
        }
    }
    checks
}

/// So many differences are enough to see that there are some.
const MOST: usize = 10;

/// What is wanted of images in `place`, and by which scope: the longest that it lies in, then any of the transport, then any at all.
fn wanted<'a>(policy: &'a Map<String, Value>, place: &Place) -> (String, Option<&'a Value>) {
    let scopes = policy.get("transports").and_then(|all| all.get(DOCKER)).and_then(Value::as_object);
    if let Some(scopes) = scopes {
        let mut path = place.path();
        loop {
            let scope =
                std::iter::once(place.registry()).chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("/");
            if let Some(found) = scopes.get(&scope) {
                return (scope, Some(found));
            }
            match path.split_last() {
                Some((_, rest)) => path = rest,
                None => break,
            }
        }
        let mut host = place.registry();
        while let Some((_, parent)) = host.split_once('.') {
            let scope = format!("*.{parent}");
            if let Some(found) = scopes.get(&scope) {
                return (scope, Some(found));
            }
            host = parent;
        }
        if let Some(found) = scopes.get("") {
            return (String::new(), Some(found));
        }
    }
    ("default".to_owned(), policy.get("default"))
}

/// What it is, in the file's own word.
fn kind(value: Option<&Value>) -> &str {
    value.and_then(|all| all.get(0)).and_then(|first| first.get("type")).and_then(Value::as_str).unwrap_or("nothing")
}
