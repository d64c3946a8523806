//! Asks registries for images, each as often as it has to be and no more.

use super::plan::{Plan, Target};
use super::row::{Asked, Expected, Old, Row, State, Verdict, all};
use super::wanted::{By, Known};
use crate::credentials::{Credential, Store};
use crate::error::Chain;
use crate::reference::Reference;
use crate::registry::{Client, Content, Fault, Kind, Manifest, Platform, Step, What};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What it takes to ask.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) client: Client,
    pub(super) store: Store,
    pub(super) platforms: Vec<Platform>,
    pub(super) skip_old: bool,
    pub(super) any_target: bool,
    /// Registries that can't be asked: not once more for each image.
    pub(super) down: Mutex<HashMap<String, Fault>>,
}

/// What a registry has by a name.
struct Seen {
    digest: String,
    lacking: Vec<Platform>,
}

/// How often it is asked that answers with what may pass.
const TRIES: u32 = 3;
/// The first wait between two of them; the next is longer by as much.
const WAIT: Duration = Duration::from_millis(500);
/// Whoever asks to be left alone for longer is.
const PATIENCE: Duration = Duration::from_secs(30);

// === impl Asker ===

impl Asker {
    /// Everything about one image.
    pub(super) async fn row(&self, image: &str, known: Option<&Known>, plan: &Plan) -> Row {
        let targets = match plan {
            Plan::Targets(targets) => targets,
            Plan::NoRule => {
                let why = "no rule is about it: is this the configuration that it is for?";
                return Row::unasked(image.to_owned(), Verdict::Unknown, why.to_owned());
            }
            Plan::NoTarget(why) => return Row::unasked(image.to_owned(), Verdict::NoTarget, why.clone()),
            Plan::NoName(why) => return Row::unasked(image.to_owned(), Verdict::Unknown, why.clone()),
        };
        let old = self.old(image).await;
        let by = |digest: &String, by| Expected { digest: digest.clone(), by };
        let expected = old.digest.as_ref().map(|digest| by(digest, By::OldRegistry));
        let expected = expected.or_else(|| known.map(|known| by(&known.digest, known.by)));
        let mut asked = Vec::new();
        for target in targets {
            asked.push(self.target(target, expected.as_ref()).await);
        }
        let verdict = all(&asked, self.any_target);
        Row { image: image.to_owned(), verdict, reason: None, expected, old, targets: asked }
    }

    /// What is there by the name as it is. Nobody's credentials are ours to show there.
    async fn old(&self, image: &str) -> Old {
        let Some(reference) = Reference::parse(image).ok().filter(|reference| {
            // A digest means the same image wherever it is.
            !self.skip_old && reference.digest().is_none()
        }) else {
            return Old::NOT_ASKED;
        };
        let asked =
            self.patiently(reference, 1, async |steps| self.client.manifest(reference, None, None, steps).await);
        match asked.await {
            Ok(manifest) => Old { state: State::There, digest: Some(manifest.digest), reason: None },
            Err(fault) if fault.kind == Kind::NotFound => {
                Old { state: State::Missing, digest: None, reason: Some(fault.to_string()) }
            }
            Err(fault) => Old { state: State::Unknown, digest: None, reason: Some(fault.to_string()) },
        }
    }

    async fn target(&self, target: &Target, expected: Option<&Expected>) -> Asked {
        let mut asked = Asked {
            image: target.image.clone(),
            rule: target.rules.first().cloned().unwrap_or_default(),
            rules: target.rules.clone(),
            verdict: Verdict::Unknown,
            digest: None,
            lacking: Vec::new(),
            reason: None,
            fault: None,
        };
        let Ok(reference) = Reference::parse(&target.image) else { return asked };
        let (credential, trouble) = self.credential(target, reference).await;
        let seen =
            self.patiently(reference, 2, async |steps| self.look(reference, credential.as_ref(), steps).await).await;
        match seen {
            Ok(Seen { digest, lacking }) => {
                asked.verdict = match expected {
                    Some(expected) if expected.digest != digest => Verdict::Differs,
                    _ if !lacking.is_empty() => Verdict::LacksPlatform,
                    _ => Verdict::There,
                };
                (asked.digest, asked.lacking) = (Some(digest), lacking);
            }
            Err(fault) => {
                asked.verdict = Verdict::of(&fault);
                asked.fault = Some(fault.kind);
                let why = trouble.filter(|_| asked.verdict == Verdict::Denied).map(|why| format!("; {why}"));
                asked.reason = Some(format!("{fault}{}", why.unwrap_or_default()));
            }
        }
        asked
    }

