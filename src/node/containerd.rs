//! What containerd is told: which image pods are made with, and who is asked instead of registries.
//!
//! It reads its file and those that this imports, and what those import, one after another; a later one has the last word. Which
//! plugin's section counts is a matter of the file's `version`, so a section that an upgrade left behind says nothing. containerd 1 takes a
//! plugin's section of a later file in the place of the whole one before; containerd 2 puts both together, key by key, and reads
//! files of earlier versions as if they had been written for its own.

use super::document::Document;
use super::glob;
use super::kubelet::{Word, values, words};
use super::rancher;
use super::tree::Tree;
use super::unclear::Unclear;
use super::unit::Unit;
use super::{Kind, Node};
use crate::runtime::Address;
use crate::runtime::endpoint::straight;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// containerd's configuration, that of its CRI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Containerd {
    /// The file that is read first.
    pub file: PathBuf,
    /// That file and those that it imports, as far as they are there.
    pub files: Vec<PathBuf>,
    /// The image that pods are made with.
    pub sandbox: Option<Word>,
    /// Directories with a `hosts.toml` for each registry.
    pub config_path: Option<Word>,
    /// Registries that something else is asked for, in the deprecated way.
    pub mirrors: Vec<Word>,
    /// Who writes it anew at each start: k3s or RKE2.
    pub writer: Option<Kind>,
    /// Registries of which TLS is said in the deprecated way.
    pub tls: Vec<Word>,
    /// The `version` of the first file.
    version: Option<u32>,
}

/// A containerd, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    /// Where it listens.
    pub address: &'a Address,
    /// What it is on.
    pub node: Option<&'a Node>,
    /// The first number of its version.
    pub major: Option<u32>,
}

/// Where the configuration is looked for that nobody names.
pub const FILE: &str = "/etc/containerd/config.toml";
/// The unit of the node's own containerd.
pub const UNIT: &str = "containerd.service";

/// Where it is of those that Kubernetes distributions bring along, by their sockets. Beside them the file above is another's:
/// Docker's, as a rule, which has nothing to do with pods. k3s and RKE2 have theirs among their data.
const BROUGHT_ALONG: &[(&str, &str)] = &[
    ("/run/k0s/containerd.sock", "/etc/k0s/containerd.toml"),
    ("/var/snap/microk8s/common/run/containerd.sock", "/var/snap/microk8s/current/args/containerd.toml"),
];
/// Where it is below what k3s and RKE2 have for the node.
const AMONG_DATA: &str = "etc/containerd/config.toml";

/// A plugin that has to do with images, and where in its section the sandbox image is named.
struct Plugin {
    name: &'static str,
    sandbox: &'static [&'static str],
}

/// That of files of version 3 and later.
const IMAGES: Plugin = Plugin { name: "io.containerd.cri.v1.images", sandbox: &["pinned_images", "sandbox"] };
/// That of version 2.
const CRI: Plugin = Plugin { name: "io.containerd.grpc.v1.cri", sandbox: &["sandbox_image"] };
/// That of version 1, which is also that of a file that says none.
const SHORT: Plugin = Plugin { name: "cri", sandbox: &["sandbox_image"] };

/// More files than anybody imports.
const MOST: usize = 256;

// === impl Containerd ===

impl Containerd {
    /// That of a containerd, if it has one, as that one reads it.
    ///
    /// # Errors
    ///
    /// When a file can't be understood.
    pub fn read(tree: &Tree, Instance { address, node, major }: Instance<'_>) -> Result<Option<Self>, Unclear> {
        let mut places = places(tree, address, node).into_iter();
        let Some((file, writer)) = places.find(|(file, _)| tree.has(file)) else { return Ok(None) };
        let mut all = Self { file: file.clone(), writer, ..Self::default() };
        let mut waiting = VecDeque::from([file]);
        while let Some(file) = waiting.pop_front().filter(|_| all.files.len() < MOST) {
            // They may import each other.
            if !all.files.contains(&file) {
                waiting.extend(all.add(tree, &file, major)?);
            }
        }
        Ok(Some(all))
    }

