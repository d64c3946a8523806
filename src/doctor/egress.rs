//! The way out to every target, followed as the runtime has to go it: whom one meets, and where it ends.

use super::check::some;
use super::{Case, Check, Id, targets};
use crate::clock::Clock;
use crate::config::Settings;
use crate::credentials::{Credential, Source, Store};
use crate::error::Chain;
use crate::install::check::Trial;
use crate::install::remedy::remedy;
use crate::node::containerd::Containerd;
use crate::node::unit::Unit;
use crate::node::{Kind as NodeKind, Node};
use crate::reference::Reference;
use crate::registry::{Client, Kind, Platform, Proxies, Roots, Step, Trace, Way, egress};
use crate::rules::Credentials;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use toml::{Table, Value};

/// Where authorities are for one registry, whatever the runtime.
const AUTHORITIES: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];
/// Units that runtimes have to themselves.
const UNITS: [&str; 3] = ["containerd.service", "crio.service", "docker.service"];

pub(super) async fn checks(case: &Case, tell: impl Fn(&str)) -> Vec<Check> {
    let id = Id::TargetsEgress;
    if !case.wishes.egress {
        return vec![Check::skipped(id, "not asked for: --egress follows the way out to each target")];
    }
    let Ok(settings) = &case.settings else {
        return vec![Check::skipped(id, "the configuration is wrong, so the targets are not known")];
    };
    let environment = Environment::of(case);
    let store = Store::new(settings.credentials.clone(), None, Clock::SYSTEM);
    let mut checks = Vec::new();
    for trial in &targets::trials_of(case, settings).0 {
        tell(&format!("following the way to {}", trial.image));
        checks.push(one(case, settings, &environment, &store, trial).await.about(&trial.image));
    }
    if checks.is_empty() {
        checks.push(Check::note(id, "no small image is known at any target: name one by --pull"));
    }
    checks
}

async fn one(case: &Case, settings: &Settings, environment: &Environment, store: &Store, trial: &Trial) -> Check {
    let id = Id::TargetsEgress;
    let Ok(image) = Reference::parse(&trial.image) else { return Check::skipped(id, "this is no image") };
    let credential = match credential(settings, store, trial, image).await {
        Ok(credential) => credential,
        Err(why) => return Check::skipped(id, why),
    };
    let mut roots = Roots::of_system();
    let mut trusted = Vec::new();
    for file in authorities(case, image.registry()) {
        // One that can't be read trusts nobody, and that shows.
        if roots.add(&case.path(&file)).is_ok() {
            trusted.push(file.display().to_string());
        }
    }
    let client = Client::new(Way { roots, proxies: environment.proxies.clone(), ..Way::default() });
    let began = Instant::now();
    let trace = egress(&client, image, credential.as_ref(), &Platform::here()).await;
    let check = judge(case, environment, &trace, began.elapsed());
    environment.places.iter().chain(&trusted).fold(check, |check, place| check.at(place))
}

fn judge(case: &Case, environment: &Environment, trace: &Trace, took: Duration) -> Check {
    let id = Id::TargetsEgress;
    let mut met: Vec<String> = Vec::new();
    for told in trace.steps.iter().map(told) {
        if !met.contains(&told) {
            met.push(told);
        }
    }
    let met = if met.is_empty() { "met nobody".to_owned() } else { format!("met {}", some(&met)) };
    let Some(fault) = &trace.fault else {
        let found = format!("manifest and blob came in {:.1} s; {met}", took.as_secs_f64());
        return Check::ok(id, found).took(took);
    };
    let said = fault.to_string();
    let host = &fault.host;
    let proxy = &environment.told;
    let what = match fault.kind {
        Kind::Dns => format!(
            "see to the node's resolver (/etc/resolv.conf) and to the name; where {host} is for a proxy to look up, {proxy}"
        ),
        Kind::Timeout | Kind::Unreachable | Kind::Closed => {
            format!("let this node out to {host} (port 443), or, where that takes a proxy, {proxy}")
        }
        Kind::Refused => format!(
            "see that {host} runs and listens, and that nothing in between refuses; where that takes a proxy, {proxy}"
        ),
        Kind::Proxy => format!("see to the proxy {host}, and whether it lets this node out: {proxy}"),
        Kind::WebPage => {
            format!("something in between answers in the place of {host}: have it let that host through, or {proxy}")
        }
        Kind::Forbidden if host != trace.image.split('/').next().unwrap_or_default() => {
            format!("the registry sends one on to {host}: have whatever filters let that host through, too")
        }
        Kind::Expired | Kind::NotYetValid => {
            format!("see to this node's clock (node.clock), then to the certificate of {host}")
        }
        Kind::WrongName => format!("name {host} as its certificate does, or have its certificate name it"),
        Kind::UnknownAuthority
        | Kind::Tls
        | Kind::Unauthorized
        | Kind::Forbidden
        | Kind::NotFound
        | Kind::TooManyRequests
        | Kind::ServerError
        | Kind::Status
        | Kind::Malformed
        | Kind::Redirects
        | Kind::TooLarge
        | Kind::Truncated
        | Kind::WrongDigest
        | Kind::Credentials => {
            let runtime = case.far.met().map_or("containerd", |met| met.name.as_str());
            let (kind, unit) = targets::kind_and_unit(case);
            remedy(&said, host, runtime, kind, unit)
        }
    };
    Check::failure(id, format!("{said}; {met}"), what).took(took)
}

