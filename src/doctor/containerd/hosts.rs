//! What `hosts.toml` makes of registries that rules are about.

use super::file::{FOR_ALL, Host, Hosts, NAME, directories, directory, wants_hosts};
use super::{Role, origin, role};
use crate::doctor::check::some;
use crate::doctor::{Case, Check, Id, Verdict};
use crate::node::containerd::Containerd;
use crate::rules::Target;
use crate::rules::place::{self, normal};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Remedy of what is no text.
const UNCLEAR: &str = "see to it: whom containerd asks can't be known";

pub(super) fn checks(case: &Case, containerd: &Containerd) -> Vec<Check> {
    let id = Id::ContainerdHosts;
    let directories = directories(case, containerd);
    if directories.is_empty() {
        return vec![Check::ok(id, "containerd is told no `config_path`, so it reads no hosts.toml")];
    }
    let mut checks = Vec::new();
    let mut whose: BTreeMap<(PathBuf, Role), Vec<String>> = BTreeMap::new();
    for registry in registries(case, &directories, &mut checks) {
        if let (Some(own), Some(role)) = (directory(case, &directories, &registry), role(case, &registry)) {
            whose.entry((own, role)).or_default().push(registry);
        }
    }
    let mut read = Vec::new();
    for ((own, role), registries) in &whose {
        let file = own.join(NAME);
        match case.tree.text(&file) {
            Ok(Some(text)) if !text.is_empty() => {
                read.push(file.display().to_string());
                checks.extend(File { case, file, role: *role, registries }.check(own, &text));
            }
            Ok(_) => {}
            Err(error) => checks.push(Check::unclear(id, &error, UNCLEAR)),
        }
    }
    if containerd.config_path.is_none() && case.release().is_none() {
        checks.iter_mut().for_each(soften);
    }
    if checks.is_empty() {
        let shown: Vec<_> = directories.iter().map(|directory| directory.display().to_string()).collect();
        let found = match read.as_slice() {
            [] => format!("no hosts.toml in {} is about a registry of a rule", some(&shown)),
            read => format!("of those that are about registries of rules none leads elsewhere: {}", some(read)),
        };
        checks.push(Check::ok(id, found));
    }
    checks
}

/// Nobody says where to look, and which version it is, so these may not be read.
fn soften(check: &mut Check) {
    check.verdict = check.verdict.min(Verdict::Note);
    check.found.push_str(" (containerd is told no `config_path`: before 2.2 it does not read this)");
}

/// Those that rules are about, as containerd is asked for them.
fn registries(case: &Case, directories: &[PathBuf], checks: &mut Vec<Check>) -> BTreeSet<String> {
    let of = |place: &str| place.split('/').next().unwrap_or(place).to_owned();
    let rules = case.rules.rules();
    let targets = rules.iter().flat_map(|rule| &rule.targets).map(|target| of(target.place.as_str()));
    let patterns = || rules.iter().flat_map(|rule| &rule.patterns);
    let mut all: BTreeSet<String> = targets.chain(patterns().map(|pattern| of(pattern.as_str()))).collect();
    // Which registries lie in a pattern is known of those that have a directory.
    for directory in directories {
        match case.tree.names(directory) {
            Ok(names) => all.extend(names.iter().map(|name| named(name)).filter(|registry| {
                let below = |pattern: &crate::rules::Pattern| {
                    matches!(pattern.host(), place::Host::Below(_)) && pattern.host().matches(&normal(registry))
                };
                patterns().any(below)
            })),
            Err(error) => checks.push(Check::unclear(Id::ContainerdHosts, &error, UNCLEAR)),
        }
    }
    all
}

/// The registry that a directory is for: `HOST_PORT_` and `HOST:PORT` are one.
fn named(name: &str) -> String {
    let split = name.strip_suffix('_').and_then(|name| name.rsplit_once('_'));
    split.map_or_else(|| name.to_owned(), |(host, port)| format!("{host}:{port}"))
}

/// One file, and the registries that it is taken for.
struct File<'a> {
    case: &'a Case,
    file: PathBuf,
    role: Role,
    registries: &'a [String],
}

// === impl File ===

