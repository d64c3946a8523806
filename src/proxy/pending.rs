//! A pull under way that a rule decided, and the record of it.

use super::answer::Answer;
use super::{Fault, Shared};
use crate::audit::file::Unwritten;
use crate::audit::{self, Event, Outcome, freeze};
use crate::error::Chain;
use crate::metrics;
use crate::rewrite;
use std::time::Duration;
use tokio::time::Instant;

/// A pull under way. Dropped before its record is with the log, it still gets one: of its end if it had one, and otherwise
/// of having been cancelled.
#[derive(Debug)]
pub struct Pending {
    shared: Shared,
    since: Instant,
    api: &'static str,
    /// What the rule decided.
    pub pull: rewrite::Pull,
    /// What becomes of it, as far as is known.
    event: Event,
    attempts: Vec<audit::Attempt>,
    /// The attempt that was begun last.
    current: Option<Current>,
    record: Stage,
}

/// An attempt under way.
#[derive(Debug)]
struct Current {
    since: Instant,
    image: String,
    credentials: String,
    credentials_error: Option<String>,
}

/// What came of it, where something did.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// What the runtime calls the image.
    pub id: Option<String>,
    /// The digest of its manifest.
    pub digest: Option<String>,
    /// The old names that it was given.
    pub aliases: Vec<String>,
}

/// Nobody's credentials.
pub const NONE: &str = "none";
/// Those that came with the call.
pub const CALL: &str = "call";

/// Where the record of a pull is.
#[derive(Debug)]
enum Stage {
    /// Not written yet: the pull goes on.
    Open,
    /// Written, and not yet with the log.
    Ready(audit::Record),
    /// With the log.
    Taken,
}

// === impl Pending ===

impl Pending {
    /// A pull that came at `since`.
    pub const fn new(shared: Shared, since: Instant, api: &'static str, pull: rewrite::Pull, event: Event) -> Self {
        Self { shared, since, api, pull, event, attempts: Vec::new(), current: None, record: Stage::Open }
    }

    /// Who was asked so far.
    pub fn attempts(&self) -> &[audit::Attempt] {
        &self.attempts
    }

    /// Notes that `image` is asked for.
    pub fn begin(&mut self, image: &str) {
        let (credentials, credentials_error) = (NONE.to_owned(), None);
        self.current = Some(Current { since: Instant::now(), image: image.to_owned(), credentials, credentials_error });
    }

    /// Notes whose credentials go with it, as [`audit::Attempt`] has them.
    pub fn shows(&mut self, credentials: &str) {
        if let Some(current) = &mut self.current {
            credentials.clone_into(&mut current.credentials);
        }
    }

    /// Notes why its own do not.
    pub fn lacks(&mut self, error: String) {
        if let Some(current) = &mut self.current {
            current.credentials_error = Some(error);
        }
    }

    /// Notes what came of it; `reused` where nobody was asked, since the answer was known.
    pub fn end(&mut self, answer: &Answer, reused: bool) {
        self.attempt(Some(answer.status.clone()), reused);
    }

    fn attempt(&mut self, status: Option<audit::Status>, reused: bool) {
        let Some(current) = self.current.take() else { return };
        let Current { since, image, credentials, credentials_error } = current;
        let duration = since.elapsed();
        self.attempts.push(audit::Attempt { image, credentials, credentials_error, status, reused, duration });
    }

    /// The registry that the image is named by is asked, after all targets.
    pub fn falls_back(&mut self) {
        self.event = Event::FellBack;
    }

    /// Writes that it will be tried, where nothing may be without a record.
    ///
    /// # Errors
    ///
    /// When it can't be written, and nothing is to be done.
    pub async fn intend(&mut self) -> Result<(), Fault> {
        if !self.shared.audit_required {
            return Ok(());
        }
        let event = std::mem::replace(&mut self.event, Event::Intended);
        let intended = self.record(self.pull_record(None, None, None));
        self.event = event;
        let written = self.written(intended).await;
        if written.is_err() {
            // Nothing was done, so there is nothing else to record.
            self.record = Stage::Taken;
        }
        written.map_err(Fault::Unrecorded)
    }

