//! What a runtime's words on a pull that failed come to.

use super::{Failure, Trouble};
use crate::reference::DEFAULT_REGISTRY;
use crate::rules::place::normal;

/// What stands for a URL in a message.
const URL: &str = "url:";

/// What runtimes and registries say, in this order: a message may have words of several in it.
const SAID: &[(Trouble, &[&str])] = &[
    (Trouble::Proxy, &["proxyconnect"]),
    // All that Go tells of a proxy's answer is the text beside its status, with no number.
    (
        Trouble::ProxyRefuses,
        &[
            "url: forbidden",
            "url: proxy authentication required",
            "url: bad gateway",
            "url: service unavailable",
            "url: gateway time",
            "url: method not allowed",
        ],
    ),
    (
        Trouble::PlainHttp,
        &["server gave http response to https client", "first record does not look like a tls handshake"],
    ),
    // What it says against the handshake, and not what is said against its certificate.
    (
        Trouble::Handshake,
        &["remote error: tls", "fatal alert", "unsupported protocol version", "protocol version not supported"],
    ),
    (Trouble::Expired, &["has expired or is not yet valid"]),
    (
        Trouble::WrongName,
        &[
            "certificate is valid for",
            "certificate is not valid for any names",
            "doesn't contain any ip sans",
            "legacy common name",
        ],
    ),
    (Trouble::Certificate, &["x509", "certificate"]),
    (Trouble::Handshake, &["tls: "]),
    (Trouble::HungUp, &["url: eof", "unexpected eof", "connection reset by peer", "tls handshake timeout"]),
    (Trouble::TooOften, &["429", "too many requests", "toomanyrequests"]),
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
        &["no such host", "dial tcp", "timeout", "timed out", "deadline", "refused", "unreachable", "no route"],
    ),
];

// === impl Failure ===

impl<'a> Failure<'a> {
    /// What a runtime's `message` of a pull from `registry` comes to.
    pub fn of(message: &'a str, registry: &'a str) -> Self {
        let host = host_in(message).filter(|host| !is_of(registry, host)).unwrap_or(registry);
        let said = bare(message, registry);
        let has = |words: &[&str]| words.iter().any(|word| is_in(&said, word));
        let trouble = SAID.iter().find(|(_, words)| has(words)).map_or(Trouble::Other, |(trouble, _)| *trouble);
        // Of a layer, containerd names the address that it asked first.
        let is_sent_on = host != registry || message.contains("/blobs/");
        // Whoever gives out tokens gives none, which is about who asks.
        let is_filtered = is_in(&said, "403") && !said.contains("token");
        let is_sent_on = is_sent_on && trouble == Trouble::Credentials && is_filtered;
        let trouble = if is_sent_on { Trouble::SentOn } else { trouble };
        Self { trouble, registry, host }
    }
}

/// Who was asked last, by a message's URL, which is that of whoever failed; the rest is what a server said.
fn host_in(message: &str) -> Option<&str> {
    let ours = message.split(" - Server message").next().unwrap_or(message);
    let (_, rest) = ours.rsplit_once("://")?;
    let authority = rest.split(|end: char| end.is_whitespace() || "/?#\"'".contains(end)).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).trim_end_matches([':', ',', ')', ']']);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (!host.is_empty() && host.len() <= 255 && host.bytes().all(is_host)).then_some(host)
}

/// Whether that host is the registry itself.
fn is_of(registry: &str, host: &str) -> bool {
    let registry = normal(registry);
    registry == normal(host) || (registry == DEFAULT_REGISTRY && host.ends_with(".docker.io"))
}

/// A message without what is only named in it: names and paths have words and numbers that nobody says.
fn bare(message: &str, registry: &str) -> String {
    let message = message.to_ascii_lowercase();
    let word = |word: &'_ str| match word {
        word if word.contains("://") => URL.to_owned(),
        word if word.contains('/') => String::new(),
        word => word.replace(&registry.to_ascii_lowercase(), ""),
    };
    message.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Whether a message has these words in it. A number is one that stands alone: digests and addresses are full of others.
