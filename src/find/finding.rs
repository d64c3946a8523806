//! What the rules say of an image that is named somewhere. These types, written as JSON, are documented API: fields are
//! added, never taken away or given another meaning, and one that has nothing to say is `null` or empty.

use super::{Extent, Kind, Mention, Owner, Whose};
use crate::reference::Reference;
use crate::rules::{Action, Match, Table};
use serde::Serialize;
use std::fmt::Write;

/// An image that a rule is about, where it is named.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Where, for a person.
    #[serde(rename = "where")]
    pub place: String,
    /// What is read there.
    pub kind: Kind,
    /// The file; `-` is standard input.
    pub file: Option<String>,
    /// Counted from 1.
    pub line: Option<usize>,
    /// In characters, counted from 1.
    pub column: Option<usize>,
    /// Of the pods; `null` where it is not known.
    pub namespace: Option<String>,
    /// What has the pods in it.
    pub owner: Option<Owner>,
    /// The container's name.
    pub container: Option<String>,
    /// As it is asked for.
    pub image: String,
    /// Whether something of the reference comes from elsewhere, at least its tag.
    pub partial: bool,
    /// Of the image that is there, where it is known.
    pub digest: Option<String>,
    /// The rule that decides.
    pub rule: String,
    /// What it does: `rewrite`, `observe` or `deny`.
    pub action: &'static str,
    /// What is asked for instead first; `null` where nothing is.
    pub substitute: Option<String>,
    /// What other rules say that decide in some namespaces, where the namespace is not known.
    pub alternatives: Vec<Verdict>,
    /// What to do about it.
    pub fix: String,
    /// How many places this stands for.
    pub count: u64,
}

/// What a rule says of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The rule's name.
    pub rule: String,
    /// What it does.
    pub action: &'static str,
    /// What is asked for instead first.
    pub substitute: Option<String>,
}

/// Stands for what is not known of a path: some rule may be about less than all of it, but most are not. One component alone would be
/// in Docker Hub's `library`, which most of what is there is not.
const ANY: &str = "/any/any";

/// What the rules say of an image, the rule for most pods first. Nothing where none is about it.
pub fn verdicts(image: &str, extent: Extent, whose: &Whose, rules: &Table) -> Vec<Verdict> {
    let end = if extent == Extent::Prefix { ANY } else { "" };
    let probe = format!("{image}{end}");
    let Ok(reference) = Reference::parse(&probe) else { return Vec::new() };
    let mut all = match whose {
        Whose::Unknown => rules.possible(reference),
        Whose::Nobody => rules.decide(reference, None).into_iter().collect(),
        Whose::Namespace(namespace) => rules.decide(reference, Some(namespace)).into_iter().collect(),
    };
    // The one for all namespaces comes last, as one without a longer pattern does.
    all.reverse();
    all.iter()
        .map(|found| Verdict::of(found, end))
        .filter(|verdict| verdict.substitute.as_deref() != Some(image))
        .collect()
}

// === impl Verdict ===

impl Verdict {
    fn of(found: &Match<'_>, end: &str) -> Self {
        let substitute = match found.rule.action {
            Action::Rewrite | Action::Observe => found.substitutes().next().map(|(_, name)| name),
            Action::Deny => None,
        };
        Self {
            rule: found.rule.name.clone(),
            // Not what it comes to on this node today: what is written is for all nodes, and for longer.
            action: found.rule.action.as_str(),
            substitute: substitute.map(|name| name.strip_suffix(end).unwrap_or(&name).to_owned()),
        }
    }

    /// Whether the image is to be written otherwise.
    pub fn rewrites(&self) -> bool {
        self.action == Action::Rewrite.as_str() && self.substitute.is_some()
    }
}

// === impl Finding ===

impl Finding {
    /// What there is to say of a mention; nothing where no rule is about the image.
    pub fn of(mention: &Mention, rules: &Table) -> Option<Self> {
        let mut verdicts = verdicts(&mention.image, mention.extent, &mention.whose, rules).into_iter();
        let verdict = verdicts.next()?;
        let alternatives: Vec<_> = verdicts.collect();
        let fix = fix(mention, &verdict, &alternatives);
        let Mention { image, extent, kind, place, whose, owner, container, digest, .. } = mention.clone();
        let namespace = match whose {
            Whose::Namespace(namespace) => Some(namespace),
            Whose::Unknown | Whose::Nobody => None,
        };
        let Verdict { rule, action, substitute } = verdict;
        Some(Self {
            place: place.to_string(),
            kind,
            file: place.file,
            line: place.line,
            column: place.column,
            namespace,
            owner,
            container,
            image,
            partial: extent != Extent::Whole,
            digest,
            rule,
            action,
            substitute,
            alternatives,
            fix,
            count: 1,
        })
    }
}

impl Finding {
    /// Counts another place of the same image: what is not the same of both is not said any more.
    pub fn merge(&mut self, other: &Self) {
        fn keep<T: PartialEq>(one: &mut Option<T>, other: &Option<T>) {
            if one != other {
                *one = None;
            }
        }
        self.count = self.count.saturating_add(other.count);
        if self.file != other.file
            || self.line != other.line
            || self.column != other.column
            || self.place != other.place
        {
            self.place = format!("{} places", self.count);
            self.line = None;
            self.column = None;
        }
        keep(&mut self.file, &other.file);
        keep(&mut self.namespace, &other.namespace);
        keep(&mut self.owner, &other.owner);
        keep(&mut self.container, &other.container);
        keep(&mut self.digest, &other.digest);
    }
}

/// What to do about it, for a person.
fn fix(mention: &Mention, verdict: &Verdict, alternatives: &[Verdict]) -> String {
    let Some(substitute) = &verdict.substitute else {
        return format!("rule `{}` refuses it: use another image", verdict.rule);
    };
    let mut fix = mention.remedy.clone().unwrap_or_else(|| format!("write {substitute}"));
    for other in alternatives.iter().filter(|other| other.substitute != verdict.substitute) {
        let _infallible = match &other.substitute {
            Some(name) => write!(fix, ", or {name} where rule `{}` decides", other.rule),
            None => write!(fix, "; where rule `{}` decides, it is refused", other.rule),
        };
    }
    if verdict.action == Action::Observe.as_str() {
        let _infallible = write!(fix, " (rule `{}` only observes)", verdict.rule);
    }
    fix
}
