//! The clock, by which records, certificates and rules that begin on a day go.

use super::{Case, Check, Id};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// What systemd-timesyncd makes once it has asked somebody.
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";
/// A record this far ahead was not written by this clock.
const AHEAD: SignedDuration = SignedDuration::from_mins(2);
/// As much of the end of the log as has a record in it.
const END: u64 = 256 << 10;
/// How long systemd has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// As much of a record as matters here.
#[derive(Deserialize)]
struct Record {
    time: Timestamp,
}

pub(super) async fn checks(case: &Case) -> Vec<Check> {
    let id = Id::NodeClock;
    let now = Timestamp::now();
    if let Ok(settings) = &case.settings
        && let Some(last) = last(&case.path(&settings.audit.file))
        && last.duration_since(now) > AHEAD
    {
        return vec![Check::failure(
            id,
            format!(
                "the last record of the audit log is of {last:.0}, and it is {now:.0} by the clock: it was put back, or is wrong"
            ),
            "set the clock (`timedatectl status`, `chronyc tracking`): certificates are judged by it, too",
        )];
    }
    if case.wishes.root.is_some() {
        return vec![Check::skipped(id, "only files are looked at")];
    }
    let is_synchronized = if Path::new(SYNCHRONIZED).exists() { Some(true) } else { told().await };
    vec![match is_synchronized {
        Some(true) => Check::ok(id, format!("it is {now:.0}, kept by somebody who asks others")),
        Some(false) => Check::warning(
            id,
            format!("it is {now:.0} by a clock that nobody keeps right"),
            "start a service that does (`timedatectl set-ntp true`, or chrony): records, certificates and rules go by it",
        ),
        None => Check::note(id, format!("it is {now:.0} by the clock; whether somebody keeps it right can't be told")),
    }]
}

/// Whether the kernel's clock is kept right, as systemd says.
async fn told() -> Option<bool> {
    let mut command = Command::new("timedatectl");
    command.args(["show", "--property=NTPSynchronized", "--value"]);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(ANSWER, command.output()).await.ok()?.ok()?;
    match output.stdout.trim_ascii() {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}

/// When the last record was written that can be read.
fn last(file: &Path) -> Option<Timestamp> {
    // A pipe would be waited for.
    if !std::fs::metadata(file).ok()?.is_file() {
        return None;
    }
    let mut file = File::open(file).ok()?;
    let length = file.seek(SeekFrom::End(0)).ok()?;
    file.seek(SeekFrom::Start(length.saturating_sub(END))).ok()?;
    let mut text = Vec::new();
    file.take(END).read_to_end(&mut text).ok()?;
    let lines = text.rsplit(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice::<Record>(line).ok()).map(|record| record.time).next()
}
