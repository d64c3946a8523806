//! One rule, and the places it speaks of.

use crate::reference::Reference;
use std::borrow::Cow;
use std::fmt;

/// A registry, or a part of one: `host[:port][/path prefix]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    written: String,
    registry: String,
    path: Vec<String>,
}

/// Why text is not a [`Place`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPlace {
    /// The first component is no registry, so the runtimes would look for it on docker.io.
    #[error("`{0}` does not begin with a registry (a host name with a dot or a port, such as `registry.k8s.io`)")]
    NoRegistry(String),
    /// It would not make a valid image reference.
    #[error("`{0}` is not a registry with an optional path")]
    Invalid(String, #[source] crate::reference::Invalid),
    /// A tag or digest, or an empty component.
    #[error("`{0}` is more than a registry with an optional path: tags and digests are kept, never set")]
    Extra(String),
}

/// What to do with references to some places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The name it goes by in records, logs and metrics.
    pub name: String,
    /// What it applies to.
    pub patterns: Vec<Place>,
    /// What the matched part is replaced with, in the order in which they are tried.
    pub targets: Vec<Place>,
}

// === impl Place ===

impl Place {
    /// Reads `host[:port][/path prefix]`.
    ///
    /// # Errors
    ///
    /// When no image reference can begin with it.
    pub fn parse(written: &str) -> Result<Self, NotAPlace> {
        // What may stand before a path is decided by the grammar of references alone: borrow it. Two more components,
        // because a single one on docker.io would be read as `library/…`.
        let probe = format!("{written}/x/x");
        let reference = Reference::parse(&probe).map_err(|error| NotAPlace::Invalid(written.to_owned(), error))?;
        if !reference.suffix().is_empty() {
            return Err(NotAPlace::Extra(written.to_owned()));
        }
        if reference.is_short() {
            return Err(NotAPlace::NoRegistry(written.to_owned()));
        }
        let mut path: Vec<String> = reference.components().map(str::to_owned).collect();
        path.truncate(path.len().saturating_sub(2));
        Ok(Self { written: written.to_owned(), registry: normal(reference.registry()).into_owned(), path })
    }

    /// The registry as it is compared: in lower case, without the default port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path prefix, by components.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// Whether some reference lies in both places.
    pub fn meets(&self, other: &Self) -> bool {
        self.registry == other.registry && self.path.iter().zip(&other.path).all(|(a, b)| a == b)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// A registry as it is compared: host names have no case, and every runtime asks port 443 where none is written.
pub fn normal(registry: &str) -> Cow<'_, str> {
    let registry = registry.strip_suffix(":443").unwrap_or(registry);
    if registry.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(registry.to_ascii_lowercase())
    } else {
        Cow::Borrowed(registry)
    }
}
