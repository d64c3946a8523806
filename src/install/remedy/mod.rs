//! What to mend where a registry can't be pulled from: which file, on this node.

mod said;
mod site;

pub use site::{Hosts, Site};

/// What is wrong, as far as that decides what to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The proxy that is to lead there fails.
    Proxy,
    /// The proxy does not lead there.
    ProxyRefuses,
    /// It speaks no TLS.
    PlainHttp,
    /// It and whoever asks it agree on no TLS.
    Handshake,
    /// Its certificate is not valid now, or it is not now what the clock says.
    Expired,
    /// Its certificate is for another name.
    WrongName,
    /// Its certificate is from nobody whom the runtime trusts.
    Certificate,
    /// It, or something before it, hangs up.
    HungUp,
    /// It was asked too often.
    TooOften,
    /// It wants credentials, or others.
    Credentials,
    /// Whom one is led to does not give it out.
    SentOn,
    /// It has not got the image.
    Missing,
    /// It has not got it for this machine.
    Platform,
    /// It fails by itself.
    Server,
    /// Nobody listens there.
    Refused,
    /// It is not to be had from here.
    Unreachable,
    /// There is no room for what is pulled.
    NoRoom,
    /// Something else.
    Other,
}

/// A pull that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Why.
    pub trouble: Trouble,
    /// Where the image is said to be.
    pub registry: &'a str,
    /// Who failed: that registry, or whom one is led to from there, for a token or for layers, or by the runtime's own mirrors.
    pub host: &'a str,
}

// === impl Failure ===

