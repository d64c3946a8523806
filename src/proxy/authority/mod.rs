//! The `:authority` of older kubelets, mended below HTTP/2.
//!
//! A kubelet or crictl up to 1.28 sends the path of the socket as `:authority`, 1.29 and 1.30 send it
//! percent-encoded. Neither is an authority (RFC 3986 §3.2), and a server built on h2 answers such a request
//! with `RST_STREAM PROTOCOL_ERROR` before anything above HTTP/2 sees it. [`Mended`] goes between the socket and
//! the server: it puts `localhost` in the place of such a value, as newer kubelets send it themselves, and is
//! otherwise not there.
//!
//! What makes this more than a search and replace is HPACK (RFC 7541). Header blocks refer to a table that both
//! ends build from the blocks before, so taking one field out of one block shifts what every later reference
//! means. Therefore, from the first mended block on, all later blocks of that connection are written anew without
//! that table: the server's copy then stays as it was and is never referred to. Before the first mended block, every
//! octet passes as it came; a client that sends a good authority is never touched.
//!
//! It does not judge. What it cannot follow it leaves to the server, octet for octet, as long as nothing was mended;
//! afterwards that would let the server read fields that the client never sent, so the connection ends.
//!
//! The server above keeps HTTP/2's initial `SETTINGS_HEADER_TABLE_SIZE` and `SETTINGS_MAX_FRAME_SIZE`, as hyper does unless told
//! otherwise: what it says to the client is not read here. Its `SETTINGS_MAX_HEADER_LIST_SIZE` is best below [`MAX_BLOCK`].
//!
//! [`Mender`] is the whole of it without I/O; [`Mended`] puts it under a reader.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use self::frames::Malformed;
pub use self::hpack::{MAX_LIST, Undecodable};
pub use self::mender::{MAX_BLOCK, MAX_CONTINUATIONS, Mender};

mod field;
mod frames;
mod hpack;
mod mender;
#[cfg(test)]
mod tests;
mod text;

/// A client's connection on which every `:authority` is one that an HTTP/2 server accepts.
///
/// Writes pass straight through. Reads end with [`io::ErrorKind::InvalidData`] and a [`Malformed`] when a
/// connection that already needed mending can no longer be followed.
#[derive(Debug)]
pub struct Mended<IO> {
    io: IO,
    mender: Mender,
    /// What is ready for the server and did not fit into its buffer.
    ready: BytesMut,
}

// === impl Mended ===

impl<IO> Mended<IO> {
    /// Puts a mender under a connection of which nothing has been read yet.
    pub fn new(io: IO) -> Self {
        Self { io, mender: Mender::new(), ready: BytesMut::new() }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Mended<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // More than one turn only while a header block is incomplete, and those are bounded.
        loop {
            if !this.ready.is_empty() {
                let fits = this.ready.len().min(buf.remaining());
                buf.put_slice(&this.ready.split_to(fits));
                if this.ready.is_empty() {
                    // Connections idle for hours; their buffers need not.
                    this.ready = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            // An empty buffer would make the end of the stream of what is none.
            if buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if let Some(fault) = this.mender.fault() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
            }

            let before = buf.filled().len();
            ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
            let arrived = buf.filled().get(before..).unwrap_or_default();
            if arrived.is_empty() {
                this.mender.finish(&mut this.ready);
                if this.ready.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            // Bulk stays where the socket put it.
            if this.mender.passes(arrived.len()) {
                return Poll::Ready(Ok(()));
            }
            let was_mending = this.mender.is_mending();
            // The mender remembers a fault; what came before it is delivered first.
            this.mender.feed(arrived, &mut this.ready).ok();
            if this.mender.is_mending() && !was_mending {
                tracing::debug!("Replaced an authority that is none");
            }
            buf.set_filled(before);
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Mended<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
