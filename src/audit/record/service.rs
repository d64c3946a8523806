//! What is written down of the service itself.

use super::form::{shortened, shortened_option};
use crate::clock::{rfc3339, rfc3339_option};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was counted.
#[derive(Debug, Clone, Serialize)]
pub struct Count {
    /// From when on.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
    /// How much of what.
    pub counters: Counters,
    /// When the kubelet called last.
    #[serde(serialize_with = "rfc3339_option")]
    pub last_call: Option<Timestamp>,
}

/// How much there was of what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Calls of whatever kind.
    pub calls: u64,
    /// Questions for images that a rule matches.
    pub asked: u64,
    /// Records of these events.
    pub substituted: u64,
    /// As above.
    pub fell_back: u64,
    /// As above.
    pub failed: u64,
    /// As above.
    pub observed: u64,
    /// As above.
    pub denied: u64,
    /// As above.
    pub used: u64,
    /// Records that could not be written.
    pub lost: u64,
}

/// What held at the start.
#[derive(Debug, Clone, Serialize)]
pub struct Start {
    /// How many rules hold.
    pub rules: usize,
    /// What says so: `files`, `last_good` or `none`.
    pub configuration: &'static str,
    /// Why that is not what is written in the files; null where it is.
    #[serde(serialize_with = "shortened_option")]
    pub message: Option<String>,
    /// How many bytes of a torn line were cut off the end of the log.
    pub repaired: u64,
}

/// What came of reading the configuration again.
#[derive(Debug, Clone, Serialize)]
pub struct Reload {
    /// Whether it is in force.
    pub outcome: ReloadOutcome,
    /// How many rules hold.
    pub rules: usize,
    /// Why it is not; null where it is.
    #[serde(serialize_with = "shortened_option")]
    pub message: Option<String>,
}

/// What came of reading the configuration again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadOutcome {
    /// It is in force.
    Loaded,
    /// What held goes on to hold.
    Refused,
}

/// What somebody put in the place of what a rule says.
#[derive(Debug, Clone, Serialize)]
pub struct Override {
    /// The rule.
    #[serde(serialize_with = "shortened")]
    pub rule: String,
    /// What is done: `original` or `observe`; null where the rule holds again.
    pub instead: Option<&'static str>,
    /// Until when; null where the rule holds again.
    #[serde(serialize_with = "rfc3339_option")]
    pub until: Option<Timestamp>,
    /// The user who said so; null where its time was over.
    pub uid: Option<u32>,
}

/// The kill switch.
#[derive(Debug, Clone, Serialize)]
pub struct Switch {
    /// The file that is it.
    #[serde(serialize_with = "shortened")]
    pub file: String,
}

// === impl Counters ===

impl Counters {
    /// Nothing.
    pub const ZERO: Self =
        Self { calls: 0, asked: 0, substituted: 0, fell_back: 0, failed: 0, observed: 0, denied: 0, used: 0, lost: 0 };

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            asked: self.asked.saturating_add(other.asked),
            substituted: self.substituted.saturating_add(other.substituted),
            fell_back: self.fell_back.saturating_add(other.fell_back),
            failed: self.failed.saturating_add(other.failed),
            observed: self.observed.saturating_add(other.observed),
            denied: self.denied.saturating_add(other.denied),
            used: self.used.saturating_add(other.used),
            lost: self.lost.saturating_add(other.lost),
        }
    }
}

// === impl ReloadOutcome ===

impl ReloadOutcome {
    /// As it is written, and the label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Refused => "refused",
        }
    }
}
