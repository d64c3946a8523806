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

pub mod answer;
pub mod authority;
pub mod candidates;
pub mod connection;
pub mod deadline;
pub mod forward;
pub mod health;
pub mod listener;
pub mod message;
pub mod meter;
pub mod names;
pub mod own;
pub mod pending;
pub mod pull;
pub mod question;
pub mod round;
pub mod route;
pub mod sandbox;
pub mod status;

use question::Presence;
pub use status::Fault;

use crate::audit;
use crate::body::Body;
use crate::clock::Clock;
use crate::credentials;
use crate::metrics::{Metrics, Unread};
use crate::rewrite::Mention;
use crate::rules::{Position, Standpoint, Table};
use crate::runtime::{Aliases, Served};
use http::{Request, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::Service;

/// What all calls share.
#[derive(Debug)]
pub struct Context {
    /// The rules.
    pub rules: Table,
    /// Which name served an image's last pull.
    pub served: Served,
    /// Who gives images their old names.
    pub aliases: Aliases,
    /// Where calls that make pods wait.
    pub sandbox: sandbox::Gate,
    /// The targets' own credentials.
    pub credentials: credentials::Store,
    /// Targets that could not be reached.
    pub health: health::Health,
    /// What the registries said a moment ago.
    pub candidates: candidates::Candidates,
    /// Turns to ask for digests. Who is not answered in time takes its question back, and a runtime ends a connection on
    /// which many are taken back at once.
    pub digests: Semaphore,
    /// The audit log.
    pub audit: audit::Log,
    /// Whether no pull may be substituted without a record of it.
    pub audit_required: bool,
    /// What is counted for the audit log.
    pub tally: Arc<audit::Tally>,
    /// Which images that are there are asked for.
    pub usage: audit::Usage,
    /// The counters.
    pub metrics: Metrics,
    /// The time of day.
    pub clock: Clock,
    /// Where the node stands among all, for rules that come to some nodes first.
    pub position: Position,
    /// The largest message that is read, in bytes. A larger one is passed on unread.
    pub message_limit: usize,
    /// How long a call waits for a runtime that is not there.
    pub hold: Duration,
}

/// How many digests are asked for at a time. Ten pulls that end at once are many.
pub const DIGESTS: usize = 8;

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

impl Context {
    /// Who decides, and when.
    pub fn standpoint(&self) -> Standpoint {
        Standpoint { node: self.position, now: self.clock.now() }
    }

    /// Notes what the runtime said to a question for an image that a rule matches, which was looked for as `name`.
    fn used(&self, mention: &Mention, name: &str, presence: &Presence) {
        let Presence::Present(image) = presence else { return };
        self.usage.saw(self.clock.now(), &mention.image, |times| audit::Sighting {
            rule: mention.rule.clone(),
            image: mention.image.clone(),
            name: name.to_owned(),
            id: image.id.clone(),
            digest: image.digest(name).map(str::to_owned),
            times,
        });
    }

    /// Says that a message of `rpc` is passed on as it came.
    fn passed_unread(&self, rpc: &str, why: message::Unread) {
        self.metrics.unread.get_or_create(&Unread { reason: why.as_str() }).inc();
        tracing::warn!(rpc, reason = %why, "Passed on a message that could not be read");
    }
}

/// The shared context, as every layer holds it.
pub type Shared = Arc<Context>;

#[cfg(test)]
mod tests;
