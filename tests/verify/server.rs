//! A server that answers as a test says, by plain HTTP, by TLS, or as a proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// It ends with the test.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query; `host:port` for a CONNECT.
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

/// What it says.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    manner: Manner,
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    Whole,
    /// Announces all of it, and hangs up after so many bytes.
    Torn(usize),
    /// A byte, and then nothing, with the line open.
    Drip,
    /// One byte after another for ever.
    Endless,
}

/// An authority, and whom it is known by.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// What those have to trust who trust it.
    pub pem: String,
    der: CertificateDer<'static>,
}

/// A certificate with its key.
pub struct Identity(ServerConfig);

type Script = dyn Fn(&Asked) -> Answer + Send + Sync;

// === impl Server ===

impl Server {
    pub async fn plain(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(BTreeMap::new()), script).await
    }

    pub async fn tls(identity: Identity, script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(Some(identity), Arc::new(BTreeMap::new()), script).await
    }

    /// A proxy that leads to these by their names; the script answers for all others, and for plain requests.
    pub async fn proxy(
        names: &[(&str, SocketAddr)],
        script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let names = names.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
        Self::start(None, Arc::new(names), script).await
    }

    /// The same, which is spoken to by TLS.
    pub async fn tls_proxy(identity: Identity, names: &[(&str, SocketAddr)]) -> Self {
        let names = names.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
        Self::start(Some(identity), Arc::new(names), |_| Answer::new(403, "")).await
    }

    /// One that answers to the first bytes with these, whatever they are, and waits for the other side to hang up.
    pub async fn saying(bytes: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _hung_up = stream.read(&mut [0; 4096]).await;
                let _hung_up = stream.write_all(bytes).await;
                drain(stream).await;
            }
        });
        Self { address, seen: Arc::default(), _tasks: tasks }
    }

    async fn start(
        identity: Option<Identity>,
        names: Arc<BTreeMap<String, SocketAddr>>,
        script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let acceptor = identity.map(|Identity(config)| TlsAcceptor::from(Arc::new(config)));
        let (script, into): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen, acceptor) = (Arc::clone(&script), Arc::clone(&into), acceptor.clone());
                let names = Arc::clone(&names);
                connections.spawn(async move {
                    match acceptor {
                        None => serve(stream, &*script, &seen, &names).await,
                        Some(acceptor) => match acceptor.accept(stream).into_fallible().await {
                            Ok(stream) => serve(stream, &*script, &seen, &names).await,
                            // Who is not trusted is told, and hangs up, as who does not trust it does.
                            Err((_, stream)) => drain(stream).await,
                        },
                    }
                });
            }
        });
        Self { address, seen, _tasks: tasks }
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }

    pub fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|asked| asked.path).collect()
    }
}

/// Takes what comes, to its end.
async fn drain(mut stream: TcpStream) -> Option<()> {
    while stream.read(&mut [0; 4096]).await.ok()? > 0 {}
    None
}

/// `None` at the end of the connection.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &Script,
    seen: &Mutex<Vec<Asked>>,
    names: &BTreeMap<String, SocketAddr>,
) -> Option<()> {
    loop {
        let Some(asked) = read(&mut stream).await? else {
            // As Go's servers do, told something in TLS.
            stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request\n").await.ok()?;
            return None;
        };
        seen.lock().unwrap().push(asked.clone());
        if asked.method == "CONNECT"
            && let Some(address) = names.get(&asked.path)
        {
            let mut other = TcpStream::connect(address).await.ok()?;
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
            copy_bidirectional(&mut stream, &mut other).await.ok()?;
            return None;
        }
        let answer = script(&asked);
        answer.write(&mut stream, asked.method == "HEAD").await?;
    }
}

/// `Some(None)` for what is no request.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Option<Asked>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        if head[0] == 0x16 {
            return Some(None);
        }
    }
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.lines();
    let mut first = lines.next().unwrap().split(' ');
    let (method, path) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Some(Some(Asked { method, path, headers }))
}

// === impl Asked ===

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

// === impl Answer ===

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), manner: Manner::Whole }
    }

    pub fn found(location: &str) -> Self {
        Self::new(307, "").with("location", location)
    }

    pub fn page(status: u16, title: &str) -> Self {
        let body = format!("<!DOCTYPE html><html><head><title>{title}</title></head></html>");
        Self::new(status, body).with("content-type", "text/html; charset=utf-8")
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn torn(self, after: usize) -> Self {
        Self { manner: Manner::Torn(after), ..self }
    }

    pub fn dripping(self) -> Self {
        Self { manner: Manner::Drip, ..self }
    }

    pub fn endless(self) -> Self {
        Self { manner: Manner::Endless, ..self }
    }

    /// `None` where the connection has ended.
    async fn write(&self, stream: &mut (impl AsyncWrite + Unpin), is_head: bool) -> Option<()> {
        let mut head = format!("HTTP/1.1 {} Said\r\n", self.status);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let length = self.body.len().to_string();
        match self.manner {
            Manner::Endless => head += "connection: close\r\n\r\n",
            Manner::Whole | Manner::Torn(_) | Manner::Drip => head.extend(["content-length: ", &length, "\r\n\r\n"]),
        }
        stream.write_all(head.as_bytes()).await.ok()?;
        if is_head {
            return Some(());
        }
        match self.manner {
            Manner::Whole => stream.write_all(&self.body).await.ok()?,
            Manner::Torn(after) => {
                stream.write_all(&self.body[..after]).await.ok()?;
                stream.shutdown().await.ok()?;
                return None;
            }
            Manner::Drip => {
                stream.write_all(&self.body[..1]).await.ok()?;
                stream.flush().await.ok()?;
                tokio::time::sleep(Duration::from_secs(3600)).await;
            }
            Manner::Endless => loop {
                stream.write_all(&[b' '; 65536]).await.ok()?;
            },
        }
        stream.flush().await.ok()
    }
}

// === impl Authority ===

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = called(name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }

    /// For a host, as of now.
    pub fn signs(&self, host: &str) -> Identity {
        self.signs_for_years(host, 2020, 2090)
    }

    pub fn signs_for_years(&self, host: &str, from: i32, until: i32) -> Identity {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name = called(host);
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::new(vec![certificate.der().clone(), self.der.clone()], &key)
    }
}

// === impl Identity ===

impl Identity {
    fn new(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Self(config.with_single_cert(chain, key).unwrap())
    }

    /// The same, which wants a certificate of its clients.
    pub fn wanting(self, authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der.clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_client_cert_verifier(verifier.build().unwrap());
        Self(config.with_cert_resolver(Arc::clone(&self.0.cert_resolver)))
    }

    /// One that signed itself, as `openssl req -x509` makes them, until that year; and its PEM.
    pub fn of_itself(host: &str, until: i32) -> (Self, String) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = called(host);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (Self::new(vec![certificate.der().clone()], &key), certificate.pem())
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}
