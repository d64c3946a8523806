//! Whom a TLS connection is made with, and what was seen of those who were refused.

use super::certificate::Certificate;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The authorities that are trusted.
#[derive(Debug, Clone)]
pub struct Roots {
    store: RootCertStore,
    /// Hashes of their certificates: a server may show one of them as its own.
    hashes: Arc<HashSet<[u8; 32]>>,
    /// Whether nobody's certificate is looked at.
    is_anybody: bool,
}

/// Why a file adds no authority.
#[derive(Debug, thiserror::Error)]
pub enum NoRoots {
    /// The system does not give it.
    #[error("cannot read {}", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// There is none in it.
    #[error("{} has no certificate of an authority in it (PEM is read)", .0.display())]
    Empty(PathBuf),
}

/// Asks another one, and remembers what was shown.
#[derive(Debug)]
struct Recorder {
    inner: Option<Arc<WebPkiServerVerifier>>,
    hashes: Arc<HashSet<[u8; 32]>>,
    is_anybody: bool,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Seen,
}

/// The certificates that were shown on one connection, the server's own first.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<Certificate>>>);

/// More of a chain nobody reads.
const CHAIN: usize = 8;
/// A bundle of all authorities there are has half a megabyte.
const BUNDLE: u64 = 16 << 20;

// === impl Roots ===

impl Roots {
    /// Nobody.
    pub fn none() -> Self {
        Self { store: RootCertStore::empty(), hashes: Arc::default(), is_anybody: false }
    }

    /// Whoever answers, as runtimes do that are told to verify nothing: to see what they would see.
    pub fn anybody() -> Self {
        Self { is_anybody: true, ..Self::none() }
    }

    /// Those of this machine, or of `SSL_CERT_FILE` and `SSL_CERT_DIR` where these are set.
    pub fn of_system() -> Self {
        let mut roots = Self::none();
        // What can't be read there trusts nobody, and that is told where it matters.
        roots.take(rustls_native_certs::load_native_certs().certs);
        roots
    }

    /// Trusts those in a file of PEM, too.
    ///
    /// # Errors
    ///
    /// When it can't be read, or there are none in it.
    pub fn add(&mut self, path: &Path) -> Result<(), NoRoots> {
        use std::io::Read;
        let mut text = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(BUNDLE).read_to_end(&mut text));
        read.map_err(|error| NoRoots::Unreadable(path.to_owned(), error))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text).flatten().collect();
        match self.take(certificates) {
            0 => Err(NoRoots::Empty(path.to_owned())),
            _ => Ok(()),
        }
    }

    /// How many of these could be added.
    fn take(&mut self, certificates: Vec<CertificateDer<'static>>) -> usize {
        Arc::make_mut(&mut self.hashes).extend(certificates.iter().map(|der| hash(der)));
        self.store.add_parsable_certificates(certificates).0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }
}

impl Default for Roots {
    /// Those of this machine.
    fn default() -> Self {
        Self::of_system()
    }
}

// === impl Seen ===

impl Seen {
    pub(super) fn all(&self) -> Vec<Certificate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a connection is made by, and where the certificates are that it shows.
///
/// One for each: a session that is resumed shows none.
pub(super) fn config(roots: &Roots) -> Result<(ClientConfig, Seen), Error> {
    let provider = Arc::new(ring::default_provider());
    let inner = if roots.is_empty() {
        None
    } else {
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots.store.clone()), Arc::clone(&provider));
        Some(builder.build().map_err(|error| Error::General(error.to_string()))?)
    };
    let seen = Seen::default();
    let recorder = Recorder {
        inner,
        hashes: Arc::clone(&roots.hashes),
        is_anybody: roots.is_anybody,
        algorithms: provider.signature_verification_algorithms,
        seen: seen.clone(),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(recorder))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, seen))
}

fn hash(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

/// Whether a certificate that is trusted itself is one for this server, now. Nobody has to have signed it; Go's programs see it
/// so, too. That the server has its key is verified by the handshake.
fn itself(end_entity: &CertificateDer<'_>, server_name: &ServerName<'_>, now: UnixTime) -> Result<(), Error> {
    let refused = |why| Err(Error::InvalidCertificate(why));
    let Ok((_, read)) = X509Certificate::from_der(end_entity) else { return refused(CertificateError::BadEncoding) };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < read.validity().not_before.timestamp() {
        return refused(CertificateError::NotValidYet);
    }
    if now > read.validity().not_after.timestamp() {
        return refused(CertificateError::Expired);
    }
    match read.extended_key_usage() {
        Ok(usage) if usage.as_ref().is_none_or(|usage| usage.value.any || usage.value.server_auth) => {}
        _ => return refused(CertificateError::InvalidPurpose),
    }
    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)
}

// === impl Recorder ===

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = std::iter::once(end_entity).chain(intermediates).take(CHAIN);
        *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner) =
            shown.filter_map(|der| Certificate::read(der)).collect();
        if self.is_anybody {
            return Ok(ServerCertVerified::assertion());
        }
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let Some(inner) = &self.inner else { return Err(unknown) };
        let verified = inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(error) = verified else { return verified };
        if self.hashes.contains(&hash(end_entity)) {
            return itself(end_entity, server_name, now).map(|()| ServerCertVerified::assertion());
        }
        // webpki takes no authority for a server, whoever signed it, and has no word for this that others know.
        let is_other = matches!(error, Error::InvalidCertificate(CertificateError::Other(_)));
        let is_authority = || X509Certificate::from_der(end_entity).is_ok_and(|(_, read)| read.is_ca());
        Err(if is_other && is_authority() { unknown } else { error })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
