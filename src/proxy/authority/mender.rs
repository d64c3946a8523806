//! The walk along a client's frames: octets in, octets out, no I/O.

use bytes::BytesMut;

use super::frames::{self, Block, CONTINUATION, HEAD, HEADERS, Head, MAX_FRAME, Malformed, PREFACE, PUSH_PROMISE};
use super::hpack::Rewriter;

/// The most octets that one header block may take up on the wire, heads and padding included: 256 KiB.
///
/// A block is held until it is complete, so this is the memory that one connection can take, and the time that one
/// call to [`Mender::feed`] can. The kubelet's blocks are below one KiB, and hyper allows a list of 16 KiB unless told otherwise;
/// above this, its refusal and ours differ in form only.
pub const MAX_BLOCK: usize = 256 * 1024;

/// The most CONTINUATION frames that one header block may come in.
///
/// Empty ones cost the sender nine octets and never end (CVE-2024-27316 and its kin). [`MAX_BLOCK`] in full frames takes
/// sixteen; this leaves room for clients that fill them badly.
pub const MAX_CONTINUATIONS: usize = 64;

/// What is kept of a buffer between two frames: enough for an ordinary header block.
const KEPT: usize = 1024;

/// Mends the octets of one connection, in whatever pieces they arrive; the outcome does not depend on how they were cut.
#[derive(Debug)]
pub struct Mender {
    place: Place,
    /// What cannot go on yet: the frames of the unfinished header block, if there is one, then the unfinished head.
    held: Vec<u8>,
    /// Where in `held` the present frame begins.
    start: usize,
    unfinished: Option<Unfinished>,
    rewriter: Rewriter,
    mending: bool,
}

/// What the next octet belongs to.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The preface, of which this is still to come.
    Preface(&'static [u8]),
    /// The head of a frame.
    Head,
    /// The payload of a frame that carries a header block, so many octets of it still to come.
    Inside { left: usize, last: bool },
    /// The payload of any other frame, so many octets of it still to come.
    Through { left: usize },
    /// Nothing that is looked at any more.
    Blind,
    /// A connection that is over.
    Failed(Malformed),
}

/// A header block whose last frame has not come yet.
#[derive(Clone, Copy, Debug)]
struct Unfinished {
    stream: u32,
    continuations: usize,
}

// === impl Mender ===

impl Default for Mender {
    fn default() -> Self {
        Self::new()
    }
}

impl Mender {
    /// A mender for a connection that begins.
    pub fn new() -> Self {
        Self {
            place: Place::Preface(PREFACE),
            held: Vec::new(),
            start: 0,
            unfinished: None,
            rewriter: Rewriter::new(),
            mending: false,
        }
    }

    /// Whether a header block of this connection was mended.
    pub fn is_mending(&self) -> bool {
        self.mending
    }

    /// Why the connection cannot go on, once it cannot.
    pub fn fault(&self) -> Option<Malformed> {
        match self.place {
            Place::Failed(fault) => Some(fault),
            Place::Preface(_) | Place::Head | Place::Inside { .. } | Place::Through { .. } | Place::Blind => None,
        }
    }

