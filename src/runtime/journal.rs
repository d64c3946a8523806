//! Pairs of names in a file: one pair a line, a later line for the same name holds.
//!
//! It is a cache that can be lost, so nothing waits for the disk. It is readable, and whoever wants to start anew removes
//! the file before a start; one that is removed later is written again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file, opened to add to it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
    /// Whether a line is missing in it.
    lacking: bool,
}

/// Why a name will be forgotten.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep names in {}", path.display())]
pub struct Unkept {
    path: PathBuf,
    #[source]
    error: io::Error,
}

/// A larger file is none that was written here, and not read beyond this.
const LARGEST: u64 = 64 << 20;

/// Shows `see` the pairs in `path`, in order. What is no pair is passed over: a line that a crash cut short, or one that a
/// full disk cut short and that the next was written into.
///
/// # Errors
///
/// When there is a file that can't be read.
pub fn read(path: &Path, see: &mut dyn FnMut(&str, &str)) -> Result<(), Unkept> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Unkept { path: path.to_owned(), error }),
    }
    // What follows the last line feed is not a whole line.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').and_then(|end| bytes.get(..end)).unwrap_or_default();
    for line in whole.split(|&byte| byte == b'\n') {
        if let Some((one, other)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' '))
            && !other.contains(' ')
        {
            see(one, other);
        }
    }
    Ok(())
}

impl Journal {
    /// A file at `path` with these pairs in it, in place of the one that is there. Its directory is made where it is missing.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn begin(path: &Path, pairs: &[(String, String)]) -> Result<Self, Unkept> {
        let file = written(path, pairs).map_err(|error| Unkept { path: path.to_owned(), error })?;
        Ok(Self { path: path.to_owned(), file, lines: pairs.len(), lacking: false })
    }

    /// Adds a pair. Neither name has a space or a line feed in it: no image reference has.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn append(&mut self, one: &str, other: &str) -> Result<(), Unkept> {
        self.lines = self.lines.saturating_add(1);
        let line = format!("{one} {other}\n");
        let written = self.file.write_all(line.as_bytes());
        self.lacking |= written.is_err();
        written.map_err(|error| Unkept { path: self.path.clone(), error })
    }

    /// Whether all that was added is where the path leads: no write failed, and nobody took the file away.
    pub fn is_whole(&self) -> bool {
        let there = fs::metadata(&self.path).map(|found| (found.dev(), found.ino())).ok();
        let held = self.file.metadata().map(|held| (held.dev(), held.ino())).ok();
        !self.lacking && held.is_some() && held == there
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Starts anew with these pairs.
    ///
    /// # Errors
    ///
    /// When it can't be written; the old file is there, then.
    pub fn rewrite(&mut self, pairs: &[(String, String)]) -> Result<(), Unkept> {
        *self = Self::begin(&self.path, pairs)?;
        Ok(())
    }
}

/// Beside the file first, so that a crash leaves the old one or the new one.
fn written(path: &Path, pairs: &[(String, String)]) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let new = path.with_extension("new");
    let text: String = pairs.iter().flat_map(|(one, other)| [one, " ", other, "\n"]).collect();
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&new)?;
    // What a crash left there is none of it.
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)?;
    Ok(file)
}
