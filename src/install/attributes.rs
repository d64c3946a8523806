//! What a file has besides bytes, mode and owner: labels of `SELinux`, lists of who else may read it.

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io::{Errno, Result};
use std::fs::File;
use std::io;

/// More than any file system gives to one file, of names and of a value.
const LARGEST: usize = 64 << 10;

/// Gives `new` all that `old` has.
///
/// # Errors
///
/// When something of it can't be given. A file system that has none of the kind has nothing to lose.
pub(super) fn copy(old: &File, new: &File) -> io::Result<()> {
    let mut names = vec![0; LARGEST];
    let Some(length) = unless_unknown(flistxattr(old, &mut names[..]))? else { return Ok(()) };
    let names = names.get(..length).unwrap_or_default();
    let mut value = vec![0; LARGEST];
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Some(length) = unless_unknown(fgetxattr(old, name, &mut value[..]))? else { continue };
        let value = value.get(..length).unwrap_or_default();
        unless_unknown(fsetxattr(new, name, value, XattrFlags::empty()))?;
    }
    Ok(())
}

/// One that went away meanwhile is unknown, too.
fn unless_unknown<T>(done: Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Errno::NOTSUP | Errno::NODATA) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
