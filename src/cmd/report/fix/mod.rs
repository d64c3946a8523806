//! What mends it: the images put where the rules look for them, or the manifests made to say so themselves.

mod sed;
mod shell;

use super::row::Row;
use crate::args::Tool;
use crate::output::Plain;
use crate::reference::Reference;
use crate::rules::{Rule, Table, builtin};
use shell::Word;
use std::collections::BTreeMap;

/// An image, and what takes its place.
struct Mended<'a> {
    old: Reference<'a>,
    /// In the order in which they are asked; one at least.
    new: Vec<String>,
    /// Whether the rules say so; else the log does.
    is_ruled: bool,
}

/// The registry whose images nobody but Kubernetes can put there, and which has all that was on the old one.
const UPSTREAM: &str = "registry.k8s.io";

/// All of it.
pub(super) fn text(tool: Tool, rows: &[Row<'_>], rules: &Table) -> String {
    let mut remarks = Vec::new();
    let mut mended = Vec::new();
    for row in rows {
        match Mended::new(row, rules) {
            Ok(one) => mended.push(one),
            Err(why) => remarks.push(format!("# {}: {why}\n", Plain(row.image))),
        }
    }
    let text = match tool {
        Tool::Crane => mended.iter().flat_map(|one| one.copies(&crane)).collect(),
        Tool::Skopeo => mended.iter().flat_map(|one| one.copies(&skopeo)).collect(),
        Tool::Kustomize => kustomize(&mended),
        Tool::Sed => sed::script(&mended),
    };
    format!("{}{text}", remarks.concat())
}

/// Copies all platforms.
fn crane(source: &str, target: &str) -> String {
    format!("crane copy {} {}\n", Word(source), Word(target))
}

/// Copies all platforms, and each to the byte, so that digests stay what they are.
fn skopeo(source: &str, target: &str) -> String {
    let [source, target] = [source, target].map(|name| format!("docker://{name}"));
    format!("skopeo copy --all --preserve-digests {} {}\n", Word(&source), Word(&target))
}

/// A stanza of `kustomization.yaml`. Only the name is said: kustomize keeps the tag and the digest that the manifest has,
/// and one that is said here would be set in every manifest with that name.
fn kustomize(mended: &[Mended<'_>]) -> String {
    let mut names: BTreeMap<String, (String, bool)> = BTreeMap::new();
    for one in mended {
        let old = without(one.old.source(), one.old.suffix());
        let new = one.new.first().map(|new| without(new, one.old.suffix())).unwrap_or_default();
        names.entry(old).or_insert((new, one.is_ruled));
    }
    let entry = |(old, (new, is_ruled)): (&String, &(String, bool))| {
        let remark = if *is_ruled { "" } else { UNRULED };
        format!("{remark}- name: {}\n  newName: {}\n", yaml(old), yaml(new))
    };
    let entries: String = names.iter().map(entry).collect();
    if entries.is_empty() { entries } else { format!("images:\n{entries}") }
}

/// Said where no rule decides now.
const UNRULED: &str = "# as the log has it: no rule is about it now\n";

fn without(name: &str, suffix: &str) -> String {
    name.strip_suffix(suffix).unwrap_or(name).to_owned()
}

/// A name as YAML. One that is a valid reference has nothing that YAML reads otherwise, but for brackets in front.
fn yaml(name: &str) -> String {
    if name.starts_with('[') { format!("\"{name}\"") } else { name.to_owned() }
}

// === impl Mended ===

impl<'a> Mended<'a> {
    /// By the rules, for the namespaces it was asked for in; or, where none decides, as it was done.
    fn new(row: &Row<'a>, rules: &Table) -> Result<Self, &'static str> {
        let old = Reference::parse(row.image).map_err(|_| "it is no valid reference")?;
        let namespaces = row.namespaces.iter().map(|namespace| Some(*namespace));
        let nobody = row.is_podless.then_some(None);
        let mut new: Vec<String> = Vec::new();
        let mut is_decided = false;
        for namespace in namespaces.chain(nobody) {
            let Some(found) = rules.decide(old, namespace) else { continue };
            is_decided = true;
            for (_, substitute) in found.substitutes() {
                if !new.contains(&substitute) {
                    new.push(substitute);
                }
            }
        }
        if !new.is_empty() {
            return Ok(Self { old, new, is_ruled: true });
        }
        if is_decided {
            return Err("its rule has no target");
        }
        let recorded = row.substitute.filter(|name| Reference::parse(name).is_ok());
        let recorded = recorded.ok_or("no rule says what takes its place")?;
        Ok(Self { old, new: vec![recorded.to_owned()], is_ruled: false })
    }

    /// The commands that put it at every target.
    fn copies(&self, command: &dyn Fn(&str, &str) -> String) -> Vec<String> {
        let source = self.source();
        let targets = self.new.iter().filter(|target| **target != source && !is_upstream(target));
        let mut copies: Vec<String> = targets.map(|target| command(&by_digest(&source), &by_tag(target))).collect();
        if copies.is_empty() {
            copies.push(format!("# {}: {UPSTREAM} has it, there is nothing to copy\n", self.old.source()));
        } else if !self.is_ruled {
            copies.insert(0, UNRULED.to_owned());
        }
        copies
    }

    /// Where to copy it from. What was on Kubernetes' old registry is on the new one, under the same path, and what came after
    /// the freeze is there alone; the old one may be gone. Others are where they are called.
    fn source(&self) -> String {
        let kubernetes = Table::new(builtin::rule(builtin::KUBERNETES).into_iter().collect::<Vec<Rule>>());
        let upstream =
            kubernetes.ok().and_then(|table| table.decide(self.old, None)?.substitutes().next().map(|(_, name)| name));
        upstream.unwrap_or_else(|| self.old.source().to_owned())
    }
}

fn is_upstream(name: &str) -> bool {
    Reference::parse(name).is_ok_and(|name| name.registry().eq_ignore_ascii_case(UPSTREAM))
}

/// With a tag and a digest, the digest says which image; tools refuse both.
fn by_digest(name: &str) -> String {
    match Reference::parse(name).map(|name| (name.tag(), name.digest(), name.suffix())) {
        Ok((Some(_), Some(digest), suffix)) => format!("{}@{digest}", without(name, suffix)),
        _ => name.to_owned(),
    }
}

/// With a tag and a digest, it goes under the tag: so the digest is found there too.
fn by_tag(name: &str) -> String {
    match Reference::parse(name).map(|name| (name.tag(), name.digest(), name.suffix())) {
        Ok((Some(tag), Some(_), suffix)) => format!("{}:{tag}", without(name, suffix)),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
