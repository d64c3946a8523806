//! The same rules as configuration of others: of the runtimes, which then find the images by themselves, and of the API
//! server, which then warns of manifests or refuses them.
//!
//! None of them can say all that a rule can. What is lost is a [`Loss`] and is told, in the output and besides; what can't
//! be said without changing what other images get is left out.
//!
//! The two for runtimes are made from cells ([`cell`]): the places at which what the table decides may change.

mod cel;
mod cell;
mod condition;
mod hosts;
mod policy;
mod registries;
#[cfg(test)]
mod tests;

use crate::output::Plain;
use crate::rules::Table;
use jiff::Timestamp;
use std::fmt;
use std::path::PathBuf;

pub use hosts::hosts;
pub(in crate::config) use hosts::is_plain;
pub use policy::policy;
pub use registries::registries;

/// What was made of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The files.
    pub files: Vec<File>,
    /// What they don't say.
    pub losses: Vec<Loss>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the directory it is meant for.
    pub path: PathBuf,
    /// What is in it. Its first line is [`MARK`].
    pub text: String,
}

/// Something that rules say and the other configuration can't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The rule's name; `None` for what holds of all.
    pub rule: Option<String>,
    /// What is lost, and what happens instead.
    pub what: String,
}

/// The first line of every file, by which it is known to be ours to overwrite.
pub const MARK: &str = "# Written by `repoint config export`: what is changed here is lost when it is written again.";

// === impl Loss ===

impl Loss {
    fn of(rule: &str, what: impl Into<String>) -> Self {
        Self { rule: Some(rule.to_owned()), what: what.into() }
    }

    fn of_all(what: impl Into<String>) -> Self {
        Self { rule: None, what: what.into() }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => write!(f, "rule `{rule}`: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Comments that say what is lost, one line each.
fn comments(losses: &[Loss]) -> String {
    use fmt::Write;
    let mut text = String::new();
    for loss in losses {
        // A rule's name is anything; a comment ends with its line.
        let line = Plain(&loss.to_string()).to_string();
        let _infallible = writeln!(text, "# Not said here: {line}");
    }
    text
}

/// A string as TOML, JSON, YAML and CEL all read it.
pub(in crate::config) fn quoted(text: &str) -> String {
    use fmt::Write;
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => {
                let _infallible = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Where and when the rules are looked at.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The rules.
    pub rules: &'a Table,
    /// The time of day, for rules that hold from some day on.
    pub now: Timestamp,
}
