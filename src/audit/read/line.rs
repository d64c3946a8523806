//! A line, and the record in it: what a reader needs of one, borrowed from the line.

use super::fault::{Fault, Lost};
use super::feed::Block;
use super::wrapping;
use jiff::Timestamp;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A record, as far as it is read. A field that is not always there is `None` where it is not, or null.
#[derive(Debug, Clone, Deserialize)]
pub struct Record<'a> {
    /// The version of its form.
    pub schema: u32,
    /// When it was written down.
    #[serde(deserialize_with = "rfc3339")]
    pub time: Timestamp,
    /// Its number.
    pub seq: u64,
    /// The node's name.
    #[serde(borrow)]
    pub node: Text<'a>,
    /// What the system calls the machine.
    #[serde(borrow, default)]
    pub machine_id: Option<Text<'a>>,
    /// What it calls its boot.
    #[serde(borrow, default)]
    pub boot_id: Option<Text<'a>>,
    /// The hash of the configuration in force.
    #[serde(borrow, default)]
    pub config: Option<Text<'a>>,
    /// What happened.
    pub event: Event,
    /// The image asked for.
    #[serde(borrow, default)]
    pub image: Option<Text<'a>>,
    /// What was asked for instead.
    #[serde(borrow, default)]
    pub substitute: Option<Text<'a>>,
    /// That of the image's manifest.
    #[serde(borrow, default)]
    pub digest: Option<Text<'a>>,
    /// The pod it was for.
    #[serde(borrow, default)]
    pub pod: Option<Pod<'a>>,
    /// The pods that use it.
    #[serde(borrow, default)]
    pub pods: Option<Vec<Pod<'a>>>,
    /// How a pull ended.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// Whether the image never was on the old registry.
    #[serde(default)]
    pub post_freeze: Option<bool>,
    /// How often it was asked for.
    #[serde(default)]
    pub times: Option<u64>,
    /// Of a count: from when on.
    #[serde(default, deserialize_with = "rfc3339_option")]
    pub since: Option<Timestamp>,
    /// Of a count: when the kubelet called last.
    #[serde(default, deserialize_with = "rfc3339_option")]
    pub last_call: Option<Timestamp>,
    /// Of a start: how many rules hold.
    #[serde(default)]
    pub rules: Option<u64>,
    /// Of a count: how much of what.
    #[serde(default)]
    pub counters: Option<Counters>,
}

/// What was counted, as far as it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Counters {
    /// Records that could not be written. Not all of them took a number.
    #[serde(default)]
    pub lost: u64,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An image was pulled under another name.
    Substituted,
    /// It was pulled as it is named, since no target served it.
    FellBack,
    /// No pull came of it.
    Failed,
    /// It was pulled as it is named, and looked on.
    Observed,
    /// It was refused.
    Denied,
    /// It will be tried.
    Intended,
    /// It was there, and asked for by its old name.
    Used,
    /// The runtime is configured to start pods with it.
    SandboxImage,
    /// The service lives.
    Heartbeat,
    /// The service began.
    Started,
    /// The service ended.
    Stopped,
    /// The configuration was read again.
    Reloaded,
    /// Something else holds in the place of a rule, or it holds again.
    Overridden,
    /// The kill switch was thrown.
    Disabled,
    /// It was put back.
    Enabled,
    /// Something that this program does not know.
    #[serde(other)]
    Other,
}

/// How a pull ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With the image.
    Pulled,
    /// Without.
    Failed,
    /// Nobody waited for it.
    Cancelled,
    /// It was refused.
    Denied,
    /// In a way that this program does not know.
    #[serde(other)]
    Other,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Pod<'a> {
    /// Its namespace.
    #[serde(borrow)]
    pub namespace: Text<'a>,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// What tells it from others of this name, before and after it.
    #[serde(borrow, default)]
    pub uid: Text<'a>,
}

/// A text, borrowed where nothing in it is escaped. (serde borrows no `Cow` that is within an `Option`.)
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Text<'a>(Cow<'a, str>);

/// What a block came to.
#[derive(Debug, Default)]
pub(super) struct Lines<'a> {
    pub(super) records: Vec<Record<'a>>,
    /// Lines without any record.
    pub(super) foreign: u64,
    pub(super) faults: Vec<Fault>,
}

