//! Signatures that CRI-O and its kind want, by the name that an image is asked for: with repoint that is another one.
//!
//! A pull is judged by the name that is pulled, which is the new one. From 1.31 on, CRI-O judges the start of a container, too, by the
//! name in the pod, which is the old one, and by the signatures that the pull has brought. What is advised makes no policy weaker,
//! but where the old name is refused: there it is a choice that is told as one, beside what needs none.

mod policy;

use super::{Case, Check, Id};
use crate::node::Runtime;
use crate::node::crio::Crio;
use crate::rules::Rule;
use policy::{Level, Policy, Wanted, repository};
use std::path::Path;

/// The policy that is everybody's.
const POLICY: &str = "/etc/containers/policy.json";
/// Where policies for single namespaces are, if nobody says otherwise.
const POLICIES: &str = "/etc/crio/policies";
/// How they are called, after the namespace.
const END: &str = ".json";
/// Since this version the start of a container is judged.
const JUDGES_STARTS: (u32, u32) = (1, 31);
/// So many differences are enough to see that there are some.
const MOST: usize = 10;

pub(super) fn checks(case: &Case) -> Vec<Check> {
    let id = Id::CrioSignatures;
    if !case.may_have(Runtime::Crio) {
        return vec![Check::skipped(id, "the runtime is not CRI-O")];
    }
    let crio = match Crio::read(&case.tree) {
        Ok(crio) => crio,
        Err(error) => {
            return vec![Check::unclear(id, &error, "mend the file: CRI-O does not start with it")];
        }
    };
    let is_known = case.which() == Some(Runtime::Crio);
    let Some(crio) = crio.or_else(|| is_known.then(Crio::default)) else {
        return vec![Check::skipped(id, "the runtime is not CRI-O")];
    };
    let file = crio.policy.as_ref().map_or(POLICY, |word| word.text.as_str());
    let directory = Path::new(crio.policies.as_ref().map_or(POLICIES, |word| word.text.as_str()));
    let mut checks = of_file(case, Path::new(file), |_| true);
    let names = case.tree.names(directory).unwrap_or_else(|error| {
        checks.push(Check::unclear(id, &error, "see to it: which policies of namespaces there are can't be known"));
        Vec::new()
    });
    for name in names {
        let Some(namespace) = name.strip_suffix(END) else { continue };
        checks.extend(of_file(case, &directory.join(&name), |rule| rule.namespaces.include(Some(namespace))));
    }
    if checks.is_empty() {
        checks.push(Check::ok(id, "no policy of signatures tells the old names from the new ones"));
    }
    checks
}

fn of_file(case: &Case, file: &Path, is_judged: impl Fn(&Rule) -> bool) -> Vec<Check> {
    let id = Id::CrioSignatures;
    let place = file.display().to_string();
    let text = match case.tree.text(file) {
        Ok(Some(text)) => text,
        Ok(None) => return Vec::new(),
        Err(error) => {
            return vec![Check::unclear(id, &error, &format!("mend {place}: CRI-O pulls nothing with it"))];
        }
    };
    let policy: Policy = match serde_json::from_str(&text) {
        Ok(policy) => policy,
        Err(error) => {
            let found = format!("{place}: {error}");
            return vec![Check::failure(id, found, format!("mend {place}: CRI-O pulls nothing with it")).at(place)];
        }
    };
    let file = File { place, text: &text, starts: Starts::of(case) };
    let mut checks = Vec::new();
    for rule in case.rules.rules().iter().filter(|rule| is_judged(rule)) {
        for pattern in &rule.patterns {
            for target in &rule.targets {
                let pairs = policy.pairs(pattern, &target.place);
                let differences =
                    pairs.iter().filter_map(|(old, new)| file.difference(policy.wanted(old), policy.wanted(new)));
                checks.extend(differences.take(MOST.saturating_sub(checks.len())));
            }
        }
    }
    checks
}

/// A policy's file, and what this CRI-O does by it.
struct File<'a> {
    place: String,
    text: &'a str,
    starts: Starts,
}

/// Whether the start of a container is judged by the old name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Starts {
    AreJudged,
    AreNot,
    /// Nobody says which version it is.
    MayBe,
}

// === impl File ===

