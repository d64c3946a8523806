//! `repoint serve`: read the configuration, then run the service.

use super::Failure;
use crate::args::Serve;
use crate::daemon::trouble::Trouble;
use crate::daemon::{Begin, Look, systemd};
use crate::error::Chain;
use crate::exit::Exit;
use crate::{config, daemon};
use std::ffi::OsStr;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// Runs it. A configuration that is wrong does not keep it from that; a command line that is wrong does, before anything is
/// bound and any file made.
///
/// # Errors
///
/// When the command line is wrong, or the service can't start.
pub fn run(options: Serve) -> Result<(), Failure> {
    // First of all: their numbers are taken from whoever opens something before.
    let handed_over = systemd::handed_over();
    let look = Look::at(&options);
    let state =
        std::env::var_os("STATE_DIRECTORY").map_or_else(|| PathBuf::from(config::check::STATE), |all| first(&all));
    let standing = config::stand(&options, &state).map_err(|error| Failure::new(Exit::Configuration, error))?;
    let trouble = log();
    for warning in config::warnings(&standing.source, &standing.settings) {
        tracing::warn!(%warning, "The configuration may not be what was meant");
    }
    let handed_over = handed_over.unwrap_or_else(|error| {
        tracing::warn!(error = %Chain(&error), "What was handed over could not be taken");
        Vec::new()
    });
    let switch = config::source::switch(options.config.as_deref());
    let begin = Begin { options, standing, look, handed_over, switch, trouble };
    // One thread. A call is passed along by tasks that wait for each other: with more, each step wakes another thread, which
    // takes longer than the step. No step is long (a message is bounded), and the audit log has a thread of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, daemon::Failed::System(error)))?;
    let served = runtime.block_on(daemon::serve(begin)).map_err(|error| Failure::new(Exit::Failed, error));
    // What did not end by now is not waited for.
    runtime.shutdown_background();
    served
}

/// The unit may name several directories, with colons between.
fn first(all: &OsStr) -> PathBuf {
    let all = all.to_string_lossy();
    Path::new(all.split(':').next().unwrap_or_default()).to_owned()
}

/// Log lines go to standard error, which systemd takes to the journal; and the last one that tells of trouble is kept.
fn log() -> Trouble {
    let trouble = Trouble::default();
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let lines = fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    tracing_subscriber::registry().with(filter).with(lines).with(trouble.clone()).init();
    trouble
}
