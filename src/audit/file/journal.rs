//! The open file: opened as the path leads to it, mended, written, put aside.

use super::disk::{Disk, write_all};
use super::line::{self, End};
use super::name::Names;
use super::number::{self, Numbers};
use super::rotate::{Rotation, rotate};
use super::{Settings, Unwritten};
use crate::audit::record::{Origin, Record};
use crate::audit::sink::Sinks;
use crate::error::Chain;
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

/// The log, as its thread has it.
#[derive(Debug)]
pub(super) struct Journal {
    names: Names,
    rotation: Rotation,
    is_synced: bool,
    disk: Arc<dyn Disk>,
    origin: Origin,
    numbers: Numbers,
    held: Option<Held>,
    /// Why some of what was written since the last [`Journal::sync`] may not outlive the loss of power.
    unsynced: Option<io::Error>,
    /// How many bytes of a torn line were cut.
    repaired: u64,
    /// Rotation failed, and is tried again then.
    again: Option<Timestamp>,
    is_rotated: bool,
    sinks: Sinks,
}

/// The file.
#[derive(Debug)]
struct Held {
    file: File,
    /// What tells it from the others that may be in its place.
    identity: (u64, u64),
    /// The time of its first record, where it has one.
    begun: Option<Timestamp>,
    /// Whether it ends in the middle of a line, which could not be cut.
    is_torn: bool,
}

/// The pause after the log could not be rotated. Every record would be told of it otherwise.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// As long as a service takes to end, at most.
const ANOTHER: Duration = Duration::from_secs(15);

/// The pause between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(20);

// === impl Journal ===

impl Journal {
    /// One that has not been opened yet.
    pub(super) fn new(settings: &Settings, origin: Origin, disk: Arc<dyn Disk>, sinks: Sinks) -> Self {
        let Settings { file, sync, rotation, .. } = settings;
        Self {
            names: Names::new(file),
            rotation: *rotation,
            is_synced: *sync,
            disk,
            origin,
            numbers: Numbers::default(),
            held: None,
            unsynced: None,
            repaired: 0,
            again: None,
            is_rotated: false,
            sinks,
        }
    }

    /// Records are from there, from now on.
    pub(super) fn say_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// Looks at the log that is there and mends its end. One that is not there is begun by the first record. Returns how
    /// many bytes of a torn line were cut.
    pub(super) fn begin(&mut self) -> u64 {
        self.wait_for_another();
        if fs::metadata(self.names.log()).is_ok_and(|found| found.is_file())
            && let Err(error) = self.current()
        {
            tracing::error!(error = %Chain(&error), "The audit log could not be opened; every record will try again");
        }
        self.repaired
    }

