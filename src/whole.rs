//! Files that are there as a whole, whenever somebody looks, also after a crash: what is new takes the place of what was.

use rustix::fs::{Mode, OFlags, open};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Puts a file with `content` in the place of the one at `path`, which nobody else may read. Its directory is made where it is
/// missing.
///
/// # Errors
///
/// When it can't be written; the one before is there, then.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let new = path.with_extension("new");
    // What a crash left there.
    let _was_not_there = fs::remove_file(&new);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(open(&new, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_file_is_exchanged_as_a_whole_and_is_nobody_else_s() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/x.json");
        write(&path, b"one").unwrap();
        fs::write(path.with_extension("new"), "left by a crash").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
