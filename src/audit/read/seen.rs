//! Which records there are, so that each counts once and one knows which are missing.
//!
//! Numbers are dense, so a set of them is a bit each. The second in which each was written is kept beside it until 64 in a row
//! are there, and of these then only the first and last. So a copy is told from another record of the same number, which
//! is what a log has that began again (its files and its state were removed), or that of two machines with one id (they were
//! cloned). Dropping those as copies would lose what they say; they are counted, and told of as a doubt.

use super::line::Record;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// All records that were seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// By machine id, and by the node's name where there is none.
    machines: HashMap<Box<str>, Vec<Log>>,
    nameless: HashMap<Box<str>, Vec<Log>>,
}

/// Records that are missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap<'a> {
    /// Whose.
    pub node: &'a str,
    /// The last record before them.
    pub after: Timestamp,
    /// The first one after them.
    pub before: Timestamp,
    /// How many.
    pub missing: u64,
}

/// Why gaps, or their absence, do not say all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt<'a> {
    /// Several nodes have one machine id.
    Shared {
        /// The id.
        machine: &'a str,
        /// The nodes.
        nodes: Vec<&'a str>,
    },
    /// Numbers were given twice.
    Restarted {
        /// By this node.
        node: &'a str,
    },
}

/// The log of a machine under a name. A machine that was given another name goes on counting.
#[derive(Debug)]
struct Log {
    node: Box<str>,
    /// One, but for doubts.
    lives: Vec<Life>,
    /// The first and last number of each boot. A machine boots again before it goes on, so no two of them overlap.
    /// (In the order of their names. A map of one would be ten times as large.)
    boots: Vec<(Box<str>, (u64, u64))>,
}

/// Records of which no two have the same number: pages of 64 numbers.
#[derive(Debug, Default)]
struct Life(BTreeMap<u64, Page>);

/// The seconds in which 64 records were written.
#[derive(Debug)]
enum Page {
    /// Those that are there have their bit set.
    Some(u64, Box<[u32; PAGE]>),
    /// All are there, the first and last in these.
    All(u32, u32),
}

/// Numbers without a gap.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    node: &'a str,
    first: u64,
    last: u64,
    from: u32,
    until: u32,
}

const PAGE: usize = 64;
/// The number of the last one on a page.
const LAST: u64 = 63;

// === impl Seen ===

impl Seen {
    /// Adds a record; `false` where it was there.
    pub fn add(&mut self, record: &Record<'_>) -> bool {
        let node: &str = &record.node;
        let (map, key) = match &record.machine_id {
            Some(id) => (&mut self.machines, &**id),
            None => (&mut self.nameless, node),
        };
        if !map.contains_key(key) {
            map.insert(key.into(), Vec::new());
        }
        let Some(logs) = map.get_mut(key) else { return true };
        let at = logs.iter().position(|log| *log.node == *node).unwrap_or_else(|| {
            logs.push(Log { node: node.into(), lives: Vec::new(), boots: Vec::new() });
            logs.len().saturating_sub(1)
        });
        let second = u32::try_from(record.time.as_second().max(0)).unwrap_or(u32::MAX);
        let Some(log) = logs.get_mut(at) else { return true };
        if let Some(boot) = &record.boot_id {
            log.boot(boot, record.seq);
        }
        log.add(record.seq, second)
    }

    /// What is missing between records that are there, in the order of nodes.
    pub fn gaps(&self) -> Vec<Gap<'_>> {
        let mut gaps = Vec::new();
        for logs in self.machines.values().chain(self.nameless.values()) {
            match merged(logs) {
                Some(runs) => add_gaps(&runs, &mut gaps),
                None => logs.iter().for_each(|log| add_gaps(&log.runs(), &mut gaps)),
            }
        }
        gaps.sort();
        gaps
    }

    /// What is odd, in a stable order.
    pub fn doubts(&self) -> Vec<Doubt<'_>> {
        let mut doubts = Vec::new();
        for (machine, logs) in &self.machines {
            if merged(logs).is_none() {
                let mut nodes: Vec<&str> = logs.iter().map(|log| &*log.node).collect();
                nodes.sort_unstable();
                doubts.push(Doubt::Shared { machine, nodes });
            }
        }
        let logs = self.machines.values().chain(self.nameless.values()).flatten();
        doubts.extend(logs.filter(|log| log.is_twice()).map(|log| Doubt::Restarted { node: &log.node }));
        doubts.sort();
        doubts
    }
}

