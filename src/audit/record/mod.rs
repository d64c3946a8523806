//! What is written down, field by field, in the order of the file. `docs/audit.md` says what each means.

mod form;
mod service;

pub use form::cut;
pub use service::{Count, Counters, Override, Reload, ReloadOutcome, Start, Switch};

use crate::clock::rfc3339;
use crate::cri::Pod;
use form::{escaped, milliseconds, shortened, shortened_option};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What happened, and when.
///
/// Nothing from the request's `auth` is ever here: there is no field to put it in.
#[derive(Debug, Clone)]
pub struct Record {
    /// When it was written down.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
    /// The rest, by the kind of event.
    pub body: Body,
}

/// Where it happened. The same for all records of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The node's name.
    #[serde(serialize_with = "shortened")]
    pub node: String,
    /// What the system calls this machine.
    pub machine_id: Option<String>,
    /// What the system calls its boot.
    pub boot_id: Option<String>,
    /// What the configuration says of the node.
    pub labels: BTreeMap<String, String>,
    /// The version of repoint.
    pub version: &'static str,
    /// The hash of the configuration.
    pub config: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An image was pulled under another name than the one asked for.
    Substituted,
    /// No target served it, and so it was pulled as it is named, as the rule says.
    FellBack,
    /// That was tried, and failed.
    Failed,
    /// The rule only looks on: the image was asked for as it is named.
    Observed,
    /// The rule forbids it: nobody was asked.
    Denied,
    /// A pull will be substituted.
    Intended,
    /// An image that is there was asked for by its old name.
    Used,
    /// The image that the runtime makes pods with was seen to.
    SandboxImage,
    /// Time has passed.
    Heartbeat,
    /// The service has started.
    Started,
    /// The service stops.
    Stopped,
    /// The configuration was read again.
    Reloaded,
    /// Somebody put something else in the place of what a rule says, for a while; or that has ended.
    Overridden,
    /// The kill switch was thrown: no pull is substituted.
    Disabled,
    /// It was put back.
    Enabled,
}

/// What else there is to say.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// Of a pull.
    Pull(Box<Pull>),
    /// Of an image that is there.
    Use(Box<Use>),
    /// Of the image that the runtime makes pods with.
    SandboxImage(Box<SandboxImage>),
    /// Of the time since the last such record.
    Count(Box<Count>),
    /// Of a start.
    Start(Box<Start>),
    /// Of a configuration that was read again.
    Reload(Box<Reload>),
    /// Of an override.
    Override(Box<Override>),
    /// Of the kill switch.
    Switch(Box<Switch>),
}

/// A `PullImage` that a rule decided.
#[derive(Debug, Clone, Serialize)]
pub struct Pull {
    /// The rule that matched.
    pub rule: String,
    /// The image as asked for.
    #[serde(serialize_with = "shortened")]
    pub image: String,
    /// The image asked for last instead, or what would have been asked for first; null where the rule has no target.
    #[serde(serialize_with = "shortened_option")]
    pub substitute: Option<String>,
    /// The pod it was for; null where the caller names none, as kubeadm and crictl do.
    pub pod: Option<PodRecord>,
    /// The version of CRI the caller spoke: `v1` or `v1alpha2`.
    pub api: &'static str,
    /// How it ended; null where it has not begun.
    pub outcome: Option<Outcome>,
    /// The gRPC status the caller was answered with, but for the account of the attempts at the end of its message; null
    /// where the caller did not wait for one.
    pub status: Option<Status>,
    /// What the runtime calls the image it pulled.
    #[serde(serialize_with = "shortened_option")]
    pub image_ref: Option<String>,
    /// The digest of the image's manifest, where it is known.
    #[serde(serialize_with = "shortened_option")]
    pub digest: Option<String>,
    /// The old names that it was given, and is found by.
    pub aliases: Vec<String>,
    /// Whether it never was where it is asked for.
    pub post_freeze: bool,
    /// Everybody who was asked, in order: targets, and the registry that the image is named by.
    pub attempts: Vec<Attempt>,
    /// From the call's arrival to its answer.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
}

/// An image that is there, and was asked for by a name that a rule matches.
#[derive(Debug, Clone, Serialize)]
pub struct Use {
    /// The first rule that matches.
    pub rule: String,
    /// The image as asked for.
    #[serde(serialize_with = "shortened")]
    pub image: String,
    /// The name it was found under.
    #[serde(serialize_with = "shortened")]
    pub substitute: String,
    /// What the runtime calls it.
    #[serde(serialize_with = "shortened_option")]
    pub image_ref: Option<String>,
    /// The digest of its manifest, where it is known.
    #[serde(serialize_with = "shortened_option")]
    pub digest: Option<String>,
    /// Whether it never was where it is asked for.
    pub post_freeze: bool,
    /// The pods with a container of it; null where the runtime could not be asked.
    pub pods: Option<Vec<PodRecord>>,
    /// How often it was asked for since the last such record, this time included.
    pub times: u64,
}

