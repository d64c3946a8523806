//! The `:authority` of older kubelets, end to end: a server of hyper's on top, raw HTTP/2 below.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use repoint::proxy::authority::Mended;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::support::hpack::{Field, Form, Literal};
use crate::support::http2::{Authority, Client, DATA, End, Frame, HEADERS, PROTOCOL_ERROR, Request, Shape};

const PATH: &str = "/runtime.v1.ImageService/ImageStatus";

/// The request as the server saw it: its URI, its fields in the order of the map, its trailers.
async fn describe(
    request: http::Request<Incoming>,
) -> Result<http::Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a whole request");
    let mut seen = format!("{} {}\n", head.method, head.uri);
    let trailers = body.trailers().cloned().unwrap_or_default();
    for (name, value) in head.headers.iter().chain(&trailers) {
        writeln!(seen, "{name}: {}", value.as_bytes().escape_ascii()).expect("a string");
    }
    writeln!(seen, "{} octets", body.to_bytes().len()).expect("a string");

    let mut message = BytesMut::from(&[0][..]);
    message.put_u32(u32::try_from(seen.len()).expect("a message's length"));
    message.put(seen.as_bytes());
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let body = Full::new(message.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    Ok(http::Response::new(body))
}

/// What [`describe`] is to say of it.
fn description(request: &Request, authority: Authority) -> String {
    let value = |name: &str| {
        let mut fields = request.fields.iter().map(|(field, _)| field);
        let field = fields.find(|field| field.name == name.as_bytes());
        str::from_utf8(&field.expect("a field").value).expect("ASCII")
    };
    let mut seen = match authority {
        Authority::Absent => format!("{} {}\n", value(":method"), value(":path")),
        Authority::RawPath | Authority::PercentEncoded | Authority::Empty | Authority::Localhost => {
            format!("{} http://localhost{}\n", value(":method"), value(":path"))
        }
    };
    // A map lists the values of a name together, where the name came first.
    let mut fields: Vec<&Field> = Vec::new();
    for (field, _) in &request.fields {
        if field.name.starts_with(b":") {
            continue;
        }
        let after = fields.iter().rposition(|other| other.name == field.name);
        fields.insert(after.map_or(fields.len(), |last| last + 1), field);
    }
    let trailers = request.trailers.iter().flatten().map(|(field, _)| field);
    for Field { name, value, .. } in fields.into_iter().chain(trailers) {
        let (name, value) = (name.escape_ascii(), value.escape_ascii());
        writeln!(seen, "{name}: {value}").expect("a string");
    }
    let octets: usize = request.data.iter().map(Vec::len).sum();
    writeln!(seen, "{octets} octets").expect("a string");
    seen
}

/// A server on a connection, until the connection ends.
fn serve<IO>(tasks: &mut JoinSet<()>, io: IO)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tasks.spawn(async move {
        let server = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1 << 24)
            .initial_connection_window_size(1 << 24)
            .max_header_list_size(1 << 18)
            .serve_connection(TokioIo::new(io), service_fn(describe));
        // How a connection ends is for its client to say.
        server.await.ok();
    });
}

/// Propagates what went wrong in a server.
async fn join(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a server that did not panic");
    }
}

async fn mended(tasks: &mut JoinSet<()>) -> Client<UnixStream> {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    serve(tasks, Mended::new(far));
    Client::connect(near).await.expect("a connection")
}

/// One of many requests, no two of a kind next to each other.
fn varied(turn: usize, authority: Authority) -> Request {
    let form = Form {
        literal: [Literal::Incremental, Literal::NotIndexed, Literal::NeverIndexed][turn % 3],
        by_reference: !turn.is_multiple_of(4),
        huffman: turn.is_multiple_of(2),
    };
    let shape = Shape {
        padding: [None, Some(0), Some(200)][turn / 2 % 3],
        priority: [None, Some([0, 0, 0, 0, 16])][turn / 3 % 2],
        cut: [None, Some(40), Some(90)][turn / 5 % 3],
        // Rarely, for each empties the table, and references across requests are what this is about.
        resize: (turn % 11 == 10).then(|| [4096, 200, 0, 1000][turn / 11 % 4]),
    };
    let message = vec![b'm'; turn % 100];
    let mut request = Request::grpc(PATH, authority, &message)
        .form(form)
        .field("x-turn", turn.to_string(), form)
        .field("x-twice", "one", Form::GRPC_GO)
        .field("x-between", format!("{:?}", turn % 7), Form::GRPC_GO)
        .field("x-twice", format!("two {}", turn % 5), Form::GRPC_GO)
        .field("x-twice", "one", form)
        .shape(shape);
    if turn % 3 == 1 {
        request = request.trailer("x-after", format!("after {}", turn % 4), Form::GRPC_GO);
    }
    request
}

