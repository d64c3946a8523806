//! What to mend where a registry can't be pulled from: which file, on this node.

use crate::node::{Kind, Runtime};

/// What is wrong, as far as that decides what to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its certificate is from nobody whom the runtime trusts, or for somebody else.
    Certificate,
    /// It and whoever asks it agree on no TLS.
    Handshake,
    /// It speaks no TLS.
    PlainHttp,
    /// It was asked too often.
    TooOften,
    /// It wants credentials, or others.
    Credentials,
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

/// On what node that is.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Its runtime, where that is one of those that are known.
    pub runtime: Option<Runtime>,
    /// Who set its kubelet up.
    pub kind: Kind,
    /// The unit that the kubelet is in.
    pub unit: &'a str,
}

/// What runtimes and registries say, in this order: a message may have words of several in it.
const SAID: &[(Trouble, &[&str])] = &[
    // What it says against the handshake, and not what is said against its certificate.
    (Trouble::Handshake, &["remote error: tls", "fatal alert", "unsupported protocol version"]),
    (Trouble::Certificate, &["x509", "certificate", "tls: "]),
    (Trouble::TooOften, &["429", "too many requests", "toomanyrequests"]),
    (Trouble::PlainHttp, &["server gave http response to https client"]),
    (Trouble::NoRoom, &["no space left on device"]),
    (Trouble::Platform, &["no match for platform"]),
    (
        Trouble::Credentials,
        &["401", "403", "unauthorized", "forbidden", "authorization failed", "denied", "no basic auth"],
    ),
    (Trouble::Missing, &["not found", "notfound", "404", "manifest unknown"]),
    (Trouble::Server, &["500", "502", "503", "504", "internal server error", "bad gateway", "service unavailable"]),
    (Trouble::Refused, &["connection refused"]),
    (
        Trouble::Unreachable,
        &[
            "no such host",
            "dial tcp",
            "timeout",
            "timed out",
            "deadline",
            "refused",
            "unreachable",
            "proxyconnect",
            "no route",
        ],
    ),
];

// === impl Trouble ===

impl Trouble {
    /// What a runtime's `message` of a pull from `registry` comes to.
    pub fn of(message: &str, registry: &str) -> Self {
        // Its port may look like a status.
        let message = message.to_ascii_lowercase().replace(&registry.to_ascii_lowercase(), "");
        let has = |words: &[&str]| words.iter().any(|word| is_in(&message, word));
        SAID.iter().find(|(_, words)| has(words)).map_or(Self::Other, |(trouble, _)| *trouble)
    }

    /// What to do about it, for a pull from `registry`.
    pub fn remedy(self, registry: &str, site: Site<'_>) -> String {
        match self {
            Self::Certificate => format!(
                "the runtime does not trust {registry}: name the CA of its certificate in {}",
                site.authorities(registry)
            ),
            Self::Handshake => format!(
                "{registry} and whoever asks it agree on no TLS: see that it speaks 1.2 or 1.3, knows its own name, and whether it wants \
                 a certificate to be shown (containerd: `client =` in /etc/containerd/certs.d/{registry}/hosts.toml)"
            ),
            Self::PlainHttp => format!(
                "{registry} speaks HTTP without TLS, and the runtime wants TLS: have it speak TLS, or tell the runtime (containerd: `server = \
                 \"http://{registry}\"` in /etc/containerd/certs.d/{registry}/hosts.toml; CRI-O: `insecure = true` in registries.conf)"
            ),
            Self::TooOften => format!(
                "{registry} answers so many pulls a time and no more: give that target `credentials` in /etc/repoint/repoint.toml, if they \
                 raise its limit, or put a mirror of your own before it"
            ),
            Self::Credentials => format!(
                "{registry} wants credentials, or others: `credentials` of that target in /etc/repoint/repoint.toml"
            ),
            Self::Missing => format!("{registry} does not have it: fill it (`repoint report --fix crane` prints how)"),
            Self::Platform => {
                format!("{registry} does not have it for this machine's architecture: copy all platforms to it")
            }
            Self::Server => {
                format!("{registry} answers that it has trouble itself: look at its own log, or at the proxy before it")
            }
            Self::Refused | Self::Unreachable => {
                let is_refused = self == Self::Refused;
                let who = if is_refused { format!("see that {registry} runs and listens; ") } else { String::new() };
                format!(
                    "the runtime does not reach {registry}: {who}if that takes a proxy, it is the runtime that has to know it: {}",
                    site.proxy()
                )
            }
            Self::NoRoom => {
                "the disk that the runtime keeps images on is full: make room on it (`crictl rmi --prune`)".to_owned()
            }
            Self::Other => {
                format!(
                    "what the runtime says to `crictl pull` is the same without repoint: it is between it and {registry}"
                )
            }
        }
    }
}

