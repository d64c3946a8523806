//! Files that are there as a whole, whenever somebody looks, also after a crash: what is new takes the place of what was.

use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, open};
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
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

/// Why a file of somebody else's is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum Kept {
    /// What it leads to may be anybody's.
    #[error("it is a symbolic link")]
    Link,
    /// Another name of it would go on meaning the old one.
    #[error("it has other names (hard links)")]
    Shared,
    /// Somebody said so.
    #[error("it is read-only")]
    ReadOnly,
    /// It is not what was read.
    #[error("it has changed meanwhile")]
    Changed,
    /// The system said so.
    #[error("it cannot be written")]
    Unwritable(#[from] io::Error),
}

/// Puts `after` in the place of what somebody's file says, if that still is `before`. Its mode stays, and its owner.
///
/// # Errors
///
/// When it can't be, or had better not be; it is as it was, then.
pub fn exchange(path: &Path, before: &[u8], after: &[u8]) -> Result<(), Kept> {
    let there = fs::symlink_metadata(path)?;
    if there.is_symlink() {
        return Err(Kept::Link);
    }
    if there.nlink() > 1 {
        return Err(Kept::Shared);
    }
    // Root may write all the same.
    if there.mode() & 0o200 == 0 {
        return Err(Kept::ReadOnly);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".repoint-{}", std::process::id()));
    let new = path.with_file_name(name);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(open(&new, flags, Mode::RUSR | Mode::WUSR).map_err(io::Error::from)?);
    let written = write_as(&mut file, after, &there).map_err(Kept::Unwritable).and_then(|()| {
        if fs::read(path)? == before { fs::rename(&new, path).map_err(Kept::Unwritable) } else { Err(Kept::Changed) }
    });
    if written.is_err() {
        let _is_told_of_anyway = fs::remove_file(&new);
    }
    written
}

fn write_as(file: &mut File, content: &[u8], like: &Metadata) -> io::Result<()> {
    file.write_all(content)?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
        fchown(&*file, Some(Uid::from_raw(like.uid())), Some(Gid::from_raw(like.gid())))?;
    }
    file.set_permissions(like.permissions())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

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

    #[test]
    fn somebody_s_file_is_exchanged_if_it_is_what_was_read_and_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let [path, link, other] = ["x.yaml", "link", "other"].map(|name| directory.path().join(name));
        fs::write(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        exchange(&path, b"one", b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert!(matches!(exchange(&path, b"one", b"three"), Err(Kept::Changed)));
        symlink(&path, &link).unwrap();
        assert!(matches!(exchange(&link, b"two", b"three"), Err(Kept::Link)));
        fs::hard_link(&path, &other).unwrap();
        assert!(matches!(exchange(&path, b"two", b"three"), Err(Kept::Shared)));
        fs::remove_file(&other).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        assert!(matches!(exchange(&path, b"two", b"three"), Err(Kept::ReadOnly)));
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
