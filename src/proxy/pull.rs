//! `PullImage`: the substitute is pulled, and the caller is answered after the record of it is written.

use super::message::{self, Unread};
use super::names::edited;
use super::{Answering, Below, Fault, Shared, deadline};
use crate::audit::{self, Outcome};
use crate::body::Body;
use crate::cri::method::{Call, PULLED_IMAGE_REF};
use crate::error::Chain;
use crate::metrics;
use crate::rewrite;
use crate::runtime::Failure;
use crate::wire;
use http::{Request, Response};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

/// The layer.
#[derive(Debug, Clone)]
pub struct Pull<S> {
    inner: S,
    shared: Shared,
}

/// A substituted pull under way. Dropped before its record is with the log, it still gets one: of its end if it had one,
/// and otherwise of having been cancelled.
#[derive(Debug)]
struct Pending {
    shared: Shared,
    since: Instant,
    api: &'static str,
    pull: rewrite::Pull,
    attempts: Vec<audit::Attempt>,
    /// The attempt that was begun last, and when.
    current: Option<Instant>,
    record: Stage,
}

/// Where the record of a pull is.
#[derive(Debug)]
enum Stage {
    /// Not written yet: the pull goes on.
    Open,
    /// Written, and not yet with the log.
    Ready(Box<audit::Record>),
    /// With the log.
    Taken,
}

/// What a runtime said to one attempt.
struct Answer {
    /// What the caller gets if this is the answer.
    outcome: Result<Response<Body>, Fault>,
    status: audit::Status,
    image_ref: Option<String>,
}

impl<S> Pull<S> {
    /// The layer on top of `inner`.
    pub const fn new(inner: S, shared: Shared) -> Self {
        Self { inner, shared }
    }
}

impl<S: Below> Service<Request<Body>> for Pull<S> {
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Answering<Response<Body>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { inner, shared } = self.clone();
        Box::pin(pull(inner, shared, request))
    }
}

async fn pull<S: Below>(inner: S, shared: Shared, request: Request<Body>) -> Result<Response<Body>, Fault> {
    let since = Instant::now();
    let (head, body) = request.into_parts();
    let read = message::read(body, shared.message_limit).await.map_err(Fault::Caller)?;
    let call = Call::parse(head.uri.path());
    let plan = match (&read.message, call.and_then(|call| call.row().zip(Some(call.version)))) {
        (Ok(message), Some((row, version))) => rewrite::pull(&shared.rules, row, message)
            .map(|plan| plan.zip(Some(version)))
            .map_err(|_| Unread::Malformed),
        (Err(why), _) => Err(*why),
        (Ok(_), None) => Ok(None),
    };
    let (pull, version) = match plan {
        Ok(Some(plan)) => plan,
        unmatched => {
            if let Err(why) = unmatched {
                shared.passed_unread(head.uri.path(), why);
            }
            return inner.oneshot(Request::from_parts(head, read.into_body())).await;
        }
    };

    let trailers = read.trailers().cloned();
    let requests: Vec<_> = pull.substitutes.iter().filter_map(|s| pull.request(s, None).ok()).collect();
    let mut pending = Pending::new(shared, since, version.as_str(), pull);
    let mut first_failure = None;
    for message in requests {
        pending.begin();
        let mut head = head.clone();
        if !pending.attempts.is_empty() {
            deadline::spend(&mut head.headers, since.elapsed());
        }
        let response = inner.clone().oneshot(edited(head, &message, trailers.clone())).await;
        let answer = Answer::read(response, pending.shared.message_limit).await;
        pending.end(answer.status.clone());
        if answer.status.code == 0 {
            pending.finish(Outcome::Pulled, answer.status, answer.image_ref).await;
            return answer.outcome;
        }
        // Another registry is no way around a runtime that is gone.
        let last = answer.outcome.is_err() || is_final(answer.status.code);
        first_failure.get_or_insert(answer);
        if last {
            break;
        }
    }
    match first_failure {
        Some(failed) => {
            pending.finish(Outcome::Failed, failed.status, None).await;
            failed.outcome
        }
        // A rule has at least one target, so there was an attempt.
        None => Err(Fault::Panic),
    }
}

/// Nobody waits any more, so there is nothing to try next.
fn is_final(code: i32) -> bool {
    matches!(Code::from_i32(code), Code::Cancelled | Code::DeadlineExceeded)
}

// === impl Answer ===

