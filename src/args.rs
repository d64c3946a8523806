//! The command line: every option, once.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Pulls images of a retired registry from the one that took its place, and keeps a record of it.
///
/// repoint stands between the kubelet and the container runtime and speaks CRI to both. What it was not told to change
/// passes through it unaltered.
#[derive(Debug, Parser)]
#[command(name = "repoint", version, arg_required_else_help = true, after_help = AFTER)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What repoint can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy
    Serve(Serve),
    /// Look at the configuration
    #[command(subcommand)]
    Config(Config),
}

/// What can be done with the configuration. Nothing of it changes anything.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Tell every mistake in it, with its place
    Check(ConfigFile),
    /// Show what holds, as a file that says the same, and where each value is from
    Show(ConfigFile),
    /// Write a JSON Schema of it, for editors
    Schema,
}

/// A configuration file, with the drop-ins that belong to it.
#[derive(Debug, Default, Args)]
pub struct ConfigFile {
    /// The file; the `*.toml` in FILE.d beside it (repoint.d for repoint.toml) go before it
    /// [default: /etc/repoint/repoint.toml, where there is one]
    pub file: Option<PathBuf>,
}

/// Options of `serve`. Each goes before what the configuration file says.
#[derive(Debug, Default, Args)]
pub struct Serve {
    /// The configuration file [default: /etc/repoint/repoint.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The socket to listen on [default: `unix:///run/repoint/repoint.sock`]
    #[arg(long, value_name = "SOCKET")]
    pub listen: Option<String>,
    /// The container runtime's socket [default: whichever of the usual ones answers]
    #[arg(long, value_name = "SOCKET")]
    pub runtime: Option<String>,
    /// The socket for image calls, if another than the runtime's (SOCI, stargz or nydus may have one)
    #[arg(long, value_name = "SOCKET")]
    pub image_endpoint: Option<String>,
}

const AFTER: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong command line, 3 wrong configuration, all of whose mistakes are told.
RUST_LOG sets what is logged to standard error (default: info).";

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}
