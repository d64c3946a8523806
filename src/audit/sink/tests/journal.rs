//! The journal's end of its protocol, which reads an entry as the journal does.

use super::LIMIT;
use rustix::fs::{SealFlags, fcntl_get_seals};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use tempfile::TempDir;

/// The values of a field, in their order.
pub(super) type Fields = BTreeMap<String, Vec<Vec<u8>>>;

/// The journal's end of its protocol.
pub(super) struct Journal {
    directory: TempDir,
    pub(super) socket: Option<UnixDatagram>,
}

impl Journal {
    pub(super) fn start() -> Self {
        let mut journal = Self::absent();
        journal.appear();
        journal
    }

    pub(super) fn absent() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), socket: None }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    pub(super) fn appear(&mut self) {
        let socket = UnixDatagram::bind(self.path()).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        self.socket = Some(socket);
    }

    /// The next entry, and whether it came as memory.
    pub(super) fn next(&self) -> (Fields, bool) {
        let mut datagram = vec![0; 1 << 20];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut datagram)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let length = recvmsg(self.socket.as_ref().unwrap(), parts, &mut control, flags).unwrap().bytes;
        let descriptors: Vec<OwnedFd> = control
            .drain()
            .flat_map(|message| match message {
                RecvAncillaryMessage::ScmRights(all) => all.collect(),
                RecvAncillaryMessage::ScmCredentials(_) | _ => Vec::new(),
            })
            .collect();
        match descriptors.as_slice() {
            [] => (fields(&datagram[..length]), false),
            [memory] => {
                assert_eq!(length, 0, "the journal takes one or the other");
                (fields(&sealed(memory)), true)
            }
            many => panic!("{} descriptors", many.len()),
        }
    }
}

/// What is in memory that nobody can change.
fn sealed(memory: &OwnedFd) -> Vec<u8> {
    let all = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    assert_eq!(fcntl_get_seals(memory).unwrap(), all);
    let file = File::from(memory.try_clone().unwrap());
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Reads the native form.
pub(super) fn fields(mut rest: &[u8]) -> Fields {
    let mut all = Fields::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = (&rest[..end], rest[end..].strip_prefix(b"\n").unwrap());
        let mut parts = line.splitn(2, |byte| *byte == b'=');
        let name = String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{name}");
        let value = if let Some(value) = parts.next() {
            rest = after;
            value
        } else {
            let (size, after) = after.split_first_chunk().unwrap();
            let (value, after) = after.split_at(usize::try_from(u64::from_le_bytes(*size)).unwrap());
            rest = after.strip_prefix(b"\n").unwrap();
            value
        };
        all.entry(name).or_default().push(value.to_vec());
    }
    assert!(rest.is_empty(), "{rest:?}");
    all
}

pub(super) fn values(fields: &Fields, name: &str) -> Vec<String> {
    let values = fields.get(name).into_iter().flatten();
    values.map(|value| String::from_utf8(value.clone()).unwrap()).collect()
}

pub(super) fn value(fields: &Fields, name: &str) -> String {
    let values = values(fields, name);
    assert_eq!(values.len(), 1, "{name}");
    values[0].clone()
}