    /// What a file says goes before what others said until then. Returns what it imports.
    fn add(&mut self, tree: &Tree, file: &Path, major: Option<u32>) -> Result<Vec<PathBuf>, Unclear> {
        let Some(text) = tree.text(file)? else { return Ok(Vec::new()) };
        let document = Document::read(file, &text)?;
        self.files.push(file.to_owned());
        let own = document.number(&["version"]);
        self.version = self.version.or(own);
        // No other reads those.
        let major = major.or_else(|| self.is_for_the_second().then_some(2));
        for Plugin { name, sandbox } in plugins(own.or(self.version), major) {
            if major != Some(2) && document.has(&["plugins", name]) {
                (self.sandbox, self.config_path) = (None, None);
                self.mirrors.clear();
                self.tls.clear();
            }
            let word = |path: &[&str]| document.word(&[&["plugins", *name], path].concat());
            self.sandbox = word(sandbox).or_else(|| self.sandbox.take());
            self.config_path = word(&["registry", "config_path"]).or_else(|| self.config_path.take());
            self.mirrors.extend(document.keys(&["plugins", name, "registry", "mirrors"]));
            let configs = ["plugins", *name, "registry", "configs"];
            let has_tls = |word: &Word| document.has(&[&configs[..], &[word.text.as_str(), "tls"]].concat());
            self.tls.extend(document.keys(&configs).into_iter().filter(has_tls));
        }
        let mut imports = Vec::new();
        for import in document.words(&["imports"]) {
            let path = straight(&file.parent().unwrap_or(file).join(&import.text));
            imports.extend(if import.text.contains('*') { glob::matching(tree, &path)? } else { vec![path] });
        }
        Ok(imports)
    }

    /// Whether no other than a second containerd, or a later one, reads these files.
    pub fn is_for_the_second(&self) -> bool {
        self.version.is_some_and(|version| version >= 3)
    }

    /// The directories that have a `hosts.toml` for each registry.
    pub fn directories(&self) -> Vec<PathBuf> {
        let said = self.config_path.iter().flat_map(|word| word.text.split(':'));
        said.filter(|directory| !directory.is_empty()).map(PathBuf::from).collect()
    }
}

/// The plugins whose sections of a file of that version count; the last of them has the last word.
fn plugins(version: Option<u32>, major: Option<u32>) -> &'static [Plugin] {
    match (version.unwrap_or(1), major) {
        (3.., _) => &[IMAGES],
        (2, Some(1)) => &[CRI],
        (2, _) => &[IMAGES, CRI],
        (_, Some(1)) => &[SHORT],
        _ => &[IMAGES, CRI, SHORT],
    }
}

fn is_at(address: &Address, socket: &str) -> bool {
    socket.parse().is_ok_and(|socket| address.is_same_as(&socket))
}

/// Whether the containerd there is the one that k3s and RKE2 bring along, in their own unit.
pub fn is_rancher_s(address: &Address) -> bool {
    is_at(address, rancher::OWN)
}

/// Whether it is one that some distribution brings along, which the node's usual file says nothing to.
pub fn is_brought_along(address: &Address) -> bool {
    is_rancher_s(address) || BROUGHT_ALONG.iter().any(|(socket, _)| is_at(address, socket))
}

/// The files of which the first that is there is the one, and who writes it.
fn places(tree: &Tree, address: &Address, node: Option<&Node>) -> Vec<(PathBuf, Option<Kind>)> {
    if is_rancher_s(address) {
        let written = |kind: Kind, agent: PathBuf| (agent.join(AMONG_DATA), Some(kind));
        return match node.and_then(|node| Some((node.kind, node.agent.clone()?))) {
            Some((kind, agent)) => vec![written(kind, agent)],
            None => [Kind::K3s, Kind::Rke2].into_iter().filter_map(|kind| Some(written(kind, kind.agent()?))).collect(),
        };
    }
    if let Some((_, file)) = BROUGHT_ALONG.iter().find(|(socket, _)| is_at(address, socket)) {
        return vec![((*file).into(), None)];
    }
    named(tree).into_iter().chain([FILE.into()]).map(|file| (file, None)).collect()
}

