//! The socket the kubelet connects to.

use super::access::Owner;
use crate::runtime::Address;
use rustix::fs::{FlockOperation, Mode, chmod, fchmod, flock};
use rustix::io::Errno;
use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with,
};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use tokio::net::{UnixListener, UnixStream};

/// A socket that clients connect to.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    origin: Origin,
}

/// Where a socket is from.
#[derive(Debug)]
enum Origin {
    /// It was made here, and its file goes with it, if that is still this one's.
    Own {
        identity: (u64, u64),
        /// Held as long as the socket is ours: of two that start at once, one is told so.
        _lock: File,
    },
    /// It was handed over by whoever started this process, outlives it, and keeps what clients send in between.
    HandedOver,
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

/// Nobody else's before it is given to somebody.
const OWN: Mode = Mode::from_raw_mode(0o600);

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

impl Listener {
    /// Listens at `address`, for whoever `owner` says. A socket that nobody serves any more is replaced. One that the system does
    /// not let us give away, as that of a unit without the capability, is ours alone, until [`Listener::give`] says why.
    ///
    /// # Errors
    ///
    /// When the path is taken or can't be made.
    pub fn bind(address: &Address, owner: Owner) -> Result<Self, Unlistenable> {
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
        let socket = listening(&new, owner).map_err(|error| system("listen at", path, error))?;
        fs::rename(&new, path).map_err(|error| system("listen at", path, error))?;
        let found = fs::metadata(path).map_err(|error| system("listen at", path, error))?;
        let origin = Origin::Own { identity: (found.dev(), found.ino()), _lock: lock };
        Ok(Self { socket, path: path.to_owned(), origin })
    }

    /// A socket that listens already, and was handed over.
    ///
    /// # Errors
    ///
    /// When it is no unix socket, or does not listen.
    pub fn handed_over(socket: OwnedFd) -> io::Result<Self> {
        let is_stream = socket_type(&socket)? == SocketType::STREAM && socket_acceptconn(&socket)?;
        let address = SocketAddrUnix::try_from(getsockname(&socket)?).ok().filter(|_| is_stream);
        let path = address.as_ref().and_then(SocketAddrUnix::path_bytes);
        let Some(path) = path.map(|path| PathBuf::from(OsStr::from_bytes(path))) else {
            return Err(io::Error::other("it is not a unix socket that listens at a path"));
        };
        let socket = std::os::unix::net::UnixListener::from(socket);
        // Who makes sockets for others leaves them as they are by default, and waiting for one would stop everything.
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixListener::from_std(socket)?, path, origin: Origin::HandedOver })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was handed over.
    pub fn is_handed_over(&self) -> bool {
        matches!(self.origin, Origin::HandedOver)
    }

    /// Gives it to whoever `owner` says; one that was handed over is only kept from others. Says what it was and what it is
    /// where that was done.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn give(&self, owner: Owner) -> io::Result<Option<(Owner, Owner)>> {
        let found = fs::metadata(&self.path)?;
        let was = Owner { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o777 };
        let is = if self.is_handed_over() { was.narrowed_to(owner) } else { owner };
        if was == is {
            return Ok(None);
        }
        give(&self.path, was, is)?;
        Ok(Some((was, is)))
    }

    /// Waits for a client.
    ///
    /// # Errors
    ///
    /// When the system has none to give just now, for want of file descriptors for instance. Never final.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// The same, for who waits at several.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        self.socket.poll_accept(cx).map_ok(|(stream, _)| stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let Origin::Own { identity, .. } = &self.origin else { return };
        let is_ours = fs::metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == *identity);
        if is_ours {
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

/// A socket that never was anybody's whom it is not to be: Linux gives a socket's file the mode of the socket, less the umask,
/// so the mode is set before there is a file.
fn listening(path: &Path, owner: Owner) -> io::Result<UnixListener> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
    fchmod(&socket, OWN)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    let found = fs::metadata(path)?;
    let was = Owner { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o777 };
    let _still_ours = give(path, was, owner);
    listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

/// Gives the file at `path` to `is`. In between, nobody may connect who may not in the end.
fn give(path: &Path, was: Owner, is: Owner) -> io::Result<()> {
    if (was.uid, was.gid) != (is.uid, is.gid) {
        chmod(path, OWN)?;
        std::os::unix::fs::chown(path, Some(is.uid), Some(is.gid))?;
    }
    chmod(path, Mode::from_raw_mode(is.mode))?;
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
