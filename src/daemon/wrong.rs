//! Whether a service is well that has said how it is.

use super::status::Status;
use crate::args::Check;
use jiff::{SignedDuration, Timestamp};
use std::fmt::{self, Display};

/// Without a call for so long, a kubelet does not call. It asks something every ten seconds or so.
const QUIET: SignedDuration = SignedDuration::from_mins(15);

/// How long something is ago, as people say it.
#[derive(Debug, Clone, Copy)]
pub struct Ago(pub SignedDuration);

/// What is wrong with it, if something is.
pub fn wrong(check: Check, status: &Status) -> Option<String> {
    let since = |time: Timestamp| status.now.duration_since(time);
    match check {
        Check::Kubelet => match status.last_call {
            Some(last) if since(last) < QUIET => None,
            Some(last) => Some(format!("the kubelet has not called for {}", Ago(since(last)))),
            None if since(status.started) < QUIET => None,
            None => Some(format!("the kubelet has not called since the start, {} ago", Ago(since(status.started)))),
        },
        Check::Audit => {
            (status.counters.lost > 0).then(|| format!("{} audit records are missing", status.counters.lost))
        }
        Check::Config => {
            let configuration = &status.configuration;
            let why = configuration.refused.as_ref().map(|refused| refused.message.as_str()).unwrap_or_default();
            match configuration.source.as_str() {
                "files" if configuration.refused.is_none() => None,
                "files" => Some(format!("reload refused: {why}")),
                "last_good" => Some(format!("runs on the last good: {why}")),
                _ => Some(format!("nothing is substituted: {why}")),
            }
        }
        Check::Substitutions => {
            let last = status.last_failed.filter(|failed| since(*failed) < QUIET)?;
            let is_over = status.last_pulled.is_some_and(|pulled| pulled > last);
            (!is_over).then(|| format!("the last pull failed, {} ago (repoint tail)", Ago(since(last))))
        }
    }
}

// === impl Ago ===

impl Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs().max(0) {
            seconds @ 0..=119 => write!(f, "{seconds} s"),
            seconds @ 120..=7_199 => write!(f, "{} min", seconds / 60),
            seconds @ 7_200..=172_799 => write!(f, "{} h", seconds / 3600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}
