//! What becomes of the files that were put aside: compressed, and removed when they are too many.
//!
//! A thread of its own, since it may take seconds. What there is to do is read off the directory each time, so that it
//! goes on where another process stopped, at whatever moment: a compressed file gets its name when it is whole and on the
//! disk, and the plain one goes after that.

use super::disk::{Disk, clear, write_all};
use super::name::{Names, Rotated};
use super::rotate::Rotation;
use crate::error::Chain;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The thread, as its owner has it.
#[derive(Debug)]
pub(super) struct Tidy {
    /// There is one notice at most, which says that there is something to do.
    notices: SyncSender<()>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What it works on.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// The names around the log.
    pub(super) names: Names,
    /// What is kept.
    pub(super) rotation: Rotation,
    /// Where it is kept.
    pub(super) disk: Arc<dyn Disk>,
    /// Whether to leave things as they are: the next process goes on.
    pub(super) stop: Arc<AtomicBool>,
}

/// What is compressed between two looks at whether to stop.
const CHUNK: usize = 64 << 10;

// === impl Tidy ===

impl Tidy {
    /// Starts it, with what was left to do.
    pub(super) fn start(work: Work) -> io::Result<Self> {
        let (notices, inbox) = sync_channel(1);
        let stop = Arc::clone(&work.stop);
        let thread = std::thread::Builder::new().name("audit-tidy".to_owned()).spawn(move || run(&work, &inbox))?;
        Ok(Self { notices, stop, thread })
    }

    /// Says that there is something to do.
    pub(super) fn notice(&self) {
        // One that is there already says the same.
        let _one_is_enough = self.notices.try_send(());
    }

    /// Stops it, within the time that a chunk takes.
    pub(super) fn join(self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.notices);
        if self.thread.join().is_err() {
            tracing::error!("The thread that compresses the audit log panicked");
        }
    }
}

fn run(work: &Work, inbox: &Receiver<()>) {
    loop {
        work.tidy();
        if inbox.recv().is_err() {
            break;
        }
    }
}

// === impl Work ===

impl Work {
    /// Does all there is to do, as far as it can be done; what can't is tried again the next time.
    pub(super) fn tidy(&self) {
        match self.names.rotated() {
            Ok(rotated) => self.each(&rotated),
            // A directory that is not there yet has nothing in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(error = %Chain(&error), "Could not look for rotated audit logs"),
        }
    }

    fn each(&self, rotated: &[Rotated]) {
        for partial in self.names.partials().unwrap_or_default() {
            told("Could not remove what is left of a compression", &partial, clear(&*self.disk, &partial));
        }
        // First what gives room to the others.
        let (old, kept) = rotated.split_at(rotated.len().saturating_sub(self.rotation.keep));
        for one in old {
            for (path, is_there) in
                [(self.names.plain(one.time), one.is_plain), (self.names.packed(one.time), one.is_packed)]
            {
                if is_there {
                    told("Could not remove an old audit log", &path, self.disk.remove(&path));
                }
            }
        }
        for one in kept.iter().filter(|one| one.is_plain && (self.rotation.compress || one.is_packed)) {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            told("Could not compress an audit log", &self.names.plain(one.time), self.pack(one));
        }
    }

    /// Puts the compressed file in the place of the plain one.
    fn pack(&self, one: &Rotated) -> io::Result<()> {
        let (plain, packed) = (self.names.plain(one.time), self.names.packed(one.time));
        // With both of them there, the plain one was about to go. (Or somebody compresses it by hand, and is not done yet.)
        let is_done = one.is_packed && is_same(&plain, &packed).unwrap_or(false);
        if is_done || self.compress(one.time)? { self.disk.remove(&plain) } else { Ok(()) }
    }

    /// Compresses, and says whether it came to an end.
    fn compress(&self, time: Timestamp) -> io::Result<bool> {
        let (partial, packed) = (self.names.partial(time), self.names.packed(time));
        let done = self.compress_into(&self.names.plain(time), &partial);
        if !matches!(done, Ok(true)) {
            // It is in the way of what has to be written.
            clear(&*self.disk, &partial)?;
            return done;
        }
        self.disk.rename(&partial, &packed)?;
        self.disk.sync_names(self.names.directory())?;
        Ok(true)
    }

    fn compress_into(&self, plain: &Path, partial: &Path) -> io::Result<bool> {
        let mut source = File::open(plain)?;
        let found = source.metadata()?;
        let file = self.disk.open(partial)?;
        file.set_permissions(found.permissions())?;
        let mut encoder = GzEncoder::new(Through { disk: &*self.disk, file: &file }, Compression::default());
        let mut chunk = vec![0; CHUNK];
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let length = read_some(&mut source, &mut chunk)?;
            let Some(read) = chunk.get(..length).filter(|read| !read.is_empty()) else { break };
            encoder.write_all(read)?;
        }
        encoder.finish()?;
        // When the last record was written, by which the newest of several is found.
        file.set_modified(found.modified()?)?;
        self.disk.sync(&file)?;
        Ok(true)
    }
}

/// Writes to a disk.
struct Through<'a> {
    disk: &'a dyn Disk,
    file: &'a File,
}

impl Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_all(self.disk, self.file, bytes).map(|()| bytes.len()).map_err(|(_, error)| error)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn told(what: &str, path: &Path, done: io::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(file = %path.display(), error = %Chain(&error), "{what}");
    }
}

/// Whether the one is the other, compressed.
fn is_same(plain: &Path, packed: &Path) -> io::Result<bool> {
    let (mut plain, mut packed) = (File::open(plain)?, MultiGzDecoder::new(File::open(packed)?));
    let (mut one, mut other) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let read = read_some(&mut plain, &mut one)?;
        let same = read_some(&mut packed, &mut other)?;
        if one.get(..read) != other.get(..same) {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

/// As much as there is and has room: less than that is the end.
fn read_some(source: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    let mut length: usize = 0;
    while let Some(rest) = room.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(more) => length = length.saturating_add(more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
