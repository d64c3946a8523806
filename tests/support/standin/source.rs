//! Where the frames of an answer come from.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

use crate::support::grpc;

/// Those of one answer.
#[derive(Debug)]
pub enum Source {
    /// No body at all: the headers end the answer.
    Nothing,
    Frames(VecDeque<Bytes>),
    Feed {
        frames: mpsc::Receiver<Bytes>,
        taken: Arc<AtomicUsize>,
    },
}

/// The test's end of an answer that it gives bit by bit. Dropping it ends the answer.
#[derive(Debug)]
pub struct Feed {
    frames: mpsc::Sender<Bytes>,
    taken: Arc<AtomicUsize>,
}

// === impl Source ===

impl Source {
    pub fn feed() -> (Feed, Self) {
        // One waits in the channel, so that what is taken beyond it was taken by the connection.
        let (sender, frames) = mpsc::channel(1);
        let taken = Arc::<AtomicUsize>::default();
        let feed = Feed { frames: sender, taken: Arc::clone(&taken) };
        (feed, Self::Feed { frames, taken })
    }

    /// The next frame, or `None` after the last.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        let frame = match self {
            Self::Nothing => None,
            Self::Frames(frames) => frames.pop_front(),
            Self::Feed { frames, taken } => {
                let frame = ready!(Pin::new(frames).poll_recv(cx));
                let length = frame.as_ref().map_or(0, Bytes::len);
                taken.fetch_add(length, Ordering::Relaxed);
                frame
            }
        };
        Poll::Ready(frame.map(Frame::data))
    }
}

// === impl Feed ===

impl Feed {
    /// Waits while the client takes nothing; false if it is gone.
    pub async fn send(&self, message: &[u8]) -> bool {
        self.frames.send(grpc::frame(grpc::PLAIN, message)).await.is_ok()
    }

    /// How many bytes the connection has taken so far, frames included.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}
