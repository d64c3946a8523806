//! A record as an entry of the journal, in its native form: fields that one can search by, and the whole line.

use super::sentence::sentence;
use crate::audit::record::{Body, Event, PodRecord, Pull, Record, SandboxImage, Use, cut};
use crate::output::Plain;
use std::collections::BTreeSet;

/// Fields, one after the other.
#[derive(Debug, Default)]
struct Entry(Vec<u8>);

/// What syslog calls how bad it is. No more than a warning: what repoint itself can't do is in its own log.
#[derive(Debug, Clone, Copy)]
enum Priority {
    Warning = 4,
    Notice = 5,
    Info = 6,
}

/// The entry for a record that has this line in the file.
pub(super) fn entry(record: &Record, number: u64, line: &[u8]) -> Vec<u8> {
    let Record { event, body, .. } = record;
    let mut entry = Entry::default();
    entry.text("MESSAGE", &Plain(&sentence(*event, body)).to_string());
    entry.text("PRIORITY", &(priority(*event) as u8).to_string());
    entry.text("SYSLOG_IDENTIFIER", "repoint");
    entry.text("MESSAGE_ID", message_id(*event));
    entry.text("REPOINT_EVENT", event.as_str());
    entry.text("REPOINT_SEQ", &number.to_string());
    match body {
        Body::Pull(pull) => entry.pull(pull),
        Body::Use(found) => entry.found(found),
        Body::SandboxImage(sandbox) => entry.sandbox(sandbox),
        Body::Reload(reload) => entry.text("REPOINT_OUTCOME", reload.outcome.as_str()),
        Body::Override(one) => entry.text("REPOINT_RULE", &one.rule),
        Body::Count(_) | Body::Start(_) | Body::Switch(_) => {}
    }
    entry.field("REPOINT_RECORD", line.strip_suffix(b"\n").unwrap_or(line));
    entry.0
}

// === impl Entry ===

impl Entry {
    fn field(&mut self, name: &str, value: &[u8]) {
        self.0.extend_from_slice(name.as_bytes());
        if value.contains(&b'\n') {
            self.0.push(b'\n');
            self.0.extend_from_slice(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    /// A text of which no more is kept than in the file.
    fn text(&mut self, name: &str, value: &str) {
        self.field(name, cut(value).as_bytes());
    }

    /// One that may be missing, and then has no field.
    fn option(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn pull(&mut self, pull: &Pull) {
        self.text("REPOINT_RULE", &pull.rule);
        self.text("REPOINT_IMAGE", &pull.image);
        self.option("REPOINT_SUBSTITUTE", pull.substitute.as_deref());
        self.option("REPOINT_OUTCOME", pull.outcome.map(|outcome| outcome.as_str()));
        self.option("REPOINT_CODE", pull.status.as_ref().map(|status| status.code.to_string()).as_deref());
        self.option("REPOINT_IMAGE_REF", pull.image_ref.as_deref());
        self.option("REPOINT_DIGEST", pull.digest.as_deref());
        self.pods(pull.pod.as_slice());
        self.post_freeze(pull.post_freeze);
    }

    fn found(&mut self, found: &Use) {
        self.text("REPOINT_RULE", &found.rule);
        self.text("REPOINT_IMAGE", &found.image);
        self.text("REPOINT_SUBSTITUTE", &found.substitute);
        self.option("REPOINT_IMAGE_REF", found.image_ref.as_deref());
        self.option("REPOINT_DIGEST", found.digest.as_deref());
        self.pods(found.pods.as_deref().unwrap_or_default());
        self.post_freeze(found.post_freeze);
    }

    fn sandbox(&mut self, sandbox: &SandboxImage) {
        self.text("REPOINT_RULE", &sandbox.rule);
        self.text("REPOINT_IMAGE", &sandbox.image);
        self.option("REPOINT_SUBSTITUTE", sandbox.substitute.as_deref());
        self.text("REPOINT_OUTCOME", sandbox.outcome.as_str());
    }

    /// The journal lets a field have several values, and finds an entry by each.
    fn pods(&mut self, pods: &[PodRecord]) {
        let namespaces: BTreeSet<_> = pods.iter().map(|pod| &pod.namespace).collect();
        for namespace in namespaces {
            self.text("REPOINT_POD_NAMESPACE", namespace);
        }
        for PodRecord { name, uid, .. } in pods {
            self.text("REPOINT_POD_NAME", name);
            self.text("REPOINT_POD_UID", uid);
        }
    }

    fn post_freeze(&mut self, post_freeze: bool) {
        self.text("REPOINT_POST_FREEZE", if post_freeze { "1" } else { "0" });
    }
}

const fn priority(event: Event) -> Priority {
    match event {
        Event::Failed | Event::FellBack => Priority::Warning,
        // Where it can't be seen to, somebody has to.
        Event::Denied
        | Event::SandboxImage
        | Event::Reloaded
        | Event::Overridden
        | Event::Disabled
        | Event::Enabled => Priority::Notice,
        Event::Substituted
        | Event::Observed
        | Event::Intended
        | Event::Used
        | Event::Heartbeat
        | Event::Started
        | Event::Stopped => Priority::Info,
    }
}

/// One for each kind of event, for ever. They are of chance.
pub(super) const fn message_id(event: Event) -> &'static str {
    match event {
        Event::Substituted => "65004edff1dc4a75b9488fde66771167",
        Event::FellBack => "360b6ed443724c51b03b294fe4126fe0",
        Event::Failed => "d0e2800c83024cce8b7c00e00215074b",
        Event::Observed => "56cba927afc04d179c008329d9fc7de2",
        Event::Denied => "6dc19a278f6b4495946a9d8d056d12c5",
        Event::Intended => "ebba4e26753648978abb64e2f8bc1d07",
        Event::Used => "aa00ec98f56d436793495d391baf216b",
        Event::SandboxImage => "5e1d7c1f3b0a4f0c9a66d1c2b8e47f93",
        Event::Heartbeat => "8d2dc5f7cba94a44bf332bb0c27e99b2",
        Event::Started => "0d23729b0222426b9465abfdea0fb2ab",
        Event::Stopped => "a745c40f7ee24f47b13f0a2c9a8f3baa",
        Event::Reloaded => "231af6bcadac4b93b01d5e81397e9e04",
        Event::Overridden => "cb92135479fe419b8ed7b1b817952fac",
        Event::Disabled => "3197ff674dec4fe8a06cc8b27dcfbf00",
        Event::Enabled => "449bc470bfe24485853627cfe7faff50",
    }
}
