//! Why nothing is done: what was found can't be understood, or contradicts itself.

use std::io;
use std::path::{Path, PathBuf};

/// Something about the node that has to be clear before anything is changed.
#[derive(Debug, thiserror::Error)]
pub enum Unclear {
    /// A file that can't be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A line.
    #[error("{}:{line}: {what}", file.display())]
    Line {
        /// In which file.
        file: PathBuf,
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A file as a whole.
    #[error("{}: {what}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The node as a whole.
    #[error("{0}")]
    Node(String),
}

// === impl Unclear ===

impl Unclear {
    /// Something about a line.
    pub fn line(file: &Path, line: usize, what: impl Into<String>) -> Self {
        Self::Line { file: file.to_owned(), line, what: what.into() }
    }

    /// Whether it is whoever looks who can't read it; nothing is known of what it says, then.
    pub const fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }

    /// Something about a file.
    pub fn file(file: &Path, what: impl Into<String>) -> Self {
        Self::File { file: file.to_owned(), what: what.into() }
    }
}
