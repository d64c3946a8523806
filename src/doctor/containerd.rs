//! containerd's own ways of asking somebody else: what they do to rules that are about the same registries.

use super::check::some;
use super::{Case, Check, Id};
use crate::node::Runtime;
use crate::node::containerd::Containerd;
use crate::rules::Pattern;
use crate::rules::place::{Host, normal};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toml::Table;

/// What containerd looks into if nobody says otherwise, since that version.
pub(super) const USUAL: [&str; 2] = ["/etc/containerd/certs.d", "/etc/docker/certs.d"];
/// Likewise.
pub(super) const SINCE: (u32, u32) = (2, 2);
/// The directory for registries that have none.
pub(super) const FOR_ALL: &str = "_default";
/// The mirrors of registries that have none.
const ANY: &str = "*";

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
                Check::warning(Id::ContainerdHosts, error.to_string(), remedy),
                Check::skipped(Id::ContainerdMirrors, "containerd's configuration can't be understood"),
            ];
        }
    };
    let mut checks = hosts(case, &containerd);
    checks.push(mirrors(case, &containerd));
    checks
}

/// What a registry is to the rules.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Source,
    Target,
}

fn role(case: &Case, registry: &str) -> Option<Role> {
    let registry = normal(registry);
    let rules = case.rules.rules();
    let is_source = |pattern: &Pattern| match pattern.host() {
        Host::Exactly(host) => *host == registry,
        below @ Host::Below(_) => below.matches(&registry),
    };
    if rules.iter().flat_map(|rule| &rule.patterns).any(is_source) {
        return Some(Role::Source);
    }
    rules
        .iter()
        .flat_map(|rule| &rule.targets)
        .any(|target| target.place.registry() == registry)
        .then_some(Role::Target)
}

fn hosts(case: &Case, containerd: &Containerd) -> Vec<Check> {
    let id = Id::ContainerdHosts;
    let said = containerd.directories();
    let is_said = !said.is_empty();
    let directories: Vec<PathBuf> = if is_said { said } else { USUAL.iter().map(PathBuf::from).collect() };
    let mut checks = Vec::new();
    let mut seen = BTreeSet::new();
    for directory in &directories {
        let names = match case.tree.names(directory) {
            Ok(names) => names,
            Err(error) => {
                checks.push(Check::warning(
                    id,
                    error.to_string(),
                    "see to that directory: what containerd asks can't be known",
                ));
                continue;
            }
        };
        for name in names {
            // `HOST_PORT_` and `HOST:PORT` are one directory to containerd; the first directory that has one goes before others.
            let registry = registry(&name);
            let role = role(case, &registry);
            if (role.is_none() && name != FOR_ALL) || !seen.insert(registry.clone()) {
                continue;
            }
            let file = directory.join(&name).join("hosts.toml");
            match case.tree.text(&file) {
                Ok(Some(text)) => checks.extend(one(case, &registry, role, &file, &text)),
                Ok(None) => {}
                Err(error) => checks.push(Check::warning(
                    id,
                    error.to_string(),
                    "see to that file: what containerd asks can't be known",
                )),
            }
        }
    }
    if !is_said {
        let is_new = case.release().is_some_and(|release| release >= SINCE);
        for check in &mut checks {
            if !is_new {
                *check = Check::note(
                    id,
                    format!(
                        "{} (containerd's configuration names no `config_path`, so it may not be read)",
                        check.found
                    ),
                );
            }
        }
    }
    if checks.is_empty() {
        let directories: Vec<_> = directories.iter().map(|directory| directory.display().to_string()).collect();
        checks.push(Check::ok(id, format!("no hosts.toml in {} is about a registry of a rule", some(&directories))));
    }
    checks
}

fn registry(name: &str) -> String {
    match name.strip_suffix('_').and_then(|name| name.rsplit_once('_')) {
        Some((host, port)) => format!("{host}:{port}"),
        None => name.to_owned(),
    }
}

