//! One thing that was looked at, and what came of it.

use super::id::Id;
use crate::node::Unclear;
use crate::output::Plain;
use std::time::Duration;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It was not looked at.
    Skipped,
    /// It is no harm, and should be known.
    Note,
    /// It does harm some day, or takes something away.
    Warning,
    /// It does harm.
    Failure,
}

/// What was found. All text in it is on one line, bounded, and safe for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub id: Id,
    /// Which of several, where there are.
    pub about: Option<String>,
    /// How it is.
    pub verdict: Verdict,
    /// What was found; why it was not looked at.
    pub found: String,
    /// What to do.
    pub remedy: Option<String>,
    /// The places it is about: files, with lines where they have one to themselves.
    pub places: Vec<String>,
    /// How long it took, where that is of interest.
    pub took: Option<Duration>,
}

/// What others say is shown up to here.
const LONGEST: usize = 1_000;
/// More places are nothing to look at.
const MOST_PLACES: usize = 20;

// === impl Verdict ===

impl Verdict {
    /// All of them, the worst last.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Skipped, Self::Note, Self::Warning, Self::Failure];

    /// As programs see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

// === impl Check ===

impl Check {
    /// Something that was found.
    pub fn new(id: Id, verdict: Verdict, found: impl AsRef<str>) -> Self {
        Self { id, about: None, verdict, found: bounded(found), remedy: None, places: Vec::new(), took: None }
    }

    /// All is well.
    pub fn ok(id: Id, found: impl AsRef<str>) -> Self {
        Self::new(id, Verdict::Ok, found)
    }

    /// It was not looked at.
    pub fn skipped(id: Id, why: impl AsRef<str>) -> Self {
        Self::new(id, Verdict::Skipped, why)
    }

    /// Something to know.
    pub fn note(id: Id, found: impl AsRef<str>) -> Self {
        Self::new(id, Verdict::Note, found)
    }

    /// Something to mend.
    pub fn warning(id: Id, found: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        Self::new(id, Verdict::Warning, found).remedy(remedy)
    }

    /// Something that can't be made out. Of what nobody could read here nothing is known to be wrong, so that the remedy is for the
    /// rest.
    pub fn unclear(id: Id, error: &Unclear, remedy: &str) -> Self {
        const UNREADABLE: &str = "make it readable to whoever runs this (root), or look into it by hand";
        Self::warning(id, error.to_string(), if error.is_unreadable() { UNREADABLE } else { remedy })
    }

    /// Something to mend now.
    pub fn failure(id: Id, found: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        Self::new(id, Verdict::Failure, found).remedy(remedy)
    }

    /// What to do.
    #[must_use]
    pub fn remedy(self, remedy: impl AsRef<str>) -> Self {
        Self { remedy: Some(bounded(remedy)), ..self }
    }

    /// Which of several.
    #[must_use]
    pub fn about(self, about: impl AsRef<str>) -> Self {
        Self { about: Some(bounded(about)), ..self }
    }

    /// A place it is about.
    #[must_use]
    pub fn at(mut self, place: impl AsRef<str>) -> Self {
        if self.places.len() < MOST_PLACES {
            self.places.push(bounded(place));
        }
        self
    }

    /// How long it took.
    #[must_use]
    pub fn took(self, took: Duration) -> Self {
        Self { took: Some(took), ..self }
    }
}

/// The first few of a list, and how many there are besides.
pub(super) fn some(all: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// On one line, which ends somewhere, whoever wrote it.
fn bounded(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    let cut: String = text.chars().take(LONGEST).collect();
    let end = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{end}", Plain(&cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_neither_acts_on_a_terminal_nor_floods_it() {
        let hostile = format!("\u{1b}[2J\n{}", "x".repeat(1 << 20));
        let check = Check::failure(Id::RuntimeReachable, &hostile, &hostile).about(&hostile).at(&hostile);
        for text in [&check.found, check.remedy.as_ref().unwrap(), check.about.as_ref().unwrap(), &check.places[0]] {
            assert!(text.starts_with("\\u{1b}[2J\\nxxx") && text.ends_with("x…"), "{}", &text[..40]);
            assert!(text.chars().count() < 1_100);
        }
    }

    #[test]
    fn the_worst_is_last() {
        assert!(Verdict::ALL.is_sorted());
    }

    #[test]
    fn a_long_list_is_counted() {
        let names: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(some(&names), "0, 1, 2, 3, 4 and 2 more");
        assert_eq!(some(&names[..2]), "0, 1");
    }
}
