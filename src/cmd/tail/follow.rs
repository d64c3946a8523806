//! A file that grows, and that is moved away and begun anew.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Reads it as it grows.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    open: Option<Open>,
    /// How many of the last lines of the file are shown that is there at first; `None` later.
    last: Option<usize>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Up to where it was read.
    position: u64,
    /// The beginning of a line whose end is still to come.
    begun: Vec<u8>,
}

/// What is read at once.
const PORTION: u64 = 1 << 16;
/// A line that is longer is passed on in parts.
const LONGEST: usize = 16 << 20;

// === impl Follower ===

impl Follower {
    /// Begins with the last `lines` lines.
    pub(super) fn new(path: &Path, lines: usize) -> Self {
        Self { path: path.to_owned(), open: None, last: Some(lines) }
    }

    /// The next whole lines; `None` where there are none for now. A file that is not there may come.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(open) = &mut self.open else {
                let file = match File::open(&self.path) {
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        self.last = None;
                        return Ok(None);
                    }
                    file => file?,
                };
                let mut open = Open { file, position: 0, begun: Vec::new() };
                if let Some(lines) = self.last.take() {
                    open.position = start_of_last(&mut open.file, lines)?;
                }
                self.open = Some(open);
                continue;
            };
            // What the path leads to is looked up before the rest is read: what was written before it was moved is there then.
            let there = std::fs::metadata(&self.path).ok();
            if let Some(lines) = open.lines()? {
                return Ok(Some(lines));
            }
            match there {
                Some(there) if !is_same(&there, &open.file.metadata()?) => self.open = None,
                // It was moved, and nobody began a new one yet; more may come into the old one.
                Some(_) | None => return Ok(None),
            }
        }
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

// === impl Open ===

impl Open {
    /// The next portion that has a whole line.
    fn lines(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.file.metadata()?.len() < self.position {
            // Somebody cut it, and what comes now is new.
            self.position = 0;
            self.begun.clear();
        }
        loop {
            self.file.seek(SeekFrom::Start(self.position))?;
            let mut text = std::mem::take(&mut self.begun);
            let read = (&mut self.file).take(PORTION).read_to_end(&mut text)?;
            self.position = self.position.saturating_add(u64::try_from(read).unwrap_or_default());
            let end = text.iter().rposition(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
            match end {
                Some(end) => {
                    self.begun = text.split_off(end.min(text.len()));
                    return Ok(Some(text));
                }
                None if text.len() > LONGEST => return Ok(Some(text)),
                None => self.begun = text,
            }
            if read == 0 {
                return Ok(None);
            }
        }
    }
}

/// Where the last `lines` lines of a file begin: backwards from its end, so that a long file is not read whole.
fn start_of_last(file: &mut File, lines: usize) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut left = lines;
    let mut is_end = true;
    while end > 0 {
        let start = end.saturating_sub(PORTION);
        file.seek(SeekFrom::Start(start))?;
        let mut text = Vec::new();
        file.take(end.saturating_sub(start)).read_to_end(&mut text)?;
        for (at, byte) in text.iter().enumerate().rev() {
            // What ends the last line is the end of no line before it. A torn one, without an end, counts too.
            if *byte == b'\n' && !std::mem::take(&mut is_end) {
                match left.checked_sub(1) {
                    None | Some(0) => return Ok(after(start, at)),
                    Some(fewer) => left = fewer,
                }
            } else {
                if left == 0 {
                    return Ok(after(start, at));
                }
                is_end = false;
            }
        }
        end = start;
    }
    Ok(0)
}

fn after(start: u64, at: usize) -> u64 {
    start.saturating_add(u64::try_from(at).unwrap_or_default()).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    fn next(follower: &mut Follower) -> String {
        let mut all = Vec::new();
        while let Some(text) = follower.next().unwrap() {
            all.extend(text);
        }
        String::from_utf8(all).unwrap()
    }

    fn append(path: &Path, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn it_begins_with_the_last_lines_and_goes_on_by_whole_ones() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let all: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
        fs::write(&path, &all).unwrap();
        for lines in [0, 1, 2, 5_000, 9_999, 10_000, 20_000] {
            let expected: String = all.split_inclusive('\n').skip(10_000_usize.saturating_sub(lines)).collect();
            assert_eq!(next(&mut Follower::new(&path, lines)), expected, "{lines}");
        }
        let mut follower = Follower::new(&path, 1);
        assert_eq!(next(&mut follower), "line 9999\n");
        append(&path, "half a ");
        assert_eq!(next(&mut follower), "");
        append(&path, "line\nand");
        assert_eq!(next(&mut follower), "half a line\n");
    }

    #[test]
    fn it_goes_on_in_the_file_that_took_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut follower = Follower::new(&path, 10);
        assert_eq!(next(&mut follower), "", "it may come");
        append(&path, "1\n");
        assert_eq!(next(&mut follower), "1\n");
        append(&path, "2\n");
        fs::rename(&path, directory.path().join("log.1")).unwrap();
        append(&directory.path().join("log.1"), "3\n");
        assert_eq!(next(&mut follower), "2\n3\n");
        append(&path, "4\n");
        append(&directory.path().join("log.1"), "torn");
        assert_eq!(next(&mut follower), "4\n");
        fs::write(&path, "").unwrap();
        assert_eq!(next(&mut follower), "");
        append(&path, "5\n");
        assert_eq!(next(&mut follower), "5\n", "it was cut");
    }
}
