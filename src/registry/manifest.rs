//! Manifests and indexes, as far as somebody here reads them.

use super::fault::{Fault, Kind};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A manifest, or an index of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// That of its bytes.
    pub digest: String,
    /// What is in it.
    pub content: Content,
}

/// What is in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One image: the blob with its configuration, and the smallest one of a layer that registries have.
    Image {
        /// The configuration; unset where the manifest names none of an image, as that of an artifact.
        config: Option<Blob>,
        /// The layer.
        layer: Option<Blob>,
    },
    /// Manifests by platform; unset where none is said. What is said to be for none, as attestations, is left out.
    Index(Vec<(Option<Platform>, String)>),
}

/// A blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// That of its bytes.
    pub digest: String,
    /// How many there are.
    pub size: u64,
}

/// What an image runs on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// What is no platform.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a platform: OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, as in linux/arm64")]
pub struct NotAPlatform(String);

/// What JSON has, of both.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    schema_version: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    #[serde(default)]
    size: u64,
    platform: Option<Said>,
}

/// A platform as an index and a configuration say it.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

/// What is asked for: without it, some registries make another manifest for what they take for an old client.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

// === impl Manifest ===

impl Manifest {
    /// Reads one that came from `host` and whose bytes have this digest.
    pub(super) fn read(host: &str, digest: String, bytes: &[u8]) -> Result<Self, Fault> {
        let malformed = |detail: &str| Fault::new(Kind::Malformed, host, detail);
        let document: Document =
            serde_json::from_slice(bytes).map_err(|_| malformed("the manifest is not one in JSON"))?;
        let content = match document {
            Document { manifests: Some(all), .. } => {
                let of_some = all.into_iter().filter(|entry| !entry.platform.as_ref().is_some_and(Said::is_none));
                Content::Index(of_some.map(|entry| (entry.platform.and_then(Said::platform), entry.digest)).collect())
            }
            Document { schema_version: Some(2), config, layers, .. } => {
                let layers = layers.into_iter().flatten().filter(|layer| layer.size > 0 && !layer.is_elsewhere());
                Content::Image {
                    config: config.filter(Descriptor::is_of_image).map(Blob::from),
                    layer: layers.min_by_key(|layer| layer.size).map(Blob::from),
                }
            }
            _ => return Err(malformed("the manifest has neither the form of OCI nor version 2 of docker's")),
        };
        Ok(Self { digest, content })
    }

    /// Of an index: the manifest for this platform, the very same one before one that serves as well.
    pub fn listed(&self, platform: &Platform) -> Option<&str> {
        let Content::Index(all) = &self.content else { return None };
        let said = || all.iter().filter_map(|(said, digest)| Some((said.as_ref()?, digest.as_str())));
        let same = said().find(|(said, _)| *said == platform);
        same.or_else(|| said().find(|(said, _)| platform.is_served_by(said))).map(|(_, digest)| digest)
    }

    /// Of an index: what it does not say a platform of. An image says it itself, and a further index of its own.
    pub fn unsaid(&self) -> impl Iterator<Item = &str> {
        let all = match &self.content {
            Content::Index(all) => all.as_slice(),
            Content::Image { .. } => &[],
        };
        all.iter().filter(|(said, _)| said.is_none()).map(|(_, digest)| digest.as_str())
    }

    /// Of an index: the manifest for this platform, or else the first one.
    pub(super) fn child(&self, platform: &Platform) -> Option<String> {
        let Content::Index(all) = &self.content else { return None };
        self.listed(platform).or_else(|| all.first().map(|(_, digest)| digest.as_str())).map(str::to_owned)
    }

    /// Of an image: a layer, or else its configuration.
    pub(super) fn blob(&self) -> Option<&Blob> {
        match &self.content {
            Content::Image { config, layer } => layer.as_ref().or(config.as_ref()),
            Content::Index(_) => None,
        }
    }
}

// === impl Descriptor ===

