//! Which number the next record has.

use super::line;
use super::name::{GZ, Names};
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The numbers that are taken.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The last one before this process, once that is known.
    before: Option<u64>,
    /// How many were taken since.
    taken: u64,
}

/// So many files are looked into for a number.
const MOST_FILES: usize = 8;

/// So much of a compressed file is read: more than any log that is rotated has.
const MOST_BYTES: u64 = 4 << 30;

// === impl Numbers ===

impl Numbers {
    /// Takes one. It is taken whether its record comes to be in the file or not: one that is missing says so, even while it
    /// is not known yet where to begin.
    pub(super) fn take(&mut self) {
        self.taken = self.taken.saturating_add(1);
    }

    /// The one that was taken last.
    pub(super) fn last(&self) -> u64 {
        self.before.unwrap_or_default().saturating_add(self.taken)
    }

    /// Whether it is not known yet where to begin.
    pub(super) fn are_unknown(&self) -> bool {
        self.before.is_none()
    }

    /// Takes note that a record has this number. The one taken last, if it is not written yet, comes after it.
    pub(super) fn found(&mut self, number: u64) {
        if self.before.is_none() {
            self.before = Some(number);
        } else if self.last() <= number {
            // A log that was not in its place (its disk had yet to be mounted) may have gone further than we have.
            self.before = number.checked_add(1).and_then(|next| next.checked_sub(self.taken)).or(self.before);
        }
    }
}

/// The last number in the files that were this log once. (Not by their names: who rotates by counting, renames them all.)
pub(super) fn of_siblings(names: &Names) -> io::Result<Option<u64>> {
    let mut last: Option<(u64, fs::Metadata)> = None;
    for path in names.siblings()?.into_iter().take(MOST_FILES) {
        let Ok(found) = fs::metadata(&path) else { continue };
        // Among those of one moment the order of names says nothing.
        if last.as_ref().is_some_and(|(_, newer)| newer.modified().ok() != found.modified().ok()) {
            break;
        }
        let number = of_sibling(&path).inspect_err(|error| {
            tracing::warn!(file = %path.display(), %error, "Could not look for the last record's number");
        });
        if let Ok(Some(number)) = number {
            let highest = last.as_ref().map_or(number, |(other, _)| number.max(*other));
            last = Some((highest, found));
        }
    }
    Ok(last.map(|(number, _)| number))
}

fn of_sibling(path: &Path) -> io::Result<Option<u64>> {
    let file = File::open(path)?;
    if path.to_string_lossy().ends_with(GZ) {
        return last_of(BufReader::new(MultiGzDecoder::new(file).take(MOST_BYTES)));
    }
    let length = file.metadata()?.len();
    line::last_number(&file, length)
}

/// The last number in a text that can only be read from its beginning.
fn last_of(mut text: impl BufRead) -> io::Result<Option<u64>> {
    let (mut last, mut head): (Option<u64>, Vec<u8>) = (None, Vec::new());
    loop {
        let chunk = match text.fill_buf() {
            Ok(chunk) => chunk,
            // What is behind the damage is lost; what was before it counts.
            Err(error) if last.is_some() && error.kind() != io::ErrorKind::Interrupted => return Ok(last),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            return Ok(last);
        }
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let room = line::HEAD.saturating_sub(head.len());
            head.extend(part.iter().take(room));
            if part.ends_with(b"\n") {
                last = line::number(&head).or(last);
                head.clear();
            }
        }
        let length = chunk.len();
        text.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(numbers: &mut Numbers) -> u64 {
        numbers.take();
        numbers.last()
    }

    #[test]
    fn numbers_go_on_after_those_that_are_there_and_those_that_were_lost() {
        let mut numbers = Numbers::default();
        assert_eq!((next(&mut numbers), next(&mut numbers)), (1, 2));
        // Two were lost before it could be known.
        numbers.take();
        numbers.found(42);
        assert_eq!(numbers.last(), 45);
        assert_eq!(next(&mut numbers), 46);
        // The log that was in the way of another was a younger one.
        numbers.take();
        numbers.found(7);
        assert_eq!(numbers.last(), 47);
        numbers.take();
        numbers.found(100);
        assert_eq!(numbers.last(), 101);
        assert_eq!(next(&mut numbers), 102);
    }

    #[test]
    fn a_text_is_read_from_its_beginning_whatever_it_is_cut_into() {
        let line =
            |number: u64| format!("{{\"schema\":1,\"time\":\"x\",\"seq\":{number},\"n\":\"{}\"}}\n", "é".repeat(200));
        let text = line(1) + "garbage\n" + &line(12) + "\n" + &line(13).replace('\n', "");
        for size in [1, 7, 64, 1 << 20] {
            let reader = BufReader::with_capacity(size, text.as_bytes());
            assert_eq!(last_of(reader).unwrap(), Some(12), "{size}");
        }
    }
}
