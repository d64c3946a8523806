//! The round of a pull that is substituted: the targets in their order, those that could not be reached lately last, and
//! then, if the rule says so, the registry that the image is named by. The first that serves the image ends it.

use super::answer::{Answer, Refusal};
use super::candidates::Fingerprint;
use super::health;
use super::names::edited;
use super::overrides::Course;
use super::pending::{self, Image, Pending};
use super::question::{self, Found, Presence};
use super::{Below, Fault, Shared, deadline, own};
use crate::audit::Outcome;
use crate::body::Body;
use crate::credentials::Credential;
use crate::error::Chain;
use crate::metrics;
use crate::reference::Reference;
use crate::rewrite::{self, Substitute};
use crate::rules::{Credentials, OnFailure};
use bytes::Bytes;
use http::{HeaderMap, Response, request};
use secrecy::ExposeSecret;
use std::fmt::Write;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Code;
use tower::ServiceExt;

/// A substituted pull on its round.
#[derive(Debug)]
pub struct Round<S> {
    inner: S,
    shared: Shared,
    /// The call, without its message.
    head: request::Parts,
    trailers: Option<HeaderMap>,
    since: Instant,
    pending: Pending,
    /// Whether nobody but the registry that the image is named by is asked.
    is_original: bool,
    /// What the attempt under way asks, if that may be asked again for another candidate.
    asked: Option<Fingerprint>,
    /// Whether it got as far as the runtime.
    is_sent: bool,
    /// What was asked and failed, to answer for the calls that follow.
    failed: Vec<(Fingerprint, Refusal)>,
}

/// Somebody to ask.
enum Stop {
    /// And whether it could not be reached lately.
    Target(Substitute, bool),
    /// The registry that the image is named by.
    Original,
}

/// How long a target may take while there are others: a mirror that accepts and then says nothing would be waited for
/// for ever, since the kubelet sets a pull no limit, and most often pulls one image at a time. The last one that is not
/// known to be in trouble has none: a large image on a slow line is no fault.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How much earlier than here a deadline may be over for the runtime.
const CLOSE: Duration = Duration::from_millis(100);

/// How long a runtime has to say what it has just pulled.
const SOON: Duration = Duration::from_secs(2);

/// The pause between two looks whether it shows an image by its old name.
const BLINK: Duration = Duration::from_millis(5);

/// What CRI has a runtime begin its message with where a signature is missing or wrong. Another registry with the same
/// name in it is no way around that.
const SIGNATURE_REFUSED: &str = "SignatureValidationFailed";

/// What CRI-O says of it where it does not begin so: older versions never do, and newer ones did not always.
const REJECTED: &str = "Source image rejected: ";

/// How much of what a registry said is told of it where another one's answer is the one that counts.
const TOLD: usize = 200;

impl<S: Below> Round<S> {
    /// The round of a call that came at `since`, whose message is with `pending`.
    pub fn new(
        inner: S,
        shared: Shared,
        head: request::Parts,
        trailers: Option<HeaderMap>,
        since: Instant,
        pending: Pending,
        course: Course,
    ) -> Self {
        let is_original = course == Course::Original;
        let failed = Vec::new();
        Self { inner, shared, head, trailers, since, pending, is_original, asked: None, is_sent: false, failed }
    }

