//! Where images are named, and what the rules say of each.
//!
//! Whoever looks somewhere returns [`Mention`]s, of whatever image: [`node`] on a node. What the rules say of it makes a
//! [`Finding`] of a mention, or nothing ([`finding`]); that is decided in one place, as a pull is.

pub mod document;
pub mod edit;
pub mod file;
pub mod finding;
pub mod node;
pub mod owner;
pub mod text;
pub mod yaml;

use serde::Serialize;
use std::ops::Range;

pub use finding::Finding;

/// A place where an image is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The image, as whoever reads that place asks for it.
    pub image: String,
    /// How much of a reference that is.
    pub extent: Extent,
    /// What is read there.
    pub kind: Kind,
    /// Where it is.
    pub place: Place,
    /// Whose pods would ask for it.
    pub whose: Whose,
    /// What has the pods, or the container, in it.
    pub owner: Option<Owner>,
    /// The container's name.
    pub container: Option<String>,
    /// The digest of the image that is there by this name, where it is known.
    pub digest: Option<String>,
    /// What to do about it, where that is not to write another name at its place.
    pub remedy: Option<String>,
    /// The pieces that the image was put together from, in order. None where there is no text to be changed.
    pub parts: Vec<Part>,
}

/// How much of a reference is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// All of it: a missing tag is none.
    #[default]
    Whole,
    /// The tag comes from elsewhere.
    Tagless,
    /// A registry, or a part of it: all of the rest comes from elsewhere.
    Prefix,
}

/// What is read at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A Kubernetes object in a file, or another file in YAML or JSON.
    Manifest,
    /// Values of a chart.
    Values,
    /// A template of a chart, and other YAML that is none: by its text.
    Template,
    /// A kustomization.
    Kustomize,
    /// An object that the API server had.
    Object,
    /// A recipe of an image.
    Dockerfile,
    /// Any other text.
    Text,
    /// A node.
    Node,
}

/// Where a mention is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file; `-` for standard input.
    pub file: Option<String>,
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// The character in it, counted from 1.
    pub column: Option<usize>,
    /// For a person, where that is something else than file, line and column.
    pub text: Option<String>,
}

/// Whose pods it is about. Rules may be about some namespaces alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Whose {
    /// It is not known: those of any namespace.
    #[default]
    Unknown,
    /// Nobody's: the runtime's own, or kubeadm's.
    Nobody,
    /// Those of this namespace.
    Namespace(String),
}

/// What has the pods in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Owner {
    /// As Kubernetes calls it: `Deployment`, `CronJob`, `Pod`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A piece of an image's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes of the text that say it; `None` for what is implied, such as the slash between two fields.
    pub at: Option<Range<usize>>,
    /// What it says.
    pub says: String,
}

/// Something that could not be read, or not as what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Where.
    #[serde(rename = "where")]
    pub place: String,
    /// Why.
    pub why: String,
    /// Whether all of it was searched as text all the same, so that little can be missing.
    pub searched: bool,
}

/// What a look somewhere came to.
#[derive(Debug, Default)]
pub struct Found {
    /// Images, each as often as it is named.
    pub mentions: Vec<Mention>,
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// How many files were read.
    pub files: u64,
}

// === impl Mention ===

impl Mention {
    /// An image of which nothing is known but that it is named there.
    pub fn new(image: impl Into<String>, kind: Kind, place: Place) -> Self {
        Self {
            image: image.into(),
            extent: Extent::Whole,
            kind,
            place,
            whose: Whose::Unknown,
            owner: None,
            container: None,
            digest: None,
            remedy: None,
            parts: Vec::new(),
        }
    }

    /// The first byte of the text that says it.
    pub fn start(&self) -> Option<usize> {
        self.parts.iter().find_map(|part| part.at.as_ref().map(|at| at.start))
    }
}

// === impl Place ===

impl Place {
    /// A place that has no lines.
    pub fn named(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        f.write_str(self.file.as_deref().unwrap_or("?"))?;
        [self.line, self.column].iter().flatten().try_for_each(|number| write!(f, ":{number}"))
    }
}

// === impl Found ===

impl Found {
    /// Adds what another look came to.
    pub fn add(&mut self, other: Self) {
        self.mentions.extend(other.mentions);
        self.unread.extend(other.unread);
        self.files = self.files.saturating_add(other.files);
    }
}