/// Why there is no record in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bare {
    /// It is about something else.
    Foreign,
    /// There should be one.
    Broken(String),
}

/// What a record begins with. Fields keep their order.
pub(super) const START: &str = "{\"schema\":";

/// Reads a block. Whoever is afraid of a line of somebody else's: at worst it is told of as unreadable.
pub(super) fn block(block: &Block) -> Lines<'_> {
    let mut lines = Lines { records: Vec::with_capacity(block.text.len() / 512), ..Lines::default() };
    match std::str::from_utf8(&block.text) {
        Ok(text) => split(text).for_each(|(number, line, is_ended)| lines.read(block, number, line, is_ended)),
        // One line that is no text may not take the others with it.
        Err(_) => {
            for (number, line) in (0_u64..).zip(block.text.split_inclusive(|byte| *byte == b'\n')) {
                match std::str::from_utf8(line) {
                    Ok(text) => {
                        for (_, line, is_ended) in split(text) {
                            lines.read(block, number, line, is_ended);
                        }
                    }
                    Err(_) => lines.fault(block, number, "it is not valid UTF-8".to_owned(), Lost::Line),
                }
            }
        }
    }
    lines
}

/// The lines, each with its number and whether it is ended.
fn split(text: &str) -> impl Iterator<Item = (u64, &str, bool)> {
    (0..).zip(text.split_inclusive('\n')).map(|(number, line)| match line.strip_suffix('\n') {
        Some(line) => (number, line, true),
        None => (number, line, false),
    })
}

/// Reads one line.
///
/// # Errors
///
/// When there is no record in it. Those that are, are read all the same.
pub(super) fn read<'a>(line: &'a str, records: &mut Vec<Record<'a>>) -> Result<(), Bare> {
    if line.starts_with('{')
        && let Ok(record) = serde_json::from_str(line)
    {
        records.push(record);
        return Ok(());
    }
    // The longer way: it is wrapped, or something stands before it (as in lines of syslog, of a container's log, or after a
    // torn line that another program went on in).
    let wrapped = wrapping::read(line, records);
    let Some((before, rest)) = line.rfind(START).and_then(|at| line.split_at_checked(at)) else { return wrapped };
    if wrapped.is_ok() || before.is_empty() {
        return wrapped;
    }
    let Ok(record) = serde_json::from_str(rest) else { return wrapped };
    records.push(record);
    if before.contains('{') { wrapped } else { Ok(()) }
}

fn rfc3339<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Text::deserialize(deserializer)?.parse().map_err(Error::custom)
}

fn rfc3339_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<Text<'_>>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(Error::custom)).transpose()
}

// === impl Event ===

impl Event {
    /// Whether it is about the service and not about any image, as far as is known.
    pub const fn is_of_service(self) -> bool {
        matches!(
            self,
            Self::Heartbeat
                | Self::Started
                | Self::Stopped
                | Self::Reloaded
                | Self::Overridden
                | Self::Disabled
                | Self::Enabled
                | Self::Other
        )
    }
}

// === impl Record ===

impl<'a> Record<'a> {
    /// The pods that it is about.
    pub fn all_pods(&self) -> impl Iterator<Item = &Pod<'a>> {
        self.pod.iter().chain(self.pods.iter().flatten())
    }
}

// === impl Event ===

impl Event {
    /// Whether it is about a pull, and says how it ended.
    pub const fn is_pull(self) -> bool {
        matches!(self, Self::Substituted | Self::FellBack | Self::Failed | Self::Observed | Self::Denied)
    }
}

// === impl Text ===

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

// === impl Lines ===

impl<'a> Lines<'a> {
    fn read(&mut self, block: &Block, number: u64, line: &'a str, is_ended: bool) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match read(line, &mut self.records) {
            Ok(()) => {}
            Err(Bare::Foreign) => self.foreign = self.foreign.saturating_add(1),
            Err(Bare::Broken(_)) if !is_ended && block.is_last => {
                self.fault(block, number, "the last line is half written".to_owned(), Lost::Torn);
            }
            Err(Bare::Broken(what)) => self.fault(block, number, what, Lost::Line),
        }
    }

    fn fault(&mut self, block: &Block, number: u64, what: String, lost: Lost) {
        let line = block.line.saturating_add(number);
        self.faults.push(Fault { file: block.file, line, name: Arc::clone(&block.name), what, lost });
    }
}
