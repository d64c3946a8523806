//! Which runtime a node has. Machines are handed on: files of one that it had before may lie about, and say nothing of this one.

use super::tree::Tree;
use super::unclear::Unclear;
use super::unit::Unit;
use super::{containerd, crio};
use crate::runtime::Address;
use crate::runtime::peer::CONTAINERD;
use std::path::Path;

/// A runtime, by what is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// containerd.
    Containerd,
    /// CRI-O.
    Crio,
    /// Docker, behind cri-dockerd.
    Docker,
}

/// The units that cri-dockerd goes by.
pub const CRI_DOCKERD: [&str; 2] = ["cri-docker.service", "cri-dockerd.service"];

// === impl Runtime ===

impl Runtime {
    const ALL: [Self; 3] = [Self::Containerd, Self::Crio, Self::Docker];

    /// By what it calls itself in CRI.
    pub fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|runtime| runtime.own_name() == name)
    }

    /// By its socket, where that tells; else the only one that the node has files of.
    ///
    /// # Errors
    ///
    /// When a unit can't be read.
    pub fn find(tree: &Tree, address: Option<&Address>) -> Result<Option<Self>, Unclear> {
        if let Some(runtime) = address.and_then(|address| Self::at(address.path())) {
            return Ok(Some(runtime));
        }
        let mut found = Vec::new();
        for runtime in Self::ALL {
            if runtime.has_files(tree)? {
                found.push(runtime);
            }
        }
        Ok(match found[..] {
            [only] => Some(only),
            _ => None,
        })
    }

    fn at(socket: &Path) -> Option<Self> {
        match socket.file_name()?.to_str()? {
            "containerd.sock" => Some(Self::Containerd),
            "crio.sock" => Some(Self::Crio),
            "cri-dockerd.sock" | "cri-docker.sock" | "dockershim.sock" => Some(Self::Docker),
            _ => None,
        }
    }

    fn has_files(self, tree: &Tree) -> Result<bool, Unclear> {
        let (files, units): (&[&str], &[&str]) = match self {
            Self::Containerd => (&[containerd::FILE], &[containerd::UNIT]),
            Self::Crio => (&[crio::FILE, crio::DIRECTORY], &[crio::UNIT]),
            Self::Docker => (&[], &CRI_DOCKERD),
        };
        if files.iter().any(|file| tree.has(Path::new(file))) {
            return Ok(true);
        }
        for unit in units {
            if Unit::read(tree, unit)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What it calls itself in CRI.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::Containerd => CONTAINERD,
            Self::Crio => "cri-o",
            Self::Docker => "docker",
        }
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Crio => "CRI-O",
            Self::Docker => "cri-dockerd",
        }
    }

    /// Where it listens if nobody says otherwise, as kubeadm has it.
    pub const fn socket(self) -> &'static str {
        match self {
            Self::Containerd => "unix:///run/containerd/containerd.sock",
            Self::Crio => "unix:///var/run/crio/crio.sock",
            Self::Docker => "unix:///run/cri-dockerd.sock",
        }
    }

    /// The unit of whoever pulls.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Containerd => containerd::UNIT,
            Self::Crio => crio::UNIT,
            Self::Docker => "docker.service",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Content;

    #[test]
    fn the_socket_tells_and_where_it_does_not_the_only_files_there_are() {
        let directory = tempfile::tempdir().unwrap();
        let unit = "/etc/systemd/system/cri-docker.service";
        for (socket, files, expected) in [
            (Some("/run/containerd/containerd.sock"), &[crio::FILE][..], Some(Runtime::Containerd)),
            (Some("/run/repoint/run/crio/crio.sock"), &[containerd::FILE], Some(Runtime::Crio)),
            (Some("/run/cri-dockerd.sock"), &[containerd::FILE], Some(Runtime::Docker)),
            (Some("/run/x.sock"), &[crio::FILE], Some(Runtime::Crio)),
            (None, &[containerd::FILE], Some(Runtime::Containerd)),
            (None, &[unit], Some(Runtime::Docker)),
            (None, &[containerd::FILE, unit], None),
            (None, &[], None),
        ] {
            let files = files.iter().map(|file| ((*file).into(), Some(Content::new("[Service]\n"))));
            let tree = Tree::at(directory.path()).with(files);
            let address = socket.map(|socket| socket.parse().unwrap());
            assert_eq!(Runtime::find(&tree, address.as_ref()).unwrap(), expected, "{socket:?}");
        }
        for runtime in Runtime::ALL {
            assert_eq!(Runtime::called(runtime.own_name()), Some(runtime));
        }
        assert_eq!(Runtime::called("fake"), None);
    }
}