fn is_in(message: &str, words: &str) -> bool {
    if !words.bytes().all(|byte| byte.is_ascii_digit()) {
        return message.contains(words);
    }
    let is_mark = |character: char| !character.is_ascii_alphanumeric();
    message.split(' ').any(|word| word.trim_matches(is_mark) == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_says_is_understood() {
        let (at, at_blob) = ("https://m.example/v2/x/manifests/1", "https://m.example/v2/x/blobs/sha256:1");
        let bucket = "https://b.s3.example/x?sig=403";
        for (url, error, expected, host) in [
            (at, "x509: certificate signed by unknown authority", Trouble::Certificate, "m.example"),
            (
                at,
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                Trouble::Certificate,
                "m.example",
            ),
            (
                bucket,
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                Trouble::Certificate,
                "b.s3.example",
            ),
            (
                at,
                "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time \
                 2026-12-01T16:16:35Z is after 2026-11-01T00:00:00Z",
                Trouble::Expired,
                "m.example",
            ),
            (at, "x509: certificate is valid for a.example, b.example, not m.example", Trouble::WrongName, "m.example"),
            (
                at,
                "x509: certificate is not valid for any names, but wanted to match m.example",
                Trouble::WrongName,
                "m.example",
            ),
            (
                at,
                "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
                Trouble::WrongName,
                "m.example",
            ),
            (
                at,
                "x509: certificate relies on legacy Common Name field, use SANs instead",
                Trouble::WrongName,
                "m.example",
            ),
            (at, "http: server gave HTTP response to HTTPS client", Trouble::PlainHttp, "m.example"),
            (at, "tls: first record does not look like a TLS handshake", Trouble::PlainHttp, "m.example"),
            (at, "remote error: tls: protocol version not supported", Trouble::Handshake, "m.example"),
            (at, "remote error: tls: handshake failure", Trouble::Handshake, "m.example"),
            (at, "remote error: tls: expired certificate", Trouble::Handshake, "m.example"),
            (at, "tls: server selected unsupported protocol version 302", Trouble::Handshake, "m.example"),
            (at, "tls: received unexpected handshake message", Trouble::Handshake, "m.example"),
            (at, "EOF", Trouble::HungUp, "m.example"),
            (at, "read tcp 10.0.0.5:40404->10.0.0.1:443: read: connection reset by peer", Trouble::HungUp, "m.example"),
            (at, "net/http: TLS handshake timeout", Trouble::HungUp, "m.example"),
            (at, "proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused", Trouble::Proxy, "m.example"),
            (at, "proxyconnect tcp: dial tcp 10.0.0.9:3128: i/o timeout", Trouble::Proxy, "m.example"),
            (at, "proxyconnect tcp: dial tcp: lookup p.corp on 10.0.0.2:53: no such host", Trouble::Proxy, "m.example"),
            (at, "proxyconnect tcp: tls: first record does not look like a TLS handshake", Trouble::Proxy, "m.example"),
            (at, "Forbidden", Trouble::ProxyRefuses, "m.example"),
            (at, "Proxy Authentication Required", Trouble::ProxyRefuses, "m.example"),
            (bucket, "Forbidden", Trouble::ProxyRefuses, "b.s3.example"),
            (at, "dial tcp: lookup m.example on 10.0.0.2:53: no such host", Trouble::Unreachable, "m.example"),
            (bucket, "dial tcp 10.0.0.7:443: i/o timeout", Trouble::Unreachable, "b.s3.example"),
            (bucket, "dial tcp 10.0.0.7:443: connect: connection refused", Trouble::Refused, "b.s3.example"),
        ] {
            let message = format!(
                "failed to pull and unpack image \"m.example/x:1\": failed to resolve reference \"m.example/x:1\": failed to do request: \
                 Head \"{url}\": {error}"
            );
            let found = Failure::of(&message, "m.example");
            assert_eq!((found.trouble, found.host), (expected, host), "{message}");
        }
        for (message, expected, host) in [
            (format!("unexpected status from HEAD request to {at}: 403 Forbidden"), Trouble::Credentials, "m.example"),
            (
                format!("unexpected status from HEAD request to {bucket}: 403 Forbidden"),
                Trouble::SentOn,
                "b.s3.example",
            ),
            (format!("unexpected status code {at_blob}: 403 Forbidden"), Trouble::SentOn, "m.example"),
            (
                format!(
                    "unexpected status code {at}: 403 Forbidden - Server message: denied: see https://help.example"
                ),
                Trouble::Credentials,
                "m.example",
            ),
            (
                "failed to fetch anonymous token: unexpected status from GET request to https://auth.example/token?x=y: 403 Forbidden"
                    .to_owned(),
                Trouble::Credentials,
                "auth.example",
            ),
            (
                "failed to fetch anonymous token: Get \"https://auth.example/token?x=y\": x509: unknown".to_owned(),
                Trouble::Certificate,
                "auth.example",
            ),
            (
                "pinging container registry m.example: Get \"https://m.example/v2/\": Forbidden".to_owned(),
                Trouble::ProxyRefuses,
                "m.example",
            ),
        ] {
            let found = Failure::of(&message, "m.example");
            assert_eq!((found.trouble, found.host), (expected, host), "{message}");
        }
        let hub = Failure::of("request to https://registry-1.docker.io/v2/x/manifests/1: 403 Forbidden", "docker.io");
        assert_eq!((hub.trouble, hub.host), (Trouble::Credentials, "docker.io"));
    }
}
