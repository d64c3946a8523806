//! `repoint config export`: the rules as configuration of others, on standard output or in a directory.

use super::{Failure, note, print};
use crate::args::{Export, Format, Serve};
use crate::config;
use crate::config::export::{self, Exported, File, MARK, View};
use crate::exit::Exit;
use crate::output::Plain;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error("{} is there, and repoint did not write it: move it away, or name another directory by --output", .0.display())]
    Foreign(PathBuf),
    #[error("cannot write {}", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
}

/// Names of new files that may be taken, by whatever.
const MOST_NAMES: u32 = 100;

/// Writes all of it, or, where a file of somebody else's is in the way, nothing.
///
/// # Errors
///
/// When the configuration is wrong, or a file can't be written.
pub(super) fn run(options: &Export) -> Result<(), Failure> {
    let source = config::load(options.config.as_deref());
    let settings =
        config::settings(&Serve::default(), &source).map_err(|error| Failure::new(Exit::Configuration, error))?;
    let view = View { rules: &settings.rules, now: jiff::Timestamp::now() };
    let exported = match options.format {
        Format::Hosts => export::hosts(view),
        Format::Registries => export::registries(view),
        Format::Policy => export::policy(view),
    };
    match &options.output {
        Some(directory) => write(&exported, directory).map_err(|error| Failure::new(Exit::Failed, error))?,
        None => print(&text(&exported))?,
    }
    if let (Some(directory), Format::Hosts) = (&options.output, options.format) {
        let left = left_over(&exported, directory);
        note(left.iter().map(|path| format!("{}: left from an earlier export, and still read", path.display())));
    }
    note(exported.losses.iter().map(|loss| format!("not said there: {loss}")));
    Ok(())
}

/// All files in a row.
fn text(exported: &Exported) -> String {
    let several = exported.files.len() > 1;
    exported.files.iter().map(|file| printed(file, several)).collect()
}

/// A file in a row of files begins with its name.
fn printed(File { path, text }: &File, is_one_of_several: bool) -> String {
    if is_one_of_several { format!("### {}\n{text}\n", Plain(&path.to_string_lossy())) } else { text.clone() }
}

fn write(exported: &Exported, directory: &Path) -> Result<(), Unwritten> {
    let paths: Vec<PathBuf> = exported.files.iter().map(|file| directory.join(&file.path)).collect();
    for path in &paths {
        match fs::read(path) {
            Ok(there) if !there.starts_with(MARK.as_bytes()) => return Err(Unwritten::Foreign(path.clone())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Unwritten::Unwritable { path: path.clone(), error }),
        }
    }
    for (path, File { text, .. }) in paths.iter().zip(&exported.files) {
        replace(path, text).map_err(|error| Unwritten::Unwritable { path: path.clone(), error })?;
    }
    // The directories of registries, some of which may be new in it.
    let synced = if paths.is_empty() { Ok(()) } else { sync(directory) };
    synced.map_err(|error| Unwritten::Unwritable { path: directory.to_owned(), error })
}

/// Puts a file in the place of another in one step, since the runtime may be reading; a crash leaves the old one or the new
/// one, and an error nothing beside it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent)?;
    let (new, mut file) = beside(path)?;
    let replaced = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path))
        .and_then(|()| sync(parent));
    if replaced.is_err() {
        // It is the first error that counts; and where only the directory could not be synced, the name is gone already.
        let _gone = fs::remove_file(new);
    }
    replaced
}

/// A new file, by a name that neither runtime reads. Whatever is there by such a name, a link too, is another's.
fn beside(path: &Path) -> io::Result<(PathBuf, fs::File)> {
    let mut taken = io::ErrorKind::AlreadyExists.into();
    for number in 0..MOST_NAMES {
        let new = path.with_extension(format!("repoint-{}-{number}", std::process::id()));
        match fs::File::create_new(&new) {
            Ok(file) => return Ok((new, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// What an earlier export wrote for registries that this one says nothing of.
fn left_over(exported: &Exported, directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path().join(export::HOSTS));
    let is_current = |path: &PathBuf| exported.files.iter().any(|file| directory.join(&file.path) == *path);
    let is_ours = |path: &PathBuf| fs::read(path).is_ok_and(|there| there.starts_with(MARK.as_bytes()));
    let mut left: Vec<PathBuf> = files.filter(|path| !is_current(path) && is_ours(path)).collect();
    left.sort();
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn exported(text: &str) -> Exported {
        let file = |path: &str| File { path: path.into(), text: format!("{MARK}\n{text}") };
        Exported { files: vec![file("a/hosts.toml"), file("b/hosts.toml")], losses: Vec::new() }
    }

    #[test]
    fn what_repoint_wrote_is_written_again_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        write(&exported("one"), directory.path()).unwrap();
        write(&exported("two"), directory.path()).unwrap();
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(read("a/hosts.toml"), format!("{MARK}\ntwo"));
        fs::write(directory.path().join("b/hosts.toml"), "server = \"https://precious\"").unwrap();
        assert!(
            matches!(write(&exported("three"), directory.path()), Err(Unwritten::Foreign(path)) if path.ends_with("b/hosts.toml"))
        );
        assert_eq!(read("a/hosts.toml"), format!("{MARK}\ntwo"), "nothing is written by halves");
        assert_eq!(read("b/hosts.toml"), "server = \"https://precious\"");
        assert_eq!(fs::read_dir(directory.path().join("a")).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_link_that_lies_in_wait_is_not_followed_and_what_failed_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("precious"), "precious").unwrap();
        fs::create_dir(at("a")).unwrap();
        let names = || {
            let mut names: Vec<_> = fs::read_dir(at("a")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        for name in ["a/hosts.repoint-new".to_owned(), format!("a/hosts.repoint-{}-0", std::process::id())] {
            symlink("../precious", at(&name)).unwrap();
        }
        let before = names();
        write(&exported("one"), directory.path()).unwrap();
        assert_eq!(fs::read_to_string(at("precious")).unwrap(), "precious");
        assert_eq!(fs::read_to_string(at("a/hosts.toml")).unwrap(), format!("{MARK}\none"));
        fs::remove_file(at("a/hosts.toml")).unwrap();
        assert_eq!(names(), before);
        // What can't be replaced by a file is a directory, which comes too late to be seen before.
        fs::create_dir(at("a/hosts.toml")).unwrap();
        replace(&at("a/hosts.toml"), "two").unwrap_err();
        fs::remove_dir(at("a/hosts.toml")).unwrap();
        assert_eq!(names(), before);
    }

    #[test]
    fn what_an_earlier_export_left_is_told_and_what_is_others_is_not() {
        let directory = tempfile::tempdir().unwrap();
        write(&exported("one"), directory.path()).unwrap();
        fs::create_dir(directory.path().join("c")).unwrap();
        fs::write(directory.path().join("c/hosts.toml"), "server = \"https://others\"").unwrap();
        let mut fewer = exported("two");
        fewer.files.pop();
        assert_eq!(left_over(&fewer, directory.path()), [directory.path().join("b/hosts.toml")]);
        assert!(left_over(&exported("three"), directory.path()).is_empty());
    }
}
