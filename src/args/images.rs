//! Options of those who ask for images: what becomes of them, by which names they are asked for, and where they are.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options of `explain`.
#[derive(Debug, Args)]
#[command(after_long_help = EXPLANATION)]
pub struct Explain {
    /// Image references; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// The namespace of the pod that wants them [default: no pod wants them]
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The configuration file [default: /etc/repoint/repoint.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Options of `report`.
#[derive(Debug, Default, Args)]
#[command(after_long_help = REPORT)]
pub struct Report {
    /// Audit logs: files, directories and all below them, `-` for standard input; as repoint wrote them, packed (gzip,
    /// Zstandard), from `journalctl -o json`, or from a log agent [default: the directory of the configured log]
    #[arg(value_name = "FILE|DIR|-")]
    pub sources: Vec<PathBuf>,
    /// Only what was recorded since: `7d` (also `h`, `m`, `w`), 2023-03-20, or 2023-03-20T12:00:00Z
    #[arg(long, value_name = "AGO|DATE", conflicts_with = "ready_to_remove")]
    pub since: Option<String>,
    /// Only what was recorded until then; what is late is late as of then [default: now]
    #[arg(long, value_name = "AGO|DATE")]
    pub until: Option<String>,
    /// Only pods of these namespaces; `*` and `?` as in a shell
    #[arg(long = "namespace", value_name = "GLOB", value_delimiter = ',', conflicts_with = "ready_to_remove")]
    pub namespaces: Vec<String>,
    /// Tell first whether the log is whole, for the nodes in this file: one name a line, as of `kubectl get nodes -o name`
    #[arg(long, value_name = "FILE")]
    pub nodes: Option<PathBuf>,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    pub format: Layout,
    /// Print what mends it, instead
    #[arg(long, value_enum, value_name = "TOOL", conflicts_with_all = ["format", "ready_to_remove"])]
    pub fix: Option<Tool>,
    /// Exit with 5 where anything is asked for by an old name
    #[arg(long)]
    pub fail_on_legacy: bool,
    /// Exit with 0 only if every node reported, without a gap, and nothing was asked for by an old name; else with 5
    #[arg(long, requires = "nodes")]
    pub ready_to_remove: bool,
    /// For how many days that has to be so
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3660), requires = "ready_to_remove")]
    pub days: u16,
    /// The configuration file, for what --fix makes and where the log is [default: /etc/repoint/repoint.toml, where there
    /// is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Options of `scan`.
#[derive(Debug, Default, Args)]
#[command(after_long_help = SCAN)]
pub struct Scan {
    /// `node` for this node; `-` for objects or manifests on standard input, as of `kubectl get pods -A -o json`; files, and
    /// directories with all below them that `.gitignore` does not leave out [default: node]
    #[arg(value_name = "node|-|PATH")]
    pub targets: Vec<PathBuf>,
    /// Make the files name the new places: no byte but those of references changes
    #[arg(long)]
    pub fix: bool,
    /// Show what --fix changes, as a patch; alone, nothing is changed
    #[arg(long)]
    pub diff: bool,
    /// Count the places of each image instead of listing them
    #[arg(long)]
    pub count: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    pub format: Layout,
    /// The namespace of what says none itself [default: not known, so that every rule counts that may decide]
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The container runtime's socket, for `node` [default: the one that repoint takes]
    #[arg(long, value_name = "SOCKET")]
    pub runtime: Option<String>,
    /// For `node`: its files are below DIR, and the runtime is called where --runtime names it, as seen from here
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The configuration file [default: /etc/repoint/repoint.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Which images: what `report --format json` or `scan --format json` printed, or an audit log (a file, or a directory and all
    /// below it, as `report` reads them); `-` for standard input [default: the directory of the configured log]
    #[arg(value_name = "REPORT|SCAN|LOG|-")]
    pub source: Option<PathBuf>,
    /// A platform that they have to be there for, such as linux/arm64 or linux/arm/v7; may be given more than once [default:
    /// this machine's]
    #[arg(long = "platform", value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    pub platforms: Vec<String>,
    /// Do not ask the old registry what it has
    #[arg(long)]
    pub skip_old: bool,
    /// Take an image for good that one of its targets has, as a pull does, also where others have it not
    #[arg(long)]
    pub any_target: bool,
    /// Authorities to trust besides those of this machine (or of `SSL_CERT_FILE`), in PEM
    #[arg(long, value_name = "FILE")]
    pub ca: Vec<PathBuf>,
    /// A registry that has no TLS; on loopback, that is found out by itself
    #[arg(long, value_name = "HOST[:PORT]")]
    pub plain_http: Vec<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    pub format: Layout,
    /// The configuration file, for the rules and for the credentials of their targets [default: /etc/repoint/repoint.toml,
    /// where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Layout {
    /// For people, as wide as the terminal
    #[default]
    Table,
    /// One object
    Json,
    /// One line an image, after a line of names
    Csv,
    /// For an issue or a wiki
    Markdown,
}

/// What mends a manifest, or fills a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// Commands that copy each image to where the rules look for it
    Crane,
    /// The same
    Skopeo,
    /// What to add to a `kustomization.yaml`
    Kustomize,
    /// A script that alters the manifests it is given
    Sed,
}

const EXPLANATION: &str = "\
Exit code 1 where some reference is invalid; the others are explained all the same.

Fields of --json, which stay what they are (more may come; what has nothing to say is
null or empty):
  image        as given
  kind         `reference`, `id` or `invalid`
  error        of an invalid one: message, at (the byte, counted from 0)
  reference    registry, path, tag, digest, and implied: which of `registry`, `library`
               and `tag` are not written
  namespace    as given
  decision     null where no rule decides, or:
    rule, builtin, pattern
    configured_action, action
               `rewrite`, `observe` or `deny`: as written, and on this node now
    rollout    percent, position (of this node), from, reached
    targets    in order: image, credentials (their source), of_call (`dropped`, `kept`
               or `forwarded`), timeout_seconds
    nameless_targets
    on_failure `fail` or `original`
  passed_over  other rules that match: rule, pattern, why (`excluded`, `namespace`,
               `no_name`, `shorter_pattern`, `for_all_namespaces`), by (what excludes)
  stands_back  what a written rule replaces: builtin, pattern, by
  presence     the names under which the image is looked for on the node, in order";

const REPORT: &str = "\
Exit codes: 5 as --fail-on-legacy and --ready-to-remove say; 1 also where a file could not be
read to its end. The order, the fields of --format json, and how owners are guessed are in
docs/report.md.";

const SCAN: &str = "\
Exit codes: 0 where nothing was found, 5 where something was (with --fix: and is left), 1 also where something
could not be read or changed. What counts as a finding, what is changed and what is not, the limits, and the fields
of --format json are in docs/scan.md.";
