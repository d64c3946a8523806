//! A host that has nothing to give and remembers who asked, and with which credentials.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::LIMIT;

/// More connections than any test opens. The next waits for one of them to end.
const CONNECTIONS: usize = 64;

/// More requests than any test makes.
const MEMORY: usize = 1000;

/// An HTTP server on a loopback port. It ends when it is dropped, and so does everything that waits for it.
#[derive(Debug)]
pub struct Witness {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Dropping it is what ends the thread.
    end: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// How it says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 401: asks for a user and a password, and is content with none. The one to find out with whether credentials go
    /// astray: containerd first asks everybody without, and sends them only to those who answer so.
    Unauthorized,
    /// 404.
    NotFound,
    /// 429.
    TooManyRequests,
    /// 503.
    Unavailable,
    /// Takes the request and never says a word.
    Silence,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    /// With its query: containerd adds `?ns=HOST` where the host of the reference is not the one it was led to.
    pub path: String,
    pub authorization: Option<String>,
}

#[derive(Debug)]
struct Shared {
    refusal: Mutex<Refusal>,
    asked: watch::Sender<Vec<Asked>>,
}

// === impl Witness ===

impl Witness {
    /// One that refuses everybody in this way.
    pub fn start(refusal: Refusal) -> Self {
        // Here, so that a connection made from now on waits for the thread to be up.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("it has one");
        let shared = Arc::new(Shared { refusal: Mutex::new(refusal), asked: watch::Sender::default() });
        let (end, ended) = oneshot::channel();
        // A thread and a runtime of its own: it has to answer while a test blocks, too. And when a runtime goes, no
        // task of it stays.
        let serving = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_io().build().expect("a runtime");
            runtime.block_on(async move {
                tokio::select! {
                    _ = ended => {}
                    () = serve(listener, &serving) => {}
                }
            });
        });
        Self { address, shared, end: Some(end), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses in this way from now on.
    pub fn refuses(&self, refusal: Refusal) {
        *self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    /// All requests until now, in the order in which they came.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.shared.asked.borrow().clone();
        // What came after those is forgotten, and might have been what the test is about.
        assert!(asked.len() < MEMORY, "asked too often");
        asked
    }

    /// The first request, when it is there.
    pub async fn first(&self) -> Asked {
        let mut asked = self.shared.asked.subscribe();
        let first = timeout(LIMIT, asked.wait_for(|asked| !asked.is_empty())).await;
        let first = first.expect("it is asked in time").expect("its sender is ours");
        first.first().expect("there is one").clone()
    }

    /// Every `Authorization` that has reached it. That there is none says something only of one that was asked.
    pub fn credentials(&self) -> Vec<String> {
        self.asked().into_iter().filter_map(|asked| asked.authorization).collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("a witness panicked");
        }
    }
}

async fn serve(listener: std::net::TcpListener, shared: &Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a socket");
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if connections.len() == CONNECTIONS {
            connections.join_next().await;
        }
        let shared = Arc::clone(shared);
        connections.spawn(async move {
            let answer = service_fn(async |request| Ok::<_, Infallible>(shared.answer(&request).await));
            // Whatever a client does to its connection is its own affair.
            let _closed = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

// === impl Shared ===

impl Shared {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Empty<Bytes>> {
        let refusal = *self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        self.asked.send_modify(|asked| {
            if asked.len() < MEMORY {
                asked.push(Asked::new(request));
            }
        });
        let status = match refusal {
            Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Silence => pending().await,
        };
        let mut answer = Response::new(Empty::new());
        *answer.status_mut() = status;
        if refusal == Refusal::Unauthorized {
            let challenge = HeaderValue::from_static("Basic realm=\"witness\"");
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        answer
    }
}

// === impl Asked ===

impl Asked {
    fn new(request: &Request<Incoming>) -> Self {
        // Of several, all count: one of them could be the secret.
        let values: Vec<_> = request
            .headers()
            .get_all(AUTHORIZATION)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        Self {
            method: request.method().to_string(),
            path: request.uri().to_string(),
            authorization: (!values.is_empty()).then(|| values.join(", ")),
        }
    }
}
