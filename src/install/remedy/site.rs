//! Where a node's runtime is told what: whom to trust, and by which proxy to go.

use crate::node::containerd::Containerd;
use crate::node::{Kind, Runtime};
use std::path::PathBuf;

/// By what a node's containerd is told of registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Hosts {
    /// Nobody knows.
    #[default]
    Unknown,
    /// By a `hosts.toml` for each, below that directory.
    Below(PathBuf),
    /// By lines of that file which are deprecated, and beside which a `config_path` would keep it from serving CRI.
    Mirrors(PathBuf),
}

/// On what node that is.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Its runtime, where that is one of those that are known.
    pub runtime: Option<Runtime>,
    /// Who set its kubelet up.
    pub kind: Kind,
    /// The unit that the kubelet is in.
    pub unit: &'a str,
    /// What containerd goes by, if it is that.
    pub hosts: &'a Hosts,
}

/// Where containerd's `config_path` leads on most nodes.
const CERTS: &str = "/etc/containerd/certs.d";

// === impl Hosts ===

impl Hosts {
    /// What containerd goes by whose configuration is that; what is `usual` where it says nothing.
    pub fn of(containerd: &Containerd, usual: Option<PathBuf>) -> Self {
        match containerd.mirrors.as_slice() {
            [first, ..] => Self::Mirrors(first.file.clone()),
            [] => containerd.directories().into_iter().next().or(usual).map_or(Self::Unknown, Self::Below),
        }
    }
}

// === impl Site ===

impl Site<'_> {
    /// Where the runtime is told whom to trust as that registry, and as those that it sends one on to.
    pub(super) fn authorities(self, registry: &str) -> String {
        match (self.runtime, self.rancher()) {
            (Some(Runtime::Crio), _) => format!("/etc/containers/certs.d/{registry}/ca.crt"),
            (Some(Runtime::Docker), _) => format!("/etc/docker/certs.d/{registry}/ca.crt"),
            (_, Some(file)) => format!("`configs: {registry}: tls: ca_file:` in {file}"),
            (Some(Runtime::Containerd) | None, None) => {
                self.in_hosts(registry, "`ca =`", "`ca_file` under configs", "tls")
            }
        }
    }

    /// Where it is told what certificate to show.
    pub(super) fn client(self, registry: &str) -> String {
        match (self.runtime, self.rancher()) {
            (Some(Runtime::Crio), _) => format!("client.cert and client.key in /etc/containers/certs.d/{registry}"),
            (Some(Runtime::Docker), _) => format!("client.cert and client.key in /etc/docker/certs.d/{registry}"),
            (_, Some(file)) => format!("`configs: {registry}: tls: cert_file:` in {file}"),
            (Some(Runtime::Containerd) | None, None) => {
                self.in_hosts(registry, "`client =`", "`cert_file` under configs", "tls")
            }
        }
    }

    /// How it is told to do without TLS.
    pub(super) fn without_tls(self, registry: &str) -> String {
        let url = format!("\"http://{registry}\"");
        match (self.runtime, self.rancher()) {
            (Some(Runtime::Crio), _) => "`insecure = true` for it in /etc/containers/registries.conf".to_owned(),
            (Some(Runtime::Docker), _) => format!("`insecure-registries: [\"{registry}\"]` in /etc/docker/daemon.json"),
            (_, Some(file)) => format!("`mirrors: {registry}: endpoint: [{url}]` in {file}"),
            (Some(Runtime::Containerd) | None, None) => {
                let (ours, theirs) = (format!("`server = {url}`"), format!("`endpoint = [{url}]` under mirrors"));
                self.in_hosts(registry, &ours, &theirs, "")
            }
        }
    }

    /// What containerd is told of a registry in its `hosts.toml`; in the place of that, below a table that is deprecated.
    fn in_hosts(self, registry: &str, line: &str, deprecated: &str, table: &str) -> String {
        let dot = if table.is_empty() { "" } else { "." };
        let deprecated = format!("{deprecated}.\"{registry}\"{dot}{table}");
        match self.hosts {
            Hosts::Below(directory) => format!("{line} in {}/{registry}/hosts.toml", directory.display()),
            Hosts::Mirrors(file) => format!(
                "{deprecated} beside the `mirrors` in {} (containerd 1.x; for 2.x, both are to become hosts.toml files: `config_path` beside \
                 `mirrors` keeps it from serving CRI)",
                file.display()
            ),
            Hosts::Unknown => format!(
                "{line} in {CERTS}/{registry}/hosts.toml, and have containerd's `config_path` name {CERTS} (but where its configuration has \
                 `mirrors`, which forbid that: {deprecated} there)"
            ),
        }
    }

    /// What k3s and RKE2 make of what they are told.
    const fn rancher(self) -> Option<&'static str> {
        match self.kind {
            Kind::K3s => Some("/etc/rancher/k3s/registries.yaml"),
            Kind::Rke2 => Some("/etc/rancher/rke2/registries.yaml"),
            Kind::Kubeadm | Kind::Eks | Kind::Plain => None,
        }
    }

    pub(super) fn by_proxy(self) -> String {
        format!("if that takes a proxy, it is the runtime that has to know it: {}", self.proxy())
    }

    /// Where the runtime is told of a proxy.
    fn proxy(self) -> String {
        let unit = self.unit;
        match (self.kind, self.runtime.unwrap_or(Runtime::Containerd)) {
            (Kind::K3s, Runtime::Containerd) => format!("CONTAINERD_HTTPS_PROXY= in /etc/systemd/system/{unit}.env"),
            (Kind::Rke2, Runtime::Containerd) => {
                format!("CONTAINERD_HTTPS_PROXY= in /etc/default/{}", unit.trim_end_matches(".service"))
            }
            (_, runtime) => {
                format!("Environment=HTTPS_PROXY= in /etc/systemd/system/{}.d/http-proxy.conf", runtime.unit())
            }
        }
    }

    /// Where that is looked up which it was told.
    pub(super) fn variable(self) -> String {
        let (name, unit) = match (self.kind, self.runtime.unwrap_or(Runtime::Containerd)) {
            (Kind::K3s | Kind::Rke2, Runtime::Containerd) => ("CONTAINERD_HTTPS_PROXY= or HTTPS_PROXY=", self.unit),
            (_, runtime) => ("HTTPS_PROXY=", runtime.unit()),
        };
        format!("{name} of {unit} (`systemctl show -p Environment -p EnvironmentFiles {unit}`)")
    }
}
