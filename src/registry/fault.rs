//! Why a host was asked in vain: the usual reasons, told apart, in words for somebody who has to mend it.

use super::certificate::Certificate;
use super::handshake::PLAIN;
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// Why an exchange with a host came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which of the usual reasons it is.
    pub kind: Kind,
    /// Who was asked: `host` or `host:port`, a proxy where that is what failed.
    pub host: String,
    /// What is known besides. May quote the other side: a terminal is shown it through [`crate::output::Plain`].
    pub detail: String,
    /// The certificate that was shown, where that is what was wrong.
    pub certificate: Option<Box<Certificate>>,
    /// How long the other side asks to be left alone.
    #[serde(rename = "retry_after_seconds", serialize_with = "seconds")]
    pub retry_after: Option<Duration>,
}

/// The usual reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The name has no address, or nobody could be asked for it.
    Dns,
    /// Nobody listens there, or something in between says so.
    Refused,
    /// There is no way there.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The connection ended within the exchange.
    Closed,
    /// The proxy does not let it through, or is none that can be used.
    Proxy,
    /// The certificate is from an authority that is not trusted here.
    UnknownAuthority,
    /// The certificate is not valid any more, or this machine's clock is fast.
    Expired,
    /// The certificate is not valid yet, or this machine's clock is slow.
    NotYetValid,
    /// The certificate is for another host.
    WrongName,
    /// No TLS connection came to be, for another reason.
    Tls,
    /// 401: it wants credentials, or others.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 429: too much was asked of it.
    TooManyRequests,
    /// 5xx.
    ServerError,
    /// Some other status.
    Status,
    /// A web page, where a registry should have answered: a captive portal, or the page of a proxy that blocks.
    WebPage,
    /// An answer that is none of a registry's.
    Malformed,
    /// More redirects than anybody follows, or one that leads nowhere.
    Redirects,
    /// More bytes than what was asked for may have.
    TooLarge,
    /// Fewer bytes than were announced.
    Truncated,
    /// Other bytes than the digest says.
    WrongDigest,
    /// The credentials for it could not be had.
    Credentials,
}

// === impl Fault ===

impl Fault {
    /// One without a certificate.
    pub fn new(kind: Kind, host: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, host: host.into(), detail: detail.into(), certificate: None, retry_after: None }
    }

    /// Whether what answered speaks no TLS at all, but perhaps plain HTTP.
    pub fn speaks_no_tls(&self) -> bool {
        self.kind == Kind::Tls && self.detail == PLAIN
    }

    /// Whether the same question may have another answer in a moment.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, Kind::TooManyRequests | Kind::ServerError | Kind::Closed | Kind::Truncated | Kind::Timeout)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.host, self.kind.words())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if let Some(certificate) = &self.certificate {
            write!(f, "; it showed {certificate}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

// === impl Kind ===

impl Kind {
    /// What it means.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Dns => "the name could not be resolved",
            Self::Refused => "connection refused: nobody listens there, or a firewall rejects it",
            Self::Unreachable => "no route to it",
            Self::Timeout => "no answer in time: a firewall may drop what is sent there",
            Self::Closed => "the connection was closed in the middle",
            Self::Proxy => "the proxy did not let it through",
            Self::UnknownAuthority => {
                "x509: certificate signed by unknown authority: a proxy that inspects TLS, or a private registry, whose CA is \
                 not trusted here"
            }
            Self::Expired => "x509: certificate has expired, or this machine's clock is fast",
            Self::NotYetValid => "x509: certificate is not yet valid: this machine's clock may be slow",
            Self::WrongName => "x509: certificate is for another name",
            Self::Tls => "no TLS connection",
            Self::Unauthorized => "401 Unauthorized: it wants credentials, or others than these",
            Self::Forbidden => "403 Forbidden: the credentials do not allow it, or something in between blocks it",
            Self::NotFound => "404 Not Found",
            Self::TooManyRequests => "429 Too Many Requests: it limits how often it is asked from here",
            Self::ServerError => "the server failed",
            Self::Status => "an unexpected status",
            Self::WebPage => "a web page instead of a registry's answer: a captive portal, or a proxy that blocks",
            Self::Malformed => "an answer that no registry gives",
            Self::Redirects => "redirected without end, or to nowhere",
            Self::TooLarge => "larger than this may be",
            Self::Truncated => "it broke off before its end",
            Self::WrongDigest => "other bytes than its digest says",
            Self::Credentials => "the credentials for it could not be had",
        }
    }
}

fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_u64(time.as_secs()),
        None => serializer.serialize_none(),
    }
}
