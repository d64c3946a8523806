//! The command line: every option, once.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
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

/// Options of `install`.
#[derive(Debug, Args)]
#[command(after_long_help = INSTALL)]
pub struct Install {
    /// Which of the kubelet's endpoints lead to repoint
    #[arg(long, value_enum, default_value_t)]
    pub endpoint: KubeletEndpoint,
    /// Change nothing: print what would change as a diff, and why
    #[arg(long)]
    pub dry_run: bool,
    /// The files of a node that does not run, below DIR. Nothing is called, and nothing restarted
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The files of an image that nodes are made of, in place or below --root: its kubelet may not be there yet, nothing is called,
    /// and nothing restarted
    #[arg(long)]
    pub bake: bool,
    /// With --bake, whose kubelet it will be, where none is there
    #[arg(long, value_enum, value_name = "KIND", requires = "bake")]
    pub kind: Option<KubeletKind>,
    /// Print what does the same, for a tool that owns the node's files
    #[arg(long, value_enum, value_name = "TOOL", conflicts_with_all = ["dry_run", "root", "bake"])]
    pub render: Option<Fragment>,
    /// The container runtime's socket [default: the kubelet's]
    #[arg(long, value_name = "SOCKET")]
    pub runtime: Option<String>,
    /// The socket for image calls, if another than the runtime's [default: the kubelet's]
    #[arg(long, value_name = "SOCKET")]
    pub image_endpoint: Option<String>,
    /// Pull this, by its old name, from each of its targets before the kubelet is switched
    #[arg(long = "check-image", value_name = "IMAGE", default_values_t = [CHECK_IMAGE.to_owned()], conflicts_with = "skip_pull")]
    pub check_images: Vec<String>,
    /// Pull nothing before the kubelet is switched
    #[arg(long)]
    pub skip_pull: bool,
    /// What it has to be well by
    #[command(flatten)]
    pub well: Well,
}

/// Options of `uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Change nothing: print what would change as a diff
    #[arg(long)]
    pub dry_run: bool,
    /// The files of a node that does not run, below DIR. Nothing is called, and nothing restarted
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Even if images that are used can't be found by their old names afterwards
    #[arg(long)]
    pub force: bool,
    /// What it has to be well by
    #[command(flatten)]
    pub well: Well,
}

/// How a kubelet is known to be well.
#[derive(Debug, Args)]
pub struct Well {
    /// For how long it is waited for after a restart (also `s`); an installation is undone after that
    #[arg(long, value_name = "TIME", default_value = "3m")]
    pub wait: String,
    /// Where it tells how it is: its healthzBindAddress and healthzPort
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10248")]
    pub healthz: SocketAddr,
}

/// Which of the kubelet's endpoints lead to repoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum KubeletEndpoint {
    /// That for images: enough for all that repoint is for
    #[default]
    Image,
    /// That of the runtime, too: all calls pass through repoint
    Both,
}

/// Who sets a kubelet up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KubeletKind {
    /// kubeadm, or the kubelet's package
    Kubeadm,
    /// k3s
    K3s,
    /// RKE2
    Rke2,
}

/// Who owns the files of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fragment {
    /// nodeadm, on EKS: a part of its configuration
    Nodeadm,
    /// kubeadm: its configuration
    Kubeadm,
    /// The Machine Config Operator of OpenShift
    #[value(name = "machineconfig")]
    MachineConfig,
    /// k3s and RKE2: a drop-in of their configuration
    K3s,
    /// cloud-init: user data
    CloudInit,
    /// Not supported; tells why
    Bottlerocket,
    /// Not supported; tells why
    Talos,
    /// Not supported; tells why
    #[value(name = "k0s")]
    K0s,
    /// Not supported; tells why
    #[value(name = "microk8s")]
    Microk8s,
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

const STATUS: &str = "\
Fields of --json stay what they are; more may come. Times are RFC 3339; what there is none of is null.";

const DOCTOR: &str = "\
Exit codes: 0 all is well (what is only a note, or was not looked at, is told), 5 the worst is a warning, 1 it is a
failure. Every call has a limit of time, and nothing is changed but for the image that is pulled to try. The names of
all that is looked at, and the fields of --json, are in docs/doctor.md.";

/// Small, and on every registry that is filled with Kubernetes' images.
const PULLED: &str = "registry.k8s.io/pause:3.9";

/// Small, on every registry that took the old one's place, and on most nodes anyway.
const CHECK_IMAGE: &str = "k8s.gcr.io/pause:3.9";

const INSTALL: &str = "\
On a node that runs, repoint has to run already. It is called, and images are pulled from every target, before the
kubelet is switched; and if the kubelet is not well in time after that, all is put back. An installation that was
interrupted is continued by the same command, and undone by `repoint uninstall`. What was there is kept in
/var/lib/repoint/install.json. docs/install.md has what is written where, and why it stays.";

const OVERRIDE: &str = "\
It holds for pulls that come from then on, outlives a restart of the service, ends by itself, and is
recorded with the user who said so. To have no pull substituted by any rule, make the file
/etc/repoint/disabled (`touch`), and remove it again.";

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
