//! YAML, and JSON, which is some of it, with the bytes that say each thing.
//!
//! A document is a tree of nodes in one list; an alias is a number in it, so that what is written small stays small however
//! much it stands for. The objects of a list (`items` at the top) are shown one after another, and are gone after that. Values of
//! JSON that follow one another, as `cat` and `jq -c` put them, are a document each, which YAML would not have.

mod tree;

pub use tree::{Id, Node, Tree, What};

use granit_parser::{Event, Parser, Span};
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
    /// The bytes of that document which were read all the same, since they are objects of a list.
    pub shown: Range<usize>,
}

/// So many nodes take some 200 MiB. No object is of that size.
const NODES: usize = 2_000_000;

/// So many steps through mappings that are merged into others (`<<`) take a second or two; files that people write have less than a
/// million.
const STEPS: usize = 10_000_000;

/// Who is shown a document, or an object and the list that it is of, as far as that was read.
pub type See<'s, 'a> = dyn FnMut(&Tree<'a>, Id, Option<Id>) + 's;

/// Shows `see` each document of a text, and each object of a list, of which the last may be one that does not end.
///
/// # Errors
///
/// When some of it is no YAML, or has more nodes or merges than are taken. What was read before that has been shown.
pub fn read<'a>(text: &'a str, see: &mut See<'_, 'a>) -> Result<(), Broken> {
    let mut next = Some(0);
    while let Some(from) = next {
        next = stretch(text, from, see)?;
    }
    Ok(())
}

/// Reads from there to the end, or to where a value of JSON begins right behind another one.
fn stretch<'a>(text: &'a str, base: usize, see: &mut See<'_, 'a>) -> Result<Option<usize>, Broken> {
    let mut reader = Reader { base, from: base, end: base, ..Reader::default() };
    let lines = || text.get(..base).unwrap_or_default().matches('\n').count();
    for event in Parser::new_from_str(text.get(base..).unwrap_or_default()) {
        let taken = match event {
            Ok((event, span)) => reader.take(event, &span, see).map_err(|what| (span.start.line(), what)),
            Err(error) => Err((error.marker().line(), error.info())),
        };
        if let Err((line, what)) = taken {
            return Err(reader.broken(line.max(1).saturating_add(lines()), what, see));
        }
        if let Some(next) = reader.another(text) {
            return match reader.finish(see) {
                Ok(()) => Ok(Some(next)),
                Err(what) => Err(reader.broken(lines().saturating_add(1), what, see)),
            };
        }
    }
    Ok(None)
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
    /// The byte of the text at which the parser began.
    base: usize,
    /// Where the document begins.
    from: usize,
    /// Up to where it was read.
    end: usize,
    /// Where the objects of a list are that were shown.
    shown: Option<Range<usize>>,
    /// What the document's merges take.
    steps: usize,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "events may come to be that are not known here")]
    fn take(&mut self, event: Event<'a>, span: &Span, see: &mut See<'_, 'a>) -> Result<(), String> {
        let at = span.byte_range().unwrap_or_default();
        let at = at.start.saturating_add(self.base)..at.end.saturating_add(self.base);
        if self.tree.len() > NODES {
            return Err(format!("more than {NODES} nodes"));
        }
        self.end = self.end.max(at.end);
        match event {
            Event::DocumentStart(..) => {
                self.tree.clear();
                self.root = None;
                self.from = at.start;
                self.shown = None;
                self.steps = 0;
            }
            Event::DocumentEnd => {
                self.finish(see)?;
                self.from = at.end;
            }
            Event::Scalar(says, style, anchor, _) => {
                let id = self.tree.push(at, What::Scalar(says, style), anchor);
                self.place(id, see)?;
            }
            Event::Alias(anchor) => {
                let id = self.tree.push(at, What::Alias(anchor), 0);
                self.place(id, see)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                let id = self.tree.push(at, What::Sequence(Vec::new()), anchor);
                self.open.push(Open::Sequence(id));
            }
            Event::MappingStart(_, anchor, _) => {
                let id = self.tree.push(at, What::Mapping(Vec::new()), anchor);
                self.open.push(Open::Mapping(id, None));
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at.end, see)?,
            _ => {}
        }
        Ok(())
    }

    /// Ends the innermost collection.
    fn close(&mut self, end: usize, see: &mut See<'_, 'a>) -> Result<(), String> {
        match self.open.pop() {
            Some(Open::Sequence(id) | Open::Mapping(id, _)) => {
                self.tree.end(id, end);
                self.place(id, see)
            }
            None => Ok(()),
        }
    }

    /// Ends the document.
    fn finish(&mut self, see: &mut See<'_, 'a>) -> Result<(), String> {
        self.root.take().map_or(Ok(()), |root| self.show(root, None, see))
    }

    /// Shows what does not take too long to look at.
    fn show(&mut self, id: Id, list: Option<Id>, see: &mut See<'_, 'a>) -> Result<(), String> {
        self.steps = self.steps.saturating_add(self.tree.steps(id, STEPS));
        if self.steps > STEPS {
            return Err(format!("more than {STEPS} steps through merged mappings"));
        }
        see(&self.tree, id, list);
        Ok(())
    }

    /// Puts a node where it belongs.
    fn place(&mut self, id: Id, see: &mut See<'_, 'a>) -> Result<(), String> {
        if let Some(list) = self.list() {
            self.show(id, Some(list), see)?;
            let at = self.tree.at(id);
            self.shown = Some(self.shown.as_ref().map_or(at.start, |shown| shown.start)..at.end);
            self.tree.forget(id);
            return Ok(());
        }
        match self.open.last_mut() {
            None => self.root = Some(id),
            Some(Open::Sequence(parent)) => self.tree.add(*parent, id),
            Some(Open::Mapping(parent, key)) => match key.take() {
                None => *key = Some(id),
                Some(key) => self.tree.put(*parent, key, id),
            },
        }
        Ok(())
    }

    /// The list of which an object is next, or ends now.
    fn list(&self) -> Option<Id> {
        match self.open.as_slice() {
            [Open::Mapping(list, Some(key)), Open::Sequence(_)] if self.tree.scalar(*key) == Some("items") => {
                Some(*list)
            }
            _ => None,
        }
    }

    /// The byte at which another value of JSON begins, where one has just ended. What begins with two braces is a template.
    fn another(&self, text: &str) -> Option<usize> {
        let root = self.root.filter(|_| self.open.is_empty())?;
        let is_json = |text: &str| text.starts_with(['{', '[']) && !text.starts_with("{{");
        let at = self.tree.at(root);
        let rest = text.get(at.end..)?.trim_start();
        let is_followed = is_json(rest) && is_json(text.get(at)?);
        is_followed.then(|| text.len().saturating_sub(rest.len()))
    }

    /// Shows what there is of an object that does not end, and says where all that was.
    fn broken(mut self, line: usize, what: String, see: &mut See<'_, 'a>) -> Broken {
        let object = self.open.split_off(self.open.len().min(2));
        if self.list().is_some() {
            self.open.extend(object);
            while self.open.len() > 2 && self.close(self.end, see).is_ok() {}
        }
        Broken { line, what, from: self.from, shown: self.shown.unwrap_or(self.from..self.from) }
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
