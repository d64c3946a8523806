//! Real calls, before the kubelet makes any: through repoint, and to every registry that takes the old one's place.

use super::remedy::remedy;
use crate::clock::Clock;
use crate::config::Settings;
use crate::credentials::{Credential, Source, Store};
use crate::cri::client::{self, NoRuntime};
use crate::cri::v1::AuthConfig;
use crate::error::Chain;
use crate::node::Kind;
use crate::reference::Reference;
use crate::rules::rule::Credentials;
use prost::Message;
use secrecy::ExposeSecret;
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

/// An image at a registry that takes the old one's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Its name there.
    pub image: String,
    /// Whose credentials the registry is shown.
    pub credentials: Credentials,
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What was tried.
    pub image: String,
    /// What the runtime said.
    pub why: String,
    /// What to mend.
    pub remedy: String,
}

/// Where it is tried.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The runtime's socket, or that of whoever pulls images for it.
    pub socket: &'a Path,
    /// The kind of node.
    pub kind: Kind,
    /// The unit that the kubelet is in.
    pub unit: &'a str,
}

/// How long a small image may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks for version and image by way of `socket`, as the kubelet does as it starts.
///
/// # Errors
///
/// When there is no answer.
pub async fn through(socket: &Path, image: &str) -> Result<(), NoRuntime> {
    let (_, api) = client::introduction(socket).await?;
    client::image(socket, api, image).await.map(|_| ())
}

/// What to try with images of these old names; and the rules of which nothing can be tried by them.
pub fn trials(settings: &Settings, images: &[String]) -> (Vec<Trial>, Vec<String>) {
    let (mut trials, mut tried) = (Vec::new(), HashSet::new());
    for image in images {
        let Ok(reference) = Reference::parse(image) else { continue };
        for found in settings.rules.possible(reference) {
            tried.insert(found.rule.name.clone());
            for (target, image) in found.substitutes() {
                let trial = Trial { image, credentials: target.credentials.clone() };
                if !trials.contains(&trial) {
                    trials.push(trial);
                }
            }
        }
    }
    let rules = settings.rules.rules().iter();
    let left = rules.filter(|rule| !rule.targets.is_empty() && !tried.contains(&rule.name));
    (trials, left.map(|rule| rule.name.clone()).collect())
}

/// Has each pulled, and removed again where it was not there. Says what stands in the way, and what could not be tried.
///
/// # Errors
///
/// When the runtime does not answer.
pub async fn pulls(
    place: Place<'_>,
    trials: &[Trial],
    settings: &Settings,
) -> Result<(Vec<Problem>, Vec<String>), NoRuntime> {
    let (said, api) = client::introduction(place.socket).await?;
    let store = Store::new(settings.credentials.clone(), None, Clock::SYSTEM);
    // By what name an image is there does not matter: to remove it by one is to remove it by all.
    let there = client::images(place.socket, api)
        .await
        .map(|images| images.into_iter().map(|image| image.id).collect::<HashSet<_>>());
    let (mut problems, mut untried) = (Vec::new(), Vec::new());
    for Trial { image, credentials } in trials {
        let Ok(reference) = Reference::parse(image) else { continue };
        let problem = |why: String, remedy: String| Problem { image: image.clone(), why, remedy };
        let auth = match auth(&store, settings, credentials, reference).await {
            Ok(Auth::Known(auth)) => auth,
            Ok(Auth::OfTheService) => {
                untried.push(format!("{image}: systemd hands its credentials to the service alone"));
                continue;
            }
            Err(why) => {
                problems
                    .push(problem(why, "see to that source of credentials in /etc/repoint/repoint.toml".to_owned()));
                continue;
            }
        };
        let pulled = tokio::time::timeout(PATIENCE, client::pull(place.socket, api, image, auth)).await;
        let why = match pulled {
            Ok(Ok(())) => {
                let id = client::image(place.socket, api, image).await?.map(|image| image.id);
                if let (Some(id), Ok(there)) = (id, &there)
                    && !there.contains(&id)
                {
                    // One more small image does no harm.
                    let _it_stays = client::remove(place.socket, api, image).await;
                }
                continue;
            }
            Ok(Err(NoRuntime::Answer(status))) => status.message().to_owned(),
            Ok(Err(error @ NoRuntime::Connection(_))) => return Err(error),
            Err(_) => format!("timed out after {} s", PATIENCE.as_secs()),
        };
        let remedy = remedy(&why, reference.registry(), &said.runtime_name, place.kind, place.unit);
        problems.push(problem(why, remedy));
    }
    Ok((problems, untried))
}

/// What a registry is shown.
enum Auth {
    Known(Option<AuthConfig>),
    /// What only the service has.
    OfTheService,
}

async fn auth(
    store: &Store,
    settings: &Settings,
    credentials: &Credentials,
    image: Reference<'_>,
) -> Result<Auth, String> {
    let Credentials::Source(name) = credentials else { return Ok(Auth::Known(None)) };
    let is_systemd = |(other, source): &(String, Source)| other == name && matches!(source, Source::Systemd { .. });
    if settings.credentials.iter().any(is_systemd) {
        return Ok(Auth::OfTheService);
    }
    let found: Option<Credential> = store.find(name, image).await.map_err(|error| Chain(&error).to_string())?;
    let auth = found.map(|found| AuthConfig::decode(found.to_auth().expose_secret()));
    auth.transpose().map(Auth::Known).map_err(|error| error.to_string())
}
