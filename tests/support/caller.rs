//! A client that adds nothing and hides nothing: bytes in, and every header and trailer out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// No answer takes longer, unless somebody holds it back.
const LIMIT: Duration = Duration::from_secs(20);

/// More than any peer of ours may send.
const HEADER_LIMIT: u32 = 1 << 20;

/// One connection, which clones share. It is closed when the last of them is dropped.
#[derive(Clone)]
pub struct Caller {
    requests: SendRequest<Full<Bytes>>,
    _connection: Arc<JoinSet<hyper::Result<()>>>,
}

/// All of an answer.
#[derive(Debug)]
pub struct Reply {
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

// === impl Caller ===

impl Caller {
    pub async fn dial(socket: &Path) -> Self {
        Self::dial_with_window(socket, 1 << 20).await
    }

    /// One that lets each answer have no more than this under way.
    pub async fn dial_with_window(socket: &Path, window: u32) -> Self {
        let stream = UnixStream::connect(socket).await.expect("somebody listens");
        Self::over(stream, window).await.expect("an HTTP/2 handshake")
    }

    /// One on a line that somebody has made.
    pub async fn on(line: std::os::unix::net::UnixStream) -> hyper::Result<Self> {
        line.set_nonblocking(true).expect("it can be said");
        Self::over(UnixStream::from_std(line).expect("a socket"), 1 << 20).await
    }

    async fn over(stream: UnixStream, window: u32) -> hyper::Result<Self> {
        let (requests, connection) = http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(HEADER_LIMIT)
            .initial_stream_window_size(window)
            // A stream's own window is what counts: of many small messages, h2 takes those for an attack that are more than
            // this window has room for.
            .initial_connection_window_size((1 << 31) - 1)
            .max_local_error_reset_streams(None)
            .handshake(TokioIo::new(stream))
            .await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        Ok(Self { requests, _connection: Arc::new(tasks) })
    }

    /// Calls with one framed message, or any other bytes, and waits for all of the answer.
    pub async fn call(&mut self, path: &str, body: Bytes) -> hyper::Result<Reply> {
        self.call_with(path, HeaderMap::new(), body).await
    }

    /// The same with more headers.
    pub async fn call_with(&mut self, path: &str, headers: HeaderMap, body: Bytes) -> hyper::Result<Reply> {
        let response = self.begin(path, headers, body).await?;
        let (parts, body) = response.into_parts();
        let collected = timeout(LIMIT, body.collect()).await.expect("an answer in time")?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Ok(Reply { headers: parts.headers, body: collected.to_bytes(), trailers })
    }

    /// Calls and lets go: for calls that are many, or that nobody waits for. Dropping what it returns resets the stream.
    pub fn begun(&self, path: &str, body: Bytes) -> impl Future<Output = hyper::Result<Response<Incoming>>> + 'static {
        let request = Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(body))
            .expect("a valid path");
        self.requests.clone().send_request(request)
    }

    /// Waits for the headers only. Dropping what it returns, or the wait, resets the stream.
    pub async fn begin(&mut self, path: &str, headers: HeaderMap, body: Bytes) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::post(format!("http://localhost{path}")).body(Full::new(body)).expect("a valid path");
        *request.headers_mut() = headers;
        let grpc = HeaderValue::from_static("application/grpc");
        request.headers_mut().insert("content-type", grpc);
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        self.requests.ready().await?;
        timeout(LIMIT, self.requests.send_request(request)).await.expect("headers in time")
    }
}

// === impl Reply ===

impl Reply {
    /// Wherever it stands: an answer without messages has it among its headers.
    pub fn status(&self) -> Option<&str> {
        let status = self.trailers.get("grpc-status");
        let status = status.or_else(|| self.headers.get("grpc-status"))?;
        status.to_str().ok()
    }
}
