//! Where the rules look for an image.

use crate::reference::{Name, Reference};
use crate::rules::{Action, Credentials, Table};

/// What there is to ask of an image.
#[derive(Debug)]
pub(super) enum Plan {
    /// These, in that order.
    Targets(Vec<Target>),
    /// Nobody: no rule is about it.
    NoRule,
    /// Nobody: a rule refuses it, or names nobody.
    NoTarget(String),
    /// Nobody: it is no name.
    NoName(String),
}

/// Somebody to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) image: String,
    /// Those whose target it is, the first one that decides for some pods in front.
    pub(super) rules: Vec<String>,
    pub(super) credentials: Credentials,
}

// === impl Plan ===

impl Plan {
    /// For `image`, in whatever namespace it is asked for.
    pub(super) fn new(image: &str, rules: &Table) -> Self {
        let reference = match Name::parse(image) {
            Ok(Name::Reference(reference)) => reference,
            Ok(Name::Id(_)) => return Self::NoName("it is an image ID".to_owned()),
            Err(error) => return Self::NoName(error.to_string()),
        };
        let found = rules.possible(reference);
        let Some(first) = found.first() else { return Self::NoRule };
        let mut targets: Vec<Target> = Vec::new();
        for (rule, target, image) in found
            .iter()
            .filter(|found| found.rule.action != Action::Deny)
            .flat_map(|found| found.substitutes().map(|(target, image)| (found.rule, target, image)))
        {
            let rules = vec![rule.name.clone()];
            let is_same = |known: &&mut Target| known.image == image && known.credentials == target.credentials;
            match targets.iter_mut().find(is_same) {
                Some(known) => known.rules.extend(rules),
                None if Reference::parse(&image).is_ok() => {
                    targets.push(Target { image, rules, credentials: target.credentials.clone() });
                }
                None => {}
            }
        }
        if targets.is_empty() {
            let why = if first.rule.action == Action::Deny { "refuses it" } else { "names nobody to ask" };
            return Self::NoTarget(format!("the rule `{}` {why}", first.rule.name));
        }
        Self::Targets(targets)
    }
}
