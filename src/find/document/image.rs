//! An image whose name is in pieces, as charts and kustomizations have it.

use super::super::yaml::{self, Id, Tree};
use super::super::{Extent, Part};
use crate::reference::Reference;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// A name in pieces, and the nodes that say it.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) parts: Vec<Part>,
    pub(super) extent: Extent,
    /// All of the keys that were looked at.
    pub(super) keys: Vec<String>,
    /// Whether it only selects what is named elsewhere: to write another name there would be to select something else.
    pub(super) is_selector: bool,
}

/// The keys of a mapping, for who asks for many of them.
struct Keys<'a> {
    tree: &'a Tree<'a>,
    id: Id,
    own: HashMap<&'a str, Id>,
    has_merges: bool,
}

/// What the keys of a split name end in; what is in front of it they have in common. Where there is no registry, only the
/// first two are the name's.
const NAMES: [&str; 4] = ["repository", "repo", "image", "name"];

/// No name is longer: a long text that many aliases mean is not read for each.
const LONGEST: usize = 1024;

/// What begins what is put into a value.
const INSERTED: [&str; 4] = ["{{", "${", "$(", "<"];

/// The piece that a node is. What is null says nothing.
pub(super) fn part(text: &str, tree: &Tree<'_>, id: Id) -> Option<Part> {
    let within = |at: Range<usize>| {
        let raw = text.get(at.clone())?;
        // What is around it in quotes is no part of it.
        let start = at.start.saturating_add(raw.len().saturating_sub(raw.trim_start().len()));
        Some(start..start.saturating_add(raw.trim().len()))
    };
    let node = tree.node(id)?;
    let is_null = text.get(node.at.clone()).is_some_and(|raw| matches!(raw, "" | "null" | "Null" | "NULL" | "~"));
    let says = tree.scalar(id).filter(|says| !is_null && (tree.is_here(id) || says.len() <= LONGEST))?;
    let says = says.trim().to_owned();
    Some(Part { at: yaml::content(text, node).and_then(within), says })
}

/// The names in pieces that a mapping has: `registry`, `repository`, `tag` and `digest`, or `imageRepository` and `imageTag`,
/// and whatever else may be in front of these words.
pub(super) fn splits(text: &str, tree: &Tree<'_>, id: Id, global: Option<&Part>) -> Vec<Split> {
    // One that is there twice is one.
    let mut written = HashSet::new();
    let mut keys: Vec<&str> = tree.entries(id).iter().filter_map(|(key, _)| tree.scalar(*key)).collect();
    keys.retain(|key| written.insert(*key));
    let own = Keys::of(tree, id);
    if own.has_merges {
        keys.extend(["repository", "registry"]);
    }
    let mut found: Vec<Split> = Vec::new();
    let mut told: HashSet<String> = HashSet::new();
    for (name, key) in NAMES.iter().flat_map(|name| keys.iter().map(move |key| (name, key))) {
        let split = before(key, name).and_then(|before| split(text, &own, before, key, global));
        // Of two that have a registry in common, one is a part of the other, or is a name for people.
        if let Some(split) = split.filter(|split| !split.keys.iter().any(|key| told.contains(key))) {
            told.extend(split.keys.iter().cloned());
            found.push(split);
        }
    }
    found
}

