//! Which files there are, and what they hold once unpacked.

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where records are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a file, or in the files of a directory and of those below it.
    Path(PathBuf),
    /// On standard input, after what somebody has read of it to see what it is.
    Stdin(Vec<u8>),
}

/// A source that is not there.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct Unreadable {
    /// The source.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub error: io::Error,
}

/// One stream of lines, not opened yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unopened {
    pub(super) source: Source,
    /// Its length as it is, packed or not.
    pub(super) length: u64,
}

/// Zstandard, one frame after another: `zstd` makes one, those who compress in parallel or append make many.
struct Frames<R> {
    packed: R,
    decoder: FrameDecoder,
    is_within: bool,
}

/// Counts what is taken from a file.
struct Counted {
    inner: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

/// How much is taken from the system at once, of what is unpacked.
const CHUNK: usize = 1 << 16;
/// What gzip begins with.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// What Zstandard begins with.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// A frame that says nothing begins with `0x50` to `0x5f`, and this.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
/// What a frame may have unpacked in memory. `zstd` itself makes no more unless told to, up to level 19.
const WINDOW: u64 = 8 << 20;
/// Directories within directories.
const DEPTH: usize = 16;

/// The files that `sources` come to, those of a directory in the order of their names.
///
/// # Errors
///
/// When one is not there, or a directory can't be read.
pub(super) fn files(sources: &[Source]) -> Result<Vec<Unopened>, Unreadable> {
    let mut files = Vec::new();
    for source in sources {
        match source {
            Source::Stdin(_) => files.push(Unopened { source: source.clone(), length: 0 }),
            Source::Path(path) => {
                let unreadable = |error| Unreadable { path: path.clone(), error };
                let there = fs::metadata(path).map_err(unreadable)?;
                if there.is_dir() {
                    walk(path, DEPTH, &mut files)?;
                } else {
                    files.push(Unopened { source: source.clone(), length: there.len() });
                }
            }
        }
    }
    Ok(files)
}

fn walk(directory: &Path, depth: usize, files: &mut Vec<Unopened>) -> Result<(), Unreadable> {
    let unreadable = |error| Unreadable { path: directory.to_owned(), error };
    let entries: io::Result<Vec<_>> = fs::read_dir(directory).map_err(unreadable)?.collect();
    let mut paths: Vec<_> = entries.map_err(unreadable)?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        // A directory is not followed through a link: links can lead round in circles. Who removed a file since, as
        // rotation does, has left a gap that is told of.
        let Ok(there) = fs::symlink_metadata(&path) else { continue };
        if there.is_dir() {
            if depth > 0 {
                walk(&path, depth.saturating_sub(1), files)?;
            }
        } else if is_log(&path)
            && let Ok(there) = fs::metadata(&path)
            && there.is_file()
        {
            files.push(Unopened { source: Source::Path(path), length: there.len() });
        }
    }
    Ok(())
}

/// Whether a file of a directory is one to read, by its name: `*.jsonl`, `*.log` or `*.json`, packed or not, and what
/// rotation makes of the first (`*.jsonl.1`, `*.jsonl-20230320.gz`).
fn is_log(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let bare = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    let is_rotated = [".jsonl.", ".jsonl-"].iter().any(|part| bare.contains(part));
    !name.starts_with('.') && (is_rotated || [".jsonl", ".log", ".json"].iter().any(|end| bare.ends_with(end)))
}

// === impl Unopened ===

impl Unopened {
    /// What it is called where it is told of.
    pub(super) fn name(&self) -> String {
        match &self.source {
            Source::Stdin(_) => "standard input".to_owned(),
            Source::Path(path) => path.display().to_string(),
        }
    }

    /// Opens it. Whether it is packed, and how, is told by how it begins, whatever it is called.
    ///
    /// # Errors
    ///
    /// When the system does not open it.
    pub(super) fn open(&self, count: &Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
        let inner: Box<dyn Read + Send> = match &self.source {
            Source::Stdin(begun) => Box::new(Cursor::new(begun.clone()).chain(io::stdin())),
            Source::Path(path) => Box::new(File::open(path)?),
        };
        let mut raw = Counted { inner, count: Arc::clone(count) };
        let mut start = Vec::with_capacity(ZSTD.len());
        raw.by_ref().take(u64::try_from(ZSTD.len()).unwrap_or_default()).read_to_end(&mut start)?;
        let is_gzip = start.starts_with(GZIP);
        let is_zstd = start.starts_with(ZSTD)
            || (start.get(1..) == Some(ZSTD_SKIPPABLE) && start.first().is_some_and(|first| first & 0xf0 == 0x50));
        let whole = Cursor::new(start).chain(raw);
        if is_gzip {
            Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, whole))))
        } else if is_zstd {
            Ok(Box::new(Frames::new(BufReader::with_capacity(CHUNK, whole))))
        } else {
            Ok(Box::new(whole))
        }
    }
}

// === impl Counted ===

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(u64::try_from(read).unwrap_or_default(), Ordering::Relaxed);
        Ok(read)
    }
}

// === impl Frames ===

impl<R: BufRead> Frames<R> {
    fn new(packed: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        Self { packed, decoder, is_within: false }
    }

    /// Begins the next frame; `false` where there is none.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.packed.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.init(&mut self.packed) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let mut nothing = self.packed.by_ref().take(length.into());
                    io::copy(&mut nothing, &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_within {
                self.is_within = self.begin()?;
                if !self.is_within {
                    return Ok(0);
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let strategy = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.packed, strategy).map_err(io::Error::other)?;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            self.is_within = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_known_by_its_name() {
        let logs =
            ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2.gz", "audit.jsonl-20230320.zst", "a.log", "b.json.gz"];
        for name in logs {
            assert!(is_log(Path::new(name)), "{name}");
        }
        for name in [".audit.jsonl.swp", "audit.txt", "audit.gz", "jsonl", "a.log.md"] {
            assert!(!is_log(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn links_to_directories_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("below")).unwrap();
        fs::write(directory.path().join("below/a.jsonl"), "").unwrap();
        std::os::unix::fs::symlink(directory.path(), directory.path().join("below/round")).unwrap();
        std::os::unix::fs::symlink("/nonexistent", directory.path().join("b.jsonl")).unwrap();
        let found = files(&[Source::Path(directory.path().to_owned())]).unwrap();
        assert_eq!(
            found.iter().map(Unopened::name).collect::<Vec<_>>(),
            [directory.path().join("below/a.jsonl").display().to_string()]
        );
    }
}