    /// Takes what arrived and appends what may go on.
    ///
    /// # Errors
    ///
    /// If the frames can no longer be followed and a block was mended before. What precedes the fault was appended; the
    /// connection cannot go on after it.
    pub fn feed(&mut self, mut input: &[u8], out: &mut BytesMut) -> Result<(), Malformed> {
        while !input.is_empty() {
            match self.place {
                Place::Preface(expected) => {
                    let mut later = expected;
                    let here = frames::take(&mut later, input.len());
                    if !input.starts_with(here) {
                        // HTTP/1, or TLS, or anything: not ours to judge.
                        self.place = Place::Blind;
                        continue;
                    }
                    out.extend_from_slice(frames::take(&mut input, here.len()));
                    self.place = if later.is_empty() { Place::Head } else { Place::Preface(later) };
                }
                Place::Head => {
                    let have = self.held.len().saturating_sub(self.start);
                    let more = frames::take(&mut input, HEAD.saturating_sub(have));
                    self.held.extend_from_slice(more);
                    if let Some(head) = self.held.get(self.start..).and_then(Head::read) {
                        self.enter(head, out)?;
                    }
                }
                Place::Inside { left, last } => {
                    let part = frames::take(&mut input, left);
                    self.held.extend_from_slice(part);
                    self.inside(left.saturating_sub(part.len()), last, out)?;
                }
                Place::Through { left } => {
                    let part = frames::take(&mut input, left);
                    out.extend_from_slice(part);
                    self.through(left.saturating_sub(part.len()));
                }
                Place::Blind => {
                    out.extend_from_slice(input);
                    return Ok(());
                }
                Place::Failed(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// Whether the next octets, so many, go on as they are; if so they count as fed. This spares bulk the copying.
    pub fn passes(&mut self, octets: usize) -> bool {
        match self.place {
            Place::Blind => true,
            Place::Through { left } if octets <= left => {
                self.through(left.saturating_sub(octets));
                true
            }
            Place::Preface(_) | Place::Head | Place::Inside { .. } | Place::Through { .. } | Place::Failed(_) => false,
        }
    }

    /// Appends what was held when the client closed its side: a block that never ends is never decoded, so as it came.
    pub fn finish(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&self.held);
        self.release();
    }

    fn enter(&mut self, head: Head, out: &mut BytesMut) -> Result<(), Malformed> {
        match self.carries_block(head) {
            Ok(true) => self.inside(head.length, head.ends_block(), out),
            Ok(false) => {
                out.extend_from_slice(&self.held);
                self.release();
                self.through(head.length);
                Ok(())
            }
            Err(fault) => self.give_up(fault, out),
        }
    }

    fn carries_block(&mut self, head: Head) -> Result<bool, Malformed> {
        match (head.kind, self.unfinished) {
            (HEADERS, None) if head.stream() == 0 => return Err(Malformed::NoStream),
            (HEADERS, None) => {
                self.unfinished = Some(Unfinished { stream: head.stream(), continuations: 0 });
            }
            (CONTINUATION, Some(block)) if block.stream == head.stream() => {
                let continuations = block.continuations.saturating_add(1);
                if continuations > MAX_CONTINUATIONS {
                    return Err(Malformed::Flood);
                }
                self.unfinished = Some(Unfinished { continuations, ..block });
            }
            (_, Some(_)) => return Err(Malformed::Interrupted),
            (CONTINUATION, None) => return Err(Malformed::Unbegun),
            (PUSH_PROMISE, None) => return Err(Malformed::Pushed),
            (_, None) => return Ok(false),
        }
        if head.length > MAX_FRAME {
            return Err(Malformed::LongFrame);
        }
        if self.held.len().saturating_add(head.length) > MAX_BLOCK {
            return Err(Malformed::LargeBlock);
        }
        Ok(true)
    }

    fn inside(&mut self, left: usize, last: bool, out: &mut BytesMut) -> Result<(), Malformed> {
        if left > 0 {
            self.place = Place::Inside { left, last };
            return Ok(());
        }
        self.place = Place::Head;
        if !last {
            self.start = self.held.len();
            return Ok(());
        }
        self.unfinished = None;
        match self.mend(out) {
            Ok(()) => {
                self.release();
                Ok(())
            }
            Err(fault) => self.give_up(fault, out),
        }
    }

    fn through(&mut self, left: usize) {
        self.place = if left > 0 { Place::Through { left } } else { Place::Head };
    }

    fn mend(&mut self, out: &mut BytesMut) -> Result<(), Malformed> {
        let block = Block::read(&self.held)?;
        let mut payload = block.priority.to_vec();
        self.mending |= self.rewriter.rewrite(&block.fragment, &mut payload)?;
        if self.mending {
            block.write(&payload, out);
        } else {
            out.extend_from_slice(&self.held);
        }
        Ok(())
    }

    fn give_up(&mut self, fault: Malformed, out: &mut BytesMut) -> Result<(), Malformed> {
        if self.mending {
            // The server's dynamic table is no longer the client's: what it would make of this is not what was sent.
            self.place = Place::Failed(fault);
            self.release();
            return Err(fault);
        }
        // Nothing was changed, so the server sees the fault itself and says what there is to say.
        self.place = Place::Blind;
        self.finish(out);
        Ok(())
    }

    fn release(&mut self) {
        self.held.clear();
        self.held.shrink_to(KEPT);
        self.start = 0;
    }
}