/// The file that the unit of the node's own containerd names. A unit that is odd runs all the same, by what is usual.
fn named(tree: &Tree) -> Option<PathBuf> {
    let unit = Unit::read(tree, UNIT).ok()??;
    let words = words(tree, &unit).ok()?;
    let short =
        || words.iter().zip(words.iter().skip(1)).find(|(word, _)| word.text == "-c").map(|(_, next)| next.clone());
    values(&words, "config").pop().or_else(short).map(|word| word.text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Content;

    const MAIN: &str = "/etc/containerd/config.toml";

    fn read_by(major: Option<u32>, socket: &str, files: &[(&str, &str)]) -> Result<Option<Containerd>, Unclear> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("etc/containerd/conf.d")).unwrap();
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), Some(Content::new(text))));
        let tree = Tree::at(directory.path()).with(files);
        Containerd::read(&tree, Instance { address: &socket.parse().unwrap(), node: None, major })
    }

    fn read(files: &[(&str, &str)]) -> Result<Option<Containerd>, Unclear> {
        read_by(None, "/run/containerd/containerd.sock", files)
    }

    fn sandbox(major: Option<u32>, files: &[(&str, &str)]) -> Option<String> {
        let found = read_by(major, "/run/containerd/containerd.sock", files).unwrap().unwrap();
        found.sandbox.map(|word| word.text)
    }

    fn said(image: &str) -> String {
        format!("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{image}\"\n")
    }

    #[test]
    fn every_version_is_read_with_its_lines() {
        for (version, plugin, sandbox) in [
            (3, "'io.containerd.cri.v1.images'", "pinned_images = { sandbox = 'k8s.gcr.io/pause:3.9' }"),
            (2, "\"io.containerd.grpc.v1.cri\"", "sandbox_image = \"k8s.gcr.io/pause:3.9\""),
            (1, "cri", "sandbox_image = \"k8s.gcr.io/pause:3.9\""),
        ] {
            let text = format!(
                "version = {version}\n[plugins.{plugin}]\n{sandbox}\n[plugins.{plugin}.registry]\nconfig_path = '/a:/b'\n\
                 [plugins.{plugin}.registry.mirrors.\"k8s.gcr.io\"]\nendpoint = []\n"
            );
            let found = read(&[(MAIN, &text)]).unwrap().unwrap();
            let said = found.sandbox.clone().unwrap();
            assert_eq!(
                (said.text.as_str(), said.place().as_str()),
                ("k8s.gcr.io/pause:3.9", "/etc/containerd/config.toml:3")
            );
            assert_eq!(found.directories(), [Path::new("/a"), Path::new("/b")]);
            let [mirror] = found.mirrors.as_slice() else { panic!("{plugin}: {:?}", found.mirrors) };
            assert_eq!((mirror.text.as_str(), mirror.line), ("k8s.gcr.io", 6), "{plugin}");
        }
        assert_eq!(read(&[]).unwrap(), None);
        for text in ["", "version = 3", "[plugins]\nx = 1", "[plugins.cri]\nsandbox_image = 3"] {
            assert_eq!(sandbox(None, &[(MAIN, text)]), None, "{text}");
        }
        let error = read(&[(MAIN, "a = 1\nb =\n")]).unwrap_err().to_string();
        assert!(error.starts_with("/etc/containerd/config.toml:2: "), "{error}");
    }

    #[test]
    fn a_section_for_another_version_of_the_file_says_nothing() {
        let new = "[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 'new/x:1'\n";
        let old = "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = 'old/x:1'\n";
        let oldest = "[plugins.cri]\nsandbox_image = 'oldest/x:1'\n";
        for (major, version, text, expected) in [
            (None, 3, format!("{new}{old}"), Some("new/x:1")),
            (None, 3, old.to_owned(), None),
            (Some(1), 2, format!("{new}{old}{oldest}"), Some("old/x:1")),
            (Some(1), 2, new.to_owned(), None),
            (Some(2), 2, new.to_owned(), Some("new/x:1")),
            (Some(2), 2, format!("{new}{old}"), Some("old/x:1")),
            (Some(1), 1, format!("{new}{old}"), None),
            (Some(1), 1, format!("{oldest}{old}"), Some("oldest/x:1")),
        ] {
            let text = format!("version = {version}\n{text}");
            assert_eq!(sandbox(major, &[(MAIN, &text)]).as_deref(), expected, "{major:?}: {text}");
        }
    }

    #[test]
    fn an_import_goes_before_what_imports_it_and_the_unit_names_the_file() {
        let main = "imports = [\"conf.d/*.toml\", \"none.toml\"]\n".to_owned() + &said("a/x:1");
        let (one, two, three) =
            (said("b/x:1"), said("c/x:1"), "imports = [\"../more/*/[0-9].toml\"]\n".to_owned() + &said("c/y:1"));
        let mut files = vec![
            (MAIN, main.as_str()),
            ("/etc/containerd/conf.d/1.toml", one.as_str()),
            ("/etc/containerd/conf.d/2.toml", two.as_str()),
        ];
        assert_eq!(sandbox(None, &files[..1]).as_deref(), Some("a/x:1"));
        let found = read(&files).unwrap().unwrap();
        assert_eq!(found.sandbox.unwrap().place(), "/etc/containerd/conf.d/2.toml:3");
        assert_eq!(found.files.len(), 3);
        // What an import imports comes after all that the first file does, and none is read twice.
        let round = "imports = [\"../../config.toml\", \"1.toml\"]\n".to_owned() + &said("e/x:1");
        let directory = tempfile::tempdir().unwrap();
        for made in ["etc/containerd/conf.d", "etc/containerd/more/x"] {
            std::fs::create_dir_all(directory.path().join(made)).unwrap();
        }
        let nested = [
            (MAIN, main.as_str()),
            ("/etc/containerd/conf.d/1.toml", three.as_str()),
            ("/etc/containerd/conf.d/2.toml", two.as_str()),
            ("/etc/containerd/more/x/1.toml", round.as_str()),
        ];
        let tree = Tree::at(directory.path()).with(nested.map(|(path, text)| (path.into(), Some(Content::new(text)))));
        let address = "/run/containerd/containerd.sock".parse().unwrap();
        let found = Containerd::read(&tree, Instance { address: &address, node: None, major: None }).unwrap().unwrap();
        assert_eq!((found.sandbox.unwrap().text.as_str(), found.files.len()), ("e/x:1", 4));
        let unit = "[Service]\nExecStart=/usr/bin/containerd --config /opt/c.toml\n";
        let other = said("d/x:1");
        files.extend([("/etc/systemd/system/containerd.service", unit), ("/opt/c.toml", other.as_str())]);
        assert_eq!(sandbox(None, &files).as_deref(), Some("d/x:1"));
    }

    #[test]
    fn the_first_containerd_takes_a_later_section_as_a_whole_and_the_second_key_by_key() {
        let section = "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/a\"\n";
        let main = format!("imports = [\"x.toml\"]\n{}{section}", said("a/x:1"));
        for (major, more, expected) in [
            (Some(1), section, None),
            (Some(2), section, Some("a/x:1")),
            (None, section, None),
            (Some(1), "[plugins.\"io.containerd.runtime.v1.linux\"]\nshim_debug = true\n", Some("a/x:1")),
        ] {
            let files = [(MAIN, main.as_str()), ("/etc/containerd/x.toml", more)];
            assert_eq!(sandbox(major, &files).as_deref(), expected, "{major:?}: {more}");
        }
        let third = "version = 3\nimports = [\"x.toml\"]\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 'a/x:1'\n";
        let more = "[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'native'\n";
        assert_eq!(sandbox(None, &[(MAIN, third), ("/etc/containerd/x.toml", more)]).as_deref(), Some("a/x:1"));
    }

    #[test]
    fn the_containerd_that_a_distribution_brings_along_is_not_configured_by_the_node_s_own() {
        let all = [MAIN, "/var/lib/rancher/k3s/agent/etc/containerd/config.toml", "/etc/k0s/containerd.toml"];
        let files = all.map(|file| (file, ""));
        for (socket, file) in [
            ("/run/containerd/containerd.sock", MAIN),
            ("/run/elsewhere.sock", MAIN),
            ("unix:///run/k3s/containerd/containerd.sock", all[1]),
            ("/run/k0s/./containerd.sock", all[2]),
        ] {
            assert_eq!(read_by(None, socket, &files).unwrap().unwrap().file, Path::new(file), "{socket}");
        }
        let own = rancher::OWN.strip_prefix("unix://").unwrap();
        for socket in BROUGHT_ALONG.iter().map(|(socket, _)| *socket).chain([own]) {
            assert_eq!(read_by(None, socket, &files[..1]).unwrap(), None, "{socket}");
            assert!(crate::runtime::discovery::USUAL.contains(&socket), "{socket}");
        }
    }

    #[test]
    fn k3s_and_rke2_write_theirs_among_their_data_wherever_that_is() {
        let at = |data: &str| format!("{data}/agent/etc/containerd/config.toml");
        let all = ["/var/lib/rancher/k3s", "/var/lib/rancher/rke2", "/data"].map(at);
        for (unit, config, said, file, kind) in [
            ("k3s.service", "/etc/rancher/k3s/config.yaml", "", &all[0], Kind::K3s),
            ("k3s.service", "/etc/rancher/k3s/config.yaml", "data-dir: /data\n", &all[2], Kind::K3s),
            // What k3s left behind is not RKE2's.
            ("rke2-server.service", "/etc/rancher/rke2/config.yaml", "", &all[1], Kind::Rke2),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let unit = format!("/etc/systemd/system/{unit}");
            let files = all.iter().map(|file| (file.as_str(), ""));
            let files = files.chain([(unit.as_str(), "[Service]\nExecStart=/usr/bin/x server\n"), (config, said)]);
            let tree =
                Tree::at(directory.path()).with(files.map(|(path, text)| (path.into(), Some(Content::new(text)))));
            let node = Node::look(&tree).unwrap();
            let address = rancher::OWN.parse().unwrap();
            let found = Containerd::read(&tree, Instance { address: &address, node: Some(&node), major: None });
            let found = found.unwrap().unwrap();
            assert_eq!((found.file.to_str().unwrap(), found.writer), (file.as_str(), Some(kind)), "{said}");
            let manifests = node.pods.manifests.unwrap().text;
            assert_eq!(manifests, file.replace("etc/containerd/config.toml", "pod-manifests"));
        }
    }
}
