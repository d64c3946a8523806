//! The labels of what is counted, and the values that they may have.

use prometheus_client::encoding::EncodeLabelSet;

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
pub struct Build {
    /// The version.
    pub version: &'static str,
}

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
