//! What could not be read, and where.

use std::fmt;
use std::sync::Arc;

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The number of the file among those that were read, so that faults are told in their order.
    pub file: usize,
    /// The line's number; 0 for the file itself.
    pub line: u64,
    /// The file's name.
    pub name: Arc<str>,
    /// What is wrong.
    pub what: String,
    /// What is lost by it.
    pub lost: Lost,
}

/// What a fault took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// A line.
    Line,
    /// The last line, which nobody ended: the machine did first, or it is being written now.
    Torn,
    /// A file, or the rest of it.
    File,
}

/// All of them: how many, and the first few.
#[derive(Debug, Default)]
pub struct Faults {
    /// Lines that could not be read.
    pub lines: u64,
    /// Last lines that were half written.
    pub torn: u64,
    /// Files that could not be read, or not to their end.
    pub files: u64,
    first: Vec<Fault>,
}

/// A broken disk has no end of faults; these tell what it is about.
const TOLD: usize = 5;

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.name, self.what),
            line => write!(f, "{}:{line}: {}", self.name, self.what),
        }
    }
}

// === impl Faults ===

impl Faults {
    /// Counts one, and keeps it if it is one of the first.
    pub fn add(&mut self, fault: Fault) {
        let count = match fault.lost {
            Lost::Line => &mut self.lines,
            Lost::Torn => &mut self.torn,
            Lost::File => &mut self.files,
        };
        *count = count.saturating_add(1);
        self.keep(fault);
    }

    /// Adds those of others.
    pub fn take(&mut self, other: Self) {
        self.lines = self.lines.saturating_add(other.lines);
        self.torn = self.torn.saturating_add(other.torn);
        self.files = self.files.saturating_add(other.files);
        other.first.into_iter().for_each(|fault| self.keep(fault));
    }

    /// The first few, in the order of files and lines.
    pub fn first(&self) -> &[Fault] {
        &self.first
    }

    /// Whether all could be read, but for last lines that were half written.
    pub fn are_none(&self) -> bool {
        self.lines == 0 && self.files == 0
    }

    fn keep(&mut self, fault: Fault) {
        // Threads come in any order; what is told does not depend on it.
        let at = self.first.partition_point(|kept| kept < &fault);
        self.first.insert(at, fault);
        self.first.truncate(TOLD);
    }
}
