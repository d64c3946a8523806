//! Sees to it that the runtime finds its sandbox image by the name that its configuration has, where a rule is about that
//! name: pods fail with `FailedCreatePodSandBox` otherwise, and no pull of the kubelet's would show why.
//!
//! It is looked for every few seconds, since it may be collected as garbage and the call that makes a pod need not come
//! this way; and before each such call that does. What is missing is pulled through the same layer as everything else, and
//! given its old name. Where the runtime has no call for that, it is said what to change.

mod mend;
mod remedy;

use crate::audit::record::{SandboxImage, SandboxOutcome};
use crate::audit::{self, Event, Record};
use crate::error::Chain;
use crate::metrics;
use crate::node::containerd::{Containerd, Instance};
use crate::node::{Node, Tree};
use crate::proxy::overrides::Course;
use crate::proxy::question::Presence;
use crate::proxy::sandbox::Ask;
use crate::proxy::status::contained;
use crate::proxy::{Current, Shared};
use crate::reference::Reference;
use crate::rewrite;
use crate::runtime::peer::release;
use crate::runtime::{Legs, Peer, Peers, sandbox};
use mend::{Mender, Ours};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

/// Watches over it.
#[derive(Debug)]
pub struct Watch {
    current: Arc<Current>,
    /// What held at the last look.
    shared: Shared,
    peers: Arc<Peers>,
    asks: Receiver<Ask>,
    mender: Mender,
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
/// And after many failures within this: a node full of pods that can't be made asks a mirror that is down all the time.
const LONGEST_TIRED: Duration = Duration::from_secs(15);

impl Watch {
    /// One on legs of its own.
    pub fn new(current: Arc<Current>, peers: Arc<Peers>, asks: Receiver<Ask>, legs: Legs) -> Self {
        let mender = Mender::new(legs, Arc::clone(&current));
        let (shared, since) = (current.now(), Instant::now());
        Self { current, shared, peers, asks, mender, since, known: None, recorded: None, failures: 0 }
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
                let rest = if self.failures > 0 { pause.clamp(TIRED, LONGEST_TIRED) } else { Duration::ZERO };
                tired = now.checked_add(rest).unwrap_or(now);
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
        self.keep_up();
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
                let remedy = ours.first().map(|first| remedy::remedy(&ours.peer, &first));
                self.tell(&ours, ours.first(), SandboxOutcome::Cannot, remedy.unwrap_or_default());
            }
            return PAUSE;
        }
        self.shared.sandbox.set_open(false);
        match self.mender.presence(&ours.peer, &ours.image).await {
            Ok(Presence::Present(_)) => {
                self.failures = 0;
                self.shared.metrics.sandbox_missing.set(0);
                if !matches!(self.recorded, Some(SandboxOutcome::Present | SandboxOutcome::Pulled)) {
                    self.tell(&ours, ours.first(), SandboxOutcome::Present, String::new());
                }
                PAUSE
            }
            Ok(Presence::Absent) => self.mend(&ours).await,
            // The runtime's own trouble, which others tell of.
            Ok(Presence::Unknown) | Err(_) => FIRST_PAUSE,
        }
    }

    /// Goes by what is configured now. What another configuration says of the image is news.
    fn keep_up(&mut self) {
        let now = self.current.now();
        if !Arc::ptr_eq(&now, &self.shared) {
            if now.sandbox_image != self.shared.sandbox_image {
                self.known = None;
            }
            (self.shared, self.recorded, self.failures) = (now, None, 0);
        }
    }

    /// The runtime that is there, and what it makes pods with. `None` while it does not say.
    async fn known(&mut self) -> Option<Known> {
        let peer = match self.peers.now().await {
            Ok(peer) => peer,
            Err(error) => {
                // It is said by whoever is kept from something by that.
                tracing::trace!(error = %Chain(&error), "The sandbox image cannot be seen to");
                return None;
            }
        };
        if let Some(known) = self.known.clone().filter(|known| known.peer == peer)
            && ((known.image.is_some() && peer.keeps_records) || known.since.elapsed() < SILENCE)
        {
            return Some(known);
        }
        let image = match &self.shared.sandbox_image {
            Some(named) => Some(named.clone()),
            None => {
                let asked = sandbox::image(&peer, || in_files(&peer), |name| self.decision(name).is_some());
                match tokio::time::timeout(mend::PATIENCE, asked).await {
                    Ok(Ok(image)) => image,
                    Ok(Err(error)) => {
                        tracing::debug!(error = %Chain(&error), "The runtime does not say what it makes pods with");
                        return None;
                    }
                    Err(_) => {
                        tracing::debug!("The runtime takes too long to say what it makes pods with");
                        return None;
                    }
                }
            }
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
            (self.recorded, self.failures) = (None, 0);
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
        let is_rewritten = self.shared.course(found.rule) == Course::Rewrite;
        let substitutes = rewrite::substitutes(&found).map(|substitute| substitute.image).collect();
        is_rewritten.then(|| (found.rule.name.clone(), substitutes))
    }

    /// Pulls the image, and gives it the name that the runtime looks for.
    async fn mend(&mut self, ours: &Ours) -> Duration {
        self.shared.metrics.sandbox_missing.set(1);
        match self.mender.mend(ours).await {
            Ok(substitute) => {
                self.failures = 0;
                self.shared.metrics.sandbox_missing.set(0);
                self.tell(ours, substitute, SandboxOutcome::Pulled, String::new());
                PAUSE
            }
            Err(message) => {
                if self.recorded != Some(SandboxOutcome::Failed) {
                    self.tell(ours, ours.first(), SandboxOutcome::Failed, message);
                }
                let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures));
                self.failures = self.failures.saturating_add(1);
                pause.min(LONGEST_PAUSE)
            }
        }
    }

    /// Says what became of it, everywhere. `substitute` is what it was pulled as, or is to be.
    fn tell(&mut self, ours: &Ours, substitute: Option<String>, outcome: SandboxOutcome, message: String) {
        self.recorded = Some(outcome);
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
        self.shared.tally.record(Event::SandboxImage, self.shared.clock.now());
        if let Err(error) = self.shared.audit.leave(record) {
            tracing::error!(error = %Chain(&error), image, "The audit log does not say how the sandbox image is");
        }
    }
}

/// What containerd's files say. Where these are not known or can't be read, `sandbox_image` may say it.
fn in_files(peer: &Peer) -> Option<String> {
    let tree = Tree::at(Path::new("/"));
    let node = Node::look(&tree).ok();
    let major = release(&peer.version).map(|(major, _)| major);
    match Containerd::read(&tree, Instance { address: &peer.address, node: node.as_ref(), major }) {
        Ok(found) => Some(found?.sandbox?.text),
        Err(error) => {
            let error = Chain(&error);
            tracing::warn!(%error, "Could not look for the sandbox image; `sandbox_image` may name it");
            None
        }
    }
}
