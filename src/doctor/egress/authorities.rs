//! Whom the runtime trusts as a registry: those that the machine trusts, and those that it is told of for that one.

use super::super::Case;
use super::super::containerd::{FOR_ALL, SINCE, USUAL, host_of};
use super::environment::Environment;
use crate::node::Runtime;
use crate::registry::Roots;
use crate::rules::place::normal;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Authorities, and which files name them for this registry.
pub(super) struct Authorities {
    pub(super) roots: Roots,
    pub(super) files: Vec<String>,
}

/// Where Go's programs look for those that a machine trusts: the first file that is there.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Where Docker looks for those of one registry, and CRI-O after its own place.
const DOCKER: &str = "/etc/docker/certs.d";
/// Likewise, CRI-O's.
const CONTAINERS: &str = "/etc/containers/certs.d";
/// How files of authorities end there.
const END: &str = ".crt";

// === impl Authorities ===

impl Authorities {
    pub(super) fn of(case: &Case, environment: &Environment, registry: &str) -> Self {
        let mut roots = of_machine(case, environment);
        // One that can't be read trusts nobody, and that shows.
        let files = of_registry(case, registry).into_iter().filter(|file| roots.add(&case.path(file)).is_ok());
        let files = files.map(|file| file.display().to_string()).collect();
        Self { roots, files }
    }
}

/// Those of the machine that the node is, which is not this one where its files are elsewhere.
fn of_machine(case: &Case, environment: &Environment) -> Roots {
    let bundle = environment.bundle.clone();
    if bundle.is_none() && case.wishes.root.is_none() {
        return Roots::of_system();
    }
    let mut roots = Roots::none();
    let usual = || BUNDLES.iter().map(PathBuf::from).find(|file| case.tree.has(file));
    if let Some(file) = bundle.or_else(usual) {
        // As above.
        let _nobody = roots.add(&case.path(&file));
    }
    roots
}

/// The files in which whoever pulls finds more for this registry.
fn of_registry(case: &Case, registry: &str) -> Vec<PathBuf> {
    let within = |directory: &str| certificates(case, &Path::new(directory).join(registry));
    match case.which() {
        Some(Runtime::Containerd) | None => of_containerd(case, registry),
        Some(Runtime::Crio) => [within(CONTAINERS), within(DOCKER)].concat(),
        Some(Runtime::Docker) => within(DOCKER),
    }
}

fn of_containerd(case: &Case, registry: &str) -> Vec<PathBuf> {
    let mut directories = case.containerd().ok().flatten().map(|found| found.directories()).unwrap_or_default();
    if directories.is_empty() && case.release().is_none_or(|release| release >= SINCE) {
        directories = USUAL.map(PathBuf::from).into();
    }
    let with_port = registry.rsplit_once(':').map(|(host, port)| format!("{host}_{port}_"));
    let names = [with_port.as_deref(), Some(registry), Some(FOR_ALL)];
    let own =
        |directory: &PathBuf| names.iter().flatten().map(|name| directory.join(name)).find(|own| case.tree.has(own));
    let Some(directory) = directories.iter().find_map(own) else { return Vec::new() };
    let Ok(Some(text)) = case.tree.text(&directory.join("hosts.toml")) else {
        return certificates(case, &directory);
    };
    let table: Table = text.parse().unwrap_or_default();
    // What a mirror is trusted by says nothing of the registry itself, which is who is asked here.
    let hosts = table.get("host").and_then(Value::as_table).into_iter().flatten();
    let itself =
        hosts.filter(|(url, _)| normal(host_of(url)) == normal(registry)).filter_map(|(_, host)| host.get("ca"));
    let several = |said: &Value| said.as_array().cloned().unwrap_or_else(|| vec![said.clone()]);
    let all = itself.chain(table.get("ca")).flat_map(several);
    all.filter_map(|one| one.as_str().map(|file| directory.join(file))).collect()
}

fn certificates(case: &Case, directory: &Path) -> Vec<PathBuf> {
    let names = case.tree.names(directory).unwrap_or_default();
    names.iter().filter(|name| name.ends_with(END)).map(|name| directory.join(name)).collect()
}
