//! Somebody else on the node: a user and a group of a test's choosing. Both belong to a thread, so one of the test's
//! becomes that user, does something, and ends.

use std::io;
use std::os::unix::net::UnixStream;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::world::Missing;

/// A user, and the group that its programs run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Somebody {
    pub uid: u32,
    pub gid: u32,
}

/// Whether this process can become others; where it can't, that is said.
pub fn can_be_somebody() -> bool {
    Missing::privilege().inspect_err(|missing| missing.skip("no other user")).is_ok()
}

// === impl Somebody ===

impl Somebody {
    pub fn new(uid: u32, gid: u32) -> Self {
        Self { uid, gid }
    }

    /// Does it as that user, in no other group.
    pub fn does<T: Send>(self, work: impl FnOnce() -> T + Send) -> T {
        let become_somebody = || {
            set_thread_groups(&[]).expect("no groups");
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            set_thread_res_gid(gid, gid, gid).expect("another group");
            set_thread_res_uid(uid, uid, uid).expect("another user");
        };
        thread::scope(|threads| {
            let done = threads.spawn(|| {
                become_somebody();
                work()
            });
            done.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// A connection of that user's, whoever uses it then: the kernel keeps who made it.
    pub fn connects(self, socket: &Path) -> io::Result<UnixStream> {
        self.does(|| UnixStream::connect(socket))
    }
}
