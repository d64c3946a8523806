//! A raw HTTP/2 client: it sends what no well-behaved library would, and reads what comes back.

use std::collections::HashMap;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::hpack::{Decoder, Encoder, Field, Form};

/// What every client sends first (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (RFC 9113 §6).
pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

/// Flags.
pub(crate) const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const PRIORITY: u8 = 0x20;

/// The error code of a connection that ends in peace, and of a call that nobody looked at (RFC 9113 §7).
const NO_ERROR: u32 = 0x0;
pub(crate) const REFUSED_STREAM: u32 = 0x7;

/// The error code of a request that an HTTP/2 server finds malformed (RFC 9113 §7).
pub(crate) const PROTOCOL_ERROR: u32 = 0x1;

/// The `:authority` of a request, as the kubelets of a time send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    /// Up to 1.28.
    RawPath,
    /// 1.29 and 1.30.
    PercentEncoded,
    /// No kubelet, but grpc-go has been seen to.
    Empty,
    /// No `:authority` at all.
    Absent,
    /// From 1.31 on.
    Localhost,
}

/// One frame, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// How the frames of a header block are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) padding: Option<u8>,
    /// RFC 9113 §5.3.2: deprecated, still sent.
    pub(crate) priority: Option<[u8; 5]>,
    /// The most octets of the block in each frame.
    pub(crate) cut: Option<usize>,
    /// Table size updates before the first field.
    pub(crate) resize: Option<usize>,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// In this order, pseudo-headers included.
    pub(crate) fields: Vec<(Field, Form)>,
    pub(crate) shape: Shape,
    pub(crate) data: Vec<Vec<u8>>,
    pub(crate) trailers: Option<Vec<(Field, Form)>>,
}

/// Makes the octets of calls. The encoder's table goes on from one to the next.
#[derive(Debug)]
pub(crate) struct Writer {
    encoder: Encoder,
    /// The stream of the next call.
    pub(crate) stream: u32,
}

/// A client on a connection of its own.
#[derive(Debug)]
pub(crate) struct Client<IO> {
    io: IO,
    pub(crate) writer: Writer,
    decoder: Decoder,
    /// Calls that were not answered in full yet.
    open: HashMap<u32, Response>,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) headers: Vec<Field>,
    body: Vec<u8>,
    pub(crate) end: End,
}

/// How a call ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// Not yet.
    #[default]
    Open,
    /// With DATA.
    Plain,
    Trailers(Vec<Field>),
    Reset(u32),
    /// With the connection: GOAWAY's error code.
    GoAway(u32),
    /// With the connection, without a word.
    Closed,
}

// === impl Authority ===

impl Authority {
    pub(crate) const ALL: [Self; 5] = [Self::RawPath, Self::PercentEncoded, Self::Empty, Self::Absent, Self::Localhost];

    pub(crate) fn value(self) -> Option<&'static str> {
        match self {
            Self::RawPath => Some("/run/containerd/containerd.sock"),
            Self::PercentEncoded => Some("%2Frun%2Fcontainerd%2Fcontainerd.sock"),
            Self::Empty => Some(""),
            Self::Absent => None,
            Self::Localhost => Some("localhost"),
        }
    }
}

// === impl Frame ===

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(self.payload.len()).expect("a frame's length");
        out.extend(&length.to_be_bytes()[1..]);
        out.extend([self.kind, self.flags]);
        out.extend(self.stream.to_be_bytes());
        out.extend(&self.payload);
    }

    /// Takes a whole frame off the front.
    pub(crate) fn read(from: &mut &[u8]) -> Option<Self> {
        let (head, rest) = from.split_first_chunk::<9>()?;
        let (payload, rest) = rest.split_at_checked(payload_length(head))?;
        *from = rest;
        Some(Self::with_head(head, payload.to_vec()))
    }

    fn with_head(head: &[u8; 9], payload: Vec<u8>) -> Self {
        let [.., kind, flags, a, b, c, d] = *head;
        Self::new(kind, flags, u32::from_be_bytes([a, b, c, d]), payload)
    }
}

fn payload_length(head: &[u8; 9]) -> usize {
    head[..3].iter().fold(0, |length, octet| length << 8 | usize::from(*octet))
}

// === impl Request ===

