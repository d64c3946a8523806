//! What would change, as a patch.

use crate::find::file::Input;
use crate::install::diff;
use crate::node::Content;
use std::env;
use std::path::{Path, PathBuf};

/// What would change in files that were named by their paths, or are below these.
pub(super) struct Patch {
    /// The directory in which it is to be applied: this one, or the nearest above it that has all of the files in it.
    base: PathBuf,
    /// Whether that is this one.
    is_here: bool,
    /// As `patch -p1` and `git apply` have it.
    pub(super) text: String,
}

// === impl Patch ===

impl Patch {
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        let here = env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        // What is not there is told of when it is opened.
        let real: Vec<PathBuf> = paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let has_all = |directory: &&Path| real.iter().all(|path| path.starts_with(directory));
        let base = here.ancestors().find(has_all).unwrap_or_else(|| Path::new("/")).to_owned();
        Self { is_here: base == here, base, text: String::new() }
    }

    /// Adds a file, and the text that it would have.
    pub(super) fn add(&mut self, input: &Input, after: &str) {
        let Some(path) = &input.path else { return };
        let path = path.canonicalize().unwrap_or_else(|_| path.clone());
        let name = Path::new("/").join(path.strip_prefix(&self.base).unwrap_or(&path));
        let [before, after] = [&input.text, after].map(Content::new);
        self.text.push_str(&diff::unified(&name, Some(&before), Some(&after)));
    }

    /// Where it is to be applied, where that is not here.
    pub(super) fn told(&self) -> Option<String> {
        let is_elsewhere = !self.is_here && !self.text.is_empty();
        is_elsewhere.then(|| format!("the patch is for {}: `patch -p1 -d {0}`", self.base.display()))
    }
}
