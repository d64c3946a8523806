//! What the files of a log are called.
//!
//! One that was rotated by us has in its name when that was, as in `audit-20261124T131500.000000Z.jsonl`, with `.gz` once it
//! is compressed. No two have one time, and a later one has a later time, whatever the clock says: by their names they
//! are in the order of their records, and the oldest are those that are removed.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The names around a log.
#[derive(Debug, Clone)]
pub(super) struct Names {
    path: PathBuf,
    /// `audit.jsonl`, and its parts.
    name: String,
    stem: String,
    extension: String,
}

/// A file that was rotated by us.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rotated {
    /// When.
    pub(super) time: Timestamp,
    /// Whether the whole of it is there as it was.
    pub(super) is_plain: bool,
    /// Whether the whole of it is there compressed.
    pub(super) is_packed: bool,
}

/// To the microsecond, as the records have it.
const TIME: &str = "%Y%m%dT%H%M%S.%6fZ";

/// What a compressed file ends in.
pub(super) const GZ: &str = ".gz";

/// What a file ends in that is not whole. (Its name begins with a dot: who ships `*.jsonl*` leaves it alone.)
const PARTIAL: &str = ".tmp";

// === impl Names ===

impl Names {
    /// Those around the log at `path`.
    pub(super) fn new(path: &Path) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let (name, stem) = (text(path.file_name()), text(path.file_stem()));
        let extension = name.strip_prefix(&stem).unwrap_or_default().to_owned();
        Self { path: path.to_owned(), name, stem, extension }
    }

    /// The log itself.
    pub(super) fn log(&self) -> &Path {
        &self.path
    }

    /// Where it is.
    pub(super) fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            Some(_) | None => Path::new("."),
        }
    }

    /// The next log, until it is one.
    pub(super) fn fresh(&self) -> PathBuf {
        self.path.with_file_name(format!(".{}{PARTIAL}", self.name))
    }

    /// The one that was rotated then.
    pub(super) fn plain(&self, time: Timestamp) -> PathBuf {
        self.path.with_file_name(format!("{}-{}{}", self.stem, time.strftime(TIME), self.extension))
    }

    /// The same, compressed.
    pub(super) fn packed(&self, time: Timestamp) -> PathBuf {
        self.path.with_file_name(format!("{}-{}{}{GZ}", self.stem, time.strftime(TIME), self.extension))
    }

    /// The same, on the way there.
    pub(super) fn partial(&self, time: Timestamp) -> PathBuf {
        self.path.with_file_name(format!(".{}-{}{}{GZ}{PARTIAL}", self.stem, time.strftime(TIME), self.extension))
    }

    /// All that were rotated by us, the oldest first.
    pub(super) fn rotated(&self) -> io::Result<Vec<Rotated>> {
        let mut all: Vec<Rotated> = Vec::new();
        for name in self.names()? {
            let Some((time, is_packed)) = self.time(&name) else { continue };
            match all.iter_mut().find(|one| one.time == time) {
                Some(one) if is_packed => one.is_packed = true,
                Some(one) => one.is_plain = true,
                None => all.push(Rotated { time, is_plain: !is_packed, is_packed }),
            }
        }
        all.sort();
        Ok(all)
    }

    /// All that are not whole, and so are no part of the log.
    pub(super) fn partials(&self) -> io::Result<Vec<PathBuf>> {
        let is_partial = |name: &String| {
            let packed = name.strip_prefix('.').and_then(|name| name.strip_suffix(PARTIAL));
            packed.and_then(|packed| self.time(packed)).is_some_and(|(_, is_packed)| is_packed)
        };
        Ok(self.names()?.into_iter().filter(is_partial).map(|name| self.path.with_file_name(name)).collect())
    }

    /// When the log is rotated that is rotated now.
    pub(super) fn time_for(&self, now: Timestamp) -> io::Result<Timestamp> {
        let after = |last: &Rotated| last.time.checked_add(SignedDuration::from_micros(1)).unwrap_or(last.time);
        Ok(self.rotated()?.last().map_or(now, |last| now.max(after(last))))
    }

    /// All files that seem to have been this log once, whoever rotated them, the newest first.
    pub(super) fn siblings(&self) -> io::Result<Vec<PathBuf>> {
        let is_one = |name: &String| {
            let behind = |prefix: &String| name.strip_prefix(prefix.as_str()).unwrap_or_default();
            let of_stem = behind(&self.stem).strip_prefix(['-', '.']).is_some_and(|rest| rest.starts_with(is_digit));
            of_stem || behind(&self.name).starts_with(['-', '.'])
        };
        let mut all = Vec::new();
        for name in self.names()?.into_iter().filter(is_one) {
            let path = self.path.with_file_name(name);
            // One may be gone by now.
            let found = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file);
            if let Some(written) = found.and_then(|found| found.modified().ok()) {
                all.push((written, path));
            }
        }
        all.sort_by(|one, other| other.cmp(one));
        Ok(all.into_iter().map(|(_, path)| path).collect())
    }

    /// When the file of that name was rotated by us, and whether it is compressed.
    fn time(&self, name: &str) -> Option<(Timestamp, bool)> {
        let (plain, is_packed) = name.strip_suffix(GZ).map_or((name, false), |plain| (plain, true));
        let text = plain.strip_prefix(&self.stem)?.strip_prefix('-')?.strip_suffix(&self.extension)?;
        let time = TimeZone::UTC.to_timestamp(DateTime::strptime(TIME, text).ok()?).ok()?;
        (time.strftime(TIME).to_string() == text).then_some((time, is_packed))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.directory())? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-24T13:15:00.5Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn directory(names: &[&str]) -> (tempfile::TempDir, Names) {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let names = Names::new(&directory.path().join("audit.jsonl"));
        (directory, names)
    }

    #[test]
    fn names_say_when_and_are_read_back() {
        for (log, expected) in [
            ("audit.jsonl", "audit-20261124T131500.500000Z.jsonl"),
            ("audit", "audit-20261124T131500.500000Z"),
            ("a.b.log", "a.b-20261124T131500.500000Z.log"),
            (".hidden", ".hidden-20261124T131500.500000Z"),
        ] {
            let names = Names::new(&Path::new("/x").join(log));
            assert_eq!(names.plain(now()), Path::new("/x").join(expected));
            assert_eq!(names.time(expected), Some((now(), false)));
            assert_eq!(names.time(&format!("{expected}.gz")), Some((now(), true)));
        }
    }

    #[test]
    fn only_our_own_files_are_ours_to_remove() {
        let ours = ["audit-20261124T131500.000000Z.jsonl", "audit-20261124T131500.000000Z.jsonl.gz"];
        let others = [
            "audit.jsonl",
            "audit.jsonl.1",
            "audit.jsonl-20261124",
            "audit.jsonl.2.gz",
            "audit-20261124.jsonl",
            "audit-20261124T131500Z.jsonl",
            "audit-20261124T131500.0Z.jsonl",
            "audit-20261324T131500.000000Z.jsonl",
            "audit-20261124T131500.000000Z.jsonl.gz.1",
            "audit-20261124T131500.000000Z.jsonl.zst",
            "other-20261124T131500.000000Z.jsonl",
            ".audit-20261124T131500.000000Z.jsonl.gz.tmp",
        ];
        let (directory, names) = directory(&[&ours[..], &others].concat());
        let time = "2026-11-24T13:15:00Z".parse().unwrap();
        assert_eq!(names.rotated().unwrap(), [Rotated { time, is_plain: true, is_packed: true }]);
        assert_eq!(names.partials().unwrap(), [directory.path().join(others[11])]);
    }

    #[test]
    fn a_clock_that_goes_back_makes_no_later_file_an_older_one() {
        let (_directory, names) =
            directory(&["audit-20261124T131500.000000Z.jsonl", "audit-20301231T000000.000000Z.jsonl.gz"]);
        let time = names.time_for(now()).unwrap();
        assert_eq!(time.to_string(), "2030-12-31T00:00:00.000001Z");
        assert!(
            names.plain(time).file_name().unwrap() > std::ffi::OsStr::new("audit-20301231T000000.000000Z.jsonl.gz")
        );
        assert_eq!(directory(&[]).1.time_for(now()).unwrap(), now());
    }

    #[test]
    fn what_others_rotated_is_found_too_and_what_is_something_else_is_not() {
        let others = ["audit.jsonl.1", "audit.jsonl-20261124.gz", "audit.1.jsonl", "audit-20261124.jsonl.zst"];
        let foreign = ["audit.jsonl", "audit.jsonlines", "audit-other.jsonl", "audit.log", ".audit.jsonl.tmp", "b.1"];
        let (_directory, names) = directory(&[&others[..], &foreign].concat());
        let mut found: Vec<_> = names.siblings().unwrap();
        found.sort();
        let mut expected: Vec<_> = others.iter().map(|name| names.log().with_file_name(name)).collect();
        expected.sort();
        assert_eq!(found, expected);
    }
}
