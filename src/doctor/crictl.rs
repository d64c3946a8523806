//! crictl: whether what a person tries by hand goes the way the kubelet's calls go.

use super::{Case, Check, Id};
use crate::node::yaml;
use crate::runtime::Address;
use std::path::Path;

const FILE: &str = "/etc/crictl.yaml";
/// Remedy of what is no YAML.
const BROKEN: &str = "mend the file: crictl does not start with it";

pub(super) fn checks(case: &Case) -> Vec<Check> {
    let id = Id::CrictlEndpoint;
    let text = match case.tree.text(Path::new(FILE)) {
        Ok(Some(text)) => text,
        Ok(None) => {
            return vec![Check::note(
                id,
                format!(
                    "there is no {FILE}: crictl looks for a runtime by itself, and what it pulls goes past repoint"
                ),
            )];
        }
        Err(error) => {
            return vec![Check::unclear(id, &error, BROKEN).at(FILE)];
        }
    };
    let keys = match yaml::read(Path::new(FILE), &text) {
        Ok(keys) => keys,
        Err(error) => {
            return vec![Check::unclear(id, &error, BROKEN).at(FILE)];
        }
    };
    let said = |key: &str| keys.get(key).and_then(yaml::text).filter(|text| !text.is_empty());
    let (runtime, image) = (said("runtime-endpoint"), said("image-endpoint"));
    let (key, endpoint) = match (image, runtime) {
        (Some(image), _) => ("image-endpoint", image),
        (None, Some(runtime)) => ("runtime-endpoint", runtime),
        (None, None) => {
            return vec![Check::note(id, format!("{FILE} names no endpoint: crictl looks for a runtime by itself"))];
        }
    };
    let place = format!("{FILE}:{}", yaml::line(&text, key).unwrap_or(1));
    vec![
        match endpoint.parse::<Address>() {
            Err(error) => Check::warning(id, error.to_string(), format!("write a socket at {place}")),
            Ok(address) if address.is_same_as(&case.listen) => {
                Check::ok(id, format!("crictl's image calls go to repoint, as the kubelet's do ({key})"))
            }
            Ok(address) if case.wishes.root.is_none() && !address.path().exists() => Check::warning(
                id,
                format!("crictl's {key} is {address}, and there is no such socket"),
                format!("name repoint's at {place}: {}", case.listen),
            ),
            Ok(address) => Check::note(id, format!("crictl's {key} is {address}: what it pulls goes past repoint"))
                .remedy(format!("to try what the kubelet sees: `crictl --image-endpoint {} pull …`", case.listen)),
        }
        .at(place),
    ]
}
