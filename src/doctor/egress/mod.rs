//! The way out to every target, followed as the runtime has to go it: whom one meets, and where it ends.

mod authorities;
mod environment;

use super::check::some;
use super::{Case, Check, Id, targets};
use crate::clock::Clock;
use crate::config::Settings;
use crate::credentials::{Credential, Source, Store};
use crate::error::Chain;
use crate::install::check::Trial;
use crate::install::remedy::{Failure, Site, Trouble};
use crate::reference::Reference;
use crate::registry::{Client, Fault, Kind, Platform, Step, Trace, Way, What, egress};
use crate::rules::Credentials;
use crate::rules::place::normal;
use authorities::Authorities;
use environment::Environment;
use std::time::{Duration, Instant};

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
    if let Some(why) = targets::credentials_elsewhere(case, trial) {
        return Check::skipped(id, why);
    }
    let credential = match credential(settings, store, trial, image).await {
        Ok(credential) => credential,
        Err(why) => return Check::skipped(id, why),
    };
    let authorities = Authorities::of(case, environment, image.registry());
    let (roots, plain) = (authorities.roots.clone(), authorities.plain.clone());
    let client = Client::new(Way { roots, plain, proxies: environment.proxies.clone(), ..Way::default() });
    let began = Instant::now();
    let trace = egress(&client, image, credential.as_ref(), &Platform::here()).await;
    let check = judge(case, environment, &trace, began.elapsed());
    let check = environment.places.iter().fold(check, |check, place| check.at(place));
    authorities.told(check, image.registry(), trace.fault.as_ref())
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
    Check::failure(id, format!("{fault}; {met}"), what_to_do(case, environment, trace, fault)).took(took)
}

/// What to do about a fault. Of those that a pull by the runtime would have, too, the same is said.
fn what_to_do(case: &Case, environment: &Environment, trace: &Trace, fault: &Fault) -> String {
    let host = fault.host.as_str();
    let proxy = &environment.told;
    let registry = trace.image.split('/').next().unwrap_or_default();
    let is_elsewhere = normal(host) != normal(registry);
    let is_token = trace.steps.last().is_some_and(|step| step.what == What::Token);
    let trouble = match fault.kind {
        Kind::Dns => {
            return format!(
                "see to the node's resolver (/etc/resolv.conf) and to the name; where {host} is for a proxy to look up, {proxy}"
            );
        }
        Kind::Timeout | Kind::Unreachable => {
            return format!("let this node out to {}, or, where that takes a proxy, {proxy}", with_port(trace, host));
        }
        Kind::Closed => {
            return format!(
                "let this node out to {}: something in between may hang up, such as a firewall that cuts TLS by the name (SNI); where that \
                 takes a proxy, {proxy}",
                with_port(trace, host)
            );
        }
        Kind::Refused => {
            return format!(
                "see that {host} runs and listens, and that nothing in between refuses; where that takes a proxy, {proxy}"
            );
        }
        Kind::Proxy => return format!("see to the proxy {host}, and whether it lets this node out: {proxy}"),
        Kind::WebPage => {
            return format!(
                "something in between answers in the place of {host}: have it let that host through, or {proxy}"
            );
        }
        Kind::Forbidden if is_elsewhere && !is_token => Trouble::SentOn,
        Kind::Expired | Kind::NotYetValid => Trouble::Expired,
        Kind::WrongName => Trouble::WrongName,
        Kind::UnknownAuthority => Trouble::Certificate,
        Kind::Tls if fault.speaks_no_tls() => Trouble::PlainHttp,
        Kind::Tls => Trouble::Handshake,
        Kind::Unauthorized | Kind::Forbidden => Trouble::Credentials,
        Kind::NotFound => Trouble::Missing,
        Kind::TooManyRequests => Trouble::TooOften,
        Kind::ServerError => Trouble::Server,
        Kind::Status
        | Kind::Malformed
        | Kind::Redirects
        | Kind::TooLarge
        | Kind::Truncated
        | Kind::WrongDigest
        | Kind::Credentials => Trouble::Other,
    };
    let host = if is_elsewhere { host } else { registry };
    let (kind, unit) = targets::kind_and_unit(case);
    let site = Site { runtime: case.which(), kind, unit, hosts: &targets::hosts(case) };
    let told = Failure { trouble, registry, host }.remedy(site);
    // Which is more than can be said of a pull.
    let is_shown_none = trouble == Trouble::Handshake && fault.detail.contains("certificate");
    let more =
        if is_shown_none { "; repoint itself shows none: whether the runtime does is told by a pull" } else { "" };
    format!("{told}{more}")
}

/// A host and the port that was asked for, which is known where it is written, or by how it was asked.
fn with_port(trace: &Trace, host: &str) -> String {
    let after =
        |name: &str| name.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|one| one.is_ascii_digit()));
    if after(host) && !host.ends_with(']') {
        return host.to_owned();
    }
    let step = trace.steps.iter().rfind(|step| step.host == host);
    let is_plain = step.is_some_and(|step| step.proxy.is_none() && step.url.starts_with("http://"));
    format!("{host} (port {})", if is_plain { 80 } else { 443 })
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
