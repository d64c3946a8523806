//! What governs the service while it runs, and knows how it is: the configuration in force, the kill switch, overrides.

use super::chronicle::Chronicle;
use super::reload::Look;
use super::systemd::Manager;
use super::trouble::Trouble;
use crate::args::Serve;
use crate::config::{Footing, Standing};
use crate::proxy::drain::{End, Limits};
use crate::proxy::{Current, Shared};
use crate::runtime::Dialer;
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Governs.
#[derive(Debug)]
pub struct Control {
    /// As the process was started.
    pub(super) options: Arc<Serve>,
    /// What is in force. Held for the length of a reload: of two, the second begins when the first has ended.
    pub(super) standing: tokio::sync::Mutex<Arc<Standing>>,
    pub(super) current: Arc<Current>,
    pub(super) chronicle: Chronicle,
    pub(super) manager: Manager,
    pub(super) trouble: Trouble,
    pub(super) end: End,
    /// The way to the runtime.
    pub(super) runtime: Arc<Dialer>,
    /// The state directory.
    pub(super) state: PathBuf,
    /// The file that is the kill switch.
    pub(super) switch: PathBuf,
    /// Held while a change of the overrides is kept and recorded: of two, the second is what a restart finds.
    pub(super) keeping: tokio::sync::Mutex<()>,
    /// What the files were before they were read last.
    read: Mutex<Look>,
    /// What is known without waiting for anybody.
    known: Mutex<Known>,
}

/// What is known of the configuration in force.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// What it is.
    pub(super) footing: Footing,
    /// Its hash.
    pub(super) hash: String,
    /// Since when it is in force.
    pub(super) since: Timestamp,
    /// Its files.
    pub(super) files: Vec<PathBuf>,
    /// Why what is written is not in force, and since when that is so.
    pub(super) refused: Option<(Timestamp, String)>,
    /// When the process started.
    pub(super) started: Timestamp,
    /// How long calls under way may take when the service stops.
    pub(super) drain: Limits,
    /// Whether it is read again when its files change.
    pub(super) is_watched: bool,
}

/// What it is made of.
#[derive(Debug)]
#[expect(missing_docs, reason = "they are explained where they are kept")]
pub struct Parts {
    pub options: Serve,
    pub standing: Standing,
    pub look: Look,
    pub current: Arc<Current>,
    pub chronicle: Chronicle,
    pub manager: Manager,
    pub trouble: Trouble,
    pub end: End,
    pub runtime: Arc<Dialer>,
    pub switch: PathBuf,
}

// === impl Control ===

impl Control {
    /// One of a process that has just started.
    pub fn new(parts: Parts) -> Self {
        let Parts { options, standing, look, current, chronicle, manager, trouble, end, runtime, switch } = parts;
        let now = current.now().clock.now();
        let known = Mutex::new(Known::of(&standing, now, now));
        let (options, state) = (Arc::new(options), standing.settings.state.clone());
        let standing = tokio::sync::Mutex::new(Arc::new(standing));
        Self {
            options,
            standing,
            current,
            chronicle,
            manager,
            trouble,
            end,
            runtime,
            state,
            switch,
            keeping: tokio::sync::Mutex::default(),
            read: Mutex::new(look),
            known,
        }
    }

    /// Clients are accepted from now on.
    pub fn ready(&self) {
        self.manager.ready(self.line());
    }

    /// Gives signs of life, as long as it is polled.
    pub async fn live(&self) {
        self.manager.live().await;
    }

    /// Whether the service stops.
    pub fn is_stopping(&self) -> bool {
        self.end.stop.is_cancelled()
    }

    /// The service stops, and may take so long for it.
    pub fn stopping(&self, within: Duration) {
        self.manager.stopping(within, self.line());
    }

    /// The context of calls that come now.
    pub(super) fn shared(&self) -> Shared {
        self.current.now()
    }

    /// What is known of the configuration.
    pub(super) fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the files are others than those that were read last.
    pub(super) fn is_news(&self, look: &Look) -> bool {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) != *look
    }

    /// They are these by now.
    pub(super) fn has_read(&self, look: Look) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = look;
    }

    /// That is known from now on.
    pub(super) fn learn(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

// === impl Known ===

impl Known {
    /// That of `standing`, which is in force since `since`.
    pub(super) fn of(standing: &Standing, since: Timestamp, started: Timestamp) -> Self {
        Self {
            footing: standing.footing,
            hash: standing.settings.hash.clone(),
            since,
            files: standing.source.texts.iter().map(|text| text.path.clone()).collect(),
            refused: standing.refused.clone().map(|why| (since, why)),
            started,
            drain: standing.settings.drain,
            is_watched: standing.settings.reload_on_change,
        }
    }
}
