//! A file as it is to be, and whether it then says what it is to say.

use crate::find::edit;
use crate::find::file::Input;
use crate::find::{Finding, Mention};
use crate::rules::Table;

/// A file with its references changed.
pub(super) struct Mended {
    /// All of it.
    pub(super) text: String,
    /// How many findings are none any more.
    pub(super) count: usize,
    /// What it names then.
    pub(super) mentions: Vec<Mention>,
}

/// Why a file is left as it is.
#[derive(Debug, thiserror::Error)]
#[error("left as it is: with the names changed, it would be read in another way")]
pub(super) struct Otherwise;

// === impl Mended ===

impl Mended {
    /// What becomes of a file; nothing where nothing is to be changed.
    ///
    /// # Errors
    ///
    /// When it would not name then what it names now, but for what was changed.
    pub(super) fn of(
        input: &Input,
        mentions: &[Mention],
        namespace: Option<&str>,
        rules: &Table,
    ) -> Result<Option<Self>, Otherwise> {
        let pairs: Vec<_> = mentions.iter().map(|mention| (mention, Finding::of(mention, rules))).collect();
        let (edits, count) = edit::edits(&input.text, &pairs);
        if edits.is_empty() {
            return Ok(None);
        }
        let after =
            Input { path: None, name: input.name.clone(), text: edit::apply(&input.text, &edits), form: input.form };
        let (then, _) = after.document(namespace).read();
        let is_as_meant = |now: &Mention, then: &Mention| {
            let new = Finding::of(now, rules).and_then(|finding| finding.substitute);
            then.extent == now.extent && (then.image == now.image || Some(&then.image) == new.as_ref())
        };
        let is_same =
            then.len() == mentions.len() && mentions.iter().zip(&then).all(|(now, then)| is_as_meant(now, then));
        if !is_same {
            return Err(Otherwise);
        }
        Ok(Some(Self { text: after.text, count, mentions: then }))
    }
}
