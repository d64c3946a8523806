//! Options of those who look at the configuration.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What can be done with the configuration. Nothing of it changes what holds.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Tell every mistake in it, with its place
    Check(ConfigFile),
    /// Show what holds, as a file that says the same, and where each value is from
    Show(ConfigFile),
    /// Write a JSON Schema of it, for editors
    Schema,
    /// Write the rules as configuration of the runtime or of the API server
    Export(Export),
    /// Read rules from configuration of the runtime, and print them as repoint's
    Import(Import),
}

/// A configuration file, with the drop-ins that belong to it.
#[derive(Debug, Default, Args)]
pub struct ConfigFile {
    /// The file; the `*.toml` in FILE.d beside it (repoint.d for repoint.toml) go before it
    /// [default: /etc/repoint/repoint.toml, where there is one]
    pub file: Option<PathBuf>,
}

/// Options of `config export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Whose configuration
    #[arg(value_enum)]
    pub format: Format,
    /// The configuration file [default: /etc/repoint/repoint.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The directory to write to; files that repoint did not write are not touched [default: standard output]
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// A kind of configuration that rules are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// containerd's, a directory for each registry
    #[value(name = "hosts.toml")]
    Hosts,
    /// CRI-O's, a drop-in
    #[value(name = "registries.conf")]
    Registries,
    /// Kubernetes', which warns of manifests or refuses them
    #[value(name = "validating-admission-policy")]
    Policy,
}

/// Options of `config import`.
#[derive(Debug, Args)]
pub struct Import {
    /// containerd's directory of registries (`certs.d`), CRI-O's `registries.conf`, or its directory of drop-ins
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
}
