//! The end of calls when the service stops: each has a limit of its own, by what it does, and ends in a status at the latest
//! then. A call that comes after that began is refused, so that the client asks the next process.

use super::Fault;
use crate::cri::method::{Call, RUNTIME_SERVICE};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The end of the service, as connections and calls see it come.
#[derive(Debug, Clone, Default)]
pub struct End {
    /// No new calls; those under way may end.
    pub stop: CancellationToken,
    /// At once, with all that is under way.
    pub cut: CancellationToken,
    /// The calls under way.
    pub calls: Arc<Calls>,
    /// Since when, and how long they have.
    begun: Arc<OnceLock<(Instant, Limits)>>,
}

/// How long calls under way may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most calls.
    pub calls: Duration,
    /// Those that take their time, and do harm when they are cut.
    pub long_calls: Duration,
}

/// How much time a call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// None: it has no end of its own, and is asked for again.
    Endless,
    /// What most calls have.
    Usual,
    /// More.
    Long,
}

/// How many calls of which pace are under way.
#[derive(Debug, Default)]
pub struct Calls {
    usual: AtomicUsize,
    long: AtomicUsize,
    /// A call has ended.
    ended: Notify,
}

/// A call under way, as long as anything of its answer is.
#[derive(Debug)]
pub struct Held {
    calls: Arc<Calls>,
    pace: Pace,
}

// === impl End ===

impl End {
    /// From now on no call is taken, and those under way have so long.
    pub fn begin(&self, limits: Limits) {
        let _begun_before = self.begun.set((Instant::now(), limits));
        self.stop.cancel();
    }

    /// Returns when the time of calls of that pace is over.
    pub async fn over(self, pace: Pace) {
        self.stop.cancelled().await;
        if let Some((since, limits)) = self.begun.get()
            && let Some(over) = since.checked_add(limits.of(pace))
        {
            tokio::time::sleep_until(over).await;
        }
    }
}

// === impl Limits ===

impl Default for Limits {
    /// A pull of a large image is under way for minutes; a `preStop` hook that is cut is run twice.
    fn default() -> Self {
        Self { calls: Duration::from_secs(10), long_calls: Duration::from_secs(120) }
    }
}

impl Limits {
    /// How long a call of that pace may take.
    pub fn of(self, pace: Pace) -> Duration {
        match pace {
            Pace::Endless => Duration::ZERO,
            Pace::Usual => self.calls,
            Pace::Long => self.long_calls.max(self.calls),
        }
    }
}

// === impl Pace ===

impl Pace {
    /// That of a call.
    pub fn of(path: &str) -> Self {
        let Some(call) = Call::parse(path) else { return Self::Usual };
        match call.method {
            "PullImage" => Self::Long,
            "RunPodSandbox" | "ExecSync" | "StopContainer" if call.service == RUNTIME_SERVICE => Self::Long,
            "GetContainerEvents" if call.service == RUNTIME_SERVICE => Self::Endless,
            _ => Self::Usual,
        }
    }
}

// === impl Calls ===

impl Calls {
    /// Counts a call until what is returned is gone.
    pub fn hold(self: &Arc<Self>, pace: Pace) -> Held {
        self.number(pace).fetch_add(1, Ordering::Relaxed);
        Held { calls: Arc::clone(self), pace }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.usual.load(Ordering::Relaxed).saturating_add(self.long.load(Ordering::Relaxed))
    }

    /// Returns when none is left that takes its time.
    pub async fn no_long_ones(&self) {
        loop {
            let ended = self.ended.notified();
            if self.long.load(Ordering::Relaxed) == 0 {
                return;
            }
            ended.await;
        }
    }

    fn number(&self, pace: Pace) -> &AtomicUsize {
        if pace == Pace::Long { &self.long } else { &self.usual }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.calls.number(self.pace).fetch_sub(1, Ordering::Relaxed);
        // Those who wait are few, and each looks for itself.
        self.calls.ended.notify_waiters();
    }
}

/// What `answer` comes to, if it does before the time of calls of that pace is over.
///
/// # Errors
///
/// With what `answer` fails with, or that it is over.
pub async fn bounded<T>(answer: impl Future<Output = Result<T, Fault>>, end: &End, pace: Pace) -> Result<T, Fault> {
    tokio::select! {
        biased;
        answer = answer => answer,
        () = end.clone().over(pace) => Err(Fault::Stopping),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_harm_when_it_is_cut_has_more_time_and_what_never_ends_has_none() {
        let (v1, old) = ("/runtime.v1.", "/runtime.v1alpha2.");
        for (call, expected) in [
            ("ImageService/PullImage", Pace::Long),
            ("RuntimeService/RunPodSandbox", Pace::Long),
            ("RuntimeService/ExecSync", Pace::Long),
            ("RuntimeService/StopContainer", Pace::Long),
            ("RuntimeService/GetContainerEvents", Pace::Endless),
            ("RuntimeService/StreamContainers", Pace::Usual),
            ("ImageService/ExecSync", Pace::Usual),
        ] {
            assert_eq!((Pace::of(&format!("{v1}{call}")), Pace::of(&format!("{old}{call}"))), (expected, expected));
        }
        assert_eq!(Pace::of("/other.Service/ExecSync"), Pace::Usual);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_has_the_time_of_its_pace_from_the_stop_on() {
        let end = End::default();
        let started = Instant::now();
        let limits = Limits { calls: Duration::from_secs(10), long_calls: Duration::from_secs(120) };
        let over = |pace| {
            let end = end.clone();
            async move {
                let ended = bounded(std::future::pending::<Result<(), Fault>>(), &end, pace).await;
                assert!(matches!(ended, Err(Fault::Stopping)));
                started.elapsed().as_secs()
            }
        };
        let stop = async {
            tokio::time::sleep(Duration::from_secs(1000)).await;
            end.begin(limits);
            end.begin(Limits::default());
        };
        let (endless, usual, long, ()) = tokio::join!(over(Pace::Endless), over(Pace::Usual), over(Pace::Long), stop);
        assert_eq!((endless, usual, long), (1000, 1010, 1120));
    }

    #[tokio::test]
    async fn the_calls_that_take_their_time_are_waited_for_alone() {
        let calls = Arc::new(Calls::default());
        let (usual, long) = (calls.hold(Pace::Usual), calls.hold(Pace::Long));
        assert_eq!(calls.count(), 2);
        let waiting = calls.no_long_ones();
        let mut waiting = std::pin::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(1), waiting.as_mut()).await.is_err());
        drop(long);
        waiting.await;
        drop(usual);
        assert_eq!(calls.count(), 0);
    }
}
