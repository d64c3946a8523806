//! What containerd is told: which image pods are made with, and who is asked instead of registries.

use super::document::Document;
use super::kubelet::{Word, values, words};
use super::tree::Tree;
use super::unclear::Unclear;
use super::unit::Unit;
use crate::runtime::{Address, sandbox};
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
}

/// Where a file is looked for that nobody names.
const UNIT: &str = "containerd.service";
/// The plugin that has to do with images, by the version of the file: from 3 on, before, and in the first.
const PLUGINS: [&str; 3] = ["io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri", "cri"];
/// More files than anybody imports.
const MOST: usize = 256;

// === impl Containerd ===

impl Containerd {
    /// That of the containerd at that socket, if it has one.
    ///
    /// # Errors
    ///
    /// When a file can't be understood.
    pub fn read(tree: &Tree, address: &Address) -> Result<Option<Self>, Unclear> {
        let usual = sandbox::files(address).iter().map(|file| PathBuf::from(*file));
        let named = named(tree)?.filter(|_| sandbox::is_node_s_own(address));
        let Some(file) = named.into_iter().chain(usual).find(|file| tree.has(file)) else { return Ok(None) };
        let mut all = Self { file: file.clone(), ..Self::default() };
        let imports = all.add(tree, &file)?;
        // What is imported goes before what imports it, and a later file before an earlier one.
        for import in imports.iter().take(MOST) {
            all.add(tree, import)?;
        }
        Ok(Some(all))
    }

    /// What a file says goes before what others said until then. Returns what it imports.
    fn add(&mut self, tree: &Tree, file: &Path) -> Result<Vec<PathBuf>, Unclear> {
        let Some(text) = tree.text(file)? else { return Ok(Vec::new()) };
        let document = Document::read(file, &text)?;
        self.files.push(file.to_owned());
        let sandbox = sandbox::KEYS.iter().find_map(|path| document.word(&[&["plugins"], *path].concat()));
        self.sandbox = sandbox.or_else(|| self.sandbox.take());
        for plugin in PLUGINS {
            let at = |key| ["plugins", plugin, "registry", key];
            self.config_path = document.word(&at("config_path")).or_else(|| self.config_path.take());
            self.mirrors.extend(document.keys(&at("mirrors")));
        }
        let mut imports = Vec::new();
        for import in document.words(&["imports"]) {
            imports.extend(matching(tree, file, &import.text)?);
        }
        Ok(imports)
    }

    /// The directories that have a `hosts.toml` for each registry.
    pub fn directories(&self) -> Vec<PathBuf> {
        let said = self.config_path.iter().flat_map(|word| word.text.split(':'));
        said.filter(|directory| !directory.is_empty()).map(PathBuf::from).collect()
    }
}

/// The file that the unit of the node's own containerd names.
fn named(tree: &Tree) -> Result<Option<PathBuf>, Unclear> {
    let Some(unit) = Unit::read(tree, UNIT)? else { return Ok(None) };
    // A unit that is odd in other ways runs all the same.
    let Ok(words) = words(tree, &unit) else { return Ok(None) };
    let short =
        words.iter().zip(words.iter().skip(1)).find(|(word, _)| word.text == "-c").map(|(_, next)| next.clone());
    let word = values(&words, "config").pop().or(short);
    Ok(word.map(|word| word.text.into()))
}

/// A path, or all of a directory that end alike (`conf.d/*.toml`), in order.
fn matching(tree: &Tree, file: &Path, import: &str) -> Result<Vec<PathBuf>, Unclear> {
    let directory = file.parent().unwrap_or(file);
    let Some((before, end)) = import.split_once('*') else { return Ok(vec![directory.join(import)]) };
    let directory = directory.join(before);
    let names = tree.names(&directory)?.into_iter().filter(|name| name.ends_with(end));
    Ok(names.map(|name| directory.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Content;

    fn read(files: &[(&str, &str)]) -> Result<Option<Containerd>, Unclear> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("etc/containerd/conf.d")).unwrap();
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), Some(Content::new(text))));
        let tree = Tree::at(directory.path()).with(files);
        Containerd::read(&tree, &"/run/containerd/containerd.sock".parse().unwrap())
    }

    #[test]
    fn every_version_is_read_with_its_lines() {
        for (plugin, sandbox) in [
            ("'io.containerd.cri.v1.images'", "pinned_images = { sandbox = 'k8s.gcr.io/pause:3.9' }"),
            ("\"io.containerd.grpc.v1.cri\"", "sandbox_image = \"k8s.gcr.io/pause:3.9\""),
            ("cri", "sandbox_image = \"k8s.gcr.io/pause:3.9\""),
        ] {
            let text = format!(
                "# note\n[plugins.{plugin}]\n{sandbox}\n[plugins.{plugin}.registry]\nconfig_path = '/a:/b'\n\
                 [plugins.{plugin}.registry.mirrors.\"k8s.gcr.io\"]\nendpoint = []\n"
            );
            let found = read(&[("/etc/containerd/config.toml", &text)]).unwrap().unwrap();
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
        let error = read(&[("/etc/containerd/config.toml", "a = 1\nb =\n")]).unwrap_err().to_string();
        assert!(error.starts_with("/etc/containerd/config.toml:2: "), "{error}");
    }

    #[test]
    fn an_import_goes_before_what_imports_it_and_the_unit_names_the_file() {
        let said = |image: &str| format!("[plugins.cri]\nsandbox_image = \"{image}\"\n");
        let main = "imports = [\"conf.d/*.toml\"]\n".to_owned() + &said("a/x:1");
        let (one, two) = (said("b/x:1"), said("c/x:1"));
        let mut files = vec![
            ("/etc/containerd/config.toml", main.as_str()),
            ("/etc/containerd/conf.d/1.toml", one.as_str()),
            ("/etc/containerd/conf.d/2.toml", two.as_str()),
        ];
        let found = read(&files).unwrap().unwrap();
        assert_eq!(found.sandbox.unwrap().place(), "/etc/containerd/conf.d/2.toml:2");
        assert_eq!(found.files.len(), 3);
        let unit = "[Service]\nExecStart=/usr/bin/containerd --config /opt/c.toml\n";
        let other = said("d/x:1");
        files.extend([("/etc/systemd/system/containerd.service", unit), ("/opt/c.toml", other.as_str())]);
        assert_eq!(read(&files).unwrap().unwrap().sandbox.unwrap().text, "d/x:1");
    }
}
