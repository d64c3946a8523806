//! What the service tells about itself, and what it can be told: HTTP on a socket of its own, beside the one the kubelet uses.
//!
//! | | | also over TCP |
//! |---|---|---|
//! | `GET /metrics` | what is counted | yes |
//! | `GET /healthz` | 200, as long as calls are served at all | yes |
//! | `GET /readyz` | 200 while calls are taken, and the runtime takes ours; 503 and the reason otherwise | yes |
//! | `GET /status` | how it is, as JSON | no: it tells of files and of images |
//! | `POST /override` | something in the place of what a rule says, for a while | no: whose word it is cannot be known |
//!
//! Who may connect to the socket is root, as with the other one.

use super::control::Control;
use super::intervention::Unheard;
use super::page::Page;
use super::sockets;
use crate::error::Chain;
use crate::proxy::access::Peer;
use crate::proxy::listener::Listener;
use crate::proxy::overrides::Instead;
use crate::runtime::Address;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

/// What is to be put in the place of what a rule says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The rule.
    pub rule: String,
    /// What instead; nothing, if the rule is to hold again.
    pub instead: Option<Instead>,
    /// For how long.
    pub seconds: u64,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Granted {
    /// Until when it holds; nothing, where the rule holds again.
    pub until: Option<Timestamp>,
}

/// Where a request is from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// The socket, and who is at the other end.
    Socket(Peer),
    /// Somewhere.
    Tcp,
}

/// What all requests need.
#[derive(Debug)]
struct Desk {
    control: Arc<Control>,
    page: Page,
    /// What was wished for, while it is done.
    wishes: TaskTracker,
}

/// How long one client may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Clients at a time. A scraper asks every few seconds, and nobody who asks more often shall cost the node more; those beyond
/// wait in line.
const CLIENTS: usize = 8;

/// The pause after a client could not be accepted, or an address be had.
const PAUSE: Duration = Duration::from_secs(1);

/// More than this is no wish.
const LARGEST: usize = 16 << 10;

/// The form of the page of metrics.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// How pages are asked for, and wishes made.
const GET: HeaderValue = HeaderValue::from_static("GET");
const POST: HeaderValue = HeaderValue::from_static("POST");

const PAGES: &str = "there is /metrics, /healthz, /readyz, /status\n";
const PAGES_OVER_TCP: &str = "there is /metrics, /healthz, /readyz\n";

/// The socket.
///
/// # Errors
///
/// With where it is to be, once it can be. Without it the proxy does as well, so that a failure is said and no more.
pub fn open(address: &Address) -> Result<Listener, Address> {
    Listener::bind(address, sockets::own()).map_err(|error| {
        tracing::error!(error = %Chain(&error), "There are no status, no overrides and no metrics here yet (`admin`); trying again");
        address.clone()
    })
}

/// Serves for ever.
pub async fn serve(socket: Result<Listener, Address>, tcp: Option<SocketAddr>, page: Page, control: &Arc<Control>) {
    let desk = Arc::new(Desk { control: Arc::clone(control), page, wishes: TaskTracker::new() });
    tokio::join!(serve_socket(socket, &desk), serve_tcp(tcp, &desk));
}

