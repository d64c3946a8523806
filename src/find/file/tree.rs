//! A directory with all below it, as git sees it.
//!
//! The walk that comes with the patterns would read the user's own, too, for which it looks up users, and a static program has no
//! good way of that; nor should what is found depend on who looks.

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a directory says is to be left out, and the one that it is in.
struct Level {
    patterns: Vec<Gitignore>,
    above: Option<Rc<Self>>,
}

/// What is yet to be looked at.
struct Entry {
    /// As it is called.
    path: PathBuf,
    /// Where it is.
    real: PathBuf,
    is_directory: bool,
    level: Rc<Level>,
}

/// Files of patterns, the one that has the last word first.
const FILES: [&str; 2] = [".ignore", ".gitignore"];

/// More patterns nobody writes.
const LARGEST: u64 = 1 << 20;

/// Shows `see` the files below a directory, in order. Those are left out whose names begin with a dot, or that `.gitignore` and
/// `.ignore` leave out, also those of the directories above in the same repository; links are not followed.
pub(super) fn walk(root: &Path, see: &mut dyn FnMut(Result<PathBuf, (PathBuf, io::Error)>)) {
    let real = match root.canonicalize() {
        Ok(real) => real,
        Err(error) => return see(Err((root.to_owned(), error))),
    };
    let level = above(&real);
    let mut rest = vec![Entry { path: root.to_owned(), real, is_directory: true, level }];
    while let Some(entry) = rest.pop() {
        if !entry.is_directory {
            see(Ok(entry.path));
            continue;
        }
        match entries(&entry) {
            Ok(entries) => rest.extend(entries.into_iter().rev()),
            Err(error) => see(Err((entry.path, error))),
        }
    }
}

/// What is in a directory and not left out, by name.
fn entries(directory: &Entry) -> io::Result<Vec<Entry>> {
    let level = Rc::new(Level { patterns: patterns(&directory.real), above: Some(Rc::clone(&directory.level)) });
    let mut entries = Vec::new();
    for entry in fs::read_dir(&directory.path)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        let real = directory.real.join(&name);
        if is_hidden || !(kind.is_dir() || kind.is_file()) || level.leaves_out(&real, kind.is_dir()) {
            continue;
        }
        entries.push(Entry {
            path: directory.path.join(&name),
            real,
            is_directory: kind.is_dir(),
            level: Rc::clone(&level),
        });
    }
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(entries)
}

/// What the directories above say, up to the one that the repository is in. Where there is none, they say nothing.
fn above(root: &Path) -> Rc<Level> {
    let mut directories: Vec<&Path> = root.ancestors().skip(1).collect();
    let has_git = |directory: &&Path| directory.join(".git").exists();
    let repository = if has_git(&root) { None } else { directories.iter().position(has_git) };
    directories.truncate(repository.map_or(0, |at| at.saturating_add(1)));
    let top = Rc::new(Level { patterns: Vec::new(), above: None });
    directories
        .iter()
        .rev()
        .fold(top, |above, directory| Rc::new(Level { patterns: patterns(directory), above: Some(above) }))
}

/// What a directory says itself. A line that is no pattern is none to git either.
fn patterns(directory: &Path) -> Vec<Gitignore> {
    let is_file = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= LARGEST);
    let files = FILES.iter().map(|name| directory.join(name)).filter(is_file);
    let read = |path: PathBuf| {
        let mut patterns = GitignoreBuilder::new(directory);
        let _lines_that_are_none = patterns.add(path);
        patterns.build().ok()
    };
    files.filter_map(read).collect()
}

// === impl Level ===

impl Level {
    /// Whether the nearest pattern that is about it says so.
    fn leaves_out(&self, path: &Path, is_directory: bool) -> bool {
        let mut level = Some(self);
        while let Some(here) = level {
            for patterns in &here.patterns {
                match patterns.matched(path, is_directory) {
                    Match::Ignore(_) => return true,
                    Match::Whitelist(_) => return false,
                    Match::None => {}
                }
            }
            level = here.above.as_deref();
        }
        false
    }
}
