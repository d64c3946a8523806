//! Where something is: the parts of a URL that matter, and where a redirect leads from there.

use super::proxy::{bare, place};
use http::Uri;
use std::fmt;
use std::str::FromStr;

/// A host, as a connection is made to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) is_tls: bool,
    /// Lower case, an IPv6 address without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// An `http` or `https` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) origin: Origin,
    /// Path and query.
    pub(super) path: String,
}

/// A host, and a port if one is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Lower case, an IPv6 address without its brackets.
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

/// What names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not HOST[:PORT], such as registry.corp or registry.corp:5000", crate::output::Plain(.0))]
pub struct NotAPlace(String);

/// Longer ones are nobody's.
const LENGTH: usize = 16 << 10;

// === impl Url ===

impl Url {
    /// Reads one; `None` where it is none, or of another scheme.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > LENGTH {
            return None;
        }
        let text = text.split('#').next().unwrap_or_default();
        let uri: Uri = text.parse().ok()?;
        let is_tls = match uri.scheme_str()?.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        // Nobody has a user in there, but those who hide where it leads.
        let host = bare(authority.host()).to_ascii_lowercase();
        if authority.as_str().contains('@') || host.is_empty() {
            return None;
        }
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" | ":" if is_tls => 443,
            "" | ":" => 80,
            port => port.strip_prefix(':')?.parse().ok().filter(|port| *port != 0)?,
        };
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self { origin: Origin { is_tls, host, port }, path })
    }

    /// Where a `Location` leads that was found here.
    pub(super) fn join(&self, location: &str) -> Option<Self> {
        let scheme = if self.origin.is_tls { "https" } else { "http" };
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let is_absolute = location.split_once(':').is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        });
        if is_absolute {
            return Self::parse(location);
        }
        let path = self.path.split('?').next().unwrap_or_default();
        let path = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            _ => format!("{}/{location}", path.rsplit_once('/').map_or("", |(before, _)| before)),
        };
        Self::parse(&format!("{}{path}", self.origin.url()))
    }

    /// Without the query, which may have a signature in it that opens it for anybody.
    pub(super) fn shown(&self) -> String {
        format!("{}{}", self.origin.url(), self.path.split('?').next().unwrap_or_default())
    }
}

// === impl Origin ===

impl Origin {
    pub(super) fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{self}")
    }
}

// === impl Place ===

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let url =
            Url::parse(&format!("http://{text}")).filter(|url| url.path == "/" && !text.contains(['/', '?', '#']));
        let url = url.ok_or_else(|| NotAPlace(text.to_owned()))?;
        let is_said =
            text.strip_suffix(']').is_none() && text.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty());
        Ok(Self { host: url.origin.host, port: is_said.then_some(url.origin.port) })
    }
}

/// As an address bar has it: without the usual port.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_usual = self.port == if self.is_tls { 443 } else { 80 };
        match (is_usual, self.host.contains(':')) {
            (false, _) => f.write_str(&place(&self.host, self.port)),
            (true, true) => write!(f, "[{}]", self.host),
            (true, false) => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_where_a_browser_would_go() {
        let from = Url::parse("https://a.example:5000/v2/x/blobs/d?n=1").unwrap();
        for (location, expected) in [
            ("https://b.example/y?sig=1#z", Some("https://b.example/y")),
            ("http://B.example:80/", Some("http://b.example/")),
            ("//c.example:8443/y", Some("https://c.example:8443/y")),
            ("/v2/y", Some("https://a.example:5000/v2/y")),
            ("e", Some("https://a.example:5000/v2/x/blobs/e")),
            ("?m=2", Some("https://a.example:5000/v2/x/blobs/d")),
            ("https://[::1]:5000/y", Some("https://[::1]:5000/y")),
            ("https://b.example", Some("https://b.example/")),
            ("https://user@b.example/", None),
            ("ftp://b.example/", None),
            ("javascript:alert(1)", None),
            ("https://", None),
            ("https://[]./", None),
            ("https://[]/", None),
            ("https://b.example:99999/", None),
            ("https://b.example/\u{1b}[2J", None),
        ] {
            assert_eq!(from.join(location).map(|url| url.shown()).as_deref(), expected, "{location}");
        }
        assert_eq!(from.join("?m=2").unwrap().path, "/v2/x/blobs/d?m=2");
        assert_eq!(from.join(&format!("/{}", "x".repeat(LENGTH))), None);
    }
}