// === impl Site ===

impl Site<'_> {
    /// Where the runtime is told whom to trust as that registry.
    fn authorities(self, registry: &str) -> String {
        match (self.kind, self.runtime) {
            (_, Some(Runtime::Crio)) => format!("/etc/containers/certs.d/{registry}/ca.crt"),
            (_, Some(Runtime::Docker)) => format!("/etc/docker/certs.d/{registry}/ca.crt"),
            (Kind::K3s, _) => format!("`configs: {registry}: tls: ca_file:` in /etc/rancher/k3s/registries.yaml"),
            (Kind::Rke2, _) => format!("`configs: {registry}: tls: ca_file:` in /etc/rancher/rke2/registries.yaml"),
            (Kind::Kubeadm | Kind::Eks | Kind::Plain, Some(Runtime::Containerd) | None) => format!(
                "`ca =` in /etc/containerd/certs.d/{registry}/hosts.toml (with containerd's `config_path` set to that directory)"
            ),
        }
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
}

/// Whether a message has these words in it. A number is one that stands alone: digests are full of others.
fn is_in(message: &str, words: &str) -> bool {
    if !words.bytes().all(|byte| byte.is_ascii_digit()) {
        return message.contains(words);
    }
    message.split(|character: char| !character.is_ascii_alphanumeric()).any(|word| word == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_to_mend_is_named() {
        for (message, runtime, kind, expected) in [
            ("tls: x509: unknown authority", "containerd", Kind::Kubeadm, "containerd/certs.d/m.example/hosts.toml"),
            ("certificate: unknown authority", "cri-o", Kind::Kubeadm, "/etc/containers/certs.d/m.example/ca.crt"),
            ("remote error: tls: bad certificate", "cri-o", Kind::Plain, "agree on no TLS"),
            ("tls: server selected unsupported protocol version 301", "containerd", Kind::K3s, "agree on no TLS"),
            ("x509", "containerd", Kind::Rke2, "/etc/rancher/rke2/registries.yaml"),
            ("lookup m.example: no such host", "containerd", Kind::Eks, "containerd.service.d/http-proxy.conf"),
            ("dial tcp 10.0.0.1:443: i/o timeout", "containerd", Kind::K3s, "/etc/systemd/system/k3s.service.env"),
            ("proxyconnect tcp: EOF", "docker", Kind::Plain, "docker.service.d/http-proxy.conf"),
            ("proxyconnect tcp: EOF", "docker", Kind::K3s, "docker.service.d/http-proxy.conf"),
            ("x509", "docker", Kind::K3s, "/etc/docker/certs.d/m.example/ca.crt"),
            ("unexpected status: 401 Unauthorized", "containerd", Kind::Plain, "/etc/repoint/repoint.toml"),
            ("m.example/pause:3.9: not found", "containerd", Kind::Plain, "does not have it"),
            ("unexpected status code https://m.example/v2/: 429", "containerd", Kind::Plain, "a time"),
            ("unexpected status: 503", "containerd", Kind::Plain, "trouble itself"),
            ("sha256:ab401429: not found", "containerd", Kind::Plain, "does not have it"),
            ("http: server gave HTTP response to HTTPS client", "containerd", Kind::Plain, "hosts.toml"),
            ("write /x: no space left on device", "containerd", Kind::Plain, "make room"),
            ("disk on fire", "containerd", Kind::Plain, "crictl pull"),
        ] {
            let site = Site { runtime: Runtime::called(runtime), kind, unit: "k3s.service" };
            let told = Trouble::of(message, "m.example").remedy("m.example", site);
            assert!(told.contains(expected), "{message}: {told}");
        }
    }
}
