//! The one place where failures get their meaning: what the caller sees, what the metric says, what the log says.
//!
//! | failure | the caller sees | `repoint_answered_total` | log |
//! |---|---|---|---|
//! | no runtime to ask | status 14, `UNAVAILABLE` | `unreachable` | warning |
//! | the runtime went away during the call | status 14, in trailers where the answer had begun | `ended` | warning |
//! | the runtime reset this one stream | the same reset | none: it is the runtime's answer | debug |
//! | the runtime is going away and did not look at the call | the reset that says so; the caller may retry, and grpc-go does | none | debug |
//! | a rule forbids the pull | status 7, `PERMISSION_DENIED` | `denied` | the line of the pull |
//! | no record of a pull can be written, and one has to be | status 14, `UNAVAILABLE` | `unrecorded` | error |
//! | no target answered within its limit of time | status 4, `DEADLINE_EXCEEDED` | `late` | warning |
//! | the caller went away | nothing | none | debug |
//! | the service stops, and the call's time is over | status 14, in trailers where the answer had begun | `stopping` | warning |
//! | the service stops, and the call came after that | the reset that says so; the caller may retry | none | debug |
//! | only images are served here | status 7, `PERMISSION_DENIED` | `closed` | warning |
//! | a panic of ours | status 13, `INTERNAL` | `panic` | error |
//!
//! Never `UNIMPLEMENTED`: kubelets from 1.23 to 1.25 take that for a runtime without CRI v1 and fall back for good.

use super::drain::{End, Held, Pace};
use crate::audit::file::Unwritten;
use crate::body::Body;
use crate::error::{Chain, cause};
use crate::metrics::{Answered, Metrics};
use crate::runtime::Failure;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Frame;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tonic::{Code, Status};

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The runtime's side.
    #[error(transparent)]
    Runtime(#[from] Failure),
    /// The runtime said that it did not look at the call.
    #[error("the container runtime refused the call unseen")]
    Unseen(#[source] h2::Error),
    /// The caller's side.
    #[error("the caller ended the call")]
    Caller(#[source] hyper::Error),
    /// The rule forbids it.
    #[error("{0}")]
    Denied(String),
    /// There is no record of it, and the configuration wants one.
    #[error("no image is pulled from elsewhere without a record (`required` in [audit])")]
    Unrecorded(#[source] Unwritten),
    /// The registry did not answer within the limit of its target.
    #[error("{image} could not be pulled within {} s{also}", limit.as_secs_f64())]
    Late {
        /// What was asked for.
        image: String,
        /// The limit.
        limit: Duration,
        /// What else there is to say.
        also: String,
    },
    /// The service stops.
    #[error("it is being stopped, and the call took too long to wait for")]
    Stopping,
    /// Nothing but images is served.
    #[error("{0} cannot be called here: `services` in [access] has `image` alone")]
    Closed(String),
    /// Ours.
    #[error("repoint failed to handle this call; its log says where")]
    Panic,
}

/// An answer's body that ends in a status even where the runtime's did not.
#[derive(Debug)]
pub struct Rescued {
    body: Body,
    metrics: Metrics,
    ended: bool,
    ending: Ending,
}

/// What a call has to do with the end of the service.
pub struct Ending {
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    _held: Held,
}

// === impl Fault ===

impl Fault {
    /// The status the caller is answered with; `None` where it is not answered, but its stream is reset.
    pub fn status(&self) -> Option<Status> {
        self.answer().map(|(status, _)| status)
    }

    /// The status, and the reason by which it is counted.
    fn answer(&self) -> Option<(Status, &'static str)> {
        match self {
            Self::Runtime(Failure::Unreachable(_)) => Some((self.with(Code::Unavailable), "unreachable")),
            Self::Runtime(Failure::Ended(error)) if is_reset(error) || is_unseen(error) => None,
            Self::Runtime(Failure::Ended(_)) => Some((self.with(Code::Unavailable), "ended")),
            Self::Caller(_) | Self::Unseen(_) => None,
            // For a person who reads the events of a pod and has not heard of repoint.
            Self::Denied(why) => Some((Status::permission_denied(why), "denied")),
            Self::Unrecorded(_) => Some((self.with(Code::Unavailable), "unrecorded")),
            Self::Late { .. } => Some((self.with(Code::DeadlineExceeded), "late")),
            Self::Stopping => Some((self.with(Code::Unavailable), "stopping")),
            Self::Closed(_) => Some((self.with(Code::PermissionDenied), "closed")),
            Self::Panic => Some((self.with(Code::Internal), "panic")),
        }
    }

    /// A call that nobody looked at, so that the caller may make it again.
    pub fn refused() -> Self {
        Self::Unseen(h2::Reason::REFUSED_STREAM.into())
    }

    fn with(&self, code: Code) -> Status {
        Status::new(code, format!("repoint: {}", Chain(self)))
    }

    /// What the caller is answered with, counted and logged.
    fn told(&self, metrics: &Metrics) -> Option<Status> {
        let (status, reason) = self.answer()?;
        metrics.answered.get_or_create(&Answered { reason }).inc();
        if !matches!(self, Self::Denied(_)) {
            tracing::warn!(error = %Chain(self), "Answered a call that the runtime did not");
        }
        Some(status)
    }
}

/// Polls `answer`, and makes a panic in it the end of this call and of nothing else.
///
/// # Errors
///
/// With what `answer` fails with, or [`Fault::Panic`].
pub async fn contained<T>(answer: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let mut answer = std::pin::pin!(answer);
    // After a panic the future is never polled again, so no broken state of its own can be seen.
    std::future::poll_fn(|cx| {
        std::panic::catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)))
            .unwrap_or(Poll::Ready(Err(Fault::Panic)))
    })
    .await
}

