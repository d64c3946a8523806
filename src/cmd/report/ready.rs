//! Whether the old registry can be done without: the page one takes to a change board.

use super::completeness::{Completeness, names};
use super::row::Row;
use crate::output::counted;
use serde::Serialize;

/// The answer, with its reasons.
#[derive(Debug, Serialize)]
pub(super) struct Ready {
    /// For how long it has to have been so.
    pub(super) days: u16,
    /// The answer.
    pub(super) is_ready: bool,
    /// Why not.
    pub(super) reasons: Vec<Reason>,
}

/// Why not.
#[derive(Debug, Serialize)]
pub(super) struct Reason {
    /// What kind of reason.
    pub(super) kind: &'static str,
    /// For people.
    pub(super) text: String,
}

/// Judges. Whatever is not known counts against it.
pub(super) fn ready(days: u16, whole: &Completeness<'_>, rows: &[Row<'_>], newer: u64, unknown: u64) -> Ready {
    let mut reasons: Vec<Reason> = Vec::new();
    let mut say = |kind, number: u64, text: String| {
        if number > 0 {
            reasons.push(Reason { kind, text });
        }
    };
    say("no_nodes", u64::from(whole.nodes == 0), "the file names no node".to_owned());
    for (kind, text) in whole.faults() {
        say(kind, 1, text);
    }
    let uncalled = u64::try_from(whole.uncalled.len()).unwrap_or(u64::MAX);
    say("uncalled", uncalled, format!("nothing says that the kubelet called: {}", names(&whole.uncalled)));
    let ruleless = u64::try_from(whole.ruleless.len()).unwrap_or(u64::MAX);
    say("ruleless", ruleless, format!("no rule was in force: {}", names(&whole.ruleless)));
    say("newer", newer, format!("{} of a later form than this program knows", counted(newer, "record")));
    say("unknown", unknown, format!("{} of a kind that this program does not know", counted(unknown, "record")));
    let images =
        |is: fn(&Row<'_>) -> bool| u64::try_from(rows.iter().filter(|row| is(row)).count()).unwrap_or(u64::MAX);
    let pulled = images(|row| row.pulls > 0);
    say("pulled", pulled, format!("{} pulled by an old name", were(pulled)));
    let used = images(|row| row.uses > 0);
    say("used", used, format!("{} used by an old name", were(used)));
    let configured = images(|row| row.configured > 0);
    say("configured", configured, format!("{} configured as the sandbox image by an old name", were(configured)));
    let intended = images(|row| row.pulls == 0 && row.uses == 0 && row.configured == 0);
    say("intended", intended, format!("{} asked for by an old name, and nothing says how that ended", were(intended)));
    Ready { days, is_ready: reasons.is_empty(), reasons }
}

fn were(images: u64) -> String {
    format!("{} {}", counted(images, "image"), if images == 1 { "was" } else { "were" })
}
