//! Which proxy a host is asked through, as Go's programs decide it, the runtimes among them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use std::fmt;
use std::net::IpAddr;

/// Proxies, as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name them.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    https: Option<Said>,
    http: Option<Said>,
    exempt: Vec<Exempt>,
}

/// A proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Whether it is spoken to by TLS.
    pub(super) is_tls: bool,
    /// Its host.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// What it asks of its users, as a header has it.
    pub(super) authorization: Option<SecretString>,
}

/// What a variable says.
#[derive(Debug, Clone)]
enum Said {
    Proxy(Proxy),
    /// Something that is none, or of a kind that is not spoken here.
    Unusable(&'static str),
}

/// Why a host can't be asked as the variables say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {why}")]
pub struct Unusable {
    variable: &'static str,
    why: &'static str,
}

/// What is asked without a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exempt {
    All,
    /// A network, by its address and the length of its prefix.
    Network(IpAddr, u8),
    Address(IpAddr, Option<u16>),
    /// A name; one that is bare is meant with all below it, `.name` is these alone.
    Name {
        name: String,
        is_bare: bool,
        port: Option<u16>,
    },
}

// === impl Proxies ===

impl Proxies {
    /// As these variables say; an empty one says nothing.
    pub fn new(https: Option<&str>, http: Option<&str>, exempt: Option<&str>) -> Self {
        let said = |value: Option<&str>| value.map(str::trim).filter(|value| !value.is_empty()).map(Said::read);
        let exempt = exempt.unwrap_or_default().split(',').filter_map(Exempt::read).collect();
        Self { https: said(https), http: said(http), exempt }
    }

    /// As the environment of this process says: upper case goes before lower case.
    pub fn of_environment() -> Self {
        let of = |upper: &str, lower: &str| {
            let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
            set(upper).or_else(|| set(lower))
        };
        Self::new(
            of("HTTPS_PROXY", "https_proxy").as_deref(),
            of("HTTP_PROXY", "http_proxy").as_deref(),
            of("NO_PROXY", "no_proxy").as_deref(),
        )
    }

    /// The proxy for `host` (an IPv6 address without its brackets), if there is one.
    ///
    /// # Errors
    ///
    /// When there is to be one, and it can't be used.
    pub fn find(&self, is_tls: bool, host: &str, port: u16) -> Result<Option<&Proxy>, Unusable> {
        let (said, variable) = if is_tls { (&self.https, "HTTPS_PROXY") } else { (&self.http, "HTTP_PROXY") };
        let Some(said) = said else { return Ok(None) };
        if is_loopback(host) || self.exempt.iter().any(|exempt| exempt.holds(host, port)) {
            return Ok(None);
        }
        match said {
            Said::Proxy(proxy) => Ok(Some(proxy)),
            Said::Unusable(why) => Err(Unusable { variable, why }),
        }
    }
}

// === impl Said ===

impl Said {
    /// `[http[s]://][user:password@]host[:port][/]`. What can't be used is not quoted: a password may be in it.
    fn read(value: &str) -> Self {
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            "socks5" | "socks5h" => return Self::Unusable("names a SOCKS proxy, which repoint does not speak"),
            _ => return Self::Unusable("is not the URL of a proxy"),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (host, port) = match place.parse::<http::uri::Authority>() {
            Ok(authority) if !authority.host().is_empty() => (bare(authority.host()).to_owned(), authority.port_u16()),
            _ => return Self::Unusable("is not the URL of a proxy"),
        };
        let authorization = login.map(|login| {
            let login = login.split_once(':').unwrap_or((login, ""));
            let login = format!("{}:{}", unescaped(login.0), unescaped(login.1));
            format!("Basic {}", STANDARD.encode(login)).into()
        });
        Self::Proxy(Proxy { is_tls, host, port: port.unwrap_or(if is_tls { 443 } else { 80 }), authorization })
    }
}

// === impl Proxy ===

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&place(&self.host, self.port))
    }
}

// === impl Exempt ===

