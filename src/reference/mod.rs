//! An image reference, as spans into the string it came from.
//!
//! The grammar is the runtimes' own: `ParseNormalizedNamed` of <https://github.com/distribution/reference>, by
//! which containerd and Docker read every name and CRI-O every name that has a registry. Reading names otherwise
//! than the runtime does would mean matching a rule against one repository while another is pulled.
//! It is stricter and stranger than it looks:
//!
//! * What stands before the first `/` is a registry if it is `localhost`, has a `.`, a `:` or an upper-case letter;
//!   else it is part of the path, and the registry is `docker.io`.
//! * Without a `/` there is no registry: `k8s.gcr.io` alone is a repository of Docker Hub, and `localhost:5000` its
//!   tag `5000`.
//! * On `docker.io` (and on `index.docker.io`, which is the same) a path of one component lies in `library`.
//! * A registry with an underscore in it is no host name by the grammar, yet it passes (the grammar takes it for
//!   path) and containerd dials it.
//!
//! Older releases of the grammar know no brackets, see no registry in an upper-case letter alone, and count the
//! registry into the limit of 255 bytes. A runtime built with one still refuses by itself what it cannot read.
//!
//! Nothing is normalised, nothing allocated. What a substitute is made of ([`Reference::components`] and
//! [`Reference::suffix`]) are pieces of the original, so a tag or digest cannot be altered on the way. Every valid
//! reference is printable ASCII.

mod grammar;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use grammar::{
    check_component, check_digest, check_registry, check_tag, is_id, is_taken_for_registry, split_digest, split_port,
};

/// What an image is asked for by, in a CRI `ImageSpec`: the kubelet sends names to `PullImage` and `ImageStatus`,
/// and mostly IDs to `CreateContainer` and `RemoveImage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// An image ID: 64 hex digits, or a whole digest such as `sha256:` and 64 hex digits. The grammar of names would
    /// read the latter as the repository `sha256` with a long tag, but the runtimes look it up as an ID first. An ID
    /// that `crictl` shortened cannot be told from a name.
    Id(&'a str),
    /// The name of an image in a registry.
    Reference(Reference<'a>),
}

/// A name of an image: registry, path, and perhaps tag and digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    source: &'a str,
    /// What is written before the first slash; `None` if the path begins at once.
    registry: Option<&'a str>,
    path: &'a str,
    suffix: &'a str,
}

/// Why a string is not an image reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {at}")]
pub struct Invalid {
    /// What is wrong.
    pub fault: Fault,
    /// Where: the first byte that cannot stand there, which for a part that ends too early is the byte after it.
    pub at: usize,
}

/// The part of a reference that the grammar refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is an image ID, where a name is due.
    #[error("image ID instead of a name")]
    Id,
    /// The registry's host is neither a host name nor an address.
    #[error("malformed registry host")]
    Host,
    /// The registry's port has no digits, or not only digits.
    #[error("malformed registry port")]
    Port,
    /// The path has an upper-case letter.
    #[error("upper-case letter in the repository path")]
    Uppercase,
    /// The path is empty, or has an empty component, a misplaced separator or a foreign character.
    #[error("malformed repository path")]
    Path,
    /// The path, with an implied `library/`, is too long; said of where it begins.
    #[error("repository path of more than {PATH_MAX} bytes")]
    PathTooLong,
    /// The tag is empty, too long or has a character that tags have not.
    #[error("malformed tag")]
    Tag,
    /// The digest is by an algorithm that runtimes do not verify.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// The digest has too few or too many digits, or other than lower-case hex digits.
    #[error("malformed digest")]
    Digest,
}

/// The registry of a name that has none.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// What Docker Hub was called at first; read as [`DEFAULT_REGISTRY`].
pub const LEGACY_DEFAULT_REGISTRY: &str = "index.docker.io";
/// Where Docker Hub keeps the repositories of one component.
pub const IMPLIED_COMPONENT: &str = "library";
/// Counted without the registry.
const PATH_MAX: usize = 255;

/// The name that the kubelet pulls for a pod that says `name`: it adds the tag that is implied, and asks for the image's
/// user by what the pod says.
pub fn with_default_tag(name: &str) -> Cow<'_, str> {
    match Reference::parse(name) {
        Ok(reference) if reference.suffix().is_empty() => Cow::Owned(format!("{name}:latest")),
        _ => Cow::Borrowed(name),
    }
}

// === impl Name ===

