//! Does what is planned, one step after another, each of which may be the last one of this process.

use super::attributes;
use super::journal::{Entry, Journal, State};
use crate::node::{Content, Tree, Unclear};
use rustix::fs::{Gid, Uid, fchown};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is done to a node. Each is done as a whole or not at all, whenever the power goes; of a removal, the file is.
pub trait Effects {
    /// Writes a file, and the directories that it needs, beside the place where it is to be.
    ///
    /// # Errors
    ///
    /// When that can't be done; nothing has changed, then.
    fn stage(&mut self, path: &Path, content: &Content) -> io::Result<()>;

    /// Puts what was written beside its place there.
    ///
    /// # Errors
    ///
    /// When that can't be done; nothing has changed, then.
    fn commit(&mut self, path: &Path) -> io::Result<()>;

    /// Removes a file, if it is there, and then the directories up to `made` that nothing else is in.
    ///
    /// # Errors
    ///
    /// When that can't be done.
    fn remove(&mut self, path: &Path, made: Option<&Path>) -> io::Result<()>;

    /// Removes what an interruption left beside a place.
    ///
    /// # Errors
    ///
    /// When that can't be done.
    fn sweep(&mut self, path: &Path) -> io::Result<()>;

    /// Runs a command.
    ///
    /// # Errors
    ///
    /// When it fails.
    fn run(&mut self, words: &[&str]) -> io::Result<()>;
}

/// The files below a directory, and the machine's own commands.
#[derive(Debug)]
pub struct Disk {
    tree: Tree,
}

/// A step that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// A file.
    #[error("cannot {verb} {}", path.display())]
    File {
        /// What was to be done with it.
        verb: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A command.
    #[error("`{0}` failed")]
    Command(String, #[source] io::Error),
    /// What is there is not what was expected.
    #[error(transparent)]
    Unclear(#[from] Unclear),
}

/// By what end files are known that are not in their place yet. Neither a kubelet nor systemd nor k3s reads it.
const STAGED: &str = ".repoint-new";

/// Writes the record.
///
/// # Errors
///
/// When that can't be done.
pub fn record(effects: &mut dyn Effects, state: &Path, journal: &Journal) -> Result<(), Failed> {
    write(effects, &Journal::path(state), &journal.to_content())
}

/// Whose files changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// repoint's.
    pub own: bool,
    /// The kubelet's.
    pub kubelet: bool,
}

/// Makes files what they are to be, those that are not so yet. Says whether any was not.
///
/// # Errors
///
/// When one can't be; the record says how to go on, or back.
pub fn put_in<'a>(
    effects: &mut dyn Effects,
    tree: &Tree,
    entries: impl Iterator<Item = &'a Entry>,
) -> Result<bool, Failed> {
    let mut has_changed = false;
    for entry in entries {
        let wanted = entry.after.as_ref().or(entry.before.as_ref());
        has_changed |= make(effects, tree, entry, wanted)?;
    }
    Ok(has_changed)
}

/// Makes files what they are without us, the last one first. Says whether any was not.
///
/// # Errors
///
/// When one can't be; the record says how to go on.
pub fn take_out(effects: &mut dyn Effects, tree: &Tree, journal: &Journal) -> Result<Changed, Failed> {
    lead_back(effects, tree, journal, &tree.with(journal.originals(tree)?))
}

/// Makes the files of `journal` what they are in `then`, the last one first. Says whether any was not.
///
/// # Errors
///
/// When one can't be; the record says how to go on.
pub fn lead_back(effects: &mut dyn Effects, tree: &Tree, journal: &Journal, then: &Tree) -> Result<Changed, Failed> {
    let mut changed = Changed::default();
    for entry in journal.entries.iter().rev() {
        let has_changed = make(effects, tree, entry, then.find(&entry.path)?.as_ref())?;
        let whose = if entry.is_kubelet { &mut changed.kubelet } else { &mut changed.own };
        *whose |= has_changed;
    }
    Ok(changed)
}

