//! The bottom of the stack: a request goes to the runtime, on the leg its service belongs to.

use super::{Answering, Fault, Shared, deadline};
use crate::body::Body;
use crate::cri::method::{Call, IMAGE_SERVICE};
use crate::runtime::{Leg, Legs};
use http::uri::{Authority, Parts, Scheme};
use http::{Request, Response, Uri, Version, request};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tower::Service;

/// Forwards.
#[derive(Debug, Clone)]
pub struct Forward {
    legs: Legs,
    shared: Shared,
}

/// How long the runtime was waited for: goes with the answer to a call that was relayed.
#[derive(Debug, Clone, Copy)]
pub struct Waited(pub Duration);

/// What is left of a deadline for an answer of ours to arrive before the caller stops listening.
const MARGIN: Duration = Duration::from_millis(100);

impl Forward {
    /// Forwards on `legs`.
    pub const fn new(legs: Legs, shared: Shared) -> Self {
        Self { legs, shared }
    }

    /// Forwards a call that nobody looks into, and says how long the runtime was waited for.
    pub fn relay(&self, request: Request<Body>) -> Answering<Response<Body>> {
        let leg = self.leg(request.uri().path()).clone();
        let hold = self.hold(&request);
        Box::pin(async move {
            let request = outgoing(request);
            let since = Instant::now();
            let mut response = leg.send(request, hold).await?;
            response.extensions_mut().insert(Waited(since.elapsed()));
            Ok(response.map(Body::from))
        })
    }

    /// `ImageService` of whatever version goes to the image endpoint, and all else, known or not, to the other.
    fn leg(&self, path: &str) -> &Leg {
        match Call::parse(path) {
            Some(call) if call.service == IMAGE_SERVICE => &self.legs.image,
            _ => &self.legs.runtime,
        }
    }

    /// Until when this call may wait for a runtime that is not there.
    fn hold(&self, request: &Request<Body>) -> Instant {
        let patience = match deadline::given(request.headers()) {
            Some(given) => self.shared.hold.min(given.saturating_sub(MARGIN)),
            None => self.shared.hold,
        };
        let now = Instant::now();
        now.checked_add(patience).unwrap_or(now)
    }
}

impl Service<Request<Body>> for Forward {
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Answering<Response<Body>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let leg = self.leg(request.uri().path()).clone();
        let hold = self.hold(&request);
        Box::pin(async move {
            let response = leg.send(outgoing(request), hold).await?;
            Ok(response.map(Body::from))
        })
    }
}

/// The request as hyper's client takes it: with an authority, which not every caller sends and hyper insists on.
fn outgoing(request: Request<Body>) -> Request<Body> {
    let (head, body) = request.into_parts();
    let mut parts: Parts = head.uri.into_parts();
    parts.scheme.get_or_insert(Scheme::HTTP);
    parts.authority.get_or_insert(Authority::from_static("localhost"));
    let request::Parts { method, headers, .. } = head;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    // Scheme, authority and path are all there, so they make a URI.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    request
}
