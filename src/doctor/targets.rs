//! Every registry that takes the old one's place: whether a small image comes from there, pulled by the runtime as for a kubelet.

use super::containerd::{SINCE, USUAL};
use super::{Case, Check, Far, Id};
use crate::config::Settings;
use crate::error::Chain;
use crate::install::check::{After, Bench, Outcome, Place, Problem, Trial, trials};
use crate::install::remedy::Hosts;
use crate::node::Kind;
use crate::reference::Reference;
use crate::rules::place::normal;
use crate::rules::{Credentials, Rule, Target, builtin};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a kubelet is of which nothing is known.
const KUBELET: &str = "kubelet.service";

pub(super) async fn checks(case: &Case, tell: impl Fn(&str)) -> Vec<Check> {
    let id = Id::TargetsPull;
    let (settings, met) = match (&case.settings, &case.far) {
        (Err(_), _) => return vec![Check::skipped(id, "the configuration is wrong, so the targets are not known")],
        (_, Far::NotAsked) => return vec![Check::skipped(id, "the runtime was not asked")],
        (_, Far::Silent { .. }) => return vec![Check::skipped(id, "the runtime does not answer")],
        (Ok(settings), Far::Met(met)) => (settings, met),
    };
    if !case.wishes.is_pulled {
        return vec![Check::skipped(id, "nothing is to be pulled")];
    }
    let (trials, untried) = trials_of(case, settings);
    let (kind, unit) = kind_and_unit(case);
    let socket =
        settings.runtime.image.as_ref().map_or_else(|| met.address.path().to_owned(), |image| case.path(image.path()));
    let mut checks = Vec::new();
    match Bench::set_up(Place { socket: &socket, kind, unit }, settings).await {
        Ok(bench) => {
            let bench = bench.with_hosts(hosts(case));
            for trial in &trials {
                if let Some(why) = credentials_elsewhere(case, trial) {
                    checks.push(Check::skipped(id, why).about(&trial.image));
                    continue;
                }
                tell(&format!("pulling {}", trial.image));
                checks.push(one(&bench, trial).await);
            }
        }
        Err(error) if trials.is_empty() => drop(error),
        Err(error) => {
            let why = format!("who takes image calls at {} does not answer: {}", socket.display(), Chain(&error));
            checks.push(Check::failure(id, why, "see to the service that listens there"));
        }
    }
    checks.extend(untried.iter().map(|rule| {
        Check::skipped(id, "no small image is known that this rule is about")
            .remedy("name one by --pull, by its old name")
            .about(format!("rule {rule}"))
    }));
    if checks.is_empty() {
        checks.push(Check::note(id, "no rule has a target"));
    }
    checks
}

/// What is looked for at which target, and the rules of which no image is known.
pub(super) fn trials_of(case: &Case, settings: &Settings) -> (Vec<Trial>, Vec<String>) {
    let old: Vec<String> = case.wishes.images.iter().flat_map(|image| old_names(settings, image)).collect();
    trials(settings, &old)
}

/// Why the credentials that a trial takes can't be had here: files and programs of the node's are not those of whoever looks at it
/// from outside.
pub(super) fn credentials_elsewhere(case: &Case, trial: &Trial) -> Option<&'static str> {
    let is_own = matches!(trial.credentials, Credentials::Source(_));
    (is_own && case.wishes.root.is_some())
        .then_some("its credentials are the node's, and --root looks from outside: run this on the node itself")
}

/// What the node is, and the unit that its kubelet is in.
pub(super) fn kind_and_unit(case: &Case) -> (Kind, &str) {
    case.node
        .as_ref()
        .map_or((Kind::Plain, KUBELET), |node| (node.kind, node.units.first().map_or(KUBELET, String::as_str)))
}

/// By what the node's containerd is told of registries. One that can't be read is not known.
pub(super) fn hosts(case: &Case) -> Hosts {
    let usual = USUAL.first().filter(|_| case.release().is_some_and(|release| release >= SINCE)).map(PathBuf::from);
    let Ok(containerd) = case.containerd() else { return Hosts::Unknown };
    Hosts::of(&containerd.unwrap_or_default(), usual)
}

