//! The files of a node, below a directory that stands for its root, as they are or as they would be.

use super::unclear::Unclear;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// A node's files. Paths are those of the node; what they lead to is below the root, links too.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
    /// What is taken to be there instead: a file, or none.
    instead: BTreeMap<PathBuf, Option<Content>>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its bytes.
    #[serde(serialize_with = "encode", deserialize_with = "decode")]
    pub bytes: Vec<u8>,
    /// Its permissions.
    pub mode: u32,
    /// Its user and group. Unset for a file that is yet to be made, which is its maker's.
    pub owner: Option<(u32, u32)>,
}

/// A larger file is no configuration of a kubelet.
const LARGEST: u64 = 4 << 20;
/// Directories within each other that are looked into.
const DEPTH: usize = 16;
/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;
/// Permissions, without the kind of the file.
const PERMISSIONS: u32 = 0o7777;

// === impl Tree ===

impl Tree {
    /// What is below `root`.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), instead: BTreeMap::new() }
    }

    /// The same, but for these files.
    #[must_use]
    pub fn with(&self, files: impl IntoIterator<Item = (PathBuf, Option<Content>)>) -> Self {
        let mut tree = self.clone();
        tree.instead.extend(files);
        tree
    }

    /// Where a path leads to; a link as its last component is not followed.
    ///
    /// # Errors
    ///
    /// When links lead round in circles, or one can't be read.
    pub fn real(&self, path: &Path) -> io::Result<PathBuf> {
        self.walk(path, false)
    }

    /// A file, if there is one.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is no file.
    pub fn find(&self, path: &Path) -> Result<Option<Content>, Unclear> {
        if let Some(instead) = self.instead.get(path) {
            return Ok(instead.clone());
        }
        match self.walk(path, true).and_then(|real| read(&real)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(Unclear::Unreadable { path: path.to_owned(), error }),
        }
    }

    /// What a file says, if there is one.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is no text.
    pub fn text(&self, path: &Path) -> Result<Option<String>, Unclear> {
        let Some(Content { bytes, .. }) = self.find(path)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|error| {
            let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|&&byte| byte == b'\n').count().saturating_add(1);
            Unclear::line(path, line, "this is not UTF-8")
        })
    }

    /// What a link says, if that is one.
    pub fn link(&self, path: &Path) -> Option<PathBuf> {
        if self.instead.contains_key(path) {
            return None;
        }
        fs::read_link(self.walk(path, false).ok()?).ok()
    }

    /// Whether anything has that name, be it a link to nowhere. What may not be looked at is there: who reads it then is told why not.
    pub fn has(&self, path: &Path) -> bool {
        match self.instead.get(path) {
            Some(instead) => instead.is_some(),
            None => match self.walk(path, false).and_then(fs::symlink_metadata) {
                Ok(_) => true,
                Err(error) => !is_absent(&error),
            },
        }
    }

    /// Whether it is a directory; a link to one is none.
    pub fn is_directory(&self, path: &Path) -> bool {
        self.walk(path, false).and_then(fs::symlink_metadata).is_ok_and(|found| found.is_dir())
    }

    /// The files in a directory and in those within it, by their names, as Go's programs walk it.
    ///
    /// # Errors
    ///
    /// When a directory can't be read, or they are too deep within each other.
    pub fn files(&self, directory: &Path) -> Result<Vec<PathBuf>, Unclear> {
        self.files_within(directory, DEPTH)
    }

    fn files_within(&self, directory: &Path, depth: usize) -> Result<Vec<PathBuf>, Unclear> {
        let mut files = Vec::new();
        for name in self.names(directory)? {
            let path = directory.join(&name);
            if self.is_directory(&path) {
                let deeper = depth.checked_sub(1);
                let deeper = deeper.ok_or_else(|| Unclear::file(&path, "directories are too deep within each other"));
                files.extend(self.files_within(&path, deeper?)?);
            } else {
                files.push(path);
            }
        }
        Ok(files)
    }

    /// The names in a directory, in order; none where there is no directory.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn names(&self, directory: &Path) -> Result<Vec<String>, Unclear> {
        let mut names = BTreeSet::new();
        let unreadable = |error| Unclear::Unreadable { path: directory.to_owned(), error };
        match self.walk(directory, true).and_then(fs::read_dir) {
            Ok(entries) => {
                for entry in entries {
                    let name = entry.map_err(unreadable)?.file_name();
                    names.insert(name.into_string().map_err(|name| {
                        let what = format!("the name of {} in it is not UTF-8", Path::new(&name).display());
                        Unclear::file(directory, what)
                    })?);
                }
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(unreadable(error)),
        }
        for (path, instead) in &self.instead {
            if path.parent() == Some(directory)
                && let Some(name) = path.file_name().and_then(|name| name.to_str())
            {
                if instead.is_some() {
                    names.insert(name.to_owned());
                } else {
                    names.remove(name);
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    /// The topmost directory that has to be made before there can be a file at `path`.
    pub fn missing(&self, path: &Path) -> Option<PathBuf> {
        let is_there = |directory: &Path| self.walk(directory, true).and_then(fs::metadata).is_ok();
        path.ancestors().skip(1).take_while(|directory| !is_there(directory)).last().map(Path::to_owned)
    }

    /// Follows a path as the node would for which the root is the root.
    fn walk(&self, path: &Path, follow_last: bool) -> io::Result<PathBuf> {
        let reversed = |path: &Path| {
            let parts = path.components().filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_owned()),
                Component::ParentDir => Some(OsString::from("..")),
                Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
            });
            parts.collect::<Vec<_>>().into_iter().rev()
        };
        let mut ahead: Vec<OsString> = reversed(path).collect();
        let (mut at, mut links) = (PathBuf::new(), 0_usize);
        while let Some(part) = ahead.pop() {
            if part == ".." {
                let _is_not_root = at.pop();
                continue;
            }
            let here = self.root.join(&at).join(&part);
            let is_last = ahead.is_empty();
            if (is_last && !follow_last) || !fs::symlink_metadata(&here).is_ok_and(|found| found.is_symlink()) {
                at.push(part);
                continue;
            }
            links = links.saturating_add(1);
            if links > MOST_LINKS {
                return Err(io::Error::other("its links lead round in a circle"));
            }
            let target = fs::read_link(&here)?;
            if target.is_absolute() {
                at.clear();
            }
            ahead.extend(reversed(&target));
        }
        Ok(self.root.join(at))
    }
}

