//! The near side: what the kubelet talks to.
//!
//! The stack of one kubelet connection, bottom to top:
//!
//! 1. [`forward`]: a request goes to the leg its service belongs to. At the bottom, for everything above it asks the
//!    runtime through it, the questions that we add included.
//! 2. [`names`] and [`pull`]: the calls that carry an image reference. Above the legs, since one call from the kubelet
//!    may be several to the runtime, and on either leg; below the rescue, since each of those may fail.
//!    Beside them [`sandbox`], where a call that makes a pod waits for the image that the runtime makes it with.
//! 3. [`route`]: which of these a call goes through. Most go straight down, unread.
//! 4. [`status`]: every failure becomes what the caller is to see. Above everything that can fail.
//! 5. [`meter`]: each call is counted. Above the rescue, so that it is counted under the code that the caller is told.
//! 6. [`connection`]: HTTP/2, by hyper.
//! 7. [`authority`]: mends the headers of older kubelets. Below hyper, which would refuse them.
//! 8. [`listener`]: the socket.

pub mod access;
pub mod answer;
pub mod authority;
pub mod candidates;
pub mod connection;
pub mod context;
pub mod deadline;
pub mod drain;
pub mod forward;
pub mod health;
pub mod listener;
pub mod message;
pub mod meter;
pub mod names;
pub mod overrides;
pub mod own;
pub mod pending;
pub mod pull;
pub mod question;
pub mod round;
pub mod route;
pub mod sandbox;
pub mod status;

pub use context::{Context, Current, DIGESTS, Shared};
pub use overrides::Overrides;
pub use status::Fault;

use crate::body::Body;
use http::{Request, Response};
use tower::Service;

/// The rest of the stack, as a layer sees it: something that answers calls, and can answer several for one.
pub trait Below:
    Service<Request<Body>, Response = Response<Body>, Error = Fault, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> Below for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Fault, Future: Send> + Clone + Send + Sync + 'static
{
}

/// A call's future, whatever makes it.
type Answering<T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Fault>> + Send>>;

#[cfg(test)]
mod tests;
