//! Who may call, and what.
//!
//! Whoever calls here has the runtime do what it does for root: what counts is who could ask the runtime itself.

use crate::cri::method::{Call, IMAGE_SERVICE, RUNTIME_SERVICE};
use crate::machine;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tokio::net::UnixStream;

/// Who may call, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Whose the socket is; `None` for the user that this process runs as.
    pub owner: Option<Account>,
    /// Which group's it is; `None` for the group that this process runs as.
    pub group: Option<Account>,
    /// Its mode.
    pub mode: u32,
    /// Whether others may connect than to the runtime's socket.
    pub is_wider_allowed: bool,
    /// The users that are listened to, besides root and this process's own.
    pub uids: Vec<u32>,
    /// The groups that are listened to.
    pub gids: Vec<u32>,
    /// What can be called.
    pub services: Services,
}

/// A user or a group, as one says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// By its name.
    Name(String),
    /// By its number.
    Id(u32),
}

/// A service of CRI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Of images.
    Image,
    /// Of pods and containers, and of whatever else the runtime has.
    Runtime,
}

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Services {
    /// Whatever the runtime has.
    All,
    /// The image service, and what everybody asks who checks an image endpoint.
    ImageAlone,
}

/// Who may connect to a socket, as its file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The mode.
    pub mode: u32,
}

/// Who is at the other end, as the kernel says (`SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The user.
    pub uid: u32,
    /// The group that the program runs as.
    pub gid: u32,
    /// The process; `None` where it can't be seen from here.
    pub pid: Option<i32>,
}

/// Its owner and group may connect, and that is root, as with runtimes' own sockets.
pub const SOCKET_MODE: u32 = 0o660;

/// kubeadm and crictl ask these of an image endpoint, too.
const ASKED_OF_ALL: [&str; 3] = ["Version", "Status", "RuntimeConfig"];

const USER_BITS: u32 = 0o700;
const GROUP_BITS: u32 = 0o070;
const OTHER_BITS: u32 = 0o007;
const SEARCHED_BY_GROUP: u32 = 0o010;
const SEARCHED_BY_ALL: u32 = 0o001;

// === impl Access ===

impl Default for Access {
    fn default() -> Self {
        Self {
            owner: None,
            group: None,
            mode: SOCKET_MODE,
            is_wider_allowed: false,
            uids: Vec::new(),
            gids: Vec::new(),
            services: Services::All,
        }
    }
}

impl Access {
    /// Whether `peer` is listened to. Root could ask the runtime itself, and to refuse the kubelet takes a node down.
    pub fn admits(&self, peer: Peer) -> bool {
        let is_open = self.uids.is_empty() && self.gids.is_empty();
        is_open || peer.uid == 0 || self.uids.contains(&peer.uid) || self.gids.contains(&peer.gid)
    }

    /// What the socket is to be, as far as nobody may connect who may not connect to each of `runtimes`. While none of these
    /// is known, they are taken to be as runtimes make them.
    ///
    /// # Errors
    ///
    /// With the name of a user or group that there is not.
    pub fn socket(&self, own: Owner, runtimes: &[Owner]) -> Result<Owner, String> {
        let uid = self.owner.as_ref().map_or(Ok(own.uid), |owner| owner.uid())?;
        let gid = self.group.as_ref().map_or(Ok(own.gid), |group| group.gid())?;
        let wanted = Owner { uid, gid, mode: self.mode };
        if self.is_wider_allowed {
            return Ok(wanted);
        }
        let usual = [Owner { mode: SOCKET_MODE, ..own }];
        let runtimes = if runtimes.is_empty() { &usual } else { runtimes };
        Ok(runtimes.iter().fold(wanted, |wanted, runtime| wanted.within(*runtime, own)))
    }
}

// === impl Account ===

impl Account {
    fn uid(&self) -> Result<u32, String> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::Name(name) => machine::uid(name).ok_or_else(|| format!("there is no user `{name}`")),
        }
    }

    fn gid(&self) -> Result<u32, String> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::Name(name) => machine::gid(name).ok_or_else(|| format!("there is no group `{name}`")),
        }
    }
}

