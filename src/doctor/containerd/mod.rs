//! containerd's own ways of asking somebody else: what they do to rules that are about the same registries.

mod file;
mod hosts;
mod mirrors;

pub(super) use file::{Hosts, NAME, SINCE, USUAL, directories, directory, wants_hosts};

use super::{Case, Check, Id};
use crate::node::{Kind, Runtime};
use crate::rules::place::normal;
use std::path::Path;

pub(super) fn checks(case: &Case) -> Vec<Check> {
    let both = [Id::ContainerdHosts, Id::ContainerdMirrors];
    if !case.may_have(Runtime::Containerd) {
        return both.map(|id| Check::skipped(id, "the runtime is not containerd")).into();
    }
    let containerd = match case.containerd() {
        Ok(containerd) => containerd.unwrap_or_default(),
        Err(error) => {
            let remedy = "mend the file: containerd does not start with it";
            return vec![
                Check::unclear(Id::ContainerdHosts, &error, remedy),
                Check::skipped(Id::ContainerdMirrors, "containerd's configuration can't be understood"),
            ];
        }
    };
    let mut checks = hosts::checks(case, &containerd);
    checks.push(mirrors::check(case, &containerd));
    checks
}

/// What a registry is to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Source,
    Target,
}

fn role(case: &Case, registry: &str) -> Option<Role> {
    let registry = normal(registry);
    let rules = case.rules.rules();
    if rules.iter().flat_map(|rule| &rule.patterns).any(|pattern| pattern.host().matches(&registry)) {
        return Some(Role::Source);
    }
    let mut targets = rules.iter().flat_map(|rule| &rule.targets);
    targets.any(|target| target.place.registry() == registry).then_some(Role::Target)
}

/// What to change so that a file of containerd's changes: k3s and RKE2 write theirs at each start.
fn origin(case: &Case, file: &Path) -> String {
    let shown = file.display().to_string();
    let own = || case.node.as_ref().ok().and_then(|node| Some((node.kind, node.agent.clone()?)));
    let usual = [Kind::K3s, Kind::Rke2].into_iter().filter_map(|kind| Some((kind, kind.agent()?)));
    let writer = own().into_iter().chain(usual).find(|(_, agent)| file.starts_with(agent));
    match writer.and_then(|(kind, _)| Path::new(kind.configuration()?).parent()) {
        Some(directory) => format!("{}/registries.yaml (of which {shown} is made at each start)", directory.display()),
        None => shown,
    }
}
