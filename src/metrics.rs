//! Counters: every name and label there is. Labels have a closed set of values; an image's name is never one.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// What is counted.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
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
}

/// Labels of `repoint_substitutions_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Substitution {
    /// The rule's name, as configured.
    pub rule: String,
    /// `pulled`, `fell_back`, `failed` or `cancelled`.
    pub outcome: &'static str,
}

/// Labels of `repoint_observed_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Observed {
    /// The rule's name, as configured.
    pub rule: String,
    /// `pulled`, `failed` or `cancelled`.
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
    /// `pulled`; `refused`, by a registry that could be reached; `unreachable`; or `late`, at its limit of time.
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
    /// `given` or `failed`.
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

impl Metrics {
    /// The counters' values in the OpenMetrics text form.
    ///
    /// # Errors
    ///
    /// When a value can't be formatted.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("repoint");
        registry.register("substitutions", "Pulls of a substitute", self.substitutions.clone());
        registry.register("observed", "Pulls that a rule looked on at", self.observed.clone());
        registry.register("denied", "Pulls that a rule forbade", self.denied.clone());
        registry.register("attempts", "What asking the targets came to", self.attempts.clone());
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
        registry.register("unread", "Messages passed on because they could not be read", self.unread.clone());
        registry.register("answered", "Calls that repoint itself answered with an error", self.answered.clone());
        registry.register("audit_failures", "Records that are missing in the audit log", self.audit_failures.clone());
        registry.register("sink_failures", "Records that did not get to a sink", self.sink_failures.clone());
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }
}