    /// Writes the record: returns when it is in the log, or cannot be.
    ///
    /// # Errors
    ///
    /// When it can't be written, and the caller may not be told that the image is there.
    pub async fn finish(&mut self, outcome: Outcome, status: audit::Status, found: Image) -> Result<(), Fault> {
        // Where a pull fell back and was not served there either, nothing came of it in the end.
        if outcome == Outcome::Failed && matches!(self.event, Event::Substituted | Event::FellBack) {
            self.event = Event::Failed;
        }
        let pull = self.pull_record(Some(outcome), Some(status), Some(found));
        self.count(outcome, &pull);
        let record = self.record(pull);
        self.record = Stage::Ready(record.clone());
        let is_substituted = !matches!(self.event, Event::Observed | Event::Denied);
        match self.written(record).await {
            Err(error) if self.shared.audit_required && is_substituted => Err(Fault::Unrecorded(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Returns when a record is in the log. If it cannot be, that is said.
    async fn written(&mut self, record: audit::Record) -> Result<(), Unwritten> {
        let is_last = matches!(self.record, Stage::Ready(_));
        let taken = self.shared.audit.take(record).await;
        if is_last {
            self.record = Stage::Taken;
        }
        let written = match taken {
            Ok(ticket) => ticket.written().await,
            Err(error) => Err(error),
        };
        written.inspect_err(|error| self.alarm(error))
    }

    fn record(&self, pull: audit::record::Pull) -> audit::Record {
        let body = audit::Body::Pull(Box::new(pull));
        audit::Record { time: self.shared.clock.now(), event: self.event, body }
    }

    fn pull_record(
        &self,
        outcome: Option<Outcome>,
        status: Option<audit::Status>,
        found: Option<Image>,
    ) -> audit::record::Pull {
        let Image { id: image_ref, digest, aliases } = found.unwrap_or_default();
        let is_substitute = |image: &&str| self.pull.substitutes.iter().any(|other| other.image == **image);
        let asked = self.attempts.iter().rev().map(|attempt| attempt.image.as_str()).find(is_substitute);
        let first = self.pull.substitutes.first().map(|first| first.image.as_str());
        audit::record::Pull {
            rule: self.pull.rule.name.clone(),
            image: self.pull.image.clone(),
            substitute: asked.or(first).map(str::to_owned),
            pod: self.pull.pod.clone().map(Into::into),
            api: self.api,
            outcome,
            status,
            image_ref,
            digest,
            aliases,
            post_freeze: freeze::is_after(&self.pull.image),
            attempts: self.attempts.clone(),
            duration: self.since.elapsed(),
        }
    }

    /// Counts a pull and says it in the service's own log, where operators look first.
    fn count(&self, ended: Outcome, record: &audit::record::Pull) {
        let (metrics, rule) = (&self.shared.metrics, record.rule.clone());
        let outcome = ended.as_str();
        self.shared.tally.record(self.event, self.shared.clock.now());
        let said = match self.event {
            Event::Observed => {
                metrics.observed.get_or_create(&metrics::Observed { rule, outcome }).inc();
                "Looked on at a pull"
            }
            Event::Denied => {
                metrics.denied.get_or_create(&metrics::Denied { rule }).inc();
                "Denied a pull"
            }
            Event::FellBack if ended == Outcome::Pulled => {
                metrics.substitutions.get_or_create(&metrics::Substitution { rule, outcome: "fell_back" }).inc();
                "Pulled from the registry asked for, since no target served the image"
            }
            Event::Substituted
            | Event::FellBack
            | Event::Failed
            | Event::Intended
            | Event::Used
            | Event::SandboxImage
            | Event::Heartbeat
            | Event::Started
            | Event::Stopped
            | Event::Reloaded
            | Event::Overridden
            | Event::Disabled
            | Event::Enabled => {
                metrics.substitutions.get_or_create(&metrics::Substitution { rule, outcome }).inc();
                match ended {
                    Outcome::Pulled => "Substituted a pull",
                    Outcome::Failed | Outcome::Denied => "Could not substitute a pull",
                    Outcome::Cancelled => "A pull that was substituted was given up",
                }
            }
        };
        let pod = self.pull.pod.as_ref();
        let status = record.status.as_ref();
        tracing::info!(
            rule = record.rule,
            image.before = record.image,
            image.after = record.substitute,
            pod.namespace = pod.map(|pod| pod.namespace.as_str()),
            pod.name = pod.map(|pod| pod.name.as_str()),
            pod.uid = pod.map(|pod| pod.uid.as_str()),
            api = record.api,
            outcome,
            code = status.map(|status| status.code),
            message = status.map(|status| status.message.as_str()).filter(|message| !message.is_empty()),
            duration_ms = Duration::as_millis(&record.duration),
            "{said}",
        );
    }

    fn alarm(&self, error: &Unwritten) {
        tracing::error!(error = %Chain(error), image.before = self.pull.image, "A pull is not in the audit log");
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let record = match std::mem::replace(&mut self.record, Stage::Taken) {
            Stage::Taken => return,
            Stage::Ready(record) => record,
            Stage::Open => {
                self.attempt(None, false);
                if matches!(self.event, Event::Substituted | Event::FellBack) {
                    self.event = Event::Failed;
                }
                let pull = self.pull_record(Some(Outcome::Cancelled), None, None);
                self.count(Outcome::Cancelled, &pull);
                self.record(pull)
            }
        };
        if let Err(error) = self.shared.audit.leave(record) {
            self.alarm(&error);
        }
    }
}
