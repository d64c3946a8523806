//! Counters: every name and label there is. Labels have a closed set of values; an image's name is never one.

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, text};
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

/// Labels of `repoint_substitutions_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Substitution {
    /// The rule's name, as configured.
    pub rule: String,
    /// One of [`Substitution::OUTCOMES`].
    pub outcome: &'static str,
}

/// Labels of `repoint_observed_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Observed {
    /// The rule's name, as configured.
    pub rule: String,
    /// One of [`Observed::OUTCOMES`].
    pub outcome: &'static str,
}

/// Labels of `repoint_denied_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Denied {
    /// The rule's name, as configured.
    pub rule: String,
}

/// Labels of `repoint_attempts_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Attempt {
    /// The target, as configured.
    pub target: String,
    /// One of [`Attempt::OUTCOMES`]: `pulled`; `refused`, by a registry that could be reached; `unreachable`; or `late`, at its limit of time.
    pub outcome: &'static str,
}

/// Labels of `repoint_registry_failures`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RegistryFailures {
    /// The registry of some target that is configured.
    pub registry: String,
}

/// Labels of `repoint_aliases_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Alias {
    /// The rule's name, as configured.
    pub rule: String,
    /// One of [`Alias::OUTCOMES`].
    pub outcome: &'static str,
}

/// Labels of `repoint_sandbox_image_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SandboxImage {
    /// `present`, `pulled`, `failed` or `cannot`.
    pub outcome: &'static str,
}

/// Labels of `repoint_unread_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Unread {
    /// Why the message could not be read.
    pub reason: &'static str,
}

/// Labels of `repoint_answered_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    /// Why nobody else answered.
    pub reason: &'static str,
}

/// Labels of `repoint_sink_failures_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Sink {
    /// `journald` or `stdout`.
    pub sink: &'static str,
}

/// Labels of `repoint_calls_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Call {
    /// The RPC's name, if CRI has it, and otherwise [`Call::OTHER`].
    pub method: &'static str,
    /// One of [`Call::CODES`], or [`Call::RESET`].
    pub code: &'static str,
}

/// Labels of `repoint_presence_answers_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Presence {
    /// One of [`Presence::ANSWERS`].
    pub answer: &'static str,
}

/// Labels of `repoint_attempt_duration_seconds`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AttemptTime {
    /// The target, as configured.
    pub target: String,
}

/// Labels of `repoint_connections_refused_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectionRefused {
    /// `uid`: that of the client is none that may connect.
    pub reason: &'static str,
}

/// Labels of `repoint_config_info`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Config {
    /// Its hash, as audit records have it.
    pub hash: String,
    /// `files`; `last_good`, what was in force before, since the files are wrong; or `none`.
    pub source: &'static str,
}

/// Labels of `repoint_config_reloads_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConfigReload {
    /// `loaded` or `refused`.
    pub outcome: &'static str,
}

/// Labels of `repoint_build_info`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// A call that is relayed takes a microsecond or two here; one that has to wait for a busy thread, up to all of it.
const OVERHEAD: [f64; 18] = [
    0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02,
    0.05, 0.1, 0.2, 0.5, 1.0,
];

/// From a registry that refuses at once to one that is given all the time there is.
const ATTEMPT: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];

// === impl Labels ===

impl Substitution {
    /// What becomes of a pull.
    pub const OUTCOMES: [&str; 4] = ["pulled", "fell_back", "failed", "cancelled"];
}

impl Observed {
    /// What becomes of a pull.
    pub const OUTCOMES: [&str; 3] = ["pulled", "failed", "cancelled"];
}

impl Attempt {
    /// What becomes of asking a target.
    pub const OUTCOMES: [&str; 4] = ["pulled", "refused", "unreachable", "late"];
}

impl Alias {
    /// What becomes of an old name.
    pub const OUTCOMES: [&str; 2] = ["given", "failed"];
}

impl Call {
    /// The method of calls that are none of CRI's, whatever they are called: a client chooses their names.
    pub const OTHER: &str = "other";
    /// What gRPC calls its codes, by number.
    pub const CODES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    /// The answer was not waited for. It is also what a runtime may say that gave up.
    pub const CANCELED: &str = Self::CODES[1];
    /// The answer says no code, or none that there is, which is how clients take it, too.
    pub const UNKNOWN: &str = Self::CODES[2];
    /// There was no status: the stream was reset, as the runtime did.
    pub const RESET: &str = "reset";
}

