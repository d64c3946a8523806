//! When a node was heard of. Silence must not look like cleanliness.

use super::window::Window;
use crate::audit::read::{Event, Record};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What is known of a node.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// Its first and last record, before the end of the window.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    /// The last heartbeat.
    pub(super) heartbeat: Option<Timestamp>,
    /// When a heartbeat said last that the kubelet had not called.
    pub(super) unasked: Option<Timestamp>,
    /// Whether anything in the window says that its kubelet called: a heartbeat, or an image that was asked for.
    pub(super) is_called: bool,
    /// The last start before the window, and how many rules held.
    started: Option<(Timestamp, u64)>,
    /// Whether it started without a rule in the window.
    started_ruleless: bool,
    /// How many records it could not write, as its heartbeats in the window say.
    pub(super) lost: u64,
    /// The numbers of its records, by machine, in order: another machine under its name begins anew. (There is one, as a rule,
    /// and a map of one is ten times as large.)
    numbers: Vec<(Box<str>, Numbers)>,
    /// The quarters of an hour in the window of which there is a record: a bit each, by 64.
    quarters: BTreeMap<i64, u64>,
}

/// The numbers of a machine's records, as their times go.
#[derive(Debug, Default)]
struct Numbers {
    /// The first and last in the window.
    inside: Option<(u64, u64)>,
    /// The last one about an image that says that it is from long before.
    before: Option<u64>,
    /// The first one about an image that says that it is from long after.
    after: Option<u64>,
}

/// A time without any record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) after: Timestamp,
    pub(super) before: Timestamp,
}

/// There is a record every hour. One may be late, and the clock may be set.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_hours(2);
/// The kubelet asks for its images every few minutes, as long as it lives. Right after a start it may not have yet.
const SETTLED: SignedDuration = SignedDuration::from_mins(30);
const QUARTER: i64 = 15 * 60;
/// With more than this many in between, more than [`PATIENCE`] is.
const QUARTERS: i64 = 8;

// === impl Presence ===

impl Presence {
    pub(super) fn add(&mut self, record: &Record<'_>, window: &Window) {
        let time = record.time;
        self.number(record, window);
        if window.is_closed && time > window.until {
            return;
        }
        self.span = Some(self.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        if let (Event::Started, Some(rules)) = (record.event, record.rules) {
            if window.holds(time) {
                self.started_ruleless |= rules == 0;
            } else {
                self.started = self.started.max(Some((time, rules)));
            }
        }
        if record.event == Event::Heartbeat {
            self.heartbeat = self.heartbeat.max(Some(time));
            let is_quiet = match (record.last_call, record.since) {
                (Some(call), _) => time.duration_since(call) > PATIENCE,
                (None, Some(since)) => time.duration_since(since) > SETTLED,
                (None, None) => false,
            };
            if is_quiet && window.holds(time) {
                self.unasked = self.unasked.max(Some(time));
            }
        }
        if window.holds(time) {
            self.is_called |= record.image.is_some() || record.last_call.is_some();
            self.lost = self.lost.saturating_add(record.counters.map_or(0, |counters| counters.lost));
            let quarter = time.as_second().div_euclid(QUARTER);
            *self.quarters.entry(quarter.div_euclid(64)).or_default() |= 1_u64.rotate_left(bit(quarter));
        }
    }

    fn number(&mut self, record: &Record<'_>, window: &Window) {
        let machine = record.machine_id.as_deref().unwrap_or_default();
        let at = self.numbers.binary_search_by(|(known, _)| (**known).cmp(machine)).unwrap_or_else(|at| {
            self.numbers.reserve_exact(usize::from(self.numbers.is_empty()));
            self.numbers.insert(at, (machine.into(), Numbers::default()));
            at
        });
        let Some((_, numbers)) = self.numbers.get_mut(at) else { return };
        let (time, number) = (record.time, record.seq);
        if window.holds(time) {
            numbers.inside =
                Some(numbers.inside.map_or((number, number), |(one, other)| (one.min(number), other.max(number))));
        } else if record.image.is_none() {
            // A clock may be wrong at every start. That matters where somebody asked for an image.
        } else if window.from.is_some_and(|from| from.duration_since(time) > PATIENCE) {
            numbers.before = numbers.before.max(Some(number));
        } else if time.duration_since(window.until) > PATIENCE {
            numbers.after = Some(numbers.after.map_or(number, |after| after.min(number)));
        }
    }

    /// Whether it ran without a rule at some time in the window: then no old name is one.
    pub(super) fn is_ruleless(&self) -> bool {
        self.started_ruleless || self.started.is_some_and(|(_, rules)| rules == 0)
    }

    /// Whether an image was asked for within the window, by the record's number, and out of it, by the clock.
    pub(super) fn is_misdated(&self) -> bool {
        self.numbers.iter().any(|(_, numbers)| {
            let Some((first, last)) = numbers.inside else { return false };
            numbers.before.is_some_and(|before| first < before) || numbers.after.is_some_and(|after| after < last)
        })
    }

    /// The times of more than two hours without a record, to a quarter of an hour: between those in the window, and between
    /// its beginning and the first of them, where there are some before.
    pub(super) fn silences(&self, window: &Window) -> Vec<Silence> {
        let mut silences = Vec::new();
        let quarter = |time: Timestamp| time.as_second().div_euclid(QUARTER);
        let begins_before = |from: &Timestamp| self.span.is_some_and(|(first, _)| first < *from);
        let mut last = window.from.filter(begins_before).map(quarter);
        let bits = |(page, bits): (&i64, &u64)| (page.saturating_mul(64), *bits);
        for (start, bits) in self.quarters.iter().map(bits) {
            for quarter in start..start.saturating_add(64) {
                if bits & 1_u64.rotate_left(bit(quarter)) == 0 {
                    continue;
                }
                if let Some(last) = last
                    && quarter.saturating_sub(last) > QUARTERS
                {
                    silences.push(Silence { after: moment(last), before: moment(quarter) });
                }
                last = Some(quarter);
            }
        }
        silences
    }
}

fn bit(quarter: i64) -> u32 {
    u32::try_from(quarter.rem_euclid(64)).unwrap_or_default()
}

fn moment(quarter: i64) -> Timestamp {
    Timestamp::from_second(quarter.saturating_mul(QUARTER)).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "in a test, an overflow is a failure like any other")]
mod tests {
    use super::*;

    fn window() -> Window {
        Window::new(None, None, Timestamp::MAX).unwrap()
    }

    fn presence(minutes: impl IntoIterator<Item = i64>) -> Presence {
        let window = window();
        let mut presence = Presence::default();
        let line = r#"{"schema":1,"time":"1970-01-01T00:00:00Z","seq":1,"node":"n","event":"heartbeat"}"#;
        let record: Record<'_> = serde_json::from_str(line).unwrap();
        for minute in minutes {
            let time = Timestamp::from_second(minute * 60).unwrap();
            presence.add(&Record { time, ..record.clone() }, &window);
        }
        presence
    }

    #[test]
    fn an_hour_between_heartbeats_is_no_silence_and_more_than_two_are() {
        assert_eq!(presence((0..10_000).map(|hour| hour * 60 + hour % 7)).silences(&window()), []);
        assert_eq!(presence([-600, -480]).silences(&window()), [], "two hours");
        let silences = presence([0, 60, 119, 260, 300]).silences(&window());
        let moment = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        assert_eq!(silences, [Silence { after: moment(105), before: moment(255) }]);
        assert_eq!(presence([0, 100_000]).silences(&window()).len(), 1);
        assert_eq!(presence([]).silences(&window()), []);
    }
}
