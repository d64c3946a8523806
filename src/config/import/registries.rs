//! CRI-O's `registries.conf` and its drop-ins. What prefixes, locations and mirrors mean there:
//! [`crate::config::export`].

use super::document::{Document, Item};
use super::{Imported, Unimportable};
use crate::config::Place as At;
use crate::error::Chain;
use crate::rules::{Action, Namespaces, NotAPlace, OnFailure, Pattern, Place, Rollout, Rule, Target};
use std::path::PathBuf;
use toml::de::DeTable;

/// One of `[[registry]]`.
struct Entry {
    at: At,
    prefix: String,
    location: Option<String>,
    mirrors: Vec<(String, At)>,
    blocked: bool,
}

/// Reads files of which each goes before those in front of it.
pub(super) fn import(files: &[PathBuf]) -> Result<Imported, Unimportable> {
    let (mut imported, mut entries) = (Imported::default(), Vec::new());
    for file in files {
        let document = Document::read(file)?;
        let mut own: Vec<Entry> = Vec::new();
        read(&document, &mut own, &mut imported)?;
        // Within a file the first of a prefix holds, among files the last.
        let is_new = |number: &usize| {
            own.get(*number).is_some_and(|entry| !own.iter().take(*number).any(|other| other.prefix == entry.prefix))
        };
        let kept: Vec<bool> = (0..own.len()).map(|number| is_new(&number)).collect();
        let own: Vec<Entry> =
            own.into_iter().zip(kept).filter_map(|(entry, is_kept)| is_kept.then_some(entry)).collect();
        entries.retain(|earlier: &Entry| !own.iter().any(|entry| entry.prefix == earlier.prefix));
        entries.extend(own);
    }
    let mut themselves = Vec::new();
    for entry in entries {
        match entry.rule(&mut imported) {
            Ok(Some(rule)) => imported.rules.push(rule),
            Ok(None) => themselves.push(entry),
            Err(error) => imported.lose(entry.at, Chain(&error).to_string()),
        }
    }
    for entry in themselves {
        exclude(&entry, &mut imported);
    }
    Ok(imported)
}

fn read(document: &Document, entries: &mut Vec<Entry>, imported: &mut Imported) -> Result<(), Unimportable> {
    let table = document.table()?;
    for item in document.items(table.get_ref()) {
        let what = match item.key {
            "registry" => {
                for (at, table) in document.tables(&item)? {
                    entries.push(Entry::read(document, document.place(at), table, imported)?);
                }
                continue;
            }
            "unqualified-search-registries" => {
                "names without a registry are docker.io's to a rule, wherever else they are looked for"
            }
            "aliases" | "short-name-mode" => {
                "names without a registry are docker.io's to a rule, whatever they are aliases of"
            }
            "registries" => "this is version 1 of the format: only `[[registry]]` is read",
            "credential-helpers" | "additional-layer-store-auth-helper" => {
                "credentials are the runtime's, or a target's own"
            }
            _ => "it is not known",
        };
        imported.lose(document.place(item.at.start), format!("`{}`: {what}", item.key));
    }
    Ok(())
}

/// Has the rules around an entry that leads to itself leave it alone.
fn exclude(entry: &Entry, imported: &mut Imported) {
    let Ok(pattern) = Pattern::parse(&entry.prefix) else { return };
    let is_around = |rule: &&mut Rule| rule.patterns.iter().any(|around| around.surrounds(&pattern));
    for rule in imported.rules.iter_mut().filter(is_around) {
        rule.exclude.push(pattern.clone());
    }
}

// === impl Entry ===

impl Entry {
    fn read(document: &Document, at: At, table: &DeTable<'_>, imported: &mut Imported) -> Result<Self, Unimportable> {
        let (mut prefix, mut location, mut blocked, mut mirrors) = (None, None, false, Vec::new());
        for item in document.items(table) {
            match item.key {
                "prefix" => prefix = Some(trimmed(document, &item)?),
                "location" => location = Some(trimmed(document, &item)?),
                "blocked" => blocked = document.truth(&item)?,
                "mirror" => {
                    for (at, table) in document.tables(&item)? {
                        mirrors.extend(mirror(document, document.place(at), table, imported)?);
                    }
                }
                _ => restriction(document, &item, imported)?,
            }
        }
        let prefix = prefix.filter(|prefix| !prefix.is_empty()).or_else(|| location.clone()).ok_or_else(|| {
            Unimportable::Malformed {
                place: at.clone(),
                what: "`registry`: expected a `prefix` or a `location`".to_owned(),
            }
        })?;
        Ok(Self { at, prefix, location: location.filter(|location| !location.is_empty()), mirrors, blocked })
    }

    /// The rule that says the same; `None` where it says that its images are pulled as asked for.
    fn rule(&self, imported: &mut Imported) -> Result<Option<Rule>, NotAPlace> {
        let pattern = Pattern::parse(&self.prefix)?;
        let mut targets = Vec::new();
        for (mirror, at) in self.mirrors.iter().filter(|_| !self.blocked) {
            match Place::parse(mirror) {
                Ok(place) => targets.push(Target::at(place)),
                Err(error) => imported.lose(at.clone(), Chain(&error).to_string()),
            }
        }
        let elsewhere = self.location.as_ref().filter(|location| !self.blocked && **location != self.prefix);
        if let Some(location) = elsewhere {
            targets.push(Target::at(Place::parse(location)?));
        }
        if targets.is_empty() && !self.blocked {
            return Ok(None);
        }
        Ok(Some(Rule {
            name: self.prefix.clone(),
            patterns: vec![pattern],
            exclude: Vec::new(),
            namespaces: Namespaces::default(),
            action: if self.blocked { Action::Deny } else { Action::Rewrite },
            rollout: Rollout::FULL,
            targets,
            on_failure: if elsewhere.is_some() || self.blocked { OnFailure::Fail } else { OnFailure::Original },
            builtin: false,
        }))
    }
}

fn trimmed(document: &Document, item: &Item<'_>) -> Result<String, Unimportable> {
    Ok(document.text(item)?.trim_end_matches('/').to_owned())
}

fn mirror(
    document: &Document,
    at: At,
    table: &DeTable<'_>,
    imported: &mut Imported,
) -> Result<Option<(String, At)>, Unimportable> {
    let mut location = None;
    for item in document.items(table) {
        if item.key == "location" {
            location = Some(trimmed(document, &item)?);
        } else {
            restriction(document, &item, imported)?;
        }
    }
    Ok(location.map(|location| (location, at)))
}

/// A key that says for what, or how, a registry is asked.
fn restriction(document: &Document, item: &Item<'_>, imported: &mut Imported) -> Result<(), Unimportable> {
    let what = match item.key {
        "insecure" if !document.truth(item)? => return Ok(()),
        "insecure" => "is the runtime's to know: keep it in an entry of the registry that is asked",
        "mirror-by-digest-only" if !document.truth(item)? => return Ok(()),
        "pull-from-mirror" if document.text(item)? == "all" => return Ok(()),
        "mirror-by-digest-only" | "pull-from-mirror" => "has no counterpart: tags and digests are pulled alike",
        _ => "is not known",
    };
    imported.lose(document.place(item.at.start), format!("`{}` {what}", item.key));
    Ok(())
}