    /// Makes it, and writes the record.
    ///
    /// # Errors
    ///
    /// When there is no answer of a runtime's.
    pub async fn make(mut self) -> Result<Response<Body>, Fault> {
        self.pending.intend().await?;
        let substitutes = &self.pending.pull.substitutes;
        let targets = self.shared.health.order(substitutes).into_iter();
        let mut stops: Vec<_> = targets.map(|(target, in_trouble)| Stop::Target(target.clone(), in_trouble)).collect();
        if self.is_original {
            stops.clear();
        }
        if self.is_original || self.pending.pull.rule.on_failure == OnFailure::Original {
            stops.push(Stop::Original);
        }
        // The registry that the rule names first is the one to know why an image can't be had.
        let first = substitutes.first().map(|first| first.image.clone()).unwrap_or_default();
        let mut told: Option<Answer> = None;
        let mut rest = stops.as_slice();
        while let Some((stop, others)) = rest.split_first() {
            rest = others;
            let answer = match stop {
                Stop::Target(substitute, in_trouble) => {
                    let better_follow = others.iter().any(|other| !matches!(other, Stop::Target(_, true)));
                    let usual = better_follow || (*in_trouble && stops.len() > 1);
                    self.ask(substitute, usual.then_some(PATIENCE)).await?
                }
                Stop::Original => self.fall_back().await?,
            };
            if answer.code() == Code::Ok {
                return self.served(answer).await;
            }
            let is_last = self.is_last(&answer);
            let is_first = matches!(stop, Stop::Target(substitute, _) if substitute.image == first);
            if told.is_none() || is_first {
                told = Some(answer);
            }
            if is_last {
                break;
            }
        }
        match told {
            Some(answer) => self.refuse(answer).await,
            // A rule that rewrites has a target, so somebody was asked.
            None => Err(Fault::Panic),
        }
    }

    /// One target: what its registry, or the way to it, said. `usual` is how long it may take, unless it says so itself.
    async fn ask(&mut self, substitute: &Substitute, usual: Option<Duration>) -> Result<Answer, Fault> {
        self.pending.begin(&substitute.image);
        (self.asked, self.is_sent) = (None, false);
        let own = self.head.extensions.get().map(|own::Patience(own)| *own).filter(|_| usual.is_some());
        let limit = [substitute.target.timeout.or(usual), own].into_iter().flatten().min();
        let asked = self.ask_in_its_own_time(substitute);
        let (answer, reused) = match limit {
            None => asked.await?,
            Some(limit) => match tokio::time::timeout(limit, asked).await {
                Ok(asked) => asked?,
                Err(_) => {
                    let image = substitute.image.clone();
                    (Answer::fault(Fault::Late { image, limit, also: String::new() }), false)
                }
            },
        };
        self.pending.end(&answer, reused);
        if !reused {
            // A time that passed with looking for credentials says nothing of the registry.
            if self.is_sent {
                self.judge(substitute, &answer);
            }
            self.failed.extend(self.asked.take().zip(answer.refusal()));
        }
        Ok(answer)
    }

    async fn ask_in_its_own_time(&mut self, substitute: &Substitute) -> Result<(Answer, bool), Fault> {
        let credential = self.credential(substitute).await;
        let auth = credential.as_ref().map(Credential::to_auth);
        let auth = auth.as_ref().map(ExposeSecret::expose_secret);
        let pull = &self.pending.pull;
        // It was well-formed when it was read.
        let Ok(request) = pull.request(substitute, auth) else { return Err(Fault::Panic) };
        let asked = self.shared.candidates.fingerprint(&request);
        // Only a pod's calls come in rounds. Two that differ and still come to this request differ in credentials alone.
        let comes_again = pull.pod.is_some();
        if comes_again {
            let call = self.shared.candidates.fingerprint(pull.as_asked());
            if let Some(known) = self.shared.candidates.recall(asked, call) {
                return Ok((known.into(), true));
            }
        }
        (self.asked, self.is_sent) = (comes_again.then_some(asked), true);
        let is_late =
            !self.pending.attempts().is_empty() || matches!(substitute.target.credentials, Credentials::Source(_));
        Ok((self.send(&request, is_late).await, false))
    }

    /// The registry that the image is named by, with the request as it came.
    async fn fall_back(&mut self) -> Result<Answer, Fault> {
        self.pending.falls_back();
        let (request, image) = (self.pending.pull.as_asked().clone(), self.pending.pull.image.clone());
        self.pending.begin(&image);
        self.pending.shows(if self.pending.pull.has_credentials() { pending::CALL } else { pending::NONE });
        let answer = self.send(&request, true).await;
        self.pending.end(&answer, false);
        Ok(answer)
    }

