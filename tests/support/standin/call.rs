//! The way of a call to its answer, and the notice of how it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, End, Kind};
use super::record::State;
use super::serve::Shared;
use super::source::Source;

/// A call that is not over, which it is when this is dropped.
struct Call {
    shared: Arc<Shared>,
    number: usize,
    connection: CancellationToken,
}

/// The rest of an answer.
pub struct Body {
    source: Source,
    /// Unset when it was given.
    end: Option<End>,
    call: Call,
}

pub async fn answer(
    shared: Arc<Shared>,
    connection: CancellationToken,
    request: Request<Incoming>,
) -> Result<Response<Body>, h2::Error> {
    let (parts, body) = request.into_parts();
    let number = shared.record.open(parts);
    let call = Call { shared, number, connection };
    // A body that breaks off was broken off by the client; the reason for the reset is as good as any.
    let body = body.collect().await.map_err(|_| h2::Error::from(Reason::CANCEL))?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let seen = call.shared.record.receive(number, body.to_bytes(), trailers);

    let Answer { wait, kind } = call.shared.answer(&seen);
    wait.over().await;
    match kind {
        Kind::Reply { headers, body: source, end } => {
            if let Source::Nothing = source {
                call.end(State::Answered);
            }
            let mut response = Response::new(Body { source, end: Some(end), call });
            *response.headers_mut() = headers;
            Ok(response)
        }
        Kind::Reset(reason) => {
            call.end(State::CutOff);
            Err(reason.into())
        }
        Kind::Death => {
            call.connection.cancel();
            std::future::pending().await
        }
    }
}

// === impl Call ===

impl Call {
    fn end(&self, end: State) {
        self.shared.record.end(self.number, end);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let by_us = self.connection.is_cancelled();
        self.end(if by_us { State::CutOff } else { State::Cancelled });
    }
}

// === impl Body ===

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = self.get_mut();
        if this.end.is_none() {
            return Poll::Ready(None);
        }
        if let Some(frame) = ready!(this.source.poll(cx)) {
            return Poll::Ready(Some(Ok(frame)));
        }
        Poll::Ready(this.end.take().map(|end| match end {
            End::Trailers(trailers) => {
                this.call.end(State::Answered);
                Ok(Frame::trailers(trailers))
            }
            End::Reset(reason) => {
                this.call.end(State::CutOff);
                Err(reason.into())
            }
        }))
    }

    /// True from the start for an answer that is all headers, so that they end the stream.
    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Nothing)
    }
}