impl Failure<'_> {
    /// What to do about it.
    pub fn remedy(self, site: Site<'_>) -> String {
        let Self { trouble, registry, host } = self;
        let (whom, there) = if host == registry {
            (host.to_owned(), host.to_owned())
        } else {
            (format!("{host} (where the way to {registry} leads)"), format!("{registry} by way of {host}"))
        };
        match trouble {
            Trouble::Proxy => format!(
                "the proxy that the runtime is told to take to {host} fails, or is none: see what {} says, and that it runs and is \
                 reached from here",
                site.variable()
            ),
            Trouble::ProxyRefuses => format!(
                "the proxy that the runtime is told to take does not lead to {whom}: have it let that host through, or name a user that \
                 may in {}",
                site.variable()
            ),
            Trouble::PlainHttp => format!(
                "{host} speaks HTTP without TLS, and the runtime wants TLS: have it speak TLS, or tell the runtime: {}",
                site.without_tls(registry)
            ),
            Trouble::Handshake => format!(
                "{whom} and whoever asks it agree on no TLS: see that it speaks TLS at all, 1.2 or 1.3, knows its own name, that nothing in between \
                 cuts TLS by the name (SNI), and whether it wants a certificate to be shown ({})",
                site.client(registry)
            ),
            Trouble::Expired => format!(
                "see to this node's clock (`timedatectl`, node.clock of `repoint doctor`), then to the certificate of {whom}"
            ),
            Trouble::WrongName => {
                format!("name {host} as its certificate does, or have its certificate name it")
            }
            Trouble::Certificate => format!(
                "the runtime does not trust {whom}: name the CA of its certificate in {}, or add it to those that the machine trusts, and \
                 start the runtime anew",
                site.authorities(registry)
            ),
            Trouble::HungUp => format!(
                "{whom} hangs up, or something in between does, such as a firewall that cuts TLS by the name (SNI): have it let that host \
                 through; {}",
                site.by_proxy()
            ),
            Trouble::TooOften => format!(
                "{host} answers so many pulls a time and no more: give that target `credentials` in /etc/repoint/repoint.toml, if they \
                 raise its limit, or put a mirror of your own before it"
            ),
            Trouble::Credentials => format!(
                "{registry} wants credentials, or others: `credentials` of that target in /etc/repoint/repoint.toml"
            ),
            Trouble::SentOn if host == registry => format!(
                "{registry} gives out manifests and no layers, or whom it sends one on to for those does not: have whatever filters let \
                 that host through, too (`repoint doctor --egress` names it)"
            ),
            Trouble::SentOn => format!(
                "the way to {registry} leads to {host}, which does not give it out: have whatever filters let that host through, too"
            ),
            Trouble::Missing => format!("{registry} does not have it: fill it (`repoint report --fix crane` prints how)"),
            Trouble::Platform => {
                format!("{registry} does not have it for this machine's architecture: copy all platforms to it")
            }
            Trouble::Server => {
                format!("{host} answers that it has trouble itself: look at its own log, or at the proxy before it")
            }
            Trouble::Refused => {
                format!("the runtime does not reach {there}: see that {host} runs and listens; {}", site.by_proxy())
            }
            Trouble::Unreachable => format!("the runtime does not reach {there}: {}", site.by_proxy()),
            Trouble::NoRoom => "the disk that the runtime keeps images on is full: `df -h` and `df -i` say which, `crictl images` what \
                 is on it; make it larger, or remove by name what is of no more use (`crictl rmi --prune` takes all that no container \
                 uses, also what nobody could pull again)"
                .to_owned(),
            Trouble::Other => {
                format!(
                    "what the runtime says to `crictl pull` is the same without repoint: it is between it and {registry}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::containerd::Containerd;
    use crate::node::kubelet::Word;
    use crate::node::{Kind, Runtime};

    fn told(message: &str, runtime: &str, kind: Kind, hosts: &Hosts) -> String {
        let site = Site { runtime: Runtime::called(runtime), kind, unit: "k3s.service", hosts };
        Failure::of(message, "m.example").remedy(site)
    }

    #[test]
    fn the_file_to_mend_is_named() {
        for (message, runtime, kind, expected) in [
            ("tls: x509: unknown authority", "containerd", Kind::Kubeadm, "containerd/certs.d/m.example/hosts.toml"),
            ("certificate: unknown authority", "cri-o", Kind::Kubeadm, "/etc/containers/certs.d/m.example/ca.crt"),
            ("remote error: tls: bad certificate", "cri-o", Kind::Plain, "agree on no TLS"),
            (
                "remote error: tls: bad certificate",
                "docker",
                Kind::Plain,
                "client.key in /etc/docker/certs.d/m.example",
            ),
            ("tls: server selected unsupported protocol version 301", "containerd", Kind::K3s, "agree on no TLS"),
            ("x509", "containerd", Kind::Rke2, "/etc/rancher/rke2/registries.yaml"),
            ("lookup m.example: no such host", "containerd", Kind::Eks, "containerd.service.d/http-proxy.conf"),
            ("dial tcp 10.0.0.1:443: i/o timeout", "containerd", Kind::K3s, "/etc/systemd/system/k3s.service.env"),
            ("proxyconnect tcp: EOF", "docker", Kind::Plain, "HTTPS_PROXY= of docker.service"),
            ("proxyconnect tcp: EOF", "docker", Kind::K3s, "HTTPS_PROXY= of docker.service"),
            (
                "proxyconnect tcp: EOF",
                "containerd",
                Kind::K3s,
                "CONTAINERD_HTTPS_PROXY= or HTTPS_PROXY= of k3s.service",
            ),
            ("x509", "docker", Kind::K3s, "/etc/docker/certs.d/m.example/ca.crt"),
            ("unexpected status: 401 Unauthorized", "containerd", Kind::Plain, "/etc/repoint/repoint.toml"),
            ("m.example/pause:3.9: not found", "containerd", Kind::Plain, "does not have it"),
            ("unexpected status code https://m.example/v2/: 429", "containerd", Kind::Plain, "a time"),
            ("unexpected status: 503", "containerd", Kind::Plain, "trouble itself"),
            ("sha256:ab401429: not found", "containerd", Kind::Plain, "does not have it"),
            ("m.example/x/429:403: not found", "containerd", Kind::Plain, "does not have it"),
            (
                "dial tcp 10.0.0.1:503: connect: connection refused",
                "containerd",
                Kind::Plain,
                "see that m.example runs",
            ),
            ("http: server gave HTTP response to HTTPS client", "containerd", Kind::Plain, "hosts.toml"),
            ("http: server gave HTTP response to HTTPS client", "cri-o", Kind::Plain, "registries.conf"),
            ("write /x: no space left on device", "containerd", Kind::Plain, "`df -h`"),
            ("disk on fire", "containerd", Kind::Plain, "crictl pull"),
        ] {
            let told = told(message, runtime, kind, &Hosts::Unknown);
            assert!(told.contains(expected), "{message}: {told}");
        }
    }

    #[test]
    fn containerd_is_told_of_a_registry_where_it_looks() {
        let redirected = "Get \"https://b.s3.example/x\": x509: certificate signed by unknown authority";
        let word = |text: &str| Word { text: text.to_owned(), file: "/c.toml".into(), line: 1 };
        let mut directories = Containerd::default();
        directories.config_path = Some(word("/a:/b"));
        let mut mirrors = directories.clone();
        mirrors.mirrors = vec![word("quay.io")];
        let usual = || Some("/etc/containerd/certs.d".into());
        for (hosts, expected) in [
            (Hosts::of(&directories, usual()), "`ca =` in /a/m.example/hosts.toml"),
            (Hosts::of(&Containerd::default(), usual()), "in /etc/containerd/certs.d/m.example/hosts.toml, or add"),
            (Hosts::of(&Containerd::default(), None), "have containerd's `config_path` name /etc/containerd/certs.d "),
            (Hosts::of(&mirrors, None), "`ca_file` under configs.\"m.example\".tls beside the `mirrors` in /c.toml"),
        ] {
            let told = told(redirected, "containerd", Kind::Plain, &hosts);
            assert!(
                told.contains(expected) && told.contains("b.s3.example (where the way to m.example leads)"),
                "{told}"
            );
        }
    }
}
