//! What files say, each value with its place.

use super::place::{Place, Placed};
use crate::proxy::access::{Account, Service};
use crate::rules::{self, Action, Glob, OnFailure, Pattern, Percent};
use crate::runtime::{Address, Keep};
use jiff::Timestamp;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A list, of which each item has a place, too.
pub type List<T> = Placed<Vec<Placed<T>>>;

/// What one file says, or several. The keys are explained where they are all together, in [`super::keys`].
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the table of keys explains them")]
pub struct Said {
    pub listen: Option<Placed<Address>>,
    pub admin: Option<Placed<Address>>,
    pub metrics_tcp: Option<Placed<SocketAddr>>,
    pub runtime: Option<Placed<Address>>,
    pub image_endpoint: Option<Placed<Address>>,
    pub keep_original_name: Option<Placed<Keep>>,
    pub sandbox_image: Option<Placed<String>>,
    pub node: Option<Placed<String>>,
    pub runtime_wait: Option<Placed<Duration>>,
    pub message_limit_bytes: Option<Placed<usize>>,
    pub state: Option<Placed<PathBuf>>,
    pub reload_on_change: Option<Placed<bool>>,
    pub builtin_rules: Option<List<String>>,
    pub audit: SaidAudit,
    pub access: SaidAccess,
    pub drain: SaidDrain,
    pub labels: Vec<SaidLabel>,
    pub credentials: Vec<SaidCredentials>,
    pub rules: Vec<SaidRule>,
    /// Whether there are rules besides, of which not even the name could be understood.
    pub lacks_rules: bool,
}

/// `[audit]`.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the table of keys explains them")]
pub struct SaidAudit {
    pub file: Option<Placed<PathBuf>>,
    pub sync: Option<Placed<bool>>,
    pub required: Option<Placed<bool>>,
    pub rotate_bytes: Option<Placed<usize>>,
    pub rotate_after: Option<Placed<Duration>>,
    pub keep: Option<Placed<usize>>,
    pub compress: Option<Placed<bool>>,
    pub journald: Option<Placed<bool>>,
    pub stdout: Option<Placed<bool>>,
}

/// `[access]`.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the table of keys explains them")]
pub struct SaidAccess {
    pub owner: Option<Placed<Account>>,
    pub group: Option<Placed<Account>>,
    pub mode: Option<Placed<u32>>,
    pub allow_wider_access: Option<Placed<bool>>,
    pub allow_uids: Option<List<u32>>,
    pub allow_gids: Option<List<u32>>,
    pub services: Option<List<Service>>,
}

/// `[drain]`.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the table of keys explains them")]
pub struct SaidDrain {
    pub calls: Option<Placed<Duration>>,
    pub long_calls: Option<Placed<Duration>>,
}

/// One of `[labels]`.
#[derive(Debug, Clone)]
pub struct SaidLabel {
    /// Its name.
    pub name: Placed<String>,
    /// What it says.
    pub value: Placed<String>,
}

/// One of `[credentials.NAME]`.
#[derive(Debug)]
#[expect(missing_docs, reason = "the table of keys explains them")]
pub struct SaidCredentials {
    /// The name in its header.
    pub name: Placed<String>,
    pub docker_config: Option<Placed<PathBuf>>,
    pub provider: Option<Placed<PathBuf>>,
    pub args: Option<List<String>>,
    pub env: Option<Placed<Variables>>,
    pub cache: Option<Placed<Duration>>,
    pub systemd: Option<Placed<String>>,
    pub timeout: Option<Placed<Duration>>,
    /// Whether all that it says could be understood.
    pub is_sound: bool,
}

/// Variables of an environment. Their values may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Variables(pub Vec<(String, String)>);

/// One of `[[rules]]`.
#[derive(Debug)]
#[expect(missing_docs, reason = "the table of keys explains them")]
pub struct SaidRule {
    pub name: Placed<String>,
    pub patterns: Option<List<Pattern>>,
    pub exclude: Option<List<Pattern>>,
    pub namespaces: Option<List<Glob>>,
    pub exclude_namespaces: Option<List<Glob>>,
    pub action: Option<Placed<Action>>,
    pub percent: Option<Placed<Percent>>,
    pub from: Option<Placed<Timestamp>>,
    pub targets: Option<List<SaidTarget>>,
    pub on_failure: Option<Placed<OnFailure>>,
    /// Where its header is.
    pub place: Place,
    /// Whether all that it says could be understood.
    pub is_sound: bool,
}

