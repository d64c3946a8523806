//! The log, read again: of one node or of thousands, as repoint wrote it or as a log agent carried it off.
//!
//! 1. [`source`]: which files there are, and what they hold once unpacked.
//! 2. `feed`: their text, in blocks of whole lines.
//! 3. [`line`](mod@line): the records in a line, which may be wrapped in others' lines (`wrapping`).
//! 4. [`seen`]: each record once, however many copies there are; and which ones there must have been.
//!
//! Several threads each take a block and read it; then, one at a time, they hand on what is in it. Reading is most of the
//! work. No file is ever in memory whole, and texts are borrowed from the block they are in. Records do not come in order,
//! which nothing that counts them needs.

mod fault;
mod feed;
pub mod line;
pub mod seen;
pub mod source;
#[cfg(test)]
mod tests;
mod wrapping;

pub use fault::{Fault, Faults};
pub use line::{Event, Outcome, Pod, Record, Text};
pub use seen::{Doubt, Gap, Seen};
pub use source::{Source, Unreadable};

use feed::{Block, Feed};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was read, besides the records.
#[derive(Debug, Default)]
pub struct Found {
    /// How many records there are, each counted once.
    pub records: u64,
    /// Further copies of these.
    pub duplicates: u64,
    /// Records of a later form than this program knows.
    pub newer: u64,
    /// Lines without any record, such as others' in the journal.
    pub foreign: u64,
    /// Lines and files that could not be read.
    pub faults: Faults,
    /// Which records there are.
    pub seen: Seen,
}

/// How far it has come, in bytes of the files as they are.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Read so far.
    pub done: u64,
    /// All, where it is known: nobody knows how much comes on standard input.
    pub all: u64,
}

/// More threads than this only wait for each other.
const THREADS: usize = 4;

/// What the threads have in common once a block is read.
struct Sink<'a> {
    found: Found,
    each: &'a mut (dyn FnMut(&Record<'_>) + Send),
}

/// Reads `sources` and shows `each` every record once, in any order. What can't be read is told of, and the rest is read.
///
/// # Errors
///
/// When a source is not there.
pub fn read(
    sources: &[Source],
    each: &mut (dyn FnMut(&Record<'_>) + Send),
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Found, Unreadable> {
    let feed = Mutex::new(Feed::new(source::files(sources)?));
    let sink = Mutex::new(Sink { found: Found::default(), each });
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&feed, &sink, progress));
        }
    });
    let mut found = sink.into_inner().unwrap_or_else(PoisonError::into_inner).found;
    found.faults.take(feed.into_inner().unwrap_or_else(PoisonError::into_inner).faults);
    Ok(found)
}

/// One thread's work.
fn work(feed: &Mutex<Feed>, sink: &Mutex<Sink<'_>>, progress: &(dyn Fn(Progress) + Sync)) {
    let mut block = Block::default();
    loop {
        let now = {
            let mut feed = lock(feed);
            if !feed.next(&mut block) {
                return;
            }
            feed.progress()
        };
        let read = line::block(&block);
        lock(sink).take(&read);
        progress(now);
    }
}

/// A thread that panicked ends the whole in any case, when the scope does.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Sink ===

impl Sink<'_> {
    fn take(&mut self, read: &line::Lines<'_>) {
        let found = &mut self.found;
        for record in &read.records {
            if !found.seen.add(record) {
                found.duplicates = found.duplicates.saturating_add(1);
                continue;
            }
            found.records = found.records.saturating_add(1);
            found.newer = found.newer.saturating_add(u64::from(record.schema > super::record::SCHEMA));
            (self.each)(record);
        }
        found.foreign = found.foreign.saturating_add(read.foreign);
        for fault in &read.faults {
            found.faults.add(fault.clone());
        }
    }
}
