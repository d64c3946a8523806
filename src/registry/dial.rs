//! A connection to a host: its address, perhaps a proxy, perhaps TLS; and what was seen on the way.

use super::client::Way;
use super::fault::{Fault, Kind};
use super::handshake;
use super::names::Names;
use super::proxy::{Proxy, place};
use super::step::Step;
use super::trust;
use super::url::Origin;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Method, Request};
use http_body_util::Empty;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// Bytes in both directions, whatever carries them.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What requests without a body are sent on.
pub(super) type Sender = SendRequest<Empty<Bytes>>;

/// A connection that is made.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) sender: Sender,
    /// What carries it, and ends with it.
    _carrier: JoinSet<()>,
    /// Set where requests go to a proxy, with whole URLs in them.
    pub(super) relay: Option<Proxy>,
    /// What was seen when it was made.
    pub(super) made: Step,
}

/// Why none was made.
#[derive(Debug)]
pub(super) enum NoLink {
    /// What answered speaks no TLS.
    Plain,
    Fault(Fault),
}

/// Addresses that are tried of a name.
const ADDRESSES: usize = 4;

/// Makes a connection to `origin`, and writes down in `step` what was seen, also if it comes to nothing.
pub(super) async fn dial(way: &Way, names: &Names, origin: &Origin, step: &mut Step) -> Result<Link, NoLink> {
    let proxy = way.proxies.find(origin.is_tls, &origin.host, origin.port);
    let proxy = proxy.map_err(|error| Fault::new(Kind::Proxy, origin.to_string(), error.to_string()))?;
    let (host, port) = proxy.map_or((origin.host.as_str(), origin.port), |proxy| (proxy.host.as_str(), proxy.port));
    step.proxy = proxy.map(ToString::to_string);

    let (tcp, address) = reach(way, names, host, port, step).await.map_err(|fault| on_the_way(fault, proxy, origin))?;
    let started = Instant::now();
    step.address = Some(address);
    let mut stream: Box<dyn Stream> = Box::new(tcp);
    if let Some(proxy) = proxy.filter(|proxy| proxy.is_tls) {
        // Its certificates are not the host's.
        let agreed = tls(way, &proxy.host, &proxy.to_string(), stream).await;
        (stream, _) = agreed.map_err(|error| match error {
            NoLink::Fault(fault) => NoLink::Fault(on_the_way(fault, Some(proxy), origin)),
            NoLink::Plain => {
                let detail = format!("it is the proxy on the way to {origin}, and speaks no TLS: is it http://?");
                NoLink::Fault(Fault::new(Kind::Proxy, proxy.to_string(), detail))
            }
        })?;
    }
    if let Some(proxy) = proxy.filter(|_| origin.is_tls) {
        let through = within(way, &proxy.to_string(), tunnel(proxy, origin, stream)).await;
        let is_said = |fault: &Fault| fault.kind == Kind::Proxy;
        stream =
            through.map_err(|fault| if is_said(&fault) { fault } else { on_the_way(fault, Some(proxy), origin) })?;
    }
    step.millis.connect = step.millis.connect.map(|reached| reached.saturating_add(millis(started)));

    if origin.is_tls {
        let started = Instant::now();
        let encrypted = tls(way, &origin.host, &origin.to_string(), stream).await;
        step.millis.tls = Some(millis(started));
        let (encrypted, certificates) = encrypted.inspect_err(|error| {
            if let NoLink::Fault(Fault { certificate: Some(certificate), .. }) = error {
                step.certificates.push(certificate.as_ref().clone());
            }
        })?;
        step.certificates = certificates;
        stream = encrypted;
    }
    let (sender, carrier) = speak(stream, &origin.to_string()).await?;
    Ok(Link { sender, _carrier: carrier, relay: proxy.filter(|_| !origin.is_tls).cloned(), made: step.clone() })
}

/// Finds the addresses of a host, and connects to one.
async fn reach(
    way: &Way,
    names: &Names,
    host: &str,
    port: u16,
    step: &mut Step,
) -> Result<(TcpStream, SocketAddr), Fault> {
    let started = Instant::now();
    let silent = |_| Fault::new(Kind::Dns, host, "no name server of /etc/resolv.conf answered in time");
    step.addresses = tokio::time::timeout(way.limits.connect, names.find(host)).await.map_err(silent)??;
    step.millis.name = Some(millis(started));
    let started = Instant::now();
    let connected = connect(way, &place(host, port), &step.addresses, port).await;
    step.millis.connect = Some(millis(started));
    connected
}

/// What fails on the way to a proxy is not the registry's fault, which has to be said.
fn on_the_way(mut fault: Fault, proxy: Option<&Proxy>, origin: &Origin) -> Fault {
    if proxy.is_some() {
        let more = if fault.detail.is_empty() { String::new() } else { format!("; {}", fault.detail) };
        fault.detail = format!("it is the proxy on the way to {origin}{more}");
    }
    fault
}

