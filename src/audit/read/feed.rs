//! The text of all files, in blocks of whole lines.

use super::Progress;
use super::fault::{Fault, Faults, Lost};
use super::source::Unopened;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec::IntoIter;

/// Some lines of a file.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) text: Vec<u8>,
    /// Where the file stands among all.
    pub(super) file: usize,
    pub(super) name: Arc<str>,
    /// The number of the first line.
    pub(super) line: u64,
    /// Whether the file ends with it.
    pub(super) is_last: bool,
}

/// What is left to read.
pub(super) struct Feed {
    files: IntoIter<Unopened>,
    /// The open one.
    open: Option<Box<dyn Read + Send>>,
    number: usize,
    name: Arc<str>,
    line: u64,
    /// The beginning of a line whose end is still to come.
    begun: Vec<u8>,
    /// Whether the rest of a line that is too long is left out.
    is_skipping: bool,
    done: Arc<AtomicU64>,
    all: u64,
    /// What could not be opened or read.
    pub(super) faults: Faults,
}

/// Some six hundred records: enough that threads seldom wait for each other, and small enough for their caches.
const BLOCK: u64 = 1 << 18;

/// A record has texts of 4 KiB at most; an agent's line may have thousands of records.
const LONGEST: usize = 16 << 20;

// === impl Feed ===

impl Feed {
    pub(super) fn new(files: Vec<Unopened>) -> Self {
        let all = files.iter().map(|file| file.length).sum();
        Self {
            files: files.into_iter(),
            open: None,
            number: 0,
            name: Arc::default(),
            line: 1,
            begun: Vec::new(),
            is_skipping: false,
            done: Arc::default(),
            all,
            faults: Faults::default(),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { done: self.done.load(Ordering::Relaxed), all: self.all }
    }

    /// Puts the next lines into `block`; `false` where there are no more.
    pub(super) fn next(&mut self, block: &mut Block) -> bool {
        loop {
            if self.open.is_none() && !self.begin() {
                return false;
            }
            if self.fill(block) {
                return true;
            }
        }
    }

    /// Opens the next file that can be opened.
    fn begin(&mut self) -> bool {
        for file in self.files.by_ref() {
            self.number = self.number.saturating_add(1);
            self.name = file.name().into();
            self.line = 1;
            self.is_skipping = false;
            match file.open(&self.done) {
                Ok(open) => {
                    self.open = Some(open);
                    return true;
                }
                Err(error) => {
                    let (name, what) = (Arc::clone(&self.name), error.to_string());
                    self.faults.add(Fault { file: self.number, line: 0, name, what, lost: Lost::File });
                }
            }
        }
        false
    }

    /// Reads on in the open file; `false` where that makes no line.
    fn fill(&mut self, block: &mut Block) -> bool {
        block.text.clear();
        block.text.append(&mut self.begun);
        let before = block.text.len();
        let read = self.open.as_mut().map_or(Ok(0), |open| open.take(BLOCK).read_to_end(&mut block.text));
        // What came before a fault is there, and is read.
        let is_last = !matches!(read, Ok(1..));
        if let Err(error) = read {
            self.fault(0, error.to_string(), Lost::File);
        }
        if self.is_skipping {
            let end = block.text.iter().position(|byte| *byte == b'\n');
            self.is_skipping = end.is_none();
            self.line = self.line.saturating_add(u64::from(end.is_some()));
            block.text.drain(..end.map_or(block.text.len(), |end| end.saturating_add(1)));
        }
        if is_last {
            self.open = None;
        } else {
            let fresh = block.text.get(before.min(block.text.len())..).unwrap_or_default();
            let end =
                fresh.iter().rposition(|byte| *byte == b'\n').map(|at| at.saturating_add(before).saturating_add(1));
            self.begun = block.text.split_off(end.unwrap_or_default().min(block.text.len()));
            if self.begun.len() > LONGEST {
                let line = self.line.saturating_add(newlines(&block.text));
                self.fault(line, "it is longer than 16 MiB".to_owned(), Lost::Line);
                self.begun = Vec::new();
                self.is_skipping = true;
            }
        }
        block.file = self.number;
        block.name = Arc::clone(&self.name);
        block.line = self.line;
        block.is_last = is_last;
        self.line = self.line.saturating_add(newlines(&block.text));
        !block.text.is_empty()
    }

    fn fault(&mut self, line: u64, what: String, lost: Lost) {
        self.faults.add(Fault { file: self.number, line, name: Arc::clone(&self.name), what, lost });
    }
}

fn newlines(text: &[u8]) -> u64 {
    // In small portions the compiler counts many bytes at once.
    let portions = text.chunks(192).map(|chunk| chunk.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>());
    portions.map(u64::from).sum()
}
