//! Reading a small file that has secrets in it, in bounded time.

use rustix::fs::OFlags;
use secrecy::zeroize::Zeroizing;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Reads the file of a source.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    limit: Duration,
    gate: Arc<Semaphore>,
}

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
    /// What it is on does not answer.
    #[error("{} could not be read within {limit:?}", path.display())]
    Slow {
        /// The file.
        path: PathBuf,
        /// The time there was.
        limit: Duration,
    },
    /// What it is on did not answer those before either.
    #[error("{} is being read {AT_ONCE} times already, and has not been within {limit:?}", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// The time they were waited for.
        limit: Duration,
    },
}

/// Of what anybody keeps credentials in. The largest ones have a certificate in every entry.
const LARGEST: usize = 1 << 20;

/// At once, of one source. A read takes no time, unless the disk or the mount it is on hangs; then it keeps its thread
/// until that comes back, and of threads there are only so many for everything.
const AT_ONCE: usize = 4;

// === impl Reader ===

impl Reader {
    /// One that waits so long for a file, and as long again for those that read before.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, gate: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The content of a file, read on a thread that may wait for a disk.
    ///
    /// # Errors
    ///
    /// When it can't be read, or not in time.
    pub(super) async fn read(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        self.run(path, read_now).await
    }

    async fn run(
        &self,
        path: &Path,
        read: impl FnOnce(&Path) -> Result<Zeroizing<Vec<u8>>, Unreadable> + Send + 'static,
    ) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        let path = path.to_owned();
        // Nobody closes the gate, so it is the time that is over.
        let Ok(Ok(permit)) = tokio::time::timeout(self.limit, Arc::clone(&self.gate).acquire_owned()).await else {
            return Err(Unreadable::Busy { path, limit: self.limit });
        };
        let own = path.clone();
        let reading = tokio::task::spawn_blocking(move || {
            // Who waits for a read can give it up; the thread can't. So it is the thread that holds the place.
            let _permit = permit;
            read(&own)
        });
        match tokio::time::timeout(self.limit, reading).await {
            Ok(Ok(content)) => content,
            // Only a runtime that shuts down gives up a read that has not begun.
            Ok(Err(_)) => Err(Unreadable::Refused { path, error: io::ErrorKind::Interrupted.into() }),
            Err(_) => Err(Unreadable::Slow { path, limit: self.limit }),
        }
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
    use std::sync::mpsc;

    const AMPLE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn only_a_file_of_sensible_size_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let reader = Reader::new(AMPLE);
        assert!(matches!(reader.read(dir.path()).await, Err(Unreadable::NotAFile(_))));
        assert!(matches!(reader.read(Path::new("/dev/zero")).await, Err(Unreadable::NotAFile(_))));
        let file = dir.path().join("file");
        assert!(matches!(reader.read(&file).await, Err(Unreadable::Refused { .. })));
        std::fs::write(&file, vec![b'x'; LARGEST]).unwrap();
        assert_eq!(reader.read(&file).await.unwrap().len(), LARGEST);
        std::fs::write(&file, vec![b'x'; LARGEST.saturating_add(1)]).unwrap();
        assert!(matches!(reader.read(&file).await, Err(Unreadable::TooLarge(_))));
    }

    #[tokio::test]
    async fn reads_that_hang_are_given_up_and_no_more_begun_until_one_of_them_ends() {
        let path = Path::new("/mnt/hung/config.json");
        let reader = Reader::new(Duration::from_millis(20));
        let (begun, beginnings) = mpsc::sync_channel(9);
        let (end, ends) = mpsc::sync_channel::<()>(1);
        let ends = Arc::new(std::sync::Mutex::new(ends));
        let hang = || {
            let (begun, ends) = (begun.clone(), Arc::clone(&ends));
            reader.run(path, move |_| {
                begun.send(()).unwrap();
                let _end_or_over = ends.lock().unwrap().recv();
                Ok(Zeroizing::default())
            })
        };
        for _ in 0..AT_ONCE {
            let slow = hang().await.unwrap_err();
            assert_eq!(slow.to_string(), "/mnt/hung/config.json could not be read within 20ms");
        }
        let busy = hang().await.unwrap_err();
        assert_eq!(
            busy.to_string(),
            "/mnt/hung/config.json is being read 4 times already, and has not been within 20ms"
        );
        assert_eq!(beginnings.try_iter().count(), AT_ONCE);
        end.send(()).unwrap();
        let freed = Reader { limit: AMPLE, ..reader.clone() };
        freed.run(path, |_| Ok(Zeroizing::default())).await.unwrap();
        // The others would hold up the end of the test.
        drop(end);
    }
}
