//! Between the thread that owns the file and a place that may be slow, full, or not there.

use super::Failures;
use crate::error::Chain;
use crate::metrics;
use prometheus_client::metrics::counter::Counter;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

/// A bounded queue and the thread that empties it.
#[derive(Debug)]
pub(super) struct Queue {
    /// Unset once the end has begun.
    messages: Option<SyncSender<Vec<u8>>>,
    /// Breaks when the thread ends, whichever way.
    ended: Receiver<Infallible>,
    health: Arc<Health>,
}

/// Why a message is not where it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undelivered {
    /// The queue is full.
    #[error("it takes them too slowly")]
    Slow,
    /// It was refused; the next one may not be.
    #[error("it was refused")]
    Refused(#[from] io::Error),
    /// Nobody will ever read there again.
    #[error("its reader has gone for good")]
    Gone,
}

/// What is wrong, and whether that was said.
#[derive(Debug)]
struct Health {
    name: &'static str,
    failures: Counter,
    /// Messages that were lost since all was well.
    missed: AtomicU64,
}

/// Messages that may wait. As many as there may be records for the file.
const QUEUE: usize = 1024;

/// How long a place that works may take for one message. One that does not is only asked whether it does again.
const PATIENCE: Duration = Duration::from_secs(1);

// === impl Queue ===

impl Queue {
    /// Starts it, with what delivers one message and is told how long that may take.
    pub(super) fn start(
        name: &'static str,
        failures: &Failures,
        deliver: impl FnMut(&[u8], Duration) -> Result<(), Undelivered> + Send + 'static,
    ) -> io::Result<Self> {
        let failures = failures.get_or_create(&metrics::Sink { sink: name }).clone();
        let health = Arc::new(Health { name, failures, missed: AtomicU64::new(0) });
        let (messages, waiting) = sync_channel(QUEUE);
        let (alive, ended) = sync_channel::<Infallible>(0);
        let own = health.clone();
        std::thread::Builder::new().name(format!("audit-{name}")).spawn(move || {
            empty(&waiting, &own, deliver);
            drop(alive);
        })?;
        Ok(Self { messages: Some(messages), ended, health })
    }

    /// Leaves a message, or counts it as lost.
    pub(super) fn push(&self, message: Vec<u8>) {
        match self.messages.as_ref().map(|messages| messages.try_send(message)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => self.health.lost(&Undelivered::Slow),
            Some(Err(TrySendError::Disconnected(_))) | None => self.health.lost(&Undelivered::Gone),
        }
    }

    /// Takes no more.
    pub(super) fn close(&mut self) {
        self.messages = None;
    }

    /// Waits for what is in it.
    pub(super) fn wait(&self, time: Duration) {
        let _too_slow_or_done = self.ended.recv_timeout(time);
    }
}

// === impl Health ===

impl Health {
    fn patience(&self) -> Duration {
        if self.missed.load(Ordering::Relaxed) == 0 { PATIENCE } else { Duration::ZERO }
    }

    fn lost(&self, error: &Undelivered) {
        self.failures.inc();
        if self.missed.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(sink = self.name, error = %Chain(error), "Records do not get to a sink; the file has them");
        }
    }

    /// All that waited is delivered.
    fn caught_up(&self) {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            tracing::info!(sink = self.name, missed, "Records get to a sink again");
        }
    }
}

/// The thread.
fn empty(
    waiting: &Receiver<Vec<u8>>,
    health: &Health,
    mut deliver: impl FnMut(&[u8], Duration) -> Result<(), Undelivered>,
) {
    let mut is_well = true;
    loop {
        let message = match waiting.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                // Not after each message that got through: a slow reader would make a line in the log of every other one.
                if is_well {
                    health.caught_up();
                }
                let Ok(message) = waiting.recv() else { return };
                message
            }
        };
        let delivered = deliver(&message, health.patience());
        is_well = delivered.is_ok();
        match delivered {
            Ok(()) => {}
            Err(gone @ Undelivered::Gone) => {
                health.lost(&gone);
                return waiting.iter().for_each(|_| health.lost(&gone));
            }
            Err(error @ (Undelivered::Refused(_) | Undelivered::Slow)) => health.lost(&error),
        }
    }
}