impl File<'_> {
    /// What becomes of what is asked for by the old name, is pulled by the new one, and was not to be judged alike.
    fn difference(&self, old: Wanted<'_>, new: Wanted<'_>) -> Option<Check> {
        let id = Id::CrioSignatures;
        let is_older = self.starts == Starts::AreNot;
        if old.is_as(new) || (is_older && old.has_signers_of(new)) {
            return None;
        }
        let (found, judges) = (self.found(old, new), self.starts.words());
        let both = self.remedy_of_both(old, new);
        let check = match (old.level(), new.level()) {
            (_, Level::Refusal) => Check::failure(
                id,
                format!("{found}: with repoint, pulls are judged by the new name, and every one of them fails"),
                format!("write an entry for {} in {} that says what is wanted of that registry", new.name, self.place),
            ),
            (Level::Refusal, _) => {
                let found = format!(
                    "{found}: pulls are judged by the new name, but {judges} judges the start of a container by the old one, and refuses \
                     it: containers do not start"
                );
                let remedy = self.remedy_of_refusal(old, new);
                if is_older { Check::note(id, found).remedy(remedy) } else { Check::failure(id, found, remedy) }
            }
            (Level::Nothing, _) => Check::warning(
                id,
                format!(
                    "{found}: with repoint, pulls are judged by the new name, which is stricter, and fail where there are no such signatures"
                ),
                self.remedy_of_new(new),
            ),
            (Level::Signatures, Level::Nothing) => {
                let starts = if is_older {
                    String::new()
                } else {
                    format!(", and {judges} looks for signatures when a container starts, of which there are none then")
                };
                Check::warning(
                    id,
                    format!("{found}: with repoint, nobody looks for signatures of what is pulled{starts}"),
                    both,
                )
            }
            (Level::Signatures, Level::Signatures) if is_older => Check::warning(
                id,
                format!("{found}: with repoint, pulls are judged by the new name, and need those signatures"),
                self.remedy_of_new(new),
            ),
            (Level::Signatures, Level::Signatures) => Check::warning(
                id,
                format!(
                    "{found}: pulls are judged by the new name, and {judges} judges the start of a container by the old one, which does not \
                     admit the same signatures"
                ),
                both,
            ),
        };
        Some(check.about(old.name).at(self.line(old.scope)).at(self.line(new.scope)))
    }

    fn found(&self, old: Wanted<'_>, new: Wanted<'_>) -> String {
        if old.level() == Level::Signatures && old.has_signers_of(new) {
            return format!(
                "{} wants {} of {} (by `{}`) and of {} (by `{}`), but not for the same names",
                self.place,
                new.kind(),
                old.name,
                old.scope,
                new.name,
                new.scope
            );
        }
        let named = |wanted: Wanted<'_>| format!("{} (by `{}`) of {}", wanted.kind(), wanted.scope, wanted.name);
        format!("{} wants {}, and {}", self.place, named(old), named(new))
    }

    fn remedy_of_new(&self, new: Wanted<'_>) -> String {
        format!(
            "see that what comes from {} is signed as {} wants it (`crictl pull` shows it); there is nothing to weaken",
            new.name,
            self.line(new.scope)
        )
    }

    /// Nobody but the node's owner can say whether the old name is to be admitted.
    fn remedy_of_refusal(&self, old: Wanted<'_>, new: Wanted<'_>) -> String {
        let signed = match new.level() {
            Level::Signatures => format!(", with {}", remapped(old, new)),
            Level::Nothing | Level::Refusal => String::new(),
        };
        format!(
            "it is your choice: either change the manifests to {new}, which needs no weaker policy, or allow {old} for what is started, by an \
             entry for it in {} that wants what stands for {new}{signed}; that is weaker, and admits what is pulled from {old} directly, \
             past repoint, too",
            self.place,
            old = repository(old.name),
            new = repository(new.name),
        )
    }

    /// What makes both the same, at the stricter one of them. Which one is to be remapped is a matter of whom signatures name.
    fn remedy_of_both(&self, old: Wanted<'_>, new: Wanted<'_>) -> String {
        let from = if new.level() == Level::Signatures { new } else { old };
        format!(
            "have an entry for each of them in {}, both with the keys of {}: where signatures name {new}, {} in that for {old}; where \
             they name {old}, as copies that a mirror took over do, {} in that for {new}. Or leave {old} to registries.conf (`repoint \
             config export registries.conf`), by which it is judged by the old name alone",
            self.place,
            self.line(from.scope),
            remapped(old, new),
            remapped(new, old),
            old = repository(old.name),
            new = repository(new.name),
        )
    }

    fn line(&self, scope: &str) -> String {
        let quoted = format!("\"{scope}\"");
        let line = self.text.lines().position(|line| line.contains(&quoted)).map_or(1, |line| line.saturating_add(1));
        format!("{}:{line}", self.place)
    }
}

/// What has images of one name admitted by signatures that name the other.
fn remapped(image: Wanted<'_>, signed: Wanted<'_>) -> String {
    format!(
        "\"signedIdentity\": {{\"type\": \"remapIdentity\", \"prefix\": \"{}\", \"signedPrefix\": \"{}\"}}",
        repository(image.name),
        repository(signed.name)
    )
}

// === impl Starts ===

impl Starts {
    fn of(case: &Case) -> Self {
        match case.release() {
            Some(release) if release >= JUDGES_STARTS => Self::AreJudged,
            Some(_) => Self::AreNot,
            None => Self::MayBe,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::AreJudged => "this CRI-O",
            Self::AreNot | Self::MayBe => "CRI-O from 1.31 on",
        }
    }
}
