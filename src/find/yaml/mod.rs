//! YAML, and JSON, which is some of it, with the bytes that say each thing.
//!
//! A document is a tree of nodes in one list; an alias is a number in it, so that what is written small stays small however
//! much it stands for. The objects of a list (`items` at the top) are shown one after another, and are gone after that.

mod tree;

pub use tree::{Id, Node, Tree, What};

use granit_parser::{Event, Parser, ScanError, Span};
use std::ops::Range;

/// Why the rest of a text could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Broken {
    /// Where, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// The byte at which the document begins that it is in. All before it was read.
    pub from: usize,
}

/// So many nodes take some 200 MiB. No object is of that size.
const NODES: usize = 2_000_000;

/// Shows `see` each document of a text, and each object of a list.
///
/// # Errors
///
/// When some of it is no YAML, or has more nodes than are taken. What was read before that has been shown.
pub fn read<'a>(text: &'a str, see: &mut dyn FnMut(&Tree<'a>, Id)) -> Result<(), Broken> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| reader.broken(&error))?;
        reader.take(event, &span, see)?;
    }
    Ok(())
}

/// A collection that has not ended.
enum Open {
    Sequence(Id),
    Mapping(Id, Option<Id>),
}

#[derive(Default)]
struct Reader<'a> {
    tree: Tree<'a>,
    open: Vec<Open>,
    root: Option<Id>,
    /// Where the document begins.
    from: usize,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "events may come to be that are not known here")]
    fn take(&mut self, event: Event<'a>, span: &Span, see: &mut dyn FnMut(&Tree<'a>, Id)) -> Result<(), Broken> {
        let at = span.byte_range().unwrap_or_default();
        if self.tree.len() > NODES {
            let what = format!("more than {NODES} nodes");
            return Err(Broken { line: span.start.line(), what, from: self.from });
        }
        match event {
            Event::DocumentStart(..) => {
                self.tree.clear();
                self.root = None;
                self.from = at.start;
            }
            Event::DocumentEnd => {
                if let Some(root) = self.root.take() {
                    see(&self.tree, root);
                }
                self.from = at.end;
            }
            Event::Scalar(says, style, anchor, _) => {
                let id = self.tree.push(at, What::Scalar(says, style), anchor);
                self.place(id, see);
            }
            Event::Alias(anchor) => {
                let id = self.tree.push(at, What::Alias(anchor), 0);
                self.place(id, see);
            }
            Event::SequenceStart(_, anchor, _) => {
                let id = self.tree.push(at, What::Sequence(Vec::new()), anchor);
                self.open.push(Open::Sequence(id));
            }
            Event::MappingStart(_, anchor, _) => {
                let id = self.tree.push(at, What::Mapping(Vec::new()), anchor);
                self.open.push(Open::Mapping(id, None));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open::Sequence(id) | Open::Mapping(id, _)) = self.open.pop() {
                    self.tree.end(id, at.end);
                    self.place(id, see);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts a node where it belongs.
    fn place(&mut self, id: Id, see: &mut dyn FnMut(&Tree<'a>, Id)) {
        if self.is_item() {
            see(&self.tree, id);
            self.tree.forget(id);
            return;
        }
        match self.open.last_mut() {
            None => self.root = Some(id),
            Some(Open::Sequence(parent)) => self.tree.add(*parent, id),
            Some(Open::Mapping(parent, key)) => match key.take() {
                None => *key = Some(id),
                Some(key) => self.tree.put(*parent, key, id),
            },
        }
    }

    /// Whether what ends now is an object of a list.
    fn is_item(&self) -> bool {
        let [Open::Mapping(_, Some(key)), Open::Sequence(_)] = self.open.as_slice() else { return false };
        self.tree.scalar(*key) == Some("items")
    }

    fn broken(&self, error: &ScanError) -> Broken {
        Broken { line: error.marker().line().max(1), what: error.info(), from: self.from }
    }
}

/// The bytes within a scalar's own that say what it says: without quotes, and of a block of lines what it has of text.
#[expect(clippy::wildcard_enum_match_arm, reason = "styles may come to be that are not known here")]
pub fn content(text: &str, node: &Node<'_>) -> Option<Range<usize>> {
    use granit_parser::ScalarStyle::{DoubleQuoted, Folded, Literal, Plain, SingleQuoted};
    let What::Scalar(says, style) = &node.what else { return None };
    let written = text.get(node.at.clone())?;
    let (start, end) = (node.at.start, node.at.end);
    match style {
        Plain => Some(node.at.clone()),
        SingleQuoted | DoubleQuoted if written.len() >= 2 => Some(start.saturating_add(1)..end.saturating_sub(1)),
        Literal | Folded => {
            let says = says.trim();
            let mut places = written.match_indices(says);
            match (places.next(), places.next()) {
                (Some((place, _)), None) if !says.is_empty() => {
                    let start = start.saturating_add(place);
                    Some(start..start.saturating_add(says.len()))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
