//! All that the files of a node say of the image that pods are made with, and who says it.

use super::containerd::{Containerd, Instance};
use super::crio::{self, Crio};
use super::kubelet::{SANDBOX_FLAG, Word, values, words};
use super::rancher::PAUSE_KEY;
use super::runtime::{CRI_DOCKERD, Runtime};
use super::tree::Tree;
use super::unclear::Unclear;
use super::unit::{Unit, is_of_unit, restart};
use super::{Kind, Node};
use crate::runtime::Address;
use std::path::Path;

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
    /// Who writes that anew at each start: k3s or RKE2; and what these are told of it already.
    pub writer: Option<(Kind, Option<Word>)>,
    /// The units that read it.
    units: Vec<String>,
}

// === impl Sayings ===

impl Sayings {
    /// Those of a node whose runtime listens there, and is of that major version, where that is known.
    pub fn read(tree: &Tree, node: Option<&Node>, address: &Address, major: Option<u32>) -> Self {
        let mut all = Self::default();
        let containerd = Containerd::read(tree, Instance { address, node, major });
        let writer = containerd.as_ref().ok().and_then(|found| found.as_ref()?.writer);
        let units = node.map(|node| node.units.clone()).unwrap_or_default();
        let [its_unit, crio] = [Runtime::Containerd, Runtime::Crio].map(|runtime| vec![runtime.unit().to_owned()]);
        let its_units = if writer.is_some() { units.clone() } else { its_unit };
        let sandbox = containerd.map(|found| found.and_then(|found| found.sandbox));
        all.add(Who::Runtime(Runtime::Containerd), its_units, sandbox);
        for pause in &mut all.said {
            pause.writer = writer.map(|kind| (kind, node.and_then(|node| node.pods.pause.clone())));
        }
        let sandbox = Crio::read(tree).map(|found| found.and_then(|found| found.sandbox));
        all.add(Who::Runtime(Runtime::Crio), crio, sandbox);
        for unit in CRI_DOCKERD {
            all.add(Who::Runtime(Runtime::Docker), vec![unit.to_owned()], flag(tree, unit));
        }
        if let Some(node) = node {
            all.add(Who::Rancher, units.clone(), Ok(node.pods.pause.clone()));
            all.add(Who::Kubelet, units, Ok(node.pods.sandbox.clone()));
        }
        all
    }

    fn add(&mut self, who: Who, units: Vec<String>, found: Result<Option<Word>, Unclear>) {
        match found {
            Ok(word) => self.said.extend(word.map(|word| Pause { who, word, writer: None, units })),
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
        let substitute = substitute.unwrap_or("an image of a registry that stays");
        // A key that is there already is none to be set a second time.
        let (who, word) = match &self.writer {
            Some((_, Some(told))) => (Who::Rancher, told),
            Some((kind, None)) => {
                return format!(
                    "set `{PAUSE_KEY}: {substitute}` in {}, from which {} is written at each start, then {}",
                    kind.configuration().unwrap_or("its configuration"),
                    self.word.place(),
                    restart(&self.units, false)
                );
            }
            None => (self.who, &self.word),
        };
        let place = word.place();
        let what = match who {
            // By the version of its file, it is called one or the other.
            Who::Runtime(Runtime::Containerd) => format!("the image in {place} (`sandbox_image`, or `sandbox`)"),
            Who::Runtime(Runtime::Crio) => format!("the image in {place} (`{}`)", who.key()),
            Who::Runtime(Runtime::Docker) | Who::Kubelet | Who::Rancher => format!("`{}` in {place}", who.key()),
        };
        format!("change {what} to {substitute}, then {}", self.restart(who, &word.file))
    }

    /// What has to be started anew for what is said in that file to hold.
    fn restart(&self, who: Who, file: &Path) -> String {
        // Its configuration is what CRI-O reads anew; flags it has from its start.
        if who == Who::Runtime(Runtime::Crio) && [crio::FILE, crio::DIRECTORY].iter().any(|read| file.starts_with(read))
        {
            return "`systemctl reload crio`".to_owned();
        }
        restart(&self.units, is_of_unit(file))
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
