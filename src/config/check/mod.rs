//! Defaults, and whether it all makes sense together. Every mistake is told, not just the first.

mod arguments;
mod credentials;
mod files;
mod rules;
mod warnings;

pub use warnings::{needs_network, warnings};

use super::keys;
use super::mistake::{Mistake, Mistakes};
use super::place::Placed;
use super::said::{List, Said, SaidAccess, SaidAudit, SaidDrain};
use super::show;
use super::source::Source;
use crate::args::Serve;
use crate::audit;
use crate::credentials::Source as CredentialSource;
use crate::proxy::access::{Access, SOCKET_MODE, Service, Services};
use crate::proxy::drain::Limits;
use crate::rules::Table;
use crate::runtime::{self, Address, Endpoint, Keep};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What holds.
#[derive(Debug)]
pub struct Settings {
    /// The socket to listen on.
    pub listen: Address,
    /// The socket for metrics, status and overrides.
    pub admin: Address,
    /// Where metrics are to be had over TCP.
    pub metrics_tcp: Option<SocketAddr>,
    /// How to reach the runtime.
    pub runtime: runtime::Settings,
    /// Who may call, and what.
    pub access: Access,
    /// How long calls under way may take when the service stops.
    pub drain: Limits,
    /// Whether the files are read again when they change.
    pub reload_on_change: bool,
    /// Where the audit log goes.
    pub audit: audit::Settings,
    /// The node's name.
    pub node: String,
    /// What else audit records say of it.
    pub labels: BTreeMap<String, String>,
    /// The largest message that is read, in bytes.
    pub message_limit: usize,
    /// The directory for what has to outlive a restart.
    pub state: PathBuf,
    /// Where credentials come from, by the names that targets use.
    pub credentials: Vec<(String, CredentialSource)>,
    /// The rules.
    pub rules: Table,
    /// By which nodes are told apart that are configured differently.
    pub hash: String,
}

/// The socket the kubelet is pointed to.
pub const LISTEN: &str = "unix:///run/repoint/repoint.sock";
/// What the socket for metrics is called, beside the other one.
pub const ADMIN: &str = "admin.sock";
/// The audit log.
pub const AUDIT_FILE: &str = "/var/log/repoint/audit.jsonl";
/// Some 250,000 records, which compressed take a tenth of that.
pub const ROTATE_BYTES: u64 = 100 << 20;
/// With the one that is written, a gibibyte where they are not compressed.
pub const KEEP: usize = 10;
/// What has to outlive a restart.
pub const STATE: &str = "/var/lib/repoint";
/// What a kubelet accepts of one message; runtimes send it no more.
pub const MESSAGE_LIMIT: usize = 16 << 20;
/// A restart of containerd takes two or three seconds; the kubelet exits if its very first call fails.
pub const RUNTIME_WAIT: Duration = Duration::from_secs(5);

/// An address, and the place in a file that it is from; `None` where a flag or nobody said it.
type Socket<'a> = (Address, Option<&'a Placed<Address>>);

