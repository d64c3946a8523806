//! What is still there of something that has ended, and should not be.

use std::fs;
use std::path::Path;

use super::world::cgroups_named;

/// Processes, mounts, files and cgroups of whatever had all of its own in that directory.
pub fn left_of(directory: &Path) -> Vec<String> {
    let path = directory.to_str().unwrap();
    let mut left = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        // The containers themselves have no path in their command, but a root that is a mount of it.
        let mounts = fs::read_to_string(process.path().join("mountinfo")).unwrap_or_default();
        if command.contains(path) || mounts.contains(path) {
            left.push(format!("process {}: {command}", process.path().display()));
        }
    }
    if directory.exists() {
        left.push(format!("file {path}"));
    }
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap();
    left.extend(cgroups_named(name).iter().map(|path| format!("cgroup {}", path.display())));
    left
}
