//! containerd's `certs.d`. What the order of hosts and `server` means there: [`crate::config::export`].

use super::document::{Document, Item};
use super::{Imported, Unimportable};
use crate::config::Place as At;
use crate::config::export::is_plain;
use crate::error::Chain;
use crate::rules::{Action, Namespaces, OnFailure, Pattern, Place, Rollout, Rule, Target};
use std::path::{Path, PathBuf, absolute};
use toml::de::DeTable;

/// The directory for registries that have none.
const FOR_ALL: &str = "_default";

/// Keys of a host that say how to reach it.
const ABOUT_REACHING: &[&str] = &["skip_verify", "ca", "client", "header", "dial_timeout", "proxy"];

/// Somebody to ask, as the file has it.
struct Host {
    url: String,
    at: At,
    override_path: bool,
    pulls: bool,
    resolves: bool,
}

/// Reads one file for each registry.
pub(super) fn import(files: &[PathBuf]) -> Result<Imported, Unimportable> {
    let mut imported = Imported::default();
    for file in files {
        let document = Document::read(file)?;
        // Where one stands has a name too, and a path from there need not say it.
        let whole = absolute(file).unwrap_or_else(|_| file.clone());
        let name = whole.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        one(&document, &name, &mut imported)?;
    }
    Ok(imported)
}

fn one(document: &Document, name: &str, imported: &mut Imported) -> Result<(), Unimportable> {
    let table = document.table()?;
    let (mut hosts, mut server) = (Vec::new(), None);
    for item in document.items(table.get_ref()) {
        match item.key {
            "host" => {
                for item in document.items(document.inner(&item)?) {
                    let at = document.place(item.at.start);
                    hosts.push(Host::read(document, item.key, at, document.inner(&item)?, imported)?);
                }
            }
            "server" => {
                let url = document.text(&item)?;
                server = (!url.is_empty()).then(|| (url, document.place(item.at.start)));
            }
            _ => {}
        }
    }
    let start = document.place(0);
    if name == FOR_ALL {
        imported.lose(start, "there is no rule for all registries: name in `match` those that are meant");
        return Ok(());
    }
    let registry = registry(name);
    let Ok(pattern) =
        Pattern::parse(&registry).map_err(|error| imported.lose(start.clone(), Chain(&error).to_string()))
    else {
        return Ok(());
    };
    let on_failure = if server.is_some() { OnFailure::Fail } else { OnFailure::Original };
    if let Some((url, at)) = server {
        hosts.push(Host::read(document, url, at, table.get_ref(), imported)?);
    } else {
        about_reaching(document, &document.items(table.get_ref()), imported);
    }
    let mut rule = Rule {
        name: registry,
        patterns: vec![pattern],
        exclude: Vec::new(),
        namespaces: Namespaces::default(),
        action: Action::Rewrite,
        rollout: Rollout::FULL,
        targets: Vec::new(),
        // Who is not told otherwise asks the registry itself in the end.
        on_failure,
        builtin: false,
    };
    let mut reached_itself = false;
    for host in hosts {
        if reached_itself {
            imported.lose(host.at, format!("`{}` is left out: it comes after the registry itself", host.url));
        } else {
            reached_itself = add(&mut rule, host, imported);
        }
    }
    if !rule.targets.is_empty() {
        imported.rules.push(rule);
    }
    Ok(())
}

/// Adds a host to the targets of a rule. Whether it is the registry itself: what comes after it, no rule reaches.
fn add(rule: &mut Rule, host: Host, imported: &mut Imported) -> bool {
    let itself = Place::parse(&rule.name).ok();
    let what = match host.place() {
        _ if !host.pulls => "nothing is pulled from it".to_owned(),
        Err(why) => why,
        Ok(place) if Some(place.registry()) == itself.as_ref().map(Place::registry) && place.path().is_empty() => {
            rule.on_failure = OnFailure::Original;
            return true;
        }
        Ok(place) => {
            if !host.resolves {
                let what = format!("`{}` would be asked for tags, too, though it can't `resolve`", host.url);
                imported.lose(host.at.clone(), what);
            }
            if host.url.starts_with("http://") && !is_plain(place.registry()) {
                let what = format!("`{}` is asked without TLS only if the runtime is told so", host.url);
                imported.lose(host.at, what);
            }
            if !rule.targets.iter().any(|target| target.place == place) {
                rule.targets.push(Target::at(place));
            }
            return false;
        }
    };
    imported.lose(host.at, format!("`{}` is left out: {what}", host.url));
    false
}

/// The registry that a directory is for: a port stands between underscores.
fn registry(directory: &str) -> String {
    let port = directory.strip_suffix('_').and_then(|rest| rest.rsplit_once('_'));
    match port {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{host}:{port}")
        }
        _ => directory.to_owned(),
    }
}

/// Tells keys that rules have no counterpart for.
fn about_reaching(document: &Document, items: &[Item<'_>], imported: &mut Imported) {
    for item in items.iter().filter(|item| ABOUT_REACHING.contains(&item.key)) {
        let what =
            format!("`{}` is the runtime's to know: keep it in the directory of the registry that is asked", item.key);
        imported.lose(document.place(item.at.start), what);
    }
}

// === impl Host ===

impl Host {
    fn read(
        document: &Document,
        url: &str,
        at: At,
        table: &DeTable<'_>,
        imported: &mut Imported,
    ) -> Result<Self, Unimportable> {
        let mut host = Self { url: url.to_owned(), at, override_path: false, pulls: true, resolves: true };
        let items = document.items(table);
        about_reaching(document, &items, imported);
        for item in &items {
            match item.key {
                "override_path" => host.override_path = document.truth(item)?,
                "capabilities" => {
                    let all = document.texts(item)?;
                    let can = |what| all.is_empty() || all.iter().any(|one| one.eq_ignore_ascii_case(what));
                    (host.pulls, host.resolves) = (can("pull"), can("resolve"));
                    if !all.is_empty() && can("push") {
                        let what = "`push` has no counterpart: rules are about pulls".to_owned();
                        imported.lose(document.place(item.at.start), what);
                    }
                }
                "server" | "host" => {}
                key if ABOUT_REACHING.contains(&key) => {}
                key => imported.lose(document.place(item.at.start), format!("`{key}` is not known")),
            }
        }
        Ok(host)
    }

    /// The place that the host serves, for images whose names begin with it.
    fn place(&self) -> Result<Place, String> {
        let rest = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://")).unwrap_or(&self.url);
        let (registry, path) = rest.split_once('/').unwrap_or((rest, ""));
        let registry = if registry == "registry-1.docker.io" { "docker.io" } else { registry };
        let path = path.trim_end_matches('/');
        let below = match (path, self.override_path) {
            ("", false) | ("v2", _) => "",
            (path, true) => {
                path.strip_prefix("v2/").ok_or("its API is not at `/v2`, where every image reference is looked for")?
            }
            (_, false) => return Err("its API is not at `/v2`, where every image reference is looked for".to_owned()),
        };
        let text = if below.is_empty() { registry.to_owned() } else { format!("{registry}/{below}") };
        Place::parse(&text).map_err(|error| Chain(&error).to_string())
    }
}