/// What the files and the command line come to.
///
/// # Errors
///
/// With every mistake there is, those of reading among them.
pub fn settings(flags: &Serve, source: &Source) -> Result<Settings, Mistakes> {
    let mut mistakes = source.mistakes.clone();
    let said = &source.said;
    let listen = socket("listen", flags.listen.as_deref(), said.listen.as_ref(), &mut mistakes);
    let runtime = socket("runtime", flags.runtime.as_deref(), said.runtime.as_ref(), &mut mistakes);
    let image = socket("image_endpoint", flags.image_endpoint.as_deref(), said.image_endpoint.as_ref(), &mut mistakes);
    let listen = listen.map(|(listen, _)| listen).or_else(|| LISTEN.parse().ok());
    let is_listen = |address: &Address| listen.as_ref().is_some_and(|listen| listen.is_same_as(address));
    for (key, other) in [("runtime", &runtime), ("image_endpoint", &image)] {
        let what = "this is the socket that repoint itself listens on: name the container runtime's";
        match other {
            Some((address, Some(said))) if is_listen(address) => {
                mistakes.push(Mistake::at_key(said.place.clone(), key, what));
            }
            Some((address, None)) if is_listen(address) => mistakes.push(Mistake::in_flag(key, what)),
            Some(_) | None => {}
        }
    }
    if let Some(admin) = &said.admin {
        let is_runtime = |(address, _): &Socket<'_>| address.is_same_as(&admin.value);
        let whose = if is_listen(&admin.value) {
            Some("the socket that the kubelet is pointed to")
        } else if [&runtime, &image].into_iter().flatten().any(is_runtime) {
            Some("the container runtime's socket")
        } else {
            None
        };
        if let Some(whose) = whose {
            let what = format!("this is {whose}: metrics need one of their own");
            mistakes.push(Mistake::at_key(admin.place.clone(), "admin", what));
        }
    }
    // Beside the other one, wherever that is: two that run side by side do not meet.
    let beside = || listen.as_ref().map(|listen| listen.beside(ADMIN));
    let admin = said.admin.as_ref().map(|admin| admin.value.clone()).or_else(beside);
    if let Some(more) = said.labels.get(keys::MOST_LABELS) {
        let what = format!("there are more than {} labels", keys::MOST_LABELS);
        mistakes.push(Mistake::at_key(more.name.place.clone(), "labels", what));
    }
    let credentials = credentials::sources(&said.credentials, &mut mistakes);
    let rules = rules::table(source, &mut mistakes);
    let address = |found: Option<Socket<'_>>| found.map(|(address, _)| address);
    match (listen, admin, rules) {
        (Some(listen), Some(admin), Some(rules)) if mistakes.is_empty() => Ok(hashed(
            source,
            Settings {
                listen,
                admin,
                metrics_tcp: said.metrics_tcp.as_ref().map(|address| address.value),
                access: access(&said.access),
                drain: drain(&said.drain),
                reload_on_change: said.reload_on_change.as_ref().is_some_and(|said| said.value),
                runtime: runtime::Settings {
                    runtime: address(runtime).map(Endpoint::At).unwrap_or_default(),
                    image: address(image),
                    keep: said.keep_original_name.as_ref().map_or(Keep::Auto, |keep| keep.value),
                    sandbox_image: said.sandbox_image.as_ref().map(|image| image.value.clone()),
                    hold: said.runtime_wait.as_ref().map_or(RUNTIME_WAIT, |wait| wait.value),
                },
                audit: audit_settings(said),
                node: said.node.as_ref().map_or_else(hostname, |node| node.value.clone()),
                labels: labels(said),
                message_limit: said.message_limit_bytes.as_ref().map_or(MESSAGE_LIMIT, |limit| limit.value),
                state: said.state.as_ref().map_or_else(|| STATE.into(), |state| state.value.clone()),
                credentials,
                rules,
                hash: String::new(),
            },
        )),
        _ => Err(Mistakes::new(mistakes)),
    }
}