/// The image that the runtime makes pods with, where a rule is about it.
#[derive(Debug, Clone, Serialize)]
pub struct SandboxImage {
    /// The rule.
    pub rule: String,
    /// The image, as the runtime's configuration names it.
    #[serde(serialize_with = "shortened")]
    pub image: String,
    /// What is there in its stead, or is to be; null where the old registry served it after all.
    #[serde(serialize_with = "shortened_option")]
    pub substitute: Option<String>,
    /// What became of it.
    pub outcome: SandboxOutcome,
    /// What went wrong, or what there is to do.
    #[serde(serialize_with = "shortened_option")]
    pub message: Option<String>,
}

/// What became of the image that the runtime makes pods with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxOutcome {
    /// It is there by its old name.
    Present,
    /// It was pulled from elsewhere, and has its old name.
    Pulled,
    /// That failed, and will be tried again.
    Failed,
    /// The runtime has no call to give an image another name.
    Cannot,
}

/// How a pull ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The runtime has the image.
    Pulled,
    /// The runtime, or the way to it, said no.
    Failed,
    /// The caller went away before there was an answer.
    Cancelled,
    /// It was refused by its rule.
    Denied,
}

/// The pod, as the record shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PodRecord {
    /// Its namespace.
    #[serde(serialize_with = "shortened")]
    pub namespace: String,
    /// Its name.
    #[serde(serialize_with = "shortened")]
    pub name: String,
    /// Its uid.
    #[serde(serialize_with = "shortened")]
    pub uid: String,
}

/// A gRPC status, as the record shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The code's number.
    pub code: i32,
    /// The message, decoded.
    #[serde(serialize_with = "shortened")]
    pub message: String,
}

/// One registry that was asked.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// The reference asked for.
    #[serde(serialize_with = "shortened")]
    pub image: String,
    /// Whose credentials it could ask to be shown: `none`, `call` (those that came with the call), or the name of the
    /// target's source.
    pub credentials: String,
    /// Why the target's source could not be asked for some; null where all was well.
    #[serde(serialize_with = "shortened_option")]
    pub credentials_error: Option<String>,
    /// What came back; null where the caller did not wait for it.
    pub status: Option<Status>,
    /// Whether that came back to the caller's call before this one, which differs from it in nothing that was asked.
    pub reused: bool,
    /// How long it took.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
}

/// A record with its number and its place, as it stands in the file. (Nobody reads by these types, so flattening costs no
/// reader its error messages.)
#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    seq: u64,
    #[serde(flatten)]
    origin: &'a Origin,
    event: Event,
    #[serde(flatten)]
    body: &'a Body,
}

/// The version of the form of [`Record`].
pub const SCHEMA: u32 = 1;

/// What is kept of the pods of an image.
pub const MOST_PODS: usize = 256;

// === impl Origin ===

#[cfg(test)]
impl Origin {
    /// Somewhere, where that is of no account.
    pub fn somewhere() -> Self {
        Self {
            node: "n".into(),
            machine_id: None,
            boot_id: None,
            labels: BTreeMap::new(),
            version: "v",
            config: "c".into(),
        }
    }
}

// === impl Record ===

impl Record {
    /// Its line in the file, with the line feed.
    ///
    /// # Errors
    ///
    /// When it has no JSON form.
    pub fn line(&self, origin: &Origin, number: u64) -> Result<Vec<u8>, serde_json::Error> {
        let Self { time, event, body } = self;
        let line = Line { schema: SCHEMA, time: *time, seq: number, origin, event: *event, body };
        let mut line = escaped(serde_json::to_string(&line)?);
        line.push('\n');
        Ok(line.into_bytes())
    }
}

// === impl Event ===

impl Event {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 15] = [
        Self::Substituted,
        Self::FellBack,
        Self::Failed,
        Self::Observed,
        Self::Denied,
        Self::Intended,
        Self::Used,
        Self::SandboxImage,
        Self::Heartbeat,
        Self::Started,
        Self::Stopped,
        Self::Reloaded,
        Self::Overridden,
        Self::Disabled,
        Self::Enabled,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Substituted => "substituted",
            Self::FellBack => "fell_back",
            Self::Failed => "failed",
            Self::Observed => "observed",
            Self::Denied => "denied",
            Self::Intended => "intended",
            Self::Used => "used",
            Self::SandboxImage => "sandbox_image",
            Self::Heartbeat => "heartbeat",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Reloaded => "reloaded",
            Self::Overridden => "overridden",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// The label of this outcome in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pulled => "pulled",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Denied => "denied",
        }
    }
}

// === impl SandboxOutcome ===

impl SandboxOutcome {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Pulled => "pulled",
            Self::Failed => "failed",
            Self::Cannot => "cannot",
        }
    }
}

impl From<Pod> for PodRecord {
    fn from(Pod { namespace, name, uid }: Pod) -> Self {
        Self { namespace, name, uid }
    }
}

#[cfg(test)]
mod tests;
