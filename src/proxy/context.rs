//! What all calls share, as it is when a call comes: a call keeps to its end what it began with, whatever is configured
//! meanwhile.

use super::access::Access;
use super::overrides::{Course, Overrides};
use super::question::Presence;
use super::{candidates, health, message, sandbox};
use crate::audit;
use crate::clock::Clock;
use crate::credentials;
use crate::metrics::{Metrics, Unread};
use crate::rewrite::Mention;
use crate::rules::{Position, Rule, Standpoint, Table};
use crate::runtime::{Aliases, Served};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// What all calls share. What is configured belongs to this one; what was learnt, counted or begun is shared with the one
/// that takes its place.
#[derive(Debug, Clone)]
pub struct Context {
    /// The rules.
    pub rules: Arc<Table>,
    /// What somebody has put in the place of what rules say.
    pub overrides: Arc<Overrides>,
    /// Which name served an image's last pull.
    pub served: Arc<Served>,
    /// Who gives images their old names.
    pub aliases: Aliases,
    /// The image that the runtime makes pods with, where the configuration says so.
    pub sandbox_image: Option<String>,
    /// Where calls that make pods wait.
    pub sandbox: Arc<sandbox::Gate>,
    /// The targets' own credentials.
    pub credentials: Arc<credentials::Store>,
    /// Targets that could not be reached.
    pub health: Arc<health::Health>,
    /// What the registries said a moment ago.
    pub candidates: Arc<candidates::Candidates>,
    /// Turns to ask for digests. Who is not answered in time takes its question back, and a runtime ends a connection on
    /// which many are taken back at once.
    pub digests: Arc<Semaphore>,
    /// The audit log.
    pub audit: audit::Log,
    /// Whether no pull may be substituted without a record of it.
    pub audit_required: bool,
    /// What is counted for the audit log.
    pub tally: Arc<audit::Tally>,
    /// Which images that are there are asked for.
    pub usage: Arc<audit::Usage>,
    /// The counters.
    pub metrics: Metrics,
    /// The time of day.
    pub clock: Clock,
    /// Who may call, and what.
    pub access: Access,
    /// Where the node stands among all, for rules that come to some nodes first.
    pub position: Position,
    /// The largest message that is read, in bytes. A larger one is passed on unread.
    pub message_limit: usize,
    /// How long a call waits for a runtime that is not there.
    pub hold: Duration,
}

/// The context of a call, as every layer holds it.
pub type Shared = Arc<Context>;

/// The context of calls that come now.
#[derive(Debug)]
pub struct Current(watch::Sender<Shared>);

/// How many digests are asked for at a time. Ten pulls that end at once are many.
pub const DIGESTS: usize = 8;

// === impl Context ===

impl Context {
    /// Who decides, and when.
    pub fn standpoint(&self) -> Standpoint {
        Standpoint { node: self.position, now: self.clock.now() }
    }

    /// What is done with a pull that `rule` decides, here and now.
    pub fn course(&self, rule: &Rule) -> Course {
        self.overrides.course(rule, self.standpoint())
    }

    /// Notes what the runtime said to a question for an image that a rule matches, which was looked for as `name`.
    pub(super) fn used(&self, mention: &Mention, name: &str, presence: &Presence) {
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
    pub(super) fn passed_unread(&self, rpc: &str, why: message::Unread) {
        self.metrics.unread.get_or_create(&Unread { reason: why.as_str() }).inc();
        tracing::warn!(rpc, reason = %why, "Passed on a message that could not be read");
    }
}

// === impl Current ===

impl Current {
    /// Calls have `context` from now on.
    pub fn new(context: Context) -> Self {
        Self(watch::Sender::new(Arc::new(context)))
    }

    /// That of a call that comes now.
    pub fn now(&self) -> Shared {
        self.0.borrow().clone()
    }

    /// Puts another one in its place, for calls that come from now on.
    pub fn exchange(&self, context: Context) {
        self.0.send_replace(Arc::new(context));
    }
}
