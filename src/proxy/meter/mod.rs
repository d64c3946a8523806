//! Each call of a client's is counted once, at its end, under the code that the client was told.
//!
//! Nothing is gathered or altered: the frames go by, and the one that has the status is looked at.

use super::Fault;
use super::forward::Waited;
use super::status::Rescued;
use crate::cri::method;
use crate::metrics::{Call, Metrics};
use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use prometheus_client::metrics::gauge::Gauge;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;
use tonic::Status;

/// A call under way. However it ends, it is counted when this is dropped.
#[derive(Debug)]
pub struct Meter {
    metrics: Metrics,
    method: &'static str,
    since: Instant,
    /// The code, once it is known.
    code: Option<&'static str>,
}

/// The body of an answer that is counted when it ends.
#[derive(Debug)]
pub struct Metered {
    body: Rescued,
    meter: Meter,
}

/// One more connection, for as long as this is there.
#[derive(Debug)]
pub struct Open(Gauge);

// === impl Meter ===

impl Meter {
    /// A call of this path that is there from now on.
    pub fn start(metrics: &Metrics, path: &str) -> Self {
        let method = method::Call::parse(path).and_then(|call| call.known()).unwrap_or(Call::OTHER);
        Self { metrics: metrics.clone(), method, since: Instant::now(), code: None }
    }

    /// What the caller is sent, to be counted at its end.
    ///
    /// # Errors
    ///
    /// As `outcome`.
    pub fn follow(mut self, outcome: Result<Response<Rescued>, Fault>) -> Result<Response<Metered>, Fault> {
        match outcome {
            Ok(mut response) => {
                if let Some(Waited(waited)) = response.extensions_mut().remove() {
                    let here = self.since.elapsed().saturating_sub(waited);
                    self.metrics.times.overhead.observe(here.as_secs_f64());
                }
                self.code = said(response.headers());
                Ok(response.map(|body| Metered { body, meter: self }))
            }
            Err(fault) => {
                self.code = Some(if matches!(fault, Fault::Caller(_)) { Call::CANCELED } else { Call::RESET });
                Err(fault)
            }
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        // Nothing was said, and nobody will hear what would be.
        let code = self.code.unwrap_or(Call::CANCELED);
        self.metrics.calls.get_or_create(&Call { method: self.method, code }).inc();
    }
}

/// The code in headers or trailers, where there is one.
fn said(headers: &HeaderMap) -> Option<&'static str> {
    let code = headers.get(Status::GRPC_STATUS)?.to_str().ok().and_then(|code| code.parse::<usize>().ok());
    Some(code.and_then(|code| Call::CODES.get(code).copied()).unwrap_or(Call::UNKNOWN))
}

// === impl Metered ===

impl Body for Metered {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(said) {
                    self.meter.code = Some(code);
                }
            }
            Some(Err(_)) => self.meter.code = Some(Call::RESET),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        // It had its end, without a status: no caller gave it up.
        if self.body.is_end_stream() {
            self.meter.code.get_or_insert(Call::UNKNOWN);
        }
    }
}

// === impl Open ===

impl Open {
    /// One more.
    pub fn one(connections: &Gauge) -> Self {
        connections.inc();
        Self(connections.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests;
