//! Whose word a file is: what is configured is done by root, with the runtime, so nobody else may have written it.

use rustix::process::{getegid, geteuid};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_ALL: u32 = 0o002;
/// Of a directory: a file in it is removed by its owner alone.
const STICKY: u32 = 0o1000;

/// What is mounted where, as this process sees it; and which field of a line says where.
const MOUNTS: &str = "/proc/self/mountinfo";
const MOUNT_POINT: usize = 4;

/// Why nothing goes by `path`, a file or a directory of files; `None` where it is root's, or that of whoever asks, and nobody
/// else can change it. What can't be looked at can't be read either, which others tell.
pub(super) fn doubt(path: &Path) -> Option<String> {
    let found = fs::metadata(path).ok()?;
    if let Some(why) = exposed(path, &found) {
        let at = path.display();
        return Some(format!("{at} is not trusted: {why}: chown root:root and chmod go-w are what it needs"));
    }
    if !found.is_file() {
        return None;
    }
    // Who can write into the directory can put another file there; and so can who writes where a link leads to.
    let behind = fs::canonicalize(path).ok();
    [Some(path), behind.as_deref()].into_iter().flatten().find_map(|path| {
        let directory = path.parent()?;
        let found = fs::metadata(directory).ok().filter(|found| found.mode() & STICKY == 0)?;
        let why = exposed(directory, &found)?;
        let (at, directory) = (path.display(), directory.display());
        Some(format!(
            "{at} is not trusted: {why}, of the directory that it is in: chown root:root and chmod go-w {directory}"
        ))
    })
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
    // The directory of a config map is for everybody, and mounted read-only.
    if found.is_dir() && is_sealed(path) {
        return None;
    }
    if found.mode() & WRITABLE_BY_ALL != 0 {
        return Some(format!("everybody can write to it (mode {:04o})", found.mode() & 0o7777));
    }
    let is_own_group = found.gid() == 0 || found.gid() == gid;
    let is_exposed = found.mode() & WRITABLE_BY_GROUP != 0 && !is_own_group;
    is_exposed.then(|| format!("group {} can write to it (mode {:04o})", found.gid(), found.mode() & 0o7777))
}

/// Whether it is mounted by itself, and read-only. That all of the host is read-only to this process (`ProtectSystem=`) says
/// nothing of what others can do.
fn is_sealed(directory: &Path) -> bool {
    let mounts = fs::read_to_string(MOUNTS).unwrap_or_default();
    let Ok(directory) = fs::canonicalize(directory) else { return false };
    // As the kernel writes it there.
    let escapes = [("\\", "\\134"), (" ", "\\040"), ("\t", "\\011"), ("\n", "\\012")];
    let plain = directory.to_string_lossy().into_owned();
    let written = escapes.iter().fold(plain, |written, (what, with)| written.replace(what, with));
    // Of those at one place, it is the last that is seen.
    let fields = mounts.lines().rev().map(|line| line.split(' ').skip(MOUNT_POINT));
    let found = fields.into_iter().find_map(|mut fields| (fields.next() == Some(&written)).then(|| fields.next())?);
    found.is_some_and(|options| options.split(',').any(|option| option == "ro"))
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
