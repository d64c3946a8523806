//! `repoint tail`: follows the audit log, for somebody who looks on.
//!
//! It looks five times a second. That costs one `stat`, shows a record before one has looked up, and sees all that there is
//! to see on any file system, network and overlay ones too, of which `inotify` tells nothing.

mod follow;
mod told;

use super::Failure;
use crate::args::{Serve, Tail};
use crate::config;
use crate::exit::Exit;
use follow::Follower;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

/// Why it does not go on.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("cannot write to standard output")]
    Unwritable(#[source] io::Error),
    #[error("cannot wait for signals")]
    System(#[source] io::Error),
}

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(200);

/// Follows the log until it is told to end, or nobody reads any more.
///
/// # Errors
///
/// When the configuration is wrong, or it can't read or write.
pub fn run(options: &Tail) -> Result<(), Failure> {
    let path = match &options.file {
        Some(file) => file.clone(),
        None => configured(options)?,
    };
    let out = io::stdout();
    let manner = if options.json || !out.is_terminal() {
        Manner::Raw
    } else {
        // https://no-color.org: set, and not empty.
        Manner::Told { in_colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    };
    let followed = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Ended::System)
        .and_then(|runtime| runtime.block_on(follow(&path, options.lines, manner, &mut out.lock())));
    match followed {
        // Who closes the pipe has seen enough.
        Err(Ended::Unwritable(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        followed => followed.map_err(|error| Failure::new(Exit::Failed, error)),
    }
}

/// How a line is shown.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// As it is.
    Raw,
    /// For people.
    Told { in_colour: bool },
}

fn configured(options: &Tail) -> Result<PathBuf, Failure> {
    let source = config::load(options.config.as_deref());
    let settings = config::settings(&Serve::default(), &source);
    settings.map(|settings| settings.audit.file).map_err(|mistakes| Failure::new(Exit::Configuration, mistakes))
}

async fn follow(path: &Path, lines: usize, manner: Manner, out: &mut impl Write) -> Result<(), Ended> {
    let mut end = Ends::new().map_err(Ended::System)?;
    let unreadable = |error| Ended::Unreadable { path: path.to_owned(), error };
    let mut follower = Follower::new(path, lines);
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = end.come() => return Ok(()),
            _ = ticks.tick() => {}
        }
        // A portion at a time: a long file is no reason not to end.
        while let Some(text) = follower.next().map_err(unreadable)? {
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                show(line, manner, out).map_err(Ended::Unwritable)?;
            }
            out.flush().map_err(Ended::Unwritable)?;
            tokio::task::yield_now().await;
            if end.have_come() {
                return Ok(());
            }
        }
    }
}

fn show(line: &[u8], manner: Manner, out: &mut impl Write) -> io::Result<()> {
    match manner {
        Manner::Raw => out.write_all(line),
        Manner::Told { in_colour } => writeln!(out, "{}", told::line(line, in_colour)),
    }
}

/// The signals that end it.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

// === impl Ends ===

impl Ends {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Returns when one has come.
    async fn come(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Whether one has come.
    fn have_come(&mut self) -> bool {
        use std::task::{Context, Waker};
        let mut nobody = Context::from_waker(Waker::noop());
        self.interrupt.poll_recv(&mut nobody).is_ready() || self.terminate.poll_recv(&mut nobody).is_ready()
    }
}