/// Forgets: all is as it was.
///
/// # Errors
///
/// When the record can't be removed.
pub fn forget(effects: &mut dyn Effects, tree: &Tree, state: &Path, journal: Option<&Journal>) -> Result<(), Failed> {
    let path = Journal::path(state);
    effects.sweep(&path).map_err(failed("tidy up beside", &path))?;
    if tree.has(&path) {
        let made = journal.and_then(|journal| journal.made.as_deref());
        effects.remove(&path, made).map_err(failed("remove", &path))?;
    }
    Ok(())
}

/// Has systemd read its units again, where they changed, and the kubelet start anew. Not that it has: k3s says so when all of
/// the node is ready, which may be never.
///
/// # Errors
///
/// When systemd does not.
pub fn restart(effects: &mut dyn Effects, has_units: bool, unit: &str) -> Result<(), Failed> {
    reload(effects, has_units)?;
    run(effects, &["systemctl", "restart", "--no-block", unit])
}

/// Has systemd read its units again, where they changed.
///
/// # Errors
///
/// When systemd does not.
pub fn reload(effects: &mut dyn Effects, has_units: bool) -> Result<(), Failed> {
    if has_units { run(effects, &["systemctl", "daemon-reload"]) } else { Ok(()) }
}

/// Runs a command.
///
/// # Errors
///
/// When it fails.
pub fn run(effects: &mut dyn Effects, words: &[&str]) -> Result<(), Failed> {
    effects.run(words).map_err(|error| Failed::Command(words.join(" "), error))
}

/// All of an installation that touches files: as much as is done to a tree that is no running node.
///
/// # Errors
///
/// When a step can't be done.
pub fn install(effects: &mut dyn Effects, tree: &Tree, state: &Path, journal: &Journal) -> Result<bool, Failed> {
    let path = Journal::path(state);
    effects.sweep(&path).map_err(failed("tidy up beside", &path))?;
    let is_new = Journal::read(tree, state)?.as_ref() != Some(&journal.finished());
    if is_new {
        record(effects, state, journal)?;
    }
    let has_changed = put_in(effects, tree, journal.entries.iter())?;
    if is_new {
        record(effects, state, &journal.finished())?;
    }
    Ok(has_changed || is_new)
}

/// The way back, likewise.
///
/// # Errors
///
/// When a step can't be done.
pub fn uninstall(
    effects: &mut dyn Effects,
    tree: &Tree,
    state: &Path,
    journal: Option<&Journal>,
) -> Result<bool, Failed> {
    let Some(journal) = journal else {
        forget(effects, tree, state, None)?;
        return Ok(false);
    };
    if tree.has(&Journal::path(state)) {
        record(effects, state, &journal.at(State::Undoing))?;
    }
    let changed = take_out(effects, tree, journal)?;
    forget(effects, tree, state, Some(journal))?;
    Ok(changed.own || changed.kubelet)
}

fn make(effects: &mut dyn Effects, tree: &Tree, entry: &Entry, wanted: Option<&Content>) -> Result<bool, Failed> {
    let path = &entry.path;
    effects.sweep(path).map_err(failed("tidy up beside", path))?;
    let current = tree.find(path)?;
    match (current, wanted) {
        (None, None) => {
            // What an interruption left of its directories.
            if entry.made.as_deref().is_some_and(|made| tree.has(made)) {
                effects.remove(path, entry.made.as_deref()).map_err(failed("remove", path))?;
            }
            Ok(false)
        }
        (Some(current), Some(wanted)) if current.bytes == wanted.bytes => Ok(false),
        (_, Some(wanted)) => write(effects, path, wanted).map(|()| true),
        (Some(_), None) => {
            effects.remove(path, entry.made.as_deref()).map_err(failed("remove", path))?;
            Ok(true)
        }
    }
}

