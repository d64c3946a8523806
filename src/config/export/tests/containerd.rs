//! `certs.d` as containerd reads it, from docs/hosts.md and what `core/remotes/docker/config` does besides.

use super::super::File;
use super::Fate;
use std::path::Path;
use toml::{Table, Value};

/// What becomes of `name`, which is written out. Denying is none of containerd's ways.
pub(super) fn fate(files: &[File], name: &str) -> Fate {
    let (registry, path) = name.split_once('/').unwrap();
    let directory = match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => format!("{host}_{port}_"),
        _ => registry.to_owned(),
    };
    let file = files.iter().find(|file| file.path == Path::new(&directory).join("hosts.toml"));
    let mut tries = Vec::new();
    let own = (registry.to_owned(), "/v2".to_owned());
    let roots = file.map_or_else(|| vec![own.clone()], |file| roots(&file.text, &own));
    for (host, root) in roots {
        let root = root.strip_prefix("/v2").expect("an API that all speak").trim_start_matches('/').to_owned();
        tries.push(if root.is_empty() { format!("{host}/{path}") } else { format!("{host}/{root}/{path}") });
    }
    // One that is asked twice in a row says the same twice.
    tries.dedup();
    Fate::Tries(tries)
}

/// The hosts and their roots, in the order in which they are asked.
fn roots(text: &str, own: &(String, String)) -> Vec<(String, String)> {
    let file: Table = text.parse().unwrap();
    let hosts = file.get("host").and_then(Value::as_table).expect("containerd up to 1.6 needs one");
    assert!(!hosts.is_empty());
    let mut keys: Vec<&String> = hosts.keys().collect();
    keys.sort_by_key(|key| text.find(&format!("[host.\"{key}\"]")).unwrap());
    let mut roots: Vec<_> = keys.iter().map(|key| root(key, hosts[*key].as_table().unwrap())).collect();
    // Without one, it is the registry itself.
    roots.push(file.get("server").map_or_else(|| own.clone(), |server| root(server.as_str().unwrap(), &file)));
    roots
}

fn root(url: &str, options: &Table) -> (String, String) {
    let capabilities = options["capabilities"].as_array().unwrap();
    assert!(["pull", "resolve"].iter().all(|can| capabilities.iter().any(|one| one.as_str() == Some(can))));
    let (_, rest) = url.split_once("://").unwrap();
    let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
    let is_whole = options.get("override_path").and_then(Value::as_bool).unwrap_or(false);
    let path = if is_whole || path.ends_with("/v2") { path } else { format!("{path}/v2") };
    // Docker Hub is known by one name and served by another.
    (if host == "registry-1.docker.io" { "docker.io" } else { host }.to_owned(), path)
}
