//! A record on one line, for people.

use crate::audit::read::{Event, Pod, Text};
use crate::output::Plain;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What of a record is told. All of it may be missing: what is not there is not told.
#[derive(Debug, Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    time: Text<'a>,
    event: Event,
    #[serde(borrow, default)]
    image: Option<Text<'a>>,
    #[serde(borrow, default)]
    substitute: Option<Text<'a>>,
    #[serde(borrow, default)]
    pod: Option<Pod<'a>>,
    #[serde(borrow, default)]
    pods: Option<Vec<Pod<'a>>>,
    #[serde(borrow, default)]
    outcome: Option<Text<'a>>,
    #[serde(borrow, default)]
    status: Option<Status<'a>>,
    #[serde(default)]
    duration_ms: Option<u64>,
    #[serde(borrow, default)]
    version: Option<Text<'a>>,
    #[serde(default)]
    counters: BTreeMap<String, u64>,
    #[serde(borrow, default)]
    rule: Option<Text<'a>>,
    #[serde(borrow, default)]
    instead: Option<Text<'a>>,
    #[serde(borrow, default)]
    until: Option<Text<'a>>,
    #[serde(default)]
    uid: Option<u64>,
    #[serde(borrow, default)]
    file: Option<Text<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct Status<'a> {
    code: i32,
    #[serde(borrow, default)]
    message: Text<'a>,
}

/// The longest name of an event.
const WIDTH: usize = 13;
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// Tells it; a line that is no record is told as it is, as far as a terminal may be shown it.
pub(super) fn line(line: &[u8], in_colour: bool) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    match serde_json::from_str::<Record<'_>>(text) {
        Ok(record) => record.told(text, in_colour),
        Err(_) => painted(&Plain(text).to_string(), DIM, in_colour),
    }
}

fn painted(text: &str, colour: &str, in_colour: bool) -> String {
    if in_colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// What happened, as the record calls it. One that is not known here has a name all the same.
fn name(line: &str) -> String {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        event: Text<'a>,
    }
    serde_json::from_str(line).map(|Named { event }| Plain(&event).to_string()).unwrap_or_default()
}

/// Microseconds are for machines.
fn second(time: &str) -> String {
    let whole = time.split('.').next().unwrap_or(time).trim_end_matches('Z');
    Plain(whole).to_string().replacen('T', " ", 1)
}

fn milliseconds(number: u64) -> String {
    if number < 10_000 { format!("{number} ms") } else { format!("{} s", number / 1000) }
}

// === impl Record ===

