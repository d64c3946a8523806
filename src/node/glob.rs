//! A path with `*`, `?` and `[…]` in its components, as Go's `filepath.Glob` reads it.

use super::tree::Tree;
use super::unclear::Unclear;
use globset::GlobBuilder;
use std::path::{Path, PathBuf};

/// More of one pattern is nobody's configuration.
const MOST: usize = 1024;

/// What there is of that pattern, in order, as far as that is not endless.
///
/// # Errors
///
/// When a directory can't be read.
pub(super) fn matching(tree: &Tree, pattern: &Path) -> Result<Vec<PathBuf>, Unclear> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.iter() {
        let matcher = component.to_str().filter(|text| text.contains(['*', '?', '['])).map(|text| {
            // To Go, braces are themselves.
            let text = text.replace('{', "\\{").replace('}', "\\}");
            GlobBuilder::new(&text).backslash_escape(true).build().map(|glob| glob.compile_matcher())
        });
        found = match matcher {
            None => found.into_iter().map(|path| path.join(component)).collect(),
            // A pattern that is none is like nothing.
            Some(Err(_)) => Vec::new(),
            Some(Ok(matcher)) => {
                let mut matching = Vec::new();
                for directory in found {
                    // Links may lead round in circles, and a pattern may follow them many times.
                    if matching.len() > MOST {
                        break;
                    }
                    let names = tree.names(&directory)?;
                    matching
                        .extend(names.iter().filter(|name| matcher.is_match(name)).map(|name| directory.join(name)));
                }
                matching
            }
        };
    }
    found.retain(|path| tree.has(path));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Content;

    #[test]
    fn every_component_is_a_pattern_and_what_is_there_comes_in_order() {
        let directory = tempfile::tempdir().unwrap();
        for made in ["etc/a1", "etc/a2", "etc/b{x}"] {
            std::fs::create_dir_all(directory.path().join(made)).unwrap();
        }
        let names = ["/etc/a2/x.toml", "/etc/a1/y.toml", "/etc/a1/.z.toml", "/etc/b{x}/q.toml", "/etc/a1/no.conf"];
        let tree = Tree::at(directory.path()).with(names.map(|name| (name.into(), Some(Content::new("")))));
        for (pattern, expected) in [
            ("/etc/a?/*.toml", &["/etc/a1/.z.toml", "/etc/a1/y.toml", "/etc/a2/x.toml"][..]),
            ("/etc/a[2-9]/x.toml", &["/etc/a2/x.toml"]),
            ("/etc/a[^2]/[xy]*", &["/etc/a1/y.toml"]),
            ("/etc/b{x}/*", &["/etc/b{x}/q.toml"]),
            ("/etc/*.toml", &[]),
            ("/etc/a1/none.toml", &[]),
            ("/etc/a[/x", &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(matching(&tree, Path::new(pattern)).unwrap(), expected, "{pattern}");
        }
    }

    #[test]
    fn links_to_where_they_are_have_an_end() {
        let directory = tempfile::tempdir().unwrap();
        for name in 0..16 {
            std::os::unix::fs::symlink(".", directory.path().join(name.to_string())).unwrap();
        }
        let found = matching(&Tree::at(directory.path()), Path::new("/*/*/*/*/*/*/*/*/*/*")).unwrap();
        assert!(found.len() > MOST && found.len() < MOST + 17, "{}", found.len());
    }
}