/// Turns a call's outcome into what the caller is sent.
///
/// # Errors
///
/// With what its stream is to be reset for: hyper finds h2's reason among the causes and passes it on.
pub fn rescue(
    outcome: Result<Response<Body>, Fault>,
    metrics: &Metrics,
    ending: Ending,
) -> Result<Response<Rescued>, Fault> {
    let rescued = |body| Rescued { body, metrics: metrics.clone(), ended: false, ending };
    let fault = match outcome {
        Ok(response) => return Ok(response.map(rescued)),
        Err(fault) => fault,
    };
    let Some(status) = fault.told(metrics) else {
        tracing::debug!(error = %Chain(&fault), "A call was reset");
        return Err(match fault {
            Fault::Runtime(Failure::Ended(error)) if is_unseen(&error) => Fault::refused(),
            fault @ (Fault::Runtime(_)
            | Fault::Unseen(_)
            | Fault::Caller(_)
            | Fault::Denied(_)
            | Fault::Unrecorded(_)
            | Fault::Late { .. }
            | Fault::Stopping
            | Fault::Closed(_)
            | Fault::Panic) => fault,
        });
    };
    let mut response = Response::new(rescued(Body::default()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response.headers_mut().extend(headers(&status));
    Ok(response)
}

/// A status as header fields: of an answer without a message, or after one.
fn headers(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if status.add_header(&mut headers).is_err() {
        // The message can't be a header value; the code can.
        headers.insert(Status::GRPC_STATUS, HeaderValue::from(i32::from(status.code())));
    }
    headers
}

/// Whether the runtime ended this one stream on purpose, its connection living on.
pub(super) fn is_reset(error: &hyper::Error) -> bool {
    cause::<h2::Error>(error).is_some_and(|error| error.is_reset() && error.is_remote())
}

/// Whether the runtime had said GOAWAY before the call reached it: h2 ends just those calls so that came after the last
/// one the runtime looked at (RFC 9113 §6.8).
fn is_unseen(error: &hyper::Error) -> bool {
    cause::<h2::Error>(error).is_some_and(|error| error.is_go_away() && error.is_remote())
}

// === impl Ending ===

impl Ending {
    /// Of a call of that pace, which is `held` as under way.
    pub fn new(end: End, pace: Pace, held: Held) -> Self {
        Self { over: Box::pin(end.over(pace)), _held: held }
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").finish_non_exhaustive()
    }
}

// === impl Rescued ===

impl Rescued {
    /// What stands for the rest of the body.
    fn end(&mut self, fault: &Fault) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        self.ended = true;
        fault.told(&self.metrics).map(|status| Ok(Frame::trailers(headers(&status))))
    }
}

impl http_body::Body for Rescued {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // Before the body, which may have something ready for as long as anybody reads.
        if self.ending.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(self.end(&Fault::Stopping));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Err(error)) if !is_reset(&error) => Poll::Ready(self.end(&Fault::Runtime(Failure::Ended(error)))),
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}