impl<'a> Name<'a> {
    /// Reads an image ID or a reference.
    ///
    /// # Errors
    ///
    /// If `source` is neither.
    pub fn parse(source: &'a str) -> Result<Self, Invalid> {
        if is_id(source) {
            return Ok(Self::Id(source));
        }
        Reference::read(source).map(Self::Reference)
    }
}

// === impl Reference ===

impl<'a> Reference<'a> {
    /// Reads a reference.
    ///
    /// # Errors
    ///
    /// If `source` is an image ID or not a reference.
    pub fn parse(source: &'a str) -> Result<Self, Invalid> {
        if is_id(source) {
            return Err(Invalid::new(Fault::Id, 0));
        }
        Self::read(source)
    }

    /// The whole string it was read from.
    pub fn source(&self) -> &'a str {
        self.source
    }

    /// The registry, `host` or `host:port`, in the letters it was written in; `docker.io` where none was written or
    /// Docker Hub's old name was.
    pub fn registry(&self) -> &'a str {
        match self.registry {
            None | Some(LEGACY_DEFAULT_REGISTRY) => DEFAULT_REGISTRY,
            Some(registry) => registry,
        }
    }

    /// Whether no registry is written: `docker.io` is a rule then for containerd and Docker, and a guess for CRI-O, which
    /// asks the registries of its `registries.conf` in turn. (CRI-O does so too where nothing but an upper-case letter
    /// makes the registry, or where the registry has an underscore.)
    pub fn is_short(&self) -> bool {
        self.registry.is_none()
    }

    /// The registry's host: a host name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &'a str {
        split_port(self.registry()).0
    }

    /// The registry's port, as digits of any number and value.
    pub fn port(&self) -> Option<&'a str> {
        split_port(self.registry()).1
    }

    /// The components of the repository's path, one at least; an implied `library` comes first.
    pub fn components(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let implied = self.implied_component();
        implied.into_iter().chain(self.path.split('/'))
    }

    /// All after the path, verbatim: `:tag`, `@digest`, both in this order, or nothing.
    pub fn suffix(&self) -> &'a str {
        self.suffix
    }

    /// The tag, if one is written: none is implied.
    pub fn tag(&self) -> Option<&'a str> {
        split_digest(self.suffix).0
    }

    /// The digest, algorithm included.
    pub fn digest(&self) -> Option<&'a str> {
        split_digest(self.suffix).1
    }

    fn read(source: &'a str) -> Result<Self, Invalid> {
        let (registry, rest) = match source.split_once('/') {
            Some((first, rest)) if is_taken_for_registry(first) => (Some(first), rest),
            _ => (None, source),
        };
        let end = rest.find([':', '@']).unwrap_or(rest.len());
        let (path, suffix) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let reference = Self { source, registry, path, suffix };
        reference.check()?;
        Ok(reference)
    }

    fn check(&self) -> Result<(), Invalid> {
        let place = |part| move |invalid: Invalid| invalid.within(self.source, part);

        let mut counted_registry = 0;
        if let Some(registry) = self.registry
            && let Err(invalid) = check_registry(registry)
        {
            // The grammar's own second reading, with the registry as the first component of a path: what fails as
            // a host and passes as a component has an underscore, and counts into the path's length.
            check_component(registry).map_err(|_| invalid)?;
            counted_registry = registry.len().saturating_add(1);
        }

        for component in self.path.split('/') {
            check_component(component).map_err(place(component))?;
        }
        let implied = self.implied_component().map_or(0, |name| name.len().saturating_add(1));
        let length = self.path.len().saturating_add(counted_registry).saturating_add(implied);
        if length > PATH_MAX {
            return Err(place(self.path)(Invalid::new(Fault::PathTooLong, 0)));
        }

        let (tag, digest) = split_digest(self.suffix);
        if let Some(tag) = tag {
            check_tag(tag).map_err(place(tag))?;
        }
        if let Some(digest) = digest {
            check_digest(digest).map_err(place(digest))?;
        }
        Ok(())
    }

    fn implied_component(&self) -> Option<&'static str> {
        (self.registry() == DEFAULT_REGISTRY && !self.path.contains('/')).then_some(IMPLIED_COMPONENT)
    }
}

// === impl Invalid ===

impl Invalid {
    fn new(fault: Fault, at: usize) -> Self {
        Self { fault, at }
    }

    /// The same fault, its place counted from the start of `source` instead of `part`, which is a piece of it.
    fn within(self, source: &str, part: &str) -> Self {
        let offset = part.as_ptr().addr().saturating_sub(source.as_ptr().addr());
        Self { at: self.at.saturating_add(offset), ..self }
    }
}
