//! What to mend where a runtime can't pull: which file, on this node.

use crate::node::Kind;

/// What to do about it that `runtime`, on a node of that kind, says `message` of a pull from `registry`.
pub fn remedy(message: &str, registry: &str, runtime: &str, kind: Kind, unit: &str) -> String {
    // Its port may look like a status.
    let message = message.to_ascii_lowercase().replace(&registry.to_ascii_lowercase(), "");
    let has = |words: &[&str]| words.iter().any(|word| is_in(&message, word));
    // What it says against the handshake, and not what is said against its certificate.
    if has(&["remote error: tls", "fatal alert", "unsupported protocol version", "speaks tls, but"]) {
        return format!(
            "{registry} and whoever asks it agree on no TLS: see that it speaks 1.2 or 1.3, knows its own name, and whether it wants \
             a certificate to be shown (containerd: `client =` in /etc/containerd/certs.d/{registry}/hosts.toml)"
        );
    }
    if has(&["x509", "certificate", "tls: "]) {
        let place = match (kind, runtime) {
            (Kind::K3s, _) => format!("`configs: {registry}: tls: ca_file:` in /etc/rancher/k3s/registries.yaml"),
            (Kind::Rke2, _) => format!("`configs: {registry}: tls: ca_file:` in /etc/rancher/rke2/registries.yaml"),
            (_, "cri-o") => format!("/etc/containers/certs.d/{registry}/ca.crt"),
            (_, "docker") => format!("/etc/docker/certs.d/{registry}/ca.crt"),
            _ => format!(
                "`ca =` in /etc/containerd/certs.d/{registry}/hosts.toml (with containerd's `config_path` set to that directory)"
            ),
        };
        return format!("the runtime does not trust {registry}: name the CA of its certificate in {place}");
    }
    if has(&["429", "too many requests", "toomanyrequests"]) {
        return format!(
            "{registry} answers so many pulls a time and no more: give that target `credentials` in /etc/repoint/repoint.toml, if they \
             raise its limit, or put a mirror of your own before it"
        );
    }
    if has(&["server gave http response to https client"]) {
        return format!(
            "{registry} speaks HTTP without TLS, and the runtime wants TLS: have it speak TLS, or tell the runtime (containerd: `server = \
             \"http://{registry}\"` in /etc/containerd/certs.d/{registry}/hosts.toml; CRI-O: `insecure = true` in registries.conf)"
        );
    }
    if has(&["no space left on device"]) {
        return "the disk that the runtime keeps images on is full: make room on it (`crictl rmi --prune`)".to_owned();
    }
    if has(&["no match for platform"]) {
        return format!("{registry} does not have it for this machine's architecture: copy all platforms to it");
    }
    if has(&["401", "403", "unauthorized", "forbidden", "authorization failed", "denied", "no basic auth"]) {
        return format!(
            "{registry} wants credentials, or others: `credentials` of that target in /etc/repoint/repoint.toml"
        );
    }
    if has(&["not found", "notfound", "404", "manifest unknown"]) {
        return format!("{registry} does not have it: fill it (`repoint report --fix crane` prints how)");
    }
    if has(&["500", "502", "503", "504", "internal server error", "bad gateway", "service unavailable"]) {
        return format!(
            "{registry} answers that it has trouble itself: look at its own log, or at the proxy before it"
        );
    }
    if has(&[
        "no such host",
        "dial tcp",
        "timeout",
        "timed out",
        "deadline",
        "refused",
        "unreachable",
        "proxyconnect",
        "no route",
    ]) {
        let place = match (kind, runtime) {
            (Kind::K3s, _) => format!("CONTAINERD_HTTPS_PROXY= in /etc/systemd/system/{unit}.env"),
            (Kind::Rke2, _) => format!("CONTAINERD_HTTPS_PROXY= in /etc/default/{}", unit.trim_end_matches(".service")),
            (_, "cri-o") => "Environment=HTTPS_PROXY= in /etc/systemd/system/crio.service.d/http-proxy.conf".to_owned(),
            (_, "docker") => {
                "Environment=HTTPS_PROXY= in /etc/systemd/system/docker.service.d/http-proxy.conf".to_owned()
            }
            _ => "Environment=HTTPS_PROXY= in /etc/systemd/system/containerd.service.d/http-proxy.conf".to_owned(),
        };
        let who = if has(&["connection refused"]) {
            format!("see that {registry} runs and listens; ")
        } else {
            String::new()
        };
        return format!(
            "the runtime does not reach {registry}: {who}if that takes a proxy, it is the runtime that has to know it: {place}"
        );
    }
    format!("what the runtime says to `crictl pull` is the same without repoint: it is between it and {registry}")
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
            ("unexpected status: 401 Unauthorized", "containerd", Kind::Plain, "/etc/repoint/repoint.toml"),
            ("m.example/pause:3.9: not found", "containerd", Kind::Plain, "does not have it"),
            ("unexpected status code https://m.example/v2/: 429", "containerd", Kind::Plain, "a time"),
            ("unexpected status: 503", "containerd", Kind::Plain, "trouble itself"),
            ("sha256:ab401429: not found", "containerd", Kind::Plain, "does not have it"),
            ("http: server gave HTTP response to HTTPS client", "containerd", Kind::Plain, "hosts.toml"),
            ("write /x: no space left on device", "containerd", Kind::Plain, "make room"),
            ("disk on fire", "containerd", Kind::Plain, "crictl pull"),
        ] {
            let told = remedy(message, "m.example", runtime, kind, "k3s.service");
            assert!(told.contains(expected), "{message}: {told}");
        }
    }
}
