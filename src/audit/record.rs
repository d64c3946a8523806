//! What is written of one pull that a rule decided.

use crate::cri::Pod;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::time::Duration;

/// A `PullImage` that was substituted, observed or denied. The order of the fields is the order in the file.
///
/// Nothing from the request's `auth` is ever here: there is no field to put it in.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// The version of this form.
    pub schema: u32,
    /// When the call was answered.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// The node's name.
    pub node: String,
    /// What happened.
    pub event: Event,
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
    /// How it ended.
    pub outcome: Outcome,
    /// The gRPC status the caller was answered with, but for the account of the attempts at the end of its message; null
    /// where the caller did not wait for one.
    pub status: Option<Status>,
    /// What the runtime calls the image it pulled.
    #[serde(serialize_with = "shortened_option")]
    pub image_ref: Option<String>,
    /// Everybody who was asked, in order: targets, and the registry that the image is named by.
    pub attempts: Vec<Attempt>,
    /// From the call's arrival to its answer.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An image was pulled under another name than the one asked for.
    Substituted,
    /// The rule only looks on: the image was asked for as it is named.
    Observed,
    /// The rule forbids it: nobody was asked.
    Denied,
    /// No target served it, and so it was pulled as it is named, as the rule says.
    FellBack,
    /// It was tried, and failed.
    Failed,
}

/// How such a pull ended.
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
#[derive(Debug, Clone, Serialize)]
pub struct PodRecord {
    #[serde(serialize_with = "shortened")]
    namespace: String,
    #[serde(serialize_with = "shortened")]
    name: String,
    #[serde(serialize_with = "shortened")]
    uid: String,
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

/// The version of the form of [`Record`].
pub const SCHEMA: u32 = 1;

/// What is kept of a text that somebody else wrote. Longer than any name the kubelet accepts and any message a person
/// reads; short enough that a record is one write.
const LONGEST_TEXT: usize = 4096;

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

impl From<Pod> for PodRecord {
    fn from(Pod { namespace, name, uid }: Pod) -> Self {
        Self { namespace, name, uid }
    }
}

/// RFC 3339 in UTC, always with microseconds, so that lines sort as text.
fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.6}"))
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A text of bounded length that says how much is missing.
fn shortened<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if text.len() <= LONGEST_TEXT {
        return serializer.serialize_str(text);
    }
    // The last border between two characters that is not too far.
    let kept = (0..=LONGEST_TEXT).rev().find_map(|end| text.get(..end)).unwrap_or_default();
    let cut = text.len().saturating_sub(kept.len());
    serializer.collect_str(&format_args!("{kept}… ({cut} bytes cut)"))
}

#[expect(clippy::ref_option, reason = "serde's `serialize_with` passes a reference to the field")]
fn shortened_option<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => shortened(text, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            schema: SCHEMA,
            time: "2023-03-20T12:00:00.5Z".parse().unwrap(),
            node: "node-1".to_owned(),
            event: Event::Substituted,
            rule: "kubernetes".to_owned(),
            image: "k8s.gcr.io/pause:3.9".to_owned(),
            substitute: Some("registry.k8s.io/pause:3.9".to_owned()),
            pod: Some(Pod { namespace: "default".into(), name: "web".into(), uid: "u-1".into() }.into()),
            api: "v1",
            outcome: Outcome::Pulled,
            status: Some(Status { code: 0, message: String::new() }),
            image_ref: Some("sha256:aa".to_owned()),
            attempts: Vec::new(),
            duration: Duration::from_millis(12),
        }
    }

    #[test]
    fn a_record_is_one_line_with_its_fields_in_their_order() {
        let line = serde_json::to_string(&record()).unwrap();
        assert_eq!(
            line,
            r#"{"schema":1,"time":"2023-03-20T12:00:00.500000Z","node":"node-1","event":"substituted","rule":"kubernetes","image":"k8s.gcr.io/pause:3.9","substitute":"registry.k8s.io/pause:3.9","pod":{"namespace":"default","name":"web","uid":"u-1"},"api":"v1","outcome":"pulled","status":{"code":0,"message":""},"image_ref":"sha256:aa","attempts":[],"duration_ms":12}"#
        );
    }

    #[test]
    fn foreign_text_can_neither_break_nor_flood_a_line() {
        let mut record = record();
        record.image = "x\n{\"schema\":1}\u{1b}[2J".to_owned();
        record.substitute = Some("é".repeat(1 << 20));
        let line = serde_json::to_string(&record).unwrap();
        assert!(!line.bytes().any(|byte| byte.is_ascii_control()), "{line}");
        assert!(line.len() < 2 * LONGEST_TEXT, "{} bytes", line.len());
        let back: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["image"], record.image);
        assert!(back["substitute"].as_str().unwrap().ends_with("bytes cut)"));
    }
}