#[tokio::test]
async fn every_authority_is_served_on_one_connection() {
    let mut tasks = JoinSet::new();
    let mut client = mended(&mut tasks).await;
    // In groups of eight at once, so that answers and requests overlap.
    for group in 0..40 {
        let mut sent = Vec::new();
        for turn in group * 8..group * 8 + 8 {
            let authority = Authority::ALL[turn % Authority::ALL.len()];
            let request = varied(turn, authority);
            let stream = client.send(&request).await;
            sent.push((stream, turn, description(&request, authority)));
        }
        for (stream, turn, expected) in sent {
            let response = client.answer(stream).await;
            assert_eq!(response.end, End::Trailers(vec![Field::new("grpc-status", "0")]), "turn {turn}");
            assert_eq!(response.headers[0], Field::new(":status", "200"));
            let seen = String::from_utf8(response.messages().concat()).expect("ASCII");
            assert_eq!(seen, expected, "turn {turn}");
        }
    }
    drop(client);
    join(tasks).await;
}

#[tokio::test]
async fn a_connection_that_arrives_in_crumbs_is_served() {
    let mut tasks = JoinSet::new();
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    serve(&mut tasks, Mended::new(Crumbs(far)));
    let mut client = Client::connect(near).await.expect("a connection");
    for turn in 0..30 {
        let authority = Authority::ALL[turn % Authority::ALL.len()];
        let request = varied(turn, authority);
        let stream = client.send(&request).await;
        let response = client.answer(stream).await;
        let seen = String::from_utf8(response.messages().concat()).expect("ASCII");
        assert_eq!(seen, description(&request, authority), "turn {turn}");
    }
    drop(client);
    join(tasks).await;
}

#[tokio::test]
async fn without_a_mender_what_is_no_authority_is_reset() {
    let mut tasks = JoinSet::new();
    for authority in Authority::ALL {
        let (near, far) = UnixStream::pair().expect("a pair of sockets");
        serve(&mut tasks, far);
        let mut client = Client::connect(near).await.expect("a connection");
        let end = client.call(PATH, authority, b"message").await.end;
        let expected = match authority {
            Authority::RawPath | Authority::PercentEncoded | Authority::Empty => End::Reset(PROTOCOL_ERROR),
            Authority::Absent | Authority::Localhost => End::Trailers(vec![Field::new("grpc-status", "0")]),
        };
        assert_eq!(end, expected, "{authority:?}");
    }
    join(tasks).await;
}

#[tokio::test]
async fn large_messages_and_large_fields_get_through() {
    let mut tasks = JoinSet::new();
    let mut client = mended(&mut tasks).await;
    // The server's wide windows hold from the moment on that its settings were acknowledged.
    client.call(PATH, Authority::Localhost, b"").await;
    for authority in [Authority::Localhost, Authority::RawPath] {
        let mut request = Request::grpc(PATH, authority, b"").field("x-large", vec![b'v'; 100_000], Form::default());
        request.data = vec![vec![b'd'; 16_384]; 200];
        let stream = client.send(&request).await;
        let response = client.answer(stream).await;
        let seen = String::from_utf8(response.messages().concat()).expect("ASCII");
        assert_eq!(seen, description(&request, authority));
    }
    drop(client);
    join(tasks).await;
}

/// A header block that never ends, for another frame comes in between.
fn interrupted() -> [Frame; 2] {
    [Frame::new(HEADERS, 0, 99, [0x83]), Frame::new(DATA, 0, 99, [])]
}

#[tokio::test]
async fn the_server_judges_a_connection_that_was_not_mended() {
    let mut tasks = JoinSet::new();
    let mut client = mended(&mut tasks).await;
    client.call(PATH, Authority::Localhost, b"").await;
    client.frames(&interrupted()).await;
    let after = client.call(PATH, Authority::Localhost, b"").await;
    assert_eq!(after.end, End::GoAway(PROTOCOL_ERROR));
    drop(client);
    join(tasks).await;
}

#[tokio::test]
async fn a_mended_connection_that_cannot_be_followed_ends() {
    let mut tasks = JoinSet::new();
    let mut client = mended(&mut tasks).await;
    client.call(PATH, Authority::RawPath, b"").await;
    client.frames(&interrupted()).await;
    let after = client.call(PATH, Authority::Localhost, b"").await;
    assert_eq!(after.end, End::Closed);
    drop(client);
    join(tasks).await;
}

/// Reads three octets at a time.
#[derive(Debug)]
struct Crumbs<IO>(IO);

impl<IO: AsyncRead + Unpin> AsyncRead for Crumbs<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut crumb = [0; 3];
        let most = buf.remaining().min(crumb.len());
        let mut crumb = ReadBuf::new(&mut crumb[..most]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut crumb))?;
        buf.put_slice(crumb.filled());
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Crumbs<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
