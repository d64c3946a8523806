//! A TOML file of a runtime's, of which some values matter, with the lines that they stand in.

use super::kubelet::Word;
use super::unclear::Unclear;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file, read.
#[derive(Debug)]
pub(super) struct Document<'a> {
    file: PathBuf,
    text: &'a str,
    table: Spanned<DeTable<'a>>,
}

// === impl Document ===

impl<'a> Document<'a> {
    /// What the file says.
    ///
    /// # Errors
    ///
    /// When it is no TOML.
    pub(super) fn read(file: &Path, text: &'a str) -> Result<Self, Unclear> {
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let what = error.message().lines().collect::<Vec<_>>().join(", ");
            Unclear::line(file, line(text, at), what)
        })?;
        Ok(Self { file: file.to_owned(), text, table })
    }

    /// The value at the end of `path`.
    fn value(&self, path: &[&str]) -> Option<&Spanned<DeValue<'a>>> {
        let (last, tables) = path.split_last()?;
        let mut table = self.table.get_ref();
        for key in tables {
            table = table.get(*key)?.get_ref().as_table()?;
        }
        table.get(*last)
    }

    /// A text.
    pub(super) fn word(&self, path: &[&str]) -> Option<Word> {
        let value = self.value(path)?;
        let text = value.get_ref().as_str().filter(|text| !text.is_empty())?;
        Some(Word::new(text, &self.file, line(self.text, value.span().start)))
    }

    /// A number.
    pub(super) fn number(&self, path: &[&str]) -> Option<u32> {
        let number = self.value(path)?.get_ref().as_integer()?;
        u32::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// Whether anything is said there.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.value(path).is_some()
    }

    /// All texts of an array.
    pub(super) fn words(&self, path: &[&str]) -> Vec<Word> {
        let all = self.value(path).and_then(|value| value.get_ref().as_array());
        let word = |value: &Spanned<DeValue<'_>>| {
            Some(Word::new(value.get_ref().as_str()?, &self.file, line(self.text, value.span().start)))
        };
        all.into_iter().flat_map(|all| all.iter().filter_map(word)).collect()
    }

    /// The keys of a table.
    pub(super) fn keys(&self, path: &[&str]) -> Vec<Word> {
        let table = self.value(path).and_then(|value| value.get_ref().as_table());
        let word = |key: &Spanned<_>| {
            let text: &std::borrow::Cow<'_, str> = key.get_ref();
            Word::new(text.as_ref(), &self.file, line(self.text, key.span().start))
        };
        table.into_iter().flat_map(|table| table.iter().map(|(key, _)| word(key))).collect()
    }
}

/// The line that a byte is in, counted from 1.
fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count().saturating_add(1)
}
