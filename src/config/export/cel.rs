//! Expressions of CEL, as far as rules need them.
//!
//! A tree instead of text, because nothing here runs CEL: what is printed for the API server is evaluated by the tests,
//! over the references that the table decides. Only what Kubernetes' CEL has since 1.30 is in it: the standard `startsWith`,
//! `endsWith`, `contains`, `matches`, `size`, `map`, `filter`, and the string functions `split`, `lowerAscii`, `replace` and
//! `substring`.

use super::quoted;
use crate::rules::Glob;
use std::fmt;

/// An expression that is a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    /// `"text"`
    Literal(String),
    /// A variable.
    Variable(&'static str),
    /// `text.split("/")[0]`: what stands before the first of them, or all.
    Before(Box<Self>, &'static str),
    /// `text.substring(text.split("/")[0].size() + 1)`: what stands behind the first slash, which is there.
    BehindSlash(Box<Self>),
    /// `text.substring(5)`
    Skip(Box<Self>, usize),
    /// `text.lowerAscii()`
    Lower(Box<Self>),
    /// `text.replace(":443/", "/")`
    Replace(Box<Self>, &'static str, &'static str),
    /// `one + other`
    Join(Vec<Self>),
    /// `condition ? one : other`
    If(Box<Truth>, Box<Self>, Box<Self>),
}

/// An expression that is true or false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Truth {
    /// `one == other`
    Equal(Text, Text),
    /// `text.startsWith("x")`
    StartsWith(Text, String),
    /// `text.endsWith("x")`
    EndsWith(Text, String),
    /// `text.contains("x")`
    Contains(Text, &'static str),
    /// `text.split("/").size() == 2`
    HasParts(Text, usize),
    /// `text.matches("^([0-9a-f]{64}|…)$")`: an image ID instead of a name.
    IsId(Text),
    /// `text.matches("^team-.*$")`
    Like(Text, Glob),
    /// `!(…)`
    Not(Box<Self>),
    /// `… && …`; true where there are none.
    All(Vec<Self>),
    /// `… || …`; false where there are none.
    Any(Vec<Self>),
}

/// What image IDs match: digits alone, or a whole digest.
const ID: &str = "^([0-9a-f]{64}|sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$";

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(&literal(text)),
            Self::Variable(name) => f.write_str(name),
            Self::Before(text, separator) => write!(f, "{text}.split({})[0]", literal(separator)),
            Self::BehindSlash(text) => write!(f, "{text}.substring({text}.split(\"/\")[0].size() + 1)"),
            Self::Skip(text, count) => write!(f, "{text}.substring({count})"),
            Self::Lower(text) => write!(f, "{text}.lowerAscii()"),
            Self::Replace(text, what, with) => write!(f, "{text}.replace({}, {})", literal(what), literal(with)),
            Self::Join(texts) => grouped(f, texts, " + "),
            Self::If(condition, one, other) => write!(f, "({condition} ? {one} : {other})"),
        }
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(one, other) => write!(f, "{one} == {other}"),
            Self::StartsWith(text, start) => write!(f, "{text}.startsWith({})", literal(start)),
            Self::EndsWith(text, end) => write!(f, "{text}.endsWith({})", literal(end)),
            Self::Contains(text, part) => write!(f, "{text}.contains({})", literal(part)),
            Self::HasParts(text, count) => write!(f, "{text}.split(\"/\").size() == {count}"),
            Self::IsId(text) => write!(f, "{text}.matches({})", literal(ID)),
            Self::Like(text, glob) => write!(f, "{text}.matches({})", literal(&expression(glob))),
            Self::Not(inner) => write!(f, "!({inner})"),
            Self::All(all) if all.is_empty() => f.write_str("true"),
            Self::Any(all) if all.is_empty() => f.write_str("false"),
            Self::All(all) => grouped(f, all, " && "),
            Self::Any(all) => grouped(f, all, " || "),
        }
    }
}

/// Operands of one operator, so that no operator around them takes them apart.
fn grouped(f: &mut fmt::Formatter<'_>, all: &[impl fmt::Display], operator: &str) -> fmt::Result {
    if let [one] = all {
        return one.fmt(f);
    }
    f.write_str("(")?;
    for (number, one) in all.iter().enumerate() {
        f.write_str(if number > 0 { operator } else { "" })?;
        one.fmt(f)?;
    }
    f.write_str(")")
}

/// A string of CEL, which has the escapes of JSON.
pub(super) fn literal(text: &str) -> String {
    quoted(text)
}

/// A glob as a regular expression of RE2.
fn expression(glob: &Glob) -> String {
    let mut expression = String::from("^");
    for character in glob.to_string().chars() {
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            _ if character.is_ascii_punctuation() => expression.extend(['\\', character]),
            _ => expression.push(character),
        }
    }
    expression.push('$');
    expression
}
