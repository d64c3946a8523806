//! What happened since the last heartbeat, in numbers.

use super::record::{Count, Counters, Event};
use jiff::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts until it is asked.
#[derive(Debug)]
pub struct Tally(Mutex<Now>);

#[derive(Debug)]
struct Now {
    since: Timestamp,
    counters: Counters,
    /// Up to the last heartbeat, since the beginning.
    before: Counters,
    /// Up to the last heartbeat.
    lost: u64,
    last_call: Option<Timestamp>,
    last_pulled: Option<Timestamp>,
    last_failed: Option<Timestamp>,
}

/// What there was since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How much of what, but for what was lost since the last heartbeat.
    pub counters: Counters,
    /// When the kubelet called last.
    pub last_call: Option<Timestamp>,
    /// When an image was pulled last that a rule decided.
    pub last_pulled: Option<Timestamp>,
    /// When that failed last.
    pub last_failed: Option<Timestamp>,
}

impl Tally {
    /// Counts from `since` on.
    pub const fn new(since: Timestamp) -> Self {
        Self(Mutex::new(Now {
            since,
            counters: Counters::ZERO,
            before: Counters::ZERO,
            lost: 0,
            last_call: None,
            last_pulled: None,
            last_failed: None,
        }))
    }

    /// A call of the kubelet's, at `now`.
    pub fn call(&self, now: Timestamp) {
        let mut tally = self.locked();
        add(&mut tally.counters.calls);
        tally.last_call = Some(now);
    }

    /// A question for an image that a rule matches.
    pub fn asked(&self) {
        add(&mut self.locked().counters.asked);
    }

    /// When the kubelet called last.
    pub fn last_call(&self) -> Option<Timestamp> {
        self.locked().last_call
    }

    /// A record, at `now`.
    pub fn record(&self, event: Event, now: Timestamp) {
        let mut tally = self.locked();
        let now = Some(now);
        let counters = &mut tally.counters;
        match event {
            Event::Substituted => add(&mut counters.substituted),
            Event::FellBack => add(&mut counters.fell_back),
            Event::Failed => add(&mut counters.failed),
            Event::Observed => add(&mut counters.observed),
            Event::Denied => add(&mut counters.denied),
            Event::Used => add(&mut counters.used),
            Event::Intended
            | Event::SandboxImage
            | Event::Heartbeat
            | Event::Started
            | Event::Stopped
            | Event::Reloaded
            | Event::Overridden
            | Event::Disabled
            | Event::Enabled => {}
        }
        if matches!(event, Event::Substituted | Event::FellBack) {
            tally.last_pulled = now;
        } else if event == Event::Failed {
            tally.last_failed = now;
        }
    }

    /// All of it, and begins anew. `lost` is how many records could not be written, ever.
    pub fn take(&self, now: Timestamp, lost: u64) -> Count {
        let mut tally = self.locked();
        let before = std::mem::replace(&mut tally.lost, lost);
        let counters = Counters { lost: lost.saturating_sub(before), ..std::mem::take(&mut tally.counters) };
        tally.before = tally.before.plus(counters);
        let since = std::mem::replace(&mut tally.since, now);
        Count { since, counters, last_call: tally.last_call }
    }

    /// All of it since the beginning.
    pub fn totals(&self) -> Totals {
        let Now { counters, before, last_call, last_pulled, last_failed, .. } = *self.locked();
        Totals { counters: before.plus(counters), last_call, last_pulled, last_failed }
    }

    fn locked(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_has_what_came_since_the_last_one_and_when_the_kubelet_called_last() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let tally = Tally::new(at(0));
        assert_eq!(tally.last_call(), None);
        tally.call(at(1));
        tally.call(at(2));
        assert_eq!(tally.last_call(), Some(at(2)));
        tally.asked();
        for event in [Event::Substituted, Event::Substituted, Event::Denied, Event::Started] {
            tally.record(event, at(3));
        }
        let count = tally.take(at(10), 1);
        let expected = Counters { calls: 2, asked: 1, substituted: 2, denied: 1, lost: 1, ..Counters::ZERO };
        assert_eq!((count.since, count.counters, count.last_call), (at(0), expected, Some(at(2))));
        let count = tally.take(at(20), 1);
        assert_eq!((count.since, count.counters, count.last_call), (at(10), Counters::ZERO, Some(at(2))));
        tally.record(Event::Failed, at(30));
        let counters = Counters { failed: 1, ..expected };
        let (last_call, last_pulled, last_failed) = (Some(at(2)), Some(at(3)), Some(at(30)));
        assert_eq!(tally.totals(), Totals { counters, last_call, last_pulled, last_failed });
    }
}