/// Tries the addresses in turn.
async fn connect(way: &Way, host: &str, addresses: &[IpAddr], port: u16) -> Result<(TcpStream, SocketAddr), Fault> {
    let mut first = None;
    // Where there is no name, it is told already.
    let of = |address: SocketAddr| if address.to_string() == host { String::new() } else { address.to_string() };
    for address in addresses.iter().take(ADDRESSES) {
        let address = SocketAddr::new(*address, port);
        let failed = match tokio::time::timeout(way.limits.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(error)) if kind(&error) == Kind::Unreachable => {
                Fault::new(Kind::Unreachable, host, format!("{address}: {error}"))
            }
            Ok(Err(error)) => Fault::new(kind(&error), host, of(address)),
            Err(_) => Fault::new(Kind::Timeout, host, of(address)),
        };
        first.get_or_insert(failed);
    }
    Err(first.unwrap_or_else(|| Fault::new(Kind::Dns, host, "it has no address")))
}

/// Agrees on TLS. `host` is who it has to be, `shown` what it is called in an error.
async fn tls(
    way: &Way,
    host: &str,
    shown: &str,
    stream: Box<dyn Stream>,
) -> Result<(Box<dyn Stream>, Vec<super::Certificate>), NoLink> {
    let fault = |kind, detail: String| Fault::new(kind, shown, detail);
    let (config, seen) = trust::config(&way.roots).map_err(|error| fault(Kind::Tls, error.to_string()))?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| fault(Kind::Tls, "no certificate can be for such a name".to_owned()))?;
    let agreed = TlsConnector::from(Arc::new(config)).connect(name, stream);
    match tokio::time::timeout(way.limits.connect, agreed).await {
        Ok(Ok(stream)) => Ok((Box::new(stream), seen.all())),
        Ok(Err(error)) if handshake::is_plain(&error) => Err(NoLink::Plain),
        Ok(Err(error)) => Err(NoLink::Fault(handshake::fault(shown, &error, &seen))),
        Err(_) => Err(NoLink::Fault(fault(Kind::Timeout, "it does not answer to TLS".to_owned()))),
    }
}

/// Has the proxy connect to `origin`.
async fn tunnel(proxy: &Proxy, origin: &Origin, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, Fault> {
    let fault = |kind, detail: String| Fault::new(kind, proxy.to_string(), detail);
    // It has ended once the stream is handed over.
    let (mut sender, _carrier) = speak(stream, &proxy.to_string()).await?;
    let place = place(&origin.host, origin.port);
    let mut request = Request::builder().method(Method::CONNECT).uri(&place).header(HOST, &place);
    request = request.header(USER_AGENT, AGENT);
    if let Some(authorization) = proxy.authorization() {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::new()).map_err(|error| fault(Kind::Proxy, error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(|error| broken(&proxy.to_string(), &error))?;
    if !answer.status().is_success() {
        return Err(fault(Kind::Proxy, format!("it answered `{}` to CONNECT {place}", answer.status())));
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(|error| broken(&proxy.to_string(), &error))?;
    Ok(Box::new(TokioIo::new(upgraded)))
}

/// HTTP/1.1 on a stream, and the task that carries it.
async fn speak(stream: Box<dyn Stream>, host: &str) -> Result<(Sender, JoinSet<()>), Fault> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| broken(host, &error))?;
    let mut carrier = JoinSet::new();
    carrier.spawn(async move {
        // Whoever waits for an answer is told.
        let _ended = connection.with_upgrades().await;
    });
    Ok((sender, carrier))
}

/// What the calls of our own are known by.
pub(super) const AGENT: HeaderValue = HeaderValue::from_static(concat!("repoint/", env!("CARGO_PKG_VERSION")));

/// Heads of answers may be as long. Signed addresses in redirects have some thousand bytes.
const HEAD: usize = 64 << 10;

/// What a system call's error comes to.
pub(super) fn kind(error: &io::Error) -> Kind {
    let closed = [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
        ErrorKind::UnexpectedEof,
        ErrorKind::NotConnected,
    ];
    if error.kind() == ErrorKind::ConnectionRefused {
        Kind::Refused
    } else if error.kind() == ErrorKind::TimedOut {
        Kind::Timeout
    } else if closed.contains(&error.kind()) {
        Kind::Closed
    } else {
        Kind::Unreachable
    }
}

/// Why an exchange broke off.
pub(super) fn broken(host: &str, error: &hyper::Error) -> Fault {
    let cause = crate::error::cause::<io::Error>(error);
    if error.is_parse() || error.is_parse_too_large() {
        return Fault::new(Kind::Malformed, host, "what answers speaks no HTTP");
    }
    if let Some(words) = cause.and_then(handshake::ended) {
        return Fault::new(Kind::Tls, host, words);
    }
    let kind = cause.map_or(Kind::Closed, kind);
    Fault::new(kind, host, cause.map(ToString::to_string).unwrap_or_default())
}

/// What `made` comes to, if it does in the time that connecting may take.
async fn within<T>(way: &Way, host: &str, made: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = |_| Fault::new(Kind::Timeout, host, "");
    tokio::time::timeout(way.limits.connect, made).await.map_err(late)?
}

pub(super) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

// === impl Proxy ===

impl Proxy {
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(self.authorization.as_ref()?.expose_secret()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

// === impl NoLink ===

impl From<Fault> for NoLink {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
