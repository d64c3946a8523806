//! How far it has come, for somebody who looks on for longer than a second.

use crate::audit::read::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A bar on standard error, where that is a terminal.
pub(super) struct Bar {
    started: Instant,
    bar: Option<Mutex<Option<ProgressBar>>>,
}

/// What is faster needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

// === impl Bar ===

impl Bar {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), bar: stderr().is_terminal().then(Mutex::default) }
    }

    /// Shows it. A thread that finds another one drawing does not wait for it.
    pub(super) fn show(&self, Progress { done, all }: Progress) {
        let Some(Ok(mut bar)) = self.bar.as_ref().map(Mutex::try_lock) else { return };
        if self.started.elapsed() >= PATIENCE {
            let bar = bar.get_or_insert_with(|| begin(all));
            bar.set_position(done);
        }
    }

    /// Takes it away.
    pub(super) fn end(self) {
        if let Some(Ok(Some(bar))) = self.bar.map(Mutex::into_inner) {
            bar.finish_and_clear();
        }
    }
}

fn begin(all: u64) -> ProgressBar {
    if all == 0 {
        return ProgressBar::new_spinner();
    }
    let bar = ProgressBar::new(all);
    match ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
