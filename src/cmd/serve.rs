//! `repoint serve`: read the configuration, then run the service.

use super::Failure;
use crate::args::Serve;
use crate::exit::Exit;
use crate::{config, daemon};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Runs it. Nothing is bound, and no file made, before the configuration is known to be right.
///
/// # Errors
///
/// When the configuration is wrong, or the service can't start.
pub fn run(options: &Serve) -> Result<(), Failure> {
    let source = config::load(options.config.as_deref());
    let settings = config::settings(options, &source).map_err(|error| Failure::new(Exit::Configuration, error))?;
    log();
    for warning in config::warnings(&source, &settings) {
        tracing::warn!(%warning, "The configuration may not be what was meant");
    }
    // One thread. A call is passed along by tasks that wait for each other: with more, each step wakes another thread, which
    // takes longer than the step. No step is long (a message is bounded), and the audit log has a thread of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, daemon::Failed::System(error)))?;
    let served = runtime.block_on(daemon::serve(settings)).map_err(|error| Failure::new(Exit::Failed, error));
    // What did not end by now is not waited for.
    runtime.shutdown_background();
    served
}

/// Log lines go to standard error, which systemd takes to the journal.
fn log() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal()).init();
}