fn one(case: &Case, registry: &str, role: Option<Role>, file: &Path, text: &str) -> Option<Check> {
    let id = Id::ContainerdHosts;
    let place = file.display().to_string();
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(_) => {
            let found = format!("{place} is no TOML, and pulls from {registry} fail");
            return Some(Check::failure(id, found, format!("mend or remove {place}")).at(place).about(registry));
        }
    };
    let server = table.get("server").and_then(toml::Value::as_str);
    let hosts = table.get("host").and_then(toml::Value::as_table);
    let all: Vec<&str> = hosts.into_iter().flat_map(|hosts| hosts.keys().map(String::as_str)).chain(server).collect();
    let elsewhere: Vec<String> =
        all.iter().map(|url| host_of(url)).filter(|host| normal(host) != normal(registry)).map(str::to_owned).collect();
    let check = match role {
        _ if elsewhere.is_empty() => return None,
        Some(Role::Source) => Check::note(
            id,
            format!(
                "containerd asks {} for what is called {registry}: the pause image and fallbacks come from there, past repoint and without a record; \
                 what repoint substitutes does not",
                some(&elsewhere)
            ),
        )
        .remedy(format!("keep {place} if that is meant (it covers the pause image); else remove it")),
        Some(Role::Target) => {
            let back = elsewhere.iter().find(|host| self::role(case, host) == Some(Role::Source));
            match back {
                Some(old) => Check::failure(
                    id,
                    format!("what repoint asks of {registry} goes to {old} after all, which the rules are to get away from"),
                    format!("take {old} out of {place}"),
                ),
                None => Check::warning(
                    id,
                    format!("what repoint asks of {registry} is asked of {} instead, and its records name {registry}", some(&elsewhere)),
                    format!("name that registry as a target in /etc/repoint/repoint.toml instead, and remove {place}"),
                ),
            }
        }
        None => Check::note(
            id,
            format!("containerd asks {} for every registry that has no file of its own, the rules' among them", some(&elsewhere)),
        )
        .remedy(format!("see that {place} is meant for what repoint asks, too")),
    };
    Some(check.at(&place).about(registry))
}

/// The host, with its port, of a URL. A user and a password may stand before it.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn mirrors(case: &Case, containerd: &Containerd) -> Check {
    let id = Id::ContainerdMirrors;
    let mirrors = &containerd.mirrors;
    let at = |check: Check| mirrors.iter().fold(check, |check, word| check.at(word.place()));
    if let (Some(config_path), [first, ..]) = (&containerd.config_path, mirrors.as_slice()) {
        return at(Check::failure(
            id,
            "containerd has both `config_path` and `mirrors`: it refuses that, and serves no CRI from its next start on",
            format!(
                "move what is in {} to a hosts.toml below {} ({}), and take it out",
                first.place(),
                config_path.text,
                config_path.place()
            ),
        ));
    }
    let names: Vec<String> = mirrors.iter().map(|word| word.text.clone()).collect();
    let target = names.iter().find(|name| *name == ANY || role(case, name) == Some(Role::Target));
    let source = names.iter().find(|name| role(case, name) == Some(Role::Source));
    let remedy = "write a hosts.toml in their place (`repoint config export hosts.toml` makes one of the rules), or leave it to the rules";
    match (target, source) {
        (Some(target), _) => at(Check::warning(
            id,
            match target.as_str() {
                ANY => "`mirrors`, which is deprecated, leads every registry elsewhere that has none of its own (`*`), and what repoint asks of \
                        them"
                    .to_owned(),
                _ => format!("`mirrors`, which is deprecated, leads what repoint asks of {target} elsewhere"),
            },
            remedy,
        )),
        (None, Some(source)) => at(Check::note(
            id,
            format!(
                "`mirrors`, which is deprecated, leads {source} elsewhere, past repoint: the pause image and fallbacks"
            ),
        )
        .remedy(remedy)),
        (None, None) if names.is_empty() => Check::ok(id, "containerd has no deprecated `mirrors`"),
        (None, None) => at(Check::ok(
            id,
            format!("`mirrors`, which is deprecated, is about no registry of a rule: {}", some(&names)),
        )),
    }
}
