//! Images that never were where they are asked for.
//!
//! `k8s.gcr.io` was frozen on 2023-04-03. The last releases of Kubernetes before that were 1.24.12, 1.25.8 and 1.26.3;
//! the later ones were never put there. Who asks for one has written the old name into a new manifest.
//!
//! Source: Kubernetes' notice of 2023-02-06 ("k8s.gcr.io Image Registry Will Be Frozen From the 3rd of April 2023").

use crate::reference::Reference;
use crate::rules::builtin::KUBERNETES;
use crate::rules::place::normal;

/// The images that go by Kubernetes' own version.
const CORE: &[&str] = &["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "conformance"];

/// Of each minor release, the last patch that was there. None of a later one was, and all of an earlier one were.
const LAST: &[(u32, u32)] = &[(24, 12), (25, 8), (26, 3)];

/// Whether `image` is one of Kubernetes' own, of a version that never was on the old registry. Where that is not known, as
/// with pre-releases of the time, it is not.
pub fn is_after(image: &str) -> bool {
    let Ok(reference) = Reference::parse(image) else { return false };
    let mut path = reference.components();
    let (Some(name), None) = (path.next(), path.next()) else { return false };
    // There are some for one architecture: `kube-proxy-amd64`.
    let is_core =
        CORE.iter().any(|core| name.strip_prefix(core).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')));
    if normal(reference.registry()) != KUBERNETES || !is_core {
        return false;
    }
    let Some((minor, patch, is_release)) = reference.tag().and_then(version) else { return false };
    match LAST.iter().find(|(known, _)| *known == minor) {
        Some((_, last)) => is_release && patch > *last,
        None => LAST.last().is_some_and(|(newest, _)| {
            minor > newest.saturating_add(1) || (minor > *newest && (is_release || patch > 0))
        }),
    }
}

/// The minor release and the patch of a tag such as `v1.27.1` or `v1.27.1-rc.0`, and whether it is no pre-release.
fn version(tag: &str) -> Option<(u32, u32, bool)> {
    let (minor, rest) = tag.strip_prefix("v1.")?.split_once('.')?;
    let end = rest.find(|other: char| !other.is_ascii_digit()).unwrap_or(rest.len());
    let (patch, after) = rest.split_at_checked(end)?;
    Some((minor.parse().ok()?, patch.parse().ok()?, !after.starts_with('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_released_after_the_freeze_never_was_there() {
        for (image, expected) in [
            ("k8s.gcr.io/kube-apiserver:v1.26.3", false),
            ("k8s.gcr.io/kube-apiserver:v1.26.4", true),
            ("k8s.gcr.io/kube-proxy:v1.25.8", false),
            ("k8s.gcr.io/kube-proxy:v1.25.9", true),
            ("k8s.gcr.io/kube-scheduler:v1.24.13", true),
            ("k8s.gcr.io/kube-scheduler:v1.23.17", false),
            ("k8s.gcr.io/kube-controller-manager:v1.9.11", false),
            ("k8s.gcr.io/kube-proxy-amd64:v1.27.0", true),
            ("K8S.gcr.io:443/kube-proxy:v1.31.0", true),
            ("k8s.gcr.io/kube-proxy:v1.28.0-alpha.1", true),
            // Pre-releases of those days may have been there.
            ("k8s.gcr.io/kube-proxy:v1.27.0-rc.0", false),
            ("k8s.gcr.io/kube-proxy:v1.26.4-rc.0", false),
            // What has no version of Kubernetes' own has no date.
            ("k8s.gcr.io/pause:3.10", false),
            ("k8s.gcr.io/coredns/coredns:v1.27.0", false),
            ("k8s.gcr.io/kube-proxies:v1.31.0", false),
            ("k8s.gcr.io/kube-proxy", false),
            ("k8s.gcr.io/kube-proxy:latest", false),
            ("k8s.gcr.io/kube-proxy:v1.99999999999.0", false),
            ("old.example/kube-proxy:v1.31.0", false),
            ("registry.k8s.io/kube-proxy:v1.31.0", false),
        ] {
            assert_eq!(is_after(image), expected, "{image}");
        }
    }
}
