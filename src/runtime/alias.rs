//! An image's old names, given to it as records of containerd's own, so that the node looks as if the old registry had
//! served it: pods, lists and the kubelet's records go by the name in the manifest, and taking repoint out again leaves
//! every image findable.
//!
//! A direct pull of `old/x:1` makes two names, `old/x:1` and `old/x@sha256:…`; one of `old/x@sha256:…` makes that alone, also
//! where a tag stands before the digest. So do we, and a name that leads elsewhere is moved, as a direct pull moves it.

use super::containerd::api::Image;
use super::containerd::{MANAGED, PINNED, Records};
use super::peer::{Peer, Peers, Unmet};
use crate::reference::Reference;
use std::collections::HashMap;
use std::sync::Arc;
use tonic::Status;

/// Gives names.
#[derive(Debug, Clone)]
pub struct Aliases {
    peers: Arc<Peers>,
    keep: Keep,
}

/// Whether images that were pulled from elsewhere get their old names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Where the runtime can.
    Auto,
    /// Where it can; where it can't, that is said of every pull.
    Always,
    /// Nowhere.
    Never,
}

/// What an image is given a name for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It was pulled.
    Pull,
    /// The runtime makes pods with it, and it is not to be collected as garbage.
    Sandbox,
}

/// Why an image was not given its old names.
#[derive(Debug, thiserror::Error)]
pub enum Unnamed {
    /// The runtime does not say whether it could.
    #[error(transparent)]
    Unmet(#[from] Unmet),
    /// There is no connection for it.
    #[error("no connection for its old names")]
    Connection(#[from] tonic::transport::Error),
    /// It has no records one could add to.
    #[error("{0} has no call to give an image another name")]
    Unable(String),
    /// What was pulled is gone again.
    #[error("there is no {0} any more")]
    Gone(String),
    /// It refuses.
    #[error("containerd refuses: {}", .0.message())]
    Refused(#[from] Status),
    /// What has a name is no reference.
    #[error("`{0}` is no image reference")]
    Invalid(String),
    /// The name says which image it is, and it is not this one.
    #[error("`{0}` is not {1}, which was found")]
    Mistaken(String, String),
    /// Somebody else makes and removes the same name.
    #[error("`{0}` comes and goes")]
    Contested(String),
}

/// How often a name is tried that comes and goes.
const TRIES: usize = 3;

// === impl Keep ===

impl Keep {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

// === impl Aliases ===

impl Aliases {
    /// Those of whoever `peers` has.
    pub const fn new(peers: Arc<Peers>, keep: Keep) -> Self {
        Self { peers, keep }
    }

    /// The same with another mind about what to keep.
    #[must_use]
    pub fn with(&self, keep: Keep) -> Self {
        Self { peers: Arc::clone(&self.peers), keep }
    }

    /// Gives the old names of `image` to what was pulled as `pulled`, where that is to be done and can be. They are not
    /// visible at once.
    ///
    /// # Errors
    ///
    /// When they can't be given, and should be.
    pub async fn keep(&self, image: &str, pulled: &str) -> Result<Vec<String>, Unnamed> {
        if self.keep == Keep::Never {
            return Ok(Vec::new());
        }
        let peer = self.peers.now().await?;
        if peer.keeps_records {
            return give(&peer, image, pulled, Purpose::Pull).await;
        }
        if self.keep == Keep::Always { Err(Unnamed::Unable(peer.name.clone())) } else { Ok(Vec::new()) }
    }
}

/// Gives the old names of `image` to what is there as `pulled`, a name or an image ID.
///
/// # Errors
///
/// When they can't be given.
pub async fn give(peer: &Peer, image: &str, pulled: &str, purpose: Purpose) -> Result<Vec<String>, Unnamed> {
    let records = Records::connect(peer.address.path()).await?;
    let source = record(pulled);
    let found = records.get(&source).await?.ok_or(Unnamed::Gone(source))?;
    let names = names(image, found.digest()).ok_or_else(|| Unnamed::Invalid(image.to_owned()))?;
    // The record of an ID leads to the last manifest that was pulled with that configuration, and there may be several.
    let is_mistaken = |name: &&String| name.split_once('@').is_some_and(|(_, digest)| digest != found.digest());
    if let Some(name) = names.iter().find(is_mistaken) {
        return Err(Unnamed::Mistaken(name.clone(), found.digest().to_owned()));
    }
    // Before 1.6 no version knows the label, and it is not ours to litter; of 1.6 the later ones do (1.6.39 for one), and those
    // that do not take no notice of it.
    let is_pinned = purpose == Purpose::Sandbox && peer.is_since(1, 6);
    let labels = [MANAGED].into_iter().chain(is_pinned.then_some(PINNED));
    let labels: Vec<_> = labels.collect();
    for name in &names {
        one(&records, name, &found, &labels).await?;
    }
    Ok(names)
}

/// Sees to it that there is a record of that name, that it leads where `found` does, and that it has the labels.
async fn one(records: &Records, name: &str, found: &Image, labels: &[(&str, &str)]) -> Result<(), Unnamed> {
    let labelled: HashMap<_, _> = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let wanted = Image { name: name.to_owned(), labels: labelled, target: found.target.clone() };
    for _ in 0..TRIES {
        if records.create(wanted.clone()).await? {
            return Ok(());
        }
        let Some(there) = records.get(name).await? else { continue };
        let is_elsewhere = there.digest() != found.digest();
        let lacking = labels.iter().filter(|label| !there.is_labelled(**label)).map(|(key, _)| format!("labels.{key}"));
        let paths: Vec<_> = is_elsewhere.then(|| "target".to_owned()).into_iter().chain(lacking).collect();
        if paths.is_empty() {
            return Ok(());
        }
        if records.update(wanted.clone(), paths).await? {
            if is_elsewhere {
                tracing::info!(
                    image.before = name,
                    digest.before = there.digest(),
                    digest.after = found.digest(),
                    "Moved an old name to the image that was just pulled"
                );
            }
            return Ok(());
        }
    }
    Err(Unnamed::Contested(name.to_owned()))
}

/// The name of the record by which containerd has what is called so; of an image ID, that ID.
fn record(name: &str) -> String {
    names(name, "").and_then(|names| names.into_iter().next_back()).unwrap_or_else(|| name.to_owned())
}

/// What a direct pull of `image` would call an image of this digest, the tag last. `None` where it is no reference.
fn names(image: &str, digest: &str) -> Option<Vec<String>> {
    let reference = Reference::parse(image).ok()?;
    let mut repository = reference.registry().to_owned();
    for component in reference.components() {
        repository.push('/');
        repository.push_str(component);
    }
    if let Some(digest) = reference.digest() {
        return Some(vec![format!("{repository}@{digest}")]);
    }
    let by_digest = (!digest.is_empty()).then(|| format!("{repository}@{digest}"));
    let by_tag = format!("{repository}:{}", reference.tag().unwrap_or("latest"));
    Some(by_digest.into_iter().chain([by_tag]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_called_what_a_direct_pull_calls_it() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let by_digest = format!("k8s.gcr.io/x@{digest}");
        for image in ["k8s.gcr.io/x:1", "k8s.gcr.io/x:latest", "k8s.gcr.io/x"] {
            let tag = if image.ends_with(":1") { "1" } else { "latest" };
            assert_eq!(names(image, &digest).unwrap(), [by_digest.clone(), format!("k8s.gcr.io/x:{tag}")]);
        }
        for image in [by_digest.clone(), format!("k8s.gcr.io/x:1@{digest}")] {
            assert_eq!(names(&image, &digest).unwrap(), [by_digest.as_str()]);
        }
        assert_eq!(names("busybox", "").unwrap(), ["docker.io/library/busybox:latest"]);
        assert_eq!(names(&digest, ""), None);
        assert_eq!(record(&digest), digest);
        assert_eq!(record("K8S.gcr.io:443/x/y:2"), "K8S.gcr.io:443/x/y:2");
    }
}