// === impl Service ===

impl Service {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Runtime => "runtime",
        }
    }
}

// === impl Services ===

impl Services {
    /// Those there are.
    pub fn all(self) -> impl Iterator<Item = Service> {
        let runtime = (self == Self::All).then_some(Service::Runtime);
        [Service::Image].into_iter().chain(runtime)
    }

    /// Whether a call may pass.
    pub fn include(self, path: &str) -> bool {
        self == Self::All
            || Call::parse(path).is_some_and(|call| match call.service {
                IMAGE_SERVICE => true,
                RUNTIME_SERVICE => ASKED_OF_ALL.contains(&call.method),
                _ => false,
            })
    }
}

// === impl Owner ===

impl Owner {
    /// Of the file at `path`, as far as the directories that it is in let anybody come to it.
    pub fn of_socket(path: &Path) -> Option<Self> {
        // Where links lead: the directories on the way there let nobody in.
        let path = fs::canonicalize(path).ok()?;
        let found = fs::metadata(&path).ok()?;
        let mut owner = Self { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o777 };
        for directory in path.ancestors().skip(1) {
            let Ok(found) = fs::metadata(directory) else { continue };
            if found.mode() & SEARCHED_BY_ALL == 0 {
                owner.mode &= !OTHER_BITS;
                if found.uid() != owner.uid {
                    owner.mode &= !USER_BITS;
                }
                if found.gid() != owner.gid || found.mode() & SEARCHED_BY_GROUP == 0 {
                    owner.mode &= !GROUP_BITS;
                }
            }
        }
        Some(owner)
    }

    /// As much of it as `runtime` allows. An owner can give itself any mode, so that one who may not connect does not
    /// become it.
    fn within(self, runtime: Self, own: Self) -> Self {
        let (user, group, other) = (runtime.mode & USER_BITS, runtime.mode & GROUP_BITS, runtime.mode & OTHER_BITS);
        let is_for_all = other & 0o2 != 0;
        let uid = match self.uid {
            uid if uid == own.uid || uid == 0 || is_for_all => uid,
            uid if uid == runtime.uid && user & 0o200 != 0 => uid,
            _ => own.uid,
        };
        let is_group = is_for_all || self.gid == runtime.gid;
        let group = if is_for_all { GROUP_BITS } else { group };
        let mode = self.mode & (USER_BITS | if is_group { group } else { 0 } | other);
        Self { uid, gid: self.gid, mode }
    }

    /// Only what `other` has as well.
    #[must_use]
    pub fn narrowed_to(self, other: Self) -> Self {
        let group = if self.gid == other.gid { other.mode & GROUP_BITS } else { 0 };
        Self { mode: self.mode & (USER_BITS | group | other.mode & OTHER_BITS), ..self }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o} {}:{}", self.mode, self.uid, self.gid)
    }
}

// === impl Peer ===

impl Peer {
    /// The user that stands for none (`nobody`, `overflowuid`).
    pub const NOBODY: Self = Self { uid: 65534, gid: 65534, pid: None };

