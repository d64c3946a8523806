//! The cgroups that containers leave behind when they are not stopped but end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The directories of that name at the top of every hierarchy; there is one hierarchy in version 2.
pub fn named(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    hierarchies.chain([root.to_owned()]).map(|hierarchy| hierarchy.join(name)).filter(|path| path.is_dir()).collect()
}

/// Removes what is left of that name. A cgroup is busy until the kernel has reaped its last process,
/// which may be a moment after that process is gone.
pub fn remove(name: &str, limit: Duration) -> Result<(), String> {
    let started = Instant::now();
    loop {
        let failed = named(name).iter().find_map(|path| remove_tree(path).err());
        match failed {
            None => return Ok(()),
            Some(error) if started.elapsed() > limit => return Err(format!("{name}: {error}")),
            Some(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// The files in a cgroup can't be removed and go with it, so this is not `remove_dir_all`.
fn remove_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}
