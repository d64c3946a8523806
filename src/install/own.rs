//! What is known of repoint on a node: where it listens, what it is told of the runtime, whether it comes with the next boot.

use super::MARK;
use crate::config::check::{LISTEN, STATE};
use crate::config::source;
use crate::node::kubelet::Said;
use crate::node::unit::{DIRECTORIES, Unit};
use crate::node::{Tree, Unclear};
use crate::runtime::Address;
use std::path::{Path, PathBuf};

/// repoint, as its files have it.
#[derive(Debug)]
pub struct Own {
    /// The socket for the kubelet.
    pub listen: Address,
    /// The directory for what has to outlive a restart.
    pub state: PathBuf,
    /// What somebody else than `install` says of the runtime's socket.
    pub runtime: Option<Said>,
    /// And of the one for image calls.
    pub image: Option<Said>,
    /// Whether systemd starts it at boot.
    pub is_enabled: bool,
}

/// What `install` tells repoint. Few files go before it, so that whoever wants to can say something else in one that does.
pub const FILE: &str = "/etc/repoint/repoint.d/00-install.toml";

// === impl Own ===

impl Own {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// When a file is wrong, or the one that is to be `install`'s is somebody else's.
    pub fn read(tree: &Tree) -> Result<Self, Unclear> {
        let ours = Path::new(FILE);
        if tree.text(ours)?.is_some_and(|text| !text.starts_with(MARK)) {
            return Err(Unclear::file(ours, "repoint did not write this, and it is in the way: move it away"));
        }
        let mut own = Self {
            listen: LISTEN.parse().map_err(|error| Unclear::Node(format!("{error}")))?,
            state: STATE.into(),
            runtime: None,
            image: None,
            is_enabled: is_enabled(tree)?,
        };
        let main = Path::new(source::DEFAULT);
        let directory = main.with_extension("d");
        let names =
            tree.names(&directory)?.into_iter().filter(|name| name.ends_with(".toml") && !name.starts_with('.'));
        let drop_ins = names.map(|name| directory.join(name)).filter(|path| path != ours);
        for file in std::iter::once(main.to_owned()).chain(drop_ins) {
            own.add(tree, &file)?;
        }
        // systemd makes the socket, whatever the configuration says.
        let socket = Unit::read(tree, "repoint.socket")?;
        if let Some(stream) = socket.iter().flat_map(|socket| socket.all("Socket", "ListenStream")).next() {
            let said = Said::new(&stream.value, &stream.file, Some(stream.line))?;
            own.listen = said.address.unwrap_or(own.listen);
        }
        Ok(own)
    }

    fn add(&mut self, tree: &Tree, file: &Path) -> Result<(), Unclear> {
        let Some(text) = tree.text(file)? else { return Ok(()) };
        let table = toml::from_str::<toml::Table>(&text).map_err(|error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
            let line = before.matches('\n').count().saturating_add(1);
            Unclear::line(file, line, format!("{} (`repoint config check` tells more)", error.message()))
        })?;
        let said = |key: &str| {
            let line = text.lines().position(|line| line.trim_start().starts_with(key));
            let value = table.get(key).and_then(toml::Value::as_str);
            value.map(|value| Said::new(value, file, line.map(|index| index.saturating_add(1)))).transpose()
        };
        if let Some(Said { address: Some(listen), .. }) = said("listen")? {
            self.listen = listen;
        }
        self.runtime = said("runtime")?.or_else(|| self.runtime.take());
        self.image = said("image_endpoint")?.or_else(|| self.image.take());
        if let Some(state) = table.get("state").and_then(toml::Value::as_str) {
            self.state = state.into();
        }
        Ok(())
    }
}

/// Whether something wants it at boot: its socket, which starts it, or the service itself.
fn is_enabled(tree: &Tree) -> Result<bool, Unclear> {
    for directory in DIRECTORIES.iter().map(Path::new) {
        for target in
            tree.names(directory)?.iter().filter(|name| name.ends_with(".wants") || name.ends_with(".requires"))
        {
            let wanted = ["repoint.socket", "repoint.service"].map(|unit| directory.join(target).join(unit));
            if wanted.iter().any(|path| tree.has(path)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Content;

    fn own(files: &[(&str, &str)]) -> Result<Own, Unclear> {
        let directory = tempfile::tempdir().unwrap();
        for (path, _) in files {
            std::fs::create_dir_all(directory.path().join(path.trim_start_matches('/')).parent().unwrap()).unwrap();
        }
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), Some(Content::new(text))));
        Own::read(&Tree::at(directory.path()).with(files))
    }

    #[test]
    fn the_last_file_holds_and_the_socket_that_systemd_makes() {
        let files = [
            ("/etc/repoint/repoint.toml", "listen = \"/run/a.sock\"\nruntime = \"/run/b.sock\"\n"),
            ("/etc/repoint/repoint.d/10-x.toml", "\nruntime = \"/run/c.sock\"\n"),
            (FILE, &format!("{MARK}\nruntime = \"/run/d.sock\"\n")),
        ];
        let found = own(&files).unwrap();
        assert_eq!(found.listen.path(), Path::new("/run/a.sock"));
        let runtime = found.runtime.unwrap();
        assert_eq!(
            runtime.address.as_ref().unwrap().path(),
            Path::new("/run/c.sock"),
            "what install said is not asked"
        );
        assert_eq!(runtime.to_string(), "/etc/repoint/repoint.d/10-x.toml:2");
        assert!(!found.is_enabled);
        let socket = [
            ("/usr/lib/systemd/system/repoint.socket", "[Socket]\nListenStream=/run/s.sock\n"),
            ("/etc/systemd/system/sockets.target.wants/repoint.socket", ""),
        ];
        let found = own(&[&files[..1], &socket[..]].concat()).unwrap();
        assert_eq!(found.listen.path(), Path::new("/run/s.sock"));
        assert!(found.is_enabled);
    }

    #[test]
    fn somebody_else_s_file_is_not_taken_for_ours() {
        assert!(own(&[(FILE, "runtime = \"/run/precious.sock\"\n")]).unwrap_err().to_string().starts_with(FILE));
        let error = own(&[("/etc/repoint/repoint.toml", "\nruntime =\n")]).unwrap_err().to_string();
        assert!(error.starts_with("/etc/repoint/repoint.toml:2: "), "{error}");
    }
}