    /// What the target is shown, and why that may be too little. As by `serve`: where there are none, it is asked without.
    async fn credential(&self, target: &Target, reference: Reference<'_>) -> (Option<Credential>, Option<String>) {
        use crate::rules::Credentials::{Forward, None as Nobodys, Source, Usual};
        match &target.credentials {
            Source(name) => match self.store.find(name, reference).await {
                Ok(Some(credential)) => (Some(credential), None),
                Ok(None) => (None, Some(format!("the credentials `{name}` have none for it"))),
                Err(error) => (None, Some(Chain(&error).to_string())),
            },
            Forward => (None, Some("the rule passes on the pods' own credentials, which only a pull has".to_owned())),
            Usual | Nobodys => (None, None),
        }
    }

    async fn look(
        &self,
        image: Reference<'_>,
        credential: Option<&Credential>,
        steps: &mut Vec<Step>,
    ) -> Result<Seen, Fault> {
        let manifest = self.client.manifest(image, None, credential, steps).await?;
        let mut lacking = Vec::new();
        match &manifest.content {
            Content::Index(_) => {
                for platform in &self.platforms {
                    if !self.is_listed(&manifest, platform, (image, credential), steps).await? {
                        lacking.push(platform.clone());
                    }
                }
            }
            Content::Image { config: Some(config), .. } => {
                let own = self.client.platform(image, config, credential, steps).await?;
                // One that does not say for what it is runs wherever it is told to.
                let is_lacking = |platform: &&Platform| own.as_ref().is_some_and(|own| !platform.is_served_by(own));
                lacking.extend(self.platforms.iter().filter(is_lacking).cloned());
            }
            Content::Image { config: None, .. } => {}
        }
        Ok(Seen { digest: manifest.digest, lacking })
    }

    /// Whether an index names a manifest for the platform, and has it, which a copy of one platform alone has not.
    async fn is_listed(
        &self,
        index: &Manifest,
        platform: &Platform,
        (image, credential): (Reference<'_>, Option<&Credential>),
        steps: &mut Vec<Step>,
    ) -> Result<bool, Fault> {
        let Some(digest) = index.listed(platform) else { return Ok(false) };
        match self.client.has(image, digest, credential, steps).await {
            Ok(()) => Ok(true),
            Err(fault) if fault.kind == Kind::NotFound => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Asks again where it may help, up to `late` times where that takes long, and not at all where nobody was there before.
    async fn patiently<T>(
        &self,
        image: Reference<'_>,
        late: u32,
        ask: impl AsyncFn(&mut Vec<Step>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let registry = image.registry().to_ascii_lowercase();
        let known = self.down.lock().unwrap_or_else(PoisonError::into_inner).get(&registry).cloned();
        if let Some(fault) = known {
            return Err(fault);
        }
        let mut tries = 1;
        loop {
            let mut steps = Vec::new();
            let fault = match ask(&mut steps).await {
                Err(fault) => fault,
                answer => return answer,
            };
            let most = if fault.kind == Kind::Timeout { late } else { TRIES };
            let wait = fault.retry_after.unwrap_or_else(|| WAIT.saturating_mul(tries));
            if !fault.is_passing() || tries >= most || wait > PATIENCE {
                if is_of_host(&fault) && is_of_registry(&steps) {
                    self.down.lock().unwrap_or_else(PoisonError::into_inner).insert(registry, fault.clone());
                }
                return Err(fault);
            }
            tokio::time::sleep(wait).await;
            tries = tries.saturating_add(1);
        }
    }
}

/// Whether it is the registry that failed, the proxy before it, or who gives its tokens: not who keeps its blobs, where a redirect
/// led.
fn is_of_registry(steps: &[Step]) -> bool {
    let Some((first, last)) = steps.first().zip(steps.last()) else { return false };
    last.what == What::Token || last.host == first.host
}

/// Whether it would be the same for another image.
const fn is_of_host(fault: &Fault) -> bool {
    matches!(
        fault.kind,
        Kind::Dns
            | Kind::Refused
            | Kind::Unreachable
            | Kind::Timeout
            | Kind::Proxy
            | Kind::UnknownAuthority
            | Kind::Expired
            | Kind::NotYetValid
            | Kind::WrongName
            | Kind::Tls
            | Kind::TooManyRequests
    )
}
