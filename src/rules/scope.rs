//! Where and when a rule holds: for which namespaces, on which nodes, from which day.

use jiff::Timestamp;
use std::fmt;
use wildmatch::WildMatch;

/// The namespaces of pods that a rule is about. Only a pull says which pod it is for, so these govern pulls alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// These alone; all where it is empty.
    pub only: Vec<Glob>,
    /// These not.
    pub except: Vec<Glob>,
}

/// A pattern of names: `*` is any text, `?` any one character.
#[derive(Debug, Clone)]
pub struct Glob {
    written: String,
    matcher: WildMatch,
}

/// On which nodes, and from when on, a rule does what its action says. Elsewhere, and before, it observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollout {
    /// On this share of the nodes.
    pub percent: Percent,
    /// From this moment on.
    pub from: Option<Timestamp>,
}

/// Who decides, and when: what an action comes to depends on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standpoint {
    /// The node's position among all.
    pub node: Position,
    /// The time of day.
    pub now: Timestamp,
}

/// A share, in hundredths of a percent: `0` is none, `10_000` all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u16);

/// Where a node stands among all nodes, in the hundredths of [`Percent`]: from `0` to `9_999`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position(u16);

const HUNDREDTHS: u16 = 10_000;

// === impl Namespaces ===

impl Namespaces {
    /// Whether a pod of this namespace is meant. A pull for no pod, as by kubeadm or crictl, is meant unless just some
    /// namespaces are.
    pub fn include(&self, namespace: Option<&str>) -> bool {
        match namespace {
            Some(namespace) => {
                let any = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(namespace));
                (self.only.is_empty() || any(&self.only)) && !any(&self.except)
            }
            None => self.only.is_empty(),
        }
    }

    /// Whether every pod is meant.
    pub fn are_all(&self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }

    /// Whether it can be told from what is written that no pod is meant by both.
    pub fn are_apart_from(&self, other: &Self) -> bool {
        let apart = |one: &Self, other: &Self| {
            !one.only.is_empty()
                && one.only.iter().all(|glob| {
                    other.except.contains(glob) || (glob.is_literal() && !other.include(Some(&glob.written)))
                })
        };
        apart(self, other) || apart(other, self)
    }
}

// === impl Glob ===

impl Glob {
    /// Reads a pattern; there is none that is wrong.
    pub fn new(written: &str) -> Self {
        Self { written: written.to_owned(), matcher: WildMatch::new(written) }
    }

    /// Whether `name` is one of these.
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.matches(name)
    }

    /// Whether it can be told from what is written that all of `other` are among these.
    pub fn surrounds(&self, other: &Self) -> bool {
        self == other || (other.is_literal() && self.matches(&other.written))
    }

    fn is_literal(&self) -> bool {
        !self.written.contains(['*', '?'])
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Glob {}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

// === impl Rollout ===

impl Rollout {
    /// Everywhere, at any time.
    pub const FULL: Self = Self { percent: Percent(HUNDREDTHS), from: None };

    /// Whether a node has its turn.
    pub fn has_reached(&self, Standpoint { node, now }: Standpoint) -> bool {
        node.0 < self.percent.0 && self.from.is_none_or(|from| from <= now)
    }
}

impl Default for Rollout {
    fn default() -> Self {
        Self::FULL
    }
}

// === impl Percent ===

impl Percent {
    /// Of no nodes.
    pub const NONE: Self = Self(0);

    /// A share of so many hundredths of a percent; `None` where that is more than all.
    pub fn from_hundredths(hundredths: u16) -> Option<Self> {
        (hundredths <= HUNDREDTHS).then_some(Self(hundredths))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0.div_euclid(100), self.0.rem_euclid(100));
        if rest == 0 { write!(f, "{whole}") } else { write!(f, "{whole}.{rest:02}") }
    }
}

// === impl Position ===

impl Position {
    /// The position of the node with this machine id. It is the same for every rule, in every version of repoint: who
    /// is among the first tenth is among the first fifth, too, and a canary for one rule is one for all.
    pub fn of(machine_id: &str) -> Self {
        // FNV-1a, and the finalizer of SplitMix64, since ids that differ in their last digits alone differ in few bits.
        let hash = machine_id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let position = (mixed ^ (mixed >> 31)).rem_euclid(u64::from(HUNDREDTHS));
        Self(u16::try_from(position).unwrap_or_default())
    }

