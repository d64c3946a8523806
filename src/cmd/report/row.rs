//! The list: what there is to say of each image, what to fix first in front. These types, written as JSON, are documented
//! API: fields are added, never taken away or given another meaning.

use super::tally::{Image, Tally};
use crate::clock::rfc3339;
use crate::find::owner::Kind;
use crate::output::counted;
use jiff::Timestamp;
use serde::Serialize;
use std::cmp::Reverse;

/// An image.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    /// As it was asked for.
    pub(super) image: &'a str,
    /// What was asked for last instead; `null` where nothing was.
    pub(super) substitute: Option<&'a str>,
    /// Pulls, however they ended. One pod's pull may be several calls, one for each credential.
    pub(super) pulls: u64,
    /// How often it was there and asked for.
    pub(super) uses: u64,
    /// Pulls that did not end with the image.
    pub(super) failures: u64,
    /// Nodes on which the newest pull did not.
    pub(super) failing: u64,
    /// Pulls that no target served.
    pub(super) fell_back: u64,
    /// Whether it never was on the old registry.
    pub(super) post_freeze: bool,
    /// How often it was found as the sandbox image of a runtime's configuration.
    pub(super) configured: u64,
    /// Pods.
    pub(super) pods: u64,
    /// Nodes.
    pub(super) nodes: usize,
    /// The names of the first few of these.
    pub(super) node_names: Vec<&'a str>,
    /// Namespaces of the pods.
    pub(super) namespaces: Vec<&'a str>,
    /// Who made the pods, as one guesses; those with the most pods first.
    pub(super) owners: Vec<Owner<'a>>,
    /// Pods of owners that are not listed.
    pub(super) other_pods: u64,
    /// The first record.
    #[serde(serialize_with = "rfc3339")]
    pub(super) first_seen: Timestamp,
    /// The last one.
    #[serde(serialize_with = "rfc3339")]
    pub(super) last_seen: Timestamp,
    /// The digest that it had where it was pulled or used last; `null` where no record says.
    pub(super) digest: Option<&'a str>,
    /// Whether some records are about no pod.
    #[serde(skip)]
    pub(super) is_podless: bool,
}

/// Who made pods.
#[derive(Debug, Serialize)]
pub(super) struct Owner<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) pods: u64,
}

/// Names of nodes that are listed: enough to begin with.
const NODES: usize = 10;

/// All images. First what is broken now; then what will be when the old registry is gone, since no target has it; then
/// what somebody wrote after the old registry was frozen, and so may write again; then by how much hangs on it, and the
/// last seen first.
pub(super) fn rows(tally: &Tally) -> Vec<Row<'_>> {
    let mut rows: Vec<_> = tally.images().map(|(name, image)| Row::new(name, image, tally)).collect();
    rows.sort_by(|one, other| one.rank().cmp(&other.rank()));
    rows
}

// === impl Row ===

impl<'a> Row<'a> {
    fn new(name: &'a str, image: &'a Image, tally: &'a Tally) -> Self {
        let mut node_names: Vec<&str> = image.nodes().map(|number| tally.node(number)).collect();
        node_names.sort_unstable();
        node_names.truncate(NODES);
        let mut namespaces: Vec<&str> = image.namespaces().map(|number| tally.namespace(number)).collect();
        namespaces.sort_unstable();
        let owner = |(namespace, name, kind, pods)| {
            let (namespace, name) = (tally.namespace(namespace), tally.owner(name));
            Owner { namespace, name, kind, pods }
        };
        let mut owners: Vec<_> = image.owners().map(owner).collect();
        owners.sort_by(|one, other| one.rank().cmp(&other.rank()));
        let (first_seen, last_seen) = image.seen.unwrap_or_default();
        Self {
            image: name,
            substitute: image.substitute(),
            pulls: image.pulls,
            uses: image.uses,
            failures: image.failures,
            failing: image.failing(),
            fell_back: image.fell_back,
            post_freeze: image.post_freeze,
            configured: image.configured,
            pods: image.pods,
            nodes: image.nodes().len(),
            node_names,
            namespaces,
            owners,
            other_pods: image.others,
            first_seen,
            last_seen,
            digest: image.digest(),
            is_podless: image.podless > 0,
        }
    }

    fn rank(&self) -> impl Ord + use<'a> {
        (
            Reverse(self.failing),
            self.fell_back == 0,
            !self.post_freeze,
            Reverse((self.pods, self.nodes)),
            Reverse(self.last_seen),
            self.image,
        )
    }

    /// What makes it urgent, in words.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.failing > 0 {
            remarks.push(format!("failing on {}", counted(self.failing, "node")));
        }
        if self.fell_back > 0 {
            remarks.push("no target served it: it came from the old registry".to_owned());
        }
        if self.post_freeze {
            remarks.push("new: it never was on the old registry".to_owned());
        }
        if self.configured > 0 {
            remarks.push("configured as the sandbox image".to_owned());
        }
        remarks
    }

    /// The owners, for people: the first few.
    pub(super) fn whose(&self, most: usize) -> Vec<String> {
        let name = |owner: &Owner<'_>| format!("{}/{} ({})", owner.namespace, owner.name, owner.kind.as_str());
        let mut whose: Vec<_> = self.owners.iter().take(most).map(name).collect();
        let more = self.owners.len().saturating_sub(most);
        if more > 0 || self.other_pods > 0 {
            let plus = if self.other_pods > 0 { "+" } else { "" };
            whose.push(format!("and {more}{plus} more"));
        }
        if self.is_podless {
            whose.push(format!("no pod, on {}", some(&self.node_names, self.nodes, 3)));
        }
        whose
    }
}

// === impl Owner ===

impl<'a> Owner<'a> {
    fn rank(&self) -> impl Ord + use<'a> {
        (Reverse(self.pods), self.namespace, self.name, self.kind)
    }
}

/// The first few names, and how many there are besides.
pub(super) fn some(names: &[&str], all: usize, most: usize) -> String {
    let listed = names.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    match all.saturating_sub(names.len().min(most)) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}
