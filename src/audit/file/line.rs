//! Lines of a log that is there: where the last one ends, and what they say of their number and their time.
//!
//! Whatever stands in the file, no more of it is read than one record can have.

use jiff::Timestamp;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// After so many bytes, with a line feed.
    Whole(u64),
    /// After so many bytes that do, with a part of a record.
    Torn(u64),
    /// As no log does.
    Foreign,
}

/// More than any record has: the longest is that of an image with many pods of long names.
const LONGEST: u64 = 32 << 20;

/// So much of the beginning of a line has its number and its time. What stands before them is ours.
pub(super) const HEAD: usize = 128;

/// So many lines that are no records may stand at the end of a file.
const GARBAGE: usize = 100;

/// What is read at once.
const CHUNK: u64 = 64 << 10;

/// JSON has no larger whole numbers that all read as the same.
const LARGEST: u64 = 1 << 53;

/// How a file of this length ends.
pub(super) fn end(file: &File, length: u64) -> io::Result<End> {
    let whole = match last_line_feed(file, length)? {
        Some(at) => at.saturating_add(1),
        None if length <= LONGEST => 0,
        None => return Ok(End::Foreign),
    };
    if whole == length {
        return Ok(End::Whole(whole));
    }
    // The beginning of a record, or what a file system puts in its place where the power went.
    match head(file, whole, length)?.first() {
        Some(b'{' | 0) => Ok(End::Torn(whole)),
        Some(_) | None => Ok(End::Foreign),
    }
}

/// The number of the last record of which the line ends at `end` or before.
pub(super) fn last_number(file: &File, mut end: u64) -> io::Result<Option<u64>> {
    for _ in 0..GARBAGE {
        // That of the line itself is behind it.
        let Some(line_feed) = end.checked_sub(1) else { break };
        let start = match last_line_feed(file, line_feed)? {
            Some(before) => before.saturating_add(1),
            None if line_feed <= LONGEST => 0,
            None => break,
        };
        if let Some(number) = number(&head(file, start, line_feed)?) {
            return Ok(Some(number));
        }
        end = start;
    }
    Ok(None)
}

/// The time of the first record.
pub(super) fn first_time(file: &File, length: u64) -> io::Result<Option<Timestamp>> {
    Ok(time(&head(file, 0, length)?))
}

/// The number of the record that begins so.
pub(super) fn number(head: &[u8]) -> Option<u64> {
    let digits = after(head, "\"seq\":")?;
    let end = digits.find(|c: char| !c.is_ascii_digit())?;
    digits.get(..end)?.parse().ok().filter(|number| *number <= LARGEST)
}

fn time(head: &[u8]) -> Option<Timestamp> {
    after(head, "\"time\":\"")?.split('"').next()?.parse().ok()
}

fn after<'a>(head: &'a [u8], key: &str) -> Option<&'a str> {
    let head = head.get(..HEAD.min(head.len()))?;
    // A cut within a character is behind all that is looked for.
    let head = match std::str::from_utf8(head) {
        Ok(head) => head,
        Err(error) => std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?,
    };
    let start = head.starts_with("{\"schema\":").then(|| head.find(key))??;
    head.get(start.checked_add(key.len())?..)
}

/// What stands at the beginning of a line, of which the end is known.
fn head(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let length = end.saturating_sub(start).min(HEAD as u64);
    read(file, start, length)
}

/// The last line feed before `end`, if it is not too far away.
fn last_line_feed(file: &File, end: u64) -> io::Result<Option<u64>> {
    let least = end.saturating_sub(LONGEST);
    let mut end = end;
    while least < end {
        let start = end.saturating_sub(CHUNK).max(least);
        let chunk = read(file, start, end.saturating_sub(start))?;
        if let Some(found) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(start.saturating_add(found as u64)));
        }
        end = start;
    }
    Ok(None)
}

fn read(file: &File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &[u8]) -> (File, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        (file, text.len() as u64)
    }

    fn line(number: u64) -> String {
        format!("{{\"schema\":1,\"time\":\"2026-11-24T13:15:00.000000Z\",\"seq\":{number},\"node\":\"é\"}}\n")
    }

    #[test]
    fn a_torn_record_is_told_from_what_is_not_ours() {
        let whole = line(1);
        let length = whole.len() as u64;
        for (text, expected) in [
            (String::new(), End::Whole(0)),
            (whole.clone(), End::Whole(length)),
            (format!("{whole}{{\"sch"), End::Torn(length)),
            (format!("{whole}\0\0\0"), End::Torn(length)),
            ("{".to_owned(), End::Torn(0)),
            ("root:x:0:0\nbin".to_owned(), End::Foreign),
            ("root".to_owned(), End::Foreign),
            ("root\n".to_owned(), End::Whole(5)),
            (format!("{}{{", "x\n".repeat(100_000)), End::Torn(200_000)),
        ] {
            let (file, length) = file(text.as_bytes());
            assert_eq!(end(&file, length).unwrap(), expected, "{text:.40}");
        }
    }

    #[test]
    fn a_line_that_no_record_can_have_is_not_read_to_its_beginning() {
        let (file, _) = file(line(1).as_bytes());
        let length = LONGEST * 4;
        file.set_len(length).unwrap();
        assert_eq!(end(&file, length).unwrap(), End::Foreign);
        assert_eq!(last_number(&file, length).unwrap(), None);
    }

    #[test]
    fn the_last_number_is_found_behind_a_long_record_and_before_garbage() {
        let long = format!("{}{}\n", line(7).trim_end(), "x".repeat(1 << 20));
        for (text, expected) in [
            (String::new(), None),
            ("\n".to_owned(), None),
            (line(7), Some(7)),
            (line(7) + &line(8), Some(8)),
            (long.clone(), Some(7)),
            (line(6) + &long, Some(7)),
            (line(7) + "\n\nnothing\n{\"seq\":9}\n{\"schema\":1,\"seq\":-1}\n\0\0\n", Some(7)),
            (line(7) + &"\n".repeat(GARBAGE), None),
            (line(u64::MAX), None),
            (line(7) + &line(LARGEST + 1), Some(7)),
        ] {
            let (file, length) = file(text.as_bytes());
            assert_eq!(last_number(&file, length).unwrap(), expected, "{text:.40}");
        }
    }

    #[test]
    fn the_first_time_is_that_of_the_first_record() {
        let (file, length) = file((line(1) + &line(2)).as_bytes());
        assert_eq!(first_time(&file, length).unwrap(), "2026-11-24T13:15:00Z".parse().ok());
        assert_eq!(first_time(&self::file(b"{}").0, 2).unwrap(), None);
    }
}
