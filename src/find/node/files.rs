//! Static pods, and what the kubelet and the runtime are told.

use super::{Found, Kind, Mention, Place, Site, Whose, substitute, unread};
use crate::find::document::{Document, Form};
use crate::node::containerd::{Containerd, Instance};
use crate::node::crio;
use crate::node::pause::{Pause, Sayings};
use crate::node::{Kind as NodeKind, Node};
use crate::runtime::Address;
use std::path::{Path, PathBuf};

/// Flags that kubeadm and the kubelet's packages keep.
const FLAGS: &[&str] = &["/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet"];

/// Where k3s and RKE2 are told what they tell their kubelets; whatever kind of node it looks like.
const RANCHER: [&str; 2] = ["/etc/rancher/k3s", "/etc/rancher/rke2"];

pub(super) fn look(site: &Site<'_>, node: Option<&Node>, runtime: &Address) -> Found {
    let mut found = sandbox(site, node, runtime);
    for manifest in manifests(site, node, &mut found) {
        // A kubelet reads whatever is in there.
        read(site, &manifest, Form::of(&manifest).unwrap_or(Form::Yaml(Kind::Manifest)), &mut found);
    }
    let mut files: Vec<PathBuf> = FLAGS.iter().map(PathBuf::from).collect();
    // What could not be understood was told of with the sandbox image.
    files.extend(
        Containerd::read(site.tree, Instance { address: runtime, node, major: None })
            .ok()
            .flatten()
            .map(|found| found.files)
            .unwrap_or_default(),
    );
    files.push(crio::FILE.into());
    files.extend(RANCHER.iter().map(|directory| Path::new(directory).join("config.yaml")));
    let drop_ins = RANCHER.iter().map(|directory| Path::new(directory).join("config.yaml.d"));
    for directory in drop_ins.chain([PathBuf::from(crio::DIRECTORY)]) {
        files.extend(site.tree.names(&directory).unwrap_or_default().iter().map(|name| directory.join(name)));
    }
    for file in files {
        let mut others = Found::default();
        read(site, &file, Form::text(&file), &mut others);
        let is_known = |mention: &Mention| {
            found
                .mentions
                .iter()
                .any(|known| known.place.file == mention.place.file && known.place.line == mention.place.line)
        };
        others.mentions.retain(|mention| !is_known(mention));
        found.add(others);
    }
    found
}

/// Everybody's word on the image that pods are made with.
fn sandbox(site: &Site<'_>, node: Option<&Node>, runtime: &Address) -> Found {
    let Sayings { said, unclear } = Sayings::read(site.tree, node, runtime, None);
    let mention = |pause: &Pause| {
        let word = &pause.word;
        let file = Some(word.file.display().to_string());
        let place = Place { file, line: Some(word.line), ..Place::default() };
        let remedy = Some(pause.change(substitute(&word.text, site).as_deref()));
        Mention { whose: Whose::Nobody, remedy, ..Mention::new(word.text.clone(), Kind::Node, place) }
    };
    Found {
        mentions: said.iter().map(mention).collect(),
        unread: unclear.iter().map(|(_, error)| unread("the sandbox image", error.to_string())).collect(),
        files: 0,
    }
}

/// The manifests of static pods.
fn manifests(site: &Site<'_>, node: Option<&Node>, found: &mut Found) -> Vec<PathBuf> {
    let usual = || node.map_or(NodeKind::Plain, |node| node.kind).manifests();
    let said = node.and_then(|node| node.pods.manifests.as_ref()).map(|word| PathBuf::from(&word.text));
    let path = said.unwrap_or_else(usual);
    if matches!(site.tree.find(&path), Ok(Some(_))) {
        return vec![path];
    }
    match site.tree.names(&path) {
        // As a kubelet does, which passes over what editors leave.
        Ok(names) => names.iter().filter(|name| !name.starts_with('.')).map(|name| path.join(name)).collect(),
        Err(error) => {
            found.unread.push(unread("the manifests of static pods", error.to_string()));
            Vec::new()
        }
    }
}

fn read(site: &Site<'_>, file: &Path, form: Form, found: &mut Found) {
    let name = file.display().to_string();
    match site.tree.text(file) {
        Ok(Some(text)) => {
            let (mentions, unread) = Document { name: &name, text: &text, form, namespace: None }.read();
            found.files = found.files.saturating_add(1);
            found.mentions.extend(mentions);
            found.unread.extend(unread);
        }
        Ok(None) => {}
        Err(error) => found.unread.push(unread(&name, error.to_string())),
    }
}