// === impl Content ===

impl Content {
    /// A file of ours that everybody may read.
    pub fn new(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_owned(), mode: 0o644, owner: None }
    }

    /// The same file with another text in it.
    #[must_use]
    pub fn saying(&self, text: &str) -> Self {
        Self { bytes: text.as_bytes().to_owned(), ..self.clone() }
    }
}

fn read(real: &Path) -> io::Result<Content> {
    // Before it is opened: a pipe that nobody writes to would be waited for.
    if !fs::metadata(real)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = fs::File::open(real)?;
    let found = file.metadata()?;
    let mut bytes = Vec::new();
    let read = file.take(LARGEST.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read > LARGEST) {
        return Err(io::Error::other("it has more than 4 MiB"));
    }
    Ok(Content { bytes, mode: found.mode() & PERMISSIONS, owner: Some((found.uid(), found.gid())) })
}

/// A file in the place of a directory makes absent what would be in it.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn encode<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_nowhere_out_of_the_tree() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("usr/lib")).unwrap();
        fs::create_dir_all(at("etc")).unwrap();
        fs::write(at("usr/lib/inside"), "inside").unwrap();
        symlink("/usr/lib", at("lib")).unwrap();
        symlink("../../../../lib/inside", at("etc/up")).unwrap();
        symlink("round", at("etc/round")).unwrap();
        let tree = Tree::at(directory.path());
        for path in ["/lib/inside", "/etc/up", "/etc/../etc/up"] {
            assert_eq!(tree.text(Path::new(path)).unwrap().as_deref(), Some("inside"), "{path}");
        }
        assert_eq!(tree.text(Path::new("/etc/passwd")).unwrap(), None);
        assert!(tree.text(Path::new("/etc/round")).is_err());
        assert!(matches!(tree.find(Path::new("/etc")), Err(Unclear::Unreadable { .. })));
    }

    #[test]
    fn what_would_be_there_is_seen_as_if_it_were() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("d")).unwrap();
        fs::write(directory.path().join("d/there"), "").unwrap();
        let tree = Tree::at(directory.path()).with([
            ("/d/there".into(), None),
            ("/d/new".into(), Some(Content::new("x"))),
            ("/e/f".into(), None),
        ]);
        assert_eq!(tree.names(Path::new("/d")).unwrap(), ["new"]);
        assert_eq!(tree.find(Path::new("/d/there")).unwrap(), None);
        assert!(tree.has(Path::new("/d/new")) && !tree.has(Path::new("/d/there")));
        assert_eq!(tree.missing(Path::new("/e/f/g")), Some("/e".into()));
        assert_eq!(tree.missing(Path::new("/d/new")), None);
    }

    #[test]
    fn files_are_walked_as_go_s_programs_walk_them() {
        let directory = tempfile::tempdir().unwrap();
        for path in ["k.d/10.conf", "k.d/20/z.conf", "k.d/99.conf", "k.d/zz/a/b.conf"] {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let tree = Tree::at(directory.path());
        let found = tree.files(Path::new("/k.d")).unwrap();
        let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(found, ["/k.d/10.conf", "/k.d/20/z.conf", "/k.d/99.conf", "/k.d/zz/a/b.conf"]);
        assert!(tree.files_within(Path::new("/k.d"), 1).is_err());
    }

    #[test]
    fn what_may_not_be_looked_at_is_not_taken_for_absent() {
        let directory = tempfile::tempdir().unwrap();
        let closed = directory.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("x"), "").unwrap();
        // Whoever may look at anything is told by a name that is too long for a file.
        let long = format!("/closed/{}", "x".repeat(300));
        let tree = Tree::at(directory.path());
        assert!(tree.has(Path::new(&long)) && tree.find(Path::new(&long)).unwrap_err().is_unreadable());
        assert!(
            tree.has(Path::new("/closed/x"))
                && !tree.has(Path::new("/closed/y"))
                && !tree.has(Path::new("/closed/x/y"))
        );
    }
}
