//! The keys that credentials stand under: which of them an image lies in, and which of those is the most specific.
//!
//! docker writes hosts and URLs (`https://index.docker.io/v1/`), podman and skopeo hosts with a path, Kubernetes patterns
//! of hosts. One reading covers them all:
//!
//! * A scheme is ignored, and so is the API's version after the host of a URL: docker's old keys had it.
//! * Hosts have no case, and a port of 443 is no port.
//! * `*` and `?` stand for any characters within one label of the host, so that `*.example.com` is not `example.com`.
//! * A path is a prefix by whole components. (The kubelet's is one by letters, by which a key of `team` is for `teams` as well.)

#[cfg(test)]
mod tests;

use crate::reference::Reference;
use crate::rules::place::normal;
use std::borrow::Cow;
use wildmatch::WildMatch;

/// How specific a key is for an image. Compared from the first field on; the host comes before the path as with the
/// kubelet, which sorts its keys by letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Labels of the host that are written out.
    labels: usize,
    /// Components of the path.
    components: usize,
    /// Whether it is the very registry as the image has it. docker prefers that to a URL of the same host.
    exact: bool,
}

/// Docker Hub, as references name it.
const HUB: &str = "docker.io";
/// What else it goes by in keys.
const HUB_ALIASES: &[&str] = &["index.docker.io", "registry-1.docker.io"];
/// What docker calls it when it asks a helper.
const HUB_SERVER: &str = "https://index.docker.io/v1/";
/// Between a host and a repository in URLs of registries.
const API_VERSIONS: &[&str] = &["v1", "v2"];

/// What stands under the most specific of the keys that `image` lies in. Of equals, the first.
pub(super) fn best<K: AsRef<str>, V>(entries: impl IntoIterator<Item = (K, V)>, image: Reference<'_>) -> Option<V> {
    let mut best: Option<(Rank, V)> = None;
    for (key, value) in entries {
        if let Some(rank) = rank(key.as_ref(), image)
            && best.as_ref().is_none_or(|(held, _)| rank > *held)
        {
            best = Some((rank, value));
        }
    }
    best.map(|(_, value)| value)
}

/// What docker calls the registry of `image` when it asks a helper.
pub(super) fn server(image: Reference<'_>) -> &str {
    if registry(image.registry()) == HUB { HUB_SERVER } else { image.registry() }
}

/// The repository of `image` without tag and digest, nothing implied: how the kubelet names it to a credential provider.
pub(super) fn repository(image: Reference<'_>) -> String {
    let mut name = image.registry().to_owned();
    for component in image.components() {
        name.push('/');
        name.push_str(component);
    }
    name
}

/// A registry as it is compared.
pub(super) fn registry(written: &str) -> Cow<'_, str> {
    let registry = normal(written);
    if HUB_ALIASES.contains(&registry.as_ref()) { Cow::Borrowed(HUB) } else { registry }
}

/// How specific `key` is for `image`, if it is for it at all.
fn rank(key: &str, image: Reference<'_>) -> Option<Rank> {
    let (schema, rest) = match key.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, key),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // A user in a URL is not part of the host.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let labels = match_host(&registry(host), &registry(image.registry()))?;

    let mut path: Vec<&str> = path.split('/').filter(|component| !component.is_empty()).collect();
    if path.first().is_some_and(|first| API_VERSIONS.contains(first)) && (schema || path.len() == 1) {
        path.remove(0);
    }
    let mut components = image.components();
    let covered = path.iter().all(|part| components.next() == Some(part));
    covered.then(|| Rank { labels, components: path.len(), exact: key == image.registry() })
}

/// How many labels of `pattern` are written out, if `host` matches it. Both may have a port.
fn match_host(pattern: &str, host: &str) -> Option<usize> {
    let ((pattern, port), (host, same)) = (split_port(pattern), split_port(host));
    let labels = || pattern.split('.').zip(host.split('.'));
    let is_pattern = |label: &str| label.contains(['*', '?']);
    let matches = port == same
        && pattern.split('.').count() == host.split('.').count()
        && labels().all(|(one, other)| one == other || (is_pattern(one) && WildMatch::new(one).matches(other)));
    matches.then(|| labels().filter(|(one, _)| !is_pattern(one)).count())
}

/// A host without its port. The colons of an IPv6 address are in brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host, None),
    }
}
