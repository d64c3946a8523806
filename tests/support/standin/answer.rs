//! What a stand-in can be told to say, and when.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::source::{Feed, Source};
use crate::support::grpc;

/// An answer, and what has to happen before it is given.
#[derive(Debug)]
pub struct Answer {
    pub wait: Wait,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Wait {
    Not,
    For(Duration),
    Until(CancellationToken),
    /// Until the client gives up or one of the two is gone.
    Forever,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are a few of them, and most are the large one")]
pub enum Kind {
    Reply {
        headers: HeaderMap,
        body: Source,
        end: End,
    },
    Reset(Reason),
    /// Closes the connection, with every other call on it.
    Death,
}

/// What comes after the last frame.
#[derive(Debug)]
pub enum End {
    Trailers(HeaderMap),
    Reset(Reason),
}

// === impl Answer ===

impl Answer {
    /// One message, and success.
    pub fn message(message: &impl Message) -> Self {
        Self::frames([grpc::encoded(message)])
    }

    /// Frames as they are, whatever is in them, and success.
    pub fn frames(frames: impl IntoIterator<Item = Bytes>) -> Self {
        Self::reply(Source::Frames(frames.into_iter().collect()))
    }

    /// Messages when the test sends them, and success at the end.
    pub fn stream() -> (Feed, Self) {
        let (feed, source) = Source::feed();
        (feed, Self::reply(source))
    }

    /// No message and an error, all of it in the headers.
    pub fn refusal(code: Code, text: &str) -> Self {
        let headers = status(code, text);
        let end = End::Trailers(HeaderMap::new());
        Self::new(Kind::Reply { headers, body: Source::Nothing, end })
    }

    pub fn reset(reason: Reason) -> Self {
        Self::new(Kind::Reset(reason))
    }

    /// The connection is closed instead.
    pub fn death() -> Self {
        Self::new(Kind::Death)
    }

    /// No answer as long as anybody waits for one.
    pub fn silence() -> Self {
        Self { wait: Wait::Forever, kind: Kind::Death }
    }

    /// One more header; names may repeat.
    pub fn header(mut self, name: &'static str, value: &[u8]) -> Self {
        if let Kind::Reply { headers, .. } = &mut self.kind {
            headers.append(HeaderName::from_static(name), valid(value));
        }
        self
    }

    /// One more trailer after the status; names may repeat.
    pub fn trailer(mut self, name: &'static str, value: &[u8]) -> Self {
        if let Kind::Reply { end: End::Trailers(trailers), .. } = &mut self.kind {
            trailers.append(HeaderName::from_static(name), valid(value));
        }
        self
    }

    /// Fails after its messages.
    pub fn ending_in(mut self, code: Code, text: &str) -> Self {
        if let Kind::Reply { end, .. } = &mut self.kind {
            *end = End::Trailers(status(code, text));
        }
        self
    }

    /// Is reset after its messages.
    pub fn ending_in_reset(mut self, reason: Reason) -> Self {
        if let Kind::Reply { end, .. } = &mut self.kind {
            *end = End::Reset(reason);
        }
        self
    }

    pub fn after(mut self, delay: Duration) -> Self {
        self.wait = Wait::For(delay);
        self
    }

    /// Is held back until the test cancels the token.
    pub fn held_by(mut self, token: &CancellationToken) -> Self {
        self.wait = Wait::Until(token.clone());
        self
    }

    fn reply(body: Source) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Self::new(Kind::Reply { headers, body, end: End::Trailers(trailers) })
    }

    fn new(kind: Kind) -> Self {
        Self { wait: Wait::Not, kind }
    }
}

fn status(code: Code, text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(code as i32));
    headers.insert("grpc-message", valid(text.as_bytes()));
    headers
}

fn valid(value: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(value).expect("a valid value")
}

// === impl Wait ===

impl Wait {
    pub async fn over(self) {
        match self {
            Self::Not => {}
            Self::For(delay) => tokio::time::sleep(delay).await,
            Self::Until(token) => token.cancelled().await,
            Self::Forever => std::future::pending().await,
        }
    }
}