/// The keys whose values a process keeps that runs already, and that are not the same in both.
pub fn fixed(runs: &Settings, other: &Settings) -> Vec<&'static str> {
    // Every field is named, so that whoever adds one has to say which of the two it is.
    let Settings {
        listen,
        admin,
        metrics_tcp,
        runtime: runtime::Settings { runtime, image, keep: _, sandbox_image: _, hold: _ },
        audit: audit::Settings { file, sync, required: _, rotation, journald, stdout },
        state,
        access: _,
        drain: _,
        reload_on_change: _,
        node: _,
        labels: _,
        message_limit: _,
        credentials: _,
        rules: _,
        hash: _,
    } = runs;
    let audit::Rotation { bytes, after, keep, compress } = rotation;
    let changed = [
        ("listen", *listen != other.listen),
        ("admin", *admin != other.admin),
        ("metrics_tcp", *metrics_tcp != other.metrics_tcp),
        ("runtime", *runtime != other.runtime.runtime),
        ("image_endpoint", *image != other.runtime.image),
        ("state", *state != other.state),
        ("audit.file", *file != other.audit.file),
        ("audit.sync", *sync != other.audit.sync),
        ("audit.rotate_bytes", *bytes != other.audit.rotation.bytes),
        ("audit.rotate_after", *after != other.audit.rotation.after),
        ("audit.keep", *keep != other.audit.rotation.keep),
        ("audit.compress", *compress != other.audit.rotation.compress),
        ("audit.journald", *journald != other.audit.journald),
        ("audit.stdout", *stdout != other.audit.stdout),
    ];
    changed.into_iter().filter_map(|(key, is_changed)| is_changed.then_some(key)).collect()
}

/// A flag goes before what files say.
fn socket<'a>(
    key: &'static str,
    flag: Option<&str>,
    said: Option<&'a Placed<Address>>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Socket<'a>> {
    let Some(flag) = flag else { return said.map(|said| (said.value.clone(), Some(said))) };
    match flag.parse::<Address>() {
        Ok(address) => Some((address, None)),
        Err(error) => {
            mistakes.push(Mistake::in_flag(key, error));
            None
        }
    }
}

fn hashed(source: &Source, settings: Settings) -> Settings {
    Settings { hash: show::hash(source, &settings), ..settings }
}

fn audit_settings(said: &Said) -> audit::Settings {
    let SaidAudit { file, sync, required, rotate_bytes, rotate_after, keep, compress, journald, stdout } = &said.audit;
    let is_wanted = |said: &Option<Placed<bool>>| said.as_ref().is_some_and(|said| said.value);
    audit::Settings {
        file: file.as_ref().map_or_else(|| AUDIT_FILE.into(), |file| file.value.clone()),
        sync: is_wanted(sync),
        required: is_wanted(required),
        rotation: audit::Rotation {
            bytes: rotate_bytes.as_ref().map_or(ROTATE_BYTES, |bytes| bytes.value as u64),
            after: rotate_after.as_ref().map(|after| after.value),
            keep: keep.as_ref().map_or(KEEP, |keep| keep.value),
            compress: compress.as_ref().is_none_or(|compress| compress.value),
        },
        journald: is_wanted(journald),
        stdout: is_wanted(stdout),
    }
}

fn access(said: &SaidAccess) -> Access {
    let SaidAccess { owner, group, mode, allow_wider_access, allow_uids, allow_gids, services } = said;
    let ids = |list: &Option<List<u32>>| {
        list.as_ref().map(|list| list.value.iter().map(|id| id.value).collect()).unwrap_or_default()
    };
    let has_runtime = |list: &List<Service>| list.value.iter().any(|one| one.value == Service::Runtime);
    Access {
        owner: owner.as_ref().map(|owner| owner.value.clone()),
        group: group.as_ref().map(|group| group.value.clone()),
        mode: mode.as_ref().map_or(SOCKET_MODE, |mode| mode.value),
        is_wider_allowed: allow_wider_access.as_ref().is_some_and(|said| said.value),
        uids: ids(allow_uids),
        gids: ids(allow_gids),
        services: if services.as_ref().is_none_or(has_runtime) { Services::All } else { Services::ImageAlone },
    }
}

fn drain(SaidDrain { calls, long_calls }: &SaidDrain) -> Limits {
    let usual = Limits::default();
    Limits {
        calls: calls.as_ref().map_or(usual.calls, |calls| calls.value),
        long_calls: long_calls.as_ref().map_or(usual.long_calls, |calls| calls.value),
    }
}

fn labels(said: &Said) -> BTreeMap<String, String> {
    said.labels.iter().map(|label| (label.name.value.clone(), label.value.value.clone())).collect()
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
