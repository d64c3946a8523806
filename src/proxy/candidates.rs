//! What the registries said a moment ago.
//!
//! The kubelet sends one `PullImage` for each credential that it has for the image, one after another until one succeeds.
//! Where none of them is shown to a target, the calls come to the same request, and asking again would only multiply the
//! failures, and the time they take. So a round that failed answers for those that follow it, for the same pod and
//! image, with other credentials. The same credentials again are a new try of the caller's, and asked for anew.

use super::answer::Refusal;
use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The failed attempts of the last moments.
#[derive(Debug, Default)]
pub struct Candidates {
    failed: Mutex<VecDeque<Failed>>,
    /// Requests have secrets in them, so that they are known by their hashes. No two differ in anybody's favour: the
    /// hashes have a key of this process's own.
    hasher: RandomState,
}

/// A request to the runtime, without keeping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64, usize);

#[derive(Debug)]
struct Failed {
    at: Instant,
    asked: Fingerprint,
    /// The calls that this was the answer to.
    calls: Vec<Fingerprint>,
    refusal: Refusal,
}

/// How long after its end a round answers. The next candidate comes within milliseconds; a new try of the kubelet's after
/// ten seconds at the soonest.
const WINDOW: Duration = Duration::from_secs(5);

/// Attempts that are kept. A node pulls some dozens of images at once at the most.
const MOST: usize = 256;

/// Bytes of message that are kept of one.
const LARGEST: usize = 4096;

/// Calls that one attempt answers: more credentials for one image than anybody has.
const MOST_CALLS: usize = 64;

impl Candidates {
    /// How to know `request` again.
    pub fn fingerprint(&self, request: &[u8]) -> Fingerprint {
        Fingerprint(self.hasher.hash_one(request), request.len())
    }

    /// What was answered to another call when just this was asked, if that was a moment ago.
    pub fn recall(&self, asked: Fingerprint, call: Fingerprint) -> Option<Refusal> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = failed.iter_mut().rev().find(|failed| failed.asked == asked && failed.at.elapsed() < WINDOW)?;
        if known.calls.contains(&call) || known.calls.len() >= MOST_CALLS {
            return None;
        }
        known.calls.push(call);
        Some(known.refusal.clone())
    }

    /// Keeps what a call was answered when this was asked. Said only of rounds that failed to the end.
    pub fn remember(&self, asked: Fingerprint, call: Fingerprint, refusal: Refusal) {
        // A failure has no message as a rule, and no rule needs one that is large.
        if matches!(&refusal, Refusal::Said { data, .. } if data.len() > LARGEST) {
            return;
        }
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|old| old.asked != asked && old.at.elapsed() < WINDOW);
        if failed.len() >= MOST {
            failed.pop_front();
        }
        failed.push_back(Failed { at: Instant::now(), asked, calls: vec![call], refusal });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn refusal() -> Refusal {
        Refusal::Late { image: "m.example/x:1".into(), limit: Duration::from_secs(1) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_round_answers_each_other_call_once_and_for_a_moment() {
        let candidates = Candidates::default();
        let [asked, elsewhere, one, two, three] =
            ["asked", "elsewhere", "1", "2", "3"].map(|text| candidates.fingerprint(text.as_bytes()));
        assert!(candidates.recall(asked, one).is_none());
        candidates.remember(asked, one, refusal());
        assert!(candidates.recall(elsewhere, two).is_none(), "another request");
        assert!(candidates.recall(asked, one).is_none(), "the same call again");
        assert!(candidates.recall(asked, two).is_some(), "another candidate");
        assert!(candidates.recall(asked, two).is_none(), "the same candidate again");
        tokio::time::advance(WINDOW).await;
        assert!(candidates.recall(asked, three).is_none(), "too late");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let candidates = Candidates::default();
        for number in 0..MOST * 2 {
            let asked = candidates.fingerprint(&number.to_le_bytes());
            candidates.remember(asked, asked, refusal());
        }
        assert_eq!(candidates.failed.lock().unwrap().len(), MOST);
    }
}