impl File<'_> {
    fn check(&self, directory: &Path, text: &str) -> Option<Check> {
        let id = Id::ContainerdHosts;
        let (place, names) = (self.file.display().to_string(), some(self.registries));
        let check = match Hosts::read(text, directory, wants_hosts(self.case)) {
            Ok(hosts) => self.judge(&hosts, &names)?,
            Err(why) => Check::failure(
                id,
                format!(
                    "containerd takes no notice of {place}, since {why}: it asks {names} itself, trusting *.crt beside it"
                ),
                format!("mend {}", origin(self.case, &self.file)),
            ),
        };
        Some(check.at(place).about(names))
    }

    fn judge(&self, hosts: &Hosts, names: &str) -> Option<Check> {
        let id = Id::ContainerdHosts;
        let is_other = |host: &&Host| self.registries.iter().any(|registry| !host.is_itself(registry));
        let others: Vec<&Host> = hosts.asked().filter(is_other).collect();
        if others.is_empty() {
            return None;
        }
        let shown: Vec<String> = others.iter().map(|host| host.shown(names)).collect();
        let (elsewhere, origin) = (some(&shown), origin(self.case, &self.file));
        let is_asked_too = hosts.asked().any(|host| self.registries.iter().any(|registry| host.is_itself(registry)));
        let instead = if is_asked_too { "first" } else { "instead" };
        if self.role == Role::Source {
            let found = format!(
                "containerd asks {elsewhere} for what is called {names}: the pause image and fallbacks come from there, past repoint and without \
                 a record; what repoint substitutes does not"
            );
            let remedy = format!(
                "leave {origin} as it is if that is meant (it covers the pause image); else take {elsewhere} out of it"
            );
            return Some(Check::note(id, found).remedy(remedy));
        }
        if let Some(old) = others.iter().filter_map(|host| host.name()).find(|host| self.is_old(host)) {
            return Some(Check::failure(
                id,
                format!("what repoint asks of {names} goes to {old} after all, which the rules are to get away from"),
                format!("take {old} out of {origin}"),
            ));
        }
        if let Some(host) = others.iter().find(|host| self.registries.iter().any(|registry| host.serves(registry))) {
            return Some(self.of_a_part(host, names, &origin));
        }
        let asked = if self.file.parent().is_some_and(|own| own.ends_with(FOR_ALL)) {
            format!("registries without a directory of their own ({names})")
        } else {
            names.to_owned()
        };
        Some(Check::warning(
            id,
            format!("what repoint asks of {asked} is asked of {elsewhere} {instead}, and its records name {names}"),
            format!(
                "where that is meant, as on a node that reaches nobody else, it can stay. For records that say who serves, name {elsewhere} as \
                 the target instead in /etc/repoint/repoint.toml, with `credentials` if it wants a login, and a hosts.toml of its own if it \
                 wants a CA; leave {origin} as it is for what others pull by the name of {names}"
            ),
        ))
    }

    /// Whether it is a registry that rules lead away from.
    fn is_old(&self, host: &str) -> bool {
        role(self.case, host) == Some(Role::Source)
    }

    /// The registry is asked for a part of it.
    fn of_a_part(&self, host: &Host, names: &str, origin: &str) -> Check {
        let (shown, path) = (host.shown(names), host.path());
        let (found, remedy) = match self.twice(host) {
            Some(target) => (
                format!("what repoint asks of {} is asked of {shown}{path}, where its path stands twice", target.place),
                format!("say the path in one place: in {origin}, or in the target"),
            ),
            None => (
                format!("what repoint asks of {names} is asked of {shown}, and its records name {names}"),
                format!(
                    "where that is meant it can stay. A target that names {shown} would have the path twice, unless it is taken out of {origin}"
                ),
            ),
        };
        Check::warning(Id::ContainerdHosts, found, remedy)
    }

    /// A target whose path that host puts before it a second time.
    fn twice(&self, host: &Host) -> Option<&Target> {
        let mut targets = self.case.rules.rules().iter().flat_map(|rule| &rule.targets);
        targets.find(|target| {
            let path = target.place.path().iter().map(|part| format!("/{part}")).collect::<String>();
            host.serves(target.place.registry()) && !path.is_empty() && host.path() == path
        })
    }
}
