//! When the log is put aside and begun anew, and how.

use super::disk::{Disk, clear};
use super::name::Names;
use jiff::{SignedDuration, Timestamp};
use std::fs::{self, File};
use std::io;
use std::time::Duration;

/// When the log is put aside, and what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// How large it gets, in bytes; 0 for as large as it may.
    pub bytes: u64,
    /// How old its first record gets.
    pub after: Option<Duration>,
    /// How many files are kept besides it.
    pub keep: usize,
    /// Whether these are compressed.
    pub compress: bool,
}

// === impl Rotation ===

impl Rotation {
    /// Whether somebody else has to do it.
    pub const fn is_never(&self) -> bool {
        self.bytes == 0 && self.after.is_none()
    }

    /// Whether a log of this size and age is put aside before a line of that length.
    pub(super) fn is_due(&self, size: u64, begun: Timestamp, line: usize, now: Timestamp) -> bool {
        let is_large = self.bytes != 0 && size.saturating_add(line as u64) > self.bytes;
        let oldest = self.after.map(|after| SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX));
        let is_old = oldest.is_some_and(|oldest| now.duration_since(begun) >= oldest);
        size != 0 && (is_large || is_old)
    }
}

/// Puts the log aside and begins it anew. Whatever fails, the log is in its place, and whole.
pub(super) fn rotate(disk: &dyn Disk, names: &Names, now: Timestamp) -> io::Result<File> {
    let found = fs::symlink_metadata(names.log())?;
    if !found.is_file() {
        // The link would be moved, and not what it leads to.
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link, or no file"));
    }
    let (fresh, aside) = (names.fresh(), names.plain(names.time_for(now)?));
    // First what takes room. A disk that has none is found out while nothing has moved.
    clear(disk, &fresh)?;
    let file = disk.open(&fresh)?;
    file.set_permissions(found.permissions())?;
    disk.rename(names.log(), &aside)?;
    if let Err(error) = disk.rename(&fresh, names.log()) {
        // Where this fails, too, there is no log, and the next record begins it.
        let _next_to_impossible = disk.rename(&aside, names.log());
        return Err(error);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_put_aside_for_its_size_or_its_age_and_never_empty() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let rotation = |bytes, seconds: Option<u64>| Rotation {
            bytes,
            after: seconds.map(Duration::from_secs),
            keep: 1,
            compress: true,
        };
        for (rotation, size, age, expected) in [
            (rotation(100, None), 90, 0, false),
            (rotation(100, None), 91, 0, true),
            (rotation(0, None), u64::MAX, 1 << 30, false),
            (rotation(1, Some(1)), 0, 100, false),
            (rotation(0, Some(60)), 1, 59, false),
            (rotation(0, Some(60)), 1, 60, true),
            (rotation(0, Some(60)), 1, -60, false),
            (rotation(0, Some(u64::MAX)), 1, 1 << 30, false),
        ] {
            assert_eq!(rotation.is_due(size, at(0), 10, at(age)), expected, "{rotation:?}, {size}, {age}");
        }
    }
}
