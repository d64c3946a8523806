//! Asks registries for images, each as often as it has to be and no more.

use super::plan::{Plan, Target};
use super::row::{Asked, Expected, Old, Row, State, Verdict, all};
use super::wanted::{By, Known};
use crate::credentials::{Credential, Store};
use crate::error::Chain;
use crate::reference::Reference;
use crate::registry::{Client, Content, Fault, Kind, Manifest, Platform, Step, What};
use crate::rules::Credentials;
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
    /// Registries that can't be asked, with whose credentials: not once more for each image.
    pub(super) down: Mutex<HashMap<(String, Option<String>), Fault>>,
}

/// What a registry has by a name.
struct Seen {
    manifest: Manifest,
    lacking: Vec<Platform>,
}

/// How often it is asked that answers with what may pass.
const TRIES: u32 = 3;
/// The first wait between two of them; the next is longer by as much.
const WAIT: Duration = Duration::from_millis(500);
/// Whoever asks to be left alone for longer is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Indexes that are looked at, one in the other.
const NESTED: u8 = 2;
/// What is looked at of an index that does not say for what it is.
const UNSAID: usize = 4;

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
            self.patiently(reference, None, 1, async |steps| self.client.manifest(reference, None, None, steps).await);
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
        let whose = match &target.credentials {
            Credentials::Source(name) if credential.is_some() => Some(name.as_str()),
            Credentials::Source(_) | Credentials::Forward | Credentials::Usual | Credentials::None => None,
        };
        let look = async |steps: &mut Vec<Step>| self.look((reference, credential.as_ref()), steps).await;
        let seen = self.patiently(reference, whose, 2, look).await;
        match seen {
            Ok(Seen { manifest, lacking }) => {
                asked.verdict = match expected {
                    Some(expected) if !expected.is_met_by(&manifest) => Verdict::Differs,
                    _ if !lacking.is_empty() => Verdict::LacksPlatform,
                    _ => Verdict::There,
                };
                (asked.digest, asked.lacking) = (Some(manifest.digest), lacking);
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
        match &target.credentials {
            Credentials::Source(name) => match self.store.find(name, reference).await {
                Ok(Some(credential)) => (Some(credential), None),
                Ok(None) => (None, Some(format!("the credentials `{name}` have none for it"))),
                Err(error) => (None, Some(Chain(&error).to_string())),
            },
            Credentials::Forward => {
                (None, Some("the rule passes on the pods' own credentials, which only a pull has".to_owned()))
            }
            Credentials::Usual | Credentials::None => (None, None),
        }
    }

    async fn look(&self, asked: (Reference<'_>, Option<&Credential>), steps: &mut Vec<Step>) -> Result<Seen, Fault> {
        let (image, credential) = asked;
        let manifest = self.client.manifest(image, None, credential, steps).await?;
        let wanted = self.platforms.clone();
        let lacking = match &manifest.content {
            Content::Index(_) => self.lacking(&manifest, wanted, NESTED, asked, steps).await?,
            Content::Image { config: Some(config), .. } => {
                let own = self.client.platform(image, config, credential, steps).await?;
                // One that does not say for what it is runs wherever it is told to.
                let is_lacking = |platform: &Platform| own.as_ref().is_some_and(|own| !platform.is_served_by(own));
                wanted.into_iter().filter(is_lacking).collect()
            }
            Content::Image { config: None, .. } => Vec::new(),
        };
        Ok(Seen { manifest, lacking })
    }

    /// The platforms of these that an index has nothing for, neither where it says so nor where it does not, down to so many
    /// indexes in it.
    async fn lacking(
        &self,
        index: &Manifest,
        wanted: Vec<Platform>,
        depth: u8,
        asked: (Reference<'_>, Option<&Credential>),
        steps: &mut Vec<Step>,
    ) -> Result<Vec<Platform>, Fault> {
        let (image, credential) = asked;
        let mut lacking = Vec::new();
        for platform in wanted {
            if !self.is_listed(index, &platform, asked, steps).await? {
                lacking.push(platform);
            }
        }
        for digest in index.unsaid().take(UNSAID) {
            if lacking.is_empty() {
                break;
            }
            let found = if_there(self.client.manifest(image, Some(digest), credential, steps).await)?;
            let Some(found) = found else { continue };
            lacking = match &found.content {
                Content::Index(_) if depth > 0 => {
                    Box::pin(self.lacking(&found, lacking, depth.saturating_sub(1), asked, steps)).await?
                }
                Content::Image { config: Some(config), .. } => {
                    let own = if_there(self.client.platform(image, config, credential, steps).await)?.flatten();
                    let is_lacking = |platform: &Platform| !own.as_ref().is_some_and(|own| platform.is_served_by(own));
                    lacking.into_iter().filter(is_lacking).collect()
                }
                Content::Index(_) | Content::Image { config: None, .. } => lacking,
            };
        }
        Ok(lacking)
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
        Ok(if_there(self.client.has(image, digest, credential, steps).await)?.is_some())
    }

    /// Asks again where it may help, up to `late` times where that takes long, and not at all where nobody was there before.
    async fn patiently<T>(
        &self,
        image: Reference<'_>,
        whose: Option<&str>,
        late: u32,
        ask: impl AsyncFn(&mut Vec<Step>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let registry = (image.registry().to_ascii_lowercase(), whose.map(str::to_owned));
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

/// `None` for what the registry has not.
fn if_there<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(fault) if fault.kind == Kind::NotFound => Ok(None),
        Err(fault) => Err(fault),
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