async fn serve_socket(socket: Result<Listener, Address>, desk: &Arc<Desk>) {
    let listener = match socket {
        Ok(listener) => listener,
        Err(address) => listen(&address).await,
    };
    let mut clients = Clients::new();
    loop {
        match clients.turn(listener.accept()).await {
            Ok(stream) => {
                let origin = Origin::Socket(Peer::of(&stream).unwrap_or(Peer::NOBODY));
                clients.serve(stream, origin, desk);
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Somebody else may have the path for a while, such as a service that stops and is still asked how it is.
async fn listen(address: &Address) -> Listener {
    loop {
        tokio::time::sleep(PAUSE).await;
        if let Ok(listener) = Listener::bind(address, sockets::own()) {
            tracing::info!(admin = %address, "There are status, overrides and metrics now");
            return listener;
        }
    }
}

async fn serve_tcp(address: Option<SocketAddr>, desk: &Arc<Desk>) {
    let Some(address) = address else { return std::future::pending().await };
    let listener = bind(address).await;
    tracing::info!(%address, "Metrics are to be had over TCP");
    let mut clients = Clients::new();
    loop {
        match clients.turn(listener.accept()).await {
            Ok((stream, _)) => clients.serve(stream, Origin::Tcp, desk),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// The address may come to this machine later, or be somebody else's for a while.
async fn bind(address: SocketAddr) -> TcpListener {
    let mut is_said = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) if !is_said => {
                tracing::error!(%address, error = %Chain(&error), "There are no metrics over TCP yet (`metrics_tcp`; a unit that is shut off from the network needs network.conf); trying again");
                is_said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Those who are served at a time at one door.
struct Clients {
    turns: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

// === impl Clients ===

impl Clients {
    fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(CLIENTS)), tasks: JoinSet::new() }
    }

    /// The next one, once there is a turn for it.
    async fn turn<T>(&mut self, next: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
        while self.tasks.try_join_next().is_some() {}
        drop(self.turns.acquire().await);
        next.await
    }

    fn serve(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        origin: Origin,
        desk: &Arc<Desk>,
    ) {
        let (turns, desk) = (Arc::clone(&self.turns), Arc::clone(desk));
        self.tasks.spawn(async move {
            let _turn = turns.acquire_owned().await;
            let _too_slow = tokio::time::timeout(PATIENCE, answer(stream, origin, &desk)).await;
        });
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, origin: Origin, desk: &Desk) {
    let service =
        service_fn(async |request: Request<Incoming>| Ok::<_, Infallible>(desk.answer(request, origin).await));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(error = %Chain(&error), "A client of the metrics went away");
    }
}

// === impl Desk ===

impl Desk {
    async fn answer(&self, request: Request<Incoming>, origin: Origin) -> Response<String> {
        let path = request.uri().path().to_owned();
        match (request.method().clone(), path.as_str(), origin) {
            (Method::GET, "/metrics", _) => match self.page.text().await {
                Ok(text) => response(StatusCode::OK, OPEN_METRICS, text),
                Err(error) => failed(&error),
            },
            (Method::GET, "/healthz", _) => response(StatusCode::OK, TEXT, "ok\n".to_owned()),
            (Method::GET, "/readyz", _) => self.readiness().await,
            (Method::GET, "/status", Origin::Socket(_)) => json(&self.control.status().await),
            (Method::POST, "/override", Origin::Socket(peer)) => self.wish(request, peer).await,
            (_, "/metrics" | "/healthz" | "/readyz", _) | (_, "/status", Origin::Socket(_)) => not_allowed(GET),
            (_, "/override", Origin::Socket(_)) => not_allowed(POST),
            (_, _, Origin::Socket(_)) => response(StatusCode::NOT_FOUND, TEXT, PAGES.to_owned()),
            (_, _, Origin::Tcp) => response(StatusCode::NOT_FOUND, TEXT, PAGES_OVER_TCP.to_owned()),
        }
    }

    async fn readiness(&self) -> Response<String> {
        let why = if self.control.is_stopping() {
            Some("it is being stopped".to_owned())
        } else {
            self.control.runtime().await.error.map(|error| format!("the container runtime is not reachable: {error}"))
        };
        match why {
            None => response(StatusCode::OK, TEXT, "ok\n".to_owned()),
            Some(why) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, why + "\n"),
        }
    }

    async fn wish(&self, request: Request<Incoming>, peer: Peer) -> Response<String> {
        let refused = |why: &str| response(StatusCode::BAD_REQUEST, TEXT, format!("{why}\n"));
        let Ok(body) = Limited::new(request.into_body(), LARGEST).collect().await else {
            return refused("it could not be read to its end");
        };
        let wish: Wish = match serde_json::from_slice(&body.to_bytes()) {
            Ok(wish) => wish,
            Err(error) => return refused(&error.to_string()),
        };
        // To its end, whether or not whoever wished for it waits: what is done is recorded.
        let control = Arc::clone(&self.control);
        let granted = self.wishes.spawn(async move { grant(wish, &control, peer).await }).await;
        match granted {
            Ok(Ok(granted)) => json(&granted),
            Ok(Err(error)) => refused(&Chain(&error).to_string()),
            Err(panicked) => failed(&panicked),
        }
    }
}

/// Does what `peer` wishes for.
async fn grant(Wish { rule, instead, seconds }: Wish, control: &Control, peer: Peer) -> Result<Granted, Unheard> {
    let until = match instead {
        Some(instead) => Some(control.set_override(rule, instead, Duration::from_secs(seconds), peer.uid).await?),
        None => {
            control.end_override(rule, peer.uid).await?;
            None
        }
    };
    Ok(Granted { until })
}

fn not_allowed(allowed: HeaderValue) -> Response<String> {
    let mut response = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "it is not asked for so\n".to_owned());
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

fn json(value: &impl Serialize) -> Response<String> {
    match serde_json::to_string(value) {
        Ok(text) => response(StatusCode::OK, JSON, text + "\n"),
        Err(error) => failed(&error),
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Response<String> {
    response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{}\n", Chain(error)))
}

fn response(status: StatusCode, kind: HeaderValue, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
