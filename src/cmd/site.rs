//! The place where `install` and `uninstall` work: files below a root, and the record of what was there before.

use super::Failure;
use crate::exit::Exit;
use crate::install::carry::Failed;
use crate::install::{Disk, Journal, Own, diff};
use crate::node::{Tree, Unclear};
use crate::output::{self, Plain};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// A root, and what is recorded of it.
#[derive(Debug)]
pub(super) struct Site {
    /// Its files, as they are.
    pub tree: Tree,
    /// What changes them.
    pub disk: Disk,
    /// repoint's state directory.
    pub state: PathBuf,
    /// What is recorded.
    pub journal: Option<Journal>,
    /// Whoever else works here waits for this to be dropped; unset where there is no state directory yet.
    _lock: Option<File>,
}

/// Why there is no working here.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    #[error("another `repoint install` or `repoint uninstall` is at work")]
    Busy,
    #[error("{} is not a directory", .0.display())]
    NoRoot(PathBuf),
}

// === impl Site ===

impl Site {
    /// The one below `root`. One that `is_looked_at` only is open to others.
    ///
    /// # Errors
    ///
    /// When somebody else is at work, or what is there can't be understood.
    pub(super) fn enter(root: Option<&Path>, is_looked_at: bool) -> Result<Self, Failure> {
        let root = root.unwrap_or_else(|| Path::new("/"));
        if !root.is_dir() {
            return Err(Failure::new(Exit::Usage, Closed::NoRoot(root.to_owned())));
        }
        let tree = Tree::at(root);
        let state = Own::read(&tree).map_err(unclear)?.state;
        let lock = if is_looked_at { None } else { lock(&tree, &state)? };
        let journal = Journal::read(&tree, &state).map_err(unclear)?;
        Ok(Self { disk: Disk::new(root), tree, state, journal, _lock: lock })
    }

    /// The files as they are without us.
    pub(super) fn originals(&self) -> Result<Tree, Failure> {
        match &self.journal {
            Some(journal) => Ok(self.tree.with(journal.originals(&self.tree).map_err(unclear)?)),
            None => Ok(self.tree.clone()),
        }
    }

    /// How the files of `journal` differ from what they are to be.
    pub(super) fn diff(&self, journal: &Journal, is_put_in: bool) -> Result<String, Failure> {
        let mut text = String::new();
        for entry in &journal.entries {
            let current = self.tree.find(&entry.path).map_err(unclear)?;
            let original = entry.original(current.clone());
            let wanted = if is_put_in { entry.after.clone().or_else(|| entry.before.clone()) } else { original };
            text.push_str(&diff::unified(&entry.path, current.as_ref(), wanted.as_ref()));
        }
        Ok(text)
    }
}

/// Shows a diff: to a program as it is, to a person without what a file may have in it for terminals.
pub(super) fn show(diff: &str) -> Result<(), Failure> {
    if !io::stdout().is_terminal() {
        return super::print(diff);
    }
    let plain: String = diff.lines().map(|line| format!("{}\n", Plain(line))).collect();
    super::print(&plain)
}

/// Says what is done, as it is done.
pub(super) fn tell(line: &str) {
    // What is done is done, whether or not somebody reads of it.
    let _closed = output::print(&format!("{}\n", Plain(line)));
}

pub(super) fn unclear(error: Unclear) -> Failure {
    Failure::new(Exit::Failed, error)
}

pub(super) fn failed(error: Failed) -> Failure {
    Failure::new(Exit::Failed, error)
}

fn lock(tree: &Tree, state: &Path) -> Result<Option<File>, Failure> {
    let Ok(directory) = tree.real(state).and_then(File::open) else { return Ok(None) };
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(directory)),
        Err(_) => Err(Failure::new(Exit::Failed, Closed::Busy)),
    }
}