    /// Sends a request, with what is left of the caller's time where some was spent.
    async fn send(&self, request: &Bytes, is_late: bool) -> Answer {
        let mut head = self.head.clone();
        if is_late {
            deadline::spend(&mut head.headers, self.since.elapsed());
        }
        let response = self.inner.clone().oneshot(edited(head, request, self.trailers.clone())).await;
        Answer::read(response, request, self.shared.message_limit).await
    }

    /// What a target's own source has for it. One that has nothing, or can't be asked, is no reason not to pull: the
    /// registry may want no credentials, and if it does, it says so.
    async fn credential(&mut self, substitute: &Substitute) -> Option<Credential> {
        let came = self.pending.pull.has_credentials() && substitute.shows_what_came();
        self.pending.shows(if came { pending::CALL } else { pending::NONE });
        let Credentials::Source(source) = &substitute.target.credentials else { return None };
        let reference = Reference::parse(&substitute.image).ok()?;
        match self.shared.credentials.find(source, reference).await {
            Ok(found) => found.inspect(|_| self.pending.shows(source)),
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::warn!(error, image.after = substitute.image, "Pulling without credentials");
                self.pending.lacks(error);
                None
            }
        }
    }

    /// Learns from an answer whether its registry can be reached.
    fn judge(&self, substitute: &Substitute, answer: &Answer) {
        let (health, metrics, target) = (&self.shared.health, &self.shared.metrics, &substitute.target);
        let outcome = if answer.is_without_runtime() || self.is_given_up(answer) {
            return;
        } else if answer.is_late() {
            "late"
        } else if answer.code() == Code::Ok {
            "pulled"
        } else if health::is_unreachable(answer.code(), &answer.status.message, &substitute.image) {
            "unreachable"
        } else {
            "refused"
        };
        match outcome {
            "late" | "unreachable" => health.failed(target, metrics),
            _ => health.reached(target, metrics),
        }
        let target = target.to_string();
        if let Some(attempt) = self.pending.attempts().last() {
            let label = metrics::AttemptTime { target: target.clone() };
            metrics.times.attempts.get_or_create(&label).observe(attempt.duration.as_secs_f64());
        }
        metrics.attempts.get_or_create(&metrics::Attempt { target, outcome }).inc();
    }

    /// Whether there is nothing to try after such an answer.
    fn is_last(&self, answer: &Answer) -> bool {
        // Another registry is no way around a runtime that is gone.
        let said = &answer.status.message;
        let is_refused = said.starts_with(SIGNATURE_REFUSED) || said.contains(REJECTED);
        answer.is_without_runtime() || self.is_given_up(answer) || is_refused
    }

    /// Whether nobody waits any more. (A deadline that the caller did not set is the registry's own. Of a call that is
    /// cancelled nothing comes back: an answer that says so is the runtime's, which gave up on a registry that stalls.)
    fn is_given_up(&self, answer: &Answer) -> bool {
        let given = deadline::given(&self.head.headers);
        let is_over = given.is_some_and(|given| self.since.elapsed().saturating_add(CLOSE) >= given);
        answer.code() == Code::DeadlineExceeded && !answer.is_late() && is_over
    }

    async fn served(mut self, answer: Answer) -> Result<Response<Body>, Fault> {
        let name = self.pending.attempts().last().map(|last| last.image.clone()).unwrap_or_default();
        let image = self.pending.pull.image.clone();
        // First, since a caller that gives up now leaves the image all the same.
        self.shared.served.remember(&image, &name).await;
        let aliases = if name == image { Vec::new() } else { self.keep_names(&image, &name, &answer).await };
        if !aliases.is_empty() {
            self.shared.served.remember(&image, &image).await;
        }
        let found = Image { id: answer.image_ref.clone(), digest: self.digest(&name, &answer).await, aliases };
        self.pending.finish(Outcome::Pulled, answer.status.clone(), found).await?;
        answer.into_outcome()
    }

    /// Gives what was pulled as `name` its old names: those by which the runtime shows it now. Without them, as on a
    /// runtime that has no call for it, the image is found by the name it was pulled as.
    async fn keep_names(&self, image: &str, name: &str, answer: &Answer) -> Vec<String> {
        let kept = async {
            let aliases = self.shared.aliases.keep(image, name).await.map_err(|error| Chain(&error).to_string())?;
            for alias in &aliases {
                // The runtime's image service hears of it a moment later.
                while !self.is_shown(alias, answer).await {
                    tokio::time::sleep(BLINK).await;
                }
            }
            Ok(aliases)
        };
        let kept = tokio::time::timeout(SOON, kept).await;
        let kept = kept.unwrap_or_else(|_| Err(format!("it was not shown by them within {} s", SOON.as_secs())));
        let outcome = if kept.is_ok() { "given" } else { "failed" };
        let rule = self.pending.pull.rule.name.clone();
        if !kept.as_ref().is_ok_and(Vec::is_empty) {
            self.shared.metrics.aliases.get_or_create(&metrics::Alias { rule, outcome }).inc();
        }
        kept.unwrap_or_else(|error| {
            tracing::warn!(error, image.before = image, image.after = name, "An image did not get its old names");
            Vec::new()
        })
    }

    /// Whether the runtime shows by `name` just what was pulled.
    async fn is_shown(&self, name: &str, answer: &Answer) -> bool {
        let Some(Presence::Present(image)) = self.presence(name).await else { return false };
        answer.image_ref.as_ref().is_none_or(|id| *id == image.id)
    }

    /// What the runtime says of `name`, where it says something.
    async fn presence(&self, name: &str) -> Option<Presence> {
        let request = edited(question::head(&self.head, self.since.elapsed()), &rewrite::question(name), None);
        let response = self.inner.clone().oneshot(request).await.ok()?;
        Some(Found::read(response, &self.shared).await.ok()?.presence)
    }

    /// The digest of the manifest that `name` was pulled by: what the name says, or the runtime. (Its answer to the pull is
    /// the image's ID, as a rule.) A runtime that does not say it soon is not waited for.
    async fn digest(&self, name: &str, answer: &Answer) -> Option<String> {
        let pulled = [Some(name), answer.image_ref.as_deref()].into_iter().flatten();
        let said = pulled.filter_map(|name| Reference::parse(name).ok()).find_map(|reference| reference.digest());
        if let Some(digest) = said {
            return Some(digest.to_owned());
        }
        let asked = async {
            let _turn = self.shared.digests.acquire().await.ok()?;
            self.presence(name).await
        };
        match tokio::time::timeout(SOON, asked).await.ok()?? {
            Presence::Present(image) => image.digest(name).map(str::to_owned),
            Presence::Absent | Presence::Unknown => None,
        }
    }

    async fn refuse(mut self, mut answer: Answer) -> Result<Response<Body>, Fault> {
        let call = self.shared.candidates.fingerprint(self.pending.pull.as_asked());
        for (asked, refusal) in std::mem::take(&mut self.failed) {
            self.shared.candidates.remember(asked, call, refusal);
        }
        answer.say_also(&self.account());
        self.pending.finish(Outcome::Failed, answer.status.clone(), Image::default()).await?;
        answer.into_outcome()
    }

    /// What was done, for whoever reads the events of the pod.
    fn account(&self) -> String {
        let rewrite::Pull { rule, image, .. } = &self.pending.pull;
        let mut account = format!(" (repoint, rule {}: instead of {image} asked", rule.name);
        let attempts = self.pending.attempts();
        for (number, attempt) in attempts.iter().enumerate() {
            let then = if number == 0 { "" } else { ", then" };
            // Writing to a string does not fail.
            let _infallible = write!(account, "{then} {}", attempt.image);
            if let Some(error) = &attempt.credentials_error {
                let _infallible = write!(account, " without credentials, since {error}");
            }
            if let Some(status) = attempt.status.as_ref().filter(|_| attempts.len() > 1) {
                let code = Code::from_i32(status.code);
                let message: String = status.message.chars().take(TOLD).collect();
                let _infallible = write!(account, " [{code:?}: {message}]");
            }
        }
        account.push(')');
        account
    }
}