fn write(effects: &mut dyn Effects, path: &Path, content: &Content) -> Result<(), Failed> {
    effects.stage(path, content).map_err(failed("write", path))?;
    effects.commit(path).map_err(failed("write", path))
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failed {
    let path = path.to_owned();
    move |error| Failed::File { verb, path, error }
}

// === impl Disk ===

impl Disk {
    /// What is below `root`.
    pub fn new(root: &Path) -> Self {
        Self { tree: Tree::at(root) }
    }

    /// Where something is until it is put in its place: a file beside the other one, or, where directories are missing, the
    /// topmost of these, which is put in its place with all that is in it.
    fn places(&self, path: &Path) -> io::Result<(PathBuf, PathBuf, PathBuf)> {
        let top = self.tree.missing(path).unwrap_or_else(|| path.to_owned());
        let place = self.tree.real(&top)?;
        let staged = staged(&place);
        let inside = path.strip_prefix(&top).unwrap_or_else(|_| Path::new(""));
        let file = if inside.as_os_str().is_empty() { staged.clone() } else { staged.join(inside) };
        Ok((place, staged, file))
    }
}

impl Effects for Disk {
    fn stage(&mut self, path: &Path, content: &Content) -> io::Result<()> {
        let (_, staged, file) = self.places(path)?;
        gone(remove_all(&staged))?;
        if let Some(directory) = file.parent().filter(|directory| directory.starts_with(&staged)) {
            // Whatever the caller's umask: others who read there do so, too.
            for made in
                directory.ancestors().take_while(|made| made.starts_with(&staged)).collect::<Vec<_>>().iter().rev()
            {
                fs::create_dir(made)?;
                fs::set_permissions(made, Permissions::from_mode(0o755))?;
            }
        }
        let mut new = File::options().write(true).create_new(true).mode(0o600).open(&file)?;
        new.write_all(&content.bytes)?;
        if let Some((uid, gid)) = content.owner {
            fchown(&new, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        new.set_permissions(Permissions::from_mode(content.mode))?;
        // Labels, and who else may read it: what there is of the file that this one replaces.
        match File::open(self.tree.real(path)?) {
            Ok(old) => attributes::copy(&old, &new)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        new.sync_all()
    }

    fn commit(&mut self, path: &Path) -> io::Result<()> {
        let (place, staged, _) = self.places(path)?;
        fs::rename(&staged, &place)?;
        sync_parent(&place)
    }

    fn remove(&mut self, path: &Path, made: Option<&Path>) -> io::Result<()> {
        let real = self.tree.real(path)?;
        gone(fs::remove_file(&real))?;
        let mut top = real;
        if let Some(made) = made.filter(|made| path.starts_with(made)) {
            let made = self.tree.real(made)?;
            // Each only if it is empty, so that nobody else's file goes with it, and by no renaming, which a file system made of
            // layers refuses for directories of a lower one.
            while top != made
                && let Some(parent) = top.parent()
                && is_removed(parent)?
            {
                top = parent.to_owned();
            }
        }
        sync_parent(&top)
    }

    fn sweep(&mut self, path: &Path) -> io::Result<()> {
        for place in path.ancestors().filter(|place| place.parent().is_some()) {
            gone(remove_all(&staged(&self.tree.real(place)?)))?;
        }
        Ok(())
    }

    fn run(&mut self, words: &[&str]) -> io::Result<()> {
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or_default();
        Err(io::Error::other(if said.is_empty() { output.status.to_string() } else { said.to_owned() }))
    }
}

fn staged(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(STAGED);
    name.into()
}

/// Removes a directory, if nothing is in it. Says whether it is gone.
fn is_removed(directory: &Path) -> io::Result<bool> {
    match gone(fs::remove_dir(directory)) {
        Ok(()) => Ok(true),
        // POSIX lets a system say either.
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A link is removed, and not what it leads to.
fn remove_all(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// What is not there is gone.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        other => other,
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
