//! What came of asking. These types, written as JSON, are documented API: fields are added, never taken away or given another
//! meaning, and one that has nothing to say is `null` or empty.

use super::wanted::By;
use crate::registry::{Content, Fault, Kind, Manifest, Platform};
use serde::Serialize;

/// An image.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// As it is asked for.
    pub(super) image: String,
    /// What it comes to.
    pub(super) verdict: Verdict,
    /// Why nobody was asked.
    pub(super) reason: Option<String>,
    /// The digest that it has to have, if somebody knows.
    pub(super) expected: Option<Expected>,
    /// What the registry says that it is asked of by its name.
    pub(super) old: Old,
    /// What those say whom the rules ask instead, in that order.
    pub(super) targets: Vec<Asked>,
}

/// A digest, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Expected {
    pub(super) digest: String,
    pub(super) by: By,
}

/// What the old registry says.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Old {
    pub(super) state: State,
    pub(super) digest: Option<String>,
    /// Why it does not say.
    pub(super) reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It has the image.
    There,
    /// It has not.
    Missing,
    /// It could not be asked, or does not tell us.
    Unknown,
    /// It was not asked: that would say nothing, or was not wanted.
    NotAsked,
}

/// A target.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Asked {
    /// The substitute.
    pub(super) image: String,
    /// Whose target it is.
    pub(super) rule: String,
    /// All of those, where it is several rules'.
    #[serde(skip)]
    pub(super) rules: Vec<String>,
    pub(super) verdict: Verdict,
    /// The one that it has there.
    pub(super) digest: Option<String>,
    /// The platforms that it is not there for.
    pub(super) lacking: Vec<Platform>,
    /// What there is to say besides.
    pub(super) reason: Option<String>,
    /// By a word, what kept it from being asked, as in a fault of `doctor --egress`.
    pub(super) fault: Option<Kind>,
}

/// The best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It is there, the same, for all platforms.
    There,
    /// Nobody is to be asked for it.
    NoTarget,
    /// It could not be asked for: neither there nor missing.
    Unknown,
    /// The registry does not let us in, which may mean either.
    Denied,
    /// It is there, and not for all platforms.
    LacksPlatform,
    /// Another image is there by this name.
    Differs,
    /// It is not there.
    Missing,
}

// === impl Verdict ===

impl Verdict {
    pub(super) const ALL: [Self; 7] =
        [Self::There, Self::NoTarget, Self::Unknown, Self::Denied, Self::LacksPlatform, Self::Differs, Self::Missing];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::NoTarget => "no target",
            Self::Unknown => "unknown",
            Self::Denied => "denied",
            Self::LacksPlatform => "lacks platform",
            Self::Differs => "differs",
            Self::Missing => "missing",
        }
    }

    /// Whether somebody has to do something about the image.
    pub(super) const fn is_finding(self) -> bool {
        matches!(self, Self::LacksPlatform | Self::Differs | Self::Missing)
    }

    /// Whether nothing is known.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::Denied)
    }

    /// What a registry's refusal comes to.
    pub(super) const fn of(fault: &Fault) -> Self {
        if matches!(fault.kind, Kind::NotFound) {
            Self::Missing
        } else if matches!(fault.kind, Kind::Unauthorized | Kind::Forbidden) {
            Self::Denied
        } else {
            Self::Unknown
        }
    }
}

// === impl Expected ===

impl Expected {
    /// Whether this is the manifest. A node may know an image by what an index has for it, and not by the index.
    pub(super) fn is_met_by(&self, manifest: &Manifest) -> bool {
        let is_listed =
            || matches!(&manifest.content, Content::Index(all) if all.iter().any(|(_, digest)| *digest == self.digest));
        self.digest == manifest.digest || (self.by != By::OldRegistry && is_listed())
    }
}

// === impl Old ===

impl Old {
    pub(super) const NOT_ASKED: Self = Self { state: State::NotAsked, digest: None, reason: None };
}

// === impl Row ===

impl Row {
    /// One for which nobody is asked.
    pub(super) fn unasked(image: String, verdict: Verdict, reason: String) -> Self {
        Self { image, verdict, reason: Some(reason), expected: None, old: Old::NOT_ASKED, targets: Vec::new() }
    }

    /// What has to be done about it comes first.
    pub(super) fn rank(&self) -> impl Ord + use<'_> {
        (std::cmp::Reverse(self.verdict), &self.image)
    }
}

/// What targets come to: the worst of them. Where one that has it is enough, the best of each rule's, and of these the worst:
/// the pods of a namespace are served by one rule.
pub(super) fn all(targets: &[Asked], is_any: bool) -> Verdict {
    let of = |rule: &String| targets.iter().filter(|asked| asked.rules.contains(rule)).map(|asked| asked.verdict).min();
    let worst = if is_any {
        targets.iter().flat_map(|asked| &asked.rules).filter_map(of).max()
    } else {
        targets.iter().map(|asked| asked.verdict).max()
    };
    worst.unwrap_or(Verdict::NoTarget)
}
