//! Whether the log is whole: what is not in it looks like what is not done any more.

use super::nodes::Nodes;
use super::presence::PATIENCE;
use super::tally::Tally;
use crate::audit::read::{Doubt, Found};
use crate::clock::rfc3339;
use jiff::Timestamp;
use serde::Serialize;

/// What is missing, late or odd. Names are in alphabetical order.
#[derive(Debug, Serialize)]
pub(super) struct Completeness<'a> {
    /// How many nodes there are.
    pub(super) nodes: usize,
    /// How many of them are in none of the lists below, but for the last two.
    pub(super) complete: usize,
    /// Nodes without any record.
    pub(super) missing: Vec<&'a str>,
    /// Nodes whose log begins later than the window, or than they came.
    pub(super) late: Vec<Late<'a>>,
    /// Records that there were and are not here.
    pub(super) gaps: Vec<Gap<'a>>,
    /// Nodes that say themselves that they could not write records. Those that found no room to wait for the disk took no
    /// number, and are in no gap.
    pub(super) lost: Vec<Lost<'a>>,
    /// Times of more than two hours without a record.
    pub(super) silences: Vec<Silent<'a>>,
    /// Nodes that have not been heard of for two hours.
    pub(super) stale: Vec<Stale<'a>>,
    /// Nodes whose kubelet did not call repoint, though it ran.
    pub(super) unasked: Vec<Unasked<'a>>,
    /// Nodes of which no record says that their kubelet called: they end before the first heartbeat, or soon after. Their logs
    /// may be whole all the same, so it counts against removal alone.
    #[serde(skip)]
    pub(super) uncalled: Vec<&'a str>,
    /// Nodes that ran without a rule, so that they looked for no old name. Their logs are whole all the same.
    #[serde(skip)]
    pub(super) ruleless: Vec<&'a str>,
    /// Nodes whose clock was wrong by hours when an image was asked for: by its number, that record is one of the window's.
    pub(super) misdated: Vec<&'a str>,
    /// Nodes whose logs began again, so that gaps say little.
    pub(super) restarted: Vec<&'a str>,
    /// Machine ids that several nodes have.
    pub(super) shared: Vec<Shared<'a>>,
    /// Nodes with records that are not among those that there are.
    pub(super) unexpected: Vec<&'a str>,
    /// Lines and files that could not be read.
    pub(super) unreadable: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Late<'a> {
    pub(super) node: &'a str,
    #[serde(serialize_with = "rfc3339")]
    pub(super) first: Timestamp,
}

#[derive(Debug, Serialize)]
pub(super) struct Gap<'a> {
    pub(super) node: &'a str,
    pub(super) missing: u64,
    #[serde(serialize_with = "rfc3339")]
    pub(super) after: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    pub(super) before: Timestamp,
}

#[derive(Debug, Serialize)]
pub(super) struct Lost<'a> {
    pub(super) node: &'a str,
    pub(super) records: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Silent<'a> {
    pub(super) node: &'a str,
    #[serde(serialize_with = "rfc3339")]
    pub(super) after: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    pub(super) before: Timestamp,
}

#[derive(Debug, Serialize)]
pub(super) struct Stale<'a> {
    pub(super) node: &'a str,
    #[serde(serialize_with = "rfc3339")]
    pub(super) last: Timestamp,
    pub(super) last_heartbeat: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Unasked<'a> {
    pub(super) node: &'a str,
    /// The last heartbeat that said so.
    #[serde(serialize_with = "rfc3339")]
    pub(super) at: Timestamp,
}

#[derive(Debug, Serialize)]
pub(super) struct Shared<'a> {
    pub(super) machine_id: &'a str,
    pub(super) nodes: Vec<&'a str>,
}

/// Compares the log with the nodes that there are.
pub(super) fn completeness<'a>(nodes: &'a Nodes, tally: &'a Tally, found: &'a Found) -> Completeness<'a> {
    let mut whole = Completeness {
        nodes: nodes.0.len(),
        complete: 0,
        missing: Vec::new(),
        late: Vec::new(),
        gaps: gaps(nodes, tally, found),
        lost: Vec::new(),
        silences: Vec::new(),
        stale: Vec::new(),
        unasked: Vec::new(),
        uncalled: Vec::new(),
        ruleless: Vec::new(),
        misdated: Vec::new(),
        restarted: Vec::new(),
        shared: Vec::new(),
        unexpected: tally.nodes().map(|(node, _)| node).filter(|node| !nodes.0.contains_key(*node)).collect(),
        unreadable: found.faults.lines.saturating_add(found.faults.files),
    };
    whole.unexpected.sort_unstable();
    for (node, came) in &nodes.0 {
        whole.look_at(node, *came, tally);
    }
    for doubt in found.seen.doubts() {
        match doubt {
            Doubt::Restarted { node } if nodes.0.contains_key(node) => whole.restarted.push(node),
            Doubt::Shared { machine, nodes: sharing } if sharing.iter().any(|node| nodes.0.contains_key(*node)) => {
                whole.shared.push(Shared { machine_id: machine, nodes: sharing });
            }
            Doubt::Restarted { .. } | Doubt::Shared { .. } => {}
        }
    }
    whole.restarted.dedup();
    whole.complete = nodes.0.keys().filter(|node| whole.has_nothing_on(node)).count();
    whole
}

