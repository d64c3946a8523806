//! What a server showed of itself, as far as a person reads it.

use jiff::Timestamp;
use serde::Serialize;
use std::fmt;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// A certificate. All of its texts are the other side's: a terminal is shown them through [`crate::output::Plain`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Whom it is about.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The hosts it is for.
    pub names: Vec<String>,
    /// From when on; `None` where that is no time.
    pub not_before: Option<Timestamp>,
    /// Until when.
    pub not_after: Option<Timestamp>,
}

/// Names that are kept: some certificates have hundreds.
const NAMES: usize = 20;
/// How long a text may be that is kept.
const LENGTH: usize = 200;

// === impl Certificate ===

impl Certificate {
    /// Reads one; `None` where it is none.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let alternative = parsed.subject_alternative_name().ok().flatten();
        let name = |name: &GeneralName<'_>| {
            if let GeneralName::DNSName(name) = name {
                Some(cut(name))
            } else if let GeneralName::IPAddress(bytes) = name {
                address(bytes)
            } else {
                None
            }
        };
        let names = alternative.map(|names| names.value.general_names.iter().filter_map(name).take(NAMES).collect());
        let time = |time: i64| Timestamp::from_second(time).ok();
        Some(Self {
            subject: cut(&parsed.subject().to_string()),
            issuer: cut(&parsed.issuer().to_string()),
            names: names.unwrap_or_default(),
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
        })
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a certificate for `{}`, signed by `{}`", self.subject, self.issuer)?;
        if let (Some(from), Some(until)) = (self.not_before, self.not_after) {
            write!(f, ", valid from {} to {}", from.strftime("%Y-%m-%d"), until.strftime("%Y-%m-%d"))?;
        }
        Ok(())
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LENGTH).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}