impl Request {
    /// A gRPC call as grpc-go makes it.
    pub(crate) fn grpc(path: &str, authority: Authority, message: &[u8]) -> Self {
        let mut fields = vec![Field::new(":method", "POST"), Field::new(":scheme", "http"), Field::new(":path", path)];
        fields.extend(authority.value().map(|value| Field::new(":authority", value)));
        fields.extend([
            Field::new("content-type", "application/grpc"),
            Field::new("user-agent", "grpc-go/1.47.0"),
            Field::new("te", "trailers"),
        ]);
        let length = u32::try_from(message.len()).expect("a message's length");
        Self {
            fields: fields.into_iter().map(|field| (field, Form::GRPC_GO)).collect(),
            shape: Shape::default(),
            data: vec![[&[0], &length.to_be_bytes()[..], message].concat()],
            trailers: None,
        }
    }

    pub(crate) fn field(mut self, name: &str, value: impl Into<Vec<u8>>, form: Form) -> Self {
        self.fields.push((Field::new(name, value), form));
        self
    }

    pub(crate) fn form(mut self, form: Form) -> Self {
        for field in &mut self.fields {
            field.1 = form;
        }
        self
    }

    pub(crate) fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    pub(crate) fn trailer(mut self, name: &str, value: impl Into<Vec<u8>>, form: Form) -> Self {
        self.trailers.get_or_insert_default().push((Field::new(name, value), form));
        self
    }
}

// === impl Writer ===

impl Default for Writer {
    fn default() -> Self {
        Self { encoder: Encoder::default(), stream: 1 }
    }
}

impl Writer {
    /// The frames of a call on the next stream.
    pub(crate) fn request(&mut self, request: &Request) -> Vec<Frame> {
        let stream = self.stream;
        self.stream += 2;
        let ends = request.data.is_empty() && request.trailers.is_none();
        let mut frames = self.block(stream, ends, &request.fields, request.shape);
        for (octets, left) in request.data.iter().zip((0..request.data.len()).rev()) {
            let ends = left == 0 && request.trailers.is_none();
            let flags = if ends { END_STREAM } else { 0 };
            frames.push(Frame::new(DATA, flags, stream, &octets[..]));
        }
        if let Some(trailers) = &request.trailers {
            frames.extend(self.block(stream, true, trailers, request.shape));
        }
        frames
    }

    fn block(&mut self, stream: u32, ends: bool, fields: &[(Field, Form)], shape: Shape) -> Vec<Frame> {
        let mut block = Vec::new();
        if let Some(size) = shape.resize {
            self.encoder.resize(0, &mut block);
            self.encoder.resize(size, &mut block);
        }
        for (field, form) in fields {
            self.encoder.field(field, *form, &mut block);
        }

        let mut parts = block.chunks(shape.cut.unwrap_or(8192));
        let mut payload = Vec::new();
        payload.extend(shape.padding);
        payload.extend(shape.priority.iter().flatten());
        payload.extend(parts.next().unwrap_or_default());
        payload.resize(payload.len() + usize::from(shape.padding.unwrap_or(0)), 0);
        let flags = [(ends, END_STREAM), (shape.padding.is_some(), PADDED), (shape.priority.is_some(), PRIORITY)];
        let flags = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag);
        let mut frames = vec![Frame::new(HEADERS, flags.sum(), stream, payload)];
        frames.extend(parts.map(|part| Frame::new(CONTINUATION, 0, stream, part)));
        frames.last_mut().expect("HEADERS").flags |= END_HEADERS;
        frames
    }
}

// === impl Client ===

impl<IO: AsyncRead + AsyncWrite + Unpin> Client<IO> {
    /// Opens the connection and lets the server send as much as it likes.
    pub(crate) async fn connect(io: IO) -> io::Result<Self> {
        let mut client = Self { io, writer: Writer::default(), decoder: Decoder::default(), open: HashMap::new() };
        // SETTINGS_INITIAL_WINDOW_SIZE, then the connection's window.
        let wide = [&[0, 4][..], &(1_u32 << 30).to_be_bytes()].concat();
        let wider = (1_u32 << 30).to_be_bytes();
        let mut opening = PREFACE.to_vec();
        Frame::new(SETTINGS, 0, 0, wide).write(&mut opening);
        Frame::new(WINDOW_UPDATE, 0, 0, wider).write(&mut opening);
        client.io.write_all(&opening).await?;
        Ok(client)
    }