impl Presence {
    /// It is there under the name that was asked for, ...
    pub const AS_ASKED: &str = "as_asked";
    /// ... under another one, ...
    pub const SUBSTITUTE: &str = "substitute";
    /// ... not at all, ...
    pub const ABSENT: &str = "absent";
    /// ... or the runtime did not say.
    pub const UNKNOWN: &str = "unknown";
    /// All of these.
    pub const ANSWERS: [&str; 4] = [Self::AS_ASKED, Self::SUBSTITUTE, Self::ABSENT, Self::UNKNOWN];
}

impl Config {
    /// Where a configuration is from.
    pub const SOURCES: [&str; 3] = ["files", "last_good", "none"];
}

impl ConfigReload {
    /// What becomes of a new configuration.
    pub const OUTCOMES: [&str; 2] = ["loaded", "refused"];
}

impl ConnectionRefused {
    /// Why a client is not let in.
    pub const REASONS: [&str; 1] = ["uid"];
}

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
mod tests {
    use super::*;

    fn page(metrics: &Metrics, at: &Moment) -> String {
        metrics.encode(at).unwrap()
    }

    #[test]
    fn what_cannot_be_said_is_not_on_the_page() {
        let metrics = Metrics::default();
        let silent = page(&metrics, &Moment::default());
        assert!(!silent.contains("last_call") && !silent.contains("audit_room"), "{silent}");
        let last_call = Some(Timestamp::from_millisecond(1_500).unwrap());
        let said = page(&metrics, &Moment { last_call, audit_room: Some(4096) });
        assert!(said.contains("\nrepoint_last_call_timestamp_seconds 1.5\n"), "{said}");
        assert!(said.contains("\nrepoint_audit_room_bytes 4096\n"), "{said}");
    }

    #[test]
    fn what_has_few_values_begins_at_0() {
        let metrics = Metrics::default();
        metrics.start(Timestamp::from_second(9).unwrap());
        let page = page(&metrics, &Moment::default());
        for line in [
            "repoint_start_timestamp_seconds 9.0",
            "repoint_presence_answers_total{answer=\"substitute\"} 0",
            "repoint_config_reloads_total{outcome=\"refused\"} 0",
            "repoint_config_last_reload_successful 1",
            "repoint_config_last_reload_success_timestamp_seconds 9.0",
            "repoint_connections_refused_total{reason=\"uid\"} 0",
        ] {
            assert!(page.contains(&format!("\n{line}\n")), "{line}: {page}");
        }
    }

    #[test]
    fn one_configuration_is_in_force() {
        let metrics = Metrics::default();
        for (hash, source) in [("a", "files"), ("b", "last_good")] {
            metrics.runs(&Config { hash: hash.to_owned(), source });
        }
        let page = page(&metrics, &Moment::default());
        assert!(page.contains("\nrepoint_config_info{hash=\"b\",source=\"last_good\"} 1\n"), "{page}");
        assert_eq!(page.matches("\nrepoint_config_info{").count(), 1, "{page}");
    }

    #[test]
    fn a_configuration_that_is_refused_is_not_the_one_in_force() {
        let metrics = Metrics::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        metrics.start(at(1));
        metrics.reloaded("loaded", at(2));
        metrics.reloaded("refused", at(3));
        let says = |line: &str| page(&metrics, &Moment::default()).contains(&format!("\n{line}\n"));
        assert!(says("repoint_config_last_reload_successful 0"));
        assert!(says("repoint_config_last_reload_success_timestamp_seconds 2.0"));
        assert!(says("repoint_config_reloads_total{outcome=\"refused\"} 1"));
        metrics.reloaded("loaded", at(4));
        assert!(says("repoint_config_last_reload_successful 1"));
        assert!(says("repoint_config_last_reload_success_timestamp_seconds 4.0"));
    }

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::default();
        let clone = metrics.clone();
        clone.connections.inc();
        assert_eq!((metrics.connections.get(), clone.connections.get()), (1, 1));
    }
}
