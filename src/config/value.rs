//! What single values of the file come to.

use super::keys;
use super::mistake::instead;
use crate::error::Chain;
use crate::proxy::access::{Account, Service};
use crate::reference::Reference;
use crate::rules::{Action, Glob, OnFailure, Pattern, Percent, Place};
use crate::runtime::{Address, Keep};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;
use toml::value::Datetime;

/// Why a value is not what its key takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is something else, and perhaps this was meant.
    Kind(Option<String>),
    /// It is what was expected, and makes no sense all the same.
    Sense(String),
}

/// Makes something of a value.
pub(super) type Read<T> = fn(&DeValue<'_>) -> Result<T, Wrong>;

/// More of a value than this is not repeated to a person.
const SHOWN: usize = 60;

// === impl Wrong ===

impl Wrong {
    const OTHER: Self = Self::Kind(None);

    fn sense(what: impl fmt::Display) -> Self {
        Self::Sense(what.to_string())
    }
}

/// A value, as one tells people what was found.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("the string \"{}…\"", text.get(..end).unwrap_or_default()),
            None => format!("the string \"{text}\""),
        },
        DeValue::Integer(number) => format!("the integer {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(truth) => format!("the boolean {truth}"),
        DeValue::Datetime(moment) => format!("the date {moment}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Any text. It becomes a path, an argument, a variable: of these the system would know the beginning alone.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, Wrong> {
    match value.as_str() {
        Some(text) if text.contains('\0') => Err(Wrong::sense("a NUL ends a text wherever the system is given it")),
        text => text.map(str::to_owned).ok_or(Wrong::OTHER),
    }
}

/// Text that is not empty.
pub(super) fn name(value: &DeValue<'_>) -> Result<String, Wrong> {
    text(value).and_then(|text| if text.is_empty() { Err(Wrong::OTHER) } else { Ok(text) })
}

/// The name of a file, with no way to another directory.
pub(super) fn file_name(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = name(value)?;
    if text.contains('/') || text == "." || text == ".." {
        return Err(Wrong::sense("a credential's name is not a path: systemd puts them all into one directory"));
    }
    Ok(text)
}

/// A unix socket.
pub(super) fn socket(value: &DeValue<'_>) -> Result<Address, Wrong> {
    text(value)?.parse().map_err(Wrong::sense)
}

/// An address and a port.
pub(super) fn tcp(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    let text = text(value)?;
    let hint = || match text.parse::<u16>().or_else(|_no_port| text.trim_start_matches(':').parse()) {
        Ok(port) => Some(format!("did you mean \"127.0.0.1:{port}\"?")),
        Err(_other) => None,
    };
    text.parse().map_err(|_no_address| Wrong::Kind(hint()))
}

/// A user or a group.
pub(super) fn account(value: &DeValue<'_>) -> Result<Account, Wrong> {
    match value.as_integer() {
        Some(_) => id(value).map(Account::Id),
        None => name(value).map(Account::Name),
    }
}

/// The number of a user or a group.
pub(super) fn id(value: &DeValue<'_>) -> Result<u32, Wrong> {
    number(value, (0, keys::LARGEST_ID)).and_then(|id| u32::try_from(id).map_err(|_too_large| Wrong::OTHER))
}

/// The mode of a file, in octal digits.
pub(super) fn mode(value: &DeValue<'_>) -> Result<u32, Wrong> {
    if let DeValue::Integer(number) = value {
        let digits = number.as_str().trim_start_matches('0');
        let is_octal = digits.len() == 3 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        return Err(Wrong::Kind(is_octal.then(|| format!("did you mean \"0{digits}\"?"))));
    }
    let text = text(value)?;
    let digits = if text.len() == 4 { text.strip_prefix('0').unwrap_or_default() } else { &text };
    let is_mode = digits.len() == 3 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    if is_mode { u32::from_str_radix(digits, 8).map_err(|_no_digits| Wrong::OTHER) } else { Err(Wrong::OTHER) }
}

/// A service of CRI's.
pub(super) fn service(value: &DeValue<'_>) -> Result<Service, Wrong> {
    choice(value, &[Service::Image, Service::Runtime], Service::as_str)
}

/// An absolute path: a service is in no directory that anybody chose.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
    let path = PathBuf::from(text(value)?);
    if path.is_absolute() { Ok(path) } else { Err(Wrong::OTHER) }
}

/// A time, none at all too.
pub(super) fn wait(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    let bare = |number: &str| Wrong::Kind(Some(format!("did you mean \"{number}s\"?")));
    if let DeValue::Integer(number) = value {
        return Err(bare(&number.to_string()));
    }
    let text = text(value)?;
    // Days and weeks, too: here they are no matter of the calendar.
    let in_days = || text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let time = text.parse::<SignedDuration>().or_else(|_no_hours| in_days());
    let time = time.ok().and_then(|time| Duration::try_from(time).ok());
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    time.ok_or_else(|| if is_number { bare(&text) } else { Wrong::OTHER })
}

/// A time that is longer than none.
pub(super) fn time(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    wait(value).and_then(|time| if time.is_zero() { Err(Wrong::OTHER) } else { Ok(time) })
}

/// A number of bytes that a message may have.
pub(super) fn limit(value: &DeValue<'_>) -> Result<usize, Wrong> {
    number(value, keys::LIMITS)
}

/// A number of bytes that a log may have, or 0.
pub(super) fn rotate_bytes(value: &DeValue<'_>) -> Result<usize, Wrong> {
    let bytes = number(value, keys::ROTATE_BYTES)?;
    if (1..keys::LEAST_ROTATE_BYTES).contains(&bytes) {
        let least = keys::LEAST_ROTATE_BYTES;
        return Err(Wrong::Sense(format!("that is next to nothing: expected {least} bytes or more, or 0 for never")));
    }
    Ok(bytes)
}

