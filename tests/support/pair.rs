//! Repoint, to be started in front of a stand-in runtime.

use std::fs;

use tempfile::TempDir;

use super::repoint::{Repoint, Setup};
use super::standin::Standin;

/// A directory, a runtime in it, and repoint in front of that, whose own directory is there.
pub fn pair() -> (TempDir, Standin, Setup) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = directory.path().join("runtime.sock");
    let standin = Standin::start(&runtime);
    let setup = Repoint::before(&runtime, directory.path());
    fs::create_dir(Repoint::directory_in(directory.path())).unwrap();
    (directory, standin, setup)
}
