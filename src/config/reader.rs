//! Reads tables of TOML by the table of keys, and goes on after a mistake.

use super::keys::{self, Key, Table, Unsaid};
use super::kind::Kind;
use super::mistake::{Mistake, instead};
use super::place::{File, Place, Placed};
use super::value::{self, Read, Wrong};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads one file.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    file: &'a File,
    /// What is wrong with it so far.
    pub(super) mistakes: Vec<Mistake>,
}

/// A table, with what it may have.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// The path of its keys, with a dot at the end where there is one.
    path: String,
    table: &'a DeTable<'a>,
    keys: &'static Table,
    /// Where it begins.
    pub(super) place: Place,
}

/// A value as it stands in the file.
pub(super) type Raw<'a> = Spanned<DeValue<'a>>;

/// What is there, or in there, is not repeated to anybody.
const PRIVATE: &str = "credentials";

// === impl Reader ===

impl<'a> Reader<'a> {
    /// One that has not found anything wrong.
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, mistakes: Vec::new() }
    }

    /// Where a span begins.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        self.file.place(span)
    }

    /// Notes a mistake at a key.
    pub(super) fn wrong(&mut self, span: &Range<usize>, key: impl Into<String>, what: &str) {
        self.mistakes.push(Mistake::at_key(self.file.place(span), key, what));
    }

    /// Begins with a table. What it has and may not have, or has not and must have, is told.
    pub(super) fn fields(
        &mut self,
        path: &str,
        keys: &'static Table,
        table: &'a DeTable<'a>,
        span: &Range<usize>,
    ) -> Fields<'a> {
        let path = if path.is_empty() { String::new() } else { format!("{path}.") };
        for key in table.keys().filter(|key| keys.key(key.get_ref()).is_none()) {
            let name = key.get_ref().as_ref();
            let elsewhere: Vec<_> =
                keys::TABLES.iter().filter(|other| other.key(name).is_some()).map(|other| other.at).collect();
            let what = if elsewhere.is_empty() {
                format!("there is no such key; {}", instead(name, keys.names()))
            } else {
                format!("there is no such key here; it belongs {}", elsewhere.join(", or "))
            };
            self.wrong(&key.span(), format!("{path}{}", segment(name)), &what);
        }
        for key in keys.keys.iter().filter(|key| key.unsaid == Unsaid::Required && !table.contains_key(key.name)) {
            let what = format!("it is missing; expected {}", key.kind.expected());
            self.wrong(span, format!("{path}{}", key.name), &what);
        }
        Fields { path, table, keys, place: self.file.place(span) }
    }

    /// One value.
    pub(super) fn one<T>(&mut self, fields: &Fields<'a>, name: &str, read: Read<T>) -> Option<Placed<T>> {
        let (key, raw) = fields.get(name)?;
        self.value(&fields.key(name), key.kind, raw, read)
    }

    /// A list of values.
    pub(super) fn many<T>(&mut self, fields: &Fields<'a>, name: &str, read: Read<T>) -> Option<Placed<Vec<Placed<T>>>> {
        let path = fields.key(name);
        let (kind, items) = self.items(fields, name)?;
        Some(items.map(|items| items.iter().filter_map(|raw| self.value(&path, kind, raw, read)).collect()))
    }

    /// The items of a list, and what each is expected to be.
    pub(super) fn items(&mut self, fields: &Fields<'a>, name: &str) -> Option<(Kind, Placed<&'a [Raw<'a>]>)> {
        let (key, raw) = fields.get(name)?;
        let Kind::List(kind) = key.kind else { return None };
        let Some(items) = raw.get_ref().as_array() else {
            let hint = raw.get_ref().as_str().map(|text| format!("did you mean [\"{text}\"]?"));
            self.unexpected(&fields.key(name), key.kind, raw, hint.as_deref());
            return None;
        };
        Some((*kind, Placed { value: items, place: self.place(&raw.span()) }))
    }

    /// The table at a key.
    pub(super) fn table(&mut self, fields: &Fields<'a>, name: &str) -> Option<(&'a DeTable<'a>, Range<usize>)> {
        let (key, raw) = fields.get(name)?;
        match raw.get_ref().as_table() {
            Some(table) => Some((table, raw.span())),
            None => {
                self.unexpected(&fields.key(name), key.kind, raw, None);
                None
            }
        }
    }

    /// One value, wherever it stands.
    pub(super) fn value<T>(&mut self, path: &str, kind: Kind, raw: &Raw<'_>, read: Read<T>) -> Option<Placed<T>> {
        match read(raw.get_ref()) {
            Ok(value) => return Some(Placed { value, place: self.place(&raw.span()) }),
            Err(Wrong::Kind(hint)) => self.unexpected(path, kind, raw, hint.as_deref()),
            Err(Wrong::Sense(what)) => self.wrong(&raw.span(), path, &what),
        }
        None
    }

    /// Notes that something else stands where this was expected.
    pub(super) fn unexpected(&mut self, path: &str, kind: Kind, raw: &Raw<'_>, hint: Option<&str>) {
        let expected = kind.expected();
        // What stands in the wrong place there may be a password; and where a target names a source, too.
        let is_private = path.strip_prefix(PRIVATE).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            || path.strip_suffix(PRIVATE).is_some_and(|rest| rest.ends_with('.'));
        let what = if is_private {
            format!("expected {expected}")
        } else {
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("expected {expected}, found {}{hint}", value::found(raw.get_ref()))
        };
        self.wrong(&raw.span(), path, &what);
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The path of a key in it.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// A key that was said, and its value.
    pub(super) fn get(&self, name: &str) -> Option<(&'static Key, &'a Raw<'a>)> {
        debug_assert!(self.keys.key(name).is_some(), "`{name}` is read, but is in no table of keys");
        self.keys.key(name).zip(self.table.get(name))
    }
}

/// A name as a part of a key's path.
pub(super) fn segment(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { format!("\"{name}\"") }
}
