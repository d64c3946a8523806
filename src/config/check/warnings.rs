//! What makes sense, and was perhaps not meant all the same.

use super::{Settings, arguments, files};
use crate::config::mistake::Mistake;
use crate::config::place::Placed;
use crate::config::reader::segment;
use crate::config::said::{List, SaidAudit, SaidRule};
use crate::config::source::Source as Files;
use crate::credentials::Source;
use crate::rules::{Action, Credentials, Glob, Pattern, Percent};
use std::fmt;

/// What one may want to look at again.
pub fn warnings(source: &Files, settings: &Settings) -> Vec<Mistake> {
    let mut warnings = Vec::new();
    let targets = || settings.rules.rules().iter().flat_map(|rule| &rule.targets);
    for said in &source.said.credentials {
        let name = &said.name.value;
        if !targets().any(|target| matches!(&target.credentials, Credentials::Source(used) if used == name)) {
            let key = format!("credentials.{}", segment(name));
            warnings.push(Mistake::at_key(said.name.place.clone(), key, "no target uses it"));
        }
    }
    if settings.audit.rotation.is_never() {
        let SaidAudit { keep, compress, .. } = &source.said.audit;
        let about_rotation = [
            ("audit.keep", keep.as_ref().map(|said| &said.place)),
            ("audit.compress", compress.as_ref().map(|said| &said.place)),
        ];
        for (key, place) in about_rotation.into_iter().filter_map(|(key, place)| Some((key, place?))) {
            warnings.push(Mistake::at_key(place.clone(), key, "it has no effect: the audit log is never rotated"));
        }
    }
    for said in &source.said.rules {
        let name = &said.name.value;
        if settings.rules.rules().iter().any(|rule| rule.builtin && rule.name == *name) {
            let key = format!("rules.{}.name", segment(name));
            let what = "a built-in rule goes by this name, too: records can't tell them apart";
            warnings.push(Mistake::at_key(said.name.place.clone(), key, what));
        }
    }
    for said in &source.said.rules {
        warnings.extend(without_effect(said));
        warnings.extend(nowhere(said));
    }
    warnings.extend(source.unread.iter().map(|path| {
        // It holds nowhere, and so has no rank of its own.
        Mistake::in_file(usize::MAX, format!("{} is not read: what is ends in `.toml`", path.display()))
    }));
    warnings.extend(arguments::warnings(&source.said.credentials));
    warnings.extend(files::warnings(&source.said.credentials));
    warnings
}

/// Why the unit as it is shipped does not do for `settings`, and what does: it is shut off from the network.
pub fn needs_network(settings: &Settings) -> Option<String> {
    let provider = settings.credentials.iter().find(|(_, source)| matches!(source, Source::Provider { .. }));
    let needs = [
        settings.metrics_tcp.map(|_| "`metrics_tcp`".to_owned()),
        provider.map(|(name, _)| format!("the provider of `credentials.{}`, if it asks a network,", segment(name))),
    ];
    let needs: Vec<_> = needs.into_iter().flatten().collect();
    let is_needed = !needs.is_empty();
    is_needed.then(|| {
        let needs = needs.join(" and ");
        format!("{needs} needs the drop-in network.conf in /etc/systemd/system/repoint.service.d: the unit is shut off from the network")
    })
}

/// What is matched for nothing, and excluded for nothing. (Of what is excluded in part, the rest was meant.)
fn without_effect(said: &SaidRule) -> Vec<Mistake> {
    let path = format!("rules.{}", segment(&said.name.value));
    let (patterns, excluded) = (list(&said.patterns), list(&said.exclude));
    let (namespaces, excluded_namespaces) = (list(&said.namespaces), list(&said.exclude_namespaces));
    let again = patterns.iter().enumerate().filter_map(|(number, Placed { value: pattern, place })| {
        let is_same = |other: &Pattern| other.host() == pattern.host() && other.path() == pattern.path();
        let earlier = patterns.iter().take(number).find(|other| is_same(&other.value))?;
        let what = format!("`{pattern}` is of no effect: it is in `match` already, as `{}`", earlier.value);
        Some(Mistake::at_key(place.clone(), format!("{path}.match"), what))
    });
    let for_nothing = excluded_by(patterns, excluded, Pattern::surrounds, &format!("{path}.match"));
    let for_nobody = excluded_by(namespaces, excluded_namespaces, Glob::surrounds, &format!("{path}.namespaces"));
    let beside = excluded.iter().filter(|exclude| !patterns.iter().any(|pattern| pattern.value.meets(&exclude.value)));
    let beside = beside.map(|Placed { value: exclude, place }| {
        let what = format!("`{exclude}` is of no effect: nothing of it is in `match`");
        Mistake::at_key(place.clone(), format!("{path}.exclude"), what)
    });
    again.chain(for_nothing).chain(for_nobody).chain(beside).collect()
}

fn list<T>(list: &Option<List<T>>) -> &[Placed<T>] {
    list.as_ref().map(|list| list.value.as_slice()).unwrap_or_default()
}

/// What is listed at `key`, and wholly excluded.
fn excluded_by<T: fmt::Display>(
    listed: &[Placed<T>],
    excluded: &[Placed<T>],
    surrounds: fn(&T, &T) -> bool,
    key: &str,
) -> Vec<Mistake> {
    let for_nothing = listed.iter().filter_map(|Placed { value, place }| {
        let by = excluded.iter().find(|exclude| surrounds(&exclude.value, value))?;
        let what = format!("`{value}` is of no effect: all of it is excluded, by `{}`", by.value);
        Some(Mistake::at_key(place.clone(), key, what))
    });
    for_nothing.collect()
}

/// A share that no node is in, whatever the day.
fn nowhere(said: &SaidRule) -> Option<Mistake> {
    let observes = said.action.as_ref().is_some_and(|action| action.value == Action::Observe);
    let percent = said.percent.as_ref().filter(|percent| percent.value == Percent::NONE && !observes)?;
    let what = "it observes on every node, since none is in a share of 0: `action = \"observe\"` says so";
    Some(Mistake::at_key(percent.place.clone(), format!("rules.{}.percent", segment(&said.name.value)), what))
}
