//! All that the files of a node say of the image that pods are made with, and who says it.

use super::containerd::{Containerd, Instance};
use super::crio::Crio;
use super::kubelet::{SANDBOX_FLAG, Word, values, words};
use super::rancher::PAUSE_KEY;
use super::runtime::{CRI_DOCKERD, Runtime};
use super::tree::Tree;
use super::unclear::Unclear;
use super::unit::Unit;
use super::{Kind, Node};
use crate::runtime::Address;

/// Who speaks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A runtime, by its configuration, or by the command line of cri-dockerd.
    Runtime(Runtime),
    /// The command line of the kubelet, for which it is an image to keep.
    Kubelet,
    /// The configuration of k3s or RKE2, which write containerd's.
    Rancher,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Sayings {
    /// Everybody's word.
    pub said: Vec<Pause>,
    /// What could not be understood, and whose that is.
    pub unclear: Vec<(Who, Unclear)>,
}

/// Somebody's word on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Whose.
    pub who: Who,
    /// The image, and where it is said.
    pub word: Word,
    /// Who writes that anew at each start: k3s or RKE2.
    pub writer: Option<Kind>,
}

// === impl Sayings ===

impl Sayings {
    /// Those of a node whose runtime listens there, and is of that major version, where that is known.
    pub fn read(tree: &Tree, node: Option<&Node>, address: &Address, major: Option<u32>) -> Self {
        let mut all = Self::default();
        let containerd = Containerd::read(tree, Instance { address, node, major });
        let writer = containerd.as_ref().ok().and_then(|found| found.as_ref()?.writer);
        all.add(Who::Runtime(Runtime::Containerd), containerd.map(|found| found.and_then(|found| found.sandbox)));
        for pause in &mut all.said {
            pause.writer = writer;
        }
        all.add(Who::Runtime(Runtime::Crio), Crio::read(tree).map(|found| found.and_then(|found| found.sandbox)));
        for unit in CRI_DOCKERD {
            all.add(Who::Runtime(Runtime::Docker), flag(tree, unit));
        }
        if let Some(node) = node {
            let who = if matches!(node.kind, Kind::K3s | Kind::Rke2) { Who::Rancher } else { Who::Kubelet };
            all.add(who, Ok(node.pods.sandbox.clone()));
        }
        all
    }

    fn add(&mut self, who: Who, found: Result<Option<Word>, Unclear>) {
        match found {
            Ok(word) => self.said.extend(word.map(|word| Pause { who, word, writer: None })),
            Err(error) => self.unclear.push((who, error)),
        }
    }
}

fn flag(tree: &Tree, unit: &str) -> Result<Option<Word>, Unclear> {
    let Some(unit) = Unit::read(tree, unit)? else { return Ok(None) };
    Ok(values(&words(tree, &unit)?, SANDBOX_FLAG).pop())
}

// === impl Pause ===

impl Pause {
    /// The line to change, and what to do then.
    pub fn change(&self, substitute: Option<&str>) -> String {
        let (who, place) = (self.who, self.word.place());
        let substitute = substitute.unwrap_or("an image of a registry that stays");
        if let Some(config) = self.writer.and_then(Kind::configuration) {
            return format!(
                "set `{PAUSE_KEY}: {substitute}` in {config}, from which {place} is written at each start, and restart its service"
            );
        }
        let what = match who {
            // By the version of its file, it is called one or the other.
            Who::Runtime(Runtime::Containerd) => format!("the image in {place} (`sandbox_image`, or `sandbox`)"),
            Who::Runtime(Runtime::Crio) => format!("the image in {place} (`{}`)", who.key()),
            Who::Runtime(Runtime::Docker) | Who::Kubelet | Who::Rancher => format!("`{}` in {place}", who.key()),
        };
        format!("change {what} to {substitute}, then {}", who.restart())
    }
}

// === impl Who ===

impl Who {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runtime(runtime) => runtime.name(),
            Self::Kubelet => "the kubelet",
            Self::Rancher => "k3s or RKE2",
        }
    }

    /// What the image is said by.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Runtime(Runtime::Containerd) => "sandbox_image",
            Self::Runtime(Runtime::Crio) => "pause_image",
            Self::Runtime(Runtime::Docker) | Self::Kubelet => "--pod-infra-container-image",
            Self::Rancher => PAUSE_KEY,
        }
    }

    /// What has to be started anew for another one to hold.
    pub const fn restart(self) -> &'static str {
        match self {
            Self::Runtime(Runtime::Containerd) => "`systemctl restart containerd`",
            Self::Runtime(Runtime::Crio) => "`systemctl reload crio`",
            Self::Runtime(Runtime::Docker) => "`systemctl daemon-reload` and `systemctl restart cri-docker`",
            Self::Kubelet => "`systemctl restart kubelet`",
            Self::Rancher => "a restart of its service",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Content;

    #[test]
    fn everybody_who_says_something_is_heard() {
        let directory = tempfile::tempdir().unwrap();
        let content = |path: &str, text: &str| (path.into(), Some(Content::new(text)));
        let tree = Tree::at(directory.path()).with([
            content("/etc/containerd/config.toml", "[plugins.cri]\nsandbox_image = \"a/x:1\"\n"),
            content("/etc/crio/crio.conf", "[crio.image]\npause_image = 3\n[broken\n"),
            content(
                "/etc/systemd/system/cri-docker.service",
                "[Service]\nExecStart=/usr/bin/cri-dockerd --pod-infra-container-image b/x:1\n",
            ),
            content(
                "/etc/systemd/system/kubelet.service",
                "[Service]\nEnvironment=\"A=--pod-infra-container-image=c/x:1\"\nExecStart=/usr/bin/kubelet $A\n",
            ),
        ]);
        let node = Node::read(&tree, None).unwrap();
        let all = Sayings::read(&tree, Some(&node), &"/run/containerd/containerd.sock".parse().unwrap(), None);
        let said: Vec<_> = all.said.iter().map(|said| (said.who, said.word.text.as_str(), said.word.line)).collect();
        let [containerd, docker] = [Runtime::Containerd, Runtime::Docker].map(Who::Runtime);
        assert_eq!(said, [(containerd, "a/x:1", 2), (docker, "b/x:1", 2), (Who::Kubelet, "c/x:1", 2)]);
        let [(who, error)] = all.unclear.as_slice() else { panic!("{:?}", all.unclear) };
        assert_eq!(*who, Who::Runtime(Runtime::Crio));
        assert!(error.to_string().starts_with("/etc/crio/crio.conf:3: "), "{error}");
    }
}
