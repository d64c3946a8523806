//! Counters: every name and label there is. Labels have a closed set of values; an image's name is never one.

mod label;

pub use label::*;

use jiff::Timestamp;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What is counted. Clones count together, and cost no more than one pointer: every call has one.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Families>);

/// All there is of it.
#[derive(Debug, Default)]
pub struct Families {
    /// Pulls of a substitute.
    pub substitutions: Family<Substitution, Counter>,
    /// Pulls that a rule looked on at.
    pub observed: Family<Observed, Counter>,
    /// Pulls that a rule forbade.
    pub denied: Family<Denied, Counter>,
    /// What asking the targets came to.
    pub attempts: Family<Attempt, Counter>,
    /// How often in a row a registry could not be reached; one that could not is asked last for a while.
    pub registry_failures: Family<RegistryFailures, Gauge>,
    /// Images that were to get their old names.
    pub aliases: Family<Alias, Counter>,
    /// What became of the image that the runtime makes pods with.
    pub sandbox_images: Family<SandboxImage, Counter>,
    /// Whether it is missing, or will be once it is collected as garbage.
    pub sandbox_missing: Gauge,
    /// Intercepted messages that could not be read and were passed on as they came.
    pub unread: Family<Unread, Counter>,
    /// Calls that repoint itself had to answer, because nobody else did.
    pub answered: Family<Answered, Counter>,
    /// Records that did not get into the audit log.
    pub audit_failures: Counter,
    /// Records that did not get to another place besides.
    pub sink_failures: Family<Sink, Counter>,
    /// Calls that came from clients, however they ended.
    pub calls: Family<Call, Counter>,
    /// What questions for images came to that a rule matches.
    pub presence: Family<Presence, Counter>,
    /// How long things take.
    pub times: Times,
    /// Connections of clients that are open.
    pub connections: Gauge,
    /// Clients that were not let in.
    pub connections_refused: Family<ConnectionRefused, Counter>,
    /// When the process started.
    pub started: Gauge<f64, AtomicU64>,
    /// The configuration that is in force: the one of these that is 1.
    pub config: Family<Config, Gauge>,
    /// Configurations that were to take its place.
    pub config_reloads: Family<ConfigReload, Counter>,
    /// Whether the last of them did.
    pub config_is_current: Gauge,
    /// When the one in force was read.
    pub config_read: Gauge<f64, AtomicU64>,
    /// Whether everything is passed through untouched, because somebody said so.
    pub disabled: Gauge,
    /// What was changed at run time and is in no file.
    pub overrides: Gauge,
}

/// How long things take.
#[derive(Debug)]
pub struct Times {
    /// What a call that is relayed spends here.
    pub overhead: Histogram,
    /// Asking a target.
    pub attempts: Family<AttemptTime, Histogram>,
}

/// What is not counted but looked up, when somebody asks. `None` is what can't be said, and is not on the page.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment {
    /// When a client called last.
    pub last_call: Option<Timestamp>,
    /// What the file system of the audit log has left for us, in bytes.
    pub audit_room: Option<u64>,
}

/// A call that is relayed takes a microsecond or two here; one that has to wait for a busy thread, up to all of it.
const OVERHEAD: [f64; 18] = [
    0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02,
    0.05, 0.1, 0.2, 0.5, 1.0,
];

/// From a registry that refuses at once to one that is given all the time there is.
const ATTEMPT: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];

// === impl Times ===

impl Default for Times {
    fn default() -> Self {
        Self { overhead: Histogram::new(OVERHEAD), attempts: Family::new_with_constructor(|| Histogram::new(ATTEMPT)) }
    }
}

// === impl Metrics ===

impl Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.0
    }
}

impl Metrics {
    /// The process started, and what has few values begins at 0: what comes into being at 1 is no increase to those who
    /// watch.
    pub fn start(&self, now: Timestamp) {
        self.started.set(seconds(now));
        self.config_read.set(seconds(now));
        self.config_is_current.set(1);
        for answer in Presence::ANSWERS {
            let _from_0 = self.presence.get_or_create(&Presence { answer });
        }
        for outcome in ConfigReload::OUTCOMES {
            let _from_0 = self.config_reloads.get_or_create(&ConfigReload { outcome });
        }
        for reason in ConnectionRefused::REASONS {
            let _from_0 = self.connections_refused.get_or_create(&ConnectionRefused { reason });
        }
    }

    /// This configuration is in force, and no other.
    pub fn runs(&self, config: &Config) {
        self.config.clear();
        self.config.get_or_create(config).set(1);
    }

