//! Where the runtime listens, and the way there.

use super::discovery::{self, NotOne};
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use tokio::net::UnixStream;

/// The path of a unix socket. Written `unix:///run/x.sock`, as kubelets do, or as a bare path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(PathBuf);

/// Why text is not an [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a unix socket: write it as `unix:///run/containerd/containerd.sock`", without_user(.0))]
pub struct NotASocket(String);

/// Where to look for the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Here.
    At(Address),
    /// At whichever of these answers.
    AnyOf(Vec<Address>),
}

/// Dials an endpoint.
#[derive(Debug)]
pub struct Dialer {
    endpoint: Endpoint,
    /// Our own socket, which must not be mistaken for a runtime's.
    own: PathBuf,
    /// The one that answered, of several possible ones.
    found: Mutex<Option<Address>>,
}

/// Why there is no connection to the runtime.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The socket does not take connections.
    #[error("cannot connect to {address}")]
    Refused {
        /// The socket.
        address: Address,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// It could not be found.
    #[error(transparent)]
    NotOne(#[from] NotOne),
    /// It took the connection and ended it at once, again and again.
    #[error("{0} accepts connections and closes them")]
    Closed(Address),
    /// It is our own.
    #[error("{0} is the socket that repoint itself listens on: name the container runtime's with --runtime unix:///…")]
    Ourselves(Address),
    /// An attempt to connect is still under way.
    #[error("it takes too long to connect")]
    Busy,
}

// === impl Address ===

impl Address {
    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether both are one path, however it is written: `/run/x/../a.sock` is `/run/a.sock`. (That `x` may be a link to
    /// elsewhere is not looked at: who means two sockets can say so without it.)
    pub fn is_same_as(&self, other: &Self) -> bool {
        straight(&self.0) == straight(&other.0)
    }

    /// A socket of that name in the same directory.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        Self(self.0.with_file_name(name))
    }
}

impl FromStr for Address {
    type Err = NotASocket;

    fn from_str(written: &str) -> Result<Self, NotASocket> {
        let path = written.strip_prefix("unix://").unwrap_or(written);
        // Relative paths depend on where one happens to stand; a service stands nowhere.
        if path.starts_with('/') { Ok(Self(path.into())) } else { Err(NotASocket(written.to_owned())) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix://{}", self.0.display())
    }
}

// === impl Endpoint ===

impl Default for Endpoint {
    fn default() -> Self {
        Self::AnyOf(discovery::USUAL.iter().map(|path| Address(path.into())).collect())
    }
}

// === impl Dialer ===

impl Dialer {
    /// A way to `endpoint` from a proxy that listens at `own`.
    pub fn new(endpoint: Endpoint, own: PathBuf) -> Self {
        Self { endpoint, own, found: Mutex::new(None) }
    }

    /// Connects, once.
    ///
    /// # Errors
    ///
    /// When nobody answers, or more than one do.
    pub async fn dial(&self) -> Result<(Address, UnixStream), Unreachable> {
        connect(self.find().await?).await
    }

    /// Where to connect, as far as that is known without looking who answers.
    pub fn settled(&self) -> Option<Address> {
        match &self.endpoint {
            Endpoint::At(address) => Some(address.clone()),
            Endpoint::AnyOf(_) => self.found.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Where to connect.
    ///
    /// # Errors
    ///
    /// When of several possible sockets none answers, or more than one do.
    pub async fn find(&self) -> Result<Address, Unreachable> {
        let usual = match &self.endpoint {
            // However the path is written, a link to our own socket is no runtime, and would be a loop.
            Endpoint::At(address) if is_same(address.path(), &self.own) => {
                return Err(Unreachable::Ourselves(address.clone()));
            }
            Endpoint::At(address) => return Ok(address.clone()),
            Endpoint::AnyOf(usual) => usual,
        };
        // Once found, it is this node's. Another that answers while it restarts knows nothing of its containers.
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let address = match known {
            Some(address) => address,
            None => discovery::find(usual, &self.own).await?,
        };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.clone());
        Ok(address)
    }
}

/// What is written for an address, but for a user and a password that may stand in front of a host.
fn without_user(written: &str) -> String {
    match (written.split_once("://"), written.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => written.to_owned(),
    }
}

/// An absolute path without `..`. (Two paths are compared without `.` and empty components anyway.)
pub fn straight(path: &Path) -> PathBuf {
    let mut straight = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            let _is_not_root = straight.pop();
        } else {
            straight.push(component);
        }
    }
    straight
}

/// What a path leads to, whatever links it leads through.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// By which a socket is told from the one that was there before it: its file, and when that was made.
pub(super) type Birth = (u64, u64, i64, i64);

/// That of the socket at `path`.
pub(super) fn birth(path: &Path) -> Option<Birth> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino(), found.ctime(), found.ctime_nsec()))
}

fn is_same(one: &Path, other: &Path) -> bool {
    identity(one).is_some_and(|identity_of_one| identity(other) == Some(identity_of_one))
}

async fn connect(address: Address) -> Result<(Address, UnixStream), Unreachable> {
    match UnixStream::connect(address.path()).await {
        Ok(stream) => Ok((address, stream)),
        Err(error) => Err(Unreachable::Refused { address, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_is_written_in_many_ways() {
        let is_same = |one: &str, other: &str| one.parse::<Address>().unwrap().is_same_as(&other.parse().unwrap());
        for same in ["/run/x.sock", "/run/./x.sock", "//run//x.sock/", "/run/a/b/../../x.sock", "/../run/x.sock"] {
            assert!(is_same(same, "unix:///run/x.sock"), "{same}");
        }
        for other in ["/x.sock", "/run/x.sock/y", "/run/a/x.sock", "/run/../x.sock", "/run/..x.sock"] {
            assert!(!is_same(other, "/run/x.sock"), "{other}");
        }
    }

    #[test]
    fn an_address_is_an_absolute_path_with_or_without_its_scheme() {
        for written in ["unix:///run/x.sock", "/run/x.sock"] {
            let address: Address = written.parse().unwrap();
            assert_eq!(address.to_string(), "unix:///run/x.sock");
        }
        for bad in ["", "run/x.sock", "unix://run/x.sock", "tcp://127.0.0.1:1", "npipe:////./pipe/x"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        let error = "tcp://joe:hunter2@h:1".parse::<Address>().unwrap_err().to_string();
        assert!(error.starts_with("`tcp://…@h:1` is not a unix socket"), "{error}");
    }
}
