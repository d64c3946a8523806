//! Calls that ask about an image or use one: they mean the image that is there, under whichever name.

use super::message::{self, Read};
use super::question::{self, Found, Presence};
use super::status::is_reset;
use super::{Answering, Below, Fault, Shared, deadline};
use crate::body::Body;
use crate::cri::method::{Call, Method, Purpose};
use crate::metrics;
use crate::rewrite::{self, Mention};
use crate::runtime::Failure;
use bytes::Bytes;
use http::{Request, Response, header, request};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

/// The layer.
#[derive(Debug, Clone)]
pub struct Names<S> {
    inner: S,
    shared: Shared,
}

/// One call on its way.
struct Asking<S> {
    inner: S,
    shared: Shared,
    head: request::Parts,
    since: Instant,
}

impl<S> Names<S> {
    /// The layer on top of `inner`.
    pub const fn new(inner: S, shared: Shared) -> Self {
        Self { inner, shared }
    }
}

impl<S: Below> Service<Request<Body>> for Names<S> {
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Answering<Response<Body>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (head, body) = request.into_parts();
        let asking = Asking { inner: self.inner.clone(), shared: self.shared.clone(), head, since: Instant::now() };
        Box::pin(asking.answer(body))
    }
}

impl<S: Below> Asking<S> {
    async fn answer(self, body: Body) -> Result<Response<Body>, Fault> {
        let read = message::read(body, self.shared.message_limit).await.map_err(Fault::Caller)?;
        let row = Call::parse(self.head.uri.path()).and_then(|call| call.row());
        let (Some(row), Ok(message)) = (row, read.message.clone()) else {
            return self.pass_on(read).await;
        };
        let Ok(mentions) = rewrite::mentions(&self.shared.rules, row, &message, self.shared.standpoint()) else {
            return self.pass_on(read.malformed()).await;
        };
        if let (Purpose::Ask, Some(mention)) = (row.purpose, mentions.first()) {
            return self.ask(mention, read, &message).await;
        }
        let mentions: Vec<_> = mentions.into_iter().filter(|mention| !self.is_its_own_name(mention)).collect();
        if mentions.is_empty() {
            self.pass_on(read).await
        } else {
            self.with_names(row, mentions, read, &message).await
        }
    }

    /// The names to look for an image under, in order.
    fn names(&self, mention: &Mention) -> Vec<String> {
        self.shared.served.order(&mention.image, &mention.substitutes)
    }

    /// Whether an image is there by the name that is asked for, if it is there: no rule rewrites it, and none did when it
    /// was pulled last.
    fn is_its_own_name(&self, mention: &Mention) -> bool {
        self.names(mention).len() == 1
    }

    /// The very bytes that came.
    async fn pass_on(self, read: Read) -> Result<Response<Body>, Fault> {
        if let Err(why) = read.message {
            self.shared.passed_unread(self.head.uri.path(), why);
        }
        self.inner.oneshot(Request::from_parts(self.head, read.into_body())).await
    }

    /// `ImageStatus`: the answer for the first name that is there; if none is, the answer for the name as asked.
    async fn ask(self, mention: &Mention, read: Read, message: &Bytes) -> Result<Response<Body>, Fault> {
        let shared = Arc::clone(&self.shared);
        shared.tally.asked();
        let looked = self.look(mention, read, message).await;
        let answer = match looked.as_ref().map(|(name, found)| (name, &found.presence)) {
            Ok((name, Presence::Present(_))) if *name == mention.image => metrics::Presence::AS_ASKED,
            Ok((_, Presence::Present(_))) => metrics::Presence::SUBSTITUTE,
            Ok((_, Presence::Absent)) => metrics::Presence::ABSENT,
            Ok((_, Presence::Unknown)) | Err(_) => metrics::Presence::UNKNOWN,
        };
        shared.metrics.presence.get_or_create(&metrics::Presence { answer }).inc();
        let (name, found) = looked?;
        shared.used(mention, &name, &found.presence);
        Ok(found.response)
    }

    /// What the runtime says of the first name that is there, or of the last one.
    async fn look(self, mention: &Mention, read: Read, message: &Bytes) -> Result<(String, Found), Fault> {
        if self.is_its_own_name(mention) {
            let shared = Arc::clone(&self.shared);
            let found = Found::read(self.pass_on(read).await?, &shared).await?;
            return Ok((mention.image.clone(), found));
        }
        let mut last = None;
        for name in self.names(mention) {
            let question = rewrite::renamed(message, [(mention, name.as_str())]).unwrap_or_else(|_| message.clone());
            let found = self.status(question).await?;
            let is_absent = found.presence == Presence::Absent;
            last = Some((name, found));
            if !is_absent {
                break;
            }
        }
        // The name as asked is always among those in order.
        last.ok_or(Fault::Panic)
    }

    /// A call that uses images: under the names they are there, or as named where they are not.
    async fn with_names(
        mut self,
        row: &Method,
        mentions: Vec<Mention>,
        read: Read,
        message: &Bytes,
    ) -> Result<Response<Body>, Fault> {
        let mut present = Vec::new();
        for mention in &mentions {
            if let Some(name) = self.present(mention).await?
                && name != mention.image
            {
                tracing::debug!(
                    rpc = row.name,
                    image.before = mention.image,
                    image.after = name,
                    "Named the image that is there"
                );
                present.push((mention, name));
            }
        }
        deadline::spend(&mut self.head.headers, self.since.elapsed());
        if present.is_empty() {
            return self.pass_on(read).await;
        }
        let names = present.iter().map(|(mention, name)| (*mention, name.as_str()));
        let message = rewrite::renamed(message, names).unwrap_or_else(|_| message.clone());
        let request = edited(self.head.clone(), &message, read.trailers().cloned());
        self.inner.oneshot(request).await
    }

    /// The name under which an image is there. A question that fails is no answer: the call that follows will show
    /// what is wrong.
    async fn present(&self, mention: &Mention) -> Result<Option<String>, Fault> {
        for name in self.names(mention) {
            let Ok(question) = mention.question(&name) else { return Ok(None) };
            match self.status(question).await {
                Ok(Found { presence: Presence::Present(_), .. }) => return Ok(Some(name)),
                Ok(Found { presence: Presence::Absent, .. }) => {}
                Ok(Found { presence: Presence::Unknown, .. }) => return Ok(None),
                Err(Fault::Runtime(Failure::Ended(error))) if is_reset(&error) => return Ok(None),
                // The call that follows would find a new connection, and a runtime that knows the name no better.
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    /// One `ImageStatus`, in the caller's version of CRI.
    async fn status(&self, question: Bytes) -> Result<Found, Fault> {
        let head = question::head(&self.head, self.since.elapsed());
        let response = self.inner.clone().oneshot(edited(head, &question, None)).await?;
        Found::read(response, &self.shared).await
    }
}

/// A request with another message in it.
pub(super) fn edited(mut head: request::Parts, message: &[u8], trailers: Option<http::HeaderMap>) -> Request<Body> {
    // It told the length of another body. gRPC needs none.
    head.headers.remove(header::CONTENT_LENGTH);
    Request::from_parts(head, message::body(message, trailers))
}
