//! containerd's `certs.d`: a directory for each registry, a `hosts.toml` in it (docs/hosts.md and `core/remotes/docker/config`
//! of containerd/containerd).
//!
//! The hosts of a file are asked in order and its `server` last; where it names none, that is the registry itself. So a
//! rule that fails has its last target there, and the old registry is never asked. A path prefix is part of the URL, which
//! then has to be the whole root of the API (`override_path`), `/v2` included. containerd up to 1.6 refuses a file
//! without a `[host]` table, so that a lone target is there twice.

use super::cell::{self, Cell, Outcome};
use super::quoted;
use super::{Exported, File, Loss, MARK, View, comments};
use crate::output::Plain;
use crate::rules::place::Host;
use std::fmt::Write;
use std::path::PathBuf;

/// The rules as a tree for containerd.
pub fn hosts(view: View<'_>) -> Exported {
    let (cells, mut losses) = cell::cells(view);
    let mut found: Vec<(&Cell, &[String], bool)> = Vec::new();
    for cell in &cells {
        let (Some(rule), text) = (&cell.rule, cell.text()) else { continue };
        let what = match (&cell.host, &cell.outcome) {
            (_, Outcome::AsAsked) => continue,
            (Host::Below(_), _) => format!("`{text}` is left out: a directory is for one registry"),
            (_, Outcome::Denied) => format!("`{text}` is not refused: there is no way to say so"),
            (Host::Exactly(_), Outcome::From { places, or_as_asked }) if cell.path.is_empty() => {
                found.push((cell, places, *or_as_asked));
                continue;
            }
            (Host::Exactly(_), Outcome::From { .. }) => {
                if cell.outcome == cell.inherited(cell.around(&cells)) {
                    continue;
                }
                format!("`{text}` gets what the whole registry gets: a path has no configuration of its own")
            }
        };
        losses.push(Loss::of(rule, what));
    }
    let mut files = Vec::new();
    for (cell, places, or_as_asked) in found {
        let others: Vec<&Cell> = cells
            .iter()
            .filter(|other| other.host == cell.host && !other.path.is_empty() && other.outcome == Outcome::AsAsked)
            .collect();
        losses.extend(others.iter().map(|other| Loss {
            rule: cell.rule.clone(),
            what: format!(
                "`{}` is asked for at the target, too, and then, like all else here, where it was",
                other.text()
            ),
        }));
        // What repoint would pull as asked for has to be found all the same.
        let server = if or_as_asked || !others.is_empty() { None } else { places.last() };
        let mut text = String::new();
        let _infallible = write(&mut text, cell, places, server);
        files.push(File { path: directory(&cell.text()).join("hosts.toml"), text });
    }
    losses.extend([
        Loss::of_all("registries are told apart by case and by port here: `:443` is another one"),
        Loss::of_all(
            "credentials that come with a call are shown to whichever registry is asked, unless they name their own",
        ),
        Loss::of_all("no pull is recorded"),
    ]);
    let told = comments(&losses);
    for file in &mut files {
        file.text = format!("{MARK}\n{told}{}", file.text);
    }
    Exported { files, losses }
}

/// The name of a registry's directory: a port stands between underscores.
fn directory(registry: &str) -> PathBuf {
    let port = registry.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    port.map_or_else(|| registry.into(), |(host, port)| format!("{host}_{port}_").into())
}

fn write(text: &mut String, cell: &Cell, places: &[String], server: Option<&String>) -> std::fmt::Result {
    let rule = cell.rule.as_deref().unwrap_or_default();
    writeln!(text, "# {}", Plain(&format!("rule `{rule}` for {}", cell.text())))?;
    // The last one is the server, so it need not be among the hosts; but there has to be one.
    let mut hosts = places;
    if let Some(server) = server {
        writeln!(text, "server = {}", quoted(&url(server)))?;
        options(text, server)?;
        hosts = places.split_last().map_or(places, |(_, others)| if others.is_empty() { places } else { others });
    }
    for place in hosts {
        writeln!(text, "\n[host.{}]", quoted(&url(place)))?;
        options(text, place)?;
    }
    Ok(())
}

/// What is said of a host. It resolves tags, or else containerd would ask the next one for them; nobody pushes by a rule.
fn options(text: &mut String, place: &str) -> std::fmt::Result {
    text.push_str("capabilities = [\"pull\", \"resolve\"]\n");
    if place.contains('/') { writeln!(text, "override_path = true") } else { Ok(()) }
}

/// The root of the API for what lies in a place.
fn url(place: &str) -> String {
    let (registry, path) = place.split_once('/').map_or((place, None), |(registry, path)| (registry, Some(path)));
    // Docker Hub is known by one name and served by another.
    let served = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    let scheme = if is_plain(registry) { "http" } else { "https" };
    path.map_or_else(|| format!("{scheme}://{served}"), |path| format!("{scheme}://{served}/v2/{path}"))
}

/// Whether containerd would ask a registry without TLS if nobody said how: one on this machine, at a port of its own.
pub(in crate::config) fn is_plain(registry: &str) -> bool {
    let Some((host, port)) = registry.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) else { return false };
    let is_local = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_local && port != "443"
}
