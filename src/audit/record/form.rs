//! How values are written in a record.

use serde::Serializer;
use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

/// What is kept of a text that somebody else wrote. Longer than any name the kubelet accepts and any message a person
/// reads; short enough that a record is one write.
pub(super) const LONGEST_TEXT: usize = 4096;

pub(super) fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// JSON, in which serde lets pass DEL, the control characters that have two bytes (of which some terminals act on one as on
/// ESC and `[`), and two that some readers take for the end of a line. All of these are within its strings.
pub(super) fn escaped(json: String) -> String {
    let acts = |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    if !json.chars().any(acts) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len().saturating_add(64));
    for character in json.chars() {
        if acts(character) {
            // Writing to a string does not fail.
            let _infallible = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// A text of bounded length that says how much is missing.
pub fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_TEXT {
        return Cow::Borrowed(text);
    }
    // The last border between two characters that is not too far.
    let kept = (0..=LONGEST_TEXT).rev().find_map(|end| text.get(..end)).unwrap_or_default();
    let cut = text.len().saturating_sub(kept.len());
    Cow::Owned(format!("{kept}… ({cut} bytes cut)"))
}

pub(super) fn shortened<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&cut(text))
}

#[expect(clippy::ref_option, reason = "serde's `serialize_with` passes a reference to the field")]
pub(super) fn shortened_option<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => shortened(text, serializer),
        None => serializer.serialize_none(),
    }
}
