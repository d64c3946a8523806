//! Why there is no TLS with somebody, in the words of those who have to mend it.

use super::fault::{Fault, Kind};
use super::trust::Seen;
use std::io::{self, ErrorKind};
use tokio_rustls::rustls::{
    AlertDescription as Alert, CertificateError, Error, InvalidMessage, PeerIncompatible as Other,
};

/// What is said to those who look for the words of the runtimes.
pub(super) const PLAIN: &str = "what answers speaks no TLS, but perhaps plain HTTP, or is no registry (the runtimes say \
     `server gave HTTP response to HTTPS client`)";

/// Whether what answered speaks no TLS at all.
pub(super) fn is_plain(error: &io::Error) -> bool {
    matches!(rustls(error), Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

/// Why no connection came to be with `host`, which has shown what is `seen`.
pub(super) fn fault(host: &str, error: &io::Error, seen: &Seen) -> Fault {
    let (kind, detail) = match rustls(error) {
        Some(Error::InvalidCertificate(error)) => {
            let (kind, detail) = refused(error, seen);
            let certificate = seen.all().into_iter().next().map(Box::new);
            return Fault { certificate, ..Fault::new(kind, host, detail) };
        }
        Some(other) => (Kind::Tls, words(other)),
        None if error.kind() == ErrorKind::UnexpectedEof => (Kind::Tls, "it hung up during the handshake".to_owned()),
        None => (super::dial::kind(error), String::new()),
    };
    Fault::new(kind, host, detail)
}

/// What ended a connection that was TLS, if that did: in TLS 1.3, a server looks at its client's certificate when this has begun
/// to ask.
pub(super) fn ended(error: &io::Error) -> Option<String> {
    rustls(error).map(words)
}

fn rustls(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// What is wrong with a certificate.
#[expect(clippy::wildcard_enum_match_arm, reason = "what has no words of its own is told in rustls's")]
fn refused(error: &CertificateError, seen: &Seen) -> (Kind, String) {
    match error {
        CertificateError::UnknownIssuer => (Kind::UnknownAuthority, String::new()),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (Kind::Expired, now()),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (Kind::NotYetValid, now()),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = seen.all().first().map(|first| first.names.join(", ")).unwrap_or_default();
            (Kind::WrongName, format!("it is for {}", if names.is_empty() { "no host" } else { &names }))
        }
        other => (Kind::Tls, format!("x509: {other}")),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what has no words of its own is told in rustls's")]
fn words(error: &Error) -> String {
    let known = match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => return PLAIN.to_owned(),
        Error::AlertReceived(Alert::ProtocolVersion | Alert::InappropriateFallback)
        | Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion)
        | Error::PeerIncompatible(
            Other::ServerDoesNotSupportTls12Or13 | Other::ServerTlsVersionIsDisabledByOurConfig,
        ) => "it speaks TLS, but neither 1.2 nor 1.3",
        Error::AlertReceived(Alert::HandshakeFailure | Alert::InsufficientSecurity) => {
            "it speaks TLS and agrees to nothing that it is offered: it may want older ciphers, or to be shown a certificate"
        }
        Error::AlertReceived(Alert::CertificateRequired | Alert::BadCertificate | Alert::NoCertificate) => {
            "it wants to be shown a certificate, and repoint has none to show"
        }
        Error::AlertReceived(Alert::UnrecognisedName) => "it speaks TLS, but knows no host of this name",
        Error::AlertReceived(Alert::NoApplicationProtocol) => "it speaks TLS, but not HTTP/1.1",
        Error::PeerIncompatible(_) => "it speaks TLS, but of another kind",
        other => return other.to_string(),
    };
    format!("{known} ({error})")
}

fn now() -> String {
    format!("the clock here says {}", jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC"))
}