impl Answer {
    /// Reads an answer whole: its end, the status, may not reach the caller before the record of it is written.
    async fn read(response: Result<Response<Body>, Fault>, limit: usize) -> Self {
        let (head, body) = match response {
            Ok(response) => response.into_parts(),
            Err(fault) => return Self::fault(fault),
        };
        let read = match message::read(body, limit).await {
            Ok(read) => read,
            Err(error) => return Self::fault(Fault::Runtime(Failure::Ended(error))),
        };
        let status =
            read.trailers().and_then(Status::from_header_map).or_else(|| Status::from_header_map(&head.headers));
        let image_ref =
            read.message.as_ref().ok().and_then(|message| wire::text(message, PULLED_IMAGE_REF)).map(str::to_owned);
        let status = match status {
            Some(status) => audit::Status { code: status.code().into(), message: status.message().to_owned() },
            None => audit::Status { code: Code::Unknown.into(), message: "the runtime sent no gRPC status".to_owned() },
        };
        Self { outcome: Ok(Response::from_parts(head, read.into_body())), status, image_ref }
    }

    fn fault(fault: Fault) -> Self {
        let status = match fault.status() {
            Some(status) => audit::Status { code: status.code().into(), message: status.message().to_owned() },
            None => audit::Status { code: Code::Unknown.into(), message: Chain(&fault).to_string() },
        };
        Self { outcome: Err(fault), status, image_ref: None }
    }
}

// === impl Pending ===

impl Pending {
    const fn new(shared: Shared, since: Instant, api: &'static str, pull: rewrite::Pull) -> Self {
        Self { shared, since, api, pull, attempts: Vec::new(), current: None, record: Stage::Open }
    }

    fn begin(&mut self) {
        self.current = Some(Instant::now());
    }

    fn end(&mut self, status: audit::Status) {
        self.attempt(Some(status));
    }

    /// Notes the current attempt.
    fn attempt(&mut self, status: Option<audit::Status>) {
        let Some(began) = self.current.take() else { return };
        if let Some(substitute) = self.pull.substitutes.get(self.attempts.len()) {
            self.attempts.push(audit::Attempt { image: substitute.image.clone(), status, duration: began.elapsed() });
        }
    }

    /// Writes the record.
    async fn finish(&mut self, outcome: Outcome, status: audit::Status, image_ref: Option<String>) {
        if outcome == Outcome::Pulled
            && let Some(last) = self.attempts.last()
        {
            let substitutes: Vec<_> = self.pull.substitutes.iter().map(|substitute| substitute.image.clone()).collect();
            self.shared.served.remember(&self.pull.image, &last.image, &substitutes);
        }
        let record = self.record(outcome, Some(status), image_ref);
        self.count(&record);
        self.record = Stage::Ready(Box::new(record.clone()));
        let taken = self.shared.audit.take(&record).await;
        self.record = Stage::Taken;
        let written = match taken {
            Ok(ticket) => ticket.written().await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            self.alarm(&error);
        }
    }

    fn record(&self, outcome: Outcome, status: Option<audit::Status>, image_ref: Option<String>) -> audit::Record {
        let asked = self.attempts.last().map(|last| last.image.clone());
        audit::Record {
            schema: audit::record::SCHEMA,
            time: self.shared.clock.now(),
            node: self.shared.node.clone(),
            event: outcome.event(),
            rule: self.pull.rule.name.clone(),
            image: self.pull.image.clone(),
            substitute: asked.unwrap_or_default(),
            pod: self.pull.pod.clone().map(Into::into),
            api: self.api,
            outcome,
            status,
            image_ref,
            attempts: self.attempts.clone(),
            duration: self.since.elapsed(),
        }
    }

    /// Counts a pull and says it in the service's own log, where operators look first.
    fn count(&self, record: &audit::Record) {
        let labels = metrics::Substitution { rule: record.rule.clone(), outcome: record.outcome.as_str() };
        self.shared.metrics.substitutions.get_or_create(&labels).inc();
        let pod = self.pull.pod.as_ref();
        tracing::info!(
            rule = record.rule,
            image.before = record.image,
            image.after = record.substitute,
            pod.namespace = pod.map(|pod| pod.namespace.as_str()),
            pod.name = pod.map(|pod| pod.name.as_str()),
            pod.uid = pod.map(|pod| pod.uid.as_str()),
            api = record.api,
            outcome = record.outcome.as_str(),
            code = record.status.as_ref().map(|status| status.code),
            message =
                record.status.as_ref().map(|status| status.message.as_str()).filter(|message| !message.is_empty()),
            duration_ms = Duration::as_millis(&record.duration),
            "Substituted a pull",
        );
    }

    fn alarm(&self, error: &audit::file::Unwritten) {
        tracing::error!(error = %Chain(error), image.before = self.pull.image, "A substituted pull is not in the audit log");
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let record = match std::mem::replace(&mut self.record, Stage::Taken) {
            Stage::Taken => return,
            Stage::Ready(record) => *record,
            Stage::Open => {
                self.attempt(None);
                let record = self.record(Outcome::Cancelled, None, None);
                self.count(&record);
                record
            }
        };
        if let Err(error) = self.shared.audit.leave(&record) {
            self.alarm(&error);
        }
    }
}
