//! The file, and the one thread that writes it.
//!
//! `thread` takes records from the queue; `journal` is the open file; `line` and `number` find out how it ends and which
//! number comes next; `rotate` puts it aside under one of the names of `name`, and `tidy`, on a thread of its own,
//! compresses what was put aside. All of them reach the disk through `disk`, so that tests let any step fail, or the process
//! end there.

mod disk;
mod journal;
mod line;
mod name;
mod number;
mod rotate;
mod thread;
mod tidy;

#[cfg(test)]
mod tests;

pub use rotate::Rotation;

use self::disk::{Disk, System};
use self::journal::Journal;
use self::name::Names;
use self::thread::{Job, Thread};
use self::tidy::{Tidy, Work};
use super::record::{Origin, Record};
use super::sink::Sinks;
use prometheus_client::metrics::counter::Counter;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Where the audit log goes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file. Its directory is made where it is missing.
    pub file: PathBuf,
    /// Whether a record counts as written only once it outlives the loss of power.
    pub sync: bool,
    /// Whether a pull whose record can't be written is not substituted.
    pub required: bool,
    /// When the file is put aside.
    pub rotation: Rotation,
    /// Whether systemd's journal is told as well.
    pub journald: bool,
    /// Whether standard output is told as well.
    pub stdout: bool,
}

/// The way to the log: cheap to clone, and the log ends when the last one is gone.
#[derive(Debug, Clone)]
pub struct Log {
    queue: mpsc::Sender<Job>,
    /// Records that are missing in the file, or were when somebody had to be answered.
    failures: Counter,
}

/// Waits for what was recorded to be written.
#[derive(Debug)]
pub struct Writer(JoinHandle<()>);

/// A record that the log has taken and not yet written.
#[derive(Debug)]
pub struct Ticket {
    written: oneshot::Receiver<Result<(), Unwritten>>,
    failures: Counter,
}

/// Why a record is not in the file.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// The record has no JSON form.
    #[error("the audit record could not be encoded")]
    Encoding(#[source] serde_json::Error),
    /// The file could not be opened or written.
    #[error("the audit log {} could not be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The file has something else in it, which no record is put behind.
    #[error("{} does not end as an audit log does: move it away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is, but may not outlive the loss of power.
    #[error("the audit record may not outlive a loss of power: {0}")]
    Unsynced(String),
    /// The queue is full, or the disk does not answer, and the caller could not wait.
    #[error("the audit log is too slow")]
    Slow,
    /// The writing thread is gone.
    #[error("the audit log has ended")]
    Ended,
}

/// Records that may wait for the disk. As many calls as a busy node has in flight; beyond that callers wait.
const QUEUE: usize = 1024;

/// How long a call waits for its record.
const PATIENCE: Duration = Duration::from_secs(5);

// === impl Log ===

impl Log {
    /// Starts the log. A file that can't be opened yet is tried again at every record. How much of a torn line was cut is
    /// filled in where a record of [`super::Body::Start`] says it: the caller need not wait for the disk to know.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(settings: &Settings, origin: Origin, failures: Counter, sinks: Sinks) -> io::Result<(Self, Writer)> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let disk: Arc<dyn Disk> = Arc::new(System);
        let work = Work {
            names: Names::new(&settings.file),
            rotation: settings.rotation,
            disk: Arc::clone(&disk),
            stop: Arc::default(),
        };
        // What somebody else rotates, somebody else removes.
        let tidy = if settings.rotation.is_never() { None } else { Some(Tidy::start(work)?) };
        let thread = Thread {
            journal: Journal::new(settings, origin, disk, sinks),
            is_synced: settings.sync,
            failures: failures.clone(),
            tidy,
        };
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || thread.run(jobs))?;
        Ok((Self { queue, failures }, Writer(thread)))
    }

    /// Hands `record` to the log, waiting for room in its queue.
    ///
    /// # Errors
    ///
    /// When the log can't take it.
    pub async fn take(&self, record: Record) -> Result<Ticket, Unwritten> {
        let taken = async {
            let (job, written) = job(record);
            match self.queue.send_timeout(job, PATIENCE).await {
                Ok(()) => Ok(written),
                Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(Unwritten::Slow),
                Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(Unwritten::Ended),
            }
        };
        let written = self.counted(taken.await)?;
        Ok(Ticket { written, failures: self.failures.clone() })
    }

    /// Hands `record` to the log without waiting, for a caller that is about to vanish.
    ///
    /// # Errors
    ///
    /// When the log can't take it. (A failure to write it later is reported by the log itself.)
    pub fn leave(&self, record: Record) -> Result<(), Unwritten> {
        let left = self.queue.try_send(job(record).0).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unwritten::Slow,
            mpsc::error::TrySendError::Closed(_) => Unwritten::Ended,
        });
        self.counted(left)
    }

    /// Has records that come from now on say that they are from there. Returns when it is said, or can't be.
    pub async fn say_origin(&self, origin: Origin) {
        // Without room for it in all that time, the log has greater troubles.
        let _turn = self.queue.send_timeout(Job::Move(Box::new(origin)), PATIENCE).await;
    }

    /// Has the log let go of its file and open the one that its path leads to, in turn with the records.
    pub async fn reopen(&self) {
        // With no room for it, there are records, each of which looks where the path leads.
        let _turn = self.queue.send_timeout(Job::Reopen, PATIENCE).await;
    }

    fn counted<T>(&self, outcome: Result<T, Unwritten>) -> Result<T, Unwritten> {
        outcome.inspect_err(|_| {
            self.failures.inc();
        })
    }
}

// === impl Ticket ===

impl Ticket {
    /// Returns when the record is in the file.
    ///
    /// # Errors
    ///
    /// When it is not, or not for a long time: a disk that hangs may not hold up a node.
    pub async fn written(self) -> Result<(), Unwritten> {
        match tokio::time::timeout(PATIENCE, self.written).await {
            // Counted by the thread, which knows also of those that nobody waits for.
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err(Unwritten::Ended),
            Err(_) => {
                self.failures.inc();
                Err(Unwritten::Slow)
            }
        }
    }
}

// === impl Writer ===

impl Writer {
    /// Returns when every [`Log`] is gone and all it took is written.
    pub fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("The audit log's thread panicked");
        }
    }
}

fn job(record: Record) -> (Job, oneshot::Receiver<Result<(), Unwritten>>) {
    let (written, answer) = oneshot::channel();
    (Job::Write(record, written), answer)
}