/// Those that reach into the window. Records are missing on a node that there is no more, too, but nobody can mend that.
fn gaps<'a>(nodes: &Nodes, tally: &Tally, found: &'a Found) -> Vec<Gap<'a>> {
    let window = tally.window;
    let all = found.seen.gaps().into_iter();
    all.filter(|gap| nodes.0.contains_key(gap.node))
        .filter(|gap| {
            window.from.is_none_or(|from| gap.before >= from) && (!window.is_closed || gap.after <= window.until)
        })
        .map(|gap| Gap { node: gap.node, missing: gap.missing, after: gap.after, before: gap.before })
        .collect()
}

// === impl Completeness ===

impl<'a> Completeness<'a> {
    fn look_at(&mut self, node: &'a str, came: Option<Timestamp>, tally: &Tally) {
        let Some((presence, (first, last))) = tally.presence(node).and_then(|there| Some((there, there.span?))) else {
            self.missing.push(node);
            return;
        };
        let window = tally.window;
        if let Some(due) = window.from.max(came).filter(|_| window.from.is_some())
            && first.duration_since(due) > PATIENCE
        {
            self.late.push(Late { node, first });
        }
        if window.until.duration_since(last) > PATIENCE {
            let last_heartbeat = presence.heartbeat.map(|time| format!("{time:.6}"));
            self.stale.push(Stale { node, last, last_heartbeat });
        }
        if presence.lost > 0 {
            self.lost.push(Lost { node, records: presence.lost });
        }
        for silence in presence.silences(&window) {
            self.silences.push(Silent { node, after: silence.after, before: silence.before });
        }
        if presence.is_ruleless() {
            self.ruleless.push(node);
        }
        if presence.is_misdated() {
            self.misdated.push(node);
        }
        if let Some(at) = presence.unasked {
            self.unasked.push(Unasked { node, at });
        } else if !presence.is_called {
            self.uncalled.push(node);
        }
    }

    fn has_nothing_on(&self, node: &str) -> bool {
        // Each list is in the order of nodes, and there may be many of both.
        let absent = |found: Result<usize, usize>| found.is_err();
        absent(self.missing.binary_search(&node))
            && absent(self.late.binary_search_by(|late| late.node.cmp(node)))
            && absent(self.gaps.binary_search_by(|gap| gap.node.cmp(node)))
            && absent(self.lost.binary_search_by(|lost| lost.node.cmp(node)))
            && absent(self.silences.binary_search_by(|silent| silent.node.cmp(node)))
            && absent(self.stale.binary_search_by(|stale| stale.node.cmp(node)))
            && absent(self.unasked.binary_search_by(|unasked| unasked.node.cmp(node)))
            && absent(self.misdated.binary_search(&node))
            && absent(self.restarted.binary_search(&node))
            && !self.shared.iter().any(|shared| shared.nodes.contains(&node))
    }

    /// What is to be said of it, a line each.
    pub(super) fn told(&self) -> Vec<String> {
        let mut told = vec![format!("{} of {} nodes are complete", self.complete, self.nodes)];
        told.extend(self.faults().into_iter().map(|(_, text)| text));
        if !self.unexpected.is_empty() {
            told.push(format!("not in the file: {}", names(&self.unexpected)));
        }
        told
    }

    /// What is wrong with it, by kind.
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut say = |kind, of: usize, text: String| {
            if of > 0 {
                faults.push((kind, text));
            }
        };
        say("missing", self.missing.len(), format!("no record at all: {}", names(&self.missing)));
        let late = list(&self.late, |late| format!("{} ({})", late.node, minute(late.first)));
        say("late", self.late.len(), format!("the log begins too late: {late}"));
        let gaps = list(&self.gaps, |gap| {
            format!("{} ({} between {} and {})", gap.node, gap.missing, minute(gap.after), minute(gap.before))
        });
        say("gap", self.gaps.len(), format!("records are missing: {gaps}"));
        let lost = list(&self.lost, |lost| format!("{} ({})", lost.node, lost.records));
        say("lost", self.lost.len(), format!("records that could not be written: {lost}"));
        let silences = list(&self.silences, |silent| {
            format!("{} ({} to {})", silent.node, minute(silent.after), minute(silent.before))
        });
        say("silence", self.silences.len(), format!("nothing for more than two hours: {silences}"));
        let stale = list(&self.stale, |stale| format!("{} ({})", stale.node, minute(stale.last)));
        say("stale", self.stale.len(), format!("not heard of for more than two hours: {stale}"));
        let unasked = list(&self.unasked, |unasked| format!("{} ({})", unasked.node, minute(unasked.at)));
        say("unasked", self.unasked.len(), format!("the kubelet did not call: {unasked}"));
        let misdated = names(&self.misdated);
        say("misdated", self.misdated.len(), format!("images were asked for while the clock was wrong: {misdated}"));
        let restarted = names(&self.restarted);
        say("restarted", self.restarted.len(), format!("numbers were given twice, the log began again: {restarted}"));
        let shared = list(&self.shared, |shared| format!("{} ({})", shared.machine_id, names(&shared.nodes)));
        say("shared", self.shared.len(), format!("machine ids that several nodes have: {shared}"));
        let unreadable = usize::try_from(self.unreadable).unwrap_or(usize::MAX);
        say("unreadable", unreadable, format!("lines or files that could not be read: {}", self.unreadable));
        faults
    }
}

/// People read this many, and look up the rest in the JSON.
const LISTED: usize = 10;

pub(super) fn names(names: &[&str]) -> String {
    super::row::some(names, names.len(), LISTED)
}

fn list<T>(all: &[T], say: impl Fn(&T) -> String) -> String {
    let said: Vec<String> = all.iter().take(LISTED).map(say).collect();
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    super::row::some(&said, all.len(), LISTED)
}

/// To the minute: what people compare with their calendar.
pub(super) fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}