/// The runs of one machine under all its names, in order; `None` where they overlap, so that it is not one machine.
fn merged(logs: &[Log]) -> Option<Vec<Run<'_>>> {
    let mut runs: Vec<Run<'_>> = logs.iter().flat_map(Log::runs).collect();
    runs.sort_by_key(|run| run.first);
    let overlap = runs.iter().zip(runs.iter().skip(1)).any(|(one, next)| next.first <= one.last);
    (!overlap).then_some(runs)
}

fn add_gaps<'a>(runs: &[Run<'a>], gaps: &mut Vec<Gap<'a>>) {
    let time = |second: u32| Timestamp::from_second(second.into()).unwrap_or_default();
    for (one, next) in runs.iter().zip(runs.iter().skip(1)) {
        let missing = next.first.saturating_sub(one.last).saturating_sub(1);
        if missing > 0 {
            gaps.push(Gap { node: next.node, after: time(one.until), before: time(next.from), missing });
        }
    }
}

// === impl Log ===

impl Log {
    fn boot(&mut self, boot: &str, seq: u64) {
        let at = self.boots.binary_search_by(|(known, _)| (**known).cmp(boot)).unwrap_or_else(|at| {
            self.boots.reserve_exact(usize::from(self.boots.is_empty()));
            self.boots.insert(at, (boot.into(), (seq, seq)));
            at
        });
        if let Some((_, (first, last))) = self.boots.get_mut(at) {
            (*first, *last) = ((*first).min(seq), (*last).max(seq));
        }
    }

    /// Whether numbers were given twice: it began again, or there are two machines of this id and this name. Of two, records
    /// of one that have a number and a second in common with the other's are taken for copies; their boots still tell.
    fn is_twice(&self) -> bool {
        let mut boots: Vec<_> = self.boots.iter().map(|(_, numbers)| *numbers).collect();
        boots.sort_unstable();
        self.lives.len() > 1 || boots.iter().zip(boots.iter().skip(1)).any(|((_, last), (first, _))| first <= last)
    }

    fn add(&mut self, seq: u64, second: u32) -> bool {
        if self.lives.iter().any(|life| life.has(seq, second)) {
            return false;
        }
        if !self.lives.iter_mut().any(|life| life.add(seq, second)) {
            let mut life = Life::default();
            life.add(seq, second);
            self.lives.push(life);
        }
        true
    }

    /// Every number that was given, in runs.
    fn runs(&self) -> Vec<Run<'_>> {
        self.lives.first().map_or_else(Vec::new, |life| life.runs(&self.node))
    }
}

// === impl Life ===

impl Life {
    fn has(&self, seq: u64, second: u32) -> bool {
        let (page, at) = place(seq);
        match self.0.get(&page) {
            None => false,
            Some(Page::All(from, until)) => (*from..=*until).contains(&second),
            Some(Page::Some(bits, seconds)) => bits & bit(at) != 0 && seconds.get(at) == Some(&second),
        }
    }

    /// Adds a number; `false` where it is given.
    fn add(&mut self, seq: u64, second: u32) -> bool {
        let (page, at) = place(seq);
        let page = self.0.entry(page).or_insert_with(|| Page::Some(0, Box::new([0; PAGE])));
        let Page::Some(bits, seconds) = page else { return false };
        if *bits & bit(at) != 0 {
            return false;
        }
        *bits |= bit(at);
        if let Some(place) = seconds.get_mut(at) {
            *place = second;
        }
        // Where they are not in order (the clock was set), what is between the first and the last says nothing.
        if *bits == u64::MAX && seconds.is_sorted() {
            let (from, until) = (seconds.first().copied(), seconds.last().copied());
            *page = Page::All(from.unwrap_or_default(), until.unwrap_or_default());
        }
        true
    }

    fn runs<'a>(&self, node: &'a str) -> Vec<Run<'a>> {
        let mut runs: Vec<Run<'a>> = Vec::new();
        let mut add = |first: u64, last: u64, from: u32, until: u32| match runs.last_mut() {
            Some(run) if run.last.checked_add(1) == Some(first) => (run.last, run.until) = (last, until),
            Some(_) | None => runs.push(Run { node, first, last, from, until }),
        };
        for (page, content) in &self.0 {
            let start = page.saturating_mul(64);
            match content {
                Page::All(from, until) => add(start, start.saturating_add(LAST), *from, *until),
                Page::Some(bits, seconds) => {
                    for (at, second) in seconds.iter().enumerate().filter(|(at, _)| bits & bit(*at) != 0) {
                        let seq = start.saturating_add(at as u64);
                        add(seq, seq, *second, *second);
                    }
                }
            }
        }
        runs
    }
}

