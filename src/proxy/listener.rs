//! The socket the kubelet connects to.

use crate::runtime::Address;
use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// A bound socket. Its file goes with it, if it is still this one's.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
    /// Held as long as the socket is ours: of two that start at once, one is told so.
    _lock: File,
}

/// Why a socket can't be had.
#[derive(Debug, thiserror::Error)]
pub enum Unlistenable {
    /// Somebody serves there.
    #[error("{0} is in use by a running process: stop that one, or choose another socket with --listen")]
    InUse(Address),
    /// There is something else at that path.
    #[error("{0} exists and is not a socket: move it away, or choose another path with --listen")]
    NotASocket(Address),
    /// A directory, lock, or the socket itself could not be made.
    #[error("cannot {what} {}", path.display())]
    System {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

/// Its owner and group may connect, and that is root: what listens here can do whatever the runtime can.
const MODE: Mode = Mode::from_raw_mode(0o660);

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

impl Listener {
    /// Listens at `address`. A socket that nobody serves any more is replaced.
    ///
    /// # Errors
    ///
    /// When the path is taken or can't be made.
    pub fn bind(address: &Address) -> Result<Self, Unlistenable> {
        let path = address.path();
        let system = |what, path: &Path, error| Unlistenable::System { what, path: path.to_owned(), error };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(|error| system("make the directory", directory, error))?;
        }
        let lock_path = beside(path, ".lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| system("open the lock", &lock_path, error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => Unlistenable::InUse(address.clone()),
            error => system("lock", &lock_path, error.into()),
        })?;
        vacate(address)?;
        // Bound under another name and renamed: at no moment is there a socket at `path` that nobody serves.
        // A short name: a socket's path has 107 bytes at most.
        let new = path.with_file_name(format!(".{}", std::process::id()));
        let _was_not_there = fs::remove_file(&new);
        let socket = listening(&new).map_err(|error| system("listen at", path, error))?;
        fs::rename(&new, path).map_err(|error| system("listen at", path, error))?;
        let found = fs::metadata(path).map_err(|error| system("listen at", path, error))?;
        Ok(Self { socket, path: path.to_owned(), identity: (found.dev(), found.ino()), _lock: lock })
    }

    /// Waits for a client.
    ///
    /// # Errors
    ///
    /// When the system has none to give just now, for want of file descriptors for instance. Never final.
    pub async fn accept(&self) -> io::Result<tokio::net::UnixStream> {
        self.socket.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let ours = fs::metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if ours {
            let _gone_already = fs::remove_file(&self.path);
        }
    }
}

/// Sees to it that nothing of value is at the path: not another kind of file, not a socket that is served.
fn vacate(address: &Address) -> Result<(), Unlistenable> {
    let path = address.path();
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(Unlistenable::NotASocket(address.clone()));
    }
    match knock(path) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        // It answers; or it is too busy to, or not ours to ask, as only a living one is.
        Ok(()) | Err(_) => Err(Unlistenable::InUse(address.clone())),
    }
}

/// Connects without waiting: a socket whose queue is full would keep us here for as long as nobody empties it.
fn knock(path: &Path) -> Result<(), Errno> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)
}

/// A socket that never had wider permissions than it is to have: Linux gives a socket's file the mode of the socket,
/// less the umask, so the mode is set before there is a file.
fn listening(path: &Path) -> io::Result<UnixListener> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
    fchmod(&socket, MODE)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    // A umask may have taken away what the group is to have.
    rustix::fs::chmod(path, MODE)?;
    listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
