//! A file as it is to be, and whether it then says what it is to say.

use crate::find::edit;
use crate::find::file::Input;
use crate::find::{Extent, Finding, Mention, Place};
use crate::rules::Table;

/// A file with its references changed.
pub(super) struct Mended {
    /// All of it.
    pub(super) text: String,
    /// How many findings are none any more.
    pub(super) count: usize,
    /// What it names then.
    pub(super) mentions: Vec<Mention>,
    /// Where it stays as it is, because it would be read in another way.
    pub(super) left: Vec<Place>,
}

/// Why a file is left as it is.
#[derive(Debug, thiserror::Error)]
#[error("left as it is: with the names changed, it would be read in another way")]
pub(super) struct Otherwise;

/// Why one name in it is.
pub(super) const ONE: &str = "left as it is: with its name changed, it would be read in another way";

/// So many names of a file may be left out, one after another, for the others to be mended: for each of them, all of it is read again.
const ROUNDS: usize = 16;

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
        let mut pairs: Vec<_> = mentions.iter().map(|mention| (mention, Finding::of(mention, rules))).collect();
        let substitutes: Vec<_> =
            pairs.iter().map(|(_, finding)| finding.as_ref().and_then(|finding| finding.substitute.clone())).collect();
        let mut left = Vec::new();
        for _ in 0..=ROUNDS {
            let (edits, count) = edit::edits(&input.text, &pairs);
            if edits.is_empty() {
                return if left.is_empty() { Ok(None) } else { Err(Otherwise) };
            }
            let text = edit::apply(&input.text, &edits);
            let after = Input { path: None, name: input.name.clone(), text, form: input.form };
            let (then, _) = after.document(namespace).read();
            let is_as_meant = |at: usize| match (mentions.get(at), then.get(at)) {
                (Some(now), Some(then)) => is_as_meant(now, then, substitutes.get(at).and_then(Option::as_deref)),
                (now, then) => now.is_none() && then.is_none(),
            };
            let Some(other) = (0..mentions.len().max(then.len())).find(|at| !is_as_meant(*at)) else {
                return Ok(Some(Self { text: after.text, count, mentions: then, left }));
            };
            // The first that is read otherwise is left out, and the rest may then be as it was meant.
            let Some((mention, finding)) = pairs.get_mut(other).filter(|(_, finding)| finding.is_some()) else { break };
            *finding = None;
            left.push(mention.place.clone());
        }
        Err(Otherwise)
    }
}

/// Whether what is named there then is what is named there now, or what takes its place. A registry may move below a path, and is then read
/// as a name of which the tag is to come.
fn is_as_meant(now: &Mention, then: &Mention, substitute: Option<&str>) -> bool {
    (then.extent == Extent::Whole) == (now.extent == Extent::Whole)
        && (then.image == now.image || Some(then.image.as_str()) == substitute)
}
