//! The body of a relayed message: frames already read, then whatever is still to come.
//!
//! Data are handed on frame by frame and by reference count; nothing is gathered here.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A request's or answer's body.
#[derive(Default)]
pub struct Body {
    front: VecDeque<Frame<Bytes>>,
    rest: Option<Incoming>,
}

impl Body {
    /// `data`, and `trailers` where there are any.
    pub fn new(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        let data = (!data.is_empty()).then(|| Frame::data(data));
        Self { front: data.into_iter().chain(trailers.map(Frame::trailers)).collect(), rest: None }
    }

    /// Puts frames that were read from this body back before what is left of it.
    #[must_use]
    pub fn after(mut self, frames: impl IntoIterator<Item = Frame<Bytes>, IntoIter: DoubleEndedIterator>) -> Self {
        for frame in frames.into_iter().rev() {
            self.front.push_front(frame);
        }
        self
    }
}

/// Not the data, which may have credentials in them.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("frames_read", &self.front.len()).field("rest", &self.rest).finish()
    }
}

impl From<Incoming> for Body {
    fn from(rest: Incoming) -> Self {
        Self { front: VecDeque::new(), rest: Some(rest) }
    }
}

/// No `size_hint`: from an exact one hyper would make a `content-length` that the sender did not send.
impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(frame) = self.front.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.front.is_empty() && self.rest.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}
