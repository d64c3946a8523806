//! `PullImage`: what its rule says is done, and the caller is answered after the record of it is written.

use super::answer::Answer;
use super::message::{self, Read, Unread};
use super::overrides::Course;
use super::pending::{self, Image, Pending};
use super::round::Round;
use super::{Answering, Below, Fault, Shared};
use crate::audit::{Event, Outcome};
use crate::body::Body;
use crate::cri::method::{Call, Method};
use crate::rewrite;
use http::{Request, Response, request};
use std::task::{Context, Poll};
use tokio::time::Instant;
use tonic::Code;
use tower::{Service, ServiceExt};

/// The layer.
#[derive(Debug, Clone)]
pub struct Pull<S> {
    inner: S,
    shared: Shared,
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
            let image = match unmatched {
                Ok(_) => call.and_then(|call| call.row()).and_then(|row| elsewhere(&shared, row, &read)),
                Err(why) => {
                    shared.passed_unread(head.uri.path(), why);
                    None
                }
            };
            return pass_by(inner, &shared, Request::from_parts(head, read.into_body()), image).await;
        }
    };
    let course = shared.course(&pull.rule);
    let pending = |event| Pending::new(shared.clone(), since, version.as_str(), pull, event);
    match course {
        Course::Deny => deny(pending(Event::Denied)).await,
        Course::Observe => observe(inner, &shared, head, read, pending(Event::Observed)).await,
        Course::Rewrite | Course::Original => {
            let (trailers, pending) = (read.trailers().cloned(), pending(Event::Substituted));
            Round::new(inner, shared, head, trailers, since, pending, course).make().await
        }
    }
}

/// The image of a pull that no rule decides, where some rule does for the pods of other namespaces.
fn elsewhere(shared: &Shared, row: &Method, read: &Read) -> Option<String> {
    let message = read.message.as_ref().ok()?;
    let mut mentions = rewrite::mentions(&shared.rules, row, message, shared.standpoint()).ok()?;
    mentions.pop().map(|mention| mention.image)
}

/// The very bytes that came are sent. `image` is looked for under several names: what this gives is the one that is
/// there from now on, and no longer what another pod's pull gave.
async fn pass_by<S: Below>(
    inner: S,
    shared: &Shared,
    request: Request<Body>,
    image: Option<String>,
) -> Result<Response<Body>, Fault> {
    let response = inner.oneshot(request).await;
    let Some(image) = image else { return response };
    // Nothing is told of it.
    let answer = Answer::read(response, &[], shared.message_limit).await;
    if answer.code() == Code::Ok {
        shared.served.remember(&image, &image).await;
    }
    answer.into_outcome()
}

/// Nobody is asked. What is present still starts, since the kubelet pulls only what is not.
async fn deny(mut pending: Pending) -> Result<Response<Body>, Fault> {
    let rewrite::Pull { matched, substitutes, rule, .. } = &pending.pull;
    let instead = substitutes.first().map(|first| format!("; use {}", first.image)).unwrap_or_default();
    let why = format!("{matched} is retired on this node{instead} (rule {})", rule.name);
    let denied = Answer::fault(Fault::Denied(why));
    pending.finish(Outcome::Denied, denied.status.clone(), Image::default()).await?;
    denied.into_outcome()
}

/// The very bytes that came are sent, and those that come back.
async fn observe<S: Below>(
    inner: S,
    shared: &Shared,
    head: request::Parts,
    read: Read,
    mut pending: Pending,
) -> Result<Response<Body>, Fault> {
    let image = pending.pull.image.clone();
    pending.begin(&image);
    pending.shows(if pending.pull.has_credentials() { pending::CALL } else { pending::NONE });
    let response = inner.oneshot(Request::from_parts(head, read.into_body())).await;
    let answer = Answer::read(response, pending.pull.as_asked(), shared.message_limit).await;
    pending.end(&answer, false);
    let outcome = if answer.code() == Code::Ok { Outcome::Pulled } else { Outcome::Failed };
    if outcome == Outcome::Pulled {
        shared.served.remember(&image, &image).await;
    }
    let found = Image { id: answer.image_ref.clone(), ..Image::default() };
    pending.finish(outcome, answer.status.clone(), found).await?;
    answer.into_outcome()
}
