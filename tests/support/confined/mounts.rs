//! What a unit leaves of the file system, in a mount namespace that the calling thread has to itself.

use std::ffi::CStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind, mount_change, mount_remount,
    move_mount, open_tree,
};

use crate::support::unit::Unit;

/// A part of the host's file system that stays where it is, whatever is hidden around it.
#[derive(Debug, Clone)]
pub struct Kept {
    pub path: PathBuf,
    pub is_writable: bool,
}

/// The same, taken out before anything is hidden.
struct Saved<'a> {
    kept: &'a Kept,
    tree: OwnedFd,
    is_directory: bool,
}

/// These are left as they are by `ProtectSystem=`: other settings are about them.
const INTERFACES: [&str; 3] = ["/dev", "/proc", "/sys"];

const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

const OF_NO_USE: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// The order is systemd's: all is read-only first, and what is put in its place afterwards is as it should be.
pub fn arrange(unit: &Unit, kept: &[Kept]) {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).expect("mounts of one's own");
    let saved: Vec<_> = kept.iter().map(Kept::save).collect();

    match unit.value("ProtectSystem") {
        Some("strict") => read_only(|at| !INTERFACES.iter().any(|interface| at.starts_with(interface))),
        other => panic!("ProtectSystem={other:?} is another story"),
    }
    match unit.value("ProtectHome") {
        Some("yes") => HOMES.iter().for_each(|home| hide(Path::new(home), c"mode=0755")),
        // It is, with all the rest.
        Some("read-only") => {}
        other => panic!("ProtectHome={other:?} is another story"),
    }
    if unit.is_on("PrivateTmp") {
        TEMPORARY.iter().for_each(|directory| hide(Path::new(directory), c"mode=1777"));
    }
    if unit.is_on("PrivateDevices") {
        devices();
    }
    match unit.value("ProtectProc") {
        Some("ptraceable") => {
            mount("proc", "/proc", "proc", OF_NO_USE | MountFlags::NOEXEC, c"hidepid=ptraceable").expect("a /proc");
        }
        other => panic!("ProtectProc={other:?} is another story"),
    }
    if unit.is_on("ProtectKernelTunables") {
        mount_bind("/proc/sys", "/proc/sys").expect("a mount");
        read_only(|at| at.starts_with("/proc/sys") || at.starts_with("/sys") && !at.starts_with("/sys/fs/cgroup"));
    }
    if unit.is_on("ProtectControlGroups") {
        read_only(|at| at.starts_with("/sys/fs/cgroup"));
    }

    saved.iter().for_each(Saved::put_back);
    if unit.value("ProtectHome") == Some("yes") {
        read_only(|at| HOMES.iter().any(|home| at == Path::new(home)));
    }
}

/// Makes all mounts read-only that are chosen by their place.
fn read_only(is_meant: impl Fn(&Path) -> bool) {
    // Not `/proc/self`, which is the thread that goes free.
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").expect("what is mounted");
    for line in mounts.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let at = PathBuf::from(fields[4].replace("\\040", " "));
        if !is_meant(&at) {
            continue;
        }
        let flags = fields[5].split(',').fold(MountFlags::BIND | MountFlags::RDONLY, |flags, word| flags | flag(word));
        match mount_remount(&at, flags, c"") {
            // Hidden by another that was mounted over it.
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::INVAL) => {}
            Err(error) => panic!("{} stays writable: {error}", at.display()),
        }
    }
}

/// What a mount has to be given again to keep it.
fn flag(word: &str) -> MountFlags {
    match word {
        "nosuid" => MountFlags::NOSUID,
        "nodev" => MountFlags::NODEV,
        "noexec" => MountFlags::NOEXEC,
        "noatime" => MountFlags::NOATIME,
        "nodiratime" => MountFlags::NODIRATIME,
        "relatime" => MountFlags::RELATIME,
        _ => MountFlags::empty(),
    }
}

/// Puts an empty directory over one, if there is one.
fn hide(directory: &Path, data: &CStr) {
    if directory.is_dir() {
        mount("tmpfs", directory, "tmpfs", OF_NO_USE, data).expect("an empty directory");
    }
}

/// A `/dev` with nothing in it that is a device in earnest.
fn devices() {
    let paths = DEVICES.map(|name| Path::new("/dev").join(name)).into_iter().filter(|path| path.exists());
    let kept: Vec<_> = paths.map(|path| Kept { path, is_writable: true }).collect();
    let saved: Vec<_> = kept.iter().map(Kept::save).collect();
    mount("tmpfs", "/dev", "tmpfs", MountFlags::NOSUID | MountFlags::NOEXEC, c"mode=0755").expect("an empty directory");
    fs::create_dir("/dev/shm").expect("a directory");
    saved.iter().for_each(Saved::put_back);
}

// === impl Kept ===

impl Kept {
    fn save(&self) -> Saved<'_> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, &self.path, flags);
        let tree = tree.unwrap_or_else(|error| panic!("{} is not kept: {error}", self.path.display()));
        Saved { kept: self, tree, is_directory: self.path.is_dir() }
    }
}

// === impl Saved ===

impl Saved<'_> {
    fn put_back(&self) {
        let path = &self.kept.path;
        if !path.exists() {
            fs::create_dir_all(path.parent().expect("not the root")).expect("a place for it");
            let made = if self.is_directory { fs::create_dir(path) } else { fs::write(path, "") };
            made.expect("a place for it");
        }
        move_mount(&self.tree, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).expect("what was kept");
        if !self.kept.is_writable {
            mount_remount(path, MountFlags::BIND | MountFlags::RDONLY, c"").expect("it is only read");
        }
    }
}
