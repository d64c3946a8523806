//! A `hosts.toml`, as containerd reads it (its `core/remotes/docker/config/hosts.go`): whom it asks, one after another, for what is
//! called by a registry's name.

use crate::doctor::Case;
use crate::node::containerd::Containerd;
use crate::rules::place::normal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The file's name.
pub(in crate::doctor) const NAME: &str = "hosts.toml";
/// The directory for registries that have none.
pub(in crate::doctor) const FOR_ALL: &str = "_default";
/// What containerd looks into if nobody says otherwise, since that version.
pub(in crate::doctor) const USUAL: [&str; 2] = ["/etc/containerd/certs.d", "/etc/docker/certs.d"];
/// Likewise.
pub(in crate::doctor) const SINCE: (u32, u32) = (2, 2);
/// Since this version containerd takes a file that names a server and no host.
const TAKES_SERVERS_ALONE: [u32; 3] = [1, 7, 32];
/// Docker Hub by its name, and the host that serves it.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");
/// Below it is what registries serve.
const ROOT: &str = "/v2";

/// Those that are asked; the server, which is the last, too.
#[derive(Debug)]
pub(in crate::doctor) struct Hosts(Vec<Host>);

/// One of them.
#[derive(Debug)]
pub(in crate::doctor) struct Host {
    /// Who it is, if not the registry itself.
    name: Option<String>,
    /// Whether it is asked without TLS.
    pub(in crate::doctor) is_plain: bool,
    /// Where its API is.
    root: String,
    /// Whether it is asked at all when something is pulled.
    pulls: bool,
    /// Files that name those by whom it may be certified.
    pub(in crate::doctor) authorities: Vec<PathBuf>,
    /// Whether it is shown a certificate.
    pub(in crate::doctor) has_client: bool,
    /// Whether anybody may certify it.
    pub(in crate::doctor) is_unverified: bool,
}

/// The whole file, but for what it says of the server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Whole {
    server: String,
    host: Option<BTreeMap<String, Said>>,
}

/// What is said of one host.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    capabilities: Vec<String>,
    ca: Option<Value>,
    client: Option<Value>,
    skip_verify: Option<bool>,
    header: Table,
    override_path: bool,
}

// === impl Hosts ===

impl Hosts {
    /// Reads one of that `directory`; `wants_hosts` is whether there has to be a table of hosts.
    ///
    /// # Errors
    ///
    /// What makes containerd take no notice of it.
    pub(in crate::doctor) fn read(text: &str, directory: &Path, wants_hosts: bool) -> Result<Self, String> {
        if text.parse::<Table>().is_err() {
            return Err("it is no TOML".to_owned());
        }
        // What the reader says of it has the value in it, which may be a URL with a password.
        let unlike = |error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!(
                "what line {} says is of another kind than it has to be",
                before.matches('\n').count().saturating_add(1)
            )
        };
        let whole: Whole = toml::from_str(text).map_err(unlike)?;
        let server: Said = toml::from_str(text).map_err(unlike)?;
        if whole.host.is_none() && wants_hosts {
            return Err("it has no `[host]` table, which this containerd wants (an empty one will do)".to_owned());
        }
        let hosts = whole.host.unwrap_or_default();
        let all = hosts.iter().map(|(url, said)| (url.as_str(), said)).chain([(whole.server.as_str(), &server)]);
        all.map(|(url, said)| Host::of(url, said, directory)).collect::<Result<_, _>>().map(Self)
    }

    /// Those who are asked when something is pulled.
    pub(in crate::doctor) fn asked(&self) -> impl Iterator<Item = &Host> {
        self.0.iter().filter(|host| host.pulls)
    }
}

// === impl Host ===

