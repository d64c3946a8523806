//! What a log comes to, counted record by record, in whatever order they come.

use super::names::Names;
use super::presence::Presence;
use super::window::Window;
use crate::audit::read::{Event, Outcome, Pod, Record, Text};
use crate::find::owner::{Kind, Owner, owner};
use crate::rules::Glob;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};

/// What is counted.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) window: Window,
    /// Pods of these alone; all where it is empty.
    namespaces: Vec<Glob>,
    pub(super) images: Vec<Image>,
    image_names: Names,
    namespace_names: Names,
    node_names: Names,
    owner_names: Names,
    /// By the numbers of `node_names`.
    nodes: Vec<Presence>,
    pods: Pairs,
    /// Records that are about an image in a way that is not known here.
    pub(super) unknown: u64,
    /// The first and last record in the window, of whatever kind.
    pub(super) span: Option<(Timestamp, Timestamp)>,
}

/// An image that was asked for by its old name.
#[derive(Debug, Default)]
pub(super) struct Image {
    substitute: Option<(Timestamp, Box<str>)>,
    digest: Option<(Timestamp, Box<str>)>,
    pub(super) pulls: u64,
    pub(super) uses: u64,
    pub(super) failures: u64,
    pub(super) fell_back: u64,
    pub(super) configured: u64,
    pub(super) post_freeze: bool,
    pub(super) pods: u64,
    /// Records that are about no pod.
    pub(super) podless: u64,
    pub(super) seen: Option<(Timestamp, Timestamp)>,
    /// By the node's number: its newest pull.
    nodes: BTreeMap<u32, Newest>,
    namespaces: BTreeSet<u32>,
    /// How many pods of an owner there are, by the numbers of its namespace and its name.
    owners: HashMap<(u32, u32, Kind), u64>,
    /// Pods of owners that are not kept.
    pub(super) others: u64,
}

/// A node's newest pull of an image: twice the microseconds since 1970, and one more if it failed. There is one for each
/// pair of them, which may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Newest(i64);

/// Owners that are kept of an image. More are pods that nobody made, with names that somebody made up, and no list to read.
const OWNERS: usize = 1000;

/// Pairs of an image and a pod. There may be as many as records, so they are kept as hashes, of which two in ten million
/// pods are the same once in a hundred thousand reports.
#[derive(Debug, Default)]
struct Pairs {
    hasher: RandomState,
    /// Parts that grow one by one: a set that doubles holds both sizes for a moment.
    parts: [HashSet<u64>; PARTS],
}

const PARTS: usize = 32;

// === impl Tally ===

impl Tally {
    pub(super) fn new(window: Window, namespaces: Vec<Glob>) -> Self {
        Self {
            window,
            namespaces,
            images: Vec::new(),
            image_names: Names::default(),
            namespace_names: Names::default(),
            node_names: Names::default(),
            owner_names: Names::default(),
            nodes: Vec::new(),
            pods: Pairs::default(),
            unknown: 0,
            span: None,
        }
    }

    /// Counts a record.
    pub(super) fn add(&mut self, record: &Record<'_>) {
        let node = self.node_names.number(&record.node);
        let at = usize::try_from(node).unwrap_or(usize::MAX);
        if at >= self.nodes.len() {
            self.nodes.resize_with(at.saturating_add(1), Presence::default);
        }
        if let Some(presence) = self.nodes.get_mut(at) {
            presence.add(record, &self.window);
        }
        if !self.window.holds(record.time) {
            return;
        }
        widen(&mut self.span, record.time);
        let (Some(image), event) = (&record.image, record.event) else { return };
        if event.is_of_service() {
            self.unknown = self.unknown.saturating_add(1);
            return;
        }
        let globs = &self.namespaces;
        let is_meant = |pod: &&Pod<'_>| globs.is_empty() || globs.iter().any(|glob| glob.matches(&pod.namespace));
        if !globs.is_empty() && !record.all_pods().any(|pod| is_meant(&pod)) {
            return;
        }
        let number = self.image_names.number(image);
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        if at >= self.images.len() {
            self.images.resize_with(at.saturating_add(1), Image::default);
        }
        let Some(counted) = self.images.get_mut(at) else { return };
        counted.add(record, node);
        if record.all_pods().next().is_none() {
            counted.podless = counted.podless.saturating_add(1);
        }
        for pod in record.all_pods().filter(is_meant) {
            let namespace = self.namespace_names.number(&pod.namespace);
            counted.namespaces.insert(namespace);
            if self.pods.add((number, pod)) {
                counted.add_pod(namespace, owner(&pod.name, &record.node), &mut self.owner_names);
            }
        }
    }

    /// The images, by name.
    pub(super) fn images(&self) -> impl Iterator<Item = (&str, &Image)> {
        (0..).zip(&self.images).filter_map(|(number, image)| Some((self.image_names.name(number)?, image)))
    }

    pub(super) fn namespace(&self, number: u32) -> &str {
        self.namespace_names.name(number).unwrap_or_default()
    }

