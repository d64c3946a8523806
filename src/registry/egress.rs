//! The way out: whom one meets between here and an image, and where it ends.

use super::client::Client;
use super::fault::{Fault, Kind};
use super::manifest::Platform;
use super::step::Step;
use crate::credentials::Credential;
use crate::reference::Reference;
use serde::Serialize;
use std::time::Duration;

/// What was met on the way to one manifest and the beginning of one blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The image.
    pub image: String,
    /// Every request, in order; where something failed, the last one is where.
    pub steps: Vec<Step>,
    /// Why they did not come; `None` where both did.
    pub fault: Option<Fault>,
}

/// Indexes that are followed, one in the other.
const NESTED: usize = 3;
/// Whatever hangs, whoever asked has an answer.
const LIMIT: Duration = Duration::from_secs(120);

/// Follows the registry of `image` to one manifest (of an index, too, the one for `platform`, or else the first) and one blob of
/// it: the first bytes of its smallest layer, since layers are what registries have others give out; or its configuration, where it
/// has no layers. Nothing is tried twice.
pub async fn egress(
    client: &Client,
    image: Reference<'_>,
    credential: Option<&Credential>,
    platform: &Platform,
) -> Trace {
    let mut steps = Vec::new();
    let followed = tokio::time::timeout(LIMIT, follow(client, image, credential, platform, &mut steps)).await;
    let fault = match followed {
        Ok(followed) => followed.err(),
        Err(_) => {
            let host = steps.last().map_or_else(|| image.registry().to_owned(), |step| step.host.clone());
            Some(Fault::new(Kind::Timeout, host, format!("not done within {} s", LIMIT.as_secs())))
        }
    };
    Trace { image: image.source().to_owned(), steps, fault }
}

async fn follow(
    client: &Client,
    image: Reference<'_>,
    credential: Option<&Credential>,
    platform: &Platform,
    steps: &mut Vec<Step>,
) -> Result<(), Fault> {
    let mut found = client.manifest(image, None, credential, steps).await?;
    for _ in 0..NESTED {
        let Some(digest) = found.child(platform) else { break };
        found = client.manifest(image, Some(&digest), credential, steps).await?;
    }
    match found.blob() {
        Some(blob) => client.beginning(image, blob, credential, steps).await,
        None => {
            Err(Fault::new(Kind::Malformed, image.registry(), "the manifest names neither layers nor a configuration"))
        }
    }
}