impl Host {
    fn of(url: &str, said: &Said, directory: &Path) -> Result<Self, String> {
        if url.chars().any(char::is_control) {
            return Err("a URL has control characters in it".to_owned());
        }
        let known = ["pull", "resolve", "push", "referrers"];
        let capabilities: Vec<String> = said.capabilities.iter().map(|one| one.to_ascii_lowercase()).collect();
        if let Some(unknown) = capabilities.iter().find(|one| !known.contains(&one.as_str())) {
            return Err(format!("`{unknown}` is no capability"));
        }
        let list = |value: &Value| several(value).into_iter().map(|one| one.as_str().map(str::to_owned)).collect();
        let ca: Option<Vec<String>> = said.ca.as_ref().map_or_else(|| Some(Vec::new()), list);
        let ca = ca.ok_or("`ca` is neither a file nor a list of files")?;
        let is_pair = |one: &Value| {
            one.as_array().is_none_or(|pair| pair.len() == 2) && several(one).iter().all(|file| file.is_str())
        };
        if !said.client.iter().flat_map(several).all(|one| is_pair(&one)) {
            return Err("`client` is neither a file nor a list of files, or of pairs of them".to_owned());
        }
        if !said.header.values().flat_map(several).all(|one| one.is_str()) {
            return Err("a header is neither a text nor a list of texts".to_owned());
        }
        Ok(Self {
            name: (!url.is_empty()).then(|| host_of(url).to_owned()),
            is_plain: url.starts_with("http://"),
            root: root_of(url, said.override_path),
            pulls: capabilities.is_empty() || capabilities.iter().any(|one| one == "pull" || one == "resolve"),
            authorities: ca.iter().map(|file| directory.join(file)).collect(),
            has_client: said.client.is_some(),
            is_unverified: said.skip_verify == Some(true),
        })
    }

    /// Whether it is that registry, though perhaps by another path.
    pub(in crate::doctor) fn serves(&self, registry: &str) -> bool {
        let Some(name) = &self.name else { return true };
        let name = if self.is_plain { name.strip_suffix(":80").unwrap_or(name) } else { name };
        let (name, registry) = (normal(name), normal(registry));
        name == registry || (registry == HUB.0 && name == HUB.1)
    }

    /// Whether it is asked what that registry would be asked.
    pub(super) fn is_itself(&self, registry: &str) -> bool {
        self.serves(registry) && self.root == ROOT
    }

    /// The registry that it is, where it is another one.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What the path of every image has before it there.
    pub(super) fn path(&self) -> &str {
        self.root.strip_prefix(ROOT).unwrap_or(&self.root)
    }

    /// What is asked in the place of that registry, as references have it.
    pub(super) fn shown(&self, registry: &str) -> String {
        format!("{}{}", self.name.as_deref().unwrap_or(registry), self.path())
    }
}

/// A list, or the one thing that stands for a list of it.
fn several(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// The host, with its port, of a URL. A user and a password may stand before it.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Where the API is by a URL, which may say the whole path.
fn root_of(url: &str, is_whole: bool) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let path = rest.split_once('/').map(|(_, path)| format!("/{path}")).unwrap_or_default();
    let path = path.trim_end_matches('/');
    if url.is_empty() || !(is_whole || path.ends_with(ROOT)) { format!("{path}{ROOT}") } else { path.to_owned() }
}

/// Whether this containerd is one of those that take no notice of a file without a table of hosts.
pub(in crate::doctor) fn wants_hosts(case: &Case) -> bool {
    let version = case.far.met().map(|met| met.version.trim_start_matches('v')).unwrap_or_default();
    let numbers: Vec<u32> =
        version.split(|c: char| !c.is_ascii_digit()).map_while(|text| text.parse().ok()).take(3).collect();
    numbers.len() == TAKES_SERVERS_ALONE.len() && numbers.as_slice() < TAKES_SERVERS_ALONE.as_slice()
}

/// Where this containerd looks for those files; nowhere, if nobody says where and it has no place of its own.
pub(in crate::doctor) fn directories(case: &Case, containerd: &Containerd) -> Vec<PathBuf> {
    let said = containerd.directories();
    let has_usual = case.release().is_none_or(|release| release >= SINCE) && containerd.mirrors.is_empty();
    if said.is_empty() && has_usual { USUAL.map(PathBuf::from).into() } else { said }
}

/// The directory that it takes for that registry: the first one that has any of the names that may be its.
pub(in crate::doctor) fn directory(case: &Case, directories: &[PathBuf], registry: &str) -> Option<PathBuf> {
    let with_port = registry.rsplit_once(':').map(|(host, port)| format!("{host}_{port}_"));
    let names = [with_port.as_deref(), Some(registry), Some(FOR_ALL)];
    let own = |within: &PathBuf| {
        names.iter().flatten().map(|name| within.join(name)).find(|directory| case.tree.has(directory))
    };
    directories.iter().find_map(own)
}
