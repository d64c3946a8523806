//! One gRPC message in a body: read it whole, if it is one and not too large, and keep what was read otherwise.
//!
//! Source: "gRPC over HTTP2": a message is a flag byte (1 = compressed), its length in four bytes, and its bytes.

use crate::body::Body;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::BodyExt;
use std::fmt;

/// A body that was read to its end, or as far as it was sensible.
pub struct Read {
    /// The message, or why there is none to look at.
    pub message: Result<Bytes, Unread>,
    frames: Vec<Frame<Bytes>>,
    rest: Body,
}

/// Why a body is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is larger than the limit.
    #[error("it is too large")]
    TooLarge,
    /// It is compressed.
    #[error("it is compressed")]
    Compressed,
    /// It holds no message: the ordinary case for an answer that is an error.
    #[error("there is no message in it")]
    Empty,
    /// It is not one whole message.
    #[error("it is not one whole message")]
    NotOne,
    /// The message is not protobuf.
    #[error("it is not a protobuf message")]
    Malformed,
}

/// The flag and the length.
const PREFIX: usize = 5;

impl Unread {
    /// The label of this reason in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Compressed => "compressed",
            Self::Empty => "empty",
            Self::NotOne => "not_one_message",
            Self::Malformed => "malformed",
        }
    }
}

impl Read {
    /// The same, with the message found not to be protobuf.
    #[must_use]
    pub fn malformed(self) -> Self {
        Self { message: Err(Unread::Malformed), ..self }
    }

    /// A body that is no message to look at, with all of its data.
    pub fn whole(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        let data = (!data.is_empty()).then(|| Frame::data(data));
        let frames = data.into_iter().chain(trailers.map(Frame::trailers)).collect();
        Self { message: Err(Unread::Empty), frames, rest: Body::default() }
    }

    /// All of its data; `None` where they were not all read.
    pub fn data(&self) -> Option<Bytes> {
        let parts = self.frames.iter().filter_map(Frame::data_ref).flatten().copied();
        (self.message != Err(Unread::TooLarge)).then(|| parts.collect())
    }

    /// The body, as it came.
    pub fn into_body(self) -> Body {
        self.rest.after(self.frames)
    }

    /// The trailers, if the body was read to its end and has some.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.frames.last().and_then(Frame::trailers_ref)
    }

    /// The trailers, to change them.
    pub fn trailers_mut(&mut self) -> Option<&mut HeaderMap> {
        self.frames.last_mut().and_then(Frame::trailers_mut)
    }
}

/// Not the message, which may have credentials in it.
impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.as_ref().map(Bytes::len);
        f.debug_struct("Read").field("message", &message).finish_non_exhaustive()
    }
}

/// Reads `body` up to its end, or until more than `limit` bytes of message have come.
///
/// # Errors
///
/// When the body breaks off.
pub async fn read(mut body: Body, limit: usize) -> Result<Read, hyper::Error> {
    let mut frames = Vec::new();
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        length = length.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        frames.push(frame);
        if length > limit.saturating_add(PREFIX) {
            return Ok(Read { message: Err(Unread::TooLarge), frames, rest: body });
        }
    }
    Ok(Read { message: message(&frames, length), frames, rest: body })
}

/// A body that holds `message`, uncompressed, and ends with `trailers`.
pub fn body(message: &[u8], trailers: Option<HeaderMap>) -> Body {
    let mut framed = BytesMut::with_capacity(message.len().saturating_add(PREFIX));
    framed.put_u8(0);
    // A message that was read is no longer than the limit, which the settings keep far below 4 GiB.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    Body::new(framed.freeze(), trailers)
}

fn message(frames: &[Frame<Bytes>], length: usize) -> Result<Bytes, Unread> {
    let mut data = frames.iter().filter_map(Frame::data_ref).filter(|data| !data.is_empty());
    let mut whole = match (data.next(), data.next()) {
        (None, _) => return Err(Unread::Empty),
        (Some(only), None) => only.clone(),
        (Some(first), Some(second)) => {
            let mut joined = BytesMut::with_capacity(length);
            for part in [first, second].into_iter().chain(data) {
                joined.put_slice(part);
            }
            joined.freeze()
        }
    };
    if whole.len() < PREFIX {
        return Err(Unread::NotOne);
    }
    let compressed = whole.get_u8() != 0;
    let announced = whole.get_u32();
    if usize::try_from(announced).ok() != Some(whole.len()) {
        return Err(Unread::NotOne);
    }
    if compressed { Err(Unread::Compressed) } else { Ok(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_parts(parts: &[&'static [u8]]) -> Body {
        Body::default().after(parts.iter().map(|part| Frame::data(Bytes::from_static(part))).collect::<Vec<_>>())
    }

    async fn all(body: Body) -> Bytes {
        body.collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_message_is_read_however_it_is_cut() {
        for parts in [&[&b"\0\0\0\0\x03abc"[..]][..], &[b"\0", b"\0\0\0\x03a", b"", b"bc"]] {
            let read = read(in_parts(parts), 3).await.unwrap();
            assert_eq!(read.message.clone().unwrap(), "abc");
            assert_eq!(all(read.into_body()).await, &b"\0\0\0\0\x03abc"[..]);
        }
    }

    #[tokio::test]
    async fn what_is_not_looked_at_is_passed_on_whole() {
        for (bytes, limit, why) in [
            (&b"\0\0\0\0\x04abcd"[..], 3, Unread::TooLarge),
            (b"\x01\0\0\0\x03abc", 3, Unread::Compressed),
            (b"\0\0\0\0\x03ab", 9, Unread::NotOne),
            (b"\0\0\0\0\x01a\0\0\0\0\x01b", 9, Unread::NotOne),
            (b"\0\0", 9, Unread::NotOne),
            (b"", 9, Unread::Empty),
        ] {
            let read = read(in_parts(&[bytes, b""]), limit).await.unwrap();
            assert_eq!(read.message, Err(why));
            assert_eq!(all(read.into_body()).await, bytes);
        }
    }

    #[tokio::test]
    async fn printing_a_message_prints_nothing_of_what_is_in_it() {
        let whole = body(b"hunter2", None);
        let printed = format!("{whole:?}");
        let printed = format!("{printed} {:?}", read(whole, 9).await.unwrap());
        assert!(!printed.contains("hunter2") && printed.contains("Body") && printed.contains("Read"), "{printed}");
    }

    #[tokio::test]
    async fn a_body_of_our_own_reads_back() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x", "y".parse().unwrap());
        let read = read(body(b"abc", Some(trailers.clone())), 3).await.unwrap();
        assert_eq!(read.message.clone().unwrap(), "abc");
        assert_eq!(read.trailers(), Some(&trailers));
    }
}