impl Record<'_> {
    fn told(&self, line: &str, in_colour: bool) -> String {
        let event = painted(&format!("{:WIDTH$}", name(line)), self.colour(), in_colour);
        let mut told = format!("{}  {event}", second(&self.time));
        let mut add = |text: std::fmt::Arguments<'_>| {
            let _infallible = write!(told, "  {text}");
        };
        match (&self.image, &self.substitute) {
            (Some(image), Some(substitute)) => add(format_args!("{} → {}", Plain(image), Plain(substitute))),
            (Some(image), None) => add(format_args!("{}", Plain(image))),
            (None, _) => {}
        }
        let mut pods = self.pod.iter().chain(self.pods.iter().flatten());
        if let Some(Pod { namespace, name, .. }) = pods.next() {
            add(format_args!("{}/{}", Plain(namespace), Plain(name)));
        }
        match pods.count() {
            0 => {}
            more => add(format_args!("and {more} more")),
        }
        match (&self.outcome, self.duration_ms) {
            (Some(outcome), Some(duration)) => add(format_args!("{} in {}", Plain(outcome), milliseconds(duration))),
            (Some(outcome), None) => add(format_args!("{}", Plain(outcome))),
            (None, _) => {}
        }
        if let Some(Status { code, message }) = self.status.as_ref().filter(|status| status.code != 0) {
            add(format_args!("{}", painted(&format!("code {code}: {}", Plain(message)), RED, in_colour)));
        }
        if self.event == Event::Overridden {
            let rule = self.rule.as_deref().unwrap_or_default();
            match (&self.instead, &self.until) {
                (Some(instead), Some(until)) => {
                    add(format_args!("rule {}: {} until {}", Plain(rule), Plain(instead), second(until)));
                }
                _ => add(format_args!("rule {} holds again", Plain(rule))),
            }
            if let Some(uid) = self.uid {
                add(format_args!("by user {uid}"));
            }
        }
        if let Some(file) = &self.file {
            add(format_args!("{}", Plain(file)));
        }
        if let Some(message) = &self.message {
            add(format_args!("{}", painted(&Plain(message).to_string(), RED, in_colour)));
        }
        for (name, number) in self.counters.iter().filter(|(_, number)| **number > 0) {
            add(format_args!("{} {number}", Plain(name)));
        }
        if let Some(version) = self.version.as_ref().filter(|_| self.event == Event::Started) {
            add(format_args!("repoint {}", Plain(version)));
        }
        told
    }

    fn colour(&self) -> &'static str {
        match self.event {
            Event::Failed | Event::Denied => RED,
            Event::FellBack | Event::SandboxImage | Event::Overridden | Event::Disabled => YELLOW,
            Event::Substituted => GREEN,
            Event::Observed | Event::Used | Event::Intended => CYAN,
            Event::Heartbeat | Event::Started | Event::Stopped | Event::Reloaded | Event::Enabled | Event::Other => DIM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_record_is_told_on_one_line() {
        let pull = r#"{"schema":1,"time":"2023-03-20T12:00:00.123456Z","seq":42,"node":"worker-1","event":"failed","image":"k8s.gcr.io/pause:3.9","substitute":"registry.k8s.io/pause:3.9","pod":{"namespace":"kube-system","name":"etcd-worker-1","uid":"u"},"outcome":"failed","status":{"code":5,"message":"not\nfound"},"duration_ms":812}"#;
        assert_eq!(
            line(pull.as_bytes(), false),
            "2023-03-20 12:00:00  failed         k8s.gcr.io/pause:3.9 → registry.k8s.io/pause:3.9  kube-system/etcd-worker-1  failed in 812 ms  code 5: not\\nfound"
        );
        let used = r#"{"time":"2023-03-20T12:00:00.000000Z","event":"used","image":"a","pods":[{"namespace":"n","name":"p"},{"namespace":"n","name":"q"}]}"#;
        assert_eq!(line(used.as_bytes(), false), "2023-03-20 12:00:00  used           a  n/p  and 1 more");
        let beat = r#"{"time":"2023-03-20T12:00:00.000000Z","event":"heartbeat","counters":{"calls":14,"failed":0}}"#;
        assert_eq!(line(beat.as_bytes(), true), "2023-03-20 12:00:00  \u{1b}[2mheartbeat    \u{1b}[0m  calls 14");
        for (rest, expected) in [
            (
                r#""event":"overridden","rule":"m","instead":"original","until":"2023-03-20T14:00:00.000000Z","uid":0"#,
                "overridden     rule m: original until 2023-03-20 14:00:00  by user 0",
            ),
            (
                r#""event":"overridden","rule":"m","instead":null,"until":null,"uid":null"#,
                "overridden     rule m holds again",
            ),
            (
                r#""event":"reloaded","outcome":"refused","rules":1,"message":"c.toml:1:1: no""#,
                "reloaded       refused  c.toml:1:1: no",
            ),
            (r#""event":"disabled","file":"/etc/repoint/disabled""#, "disabled       /etc/repoint/disabled"),
        ] {
            let record = format!(r#"{{"time":"2023-03-20T12:00:00.000000Z",{rest}}}"#);
            assert_eq!(line(record.as_bytes(), false), format!("2023-03-20 12:00:00  {expected}"));
        }
        let new = r#"{"time":"2023-03-20T12:00:00.000000Z","event":"thawed"}"#;
        assert_eq!(line(new.as_bytes(), false), "2023-03-20 12:00:00  thawed       ");
    }

    #[test]
    fn nothing_in_a_line_reaches_the_terminal_that_acts_on_it() {
        for bytes in [
            &b"\x1b[2J torn"[..],
            br#"{"time":"\u001b[2J","event":"\u001b[2J","image":"\u001b[2J\u202e"}"#,
            b"\xff\xfe{\x9b1m",
        ] {
            let told = line(bytes, false);
            assert!(!told.chars().any(|c| c.is_control() || c == '\u{202e}'), "{told:?}");
        }
    }
}