fn split(text: &str, keys: &Keys<'_>, before: &str, key: &str, global: Option<&Part>) -> Option<Split> {
    let tree = keys.tree;
    let named = |end: &str| {
        let key = if before.is_empty() { end.to_owned() } else { joined(before, end) };
        let part = keys.get(&key).and_then(|id| part(text, tree, id)).filter(|part| !part.says.is_empty());
        (key, part)
    };
    let name = keys.get(key).and_then(|id| part(text, tree, id)).filter(|part| !part.says.is_empty())?;
    let (registry_key, registry) = named("registry");
    let is_put_in = |part: &Part| INSERTED.iter().any(|mark| part.says.contains(mark));
    let (tag_key, tag) = named("tag");
    let (digest_key, digest) = named("digest");
    let has_tag = tag.is_some();
    // What a template puts in there is not known here.
    let (tag, digest) = (tag.filter(|tag| !is_put_in(tag)), digest.filter(|digest| !is_put_in(digest)));
    let is_repository = key.to_ascii_lowercase().ends_with("repository") || key.ends_with("repo");
    let has_tag_key = keys.get(&tag_key).is_some() || keys.get(&digest_key).is_some();
    let own = Reference::parse(&name.says).ok().filter(|reference| reference.suffix().is_empty())?;
    // `image` or `name` alone is no name in pieces, and a `name` without a registry may be anything's.
    let is_image = key == "image";
    if !is_repository && registry.is_none() && (!has_tag || (own.is_short() && !is_image)) {
        return None;
    }
    if registry.is_none() && own.is_short() && !is_image && (!has_tag_key || name.says.contains('.')) {
        return None;
    }
    let global = global.filter(|_| registry.is_some() || (own.is_short() && !is_image));
    let implied = |says: &str| Part { at: None, says: says.to_owned() };
    let mut parts = Vec::new();
    if let Some(registry) = global.cloned().or(registry) {
        let ends = registry.says.ends_with('/');
        parts.push(registry);
        parts.extend((!ends).then(|| implied("/")));
    }
    parts.push(name);
    let extent = if tag.is_none() && digest.is_none() { Extent::Tagless } else { Extent::Whole };
    if let Some(tag) = tag {
        parts.push(implied(":"));
        parts.push(tag);
    }
    if let Some(digest) = digest {
        parts.push(implied("@"));
        // Some charts have it with the algorithm, some without.
        parts.extend((!digest.says.contains(':')).then(|| implied("sha256:")));
        parts.push(digest);
    }
    let keys = vec![key.to_owned(), registry_key, tag_key, digest_key];
    Some(Split { parts, extent, keys, is_selector: false })
}

impl<'a> Keys<'a> {
    fn of(tree: &'a Tree<'a>, id: Id) -> Self {
        // Of a key that is there twice, the last one holds.
        let own: HashMap<_, _> =
            tree.entries(id).iter().filter_map(|(key, value)| Some((tree.scalar(*key)?, *value))).collect();
        Self { tree, id, has_merges: own.contains_key("<<"), own }
    }

    /// As [`Tree::get`].
    fn get(&self, key: &str) -> Option<Id> {
        let merged = || if self.has_merges { self.tree.get(self.id, key) } else { None };
        self.own.get(key).copied().or_else(merged)
    }
}

/// What is in front of the word that a key ends in: of `imageRepository` it is `image`.
fn before<'a>(key: &'a str, word: &str) -> Option<&'a str> {
    let start = key.len().checked_sub(word.len())?;
    let (before, end) = key.split_at_checked(start)?;
    // A new word begins, or the key with it: `pause_image`, `pauseImage`, `image`.
    let begins =
        end.starts_with(|first: char| first.is_ascii_uppercase()) || before.is_empty() || before.ends_with(['_', '-']);
    (end.eq_ignore_ascii_case(word) && begins).then_some(before)
}

/// A key of the same kind for another word.
fn joined(before: &str, word: &str) -> String {
    if before.ends_with(['_', '-']) {
        return format!("{before}{word}");
    }
    let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
    format!("{before}{}{rest}", first.to_ascii_uppercase())
}

/// The names by which a kustomization selects images that it gives new names, with the bytes at which they begin.
pub(super) fn selectors(text: &str, tree: &Tree<'_>, root: Id) -> Vec<(String, usize)> {
    let images = tree.get(root, "images").map(|id| tree.items(id)).unwrap_or_default();
    let renamed = images.iter().filter(|entry| tree.text(**entry, &["newName"]).is_some_and(|name| !name.is_empty()));
    let name = |entry: &Id| part(text, tree, tree.get(*entry, "name")?);
    renamed.filter_map(name).filter_map(|part| Some((part.says, part.at?.start))).collect()
}

/// The entry of a kustomization's `images`: what takes the place of a name, or that which is selected to have another tag.
pub(super) fn kustomized(text: &str, tree: &Tree<'_>, id: Id) -> Option<Split> {
    let piece = |key| tree.get(id, key).and_then(|id| part(text, tree, id)).filter(|part| !part.says.is_empty());
    let (tag, digest) = (piece("newTag"), piece("digest"));
    let implied = |says: &str| Part { at: None, says: says.to_owned() };
    let (name, is_selector) = match piece("newName") {
        Some(name) => (name, false),
        None => (piece("name")?, true),
    };
    let mut parts = vec![name];
    // A digest goes instead of a tag.
    let suffix = match (&tag, &digest) {
        (_, Some(digest)) => vec![implied("@"), digest.clone()],
        (Some(tag), None) => vec![implied(":"), tag.clone()],
        (None, None) => Vec::new(),
    };
    let extent = if suffix.is_empty() { Extent::Tagless } else { Extent::Whole };
    parts.extend(suffix);
    Some(Split { parts, extent, keys: Vec::new(), is_selector })
}
