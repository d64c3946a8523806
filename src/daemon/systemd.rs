//! What passes between the service and who started it: sockets by name, readiness, signs of life, a line of status. Of
//! systemd, or of any supervisor that speaks as it does; without one there is nobody to talk to, and nothing is said.

use crate::error::Chain;
use sd_notify::NotifyState;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// The name of the socket that clients connect to (`FileDescriptorName=`).
pub const SOCKET: &str = "repoint";

/// Tells the service manager how things are.
#[derive(Debug)]
pub struct Manager {
    /// To a thread that may wait for it, as the loop that serves calls may not. `None` without one.
    told: Option<SyncSender<News>>,
    /// It expects a sign of life within this time.
    watchdog: Option<Duration>,
}

/// What it is told.
#[derive(Debug, Clone)]
enum News {
    Ready(String),
    Reloading,
    Status(String),
    Stopping(Duration, String),
    Alive,
}

/// A socket that was handed over.
#[derive(Debug)]
pub struct HandedOver {
    /// What it is called.
    pub name: String,
    /// The socket, if it is one.
    pub socket: OwnedFd,
}

/// What may wait to be told. Signs of life beyond that are not missed.
const QUEUE: usize = 16;

/// Three signs of life in the time within which one is expected.
const PER_WATCHDOG: u32 = 3;

// === impl Manager ===

impl Manager {
    /// The one that `$NOTIFY_SOCKET` leads to.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn find() -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self { told: None, watchdog: None });
        }
        let (told, news) = sync_channel(QUEUE);
        std::thread::Builder::new().name("manager".to_owned()).spawn(move || tell(&news))?;
        Ok(Self { told: Some(told), watchdog: sd_notify::watchdog_enabled() })
    }

    /// Clients are accepted.
    pub fn ready(&self, status: String) {
        self.say(News::Ready(status));
    }

    /// The configuration is read again. (Its end is that the service is ready again.)
    pub fn reloading(&self) {
        self.say(News::Reloading);
    }

    /// A line for people.
    pub fn status(&self, status: String) {
        self.say(News::Status(status));
    }

    /// The service stops, and may take so long for it.
    pub fn stopping(&self, within: Duration, status: String) {
        self.say(News::Stopping(within, status));
    }

    /// Gives a sign of life, again and again. It is polled where calls are served: as long as these are, it is.
    pub async fn live(&self) {
        let Some(pause) = self.watchdog.and_then(|watchdog| watchdog.checked_div(PER_WATCHDOG)) else {
            return std::future::pending().await;
        };
        loop {
            self.say(News::Alive);
            tokio::time::sleep(pause).await;
        }
    }

    fn say(&self, news: News) {
        if let Some(told) = &self.told {
            // A manager that does not listen is not waited for.
            let _full = told.try_send(news);
        }
    }
}

/// Tells the manager, and waits for it where it is busy.
fn tell(news: &Receiver<News>) {
    let mut is_heard = true;
    while let Ok(news) = news.recv() {
        let told = news.tell();
        if let Err(error) = &told
            && is_heard
        {
            tracing::warn!(error = %Chain(error), "The service manager could not be told how the service is");
        }
        is_heard = told.is_ok();
    }
}

// === impl News ===

impl News {
    fn tell(&self) -> io::Result<()> {
        match self {
            Self::Ready(status) => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)]),
            // Both in one message: which reload it is about is told by the time.
            Self::Reloading => sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?]),
            Self::Status(status) => sd_notify::notify(&[NotifyState::Status(status)]),
            Self::Stopping(within, status) => {
                let microseconds = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
                let extend = NotifyState::ExtendTimeoutUsec(microseconds);
                sd_notify::notify(&[NotifyState::Stopping, extend, NotifyState::Status(status)])
            }
            Self::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        }
    }
}

/// The sockets that this process was started with. To be called once, before anything else is opened.
///
/// # Errors
///
/// When the environment that says so makes no sense.
#[expect(unsafe_code, reason = "a file descriptor that was inherited is a number, and nothing else says whose it is")]
pub fn handed_over() -> io::Result<Vec<HandedOver>> {
    let all = sd_notify::listen_fds_with_names()?;
    let owned = all.map(|(number, name)| {
        // SAFETY: whoever started this process put these descriptors there for it ($LISTEN_PID is its own, and each of
        // them is open), nobody here has opened or closed any before, and each is taken once.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        HandedOver { name, socket }
    });
    Ok(owned.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loop_that_stands_still_gives_no_sign_of_life() {
        let (told, news) = sync_channel(QUEUE);
        let manager = Manager { told: Some(told), watchdog: Some(Duration::from_millis(30)) };
        let heard = || news.try_iter().count();
        let mut living = std::pin::pin!(manager.live());
        let goes_round = tokio::time::timeout(Duration::from_millis(200), living.as_mut()).await;
        assert!(goes_round.is_err() && heard() > 1);
        // The thread that tells the manager is not this one, and goes on; what it is to tell comes from here.
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(heard(), 0);
        let goes_round = tokio::time::timeout(Duration::from_millis(200), living).await;
        assert!(goes_round.is_err() && heard() > 1);
    }

    #[tokio::test]
    async fn a_manager_that_is_busy_is_not_waited_for() {
        let (told, news) = sync_channel(1);
        let manager = Manager { told: Some(told), watchdog: None };
        for _ in 0..100 {
            manager.status("x".to_owned());
        }
        assert_eq!(news.try_iter().count(), 1);
    }
}
