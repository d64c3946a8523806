//! The runtime: whether it answers, what it speaks, and whether somebody else stands before it for images.

use super::far::{Met, answers_images};
use super::{Case, Check, Far, Id};
use crate::cri::method::Version;
use crate::runtime::Address;
use std::path::Path;

/// Where snapshotters listen that may have an image service of their own, and what they are called.
const PROXIES: &[(&str, &str)] = &[
    ("stargz", "/run/containerd-stargz-grpc/containerd-stargz-grpc.sock"),
    ("nydus", "/run/containerd-nydus/containerd-nydus-grpc.sock"),
    ("SOCI", "/run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock"),
];

pub(super) async fn checks(case: &Case) -> Vec<Check> {
    let met = match &case.far {
        Far::Met(met) => met,
        Far::NotAsked => {
            let why = "only files are looked at; --runtime names a socket";
            let all = [Id::RuntimeReachable, Id::RuntimeApi, Id::RuntimeImageEndpoint];
            return all.map(|id| Check::skipped(id, why)).into();
        }
        Far::Silent { address, why } => {
            let remedy = match address {
                Some(address) => format!(
                    "see whether the runtime runs (`systemctl status containerd crio cri-docker`) and listens at {}; another socket is named \
                     by `runtime` in /etc/repoint/repoint.toml",
                    address.path().display()
                ),
                None => "name the kubelet's runtime by `runtime` in /etc/repoint/repoint.toml".to_owned(),
            };
            let mut checks = vec![Check::failure(Id::RuntimeReachable, why, remedy)];
            let others = [Id::RuntimeApi, Id::RuntimeImageEndpoint];
            checks.extend(others.map(|id| Check::skipped(id, "the runtime does not answer")));
            return checks;
        }
    };
    let Met { name, version, address, .. } = met;
    let mut checks = vec![Check::ok(Id::RuntimeReachable, format!("{name} {version} at {address}")), api(met)];
    checks.extend(image_endpoint(case, met).await);
    checks
}

fn api(met: &Met) -> Check {
    match met.apis.as_slice() {
        [Version::V1Alpha2] => {
            Check::note(Id::RuntimeApi, "v1alpha2 alone, which kubelets from 1.26 on no longer speak")
        }
        [Version::V1, Version::V1Alpha2] => {
            Check::ok(Id::RuntimeApi, "v1 and v1alpha2: every kubelet speaks one of them")
        }
        _ => Check::ok(Id::RuntimeApi, "v1, which kubelets from 1.23 on speak"),
    }
}

/// Image calls may go elsewhere than all others; and who stands there may be passed by.
async fn image_endpoint(case: &Case, met: &Met) -> Vec<Check> {
    let id = Id::RuntimeImageEndpoint;
    let configured = case.settings.as_ref().ok().and_then(|settings| settings.runtime.image.clone());
    if let Some(image) = configured {
        return vec![match answers_images(&case.path(image.path()), met.api()).await {
            Some(Ok(())) => Check::ok(id, format!("image calls go to {image}, by `image_endpoint`")),
            answer => Check::failure(
                id,
                match answer {
                    Some(Err(why)) => {
                        format!("image calls go to {image}, by `image_endpoint`, which does not answer: {why}")
                    }
                    _ => format!("image calls go to {image}, by `image_endpoint`, and nobody there takes them"),
                },
                format!(
                    "see to the service that listens at {}, or take `image_endpoint` out of /etc/repoint/repoint.toml, and image calls go to \
                     the runtime",
                    image.path().display()
                ),
            ),
        }];
    }
    let mut checks = Vec::new();
    let mut passed_by: Vec<Address> = Vec::new();
    let others = case.others();
    if let Some(said) = others.image.last()
        && let Some(image) = &said.address
        && !image.is_same_as(&met.address)
        && case.runtime().is_none_or(|runtime| !runtime.is_same_as(image))
    {
        passed_by.push(image.clone());
        let found = format!("without repoint, the kubelet's image calls go to {image}; with it, that is passed by");
        checks.push(Check::warning(id, found, told(image)).at(said.to_string()));
    }
    for (name, path) in PROXIES {
        let Ok(address) = path.parse::<Address>() else { continue };
        let is_known = passed_by.iter().any(|known| known.is_same_as(&address)) || met.address.is_same_as(&address);
        if !is_known && let Some(Ok(())) = answers_images(&case.path(Path::new(path)), met.api()).await {
            let found = format!("{name} takes image calls at {path}, and neither the kubelet nor repoint sends it any");
            checks.push(Check::note(id, found).remedy(told(&address)));
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok(id, "image calls go to the runtime, and nobody else takes any"));
    }
    checks
}

fn told(image: &Address) -> String {
    format!(
        "if images are to come by way of it, say so in /etc/repoint/repoint.toml (`image_endpoint = \"{image}\"`) and restart \
         repoint.service"
    )
}
