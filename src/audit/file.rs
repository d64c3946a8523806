//! The file, and the one thread that writes it.

use super::record::{Origin, Record};
use super::sink::Sinks;
use crate::error::Chain;
use prometheus_client::metrics::counter::Counter;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Where the audit log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file. Its directory is made where it is missing.
    pub file: PathBuf,
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
    /// The queue is full, or the disk does not answer, and the caller could not wait.
    #[error("the audit log is too slow")]
    Slow,
    /// The writing thread is gone.
    #[error("the audit log has ended")]
    Ended,
}

#[derive(Debug)]
struct Job {
    record: Record,
    written: oneshot::Sender<Result<(), Unwritten>>,
}

/// The open file, as the path led to it.
struct Open {
    path: PathBuf,
    file: Option<File>,
    origin: Origin,
    /// The number of the last record.
    number: u64,
    sinks: Sinks,
}

/// Records that may wait for the disk. As many calls as a busy node has in flight; beyond that callers wait.
const QUEUE: usize = 1024;

/// How long a call waits for its record.
const PATIENCE: Duration = Duration::from_secs(5);

// === impl Log ===

impl Log {
    /// Starts the log. A file that can't be opened yet is tried again at every record.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(settings: &Settings, origin: Origin, failures: Counter, sinks: Sinks) -> io::Result<(Self, Writer)> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let open = Open { path: settings.file.clone(), file: None, origin, number: 0, sinks };
        let counter = failures.clone();
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || write(open, jobs, &counter))?;
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

// === impl Open ===

impl Open {
    /// Appends one line in one write. Its number is taken, whether it comes to be in the file or not: one that is missing
    /// says so.
    fn append(&mut self, record: &Record) -> Result<(), Unwritten> {
        self.number = self.number.saturating_add(1);
        let line = record.line(&self.origin, self.number).map_err(Unwritten::Encoding)?;
        let written = self.write(&line);
        // Also where the file could not take it: then there is at least one place that has it.
        self.sinks.hand(record, self.number, &line);
        written.map_err(|error| Unwritten::File { path: self.path.clone(), error })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let file = self.current()?;
        let before = file.metadata()?.len();
        let done = file.write_all(line);
        if done.is_err() {
            // Half a line would make the next one unreadable, too. Where this fails as well, the disk has worse to say.
            let _unchanged = file.set_len(before);
        }
        done
    }

    /// The file the path leads to now: whoever moves the log away (logrotate does) gets a new one begun.
    fn current(&mut self) -> io::Result<&mut File> {
        let there = std::fs::metadata(&self.path).ok().map(|found| (found.dev(), found.ino()));
        let held = self.file.as_ref().and_then(|file| file.metadata().ok()).map(|held| (held.dev(), held.ino()));
        if held.is_none() || held != there {
            self.file = Some(open(&self.path)?);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Opens `path` for appending: readable for its group, since who reads the log is not who writes it.
fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

fn job(record: Record) -> (Job, oneshot::Receiver<Result<(), Unwritten>>) {
    let (written, answer) = oneshot::channel();
    (Job { record, written }, answer)
}

/// The writing thread.
fn write(mut open: Open, mut jobs: mpsc::Receiver<Job>, failures: &Counter) {
    while let Some(Job { record, written }) = jobs.blocking_recv() {
        let done = open.append(&record);
        if done.is_err() {
            failures.inc();
        }
        if let Err(Err(nobody_waits)) = written.send(done) {
            tracing::error!(error = %Chain(&nobody_waits), "A record was lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::record::{Body, Event, Use};

    fn record(image: &str) -> Record {
        let used = Use {
            rule: "r".into(),
            image: image.into(),
            substitute: "s".into(),
            image_ref: None,
            digest: None,
            post_freeze: false,
            pods: None,
            times: 1,
        };
        Record { time: jiff::Timestamp::UNIX_EPOCH, event: Event::Used, body: Body::Use(Box::new(used)) }
    }

    fn origin() -> Origin {
        Origin {
            node: "n".into(),
            machine_id: None,
            boot_id: None,
            labels: std::collections::BTreeMap::new(),
            version: "v",
            config: "c".into(),
        }
    }

    fn start(file: &Path, failures: Counter) -> io::Result<(Log, Writer)> {
        let settings = Settings { file: file.to_owned(), journald: false, stdout: false };
        Log::start(&settings, origin(), failures, Sinks::default())
    }

    fn images(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["image"].as_str().unwrap().to_owned())
            .collect()
    }

    #[tokio::test]
    async fn a_record_is_in_the_file_when_its_ticket_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("missing/audit.jsonl");
        let (log, writer) = start(&file, Counter::default()).unwrap();
        log.take(record("a")).await.unwrap().written().await.unwrap();
        assert_eq!(images(&file), ["a"]);
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777 & !0o640, 0, "wider than 0640");
        log.leave(record("b")).unwrap();
        drop(log);
        writer.join();
        assert_eq!(images(&file), ["a", "b"]);
    }

    #[tokio::test]
    async fn a_file_that_was_moved_away_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit.jsonl");
        let (log, _writer) = start(&file, Counter::default()).unwrap();
        log.take(record("a")).await.unwrap().written().await.unwrap();
        std::fs::rename(&file, dir.path().join("old")).unwrap();
        log.take(record("b")).await.unwrap().written().await.unwrap();
        assert_eq!(images(&file), ["b"]);
        assert_eq!(images(&dir.path().join("old")), ["a"]);
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_written_says_which_file_and_recovers() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit.jsonl");
        std::fs::create_dir(&file).unwrap();
        let failures = Counter::default();
        let (log, _writer) = start(&file, failures.clone()).unwrap();
        let error = log.take(record("a")).await.unwrap().written().await.unwrap_err();
        assert!(Chain(&error).to_string().contains(file.to_str().unwrap()), "{}", Chain(&error));
        assert_eq!(failures.get(), 1);
        std::fs::remove_dir(&file).unwrap();
        log.take(record("b")).await.unwrap().written().await.unwrap();
        assert_eq!(images(&file), ["b"]);
    }
}
