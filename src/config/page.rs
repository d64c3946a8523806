//! A page of TOML, each line with where it is from.

use super::keys::{self, Table, Unsaid};
use super::place::{Place, Placed};
use crate::output::{Plain, is_invisible};
use jiff::SignedDuration;
use std::fmt::{Display, Write as _};
use std::time::Duration;

/// The page as far as it is written.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    keys: &'static Table,
    /// The built-in rule that is being written, which makes comments of its lines.
    built_in: Option<String>,
    /// Whether only what is said is of interest, and not where.
    is_bare: bool,
    /// On such a page, the header of a table in which nothing is said yet: keys that are new change no hash.
    header: Option<String>,
}

// === impl Page ===

impl Page {
    /// One that has nothing but what was said, wherever it was.
    pub(super) fn bare() -> Self {
        Self { is_bare: true, ..Self::default() }
    }

    /// Whether it is such a one.
    pub(super) fn is_bare(&self) -> bool {
        self.is_bare
    }

    /// A key and its value, or that it has none.
    pub(super) fn say<T>(&mut self, key: &str, value: Option<String>, said: Option<&Placed<T>>) {
        if self.is_bare {
            if let (Some(value), Some(_)) = (value, said) {
                if let Some(header) = self.header.take() {
                    self.line(&header);
                }
                self.line(&format!("{key} = {value}"));
            }
            return;
        }
        let unset = match self.keys.key(key).map(|key| key.unsaid) {
            Some(Unsaid::Unset(then)) => Some(then),
            Some(Unsaid::Required | Unsaid::Default(_)) | None => None,
        };
        let origin = match (said, &self.built_in, unset) {
            (Some(said), ..) => said.place.to_line(),
            (None, Some(alias), _) => format!("built-in rule `{alias}`"),
            (None, None, Some(then)) => format!("default: {then}"),
            (None, None, None) => "default".to_owned(),
        };
        match value {
            Some(value) => self.line(&format!("{key} = {value} # {}", Plain(&origin))),
            None => self.line(&format!("# `{key}` is not set: {}", unset.unwrap_or_default())),
        }
    }

    /// Begins a table.
    pub(super) fn table(&mut self, header: &str, keys: &'static Table, place: Option<&Place>) {
        self.keys = keys;
        if self.is_bare {
            self.header = Some(header.to_owned());
            return;
        }
        if self.built_in.is_none() {
            self.text.push('\n');
        }
        let origin = place.map(|place| format!(" # {}", Plain(&place.to_line()))).unwrap_or_default();
        self.line(&format!("{header}{origin}"));
    }

    /// Begins with the built-in rule of that name.
    pub(super) fn built_in(&mut self, alias: &str) {
        self.text.push('\n');
        self.built_in = Some(alias.to_owned());
        self.remark(&format!("built-in rule `{alias}`"));
    }

    /// Something that is no TOML.
    pub(super) fn remark(&mut self, remark: &str) {
        let _infallible = writeln!(self.text, "# {}", Plain(remark));
    }

    fn line(&mut self, line: &str) {
        let mark = if self.built_in.is_some() && !line.starts_with('#') { "#" } else { "" };
        let _infallible = writeln!(self.text, "{mark}{line}");
    }

    /// What is on it.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl Default for Page {
    fn default() -> Self {
        Self { text: String::new(), keys: &keys::TOP, built_in: None, is_bare: false, header: None }
    }
}

/// Something as the string that one would write for it.
pub(super) fn text(value: impl Display) -> String {
    string(&value.to_string())
}

/// A string on one line, in which a terminal finds nothing to act on.
pub(super) fn string(value: &str) -> String {
    let mut written = String::from('"');
    for character in value.chars() {
        let _infallible = match character {
            '"' | '\\' => write!(written, "\\{character}"),
            _ if character.is_control() || is_invisible(character) => {
                write!(written, "\\U{:08X}", u32::from(character))
            }
            _ => write!(written, "{character}"),
        };
    }
    written.push('"');
    written
}

/// A list of strings.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(text).collect();
    format!("[{}]", items.join(", "))
}

/// A time, as people write it.
pub(super) fn time(time: Duration) -> String {
    match SignedDuration::try_from(time) {
        Ok(time) => string(&format!("{time:#}")),
        Err(_longer_than_can_be_said) => string(&format!("{}s", i64::MAX)),
    }
}
