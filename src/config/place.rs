//! Where things are written.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A file that was read. Files are counted from one, in the order in which they hold.
#[derive(Debug)]
pub struct File {
    rank: usize,
    path: Arc<Path>,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// A place in a file, for people and editors: `FILE:LINE:COLUMN`. In the order of files, then of lines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    rank: usize,
    line: usize,
    column: usize,
    file: Arc<Path>,
}

/// What was said, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// What.
    pub value: T,
    /// Where.
    pub place: Place,
}

// === impl File ===

impl File {
    /// A file with `text` in it.
    pub fn new(rank: usize, path: &Path, text: String) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end.saturating_add(1));
        let lines = std::iter::once(0).chain(ends).collect();
        Self { rank, path: path.into(), text, lines }
    }

    /// What is in it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands at a span.
    pub fn at(&self, span: &Range<usize>) -> Option<&str> {
        self.text.get(span.clone())
    }

    /// The line that a span begins on.
    pub fn line(&self, span: &Range<usize>) -> &str {
        let number = self.lines.partition_point(|&start| start <= span.start);
        let start = self.lines.get(number.saturating_sub(1)).copied().unwrap_or_default();
        self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    /// Where a span begins.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let line = self.lines.partition_point(|&start| start <= span.start);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.at(&(start..span.start)).map_or(0, |before| before.chars().count()).saturating_add(1);
        Place { rank: self.rank, line, column, file: Arc::clone(&self.path) }
    }
}

// === impl Place ===

impl Place {
    /// The line, counted from one.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The number of its file.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Its file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether it is in the same file.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.rank == other.rank
    }

    /// Without the column: `FILE:LINE`.
    pub fn to_line(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

// === impl Placed ===

impl<T> Placed<T> {
    /// The same place with what `change` makes of what is there.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: change(self.value), place: self.place }
    }
}
