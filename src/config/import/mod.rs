//! Rules from what others have said so far: containerd's `certs.d`, or CRI-O's `registries.conf`.
//!
//! What is there and has no counterpart is [`Lost`], and is told with its place. Nothing is guessed: a host that no image
//! reference can lead to is lost, not approximated.

mod document;
mod hosts;
mod print;
mod registries;
#[cfg(test)]
mod tests;

use crate::config::Place;
use crate::rules::{Conflict, Rule, Table};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What was read.
#[derive(Debug, Default)]
pub struct Imported {
    /// The rules.
    pub rules: Vec<Rule>,
    /// What they don't say.
    pub lost: Vec<Lost>,
}

/// Something that was said and has no counterpart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    place: Place,
    what: String,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum Unimportable {
    /// It can't be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// It is not TOML, or has something else where a value of some kind is due.
    #[error("{place}: {what}")]
    Malformed {
        /// Where.
        place: Place,
        /// What is wrong.
        what: String,
    },
    /// A directory of neither kind.
    #[error("{} has neither directories with a hosts.toml in them nor files that end in .conf", .0.display())]
    Neither(PathBuf),
}

/// Reads rules from `path`: containerd's directory, or one `hosts.toml` of it; CRI-O's file, or its directory of drop-ins.
///
/// # Errors
///
/// When it can't be read or understood.
pub fn import(path: &Path) -> Result<Imported, Unimportable> {
    if !path.is_dir() {
        let is_hosts = path.file_name().is_some_and(|name| name == hosts::FILE);
        return if is_hosts { hosts::import(&[path.to_owned()]) } else { registries::import(&[path.to_owned()]) };
    }
    let entries = document::entries(path)?;
    let files: Vec<PathBuf> =
        entries.iter().map(|entry| entry.join(hosts::FILE)).filter(|file| file.is_file()).collect();
    if !files.is_empty() {
        return hosts::import(&files);
    }
    let is_drop_in = |file: &&PathBuf| file.extension().is_some_and(|end| end == "conf") && file.is_file();
    let files: Vec<PathBuf> = entries.iter().filter(is_drop_in).cloned().collect();
    if files.is_empty() { Err(Unimportable::Neither(path.to_owned())) } else { registries::import(&files) }
}

// === impl Imported ===

impl Imported {
    /// Why repoint would not take these rules as they are: it refuses rules that chain, which others just don't follow.
    pub fn conflicts(&self) -> Vec<Conflict> {
        Table::new(self.rules.clone()).err().unwrap_or_default()
    }

    /// The rules as a drop-in for repoint's configuration, with comments on what is lost.
    pub fn text(&self) -> String {
        print::text(self)
    }

    fn lose(&mut self, place: Place, what: impl Into<String>) {
        self.lost.push(Lost { place, what: what.into() });
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}
