//! What CRI-O is told: which image pods are made with, and whose signatures it wants.

use super::document::Document;
use super::kubelet::{Word, values, words};
use super::tree::Tree;
use super::unclear::Unclear;
use super::unit::Unit;
use std::path::Path;

/// CRI-O's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crio {
    /// The image that pods are made with.
    pub sandbox: Option<Word>,
    /// The policy of signatures, where that is not everybody's.
    pub policy: Option<Word>,
    /// Where policies for single namespaces are.
    pub policies: Option<Word>,
}

/// The file, and the directory of its drop-ins. CRI-O reads what is there in the order of names, whatever it is called.
pub const FILE: &str = "/etc/crio/crio.conf";
/// Likewise.
pub const DIRECTORY: &str = "/etc/crio/crio.conf.d";
/// Its unit.
pub const UNIT: &str = "crio.service";

// === impl Crio ===

impl Crio {
    /// All files, and the flags of the unit, which go before them; nothing where there is no CRI-O.
    ///
    /// # Errors
    ///
    /// When a file can't be understood.
    pub fn read(tree: &Tree) -> Result<Option<Self>, Unclear> {
        let directory = Path::new(DIRECTORY);
        let drop_ins = tree.files(directory)?;
        let unit = Unit::read(tree, UNIT)?;
        let (mut all, mut is_there) = (Self::default(), unit.is_some());
        for file in std::iter::once(Path::new(FILE).to_owned()).chain(drop_ins) {
            let Some(text) = tree.text(&file)? else { continue };
            let document = Document::read(&file, &text)?;
            is_there = true;
            let word = |key| document.word(&["crio", "image", key]);
            all.add(word("pause_image"), word("signature_policy"), word("signature_policy_dir"));
        }
        // A unit that is odd in other ways runs all the same.
        if let Some(words) = unit.and_then(|unit| words(tree, &unit).ok()) {
            let flag = |name| values(&words, name).pop();
            all.add(flag("pause-image"), flag("signature-policy"), flag("signature-policy-dir"));
        }
        Ok(is_there.then_some(all))
    }

    fn add(&mut self, sandbox: Option<Word>, policy: Option<Word>, policies: Option<Word>) {
        self.sandbox = sandbox.or_else(|| self.sandbox.take());
        self.policy = policy.or_else(|| self.policy.take());
        self.policies = policies.or_else(|| self.policies.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Content;

    #[test]
    fn later_files_go_before_earlier_ones_and_flags_before_all() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("etc/crio/crio.conf.d")).unwrap();
        let tree = Tree::at(directory.path());
        assert_eq!(Crio::read(&tree).unwrap(), None);
        let content = |path: &str, text: &str| (path.into(), Some(Content::new(text)));
        let tree = tree.with([
            content(FILE, "[crio.image]\npause_image = \"k8s.gcr.io/pause:3.6\"\nsignature_policy = \"/p.json\"\n"),
            content("/etc/crio/crio.conf.d/10-x", "[crio.image]\npause_image = \"k8s.gcr.io/pause:3.9\"\n"),
        ]);
        let found = Crio::read(&tree).unwrap().unwrap();
        assert_eq!(found.sandbox.unwrap().place(), "/etc/crio/crio.conf.d/10-x:2");
        assert_eq!(found.policy.unwrap().text, "/p.json");
        // A directory among them is walked, too.
        std::fs::create_dir_all(directory.path().join("etc/crio/crio.conf.d/20-y")).unwrap();
        let deep = "[crio.image]\npause_image = \"k8s.gcr.io/pause:3.10\"\n";
        let tree = tree.with([content("/etc/crio/crio.conf.d/20-y/z", deep)]);
        assert_eq!(Crio::read(&tree).unwrap().unwrap().sandbox.unwrap().place(), "/etc/crio/crio.conf.d/20-y/z:2");
        let unit = "[Service]\nExecStart=/usr/bin/crio --pause-image=registry.k8s.io/pause:3.9\n";
        let tree = tree.with([content("/etc/systemd/system/crio.service", unit)]);
        assert_eq!(Crio::read(&tree).unwrap().unwrap().sandbox.unwrap().text, "registry.k8s.io/pause:3.9");
    }
}
