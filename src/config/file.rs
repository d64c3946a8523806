//! What the configuration file says.

use serde::Deserialize;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where the file is, if nobody says otherwise. It need not be there.
pub const DEFAULT: &str = "/etc/repoint/repoint.toml";

/// The file, as written. Every value remembers where it stands.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The socket to listen on.
    pub listen: Option<Spanned<String>>,
    /// The socket for metrics.
    pub admin: Option<Spanned<String>>,
    /// The runtime's socket.
    pub runtime: Option<Spanned<String>>,
    /// The socket for image calls.
    pub image_endpoint: Option<Spanned<String>>,
    /// The node's name.
    pub node: Option<Spanned<String>>,
    /// How long a call waits for a runtime that is not there.
    pub runtime_wait: Option<Spanned<String>>,
    /// The largest message that is read.
    pub message_limit_bytes: Option<Spanned<usize>>,
    /// The built-in rules that are on.
    pub builtin_rules: Option<Vec<Spanned<String>>>,
    /// The audit log.
    #[serde(default)]
    pub audit: SaidAudit,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<SaidRule>,
}

/// `[audit]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaidAudit {
    /// The file.
    pub file: Option<Spanned<PathBuf>>,
}

/// One of `[[rules]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaidRule {
    /// Its name.
    pub name: Spanned<String>,
    /// What it applies to.
    #[serde(rename = "match")]
    pub patterns: Spanned<Vec<Spanned<String>>>,
    /// What is asked instead.
    pub targets: Spanned<Vec<Spanned<String>>>,
}

/// A place in a file, for people and editors: `FILE:LINE:COLUMN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    file: PathBuf,
    line: usize,
    column: usize,
}

/// Why the file says nothing that holds.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// It can't be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// It is not TOML, or says what there is not.
    #[error("{place}: {}{message}", key.as_ref().map(|key| format!("`{key}`: ")).unwrap_or_default())]
    Syntax {
        /// Where.
        place: Place,
        /// The key's path, where the mistake is at one.
        key: Option<String>,
        /// What was found, and what was expected.
        message: String,
    },
}

/// A file that was read, and the text that its spans point into.
#[derive(Debug, Default)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// What it says.
    pub said: Said,
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

// === impl Source ===

impl Source {
    /// Where a span begins.
    pub fn place(&self, span: &Range<usize>) -> Place {
        place(&self.path, &self.text, span.start)
    }
}

/// Reads `path`, or the default file where it is there.
///
/// # Errors
///
/// When the file can't be read, or understood.
pub fn load(path: Option<&Path>) -> Result<Source, Invalid> {
    let (path, must_exist) = path.map_or_else(|| (Path::new(DEFAULT), false), |path| (path, true));
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Ok(Source::default()),
        Err(error) => Err(Invalid::Unreadable { path: path.to_owned(), error }),
    }
}

/// Understands `text`, which stands in `path`.
///
/// # Errors
///
/// When it does not say what a configuration can say.
pub fn parse(path: &Path, text: String) -> Result<Source, Invalid> {
    match toml::from_str(&text) {
        Ok(said) => Ok(Source { path: path.to_owned(), text, said }),
        Err(error) => {
            let at = error.span().unwrap_or_default();
            Err(Invalid::Syntax {
                place: place(path, &text, at.start),
                key: key_at(&text, &at),
                message: error.message().lines().collect::<Vec<_>>().join(", "),
            })
        }
    }
}

fn place(file: &Path, text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    Place { file: file.to_owned(), line, column }
}

/// The path of the key whose value, or name, stands at `span`; `None` where the text is no TOML at all.
fn key_at(text: &str, span: &Range<usize>) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    let path = innermost(document.get_ref(), span)?;
    (!path.is_empty()).then(|| path.join("."))
}

fn innermost(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    let holds = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    for (key, value) in table {
        let deeper = if let DeValue::Table(inner) = value.get_ref() {
            innermost(inner, span)
        } else if let DeValue::Array(items) = value.get_ref() {
            items.iter().filter_map(|item| item.get_ref().as_table()).find_map(|inner| innermost(inner, span))
        } else {
            None
        };
        if let Some(mut path) = deeper {
            path.insert(0, key.get_ref().to_string());
            return Some(path);
        }
        if holds(key.span()) || holds(value.span()) {
            return Some(vec![key.get_ref().to_string()]);
        }
    }
    None
}
