//! How the service is: as an object for programs, and as one line for `systemctl status`.

use super::control::Control;
use super::trouble::Line;
use crate::audit::record::Counters;
use crate::audit::tally::Totals;
use crate::config::Footing;
use crate::error::Chain;
use crate::output::Plain;
use crate::proxy::overrides::Override;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;

/// How it is. Fields keep their meaning; more may come.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// Of repoint.
    pub version: String,
    /// Of the process.
    pub pid: u32,
    /// When the process started.
    pub started: Timestamp,
    /// What the time is.
    pub now: Timestamp,
    /// Whether it stops.
    pub stopping: bool,
    /// The configuration in force.
    pub configuration: Configuration,
    /// Whether the kill switch is thrown.
    pub disabled: bool,
    /// The file that is the kill switch.
    pub switch: PathBuf,
    /// What somebody put in the place of what rules say.
    pub overrides: Vec<Override>,
    /// The runtime, as far as it can be reached.
    pub runtime: Runtime,
    /// When the kubelet called last.
    pub last_call: Option<Timestamp>,
    /// When an image was pulled last that a rule decided.
    pub last_pulled: Option<Timestamp>,
    /// When that failed last.
    pub last_failed: Option<Timestamp>,
    /// Calls under way.
    pub calls_under_way: usize,
    /// What was counted since the start.
    pub counters: Counters,
    /// The last warning or error.
    pub last_error: Option<Line>,
}

/// The configuration in force.
#[derive(Debug, Serialize, Deserialize)]
pub struct Configuration {
    /// `files`, `last_good` or `none`.
    pub source: String,
    /// Its hash.
    pub hash: String,
    /// Since when.
    pub since: Timestamp,
    /// Its files.
    pub files: Vec<PathBuf>,
    /// How many rules hold.
    pub rules: usize,
    /// Why what is written is not in force; null where it is.
    pub refused: Option<Refusal>,
}

/// Why what is written is not in force.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// Since when.
    pub time: Timestamp,
    /// Why.
    pub message: String,
}

/// The runtime.
#[derive(Debug, Serialize, Deserialize)]
pub struct Runtime {
    /// Its socket; null while it is not known.
    pub socket: Option<String>,
    /// Why it can't be reached; null where it can.
    pub error: Option<String>,
}

/// How long a runtime has to accept.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line of status is for one line of a terminal.
const LONGEST: usize = 160;

impl Control {
    /// How it is.
    pub async fn status(&self) -> Status {
        let shared = self.shared();
        let Totals { counters, last_call, last_pulled, last_failed } = shared.tally.totals();
        let known = self.known();
        let configuration = Configuration {
            source: known.footing.as_str().to_owned(),
            hash: known.hash,
            since: known.since,
            files: known.files,
            rules: shared.rules.rules().len(),
            refused: known.refused.map(|(time, message)| Refusal { time, message }),
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: known.started,
            now: shared.clock.now(),
            stopping: self.is_stopping(),
            configuration,
            disabled: shared.overrides.is_disabled(),
            switch: self.switch.clone(),
            overrides: shared.overrides.all(),
            runtime: self.runtime().await,
            last_call,
            last_pulled,
            last_failed,
            calls_under_way: self.end.calls.count(),
            // Since the start, those too that no heartbeat has told of.
            counters: Counters { lost: shared.metrics.audit_failures.get(), ..counters },
            last_error: self.trouble.last(),
        }
    }

    /// Whether somebody accepts at the runtime's socket.
    pub async fn runtime(&self) -> Runtime {
        let Some(address) = self.runtime.settled() else {
            return Runtime { socket: None, error: Some("none was found yet".to_owned()) };
        };
        let connected = tokio::time::timeout(PATIENCE, UnixStream::connect(address.path())).await;
        let error = match connected {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(Chain(&error).to_string()),
            Err(_) => Some("it does not accept connections".to_owned()),
        };
        Runtime { socket: Some(address.to_string()), error }
    }

    /// How it is, on a line.
    pub(super) fn line(&self) -> String {
        let shared = self.shared();
        let Counters { substituted, fell_back, failed, .. } = shared.tally.totals().counters;
        let mut line = String::new();
        if self.is_stopping() {
            line.push_str("STOPPING; ");
        }
        if shared.overrides.is_disabled() {
            line.push_str("DISABLED; ");
        }
        let known = self.known();
        match known.footing {
            Footing::Files if known.refused.is_some() => line.push_str("RELOAD REFUSED; "),
            Footing::Files => {}
            Footing::LastGood => line.push_str("LAST GOOD CONFIGURATION; "),
            Footing::Nothing => line.push_str("NO CONFIGURATION, NOTHING IS SUBSTITUTED; "),
        }
        let _infallible = write!(line, "{substituted} substituted, {fell_back} fell back, {failed} failed");
        if let Some(last) = self.trouble.last() {
            let _infallible = write!(line, "; last error: {}", last.message);
        }
        let line: String = line.chars().take(LONGEST).collect();
        // A line feed would begin another message to the manager.
        Plain(&line).to_string()
    }
}