    /// Appends one line in one write. It takes a number, whether it comes to be in the file or not.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), Unwritten> {
        self.numbers.take();
        // The file says which number comes next, where it was not open yet.
        let opened = self.current().map(|_| ());
        let line = record.line(&self.origin, self.numbers.last()).map_err(Unwritten::Encoding)?;
        let written = opened.and_then(|()| self.put(record, &line));
        // Also where the file could not take it: then there is at least one place that has it.
        self.sinks.hand(record, self.numbers.last(), &line);
        written
    }

    /// Waits for another process that writes the same file, as one does that was told to end and has calls under way: both
    /// would give the same numbers, and a line that it is about to write would be cut as a torn one.
    fn wait_for_another(&self) {
        let mut waited = Duration::ZERO;
        // To open a pipe may take for ever, so what it is comes first.
        while fs::metadata(self.names.log()).is_ok_and(|found| found.is_file())
            && let Ok(file) = File::open(self.names.log())
            && flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
        {
            if waited >= ANOTHER {
                tracing::error!(file = %self.names.log().display(), "Another process writes the audit log, too");
                return;
            }
            std::thread::sleep(LOOK);
            waited = waited.saturating_add(LOOK);
        }
    }

    fn put(&mut self, record: &Record, line: &[u8]) -> Result<(), Unwritten> {
        let size = self.current()?.file.metadata().map_err(|error| self.failed(error))?.len();
        self.rotate_if_due(size, line.len(), record.time);
        let disk = Arc::clone(&self.disk);
        let held = self.current()?;
        held.write(&*disk, line).map_err(|error| self.failed(error))?;
        if let Some(held) = &mut self.held {
            held.begun.get_or_insert(record.time);
        }
        Ok(())
    }

    /// Whether the log was put aside since this was asked last.
    pub(super) fn was_rotated(&mut self) -> bool {
        std::mem::take(&mut self.is_rotated)
    }

    /// Returns when all that was appended outlives the loss of power.
    pub(super) fn sync(&mut self) -> Result<(), Unwritten> {
        self.sync_held();
        match self.unsynced.take() {
            Some(error) => Err(self.failed(error)),
            None => Ok(()),
        }
    }

    /// Lets go of the file, and opens what the path leads to now.
    pub(super) fn reopen(&mut self) {
        self.let_go();
        if let Err(error) = self.current() {
            tracing::error!(error = %Chain(&error), "The audit log could not be reopened; every record will try again");
        }
    }

    /// An error of the system's, with the file that it is about.
    pub(super) fn failed(&self, error: io::Error) -> Unwritten {
        Unwritten::File { path: self.names.log().to_owned(), error }
    }

    /// The file the path leads to now: whoever moves the log away (logrotate does) gets a new one begun.
    fn current(&mut self) -> Result<&mut Held, Unwritten> {
        let there = fs::metadata(self.names.log()).ok().map(|found| identity(&found));
        if there.is_none() || self.held.as_ref().map(|held| held.identity) != there {
            self.let_go();
            self.held = Some(self.open()?);
        }
        match &mut self.held {
            Some(held) => Ok(held),
            None => Err(Unwritten::Ended),
        }
    }

    fn let_go(&mut self) {
        if self.is_synced {
            self.sync_held();
        }
        self.held = None;
    }

    fn sync_held(&mut self) {
        if let Some(held) = &self.held
            && let Err(error) = self.disk.sync(&held.file)
        {
            self.unsynced.get_or_insert(error);
        }
    }

    fn open(&mut self) -> Result<Held, Unwritten> {
        let file = self.opened().map_err(|error| self.failed(error))?;
        claim(&file);
        let found = file.metadata().map_err(|error| self.failed(error))?;
        let mut held = Held { identity: identity(&found), file, begun: None, is_torn: false };
        let mut last = None;
        if found.is_file() && found.len() != 0 {
            last = self.mend(&mut held, found.len())?;
        }
        if last.is_none() && self.numbers.are_unknown() && found.is_file() {
            let of_others = number::of_siblings(&self.names).map_err(|error| self.failed(error))?;
            last = Some(of_others.unwrap_or_default());
        }
        if let Some(last) = last {
            self.numbers.found(last);
        }
        Ok(held)
    }

    fn opened(&self) -> io::Result<File> {
        fs::create_dir_all(self.names.directory())?;
        let file = self.disk.open(self.names.log())?;
        if self.is_synced {
            // A file that is new has a name only once that is on the disk, too.
            self.disk.sync_names(self.names.directory())?;
        }
        Ok(file)
    }

    /// Sees to it that the file ends with a line, and returns the number of the last record.
    fn mend(&mut self, held: &mut Held, length: u64) -> Result<Option<u64>, Unwritten> {
        let read = || {
            let file = File::open(self.names.log())?;
            if identity(&file.metadata()?) != held.identity {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "it was moved away just now"));
            }
            let end = line::end(&file, length)?;
            let (End::Whole(whole) | End::Torn(whole)) = end else { return Ok((end, None, None)) };
            Ok((end, line::last_number(&file, whole)?, line::first_time(&file, whole)?))
        };
        let (end, last, begun) = read().map_err(|error| self.failed(error))?;
        held.begun = begun;
        match end {
            End::Whole(_) => {}
            End::Torn(whole) => self.cut(held, whole, length.saturating_sub(whole)),
            End::Foreign => return Err(Unwritten::Foreign { path: self.names.log().to_owned() }),
        }
        Ok(last)
    }

    fn cut(&mut self, held: &mut Held, whole: u64, torn: u64) {
        let file = self.names.log().display();
        match self.disk.cut(&held.file, whole) {
            Ok(()) => {
                self.repaired = self.repaired.saturating_add(torn);
                tracing::warn!(%file, bytes = torn, "Cut off a line that was not written to its end");
            }
            // On a file that can only be appended to.
            Err(error) => {
                held.is_torn = true;
                tracing::warn!(%file, error = %Chain(&error), "A line that was not written to its end stays in the audit log");
            }
        }
    }

    fn rotate_if_due(&mut self, size: u64, line: usize, now: Timestamp) {
        let Some(held) = &mut self.held else { return };
        // A clock that was ahead of time has written a time to come.
        let begun = *held.begun.insert(held.begun.unwrap_or(now).min(now));
        if !self.rotation.is_due(size, begun, line, now) || self.again.is_some_and(|again| now < again) {
            return;
        }
        self.again = None;
        match self.rotate(now) {
            Ok(held) => {
                self.held = Some(held);
                self.is_rotated = true;
            }
            Err(error) => {
                self.again = now.checked_add(PAUSE).ok();
                tracing::warn!(error = %Chain(&error), "Could not rotate the audit log; it grows");
            }
        }
    }

    fn rotate(&mut self, now: Timestamp) -> io::Result<Held> {
        if self.is_synced {
            self.sync_held();
        }
        let file = rotate(&*self.disk, &self.names, now)?;
        claim(&file);
        if self.is_synced
            && let Err(error) = self.disk.sync_names(self.names.directory())
        {
            self.unsynced.get_or_insert(error);
        }
        Ok(Held { identity: identity(&file.metadata()?), file, begun: None, is_torn: false })
    }
}

// === impl Held ===

impl Held {
    /// Appends a line, or nothing.
    fn write(&mut self, disk: &dyn Disk, line: &[u8]) -> io::Result<()> {
        // Half a line would make the next one unreadable, too.
        let ended = if self.is_torn { [b"\n", line].concat() } else { Vec::new() };
        let line = if self.is_torn { &ended } else { line };
        let Err((written, error)) = write_all(disk, &self.file, line) else {
            self.is_torn = false;
            return Ok(());
        };
        if written > 0 && self.take_back(disk, written).is_err() {
            self.is_torn = true;
        }
        Err(error)
    }

    fn take_back(&self, disk: &dyn Disk, written: usize) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        disk.cut(&self.file, length.saturating_sub(written as u64))
    }
}

/// Tells another process that this one writes the file, until it is closed. A file system without locks stops nobody.
fn claim(file: &File) {
    let _told_or_not = flock(file, FlockOperation::NonBlockingLockExclusive);
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
