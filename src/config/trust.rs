//! Whose word a file is: what is configured is done by root, with the runtime, so nobody else may have written it.

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::process::{getegid, geteuid};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_ALL: u32 = 0o002;
/// Of a directory: a file in it is removed by its owner alone.
const STICKY: u32 = 0o1000;

/// Why nothing goes by `path`, a file or a directory of files; `None` where it is root's, or that of whoever asks, and nobody
/// else can change it. What can't be looked at can't be read either, which others tell.
pub(super) fn doubt(path: &Path) -> Option<String> {
    let found = fs::metadata(path).ok()?;
    if let Some(why) = exposed(path, &found) {
        let at = path.display();
        return Some(format!("{at} is not trusted: {why}: chown root:root and chmod go-w are what it needs"));
    }
    // Who can write into the directory can put another file there.
    let directory = path.parent().filter(|_| found.is_file())?;
    let found = fs::metadata(directory).ok().filter(|found| found.mode() & STICKY == 0)?;
    let why = exposed(directory, &found)?;
    let (at, directory) = (path.display(), directory.display());
    Some(format!(
        "{at} is not trusted: {why}, of the directory that it is in: chown root:root and chmod go-w {directory}"
    ))
}

fn exposed(path: &Path, found: &Metadata) -> Option<String> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    if found.uid() != 0 && found.uid() != uid {
        return Some(format!("it belongs to user {}", found.uid()));
    }
    // A device that everybody may write to keeps nothing: `/dev/null` masks a file.
    if !found.is_file() && !found.is_dir() {
        return None;
    }
    // A config map is mounted with a directory for everybody, and read-only.
    if statvfs(path).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return None;
    }
    if found.mode() & WRITABLE_BY_ALL != 0 {
        return Some(format!("everybody can write to it (mode {:04o})", found.mode() & 0o7777));
    }
    let is_own_group = found.gid() == 0 || found.gid() == gid;
    let is_exposed = found.mode() & WRITABLE_BY_GROUP != 0 && !is_own_group;
    is_exposed.then(|| format!("group {} can write to it (mode {:04o})", found.gid(), found.mode() & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn a_file_is_trusted_that_nobody_else_can_change() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("repoint.toml");
        fs::write(&file, "").unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let told = || doubt(&file).unwrap_or_default();
        for (mode, expected) in
            [(0o644, ""), (0o600, ""), (0o664, ""), (0o646, "everybody can write to it (mode 0646)")]
        {
            set(&file, mode);
            assert!(told().contains(expected) && told().is_empty() == expected.is_empty(), "{mode:o}: {}", told());
        }
        set(&file, 0o644);
        set(directory.path(), 0o777);
        assert!(told().contains("of the directory that it is in"), "{}", told());
        set(directory.path(), 0o1777);
        assert_eq!(told(), "");
        set(directory.path(), 0o700);
        assert_eq!(doubt(&directory.path().join("none")), None);
        assert_eq!(doubt(Path::new("/dev/null")), None);
        if geteuid().is_root() {
            set(&file, 0o664);
            chown(&file, None, Some(12345)).unwrap();
            assert!(told().contains("group 12345 can write to it"), "{}", told());
            chown(&file, Some(12345), None).unwrap();
            assert!(told().contains("it belongs to user 12345"), "{}", told());
        }
    }
}