/// A number of files that are kept.
pub(super) fn keep(value: &DeValue<'_>) -> Result<usize, Wrong> {
    number(value, keys::KEEP)
}

fn number(value: &DeValue<'_>, (least, most): (usize, usize)) -> Result<usize, Wrong> {
    let number = value.as_integer().ok_or(Wrong::OTHER)?;
    let number = usize::from_str_radix(number.as_str(), number.radix()).map_err(|_too_large| Wrong::OTHER)?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(Wrong::OTHER) }
}

/// Yes or no.
pub(super) fn truth(value: &DeValue<'_>) -> Result<bool, Wrong> {
    match (value.as_bool(), value.as_str()) {
        (Some(truth), _) => Ok(truth),
        (None, Some(word @ ("true" | "false"))) => Err(Wrong::Kind(Some(format!("did you mean {word}?")))),
        (None, _) => Err(Wrong::OTHER),
    }
}

/// What a label says.
pub(super) fn label(value: &DeValue<'_>) -> Result<String, Wrong> {
    let (text, most) = (text(value)?, keys::LONGEST_LABEL.1);
    if text.len() > most { Err(Wrong::Sense(format!("it is longer than {most} bytes"))) } else { Ok(text) }
}

/// A share in percent.
pub(super) fn percent(value: &DeValue<'_>) -> Result<Percent, Wrong> {
    let number = match value {
        DeValue::Integer(number) => i32::from_str_radix(number.as_str(), number.radix()).ok().map(f64::from),
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    };
    // It has two decimals if it is the same number when written with two.
    let written = number.map(|number: f64| (number, format!("{:.2}", number.abs())));
    written
        .filter(|(number, written)| written.parse() == Ok(*number))
        .and_then(|(_, written)| written.replace('.', "").parse().ok())
        .and_then(Percent::from_hundredths)
        .ok_or(Wrong::OTHER)
}

/// A day, from its first moment in UTC on, or a moment.
pub(super) fn moment(value: &DeValue<'_>) -> Result<Timestamp, Wrong> {
    let written = match value.as_datetime() {
        Some(written) => *written,
        None => text(value)?.parse().map_err(|_no_date| Wrong::OTHER)?,
    };
    let full = match written {
        Datetime { date: Some(date), time: None, .. } => format!("{date}T00:00:00Z"),
        Datetime { date: Some(_), time: Some(_), offset: Some(_) } => written.to_string(),
        Datetime { date: Some(_), time: Some(_), offset: None } => {
            return Err(Wrong::Sense(format!("{written} has no offset from UTC; did you mean {written}Z?")));
        }
        Datetime { date: None, .. } => return Err(Wrong::OTHER),
    };
    full.parse().map_err(Wrong::sense)
}

/// What a rule does.
pub(super) fn action(value: &DeValue<'_>) -> Result<Action, Wrong> {
    choice(value, &[Action::Rewrite, Action::Observe, Action::Deny], Action::as_str)
}

/// Whether images get their old names.
pub(super) fn keep_original_name(value: &DeValue<'_>) -> Result<Keep, Wrong> {
    choice(value, &[Keep::Auto, Keep::Always, Keep::Never], Keep::as_str)
}

/// An image.
pub(super) fn image(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    match Reference::parse(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Wrong::Sense(format!("`{text}` is no image: {error}"))),
    }
}

/// What becomes of a pull that no target served.
pub(super) fn on_failure(value: &DeValue<'_>) -> Result<OnFailure, Wrong> {
    choice(value, &[OnFailure::Fail, OnFailure::Original], OnFailure::as_str)
}

fn choice<T: Copy>(value: &DeValue<'_>, all: &[T], written: fn(T) -> &'static str) -> Result<T, Wrong> {
    let text = text(value)?;
    let words = || all.iter().copied().map(written);
    let found = all.iter().copied().find(|one| written(*one) == text);
    found.ok_or_else(|| Wrong::Sense(format!("there is no `{text}`; {}", instead(&text, words()))))
}

/// The name of a built-in rule.
pub(super) fn alias(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    if keys::aliases().any(|alias| alias == text) {
        return Ok(text);
    }
    Err(Wrong::Sense(format!("there is no built-in rule `{text}`; {}", instead(&text, keys::aliases()))))
}

/// A pattern of image references.
pub(super) fn pattern(value: &DeValue<'_>) -> Result<Pattern, Wrong> {
    Pattern::parse(&text(value)?).map_err(|error| Wrong::sense(Chain(&error)))
}

/// A registry, with an optional path.
pub(super) fn location(value: &DeValue<'_>) -> Result<Place, Wrong> {
    Place::parse(&text(value)?).map_err(|error| Wrong::sense(Chain(&error)))
}

/// A pattern of namespaces, which are DNS labels.
pub(super) fn namespace(value: &DeValue<'_>) -> Result<Glob, Wrong> {
    const LONGEST: usize = 63;
    let text = name(value)?;
    let is_of_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '*' | '?');
    let is_possible = |text: &str| {
        text.chars().all(is_of_label)
            && !text.starts_with('-')
            && !text.ends_with('-')
            && text.chars().filter(|c| *c != '*').count() <= LONGEST
    };
    if is_possible(&text) {
        return Ok(Glob::new(&text));
    }
    let lower = text.to_ascii_lowercase();
    let hint = if is_possible(&lower) {
        format!("did you mean `{lower}`?")
    } else {
        format!("a name is of lower case letters, digits and, within, `-`: {LONGEST} at most")
    };
    Err(Wrong::Sense(format!("no namespace is called `{text}`; {hint}")))
}
