//! Whom the runtime trusts as a registry: those that the machine trusts, and those that it is told of for that one.

use super::super::Case;
use super::super::check::{Check, Verdict};
use super::super::containerd::{Hosts, NAME, directories, directory, wants_hosts};
use super::environment::Environment;
use crate::node::Runtime;
use crate::registry::{Fault, Kind, Place, Roots};
use std::path::{Path, PathBuf};

/// Authorities, and what else decides whether this registry is talked to.
pub(super) struct Authorities {
    pub(super) roots: Roots,
    /// The registry, where it is asked without TLS.
    pub(super) plain: Vec<Place>,
    /// Files that say so.
    files: Vec<String>,
    is_unverified: bool,
    has_client: bool,
}

/// What the runtime is told of one registry.
#[derive(Default)]
struct Told {
    /// Files that name authorities.
    authorities: Vec<PathBuf>,
    /// One that says all of it.
    file: Option<PathBuf>,
    is_plain: bool,
    is_unverified: bool,
    has_client: bool,
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
/// How files of authorities end there, and those that are shown to the registry.
const END: &str = ".crt";
/// Likewise.
const CLIENT: &str = ".cert";

// === impl Authorities ===

impl Authorities {
    pub(super) fn of(case: &Case, environment: &Environment, registry: &str) -> Self {
        let mut roots = of_machine(case, environment);
        let told = Told::of(case, registry);
        // One that can't be read trusts nobody, and that shows.
        let files = told.authorities.into_iter().filter(|file| roots.add(&case.path(file)).is_ok()).chain(told.file);
        let mut files: Vec<String> = files.map(|file| file.display().to_string()).collect();
        files.dedup();
        if told.is_unverified {
            roots = Roots::anybody();
        }
        let plain = told.is_plain.then(|| registry.parse().ok()).flatten().into_iter().collect();
        Self { roots, plain, files, is_unverified: told.is_unverified, has_client: told.has_client }
    }

    /// Says what of this the runtime does and is not seen here.
    pub(super) fn told(&self, mut check: Check, registry: &str, fault: Option<&Fault>) -> Check {
        if self.is_unverified {
            check
                .found
                .push_str("; the runtime verifies no certificate of it (`skip_verify`), and so it was done here");
        }
        if self.has_client {
            check.found.push_str("; the runtime shows it a certificate (`client`, *.cert), which was not done here");
            let may_be_why = [Kind::Tls, Kind::Closed, Kind::Status, Kind::Unauthorized, Kind::Forbidden];
            if fault.is_some_and(|fault| fault.host == registry && may_be_why.contains(&fault.kind)) {
                let remedy = "try it by a pull, which is the runtime's: without --skip-pull";
                check = Check { verdict: check.verdict.min(Verdict::Note), ..check }.remedy(remedy);
            }
        }
        self.files.iter().fold(check, |check, file| check.at(file))
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

// === impl Told ===

impl Told {
    fn of(case: &Case, registry: &str) -> Self {
        let within = |directory: &str| Path::new(directory).join(registry);
        match case.which() {
            Some(Runtime::Containerd) | None => Self::of_containerd(case, registry),
            Some(Runtime::Crio) => Self::beside(case, &[within(CONTAINERS), within(DOCKER)]),
            Some(Runtime::Docker) => Self::beside(case, &[within(DOCKER)]),
        }
    }

    fn of_containerd(case: &Case, registry: &str) -> Self {
        let containerd = case.containerd().ok().flatten().unwrap_or_default();
        let Some(own) = directory(case, &directories(case, &containerd), registry) else { return Self::default() };
        let file = own.join(NAME);
        let text = case.tree.text(&file).ok().flatten().filter(|text| !text.is_empty());
        let Some(hosts) = text.and_then(|text| Hosts::read(&text, &own, wants_hosts(case)).ok()) else {
            return Self::beside(case, &[own]);
        };
        // What a mirror is trusted by says nothing of the registry itself, which is who is asked here.
        let itself: Vec<_> = hosts.asked().filter(|host| host.serves(registry)).collect();
        let mut told =
            Self { authorities: itself.iter().flat_map(|host| host.authorities.clone()).collect(), ..Self::default() };
        told.is_plain = !itself.is_empty() && itself.iter().all(|host| host.is_plain);
        told.is_unverified = itself.iter().any(|host| host.is_unverified);
        told.has_client = itself.iter().any(|host| host.has_client);
        told.file = (told.is_unverified || told.has_client).then_some(file);
        told
    }

    /// What files beside each other say by their names.
    fn beside(case: &Case, directories: &[PathBuf]) -> Self {
        let all: Vec<PathBuf> = directories
            .iter()
            .flat_map(|own| case.tree.names(own).unwrap_or_default().into_iter().map(|name| own.join(name)))
            .collect();
        let ends = |file: &Path, end: &str| file.to_string_lossy().ends_with(end);
        let has_client = all.iter().any(|file| ends(file, CLIENT));
        let authorities = all.into_iter().filter(|file| ends(file, END)).collect();
        Self { authorities, has_client, ..Self::default() }
    }
}
