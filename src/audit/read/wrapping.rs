//! Records in the lines of others: of the journal (`journalctl -o json`), of vector, Fluent Bit, the OpenTelemetry
//! collector, of container runtimes.
//!
//! Agents agree on nothing but that what they carry is somewhere in an object of their own, as it was or as text. So none
//! is known by name: a record is an object that looks like one, and it is looked for within objects and lists, and within
//! texts that are JSON, two deep (a collector that reads another's file makes a text of a text).

use super::line::{Bare, Record, START};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Texts within texts.
const DEPTH: u8 = 2;
/// Where the journal has a line.
const JOURNAL: &str = "MESSAGE";

/// What was found on the way.
#[derive(Default)]
struct Search {
    found: usize,
    broken: Option<String>,
}

/// Reads all records that are somewhere in `line`.
///
/// # Errors
///
/// When there are none, or one of them can't be read.
pub(super) fn read(line: &str, records: &mut Vec<Record<'_>>) -> Result<(), Bare> {
    let line = line.trim_ascii();
    if !line.starts_with(['{', '[']) {
        return Err(if line.contains(START) { Bare::Broken("it is no JSON".to_owned()) } else { Bare::Foreign });
    }
    let value = serde_json::from_str(line).map_err(|error| Bare::Broken(without_place(&error)))?;
    let mut search = Search::default();
    search.within(value, DEPTH, records);
    match search {
        Search { broken: Some(what), .. } => Err(Bare::Broken(what)),
        Search { found: 0, .. } => Err(Bare::Foreign),
        Search { .. } => Ok(()),
    }
}

/// What serde says, but for the place: its line is always the first.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text.get(..end).unwrap_or(&text).to_owned()
}

/// Whether an object is meant to be a record.
fn is_record(object: &Map<String, Value>) -> bool {
    ["schema", "seq"].iter().all(|key| object.get(*key).is_some_and(Value::is_number))
        && ["time", "event"].iter().all(|key| object.get(*key).is_some_and(Value::is_string))
}

/// A text that the journal gives by its bytes, as it does where it holds something that no terminal should be shown.
fn bytes(list: &[Value]) -> Option<String> {
    let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
    String::from_utf8(list.iter().map(byte).collect::<Option<Vec<u8>>>()?).ok()
}

// === impl Search ===

impl Search {
    /// Nothing here is deeper than JSON may be, which its reader bounds.
    fn within(&mut self, value: Value, texts: u8, records: &mut Vec<Record<'_>>) {
        match value {
            Value::Object(object) if is_record(&object) => match Record::deserialize(Value::Object(object)) {
                Ok(record) => {
                    records.push(record);
                    self.found = self.found.saturating_add(1);
                }
                Err(error) => self.broken = Some(without_place(&error)),
            },
            Value::Object(object) => {
                if object.get(JOURNAL).is_some_and(Value::is_null) {
                    self.broken = Some("the journal left out its text: journalctl needs --all".to_owned());
                }
                object.into_iter().for_each(|(_, value)| self.within(value, texts, records));
            }
            Value::Array(list) => match bytes(&list) {
                Some(text) => self.text(&text, texts, records),
                None => list.into_iter().for_each(|value| self.within(value, texts, records)),
            },
            Value::String(text) => self.text(&text, texts, records),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str, texts: u8, records: &mut Vec<Record<'_>>) {
        let Some(texts) = texts.checked_sub(1) else { return };
        let text = text.trim_ascii();
        if !text.starts_with('{') {
            return;
        }
        match serde_json::from_str(text) {
            Ok(value) => self.within(value, texts, records),
            Err(error) if text.starts_with(START) => self.broken = Some(without_place(&error)),
            Err(_) => {}
        }
    }
}