    /// A new configuration was `loaded` or `refused`.
    pub fn reloaded(&self, outcome: &'static str, now: Timestamp) {
        let is_loaded = outcome == "loaded";
        self.config_reloads.get_or_create(&ConfigReload { outcome }).inc();
        self.config_is_current.set(is_loaded.into());
        if is_loaded {
            self.config_read.set(seconds(now));
        }
    }

    /// The values in the OpenMetrics text form, with what there is to say at this moment.
    ///
    /// # Errors
    ///
    /// When a value can't be formatted.
    pub fn encode(&self, at: &Moment) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("repoint");
        self.register_calls(&mut registry);
        self.register_pulls(&mut registry);
        self.register_service(&mut registry, at);
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }

    /// What the kubelet and the runtime have of it.
    fn register_calls(&self, registry: &mut Registry) {
        registry.register(
            "calls",
            "Calls of clients, by the code that they were told, whoever said it: Canceled where the answer was not waited \
             for, reset where the stream was",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "relay_overhead",
            "What a call that is passed on unread waits for repoint: the time from when it was there until the head of its \
             answer went, less the time from when it was handed to the runtime's connection until the answer's head was \
             taken from it; reading and writing HTTP/2 is not in it",
            Unit::Seconds,
            self.times.overhead.clone(),
        );
        registry.register(
            "presence_answers",
            "Questions for images that a rule matches, by what they came to",
            self.presence.clone(),
        );
        registry.register("unread", "Messages passed on because they could not be read", self.unread.clone());
        registry.register("answered", "Calls that repoint itself answered with an error", self.answered.clone());
        registry.register("connections", "Connections of clients that are open", self.connections.clone());
        registry.register("connections_refused", "Clients that were not let in", self.connections_refused.clone());
    }

    /// What the rules do.
    fn register_pulls(&self, registry: &mut Registry) {
        registry.register("substitutions", "Pulls of a substitute", self.substitutions.clone());
        registry.register("observed", "Pulls that a rule looked on at", self.observed.clone());
        registry.register("denied", "Pulls that a rule forbade", self.denied.clone());
        registry.register("attempts", "What asking the targets came to", self.attempts.clone());
        registry.register_with_unit(
            "attempt_duration",
            "How long asking a target took, looking for its credentials included; answers that are used again are not in it",
            Unit::Seconds,
            self.times.attempts.clone(),
        );
        registry.register(
            "registry_failures",
            "How often in a row a registry could not be reached; one that could not is asked last for a while",
            self.registry_failures.clone(),
        );
        registry.register("aliases", "Images that were to get their old names", self.aliases.clone());
        registry.register(
            "sandbox_image",
            "What became of the image that the runtime makes pods with, where a rule is about it",
            self.sandbox_images.clone(),
        );
        registry.register(
            "sandbox_image_missing",
            "Whether the image that the runtime makes pods with is one to be replaced, and could not be",
            self.sandbox_missing.clone(),
        );
    }

    /// How the service itself is.
    fn register_service(&self, registry: &mut Registry, at: &Moment) {
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "What is running", build);
        registry.register_with_unit("start_timestamp", "When it started", Unit::Seconds, self.started.clone());
        if let Some(last_call) = at.last_call {
            registry.register_with_unit(
                "last_call_timestamp",
                "When a client called last; not there before one did",
                Unit::Seconds,
                ConstGauge::new(seconds(last_call)),
            );
        }
        registry.register("config_info", "The configuration in force, and where it is from", self.config.clone());
        registry.register("config_reloads", "New configurations", self.config_reloads.clone());
        registry.register(
            "config_last_reload_successful",
            "Whether the last new configuration was taken; 1 before there was one",
            self.config_is_current.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration in force was read",
            Unit::Seconds,
            self.config_read.clone(),
        );
        registry.register(
            "disabled",
            "Whether everything is passed through untouched, because somebody said so",
            self.disabled.clone(),
        );
        registry.register("overrides", "What was changed at run time and is in no file", self.overrides.clone());
        registry.register("audit_failures", "Records that are missing in the audit log", self.audit_failures.clone());
        if let Some(room) = at.audit_room {
            registry.register_with_unit(
                "audit_room",
                "What the file system of the audit log has left for repoint; not there where it does not say",
                Unit::Bytes,
                ConstGauge::new(room),
            );
        }
        registry.register("sink_failures", "Records that did not get to a sink", self.sink_failures.clone());
    }
}

/// As Prometheus has times.
fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests;
