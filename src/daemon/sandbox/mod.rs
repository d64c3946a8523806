//! Sees to it that the runtime finds its sandbox image by the name that its configuration has, where a rule is about that
//! name: pods fail with `FailedCreatePodSandBox` otherwise, and no pull of the kubelet's would show why.
//!
//! It is looked for every few seconds, since it may be collected as garbage and the call that makes a pod need not come
//! this way; and before each such call that does. What is missing is pulled through the same layer as everything else, and
//! given its old name. Where the runtime has no call for that, it is said what to change.

mod remedy;

use crate::audit::record::{SandboxImage, SandboxOutcome};
use crate::audit::{self, Event, Record};
use crate::error::Chain;
use crate::metrics;
use crate::proxy::forward::Forward;
use crate::proxy::pull::Pull;
use crate::proxy::question::Presence;
use crate::proxy::sandbox::Ask;
use crate::proxy::status::contained;
use crate::proxy::{Fault, Shared, own};
use crate::reference::Reference;
use crate::rewrite;
use crate::rules::Action;
use crate::runtime::alias::{self, Purpose};
use crate::runtime::{Legs, Peer, Peers, sandbox};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;
use tonic::Code;

/// Watches over it.
#[derive(Debug)]
pub struct Watch {
    shared: Shared,
    peers: Arc<Peers>,
    /// What the configuration says that it is.
    named: Option<String>,
    asks: Receiver<Ask>,
    forward: Forward,
    pull: Pull<Forward>,
    since: Instant,
    known: Option<Known>,
    /// What was recorded last, of this runtime.
    recorded: Option<SandboxOutcome>,
    /// How often in a row it could not be had.
    failures: u32,
}

/// What a runtime makes pods with.
#[derive(Debug, Clone)]
struct Known {
    peer: Arc<Peer>,
    image: Option<String>,
    since: Instant,
}

/// The image, and what a rule has for it.
#[derive(Debug, Clone)]
struct Ours {
    peer: Arc<Peer>,
    image: String,
    rule: String,
    substitutes: Vec<String>,
}

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// How long what a runtime said is not asked again. One that said nothing may have the image by then; CRI-O reads its
/// configuration anew without a restart; containerd does not.
const SILENCE: Duration = Duration::from_secs(60);

/// How long it is left to a call to find out which of the usual sockets is the runtime's: the right one may come later
/// than another that answers, and the first that is taken is taken for good.
const GRACE: Duration = Duration::from_secs(60);

/// The pause after the image could not be had, and twice as long after each failure that follows...
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Within this after a failure, nobody's pod waits for another try.
const TIRED: Duration = Duration::from_secs(3);

/// How long a pull may take.
const LIMIT: Duration = Duration::from_secs(120);

/// How long the runtime has to show an image by the name it was given.
const SOON: Duration = Duration::from_secs(2);

/// The pause between two looks whether it does.
const BLINK: Duration = Duration::from_millis(5);

impl Watch {
    /// One on legs of its own.
    pub fn new(shared: Shared, peers: Arc<Peers>, named: Option<String>, asks: Receiver<Ask>, legs: Legs) -> Self {
        let forward = Forward::new(legs, shared.clone());
        let pull = Pull::new(forward.clone(), shared.clone());
        let since = Instant::now();
        Self { shared, peers, named, asks, forward, pull, since, known: None, recorded: None, failures: 0 }
    }

