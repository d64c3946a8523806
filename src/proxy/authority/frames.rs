//! HTTP/2 frames as far as header blocks go (RFC 9113 §4, §6.2, §6.10).

use std::borrow::Cow;

use bytes::BytesMut;

use super::hpack::Undecodable;

/// What every client sends first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The octets before a frame's payload (RFC 9113 §4.1).
pub(super) const HEAD: usize = 9;

/// The payload that every receiver takes without having said so (`SETTINGS_MAX_FRAME_SIZE`, RFC 9113 §6.5.2), and so the
/// most that is written into one frame here.
pub(super) const MAX_FRAME: usize = 16_384;

/// Frame types that carry header blocks (RFC 9113 §6).
pub(super) const HEADERS: u8 = 0x1;
/// A promise of the server's; no client may send it.
pub(super) const PUSH_PROMISE: u8 = 0x5;
/// More of the block that HEADERS began.
pub(super) const CONTINUATION: u8 = 0x9;

const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Why a client's frames can no longer be followed. Each is an error of the whole connection (RFC 9113 §5.4.1), but the server
/// says so, unless something was mended before.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// RFC 9113 §6.2: HEADERS belong to a stream.
    #[error("header block on stream 0")]
    NoStream,
    /// RFC 9113 §4.3: nothing may come between the frames of one header block.
    #[error("header block interrupted by another frame")]
    Interrupted,
    /// RFC 9113 §6.10.
    #[error("continuation of a header block that was not begun")]
    Unbegun,
    /// RFC 9113 §8.4: a client cannot push.
    #[error("push promise from a client")]
    Pushed,
    /// RFC 9113 §4.2: longer than a server with the initial settings takes.
    #[error("frame of a header block over {MAX_FRAME} octets")]
    LongFrame,
    /// RFC 9113 §6.2: padding that leaves no room for itself, or no room for the priority fields.
    #[error("padding or priority that exceeds its frame")]
    Overlong,
    /// Over [`MAX_BLOCK`](super::MAX_BLOCK).
    #[error("header block too large")]
    LargeBlock,
    /// Over [`MAX_CONTINUATIONS`](super::MAX_CONTINUATIONS).
    #[error("header block in too many frames")]
    Flood,
    /// RFC 9113 §4.3: `COMPRESSION_ERROR`.
    #[error("header block that cannot be decoded")]
    Fields(#[source] Undecodable),
}

/// What stands before a frame's payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Octets of payload.
    pub length: usize,
    /// The frame type.
    pub kind: u8,
    flags: u8,
    stream: [u8; 4],
}

/// A whole header block, put together from its frames.
#[derive(Debug)]
pub(super) struct Block<'a> {
    head: Head,
    /// The priority fields as they came, or nothing.
    pub priority: &'a [u8],
    /// The HPACK fields.
    pub fragment: Cow<'a, [u8]>,
}

/// Takes at most so many octets off the front.
pub(super) fn take<'a>(from: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, rest) = from.split_at_checked(most).unwrap_or((from, &[]));
    *from = rest;
    taken
}

// === impl Head ===

impl Head {
    /// Reads nine octets; `None` if there are fewer.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = *octets.first_chunk::<HEAD>()?;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        Some(Self { length, kind, flags, stream })
    }

    /// The stream's number, without the bit that is to be ignored.
    pub(super) fn stream(self) -> u32 {
        u32::from_be_bytes(self.stream) & (u32::MAX >> 1)
    }

    /// Whether this frame is the last of its header block.
    pub(super) fn ends_block(self) -> bool {
        self.flags & END_HEADERS != 0
    }

    fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl From<Undecodable> for Malformed {
    fn from(source: Undecodable) -> Self {
        Self::Fields(source)
    }
}

// === impl Block ===

impl<'a> Block<'a> {
    /// Reads HEADERS and the CONTINUATION frames after it, all complete.
    pub(super) fn read(mut frames: &'a [u8]) -> Result<Self, Malformed> {
        let (head, mut fragment) = frame(&mut frames).ok_or(Malformed::Unbegun)?;
        if head.has(PADDED) {
            let padding = take(&mut fragment, 1).first().ok_or(Malformed::Overlong)?;
            fragment = fragment
                .len()
                .checked_sub(usize::from(*padding))
                .and_then(|kept| fragment.get(..kept))
                .ok_or(Malformed::Overlong)?;
        }
        let priority = take(&mut fragment, if head.has(PRIORITY) { 5 } else { 0 });
        if head.has(PRIORITY) && priority.len() < 5 {
            return Err(Malformed::Overlong);
        }
        let mut fragment = Cow::Borrowed(fragment);
        while let Some((_, more)) = frame(&mut frames) {
            fragment.to_mut().extend_from_slice(more);
        }
        Ok(Self { head, priority, fragment })
    }

    /// Writes the frames of this block again around another payload: the priority fields, then the HPACK fields.
    pub(super) fn write(&self, mut payload: &[u8], out: &mut BytesMut) {
        let mut kind = HEADERS;
        // END_STREAM, PRIORITY, and whatever flag may yet be invented, are the client's to set.
        let mut flags = self.head.flags & !(PADDED | END_HEADERS);
        loop {
            let part = take(&mut payload, MAX_FRAME);
            if payload.is_empty() {
                flags |= END_HEADERS;
            }
            // A part is at most MAX_FRAME long.
            let [_, a, b, c] = u32::try_from(part.len()).unwrap_or_default().to_be_bytes();
            out.extend_from_slice(&[a, b, c, kind, flags]);
            out.extend_from_slice(&self.head.stream);
            out.extend_from_slice(part);
            if payload.is_empty() {
                return;
            }
            (kind, flags) = (CONTINUATION, 0);
        }
    }
}

/// Takes one frame off the front.
fn frame<'a>(frames: &mut &'a [u8]) -> Option<(Head, &'a [u8])> {
    let head = Head::read(take(frames, HEAD))?;
    Some((head, take(frames, head.length)))
}
