//! The command line: every option, once.

mod config;
mod images;
mod install;
mod node;

pub use config::{Config, ConfigFile, Export, Format, Import};
pub use images::{Explain, Layout, Report, Scan, Tool, Verify};
pub use install::{Fragment, Install, KubeletEndpoint, KubeletKind, Uninstall, Well};
pub use node::{Check, Doctor, Instead, Override, Service, Status, Tail};

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
    /// Tell what becomes of an image on this node, and why
    Explain(Explain),
    /// List the images that are still asked for by their old names, what to fix first in front
    Report(Report),
    /// Look for images by their old names: on this node, in files, or in what the API server has
    Scan(Scan),
    /// Tell whether images are where the rules look for them, the same ones, for the platforms in use
    Verify(Verify),
    /// Follow the audit log
    Tail(Tail),
    /// Tell how the service on this node is
    Status(Status),
    /// Look over this node, and say what to mend
    Doctor(Doctor),
    /// Put something else in the place of what a rule says, for a while
    Override(Override),
    /// Point this node's kubelet to repoint
    Install(Install),
    /// Point it to the runtime again, and leave every file as it was
    Uninstall(Uninstall),
    /// Look at the configuration, or turn it into others' and back
    #[command(subcommand)]
    Config(Config),
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
Exit codes: 0 done, 1 failed, 2 wrong command line, 3 wrong configuration, all of whose mistakes are told,
5 found what it was to look for.
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
