//! Where records go besides the file, if that is wanted: systemd's journal, and standard output.
//!
//! The file is the source, and nothing here may cost it anything. Each sink has a thread and a bounded queue of its own: the
//! thread that owns the file leaves a message in the queue and never waits, whatever the journal or the reader of a pipe
//! does. What does not get through is counted (`repoint_sink_failures_total`), said once until it works again, and still in
//! the file.

mod entry;
mod journald;
mod queue;
mod sentence;
mod stdout;
#[cfg(test)]
mod tests;

use super::file::Settings;
use super::record::Record;
use crate::metrics;
use journald::Journald;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use queue::Queue;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};
use stdout::Stdout;

/// The sinks. Dropped, they get a moment for what is in their queues.
#[derive(Debug, Default)]
pub struct Sinks {
    journald: Option<Queue>,
    stdout: Option<Queue>,
}

/// How the sinks' failures are counted.
pub type Failures = Family<metrics::Sink, Counter>;

/// Where systemd's journal listens.
pub const JOURNAL: &str = "/run/systemd/journal/socket";

/// What all sinks together get at the end. Less than the service waits for its audit log, so that a reader that hangs is not
/// taken for a file that does.
const GRACE: Duration = Duration::from_secs(1);

// === impl Sinks ===

impl Sinks {
    /// Those that the settings want.
    ///
    /// # Errors
    ///
    /// When the system gives no thread, or no second descriptor for standard output.
    pub fn open(settings: &Settings, failures: &Failures) -> io::Result<Self> {
        let mut sinks = Self::default();
        if settings.journald {
            sinks = sinks.with_journald(Path::new(JOURNAL), failures)?;
        }
        if settings.stdout {
            let out = io::stdout().as_fd().try_clone_to_owned()?;
            sinks = sinks.with_stdout(out.into(), failures)?;
        }
        Ok(sinks)
    }

    /// A journal at this socket as well.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn with_journald(mut self, socket: &Path, failures: &Failures) -> io::Result<Self> {
        let journald = Journald::at(socket);
        let queue = Queue::start("journald", failures, move |message, patience| journald.send(message, patience))?;
        self.journald = Some(queue);
        Ok(self)
    }

    /// Lines to `out` as well.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn with_stdout(mut self, out: File, failures: &Failures) -> io::Result<Self> {
        let mut stdout = Stdout::new(out);
        // It has no patience to lose: a line is written to its end, or it is torn.
        let queue = Queue::start("stdout", failures, move |message, _patience| stdout.write(message))?;
        self.stdout = Some(queue);
        Ok(self)
    }

    /// Leaves a record with each of them. Never waits.
    pub fn hand(&self, record: &Record, number: u64, line: &[u8]) {
        if let Some(journald) = &self.journald {
            journald.push(entry::entry(record, number, line));
        }
        if let Some(stdout) = &self.stdout {
            stdout.push(line.to_vec());
        }
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        let mut all: Vec<&mut Queue> = [&mut self.journald, &mut self.stdout].into_iter().flatten().collect();
        for queue in &mut all {
            queue.close();
        }
        let until = Instant::now().checked_add(GRACE);
        for queue in all {
            let left = until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
            queue.wait(left);
        }
    }
}
