//! Reading a small file that has secrets in it.

use rustix::fs::OFlags;
use secrecy::zeroize::Zeroizing;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Why a file's content is not to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// The system says no.
    #[error("cannot read {}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// It is a directory, a device or a pipe.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// It is no file of credentials.
    #[error("{} has more than {LARGEST} bytes", .0.display())]
    TooLarge(PathBuf),
}

/// Of what anybody keeps credentials in. The largest ones have a certificate in every entry.
const LARGEST: usize = 1 << 20;

/// The content of a file, read on a thread that may wait for a disk.
///
/// # Errors
///
/// When it can't be read.
pub(super) async fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let path = path.to_owned();
    let own = path.clone();
    match tokio::task::spawn_blocking(move || read_now(&path)).await {
        Ok(content) => content,
        // Only a runtime that shuts down gives up a read that has not begun.
        Err(_) => Err(Unreadable::Refused { path: own, error: io::ErrorKind::Interrupted.into() }),
    }
}

fn read_now(path: &Path) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let refused = |error| Unreadable::Refused { path: path.to_owned(), error };
    // Opening a pipe without this waits for whoever writes to it.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    if !metadata.is_file() {
        return Err(Unreadable::NotAFile(path.to_owned()));
    }
    if metadata.len() > LARGEST as u64 {
        return Err(Unreadable::TooLarge(path.to_owned()));
    }
    // Room for all there may ever be: a buffer that grows leaves behind in memory what it held.
    let mut content = Zeroizing::new(Vec::with_capacity(LARGEST.saturating_add(1)));
    file.take(LARGEST.saturating_add(1) as u64).read_to_end(&mut content).map_err(refused)?;
    if content.len() > LARGEST {
        return Err(Unreadable::TooLarge(path.to_owned()));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_file_of_sensible_size_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(dir.path()).await, Err(Unreadable::NotAFile(_))));
        assert!(matches!(read(Path::new("/dev/zero")).await, Err(Unreadable::NotAFile(_))));
        let file = dir.path().join("file");
        assert!(matches!(read(&file).await, Err(Unreadable::Refused { .. })));
        std::fs::write(&file, vec![b'x'; LARGEST]).unwrap();
        assert_eq!(read(&file).await.unwrap().len(), LARGEST);
        std::fs::write(&file, vec![b'x'; LARGEST.saturating_add(1)]).unwrap();
        assert!(matches!(read(&file).await, Err(Unreadable::TooLarge(_))));
    }
}
