//! Options of those who look at this node and its service.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options of `tail`.
#[derive(Debug, Args)]
pub struct Tail {
    /// The log [default: the configured one]
    pub file: Option<PathBuf>,
    /// Pass the lines on as they are (so it is always where standard output is no terminal)
    #[arg(long)]
    pub json: bool,
    /// Begin with the last N records
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    pub lines: usize,
    /// The configuration file, which says where the log is [default: /etc/repoint/repoint.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Options of `status`.
#[derive(Debug, Args)]
#[command(after_long_help = STATUS)]
pub struct Status {
    /// Print it as JSON
    #[arg(long, conflicts_with = "check")]
    pub json: bool,
    /// Look at one thing alone, and say it on one line: exit code 0 where all is well, 1 where it is not, 2 where that cannot be
    /// told (as node-problem-detector has it)
    #[arg(long, value_enum, value_name = "WHAT")]
    pub check: Option<Check>,
    /// Where the service is
    #[command(flatten)]
    pub service: Service,
}

/// Something that can be well or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Check {
    /// Whether the kubelet calls: it has within the last 15 minutes
    Kubelet,
    /// Whether every record got into the audit log since the start
    Audit,
    /// Whether the configuration of the files is in force
    Config,
    /// Whether pulls are served: none failed within the last 15 minutes that no success followed
    Substitutions,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
#[command(after_long_help = DOCTOR)]
pub struct Doctor {
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
    /// Have the runtime pull this from every target of the rules, by its old name or a new one, and remove it again where it was
    /// not there; several may be given
    #[arg(long = "pull", value_name = "IMAGE", default_values_t = [PULLED.to_owned()])]
    pub pull: Vec<String>,
    /// Pull nothing
    #[arg(long)]
    pub skip_pull: bool,
    /// Follow the way out to every target for one manifest and one blob, without the runtime, by the proxies that its unit
    /// names: tells the hosts, addresses and issuers of certificates that it meets, and where it ends
    #[arg(long)]
    pub egress: bool,
    /// The container runtime's socket [default: the one that repoint takes]
    #[arg(long, value_name = "SOCKET")]
    pub runtime: Option<String>,
    /// The node's files are below DIR. Nobody is called then who is not named by --runtime or --admin, as seen from here
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Where the service is
    #[command(flatten)]
    pub service: Service,
}

/// Options of `override`.
#[derive(Debug, Args)]
#[command(after_long_help = OVERRIDE)]
pub struct Override {
    /// The rule's name
    #[arg(value_name = "RULE")]
    pub rule: String,
    /// What is done instead
    #[arg(value_enum, required_unless_present = "end", conflicts_with = "end")]
    pub instead: Option<Instead>,
    /// For how long: `2h` (also `s`, `m`, `d`), a week at the most
    #[arg(long = "for", value_name = "TIME", required_unless_present = "end", conflicts_with = "end")]
    pub time: Option<String>,
    /// End it now: the rule holds again
    #[arg(long)]
    pub end: bool,
    /// Where the service is
    #[command(flatten)]
    pub service: Service,
}

/// What is done instead of what a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Instead {
    /// Ask the registry that the image is named by, as if no target had it (recorded as `fell_back`)
    Original,
    /// Make the pull as it is asked for, and record it (as `observed`)
    Observe,
}

/// Where a running service is.
#[derive(Debug, Default, Args)]
pub struct Service {
    /// Its admin socket [default: the configured one]
    #[arg(long, value_name = "SOCKET")]
    pub admin: Option<String>,
    /// The configuration file, which says where that is [default: /etc/repoint/repoint.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

const STATUS: &str = "\
Fields of --json stay what they are; more may come. Times are RFC 3339; what there is none of is null.";

const DOCTOR: &str = "\
Exit codes: 0 all is well (what is only a note, or was not looked at, is told), 5 the worst is a warning, 1 it is a
failure. Every call has a limit of time, and nothing is changed but for the image that is pulled to try. The names of
all that is looked at, and the fields of --json, are in docs/doctor.md.";

/// Small, and on every registry that is filled with Kubernetes' images.
const PULLED: &str = "registry.k8s.io/pause:3.9";

const OVERRIDE: &str = "\
It holds for pulls that come from then on, outlives a restart of the service, ends by itself, and is
recorded with the user who said so. To have no pull substituted by any rule, make the file
/etc/repoint/disabled (`touch`), and remove it again.";
