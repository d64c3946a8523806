//! The nodes of one document.

use granit_parser::ScalarStyle;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// A node's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(usize);

/// A node.
#[derive(Debug)]
pub struct Node<'a> {
    /// The bytes that say it.
    pub at: Range<usize>,
    /// What it is.
    pub what: What<'a>,
}

/// What a node is.
#[derive(Debug)]
pub enum What<'a> {
    /// Text.
    Scalar(Cow<'a, str>, ScalarStyle),
    /// A list.
    Sequence(Vec<Id>),
    /// Keys with their values.
    Mapping(Vec<(Id, Id)>),
    /// The node with this anchor.
    Alias(usize),
}

/// The nodes.
#[derive(Debug, Default)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    anchors: HashMap<usize, Id>,
}

/// So many keys are asked for of each mapping, and some for each that it has.
const ASKED: usize = 16;

/// The key of what is merged into a mapping.
const MERGE: &str = "<<";

/// Mappings that are merged into each other (`<<`) are followed so far.
const MERGES: usize = 8;

// === impl Tree ===

impl<'a> Tree<'a> {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.anchors.clear();
    }

    pub(super) fn push(&mut self, at: Range<usize>, what: What<'a>, anchor: usize) -> Id {
        let id = Id(self.nodes.len());
        self.nodes.push(Node { at, what });
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        id
    }

    /// Its own bytes.
    pub(super) fn at(&self, id: Id) -> Range<usize> {
        self.nodes.get(id.0).map(|node| node.at.clone()).unwrap_or_default()
    }

    pub(super) fn end(&mut self, id: Id, end: usize) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.at.end = end;
        }
    }

    pub(super) fn add(&mut self, parent: Id, child: Id) {
        if let Some(Node { what: What::Sequence(items), .. }) = self.nodes.get_mut(parent.0) {
            items.push(child);
        }
    }

    pub(super) fn put(&mut self, parent: Id, key: Id, value: Id) {
        if let Some(Node { what: What::Mapping(entries), .. }) = self.nodes.get_mut(parent.0) {
            entries.push((key, value));
        }
    }

    /// Drops a node and all after it, unless something may still mean one of them.
    pub(super) fn forget(&mut self, from: Id) {
        if self.anchors.is_empty() {
            self.nodes.truncate(from.0);
        }
    }

    /// How many entries are looked at where each mapping of this document or object, which is the last one so far, is asked for the
    /// keys that are of interest, and has others merged into it. Beyond `most` it is not counted.
    pub(super) fn steps(&self, from: Id, most: usize) -> usize {
        let mut steps = 0_usize;
        for node in self.nodes.get(from.0..).unwrap_or_default() {
            let What::Mapping(entries) = &node.what else { continue };
            for (_, merged) in entries.iter().filter(|(key, _)| self.scalar(*key) == Some(MERGE)) {
                let asked = entries.len().saturating_add(ASKED);
                steps = steps.saturating_add(asked.saturating_mul(self.weight(*merged, MERGES)));
                if steps > most {
                    return steps;
                }
            }
        }
        steps
    }

    /// How many entries are looked at where what is merged has not the key.
    fn weight(&self, merged: Id, merges: usize) -> usize {
        let items = self.items(merged).iter().map(|item| self.entries(*item).len().saturating_add(1));
        let entries = self.entries(merged);
        let own = items.fold(entries.len(), usize::saturating_add).saturating_add(1);
        let further = entries.iter().rfind(|(key, _)| self.scalar(*key) == Some(MERGE));
        let further = further.and_then(|(_, value)| Some(self.weight(*value, merges.checked_sub(1)?)));
        own.saturating_add(further.unwrap_or_default())
    }

    /// The node; the one that is meant, where it is an alias.
    pub fn node(&self, id: Id) -> Option<&Node<'a>> {
        match self.nodes.get(id.0)? {
            Node { what: What::Alias(anchor), .. } => self.nodes.get(self.anchors.get(anchor)?.0),
            node => Some(node),
        }
    }

    /// Whether it is written here, and not only meant.
    pub fn is_here(&self, id: Id) -> bool {
        !matches!(self.nodes.get(id.0), Some(Node { what: What::Alias(_), .. }) | None)
    }

    /// What a scalar says.
    pub fn scalar(&self, id: Id) -> Option<&str> {
        match &self.node(id)?.what {
            What::Scalar(says, _) => Some(says),
            What::Sequence(_) | What::Mapping(_) | What::Alias(_) => None,
        }
    }

    /// The entries of a mapping; none where it is something else.
    pub fn entries(&self, id: Id) -> &[(Id, Id)] {
        match self.node(id).map(|node| &node.what) {
            Some(What::Mapping(entries)) => entries,
            _ => &[],
        }
    }

    /// The items of a sequence; none where it is something else.
    pub fn items(&self, id: Id) -> &[Id] {
        match self.node(id).map(|node| &node.what) {
            Some(What::Sequence(items)) => items,
            _ => &[],
        }
    }

    /// The value of a key, also of mappings that are merged in.
    pub fn get(&self, id: Id, key: &str) -> Option<Id> {
        self.look_up(id, key, MERGES)
    }

    /// What is below a path of keys.
    pub fn below(&self, id: Id, path: &[&str]) -> Option<Id> {
        path.iter().try_fold(id, |id, key| self.get(id, key))
    }

    /// What the scalar below a path of keys says.
    pub fn text(&self, id: Id, path: &[&str]) -> Option<&str> {
        self.scalar(self.below(id, path)?)
    }

    fn look_up(&self, id: Id, key: &str, merges: usize) -> Option<Id> {
        // Of a key that is there twice, what reads such a file takes the last.
        let named = |name: &str| {
            let mut entries = self.entries(id).iter();
            entries.rfind(|(key, _)| self.scalar(*key) == Some(name)).map(|(_, value)| *value)
        };
        if let Some(value) = named(key) {
            return Some(value);
        }
        let merges = merges.checked_sub(1)?;
        named(MERGE).and_then(|value| match self.items(value) {
            [] => self.look_up(value, key, merges),
            // What a list merges is asked in its order, and no further: each may list others.
            several => several.iter().find_map(|value| self.look_up(*value, key, 0)),
        })
    }
}