/// Whom a step met.
fn told(step: &Step) -> String {
    let mut told = step.host.clone();
    if let Some(address) = step.address {
        told = format!("{told} at {address}");
    } else if !step.addresses.is_empty() {
        let addresses: Vec<_> = step.addresses.iter().map(ToString::to_string).collect();
        told = format!("{told} (none of {})", some(&addresses));
    }
    if let Some(proxy) = &step.proxy {
        told = format!("{told} by the proxy {proxy}");
    }
    if let Some(certificate) = step.certificates.first() {
        told = format!("{told}, certified by `{}`", certificate.issuer);
    }
    told
}

async fn credential(
    settings: &Settings,
    store: &Store,
    trial: &Trial,
    image: Reference<'_>,
) -> Result<Option<Credential>, String> {
    let Credentials::Source(name) = &trial.credentials else { return Ok(None) };
    let is_systemd = |(other, source): &(String, Source)| other == name && matches!(source, Source::Systemd { .. });
    if settings.credentials.iter().any(is_systemd) {
        return Err("systemd hands its credentials to the service alone".to_owned());
    }
    store.find(name, image).await.map_err(|error| Chain(&error).to_string())
}

/// The proxies that the runtime goes by.
struct Environment {
    proxies: Proxies,
    /// Where they are said, or would be.
    told: String,
    /// Lines that say them. What they say may have a password in it.
    places: Vec<String>,
}

// === impl Environment ===

impl Environment {
    /// That of the runtime's unit; this program's own where there is none.
    fn of(case: &Case) -> Self {
        let (prefix, units) = match &case.node {
            Ok(Node { kind: NodeKind::K3s | NodeKind::Rke2, units, .. }) => ("CONTAINERD_", units.clone()),
            Ok(_) | Err(_) => ("", UNITS.map(str::to_owned).into()),
        };
        let found = units.iter().find_map(|unit| Unit::read(&case.tree, unit).ok().flatten());
        let Some(unit) = found else {
            let told = "set HTTPS_PROXY= and NO_PROXY= for the runtime (it has no unit here, so this program's own were taken)";
            return Self { proxies: Proxies::of_environment(), told: told.to_owned(), places: Vec::new() };
        };
        let variables = unit.environment(&case.tree).unwrap_or_default();
        let mut places = Vec::new();
        let mut value = |name: &str| {
            let names = [format!("{prefix}{name}"), name.to_owned(), name.to_ascii_lowercase()];
            let found = names.iter().find_map(|name| variables.get(name))?;
            let place = format!("{}:{}", found.file.display(), found.line);
            if !places.contains(&place) {
                places.push(place);
            }
            Some(found.value.clone())
        };
        let [https, http, exempt] = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"].map(&mut value);
        let proxies = Proxies::new(https.as_deref(), http.as_deref(), exempt.as_deref());
        let told = match places.first() {
            Some(place) => format!("see to HTTPS_PROXY= and NO_PROXY= in {place}"),
            None => format!("set {prefix}HTTPS_PROXY= and {prefix}NO_PROXY= in the environment of {}", unit.name),
        };
        Self { proxies, told, places }
    }
}

/// What the runtime trusts for this registry besides what the machine does.
fn authorities(case: &Case, registry: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories: Vec<PathBuf> =
        AUTHORITIES.iter().map(|directory| Path::new(directory).join(registry)).collect();
    if let Some(address) = case.runtime()
        && let Ok(Some(containerd)) = Containerd::read(&case.tree, &address)
    {
        for directory in containerd.directories().iter().map(|directory| directory.join(registry)) {
            let text = case.tree.text(&directory.join("hosts.toml")).ok().flatten();
            let table: Table = text.and_then(|text| text.parse().ok()).unwrap_or_default();
            let hosts = table.get("host").and_then(Value::as_table).into_iter().flat_map(|hosts| hosts.values());
            let said = hosts.filter_map(|host| host.get("ca")).chain(table.get("ca"));
            for said in said {
                let several = said.as_array().map_or_else(|| vec![said], |all| all.iter().collect());
                files.extend(several.iter().filter_map(|one| one.as_str()).map(|file| directory.join(file)));
            }
            directories.push(directory);
        }
    }
    for directory in directories {
        let names = case.tree.names(&directory).unwrap_or_default();
        files.extend(names.iter().filter(|name| name.ends_with(".crt")).map(|name| directory.join(name)));
    }
    files
}