async fn one(bench: &Bench<'_>, trial: &Trial) -> Check {
    let id = Id::TargetsPull;
    let check = match bench.pull(trial).await {
        Ok(Outcome::Pulled { took, after }) => {
            let after = match after {
                After::WasThere => "it was there before, and stays",
                After::Removed => "it is removed again",
                After::Stays => {
                    "it stays: somebody else has come to use it, whether it was there before is not known, or the runtime keeps it"
                }
            };
            let check = Check::ok(id, format!("pulled in {:.1} s; {after}", took.as_secs_f64()));
            check.took(took)
        }
        Ok(Outcome::Untried(why)) => Check::skipped(id, why),
        Ok(Outcome::Failed(Problem { why, remedy, .. })) => Check::failure(id, why, remedy),
        Err(error) => Check::failure(id, Chain(&error).to_string(), "the runtime ended, or hangs: see its log"),
    };
    check.about(&trial.image)
}

/// The old names of an image: itself, if a rule is about it; else what leads to it by a rule of this node or one that is built in.
fn old_names(settings: &Settings, image: &str) -> Vec<String> {
    let Ok(reference) = Reference::parse(image) else { return Vec::new() };
    if !settings.rules.possible(reference).is_empty() {
        return vec![image.to_owned()];
    }
    let builtin = builtin::ALIASES.iter().filter_map(|alias| builtin::rule(alias.name)).map(Arc::new);
    let rules: Vec<Arc<Rule>> = settings.rules.rules().iter().cloned().chain(builtin).collect();
    let mut names = Vec::new();
    for rule in &rules {
        let rest = rule.targets.iter().find_map(|target| below(target, reference));
        for (pattern, rest) in rule.patterns.iter().flat_map(|pattern| rest.iter().map(move |rest| (pattern, rest))) {
            let place = pattern.as_str().replacen("*.", "x.", 1);
            let name = format!("{place}/{rest}{}", reference.suffix());
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// The path of an image below a target's place, if it lies there.
fn below(target: &Target, reference: Reference<'_>) -> Option<String> {
    if target.place.registry() != normal(reference.registry()) {
        return None;
    }
    let mut components = reference.components();
    let is_below = target.place.path().iter().all(|part| components.next() == Some(part.as_str()));
    let rest = components.collect::<Vec<_>>().join("/");
    (is_below && !rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Serve;
    use crate::config::{self, Source};

    fn images(file: &str, image: &str) -> (Vec<String>, Vec<String>) {
        let settings = config::settings(&Serve::default(), &Source::of("/c.toml", file.as_bytes())).unwrap();
        let (trials, left) = trials(&settings, &old_names(&settings, image));
        (trials.into_iter().map(|trial| trial.image).collect(), left)
    }

    #[test]
    fn an_image_is_looked_for_at_every_target_whichever_of_its_names_is_given() {
        let mirror =
            "[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [\"m.example/k8s\", \"registry.k8s.io\"]\n";
        let other = "[[rules]]\nname = \"q\"\nmatch = [\"quay.io\"]\ntargets = [\"m.example/quay\"]\n";
        for image in ["registry.k8s.io/pause:3.9", "k8s.gcr.io/pause:3.9", "m.example/k8s/pause:3.9"] {
            let (images, left) = images(&format!("{mirror}{other}"), image);
            assert_eq!(images, ["m.example/k8s/pause:3.9", "registry.k8s.io/pause:3.9"], "{image}");
            assert_eq!(left, ["q"], "{image}");
        }
        assert_eq!(images("", "registry.k8s.io/pause:3.9").0, ["registry.k8s.io/pause:3.9"]);
        let alone = "[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [\"m.example\"]\n";
        assert_eq!(images(alone, "registry.k8s.io/pause:3.9").0, ["m.example/pause:3.9"], "by what is built in");
        let (images, left) = images(alone, "elsewhere.example/x:1");
        assert!(images.is_empty() && left == ["m"]);
    }
}
