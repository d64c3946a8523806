//! How far it has come, for somebody who looks on for longer than a second.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal, Read, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A bar on standard error, where that is a terminal.
pub(super) struct Bar {
    started: Instant,
    template: &'static str,
    bar: Option<Mutex<Option<ProgressBar>>>,
}

/// What is read, with a bar that shows how many mebibytes that were so far.
pub(super) struct Counted<'a> {
    read: &'a mut dyn Read,
    bar: &'a Bar,
    bytes: u64,
}

/// What is faster needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

// === impl Bar ===

impl Bar {
    /// One that is written like this, as `indicatif` has it.
    pub(super) fn new(template: &'static str) -> Self {
        Self { started: Instant::now(), template, bar: stderr().is_terminal().then(Mutex::default) }
    }

    /// Shows it; of how much is not known where `all` is 0. A thread that finds another one drawing does not wait for it.
    pub(super) fn show(&self, done: u64, all: u64) {
        let Some(Ok(mut bar)) = self.bar.as_ref().map(Mutex::try_lock) else { return };
        if self.started.elapsed() >= PATIENCE {
            let bar = bar.get_or_insert_with(|| begin(self.template, all));
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

// === impl Counted ===

impl<'a> Counted<'a> {
    pub(super) fn new(read: &'a mut dyn Read, bar: &'a Bar) -> Self {
        Self { read, bar, bytes: 0 }
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.read.read(buffer)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        self.bar.show(self.bytes >> 20, 0);
        Ok(length)
    }
}

fn begin(template: &str, all: u64) -> ProgressBar {
    let bar = if all == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(all) };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
