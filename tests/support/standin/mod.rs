//! A runtime that does what it is told, for what a real one can't be made to do: to answer late,
//! oddly, or never, to reset, to hang up, and to say what it was asked in full.
//!
//! It is HTTP/2 and no more, since a gRPC server would see to it that none of that happens.

mod answer;
mod call;
mod images;
mod record;
mod serve;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

pub use self::answer::Answer;
pub use self::images::User;
pub use self::record::{Seen, State};
use self::serve::{Running, Shared};
pub use self::source::Feed;

/// How long anything may take that does happen.
const LIMIT: Duration = Duration::from_secs(20);

/// A stand-in runtime on a unix socket.
///
/// Unless told otherwise it knows its version, in both versions of the API, and has images: one can
/// ask for their status and pull more of them. Anything else is unimplemented.
pub struct Standin {
    socket: PathBuf,
    shared: Arc<Shared>,
    /// Unset while it is stopped.
    running: Option<Running>,
}

// === impl Standin ===

impl Standin {
    pub fn start(socket: &Path) -> Self {
        let shared = Arc::new(Shared::default());
        let running = Some(Running::start(socket, &shared));
        Self { socket: socket.to_owned(), shared, running }
    }

    /// Hangs up on everybody, as a crash does, and stops listening. What it was told and what it saw
    /// stays.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop(&self.socket).await;
        }
    }

    /// Listens on the same path again.
    pub fn start_again(&mut self) {
        self.running = Some(Running::start(&self.socket, &self.shared));
    }

    /// From now on, calls of this path are answered so.
    pub fn answers(&self, path: &str, script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) {
        self.shared.script().always(path, Arc::new(script));
    }

    /// The next call of this path is answered so, or the one after those already told. What repoint asks by itself does
    /// not count.
    pub fn answers_once(&self, path: &str, answer: Answer) {
        self.shared.script().once(path, answer);
    }

    /// It has this image from now on.
    pub fn has_image(&self, name: &str, user: User) {
        self.shared.script().images.add(name, user);
    }

    /// A pull of this image gives one with this user from now on.
    pub fn offers_image(&self, name: &str, user: User) {
        self.shared.script().images.offer(name, user);
    }

    /// From now on nothing can be pulled from this host.
    pub fn cut_off(&self, host: &str) {
        self.shared.script().images.cut_off(host);
    }

    /// All calls so far, in the order in which they came, but for those that repoint makes on its own account.
    pub fn calls(&self) -> Vec<Seen> {
        self.shared.record.calls(false)
    }

    /// Those that it makes on its own account.
    pub fn own_calls(&self) -> Vec<Seen> {
        self.shared.record.calls(true)
    }

    /// Waits until the first call of this path is in that state, or past it.
    pub async fn first(&self, path: &str, state: State) -> Seen {
        self.nth(0, path, state).await
    }

    /// The same for a later one; the first is number 0.
    pub async fn nth(&self, n: usize, path: &str, state: State) -> Seen {
        match timeout(LIMIT, self.shared.record.nth(n, path, state)).await {
            Ok(seen) => seen,
            Err(_) => panic!("{path} is not {state:?} within {LIMIT:?}: {:#?}", self.calls()),
        }
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        // A script panics in a task that nobody waits for; without this its test would pass.
        let panicked = self.shared.panicked();
        assert!(!panicked || std::thread::panicking(), "a script panicked: see above");
    }
}
