//! The last configuration that was good: the very texts, kept in the state directory, so that a mistake in the files, or a
//! file that is gone, does not leave a node without any.

use super::source::Source;
use crate::whole;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// What was good, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The version of repoint that it was good for.
    pub version: String,
    /// When it came into force.
    pub since: Timestamp,
    /// The files, in the order in which they hold, the one that the others are beside first where it was there.
    pub files: Vec<Text>,
}

/// A file, and what was in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Where it was.
    pub path: PathBuf,
    /// What was in it.
    pub text: String,
}

/// What it is called in the state directory.
const NAME: &str = "last-good.json";

// === impl Kept ===

impl Kept {
    /// That of `source`, from now on.
    pub fn of(source: &Source, version: &str, since: Timestamp) -> Self {
        Self { version: version.to_owned(), since, files: source.texts.clone() }
    }

    /// Puts it in the place of the one before. It may have secrets in it: nobody else can read it.
    ///
    /// # Errors
    ///
    /// When it can't be written; the one before is there, then.
    pub fn write(&self, state: &Path) -> io::Result<()> {
        whole::write(&state.join(NAME), &serde_json::to_vec_pretty(self)?)
    }

    /// The one in a state directory; `None` where there is none that can be read, or somebody else may have written it.
    pub fn read(state: &Path) -> Option<Self> {
        let path = state.join(NAME);
        if super::trust::doubt(&path).is_some() {
            return None;
        }
        serde_json::from_slice(&super::source::text(&path).ok()?).ok()
    }

    /// What it says.
    pub fn source(&self) -> Source {
        Source::of_texts(&self.files)
    }
}
