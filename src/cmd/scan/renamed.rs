//! Kustomizations that would select nothing any more, because what they select was given its new name in place.

use crate::find::Mention;
use crate::find::file::Input;
use crate::reference::Reference;
use std::collections::HashSet;

/// What selects, and what was renamed; in whatever order they come.
#[derive(Default)]
pub(super) struct Renamed {
    /// Old names, without tag and digest.
    names: HashSet<String>,
    /// Where what selects by which name.
    selectors: Vec<(String, String)>,
}

// === impl Renamed ===

impl Renamed {
    /// Adds what a file selects.
    pub(super) fn select(&mut self, input: &Input) {
        let selectors = input.document(None).selectors().into_iter();
        self.selectors.extend(selectors.map(|(name, line)| (format!("{}:{line}", input.name), name)));
    }

    /// Adds what became of what a file names.
    pub(super) fn rename(&mut self, before: &[Mention], after: &[Mention]) {
        let changed = before.iter().zip(after).filter(|(before, after)| before.image != after.image);
        self.names.extend(changed.map(|(before, _)| without_suffix(&before.image).to_owned()));
    }

    /// What is to be looked after, a line each.
    pub(super) fn told(&self) -> Vec<String> {
        let lost = self.selectors.iter().filter(|(_, name)| self.names.contains(without_suffix(name)));
        lost.map(|(place, name)| format!("{place} selects {name}, which files here do not name any more: its tag or digest holds for the new name only if that is selected")).collect()
    }
}

fn without_suffix(image: &str) -> &str {
    match Reference::parse(image) {
        Ok(reference) => image.strip_suffix(reference.suffix()).unwrap_or(image),
        Err(_) => image,
    }
}
