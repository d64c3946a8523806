//! A runtime that says back what it hears, as it hears it: for calls that are conversations.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2 as client;
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

type Frames = StreamBody<ReceiverStream<Result<Frame<Bytes>, std::convert::Infallible>>>;

/// Serves until it is dropped.
pub struct Echo {
    _tasks: JoinSet<()>,
}

/// One call.
pub struct Talk {
    words: Option<mpsc::Sender<Result<Frame<Bytes>, std::convert::Infallible>>>,
    answer: Incoming,
    _connection: JoinSet<()>,
}

impl Echo {
    pub fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let connection = server::Builder::new(TokioExecutor::new()).serve_connection(
                        TokioIo::new(stream),
                        service_fn(async |request| Ok::<_, hyper::Error>(answer(request))),
                    );
                    let _closed = connection.await;
                });
            }
        });
        Self { _tasks: tasks }
    }

    /// Begins a call at `socket`, and returns when the answer has begun.
    pub async fn talk_to(&self, socket: &Path) -> Talk {
        let stream = UnixStream::connect(socket).await.unwrap();
        let (mut requests, connection) =
            client::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _closed = connection.await;
        });
        let (words, body) = mpsc::channel(1);
        let request = Request::post("http://localhost/talk.v1.Talk/Listen")
            .header("content-type", "application/grpc")
            .body(StreamBody::new(ReceiverStream::new(body)))
            .unwrap();
        let response = requests.send_request(request).await.unwrap();
        Talk { words: Some(words), answer: response.into_body(), _connection: tasks }
    }
}

impl Talk {
    /// Says a word, and returns what comes back.
    pub async fn say(&mut self, word: &'static str) -> String {
        let words = self.words.as_ref().expect("the call goes on");
        words.send(Ok(Frame::data(Bytes::from_static(word.as_bytes())))).await.unwrap();
        self.hear().await
    }

    /// Ends its half, and returns what comes back after that.
    pub async fn hang_up(&mut self) -> String {
        self.words = None;
        self.hear().await
    }

    async fn hear(&mut self) -> String {
        let frame = self.answer.frame().await.expect("an answer").unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    }
}

/// Headers at once, then every frame as it comes, and a word after the last.
fn answer(request: Request<Incoming>) -> Response<Frames> {
    let (words, body) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut heard = request.into_body();
        while let Some(Ok(frame)) = heard.frame().await {
            if words.send(Ok(frame)).await.is_err() {
                return;
            }
        }
        let _gone = words.send(Ok(Frame::data(Bytes::from_static(b"and goodbye")))).await;
        let trailers =
            HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
        let _gone = words.send(Ok(Frame::trailers(trailers))).await;
    });
    tasks.detach_all();
    Response::new(StreamBody::new(ReceiverStream::new(body)))
}
