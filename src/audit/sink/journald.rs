//! How an entry gets to the journal: one datagram, or one file descriptor if it is too large for that.

use super::queue::Undelivered;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The journal's socket. Nothing is held open to it: one that was away is there again with the next entry.
#[derive(Debug)]
pub(super) struct Journald {
    socket: PathBuf,
}

/// The pause before a journal that has no room is asked again.
const PAUSE: Duration = Duration::from_millis(10);

// === impl Journald ===

impl Journald {
    pub(super) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Sends an entry, and waits that long for room: the kernel keeps few datagrams, and a burst of pulls makes many.
    pub(super) fn send(&self, entry: &[u8], patience: Duration) -> Result<(), Undelivered> {
        let own = UnixDatagram::unbound()?;
        own.set_nonblocking(true)?;
        let started = Instant::now();
        loop {
            match self.once(&own, entry) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && started.elapsed() < patience => {
                    std::thread::sleep(PAUSE);
                }
                sent => return sent.map_err(Undelivered::Refused),
            }
        }
    }

    fn once(&self, own: &UnixDatagram, entry: &[u8]) -> io::Result<()> {
        match own.send_to(entry, &self.socket) {
            Ok(_) => Ok(()),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::MSGSIZE | Errno::NOBUFS) => self.hand_over(own, entry),
                Some(_) | None => Err(error),
            },
        }
    }

    /// Sends memory with the entry in it, sealed: the journal maps it, and takes none that could change under it.
    fn hand_over(&self, own: &UnixDatagram, entry: &[u8]) -> io::Result<()> {
        let memory = memfd_create("repoint-record", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut memory = File::from(memory);
        memory.write_all(entry)?;
        fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [memory.as_fd()];
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(ErrorKind::OutOfMemory.into());
        }
        let address = SocketAddrUnix::new(&self.socket)?;
        sendmsg_addr(own, &address, &[], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}