    pub(super) fn owner(&self, number: u32) -> &str {
        self.owner_names.name(number).unwrap_or_default()
    }

    pub(super) fn node(&self, number: u32) -> &str {
        self.node_names.name(number).unwrap_or_default()
    }

    /// What is known of a node; `None` where it has no record.
    pub(super) fn presence(&self, node: &str) -> Option<&Presence> {
        self.nodes.get(usize::try_from(self.node_names.find(node)?).ok()?)
    }

    /// The nodes that have records.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&str, &Presence)> {
        (0..).zip(&self.nodes).filter_map(|(number, presence)| Some((self.node_names.name(number)?, presence)))
    }
}

// === impl Image ===

impl Image {
    fn add(&mut self, record: &Record<'_>, node: u32) {
        let newest = self.nodes.entry(node).or_insert(Newest::NONE);
        if record.event.is_pull() {
            let failed = record.outcome != Some(Outcome::Pulled);
            self.pulls = self.pulls.saturating_add(1);
            self.failures = self.failures.saturating_add(u64::from(failed));
            *newest = (*newest).max(Newest::new(record.time, failed));
        }
        // A record says how often since the one before; one without a number stands for itself.
        let times = record.times.unwrap_or(1).max(1);
        let count = |event, count: &mut u64, by| {
            if record.event == event {
                *count = count.saturating_add(by);
            }
        };
        count(Event::FellBack, &mut self.fell_back, 1);
        count(Event::Used, &mut self.uses, times);
        count(Event::SandboxImage, &mut self.configured, 1);
        self.post_freeze |= record.post_freeze == Some(true);
        widen(&mut self.seen, record.time);
        // An image that was given its old name is found by that, which says nothing of where it came from.
        let is_another = |substitute: &&Text<'_>| record.image.as_deref() != Some(&***substitute);
        if let Some(substitute) = record.substitute.as_ref().filter(is_another) {
            renew(&mut self.substitute, record.time, substitute);
        }
        // A pull that failed has none of the image's.
        let is_there = record.outcome.is_none_or(|outcome| outcome == Outcome::Pulled);
        if let Some(digest) = record.digest.as_ref().filter(|_| is_there) {
            renew(&mut self.digest, record.time, digest);
        }
    }

    fn add_pod(&mut self, namespace: u32, Owner { name, kind }: Owner<'_>, names: &mut Names) {
        self.pods = self.pods.saturating_add(1);
        let is_full = self.owners.len() >= OWNERS;
        let known = names.find(name).and_then(|name| self.owners.get_mut(&(namespace, name, kind)));
        match known {
            Some(pods) => *pods = pods.saturating_add(1),
            None if is_full => self.others = self.others.saturating_add(1),
            None => {
                self.owners.insert((namespace, names.number(name), kind), 1);
            }
        }
    }

    /// The substitute that was last asked for.
    pub(super) fn substitute(&self) -> Option<&str> {
        self.substitute.as_ref().map(|(_, name)| &**name)
    }

    /// The digest that it had last.
    pub(super) fn digest(&self) -> Option<&str> {
        self.digest.as_ref().map(|(_, digest)| &**digest)
    }

    /// The nodes that have it, by number.
    pub(super) fn nodes(&self) -> impl ExactSizeIterator<Item = u32> {
        self.nodes.keys().copied()
    }

    /// On how many nodes the newest pull failed.
    pub(super) fn failing(&self) -> u64 {
        self.nodes.values().map(|newest| u64::from(newest.failed())).sum()
    }

    pub(super) fn namespaces(&self) -> impl Iterator<Item = u32> {
        self.namespaces.iter().copied()
    }

    /// The numbers of its namespace and its name, the kind, and how many pods there are, of each owner.
    pub(super) fn owners(&self) -> impl Iterator<Item = (u32, u32, Kind, u64)> {
        self.owners.iter().map(|((namespace, name, kind), pods)| (*namespace, *name, *kind, *pods))
    }
}

// === impl Newest ===

impl Newest {
    /// It made none.
    const NONE: Self = Self(i64::MIN);

    fn new(time: Timestamp, failed: bool) -> Self {
        Self(time.as_microsecond().saturating_mul(2) | i64::from(failed))
    }

    fn failed(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Keeps the last text; of two at once, always the same.
fn renew(last: &mut Option<(Timestamp, Box<str>)>, time: Timestamp, text: &str) {
    match last {
        Some((known, other)) if (*known, &**other) >= (time, text) => {}
        Some((known, other)) if **other == *text => *known = time,
        other => *other = Some((time, text.into())),
    }
}

fn widen(span: &mut Option<(Timestamp, Timestamp)>, time: Timestamp) {
    *span = Some(span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
}
// === impl Pairs ===

impl Pairs {
    /// Whether this was none of them.
    fn add(&mut self, pair: impl Hash) -> bool {
        let hash = self.hasher.hash_one(pair);
        let part = usize::try_from(hash).unwrap_or_default().checked_rem(PARTS).unwrap_or_default();
        self.parts.get_mut(part).is_some_and(|part| part.insert(hash))
    }
}
