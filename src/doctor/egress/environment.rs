//! What the runtime's unit has in its environment that decides how it goes out.

use super::super::Case;
use crate::node::containerd::is_rancher_s;
use crate::node::unit::Unit;
use crate::node::{Kind, Node, Runtime};
use crate::registry::Proxies;
use std::path::PathBuf;

/// The proxies that the runtime goes by, and whom it is told to trust.
pub(super) struct Environment {
    pub(super) proxies: Proxies,
    /// The bundle of authorities that stands for those of the machine.
    pub(super) bundle: Option<PathBuf>,
    /// What to do about a proxy: where it is said, or would be.
    pub(super) told: String,
    /// Lines that say something of it. What they say may have a password in it.
    pub(super) places: Vec<String>,
}

/// How k3s and RKE2 tell what is for their containerd alone.
const FOR_CONTAINERD: &str = "CONTAINERD_";
/// Where Go's programs, the runtimes among them, are told of other authorities.
const BUNDLE: &str = "SSL_CERT_FILE";

// === impl Environment ===

impl Environment {
    /// That of the runtime's unit; where there is none, this program's own proxies.
    pub(super) fn of(case: &Case) -> Self {
        let (prefix, units) = units(case);
        let found = units.iter().find_map(|unit| Unit::read(&case.tree, unit).ok().flatten());
        let Some(unit) = found else {
            let told = "set HTTPS_PROXY= and NO_PROXY= for the runtime (it has no unit here, so this program's own were taken)";
            let proxies = Proxies::of_environment();
            return Self { proxies, bundle: None, told: told.to_owned(), places: Vec::new() };
        };
        let variables = match unit.environment(&case.tree) {
            Ok(variables) => variables,
            Err(error) => {
                let told = format!(
                    "see to HTTPS_PROXY= and NO_PROXY= in the environment of {}, which can't be made out here, so no proxy was used: {error}",
                    unit.name
                );
                return Self { proxies: Proxies::default(), bundle: None, told, places: Vec::new() };
            }
        };
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
        let bundle = variables.get(BUNDLE).map(|variable| PathBuf::from(&variable.value));
        Self { proxies, bundle, told, places }
    }
}

/// The unit of whoever pulls; the first one that is there of several. What k3s and RKE2 bring along is in their own.
fn units(case: &Case) -> (&'static str, Vec<String>) {
    if let Ok(Node { kind: Kind::K3s | Kind::Rke2, units, .. }) = &case.node
        && case.runtime().is_some_and(|runtime| is_rancher_s(&runtime))
    {
        return (FOR_CONTAINERD, units.clone());
    }
    let all = [Runtime::Containerd, Runtime::Crio, Runtime::Docker];
    let which = case.which().map_or_else(|| all.to_vec(), |runtime| vec![runtime]);
    ("", which.into_iter().map(|runtime| runtime.unit().to_owned()).collect())
}