impl Descriptor {
    /// Whether it is the configuration of an image: Docker's first ones did not say.
    fn is_of_image(&self) -> bool {
        let kinds = [
            "application/vnd.oci.image.config.",
            "application/vnd.docker.container.image.",
            "application/octet-stream",
        ];
        self.media_type
            .as_deref()
            .is_none_or(|kind| kind.is_empty() || kinds.iter().any(|known| kind.starts_with(known)))
    }

    /// Whether it is a layer that nobody but its maker may give out, as those of Windows.
    fn is_elsewhere(&self) -> bool {
        let kind = self.media_type.as_deref().unwrap_or_default();
        ["foreign", "nondistributable"].iter().any(|word| kind.contains(word))
    }
}

impl From<Descriptor> for Blob {
    fn from(Descriptor { digest, size, .. }: Descriptor) -> Self {
        Self { digest, size }
    }
}

// === impl Said ===

impl Said {
    /// Whether it says that there is none, as of the attestations in an index.
    fn is_none(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }

    /// `None` where it says none.
    fn platform(self) -> Option<Platform> {
        let is_said = !self.is_none() && !self.os.is_empty() && !self.architecture.is_empty();
        let variant = self.variant.filter(|variant| !variant.is_empty());
        is_said.then(|| Platform::new(&self.os, &self.architecture, variant.as_deref()))
    }
}

/// The platform that an image's configuration names.
pub(super) fn platform(host: &str, config: &[u8]) -> Result<Option<Platform>, Fault> {
    let said: Said = serde_json::from_slice(config)
        .map_err(|_| Fault::new(Kind::Malformed, host, "the image's configuration is not one in JSON"))?;
    Ok(said.platform())
}

// === impl Platform ===

impl Platform {
    /// The one of this machine.
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Self::new(std::env::consts::OS, architecture, None)
    }

    /// As containerd compares them: 64-bit ARM is `v8`, 32-bit ARM `v7`, and 64-bit Intel `v1`, where nothing is said.
    fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let lower = str::to_ascii_lowercase;
        let (os, architecture) = (lower(os), lower(architecture));
        let (architecture, implied) = match architecture.as_str() {
            "x86_64" | "x86-64" | "amd64" => ("amd64", Some("v1")),
            "aarch64" | "arm64" => ("arm64", Some("v8")),
            "armhf" | "arm" => ("arm", Some("v7")),
            "armel" => ("arm", Some("v6")),
            "i386" | "i686" | "386" => ("386", None),
            other => (other, None),
        };
        let architecture = architecture.to_owned();
        let variant = variant.map(lower).map(|variant| {
            let is_number = variant.bytes().all(|byte| byte.is_ascii_digit());
            if is_number { format!("v{variant}") } else { variant }
        });
        Self { os, variant: variant.or_else(|| implied.map(str::to_owned)), architecture }
    }

    /// Whether what is made for `other` runs on this: the same one, or of the same kind and older.
    pub fn is_served_by(&self, other: &Self) -> bool {
        let level = |platform: &Self| platform.variant.as_deref()?.strip_prefix('v')?.parse::<u32>().ok();
        let is_older = || level(other).zip(level(self)).is_some_and(|(other, own)| other <= own);
        self.os == other.os && self.architecture == other.architecture && (self.variant == other.variant || is_older())
    }
}

impl FromStr for Platform {
    type Err = NotAPlatform;

    fn from_str(text: &str) -> Result<Self, NotAPlatform> {
        let words: Vec<&str> = text.split('/').collect();
        let is_word = |word: &&str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        match words.as_slice() {
            [os, architecture] if words.iter().all(is_word) => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] if words.iter().all(is_word) => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(NotAPlatform(text.to_owned())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("amd64", Some("v1")) | ("arm64", Some("v8")) | (_, None) => Ok(()),
            (_, Some(variant)) => write!(f, "/{variant}"),
        }
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}
