//! Places that rules speak of: what is matched, and what is asked instead.

use crate::reference::{DEFAULT_REGISTRY, IMPLIED_COMPONENT, LEGACY_DEFAULT_REGISTRY, Reference};
use std::borrow::Cow;
use std::fmt;

/// A registry, or a part of one: `host[:port][/path prefix]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    written: String,
    registry: String,
    path: Vec<String>,
}

/// What a rule applies to: a [`Place`], or one on any subdomain of a host: `*.example.com[:port][/path prefix]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    written: String,
    host: Host,
    path: Vec<String>,
}

/// The registries of a pattern, as they are compared: in lower case, without the default port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// This one.
    Exactly(String),
    /// Every one that ends so, behind a dot and at least one label: not the one that is written.
    Below(String),
}

/// Why text is not a [`Place`] or a [`Pattern`].
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
    /// There is such a place in it.
    #[error("`{0}` is more than a registry with an optional path: write `{1}`")]
    Decorated(String, String),
    /// A star anywhere else than in front.
    #[error("`{0}` has a star in it: only a pattern may begin with one, as `*.example.com` does")]
    Star(String),
}

/// What stands before any subdomain in a pattern.
const ANY: &str = "*.";

// === impl Place ===

impl Place {
    /// Reads `host[:port][/path prefix]`.
    ///
    /// # Errors
    ///
    /// When no image reference can begin with it.
    pub fn parse(written: &str) -> Result<Self, NotAPlace> {
        if written.contains('*') {
            return Err(NotAPlace::Star(written.to_owned()));
        }
        let (registry, path) = read(written, written)?;
        Ok(Self { written: written.to_owned(), registry, path })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The registry as it is compared: in lower case, without the default port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path prefix, by components.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// Where the repository of this very name is, if that is elsewhere: `docker.io/x/y` lies in `docker.io/x`, but
    /// `docker.io/x` in `docker.io/library`.
    pub fn implied(&self) -> Option<Self> {
        let path = || [&[IMPLIED_COMPONENT.to_owned()], &self.path[..]].concat();
        (self.registry == DEFAULT_REGISTRY && self.path.len() == 1).then(|| Self { path: path(), ..self.clone() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

// === impl Pattern ===

impl Pattern {
    /// Reads `[*.]host[:port][/path prefix]`.
    ///
    /// # Errors
    ///
    /// When no image reference can begin with it.
    pub fn parse(written: &str) -> Result<Self, NotAPlace> {
        let (host, path) = match written.strip_prefix(ANY) {
            None => {
                let Place { registry, path, .. } = Place::parse(written)?;
                (Host::Exactly(registry), path)
            }
            Some(below) if below.contains('*') => return Err(NotAPlace::Star(written.to_owned())),
            Some(below) => {
                // Some label in the star's place: `internal` alone is no registry, `*.internal` is many.
                let (registry, path) = read(&format!("x.{below}"), written)?;
                (Host::Below(registry.strip_prefix("x.").unwrap_or(&registry).to_owned()), path)
            }
        };
        Ok(Self { written: written.to_owned(), host, path })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The registries it is about.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The path prefix, by components.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// Whether `reference` lies in it.
    pub fn matches(&self, reference: &Reference<'_>) -> bool {
        let mut components = reference.components();
        self.host.matches(&normal(reference.registry()))
            && self.path.iter().all(|part| components.next() == Some(part.as_str()))
    }

    /// Whether every reference in `other` lies in it.
    pub fn surrounds(&self, other: &Self) -> bool {
        self.host.surrounds(&other.host) && other.path.starts_with(&self.path)
    }

    /// Whether some reference lies in both.
    pub fn meets(&self, other: &Self) -> bool {
        (self.host.surrounds(&other.host) || other.host.surrounds(&self.host))
            && (self.path.starts_with(&other.path) || other.path.starts_with(&self.path))
    }

    /// Whether every reference in `place` lies in it.
    pub fn covers(&self, place: &Place) -> bool {
        self.host.matches(place.registry()) && place.path().starts_with(&self.path)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

// === impl Host ===

impl Host {
    /// Whether a registry, as it is compared, is one of these.
    pub fn matches(&self, registry: &str) -> bool {
        match self {
            Self::Exactly(own) => own == registry,
            Self::Below(own) => registry
                .strip_suffix(own.as_str())
                .and_then(|label| label.strip_suffix('.'))
                .is_some_and(|l| !l.is_empty()),
        }
    }

    /// Whether all of `other` are among these.
    pub fn surrounds(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exactly(registry)) => self.matches(registry),
            // What is below a host that is below is below.
            (Self::Below(own), Self::Below(other)) => own == other || self.matches(other),
            (Self::Exactly(_), Self::Below(_)) => false,
        }
    }
}

/// A registry as it is compared: host names have no case, and every runtime asks port 443 where none is written. The
/// grammar knows Docker Hub's old name in just one spelling; the host is the same in all of them.
pub fn normal(registry: &str) -> Cow<'_, str> {
    let registry = registry.strip_suffix(":443").unwrap_or(registry);
    if registry.eq_ignore_ascii_case(LEGACY_DEFAULT_REGISTRY) {
        Cow::Borrowed(DEFAULT_REGISTRY)
    } else if registry.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(registry.to_ascii_lowercase())
    } else {
        Cow::Borrowed(registry)
    }
}

/// The registry, as it is compared, and the path prefix of `text`, which is shown as `written` in errors.
fn read(text: &str, written: &str) -> Result<(String, Vec<String>), NotAPlace> {
    // What may stand before a path is decided by the grammar of references alone: borrow it. Two more components,
    // because a single one on docker.io would be read as `library/…`.
    let probe = format!("{text}/x/x");
    let reference = Reference::parse(&probe).map_err(|error| match bare(written) {
        Some(place) => NotAPlace::Decorated(written.to_owned(), place.to_owned()),
        None => NotAPlace::Invalid(written.to_owned(), error),
    })?;
    if !reference.suffix().is_empty() {
        return Err(NotAPlace::Extra(written.to_owned()));
    }
    if reference.is_short() {
        return Err(NotAPlace::NoRegistry(written.to_owned()));
    }
    let mut path: Vec<String> = reference.components().map(str::to_owned).collect();
    path.truncate(path.len().saturating_sub(2));
    Ok((normal(reference.registry()).into_owned(), path))
}

/// The place in a URL, or before a slash at the end: so others have it.
fn bare(written: &str) -> Option<&str> {
    let rest = written.split_once("://").map_or(written, |(_, rest)| rest).trim_end_matches('/');
    (rest != written && Place::parse(rest).is_ok()).then_some(rest)
}