/// One of a rule's targets.
#[derive(Debug)]
#[expect(missing_docs, reason = "the table of keys explains them")]
pub struct SaidTarget {
    pub location: Placed<rules::Place>,
    pub credentials: Option<Placed<String>>,
    pub timeout: Option<Placed<Duration>>,
}

// === impl Said ===

impl Said {
    /// Adds what a later file says: it replaces single keys and labels, and rules and credentials as a whole, by name. A
    /// rule keeps its turn.
    pub fn add(&mut self, later: Self) {
        let Self {
            listen,
            admin,
            metrics_tcp,
            runtime,
            image_endpoint,
            keep_original_name,
            sandbox_image,
            node,
            runtime_wait,
            message_limit_bytes,
            state,
            reload_on_change,
            builtin_rules,
            audit,
            access,
            drain,
            labels,
            credentials,
            rules,
            lacks_rules,
        } = later;
        replace(&mut self.listen, listen);
        replace(&mut self.admin, admin);
        replace(&mut self.metrics_tcp, metrics_tcp);
        replace(&mut self.runtime, runtime);
        replace(&mut self.image_endpoint, image_endpoint);
        replace(&mut self.keep_original_name, keep_original_name);
        replace(&mut self.sandbox_image, sandbox_image);
        replace(&mut self.node, node);
        replace(&mut self.runtime_wait, runtime_wait);
        replace(&mut self.message_limit_bytes, message_limit_bytes);
        replace(&mut self.state, state);
        replace(&mut self.reload_on_change, reload_on_change);
        replace(&mut self.builtin_rules, builtin_rules);
        self.audit.add(audit);
        self.access.add(access);
        self.drain.add(drain);
        replace_by_name(&mut self.labels, labels, |label| &label.name.value);
        replace_by_name(&mut self.credentials, credentials, |source| &source.name.value);
        replace_by_name(&mut self.rules, rules, |rule| &rule.name.value);
        self.lacks_rules |= lacks_rules;
    }
}

// === impl SaidAudit ===

impl SaidAudit {
    fn add(&mut self, later: Self) {
        let Self { file, sync, required, rotate_bytes, rotate_after, keep, compress, journald, stdout } = later;
        replace(&mut self.file, file);
        replace(&mut self.sync, sync);
        replace(&mut self.required, required);
        replace(&mut self.rotate_bytes, rotate_bytes);
        replace(&mut self.rotate_after, rotate_after);
        replace(&mut self.keep, keep);
        replace(&mut self.compress, compress);
        replace(&mut self.journald, journald);
        replace(&mut self.stdout, stdout);
    }
}

// === impl SaidAccess ===

impl SaidAccess {
    fn add(&mut self, later: Self) {
        let Self { owner, group, mode, allow_wider_access, allow_uids, allow_gids, services } = later;
        replace(&mut self.owner, owner);
        replace(&mut self.group, group);
        replace(&mut self.mode, mode);
        replace(&mut self.allow_wider_access, allow_wider_access);
        replace(&mut self.allow_uids, allow_uids);
        replace(&mut self.allow_gids, allow_gids);
        replace(&mut self.services, services);
    }
}

// === impl SaidDrain ===

impl SaidDrain {
    fn add(&mut self, later: Self) {
        let Self { calls, long_calls } = later;
        replace(&mut self.calls, calls);
        replace(&mut self.long_calls, long_calls);
    }
}

// === impl Variables ===

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn replace<T>(earlier: &mut Option<T>, later: Option<T>) {
    if later.is_some() {
        *earlier = later;
    }
}

fn replace_by_name<T>(earlier: &mut Vec<T>, later: Vec<T>, name: fn(&T) -> &str) {
    for one in later {
        match earlier.iter_mut().find(|other| name(other) == name(&one)) {
            Some(same) => *same = one,
            None => earlier.push(one),
        }
    }
}