    /// Who is at the other end of `stream`; `None` where the kernel does not say.
    pub fn of(stream: &UnixStream) -> Option<Self> {
        let found = stream.peer_cred().ok()?;
        Some(Self { uid: found.uid(), gid: found.gid(), pid: found.pid() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Owner = Owner { uid: 0, gid: 0, mode: 0o660 };

    fn wanted(owner: Option<u32>, group: Option<u32>, mode: u32) -> Access {
        Access { owner: owner.map(Account::Id), group: group.map(Account::Id), mode, ..Access::default() }
    }

    #[test]
    fn nobody_may_connect_here_who_may_not_connect_to_the_runtime() {
        let runtime = |uid, gid, mode| Owner { uid, gid, mode };
        for (access, runtimes, expected) in [
            (wanted(None, None, 0o660), vec![], (0, 0, 0o660)),
            (wanted(None, None, 0o660), vec![runtime(0, 0, 0o600)], (0, 0, 0o600)),
            (wanted(None, None, 0o666), vec![ROOT], (0, 0, 0o660)),
            (wanted(None, None, 0o666), vec![runtime(0, 0, 0o666)], (0, 0, 0o666)),
            (wanted(None, Some(7), 0o660), vec![ROOT], (0, 7, 0o600)),
            (wanted(None, Some(7), 0o660), vec![], (0, 7, 0o600)),
            (wanted(None, Some(7), 0o660), vec![runtime(0, 7, 0o660)], (0, 7, 0o660)),
            (wanted(None, Some(7), 0o660), vec![runtime(0, 0, 0o666)], (0, 7, 0o660)),
            (wanted(Some(5), None, 0o600), vec![ROOT], (0, 0, 0o600)),
            (wanted(Some(5), None, 0o600), vec![runtime(5, 0, 0o600)], (5, 0, 0o600)),
            (wanted(Some(5), None, 0o600), vec![runtime(5, 0, 0o400)], (0, 0, 0o600)),
            // Two, of which one is the narrower.
            (wanted(None, None, 0o660), vec![ROOT, runtime(0, 0, 0o600)], (0, 0, 0o600)),
        ] {
            let found = access.socket(ROOT, &runtimes).unwrap();
            assert_eq!((found.uid, found.gid, found.mode), expected, "{access:?} before {runtimes:?}");
        }
        let wider = Access { is_wider_allowed: true, ..wanted(Some(5), Some(7), 0o666) };
        assert_eq!(wider.socket(ROOT, &[ROOT]).unwrap(), Owner { uid: 5, gid: 7, mode: 0o666 });
        let nobody = Access { group: Some(Account::Name("no such group".into())), ..Access::default() };
        assert_eq!(nobody.socket(ROOT, &[]).unwrap_err(), "there is no group `no such group`");
    }

    #[test]
    fn who_cannot_come_to_the_runtimes_socket_may_not_connect_to_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("x");
        fs::write(&socket, "").unwrap();
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
        let mode = |of_directory| {
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(of_directory)).unwrap();
            Owner::of_socket(&socket).unwrap().mode
        };
        assert_eq!([0o711, 0o710, 0o700].map(mode), [0o666, 0o660, 0o600]);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&socket, Some(5), Some(7)).unwrap();
            assert_eq!([0o711, 0o710, 0o700].map(mode), [0o666, 0o000, 0o000]);
        }
    }

    #[test]
    fn root_is_always_listened_to_and_others_as_they_are_listed() {
        let access = |uids: &[u32], gids: &[u32]| Access { uids: uids.into(), gids: gids.into(), ..Access::default() };
        let peer = |uid, gid| Peer { uid, gid, pid: None };
        assert!(access(&[], &[]).admits(peer(1000, 1000)));
        for (access, peer, expected) in [
            (access(&[5], &[]), peer(0, 0), true),
            (access(&[5], &[]), peer(5, 9), true),
            (access(&[5], &[]), peer(6, 5), false),
            (access(&[], &[7]), peer(6, 7), true),
            (access(&[], &[7]), peer(7, 6), false),
        ] {
            assert_eq!(access.admits(peer), expected, "{access:?} {peer:?}");
        }
    }

    #[test]
    fn with_images_alone_nothing_else_passes_but_what_an_image_endpoint_is_asked() {
        for (path, expected) in [
            ("/runtime.v1.ImageService/PullImage", true),
            ("/runtime.v1alpha2.ImageService/ImageStatus", true),
            ("/runtime.v1.ImageService/OfTheFuture", true),
            ("/runtime.v1.RuntimeService/Version", true),
            ("/runtime.v1.RuntimeService/Status", true),
            ("/runtime.v1.RuntimeService/RuntimeConfig", true),
            ("/runtime.v1.RuntimeService/ExecSync", false),
            ("/runtime.v1.RuntimeService/ListContainers", false),
            ("/containerd.services.images.v1.Images/Delete", false),
            ("/runtime.v1.ImageServices/Version", false),
            ("x", false),
        ] {
            assert_eq!(Services::ImageAlone.include(path), expected, "{path}");
            assert!(Services::All.include(path), "{path}");
        }
    }
}