    /// A gRPC call as grpc-go makes it, and what comes of it.
    pub(crate) async fn call(&mut self, path: &str, authority: Authority, message: &[u8]) -> Response {
        let request = Request::grpc(path, authority, message);
        let stream = self.send(&request).await;
        self.answer(stream).await
    }

    /// Sends a whole request; says on which stream.
    pub(crate) async fn send(&mut self, request: &Request) -> u32 {
        let stream = self.writer.stream;
        let frames = self.writer.request(request);
        self.open.insert(stream, Response::default());
        self.frames(&frames).await;
        stream
    }

    /// Sends frames as they are. A connection that the server has closed swallows them.
    pub(crate) async fn frames(&mut self, frames: &[Frame]) {
        let mut octets = Vec::new();
        for frame in frames {
            frame.write(&mut octets);
        }
        self.io.write_all(&octets).await.ok();
    }

    /// Waits for the end of what was sent on a stream.
    pub(crate) async fn answer(&mut self, stream: u32) -> Response {
        loop {
            if self.open[&stream].end != End::Open {
                return self.open.remove(&stream).expect("an open stream");
            }
            match self.next().await {
                Ok(frame) => self.take(frame).await,
                Err(_) => self.end_all(|| End::Closed),
            }
        }
    }

    async fn next(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await?;
        let mut payload = vec![0; payload_length(&head)];
        self.io.read_exact(&mut payload).await?;
        Ok(Frame::with_head(&head, payload))
    }

    async fn take(&mut self, mut frame: Frame) {
        let number = |octets: &[u8]| u32::from_be_bytes(octets.try_into().expect("four octets"));
        let ends = frame.has(END_STREAM);
        match frame.kind {
            SETTINGS | PING if !frame.has(ACK) => {
                let echo = if frame.kind == PING { frame.payload } else { Vec::new() };
                self.frames(&[Frame::new(frame.kind, ACK, 0, echo)]).await;
            }
            HEADERS => {
                assert!(!frame.has(PADDED | PRIORITY), "{frame:?}");
                while !frame.has(END_HEADERS) {
                    let more = self.next().await.expect("the rest of a block");
                    assert_eq!(more.kind, CONTINUATION);
                    frame.payload.extend(more.payload);
                    frame.flags |= more.flags;
                }
                let fields = self.decoder.block(&frame.payload);
                let Some(response) = self.open.get_mut(&frame.stream) else {
                    return;
                };
                if response.headers.is_empty() {
                    response.headers = fields;
                    response.end_if(ends);
                } else {
                    response.end = End::Trailers(fields);
                }
            }
            DATA => {
                if let Some(response) = self.open.get_mut(&frame.stream) {
                    response.body.extend(frame.payload);
                    response.end_if(ends);
                }
            }
            RST_STREAM => {
                // After the end, a reset only says that the server needs no more of the request.
                if let Some(response) = self.open.get_mut(&frame.stream)
                    && response.end == End::Open
                {
                    response.end = End::Reset(number(&frame.payload));
                }
            }
            GOAWAY => {
                let (last, code) = (number(&frame.payload[..4]), number(&frame.payload[4..8]));
                // Who leaves in peace still answers what it has looked at (RFC 9113 §6.8).
                let is_over = |stream: u32| code != NO_ERROR || stream > last;
                for (stream, response) in &mut self.open {
                    if response.end == End::Open && is_over(*stream) {
                        response.end = End::GoAway(code);
                    }
                }
            }
            _ => {}
        }
    }

    fn end_all(&mut self, end: impl Fn() -> End) {
        for response in self.open.values_mut() {
            if response.end == End::Open {
                response.end = end();
            }
        }
    }
}

// === impl Response ===

impl Response {
    /// The gRPC messages of the body.
    pub(crate) fn messages(&self) -> Vec<&[u8]> {
        let mut body = &self.body[..];
        let mut messages = Vec::new();
        while let Some(([_, length @ ..], rest)) = body.split_first_chunk::<5>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).expect("a length");
            let (message, rest) = rest.split_at(length);
            messages.push(message);
            body = rest;
        }
        messages
    }

    fn end_if(&mut self, ends: bool) {
        if ends {
            self.end = End::Plain;
        }
    }
}
