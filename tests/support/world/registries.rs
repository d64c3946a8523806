//! Registries without a node, for what asks them by itself.

use std::fs;

use tempfile::TempDir;

use super::enclosure::Enclosure;
use super::missing;
use super::registry::{Door, Registry};

/// Real registries, in an enclosure of their own.
pub struct Registries {
    enclosure: Enclosure,
    /// Last, so that it is removed last.
    directory: TempDir,
}

// === impl Registries ===

impl Registries {
    /// None yet. `None` where none can be had, which is said, and which is a failure where CI promises that they can.
    pub fn start() -> Option<Self> {
        if let Err(missing) = missing::missing() {
            missing.skip("no registries");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("rp-").tempdir().expect("a directory");
        fs::create_dir(directory.path().join("data")).expect("the place for the data");
        Some(Self { enclosure: Enclosure::start(directory.path()), directory })
    }

    /// One more, which serves everybody.
    pub async fn open(&mut self, name: &str) -> Registry {
        Registry::start(&mut self.enclosure, self.directory.path(), name, Door::Open).await
    }

    /// One more, which serves those who have [`super::LOGIN`].
    pub async fn guarded(&mut self, name: &str) -> Registry {
        Registry::start(&mut self.enclosure, self.directory.path(), name, Door::Guarded).await
    }
}

impl Drop for Registries {
    fn drop(&mut self) {
        if let Err(error) = self.enclosure.end() {
            eprintln!("something of these registries stays: {error}");
        }
    }
}
