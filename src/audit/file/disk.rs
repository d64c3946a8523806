//! What the log does to the disk. A seam: a test lets any of it fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A disk. Whatever is done to it again after it failed may be done in full.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Opens `path` for appending, and makes it where it is missing: readable for its group, since who reads the log is
    /// not who writes it.
    fn open(&self, path: &Path) -> io::Result<File>;
    /// One write, of as much as there is room for.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize>;
    /// Shortens a file.
    fn cut(&self, file: &File, length: u64) -> io::Result<()>;
    /// Returns when what was written to a file outlives the loss of power.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// The same for the names of a directory.
    fn sync_names(&self, directory: &Path) -> io::Result<()>;
    /// Moves a file to a name that nobody has.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file away.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The system's.
#[derive(Debug, Clone, Copy)]
pub(super) struct System;

impl Disk for System {
    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o640).open(path)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_names(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// Takes a file away, if it is there.
pub(super) fn clear(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Writes all of it. In an error's place comes how much was written before.
pub(super) fn write_all(disk: &dyn Disk, file: &File, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written: usize = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match disk.write(file, rest) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(more) => written = written.saturating_add(more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}
