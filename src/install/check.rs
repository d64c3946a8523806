//! Real calls, before the kubelet makes any: through repoint, and to every registry that takes the old one's place.

use super::remedy::{Failure, Hosts, Site};
use crate::clock::Clock;
use crate::config::Settings;
use crate::credentials::{Credential, Source, Store};
use crate::cri::client::{self, NoRuntime};
use crate::cri::method::Version;
use crate::cri::v1::{AuthConfig, Container, Image};
use crate::error::Chain;
use crate::node::{Kind, Runtime};
use crate::reference::{Reference, with_default_tag};
use crate::rules::place::normal;
use crate::rules::rule::Credentials;
use prost::Message;
use secrecy::ExposeSecret;
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

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
/// How long any other answer may take.
const ANSWER: Duration = Duration::from_secs(15);

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
    let bench = Bench::set_up(place, settings).await?;
    let (mut problems, mut untried) = (Vec::new(), Vec::new());
    for trial in trials {
        match bench.pull(trial).await? {
            Outcome::Pulled { .. } => {}
            Outcome::Untried(why) => untried.push(format!("{}: {why}", trial.image)),
            Outcome::Failed(problem) => problems.push(problem),
        }
    }
    Ok((problems, untried))
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was pulled.
    Pulled {
        /// How long that took.
        took: Duration,
        /// What became of the image.
        after: After,
    },
    /// It could not be tried.
    Untried(String),
    /// It could not be pulled.
    Failed(Problem),
}

/// What became of an image that was pulled to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It was there before, so it stays.
    WasThere,
    /// It is gone again.
    Removed,
    /// It stays, because somebody else has come to use it, nobody knows whether it was there, or the runtime keeps it.
    Stays,
}

/// What is there before an image is pulled.
struct There {
    /// Whether the image's name is one.
    by_name: bool,
    /// By what name an image is there does not matter: to remove it by one is to remove it by all.
    ids: HashSet<String>,
}

/// A runtime that has said what it is.
#[derive(Debug)]
pub struct Bench<'a> {
    place: Place<'a>,
    settings: &'a Settings,
    hosts: Hosts,
    runtime: String,
    api: Version,
    store: Store,
}

// === impl Bench ===

impl<'a> Bench<'a> {
    /// Asks the runtime what it is.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn set_up(place: Place<'a>, settings: &'a Settings) -> Result<Self, NoRuntime> {
        let (said, api) = client::within(ANSWER, client::introduction(place.socket)).await?;
        let store = Store::new(settings.credentials.clone(), None, Clock::SYSTEM);
        Ok(Self { place, settings, hosts: Hosts::default(), runtime: said.runtime_name, api, store })
    }

    /// By what its containerd is told of registries, where that is known.
    #[must_use]
    pub fn with_hosts(self, hosts: Hosts) -> Self {
        Self { hosts, ..self }
    }

    /// Has an image pulled, and removed again where it was not there.
    ///
    /// # Errors
    ///
    /// When the runtime does not answer.
    pub async fn pull(&self, Trial { image, credentials }: &Trial) -> Result<Outcome, NoRuntime> {
        let Place { socket, kind, unit } = self.place;
        let failed = |why, remedy| Ok(Outcome::Failed(Problem { image: image.clone(), why, remedy }));
        let Ok(reference) = Reference::parse(image) else {
            return Ok(Outcome::Untried("this is no image".to_owned()));
        };
        let auth = match auth(&self.store, self.settings, credentials, reference).await {
            Ok(Auth::Known(auth)) => auth,
            Ok(Auth::OfTheService) => {
                return Ok(Outcome::Untried("systemd hands its credentials to the service alone".to_owned()));
            }
            Err(why) => {
                return failed(why, "see to that source of credentials in /etc/repoint/repoint.toml".to_owned());
            }
        };
        // Not sooner: while others were tried, somebody may have pulled it.
        let there = self.there(image).await;
        let began = Instant::now();
        let why = match client::within(PATIENCE, client::pull(socket, self.api, image, auth)).await {
            Ok(()) => {
                let took = began.elapsed();
                return Ok(Outcome::Pulled { took, after: self.put_back(image, there).await? });
            }
            Err(NoRuntime::Answer(status)) => status.message().to_owned(),
            Err(error @ NoRuntime::Connection(_)) => return Err(error),
        };
        let site = Site { runtime: Runtime::called(&self.runtime), kind, unit, hosts: &self.hosts };
        let remedy = Failure::of(&why, reference.registry()).remedy(site);
        failed(why, remedy)
    }

    /// Nothing where the runtime does not say.
    async fn there(&self, image: &str) -> Option<There> {
        let socket = self.place.socket;
        let named = self.image(image).await.ok()?;
        let all = client::within(ANSWER, client::images(socket, self.api)).await.ok()?;
        Some(There { by_name: named.is_some(), ids: all.into_iter().map(|image| image.id).collect() })
    }

    async fn put_back(&self, image: &str, there: Option<There>) -> Result<After, NoRuntime> {
        let socket = self.place.socket;
        let (Some(found), Some(there)) = (self.image(image).await?, there) else { return Ok(After::Stays) };
        if there.by_name || there.ids.contains(&found.id) {
            return Ok(After::WasThere);
        }
        // Who takes image calls alone has no containers to tell of.
        let containers = client::within(ANSWER, client::containers(socket)).await.unwrap_or_default();
        if found.pinned || is_called_otherwise(&found, image) || containers.iter().any(|one| is_of(one, &found)) {
            return Ok(After::Stays);
        }
        // cri-dockerd takes a name for an image that is not there.
        let is_docker = Runtime::called(&self.runtime) == Some(Runtime::Docker);
        let name = if is_docker { &found.id } else { image };
        // One more small image does no harm.
        let is_removed = client::within(ANSWER, client::remove(socket, self.api, name)).await.is_ok();
        Ok(if is_removed { After::Removed } else { After::Stays })
    }

    async fn image(&self, name: &str) -> Result<Option<Image>, NoRuntime> {
        client::within(ANSWER, client::image(self.place.socket, self.api, name)).await
    }
}

/// Whether an image that was pulled by that name has others: whoever gave it one means to keep it.
fn is_called_otherwise(image: &Image, name: &str) -> bool {
    let name = with_default_tag(name);
    let Ok(name) = Reference::parse(&name) else { return true };
    let is_beside = |other: Reference<'_>| {
        normal(other.registry()) == normal(name.registry()) && other.components().eq(name.components())
    };
    let is_other = |other: &String| match Reference::parse(other) {
        Ok(other) => !is_beside(other) || (other.tag().is_some() && name.tag().is_some() && other.tag() != name.tag()),
        // Docker lists `<none>:<none>`.
        Err(_) => false,
    };
    image.repo_tags.iter().chain(&image.repo_digests).any(is_other)
}

/// Whether a container was made of it.
fn is_of(container: &Container, image: &Image) -> bool {
    let asked = container.image.as_ref().map(|spec| &spec.image);
    let names = [Some(&container.image_ref), Some(&container.image_id), asked];
    let is_it =
        |name: &String| *name == image.id || image.repo_tags.contains(name) || image.repo_digests.contains(name);
    names.into_iter().flatten().any(is_it)
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
