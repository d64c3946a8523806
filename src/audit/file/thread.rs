//! The one thread that owns the file.

use super::Unwritten;
use super::journal::Journal;
use super::tidy::Tidy;
use crate::audit::record::{Body, Origin, Record};
use crate::error::Chain;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{mpsc, oneshot};

/// What the thread owns.
#[derive(Debug)]
pub(super) struct Thread {
    /// The file.
    pub(super) journal: Journal,
    /// Whether a record counts as written only once it outlives the loss of power.
    pub(super) is_synced: bool,
    /// Records that are missing in the file, or may be.
    pub(super) failures: Counter,
    /// What sees to the files that were put aside, where we do that.
    pub(super) tidy: Option<Tidy>,
}

/// What it is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// To append this.
    Write(Record, Waiting),
    /// To say from now on that records are from there.
    Move(Box<Origin>),
    /// To let go of the file, and open what its path leads to.
    Reopen,
}

/// Who is told what came of a record.
pub(super) type Waiting = oneshot::Sender<Result<(), Unwritten>>;

/// Records that share the time that the disk takes to have them for good.
const BATCH: usize = 256;

// === impl Thread ===

impl Thread {
    /// Writes until nobody can record any more.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let repaired = self.journal.begin();
        let (mut batch, mut unsynced) = (Vec::new(), Vec::new());
        while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
            for job in batch.drain(..) {
                match job {
                    Job::Write(mut record, waiting) => {
                        if let Body::Start(start) = &mut record.body {
                            start.repaired = repaired;
                        }
                        match self.append(&record) {
                            Ok(()) if self.is_synced => unsynced.push(waiting),
                            done => self.answer(waiting, done),
                        }
                    }
                    Job::Move(origin) => self.journal.say_origin(*origin),
                    Job::Reopen => self.journal.reopen(),
                }
            }
            if !unsynced.is_empty() {
                self.sync(&mut unsynced);
            }
        }
        if let Some(tidy) = self.tidy {
            tidy.join();
        }
    }

    fn append(&mut self, record: &Record) -> Result<(), Unwritten> {
        let done = self.journal.append(record);
        if let Some(tidy) = &self.tidy
            && self.journal.was_rotated()
        {
            tidy.notice();
        }
        done
    }

    /// Makes what was written last, and makes it known to all who wait for it.
    fn sync(&mut self, unsynced: &mut Vec<Waiting>) {
        let done = self.journal.sync();
        for waiting in unsynced.drain(..) {
            let done = match &done {
                Ok(()) => Ok(()),
                Err(error) => Err(Unwritten::Unsynced(Chain(error).to_string())),
            };
            self.answer(waiting, done);
        }
    }

    fn answer(&self, waiting: Waiting, done: Result<(), Unwritten>) {
        if done.is_err() {
            self.failures.inc();
        }
        if let Err(Err(nobody_waits)) = waiting.send(done) {
            tracing::error!(error = %Chain(&nobody_waits), "A record was lost");
        }
    }
}
