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
        let replace = || -> io::Result<()> {
            let parent = path.parent().unwrap_or(directory);
            fs::create_dir_all(parent)?;
            // In one step, since the runtime may be reading. The name is one that neither runtime reads.
            let new = path.with_extension("repoint-new");
            let mut file = fs::File::create(&new)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&new, path)
        };
        replace().map_err(|error| Unwritten::Unwritable { path: path.clone(), error })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
