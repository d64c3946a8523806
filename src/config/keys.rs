//! Every key, once: what the reader takes, what a misspelt key is compared with, and what `config schema` describes.

use super::kind::Kind;
use crate::proxy::access::Service;
use crate::rules::{Action, OnFailure, builtin};
use crate::runtime::Keep;

/// The keys of a table.
#[derive(Debug)]
pub struct Table {
    /// Where it is, as one tells people.
    pub at: &'static str,
    /// The keys.
    pub keys: &'static [Key],
    /// Keys of which exactly one is said.
    pub one_of: &'static [&'static str],
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What holds where it is not said.
    pub unsaid: Unsaid,
    /// What it is for.
    pub about: &'static str,
}

/// What holds where a key is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsaid {
    /// It has to be said.
    Required,
    /// This value, as TOML.
    Default(&'static str),
    /// No one value: this.
    Unset(&'static str),
}

/// With less than one byte nothing would be read, and so nothing substituted; more than a gibibyte is no message.
pub const LIMITS: (usize, usize) = (1, 1 << 30);

/// No log is put aside at 0 bytes; and none has more than two gibibytes of them, if anybody wants to look at it.
pub const ROTATE_BYTES: (usize, usize) = (0, 1 << 31);

/// A file of less has no more than a few records: who says so thinks of another unit, and would keep next to nothing.
pub const LEAST_ROTATE_BYTES: usize = 64 << 10;

/// With none kept, the records would be gone as soon as they are many.
pub const KEEP: (usize, usize) = (1, 10_000);

/// So many labels there may be at most: they are in every record.
pub const MOST_LABELS: usize = 32;

/// So many bytes the name of a label, and its value, may have at most.
pub const LONGEST_LABEL: (usize, usize) = (63, 256);

/// The number of no user: all bits set says that there is none.
pub const LARGEST_ID: usize = (u32::MAX - 1) as usize;

/// The keys of a source that are about a provider, and about nothing else.
pub const OF_PROVIDERS: [&str; 3] = ["args", "env", "cache"];

/// What stands for the value of a variable where it is shown: it may be a secret.
pub const HIDDEN: &str = "…";

const NOTHING: &[&str] = &[];

/// The top of a file.
pub const TOP: Table = Table {
    at: "at the top of a file, before the first `[table]`",
    one_of: NOTHING,
    keys: &[
        Key {
            name: "listen",
            kind: Kind::Socket,
            unsaid: Unsaid::Default("\"unix:///run/repoint/repoint.sock\""),
            about: "The socket that the kubelet is pointed to.",
        },
        Key {
            name: "admin",
            kind: Kind::Socket,
            unsaid: Unsaid::Unset("admin.sock, beside `listen`"),
            about: "The socket for metrics, status and overrides.",
        },
        Key {
            name: "metrics_tcp",
            kind: Kind::Tcp,
            unsaid: Unsaid::Unset("metrics on the socket alone"),
            about: "An address on which metrics can be had over TCP as well, by everybody who reaches it.",
        },
        Key {
            name: "runtime",
            kind: Kind::Socket,
            unsaid: Unsaid::Unset("whichever of the usual sockets answers"),
            about: "The container runtime's socket.",
        },
        Key {
            name: "image_endpoint",
            kind: Kind::Socket,
            unsaid: Unsaid::Unset("the runtime's"),
            about: "The socket for image calls, if another than the runtime's.",
        },
        Key {
            name: "keep_original_name",
            kind: Kind::Choice(KEEP_NAMES),
            unsaid: Unsaid::Default("\"auto\""),
            about: "Whether an image that was pulled from elsewhere gets the names it was asked for by: where the runtime can give them (containerd), always (where it can't, that is a warning), or never.",
        },
        Key {
            name: "sandbox_image",
            kind: Kind::Image,
            unsaid: Unsaid::Unset("what the runtime's own configuration says"),
            about: "The image that the runtime makes pods with, as its configuration names it.",
        },
        Key {
            name: "node",
            kind: Kind::Name,
            unsaid: Unsaid::Unset("the host name"),
            about: "The node's name in audit records.",
        },
        Key {
            name: "runtime_wait",
            kind: Kind::Wait,
            unsaid: Unsaid::Default("\"5s\""),
            about: "How long a call waits for a runtime that is not there before it fails with UNAVAILABLE.",
        },
        Key {
            name: "message_limit_bytes",
            kind: Kind::Number(LIMITS.0, LIMITS.1),
            unsaid: Unsaid::Default("16777216"),
            about: "The largest message that is read. A larger one is passed on as it came.",
        },
        Key {
            name: "state",
            kind: Kind::Path,
            unsaid: Unsaid::Default("\"/var/lib/repoint\""),
            about: "The directory for what has to outlive a restart.",
        },
        Key {
            name: "reload_on_change",
            kind: Kind::Truth,
            unsaid: Unsaid::Default("false"),
            about: "Whether the configuration is read again when its files change, and not at SIGHUP alone.",
        },
        Key {
            name: "builtin_rules",
            kind: Kind::List(&Kind::Alias),
            unsaid: Unsaid::Default("[\"k8s.gcr.io\"]"),
            about: "The built-in rules that are on.",
        },
        Key {
            name: "audit",
            kind: Kind::Table(&AUDIT),
            unsaid: Unsaid::Unset("the defaults of its keys"),
            about: "The audit log.",
        },
        Key {
            name: "access",
            kind: Kind::Table(&ACCESS),
            unsaid: Unsaid::Unset("the defaults of its keys"),
            about: "Who may call, and what.",
        },
        Key {
            name: "drain",
            kind: Kind::Table(&DRAIN),
            unsaid: Unsaid::Unset("the defaults of its keys"),
            about: "How long calls under way may take to end when the service stops.",
        },
        Key {
            name: "labels",
            kind: Kind::Labels,
            unsaid: Unsaid::Unset("none"),
            about: "What else audit records say of the node, such as its cluster or its pool.",
        },
        Key {
            name: "credentials",
            kind: Kind::Named(&CREDENTIALS),
            unsaid: Unsaid::Unset("no sources"),
            about: "Sources of credentials, by names that targets use.",
        },
        Key {
            name: "rules",
            kind: Kind::Tables(&RULE),
            unsaid: Unsaid::Unset("the built-in rules alone"),
            about: "Rules, of which the one with the longest match decides.",
        },
    ],
};

/// `[audit]`.
pub const AUDIT: Table = Table {
    at: "in `[audit]`",
    one_of: NOTHING,
    keys: &[
        Key {
            name: "file",
            kind: Kind::Path,
            unsaid: Unsaid::Default("\"/var/log/repoint/audit.jsonl\""),
            about: "Where the records go, one line of JSON each.",
        },
        Key {
            name: "sync",
            kind: Kind::Truth,
            unsaid: Unsaid::Default("false"),
            about: "Whether a pull is answered only once its record outlives the loss of power.",
        },
        Key {
            name: "required",
            kind: Kind::Truth,
            unsaid: Unsaid::Default("false"),
            about: "Whether a pull whose record cannot be written fails with UNAVAILABLE, and is not substituted.",
        },
        Key {
            name: "rotate_bytes",
            kind: Kind::Number(ROTATE_BYTES.0, ROTATE_BYTES.1),
            unsaid: Unsaid::Default("104857600"),
            about: "How large the file gets before it is put aside and begun anew; 0 for never.",
        },
        Key {
            name: "rotate_after",
            kind: Kind::Time,
            unsaid: Unsaid::Unset("whatever its age"),
            about: "How old the file's first record gets before it is put aside.",
        },
        Key {
            name: "keep",
            kind: Kind::Number(KEEP.0, KEEP.1),
            unsaid: Unsaid::Default("10"),
            about: "How many files that were put aside are kept.",
        },
        Key {
            name: "compress",
            kind: Kind::Truth,
            unsaid: Unsaid::Default("true"),
            about: "Whether they are compressed.",
        },
        Key {
            name: "journald",
            kind: Kind::Truth,
            unsaid: Unsaid::Default("false"),
            about: "Whether they go to systemd's journal as well, with fields to search by.",
        },
        Key {
            name: "stdout",
            kind: Kind::Truth,
            unsaid: Unsaid::Default("false"),
            about: "Whether they go to standard output as well, as in the file.",
        },
    ],
};

/// `[access]`.
pub const ACCESS: Table = Table {
    at: "in `[access]`",
    one_of: NOTHING,
    keys: &[
        Key {
            name: "owner",
            kind: Kind::Account,
            unsaid: Unsaid::Unset("the user that repoint runs as"),
            about: "The user that the socket belongs to.",
        },
        Key {
            name: "group",
            kind: Kind::Account,
            unsaid: Unsaid::Unset("the group that repoint runs as"),
            about: "The group that the socket belongs to.",
        },
        Key {
            name: "mode",
            kind: Kind::Mode,
            unsaid: Unsaid::Default("\"0660\""),
            about: "The mode of the socket: who may connect.",
        },
        Key {
            name: "allow_wider_access",
            kind: Kind::Truth,
            unsaid: Unsaid::Default("false"),
            about: "Whether others may connect than to the runtime's own socket.",
        },
        Key {
            name: "allow_uids",
            kind: Kind::List(&Kind::Number(0, LARGEST_ID)),
            unsaid: Unsaid::Default("[]"),
            about: "The users whose calls are taken, besides root, who could ask the runtime itself; with `allow_gids` empty as well, all who may connect.",
        },
        Key {
            name: "allow_gids",
            kind: Kind::List(&Kind::Number(0, LARGEST_ID)),
            unsaid: Unsaid::Default("[]"),
            about: "The groups whose calls are taken: those that programs run as, not those that their users are in besides.",
        },
        Key {
            name: "services",
            kind: Kind::List(&Kind::Choice(SERVICES)),
            unsaid: Unsaid::Default("[\"image\", \"runtime\"]"),
            about: "What can be called: `image` alone for nodes where only the image endpoint leads here, so that no `exec` and no pod's environment passes through.",
        },
    ],
};

/// `[drain]`.
pub const DRAIN: Table = Table {
    at: "in `[drain]`",
    one_of: NOTHING,
    keys: &[
        Key {
            name: "calls",
            kind: Kind::Wait,
            unsaid: Unsaid::Default("\"10s\""),
            about: "How long most calls may take.",
        },
        Key {
            name: "long_calls",
            kind: Kind::Wait,
            unsaid: Unsaid::Default("\"2m\""),
            about: "How long `PullImage`, `RunPodSandbox`, `ExecSync` and `StopContainer` may take. The unit's `TimeoutStopSec=` has to be longer.",
        },
    ],
};

/// `[credentials.NAME]`.
pub const CREDENTIALS: Table = Table {
    at: "in `[credentials.NAME]`",
    one_of: &["docker_config", "provider", "systemd"],
    keys: &[
        Key {
            name: "docker_config",
            kind: Kind::Path,
            unsaid: Unsaid::Unset("another source"),
            about: "A docker `config.json`, with the credential helpers that it names.",
        },
        Key {
            name: "provider",
            kind: Kind::Path,
            unsaid: Unsaid::Unset("another source"),
            about: "A credential provider plugin, as the kubelet runs them.",
        },
        Key {
            name: "args",
            kind: Kind::List(&Kind::Text),
            unsaid: Unsaid::Default("[]"),
            about: "The provider's arguments, which everybody on the node can see: a secret belongs into `env`.",
        },
        Key {
            name: "env",
            kind: Kind::Variables,
            unsaid: Unsaid::Default("{}"),
            about: "What the provider has in its environment besides repoint's own, of which it does not see what systemd puts there.",
        },
        Key {
            name: "cache",
            kind: Kind::Wait,
            unsaid: Unsaid::Default("\"0s\""),
            about: "How long an answer of the provider's holds that does not say so itself.",
        },
        Key {
            name: "systemd",
            kind: Kind::FileName,
            unsaid: Unsaid::Unset("another source"),
            about: "A credential of the service's (`LoadCredential=`): a docker `config.json`, or one line `user:password`.",
        },
        Key {
            name: "timeout",
            kind: Kind::Time,
            unsaid: Unsaid::Default("\"10s\""),
            about: "How long a provider or a credential helper has to answer, or the file to be read.",
        },
    ],
};

/// One of `[[rules]]`.
pub const RULE: Table = Table {
    at: "in `[[rules]]`",
    one_of: NOTHING,
    keys: &[
        Key {
            name: "name",
            kind: Kind::Name,
            unsaid: Unsaid::Required,
            about: "What records, logs and metrics call it.",
        },
        Key {
            name: "match",
            kind: Kind::List(&Kind::Pattern),
            unsaid: Unsaid::Required,
            about: "What it applies to: a registry, or a registry and a path prefix. `*.` in front stands for any subdomain.",
        },
        Key {
            name: "exclude",
            kind: Kind::List(&Kind::Pattern),
            unsaid: Unsaid::Default("[]"),
            about: "What it does not apply to all the same.",
        },
        Key {
            name: "namespaces",
            kind: Kind::List(&Kind::Namespace),
            unsaid: Unsaid::Default("[]"),
            about: "The namespaces of pods whose pulls it is about; empty, all. `*` is any text, `?` one character.",
        },
        Key {
            name: "exclude_namespaces",
            kind: Kind::List(&Kind::Namespace),
            unsaid: Unsaid::Default("[]"),
            about: "The namespaces that it is not about.",
        },
        Key {
            name: "action",
            kind: Kind::Choice(ACTIONS),
            unsaid: Unsaid::Default("\"rewrite\""),
            about: "Whether a pull is made from a target, made as asked and recorded, or refused.",
        },
        Key {
            name: "percent",
            kind: Kind::Percent,
            unsaid: Unsaid::Default("100"),
            about: "On this share of the nodes the action is taken; on the others it observes.",
        },
        Key {
            name: "from",
            kind: Kind::Moment,
            unsaid: Unsaid::Unset("at any time"),
            about: "From this day (00:00 UTC) or moment on the action is taken; before, it observes.",
        },
        Key {
            name: "targets",
            kind: Kind::List(&Kind::Target(&TARGET)),
            unsaid: Unsaid::Default("[]"),
            about: "What takes the place of the part that was matched, in the order in which they are tried. At least one, where the action is `rewrite`.",
        },
        Key {
            name: "on_failure",
            kind: Kind::Choice(ON_FAILURE),
            unsaid: Unsaid::Default("\"fail\""),
            about: "Whether a pull that no target served fails, or is tried as it was asked for.",
        },
    ],
};

/// A target that is a table.
pub const TARGET: Table = Table {
    at: "in a target, such as `{ location = \"mirror.example.com\", timeout = \"2m\" }`",
    one_of: NOTHING,
    keys: &[
        Key {
            name: "location",
            kind: Kind::Location,
            unsaid: Unsaid::Required,
            about: "A registry, or a registry and a path prefix.",
        },
        Key {
            name: "credentials",
            kind: Kind::Name,
            unsaid: Unsaid::Unset(
                "those that came with the call where the registry is the same, and nobody's on another",
            ),
            about: "Whose credentials it is shown: `none`, those that came with the call (`forward`), or those of a `[credentials.NAME]`.",
        },
        Key {
            name: "timeout",
            kind: Kind::Time,
            unsaid: Unsaid::Unset("five minutes while somebody else is left to ask, and no limit for the last"),
            about: "How long it may take.",
        },
    ],
};

/// All tables.
pub const TABLES: [&Table; 7] = [&TOP, &AUDIT, &ACCESS, &DRAIN, &RULE, &CREDENTIALS, &TARGET];

const ACTIONS: &[&str] = &[Action::Rewrite.as_str(), Action::Observe.as_str(), Action::Deny.as_str()];
const SERVICES: &[&str] = &[Service::Image.as_str(), Service::Runtime.as_str()];
const KEEP_NAMES: &[&str] = &[Keep::Auto.as_str(), Keep::Always.as_str(), Keep::Never.as_str()];
const ON_FAILURE: &[&str] = &[OnFailure::Fail.as_str(), OnFailure::Original.as_str()];

// === impl Table ===

impl Table {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

/// The names of the built-in rules.
pub fn aliases() -> impl Iterator<Item = &'static str> {
    builtin::ALIASES.iter().map(|alias| alias.name)
}
