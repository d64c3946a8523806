//! Findings, put in order and together.

use crate::find::{Finding, Kind};
use std::cmp::Reverse;
use std::collections::HashMap;

/// What was found so far. The pods of one owner are one finding.
#[derive(Default)]
pub(super) struct Tally {
    findings: Vec<Finding>,
    /// Where an object's finding is, by what is the same of it.
    objects: HashMap<String, usize>,
}

// === impl Tally ===

impl Tally {
    pub(super) fn add(&mut self, finding: Finding) {
        if matches!(finding.kind, Kind::Object) {
            let Finding { place, image, digest, rule, .. } = &finding;
            let key = format!("{place}\n{image}\n{rule}\n{}", digest.as_deref().unwrap_or_default());
            let known = self.objects.get(&key).and_then(|at| self.findings.get_mut(*at));
            if let Some(known) = known {
                known.count = known.count.saturating_add(1);
                return;
            }
            self.objects.insert(key, self.findings.len());
        }
        self.findings.push(finding);
    }

    /// Each place; objects by namespace and owner, all others as they came.
    pub(super) fn listed(mut self) -> Vec<Finding> {
        self.findings.sort_by(|one, other| order(one).cmp(&order(other)));
        self.findings
    }

    /// Each image with the number of its places, the one with the most first.
    pub(super) fn counted(self) -> Vec<Finding> {
        let mut counted: Vec<Finding> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for finding in self.findings {
            let Finding { image, partial, rule, action, substitute, .. } = &finding;
            let key = format!("{image}\n{partial}\n{rule}\n{action}\n{}", substitute.as_deref().unwrap_or_default());
            match known.get(&key).and_then(|at| counted.get_mut(*at)) {
                Some(one) => one.merge(&finding),
                None => {
                    known.insert(key, counted.len());
                    counted.push(finding);
                }
            }
        }
        counted.sort_by(|one, other| (Reverse(one.count), &one.image).cmp(&(Reverse(other.count), &other.image)));
        counted
    }
}

fn order(finding: &Finding) -> impl Ord + use<'_> {
    let object = matches!(finding.kind, Kind::Object)
        .then(|| (&finding.namespace, &finding.owner, &finding.container, &finding.image));
    (object.is_some(), object)
}
