//! What was seen on the way: one step for each request, and for each place a redirect leads to.

use super::certificate::Certificate;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};

/// A request, and what was seen of whoever answers. What did not come about is `None` or empty. Texts may be the other side's:
/// a terminal is shown them through [`crate::output::Plain`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was asked for.
    pub what: What,
    /// Where, without the query: signed addresses have secrets there.
    pub url: String,
    /// The host of it.
    pub host: String,
    /// The proxy it was asked through, `host:port`.
    pub proxy: Option<String>,
    /// The addresses of the host, or of the proxy where there is one.
    pub addresses: Vec<IpAddr>,
    /// The one of them that took the connection.
    pub address: Option<SocketAddr>,
    /// What the host showed, its own certificate first; empty without TLS, and the issuer of the last one is whom one has to
    /// trust.
    pub certificates: Vec<Certificate>,
    /// Whether an earlier step's connection was used again.
    pub reused: bool,
    /// The status of its answer.
    pub status: Option<u16>,
    /// How many bytes came.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub millis: Millis,
}

/// How long the parts of a step took; `None` for those that were not reached or needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Millis {
    /// To find an address.
    pub name: Option<u64>,
    /// To connect, and to have the proxy do so.
    pub connect: Option<u64>,
    /// To agree on TLS.
    pub tls: Option<u64>,
    /// All of it.
    pub all: u64,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A manifest, or an index of them.
    Manifest,
    /// A blob: a configuration or a layer.
    Blob,
    /// A token to be shown with the next request.
    Token,
}

// === impl Step ===

impl Step {
    pub(super) fn new(what: What, url: String, host: String) -> Self {
        Self {
            what,
            url,
            host,
            proxy: None,
            addresses: Vec::new(),
            address: None,
            certificates: Vec::new(),
            reused: false,
            status: None,
            bytes: 0,
            millis: Millis::default(),
        }
    }

    /// What there is to say of a connection, of a step that used it before.
    pub(super) fn of(&mut self, made: &Self) {
        self.proxy.clone_from(&made.proxy);
        self.addresses.clone_from(&made.addresses);
        self.address = made.address;
        self.certificates.clone_from(&made.certificates);
    }
}

// === impl What ===

impl What {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Token => "token",
        }
    }
}