    /// Watches for ever.
    pub async fn run(mut self) {
        let mut next = Instant::now();
        let mut tired = next;
        loop {
            let mut waiting = Vec::new();
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                ask = self.asks.recv() => match ask {
                    Some(ask) => waiting.push(ask),
                    None => return,
                },
            }
            let now = Instant::now();
            if waiting.is_empty() || now >= tired {
                let is_called = !waiting.is_empty();
                let pause = contained(async { Ok(self.look(is_called).await) }).await.unwrap_or(LONGEST_PAUSE);
                let now = Instant::now();
                next = now.checked_add(pause).unwrap_or(now);
                tired = if self.failures > 0 { now.checked_add(TIRED).unwrap_or(now) } else { now };
            }
            while let Ok(ask) = self.asks.try_recv() {
                waiting.push(ask);
            }
            for ask in waiting {
                let _gave_up = ask.send(());
            }
        }
    }

    /// Looks, and does what is to be done; `is_called` where a call waits for it. Returns when to look again.
    async fn look(&mut self, is_called: bool) -> Duration {
        if !is_called && !self.peers.are_settled() && self.since.elapsed() < GRACE {
            return FIRST_PAUSE;
        }
        let Some(known) = self.known().await else {
            // The one that comes may be configured otherwise.
            self.shared.sandbox.set_open(false);
            return FIRST_PAUSE;
        };
        let Some(ours) = self.ours(&known) else {
            self.shared.sandbox.set_open(true);
            self.shared.metrics.sandbox_missing.set(0);
            return PAUSE;
        };
        if !ours.peer.keeps_records {
            self.shared.sandbox.set_open(true);
            if self.recorded.is_none() {
                let remedy = ours.substitutes.first().map(|first| remedy::remedy(&ours.peer, first));
                self.tell(&ours, None, SandboxOutcome::Cannot, remedy.unwrap_or_default());
            }
            return PAUSE;
        }
        self.shared.sandbox.set_open(false);
        match self.presence(&ours.peer, &ours.image).await {
            Ok(Presence::Present(_)) => {
                self.failures = 0;
                self.shared.metrics.sandbox_missing.set(0);
                if !matches!(self.recorded, Some(SandboxOutcome::Present | SandboxOutcome::Pulled)) {
                    self.tell(&ours, None, SandboxOutcome::Present, String::new());
                }
                PAUSE
            }
            Ok(Presence::Absent) => self.mend(&ours).await,
            // The runtime's own trouble, which others tell of.
            Ok(Presence::Unknown) | Err(_) => FIRST_PAUSE,
        }
    }

    /// The runtime that is there, and what it makes pods with. `None` while it does not say.
    async fn known(&mut self) -> Option<Known> {
        let peer = match self.peers.now().await {
            Ok(peer) => peer,
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "The sandbox image cannot be seen to");
                return None;
            }
        };
        if let Some(known) = self.known.clone().filter(|known| known.peer == peer)
            && ((known.image.is_some() && peer.keeps_records) || known.since.elapsed() < SILENCE)
        {
            return Some(known);
        }
        let image = match &self.named {
            Some(named) => Some(named.clone()),
            None => match sandbox::image(&peer, |name| self.decision(name).is_some()).await {
                Ok(image) => image,
                Err(error) => {
                    tracing::debug!(error = %Chain(&error), "The runtime does not say what it makes pods with");
                    return None;
                }
            },
        };
        let is_news = self.known.as_ref().is_none_or(|known| known.image != image || known.peer != peer);
        if is_news {
            let rule = image.as_deref().and_then(|image| self.decision(image)).map(|(rule, _)| rule);
            tracing::info!(
                image,
                rule,
                runtime = peer.name,
                version = peer.version,
                "What the runtime makes pods with"
            );
            self.recorded = None;
        }
        let known = Known { peer, image, since: Instant::now() };
        self.known = Some(known.clone());
        Some(known)
    }

    /// What a rule has for the runtime's image, here and now.
    fn ours(&self, Known { peer, image, .. }: &Known) -> Option<Ours> {
        let image = image.clone()?;
        let (rule, substitutes) = self.decision(&image)?;
        Some(Ours { peer: Arc::clone(peer), image, rule, substitutes })
    }

    /// The rule that has an image pulled from elsewhere, for no pod, and what is asked for instead.
    fn decision(&self, image: &str) -> Option<(String, Vec<String>)> {
        let found = self.shared.rules.decide(Reference::parse(image).ok()?, None)?;
        let is_rewritten = found.rule.action_at(self.shared.standpoint()) == Action::Rewrite;
        let substitutes = rewrite::substitutes(&found).map(|substitute| substitute.image).collect();
        is_rewritten.then(|| (found.rule.name.clone(), substitutes))
    }

    async fn presence(&self, peer: &Peer, image: &str) -> Result<Presence, Fault> {
        own::presence(self.forward.clone(), &self.shared, peer.api, image).await
    }

    /// Pulls the image, and gives it the name that the runtime looks for.
    async fn mend(&mut self, ours: &Ours) -> Duration {
        self.shared.metrics.sandbox_missing.set(1);
        match self.mended(ours).await {
            Ok(name) => {
                self.failures = 0;
                self.shared.metrics.sandbox_missing.set(0);
                self.tell(ours, Some(name), SandboxOutcome::Pulled, String::new());
                PAUSE
            }
            Err(message) => {
                if self.recorded != Some(SandboxOutcome::Failed) {
                    self.tell(ours, None, SandboxOutcome::Failed, message);
                }
                let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures));
                self.failures = self.failures.saturating_add(1);
                pause.min(LONGEST_PAUSE)
            }
        }
    }

    /// The name of what the runtime finds by its image's name from now on.
    async fn mended(&self, ours: &Ours) -> Result<String, String> {
        let Ours { peer, image, substitutes, .. } = ours;
        let pulled = tokio::time::timeout(LIMIT, self.pulled(ours)).await;
        let (name, refused) = match pulled.unwrap_or_else(|_| Err(format!("no pull within {} s", LIMIT.as_secs()))) {
            Ok(id) => (id, None),
            // What was pulled before by another name is as good.
            Err(refused) => match self.present(peer, substitutes).await {
                Some(name) => (name, Some(refused)),
                None => return Err(refused),
            },
        };
        alias::give(peer, image, &name, Purpose::Sandbox).await.map_err(|error| Chain(&error).to_string())?;
        let shown = async {
            while !matches!(self.presence(peer, image).await, Ok(Presence::Present(_))) {
                tokio::time::sleep(BLINK).await;
            }
        };
        let is_shown = tokio::time::timeout(SOON, shown).await.is_ok();
        if !is_shown {
            return Err("the runtime does not show it by the name it was given".to_owned());
        }
        if let Some(error) = refused {
            tracing::warn!(
                error,
                image.before = image,
                image.after = name,
                "Took a sandbox image that was there already"
            );
        }
        Ok(name)
    }

    /// Pulls it as anybody's image is pulled; returns its ID.
    async fn pulled(&self, Ours { peer, image, .. }: &Ours) -> Result<String, String> {
        let answer = own::pull(self.pull.clone(), &self.shared, peer.api, image).await;
        let answer = answer.map_err(|fault| Chain(&fault).to_string())?;
        match (answer.code(), answer.image_ref) {
            (Code::Ok, Some(id)) if !id.is_empty() => Ok(id),
            (Code::Ok, _) => Err("the runtime does not say what it pulled".to_owned()),
            _ => Err(answer.status.message),
        }
    }

    /// The first of these names that is there.
    async fn present(&self, peer: &Peer, names: &[String]) -> Option<String> {
        for name in names {
            if let Ok(Presence::Present(_)) = self.presence(peer, name).await {
                return Some(name.clone());
            }
        }
        None
    }

    /// Says what became of it, everywhere. `from` is what it was given its name as, where that is a name.
    fn tell(&mut self, ours: &Ours, from: Option<String>, outcome: SandboxOutcome, message: String) {
        self.recorded = Some(outcome);
        let from = from.filter(|from| Reference::parse(from).is_ok());
        let substitute = from.or_else(|| ours.substitutes.first().cloned());
        let (rule, image) = (ours.rule.as_str(), ours.image.as_str());
        self.shared.metrics.sandbox_images.get_or_create(&metrics::SandboxImage { outcome: outcome.as_str() }).inc();
        match outcome {
            SandboxOutcome::Present => tracing::info!(rule, image, "The sandbox image is there by its old name"),
            SandboxOutcome::Pulled => tracing::info!(rule, image, substitute, "Gave the sandbox image its old name"),
            SandboxOutcome::Failed => {
                tracing::error!(rule, image, error = message, "Pods cannot be made: there is no sandbox image");
            }
            SandboxOutcome::Cannot => {
                self.shared.metrics.sandbox_missing.set(1);
                tracing::warn!(
                    rule,
                    image,
                    runtime = ours.peer.name,
                    remedy = message,
                    "The sandbox image is one to be replaced, and this runtime pulls it by itself"
                );
            }
        }
        let message = (!message.is_empty()).then_some(message);
        let body = SandboxImage { rule: rule.to_owned(), image: image.to_owned(), substitute, outcome, message };
        let body = audit::Body::SandboxImage(Box::new(body));
        let record = Record { time: self.shared.clock.now(), event: Event::SandboxImage, body };
        self.shared.tally.record(Event::SandboxImage);
        if let Err(error) = self.shared.audit.leave(record) {
            tracing::error!(error = %Chain(&error), image, "The audit log does not say how the sandbox image is");
        }
    }
}
