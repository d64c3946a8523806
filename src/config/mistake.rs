//! What does not make sense, where, and what may have been meant.

use super::place::Place;
use crate::output::Plain;
use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    at: At,
    what: String,
}

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// In an option of the command line.
    Flag(&'static str),
    /// In a file as a whole.
    File(usize),
    /// In some value of a file, at a key, or in its text.
    Place(Place, Option<String>),
}

/// All that is wrong, one line each, in the order of files and lines.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

/// A word is taken for a misspelt one if no more than one letter in this many has to change.
const LETTERS_FOR_A_SLIP: usize = 3;

// === impl Mistake ===

impl Mistake {
    /// One in an option, `listen` for `--listen`.
    pub fn in_flag(flag: &'static str, what: impl fmt::Display) -> Self {
        Self { at: At::Flag(flag), what: what.to_string() }
    }

    /// One of a file as a whole: the one that holds at this rank.
    pub fn in_file(rank: usize, what: impl fmt::Display) -> Self {
        Self { at: At::File(rank), what: what.to_string() }
    }

    /// One in the text of a file.
    pub fn in_text(place: Place, what: impl fmt::Display) -> Self {
        Self { at: At::Place(place, None), what: what.to_string() }
    }

    /// One at a key.
    pub fn at_key(place: Place, key: impl Into<String>, what: impl fmt::Display) -> Self {
        Self { at: At::Place(place, Some(key.into())), what: what.to_string() }
    }

    /// Where it is, if it is at a place in a file.
    pub fn place(&self) -> Option<&Place> {
        match &self.at {
            At::Place(place, _) => Some(place),
            At::Flag(_) | At::File(_) => None,
        }
    }

    fn rank(&self) -> (usize, Option<&Place>) {
        match &self.at {
            At::Flag(_) => (0, None),
            At::File(rank) => (*rank, None),
            At::Place(place, _) => (place.rank(), Some(place)),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match &self.at {
            At::Flag(flag) => format!("--{}: {}", flag.replace('_', "-"), self.what),
            At::File(_) => self.what.clone(),
            At::Place(place, None) => format!("{place}: {}", self.what),
            At::Place(place, Some(key)) => format!("{place}: `{key}`: {}", self.what),
        };
        Plain(&line).fmt(f)
    }
}

// === impl Mistakes ===

impl Mistakes {
    /// In the order in which a person goes through files.
    pub fn new(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by(|one, other| one.rank().cmp(&other.rank()));
        Self(mistakes)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.0.iter().enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}{mistake}")?;
        }
        Ok(())
    }
}

/// What to say after a word that is none of `words`: the one that it resembles, or all of them.
pub fn instead<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().collect();
    match closest(word, &words) {
        Some(close) => format!("did you mean `{close}`?"),
        None if words.is_empty() => "there is none".to_owned(),
        None => format!("there is {}", list(&words)),
    }
}

/// `a`, `b` and `c`, each in backticks.
pub fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => format!("`{}` and `{last}`", first.join("`, `")),
    }
}

/// The one of `words` that `word` was probably meant to be.
fn closest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    let same = |text: &str| text.to_lowercase().replace('-', "_");
    let word = same(word);
    let slips = |other: &str| strsim::osa_distance(&word, &same(other));
    let near = words.iter().map(|other| (slips(other), *other)).min_by_key(|(slips, _)| *slips)?;
    let (slips, other) = near;
    let letters = other.chars().count();
    // One letter for the only one is another word.
    let is_close = slips < letters && slips.saturating_mul(LETTERS_FOR_A_SLIP) <= letters.max(LETTERS_FOR_A_SLIP);
    is_close.then_some(other)
}

#[cfg(test)]
mod tests {
    use super::instead;

    #[test]
    fn a_slip_is_told_from_another_word() {
        let keys = ["listen", "runtime", "runtime_wait", "targets"];
        for (word, expected) in [
            ("lissen", "did you mean `listen`?"),
            ("Runtime-Wait", "did you mean `runtime_wait`?"),
            ("tagrets", "did you mean `targets`?"),
            ("target", "did you mean `targets`?"),
            ("colour", "there is `listen`, `runtime`, `runtime_wait` and `targets`"),
            ("", "there is `listen`, `runtime`, `runtime_wait` and `targets`"),
        ] {
            assert_eq!(instead(word, keys), expected, "{word}");
        }
        assert_eq!(instead("x", []), "there is none");
        // One letter for another is no slip if there is no more than one.
        assert_eq!(instead("a", ["b", "none"]), "there is `b` and `none`");
    }
}
