//! The nodes that there are, as somebody wrote them down.

use super::window::Window;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The nodes, and from when on each was there, where that is said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Nodes(pub(super) BTreeMap<String, Option<Timestamp>>);

/// Why one does not know them.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    #[error("cannot read the nodes in {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{}:{line}: `{said}` is not when the node came: a moment such as 2023-03-20T12:00:00Z", path.display())]
    NoMoment { path: PathBuf, line: usize, said: String },
    #[error("{}:{line}: `{name}` is named twice; if these are two, of two clusters, each needs its own report", path.display())]
    Twice { path: PathBuf, line: usize, name: String },
}

/// What `kubectl get nodes -o name` puts in front.
const KIND: &str = "node/";

/// Reads the file: a name a line, perhaps with the moment the node came, `#` before what is not meant.
///
/// # Errors
///
/// When it can't be read.
pub(super) fn read(path: &Path) -> Result<Nodes, Unknown> {
    let text = std::fs::read_to_string(path).map_err(|error| Unknown::Unreadable { path: path.to_owned(), error })?;
    let mut nodes = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(name) = words.next() else { continue };
        let came = words.next().map(|said| {
            let no_moment = || Unknown::NoMoment { path: path.to_owned(), line: number, said: said.to_owned() };
            Window::new(Some(said), None, Timestamp::UNIX_EPOCH).map_err(|_| no_moment()).map(|window| window.from)
        });
        let name = name.strip_prefix(KIND).unwrap_or(name);
        // Of two that are called the same, the records of one would do for both.
        if nodes.insert(name.to_owned(), came.transpose()?.flatten()).is_some() {
            return Err(Unknown::Twice { path: path.to_owned(), line: number, name: name.to_owned() });
        }
    }
    Ok(Nodes(nodes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_nodes_is_what_kubectl_prints() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nodes");
        std::fs::write(&path, "# prod\nnode/a\n\n  b # the old one\r\nc   2023-03-20T12:00:00Z\n").unwrap();
        let came = "2023-03-20T12:00:00Z".parse().ok();
        let expected = [("a".to_owned(), None), ("b".to_owned(), None), ("c".to_owned(), came)];
        assert_eq!(read(&path).unwrap(), Nodes(expected.into()));
        std::fs::write(&path, "a Ready\n").unwrap();
        assert!(matches!(read(&path), Err(Unknown::NoMoment { line: 1, .. })));
    }
}