/// The page of a number, and its place there.
fn place(seq: u64) -> (u64, usize) {
    (seq / 64, usize::try_from(seq & LAST).unwrap_or_default())
}

fn bit(at: usize) -> u64 {
    u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(machine: Option<&'static str>, node: &'static str, seq: u64, second: i64) -> Record<'static> {
        let line = format!(r#"{{"schema":1,"time":"1970-01-01T00:00:00Z","seq":{seq},"node":"n","event":"used"}}"#);
        let mut record = Record { node: node.into(), ..serde_json::from_str(line.leak()).unwrap() };
        record.machine_id = machine.map(Into::into);
        record.time = Timestamp::from_second(second).unwrap();
        record
    }

    /// Adds records of one machine, as many seconds after the beginning as their number says.
    fn seen(numbers: impl IntoIterator<Item = u64>) -> Seen {
        let mut seen = Seen::default();
        for seq in numbers {
            assert!(seen.add(&record(Some("m"), "n", seq, seq.cast_signed())), "{seq}");
        }
        seen
    }

    #[test]
    fn a_copy_is_no_record_whenever_it_comes() {
        let mut seen = seen((1..1000).filter(|seq| seq % 2 == 0).chain((1..1000).filter(|seq| seq % 2 == 1)));
        for seq in 1..1000 {
            assert!(!seen.add(&record(Some("m"), "n", seq, seq.cast_signed())), "{seq}");
        }
        assert_eq!((seen.gaps(), seen.doubts()), (vec![], vec![]));
        assert!(seen.add(&record(None, "n", 1, 1)), "a machine that has no id is another");
        assert!(seen.add(&record(Some("n"), "n", 1, 1)), "and so is one with another id");
    }

    #[test]
    fn what_is_missing_is_told_with_how_much_and_between_when() {
        let seen = seen((1..=100).filter(|seq| !(63..=70).contains(seq) && *seq != 90));
        let time = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(
            seen.gaps(),
            [
                Gap { node: "n", after: time(62), before: time(71), missing: 8 },
                Gap { node: "n", after: time(89), before: time(91), missing: 1 },
            ]
        );
    }

    #[test]
    fn a_log_that_began_again_is_counted_and_doubted() {
        let mut seen = seen(1..=200);
        for seq in 1..=100 {
            assert!(seen.add(&record(Some("m"), "n", seq, 1000 + seq.cast_signed())), "{seq}");
            assert!(!seen.add(&record(Some("m"), "n", seq, 1000 + seq.cast_signed())), "{seq}");
        }
        assert_eq!(seen.doubts(), [Doubt::Restarted { node: "n" }]);
    }

    #[test]
    fn a_machine_with_a_new_name_counts_on_and_two_with_one_id_are_two() {
        let mut renamed = seen(1..=10);
        (11..=20).for_each(|seq| assert!(renamed.add(&record(Some("m"), "other", seq, 20))));
        (21..=30).for_each(|seq| assert!(renamed.add(&record(Some("m"), "n", seq, 30))));
        assert_eq!((renamed.gaps(), renamed.doubts()), (vec![], vec![]));
        let mut cloned = seen((1..=10).filter(|seq| *seq != 5));
        (1..=10).for_each(|seq| assert!(cloned.add(&record(Some("m"), "other", seq, 20))));
        assert_eq!(cloned.doubts(), [Doubt::Shared { machine: "m", nodes: vec!["n", "other"] }]);
        assert_eq!(cloned.gaps().len(), 1);
    }

    #[test]
    fn numbers_at_the_end_of_all_numbers_break_nothing() {
        let seen = seen([0, u64::MAX - 1, u64::MAX].into_iter().take(1));
        assert!(seen.gaps().is_empty());
        let mut seen = Seen::default();
        for seq in [0, u64::MAX - 1, u64::MAX] {
            assert!(seen.add(&record(None, "n", seq, 5)));
        }
        assert_eq!(seen.gaps()[0].missing, u64::MAX - 2);
    }
}