    /// The smallest share that this node is part of, less one hundredth: it has its turn where the share is larger.
    pub fn percent(self) -> Percent {
        Percent(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces(only: &[&str], except: &[&str]) -> Namespaces {
        let globs = |all: &[&str]| all.iter().copied().map(Glob::new).collect();
        Namespaces { only: globs(only), except: globs(except) }
    }

    #[test]
    fn namespaces_are_named_by_patterns() {
        let some = namespaces(&["team-*", "prod"], &["team-b?"]);
        for (namespace, expected) in
            [("team-a", true), ("prod", true), ("team-b1", false), ("team-b", true), ("production", false), ("", false)]
        {
            assert_eq!(some.include(Some(namespace)), expected, "{namespace}");
        }
    }

    #[test]
    fn a_pull_for_no_pod_is_in_no_namespace() {
        assert!(!namespaces(&["*"], &[]).include(None));
        assert!(namespaces(&[], &["prod"]).include(None));
        assert!(namespaces(&[], &[]).include(None));
    }

    #[test]
    fn two_sets_are_apart_only_where_that_can_be_told() {
        let apart = |one: &Namespaces, other: &Namespaces| (one.are_apart_from(other), other.are_apart_from(one));
        assert_eq!(apart(&namespaces(&["a"], &[]), &namespaces(&["b", "c"], &[])), (true, true));
        assert_eq!(apart(&namespaces(&["a-*"], &[]), &namespaces(&[], &["a-*"])), (true, true));
        assert_eq!(apart(&namespaces(&["a"], &[]), &namespaces(&["a*"], &[])), (false, false));
        assert_eq!(apart(&namespaces(&["a-*"], &[]), &namespaces(&["b-*"], &[])), (false, false));
        assert_eq!(apart(&namespaces(&[], &["a"]), &namespaces(&[], &["b"])), (false, false));
    }

    #[test]
    fn a_share_of_the_nodes_is_about_that_many_and_grows_without_losing_one() {
        let nodes: Vec<_> = (0..10_000).map(|number| Position::of(&format!("{number:032x}"))).collect();
        let mut before = Vec::new();
        for hundredths in [0, 100, 1_000, 5_000, 10_000] {
            let rollout = Rollout { percent: Percent::from_hundredths(hundredths).unwrap(), from: None };
            let reached: Vec<_> = (0..nodes.len())
                .filter(|&node| rollout.has_reached(Standpoint { node: nodes[node], now: Timestamp::UNIX_EPOCH }))
                .collect();
            assert!(before.iter().all(|node| reached.contains(node)), "{hundredths}");
            let off = reached.len().abs_diff(usize::from(hundredths));
            assert!(off <= 200, "{} of 10000 nodes for {hundredths} hundredths of a percent", reached.len());
            before = reached;
        }
        assert_eq!(before.len(), nodes.len());
    }

    #[test]
    fn the_position_of_a_node_is_a_promise() {
        let position = Position::of("b08dfa6083e7567a1921a715000001fb");
        assert_eq!(position, Position::of("b08dfa6083e7567a1921a715000001fb"));
        assert_eq!(position.percent().to_string(), "37.17");
    }

    #[test]
    fn before_its_day_a_rule_has_reached_nobody() {
        let from: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let rollout = Rollout { from: Some(from), ..Rollout::FULL };
        let (node, second) = (Position::of("x"), jiff::SignedDuration::from_secs(1));
        assert!(!rollout.has_reached(Standpoint { node, now: from - second }));
        assert!(rollout.has_reached(Standpoint { node, now: from }));
    }

    #[test]
    fn a_share_is_written_as_people_write_it() {
        let written = |hundredths| Percent::from_hundredths(hundredths).unwrap().to_string();
        assert_eq!([0, 5, 50, 100, 1_250, 10_000].map(written), ["0", "0.05", "0.50", "1", "12.50", "100"]);
        assert_eq!(Percent::from_hundredths(10_001), None);
    }
}