impl Exempt {
    fn read(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some((address, length)) = entry.split_once('/')
            && let (Ok(address), Ok(length)) = (address.parse(), length.parse())
        {
            return Some(Self::Network(address, length));
        }
        if let Ok(address) = bare(&entry).parse() {
            return Some(Self::Address(address, None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry.as_str(), None),
        };
        if let Ok(address) = bare(host).parse() {
            return Some(Self::Address(address, port));
        }
        let name = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let (name, is_bare) = name.strip_prefix('.').map_or((name, true), |name| (name, false));
        (!name.is_empty()).then(|| Self::Name { name: name.to_owned(), is_bare, port })
    }

    fn holds(&self, host: &str, port: u16) -> bool {
        let is_port = |said: &Option<u16>| said.is_none_or(|said| said == port);
        match self {
            Self::All => true,
            Self::Network(network, length) => host.parse().is_ok_and(|address| within(*network, *length, address)),
            Self::Address(address, said) => is_port(said) && host.parse().is_ok_and(|host: IpAddr| host == *address),
            Self::Name { name, is_bare, port: said } => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                let is_below = || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                is_port(said) && ((*is_bare && host == *name) || is_below())
            }
        }
    }
}

/// Whether a host is this machine: neither Go's programs nor this one ask a proxy for it.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// A host without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A host and a port, as a URL has them.
pub(super) fn place(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn within(network: IpAddr, length: u8, address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address {
        // At the upper end, so that a prefix is one of both.
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((network, width), (address, other)) = (bits(network), bits(address));
    let mask = 128_u32.checked_sub(u32::from(length)).and_then(|rest| u128::MAX.checked_shl(rest)).unwrap_or_default();
    width == other && length <= width && network & mask == address & mask
}

/// `%40` is `@`.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match hex {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn asked(proxies: &Proxies, is_tls: bool, host: &str, port: u16) -> String {
        match proxies.find(is_tls, host, port) {
            Ok(Some(proxy)) => proxy.to_string(),
            Ok(None) => "direct".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn hosts_are_exempt_as_they_are_for_go() {
        let exempt = " Corp.example, .only-below.example,*.star.example,10.0.0.0/8, 192.0.2.7,ported.example:8443,portless.example:,fd00::/8,[2001:db8::1]:5000,";
        let proxies = Proxies::new(Some("proxy.example:3128"), None, Some(exempt));
        for (host, port, direct) in [
            ("corp.example", 443, true),
            ("CORP.example", 443, true),
            ("registry.corp.example", 443, true),
            ("notcorp.example", 443, false),
            ("only-below.example", 443, false),
            ("a.only-below.example", 443, true),
            ("star.example", 443, false),
            ("a.star.example", 443, true),
            ("10.200.3.4", 443, true),
            ("11.0.0.1", 443, false),
            ("192.0.2.7", 5000, true),
            ("ported.example", 8443, true),
            ("ported.example", 443, false),
            ("portless.example", 443, true),
            ("fd12::1", 443, true),
            ("fe80::1", 443, false),
            ("2001:db8::1", 5000, true),
            ("2001:db8::1", 443, false),
            ("localhost", 5000, true),
            ("127.0.0.3", 5000, true),
            ("::1", 5000, true),
            ("registry.k8s.io", 443, false),
        ] {
            let expected = if direct { "direct" } else { "proxy.example:3128" };
            assert_eq!(asked(&proxies, true, host, port), expected, "{host}:{port}");
        }
        let none = Proxies::new(Some("http://proxy.example"), None, Some("*"));
        assert_eq!(asked(&none, true, "registry.k8s.io", 443), "direct");
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let proxies = Proxies::new(Some("https://[::1]:3128/"), Some("http://plain.example"), Some(""));
        assert_eq!(asked(&proxies, true, "registry.k8s.io", 443), "[::1]:3128");
        assert_eq!(asked(&proxies, false, "registry.k8s.io", 80), "plain.example:80");
        assert_eq!(asked(&Proxies::default(), true, "registry.k8s.io", 443), "direct");
    }

    #[test]
    fn what_is_no_proxy_is_told_without_its_password() {
        for value in ["socks5://u:hunter2@a:1", "ftp://u:hunter2@a", "http://u:hunter2@", "http://u:hunter2@a b"] {
            let proxies = Proxies::new(Some(value), None, None);
            let told = asked(&proxies, true, "registry.k8s.io", 443);
            assert!(told.starts_with("HTTPS_PROXY ") && !told.contains("hunter2"), "{told}");
        }
        let proxies = Proxies::new(Some("http://u%40corp:hunter2@a:1"), None, None);
        assert!(!format!("{proxies:?}").contains("hunter2"));
        let found = proxies.find(true, "b", 1).unwrap().unwrap();
        let authorization = found.authorization.as_ref().unwrap().expose_secret();
        assert_eq!(authorization, &format!("Basic {}", STANDARD.encode("u@corp:hunter2")));
    }
}
