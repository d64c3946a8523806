//! Which layers a call goes through: decided by its path, before a byte of its body is read.

use super::access::Services;
use super::forward::Forward;
use super::names::Names;
use super::pull::Pull;
use super::sandbox::Sandbox;
use super::{Answering, Fault, Shared};
use crate::body::Body;
use crate::cri::method::{Call, Purpose};
use http::{Request, Response, header};
use std::task::{Context, Poll};
use tower::Service;

/// The whole stack below the rescue.
#[derive(Debug, Clone)]
pub struct Route {
    forward: Forward,
    names: Names<Forward>,
    pull: Pull<Forward>,
    sandbox: Sandbox<Forward>,
    services: Services,
}

impl Route {
    /// A stack on top of `forward`.
    pub fn new(forward: Forward, shared: &Shared) -> Self {
        let names = Names::new(forward.clone(), shared.clone());
        let pull = Pull::new(forward.clone(), shared.clone());
        let sandbox = Sandbox::new(forward.clone(), shared.clone());
        Self { forward, names, pull, sandbox, services: shared.access.services }
    }
}

impl Service<Request<Body>> for Route {
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Answering<Response<Body>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if !self.services.include(path) {
            return Box::pin(std::future::ready(Err(Fault::Closed(path.to_owned()))));
        }
        let call = Call::parse(path);
        if call.is_some_and(|call| call.makes_pod()) {
            return self.sandbox.call(request);
        }
        let row = call.and_then(|call| call.row());
        match row.filter(|_| is_protobuf(&request)) {
            Some(row) if row.purpose == Purpose::Pull => self.pull.call(request),
            Some(_) => self.names.call(request),
            None => self.forward.relay(request),
        }
    }
}

/// `application/grpc`, alone or with its default encoding. Anything else is some other language, for the runtime to
/// understand or refuse.
fn is_protobuf(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    matches!(content_type, Some(b"application/grpc" | b"application/grpc+proto"))
}
