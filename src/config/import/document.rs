//! A TOML file whose every value knows where it stands.

use super::Unimportable;
use crate::config::place::{File, Place};
use crate::config::source;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Document(File);

/// A key and its value.
pub(super) struct Item<'a> {
    pub(super) key: &'a str,
    pub(super) at: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

/// What is in a directory, in the order of names.
pub(super) fn entries(path: &Path) -> Result<Vec<PathBuf>, Unimportable> {
    let unreadable = |error| Unimportable::Unreadable { path: path.to_owned(), error };
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let mut entries =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    entries.sort();
    Ok(entries)
}

// === impl Document ===

impl Document {
    pub(super) fn read(path: &Path) -> Result<Self, Unimportable> {
        let text = source::text(path).and_then(|text| String::from_utf8(text).map_err(io::Error::other));
        match text {
            Ok(text) => Ok(Self(File::new(1, path, text))),
            Err(error) => Err(Unimportable::Unreadable { path: path.to_owned(), error }),
        }
    }

    /// What it says.
    pub(super) fn table(&self) -> Result<Spanned<DeTable<'_>>, Unimportable> {
        DeTable::parse(self.0.text()).map_err(|error| {
            let what = error.message().lines().collect::<Vec<_>>().join(", ");
            self.malformed(error.span().unwrap_or_default().start, what)
        })
    }

    /// Where an offset is.
    pub(super) fn place(&self, offset: usize) -> Place {
        self.0.place(&(offset..offset))
    }

    fn malformed(&self, offset: usize, what: impl Into<String>) -> Unimportable {
        Unimportable::Malformed { place: self.place(offset), what: what.into() }
    }

    /// The keys of a table, as they stand in the file: the order of hosts is the order in which they are asked.
    pub(super) fn items<'a>(&self, table: &'a DeTable<'a>) -> Vec<Item<'a>> {
        let mut items: Vec<_> =
            table.iter().map(|(key, value)| Item { key: key.get_ref(), at: key.span(), value }).collect();
        items.sort_by_key(|item| item.at.start);
        items
    }

    fn expected<'a, T>(&self, item: &Item<'a>, what: &str, value: Option<T>) -> Result<T, Unimportable> {
        value.ok_or_else(|| self.malformed(item.value.span().start, format!("`{}`: expected {what}", item.key)))
    }

    /// A text.
    pub(super) fn text<'a>(&self, item: &Item<'a>) -> Result<&'a str, Unimportable> {
        self.expected(item, "a string", item.value.get_ref().as_str())
    }

    /// Yes or no.
    pub(super) fn truth(&self, item: &Item<'_>) -> Result<bool, Unimportable> {
        self.expected(item, "true or false", item.value.get_ref().as_bool())
    }

    /// A table.
    pub(super) fn inner<'a>(&self, item: &Item<'a>) -> Result<&'a DeTable<'a>, Unimportable> {
        self.expected(item, "a table", item.value.get_ref().as_table())
    }

    /// An array of texts.
    pub(super) fn texts<'a>(&self, item: &Item<'a>) -> Result<Vec<&'a str>, Unimportable> {
        let texts =
            item.value.get_ref().as_array().and_then(|all| all.iter().map(|one| one.get_ref().as_str()).collect());
        self.expected(item, "an array of strings", texts)
    }

    /// An array of tables, each with where it begins.
    pub(super) fn tables<'a>(&self, item: &Item<'a>) -> Result<Vec<(usize, &'a DeTable<'a>)>, Unimportable> {
        let all = item.value.get_ref().as_array();
        let tables = all.and_then(|all| {
            all.iter().map(|one| one.get_ref().as_table().map(|table| (one.span().start, table))).collect()
        });
        self.expected(item, "an array of tables", tables)
    }
}
