//! Defaults, and whether it all makes sense. Every mistake is told, not just the first.

use super::file::{Said, SaidRule, Source};
use crate::args::Serve;
use crate::audit;
use crate::error::Chain;
use crate::rules::{Action, Namespaces, NotAPlace, OnFailure, Pattern, Place, Rollout, Rule, Table, Target, builtin};
use crate::runtime::{self, Address, Endpoint};
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// What holds.
#[derive(Debug)]
pub struct Settings {
    /// The socket to listen on.
    pub listen: Address,
    /// The socket for metrics.
    pub admin: Address,
    /// How to reach the runtime.
    pub runtime: runtime::Settings,
    /// Where the audit log goes.
    pub audit: audit::Settings,
    /// The node's name.
    pub node: String,
    /// The largest message that is read, in bytes.
    pub message_limit: usize,
    /// The rules.
    pub rules: Table,
}

/// What does not make sense, one line each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<String>);

/// The socket the kubelet is pointed to.
pub const LISTEN: &str = "unix:///run/repoint/repoint.sock";
/// The audit log.
pub const AUDIT_FILE: &str = "/var/log/repoint/audit.jsonl";
/// What a kubelet accepts of one message; runtimes send it no more.
pub const MESSAGE_LIMIT: usize = 16 << 20;
/// With less than one byte nothing would be read, and so nothing substituted; more than a gibibyte is no message.
const LIMITS: std::ops::RangeInclusive<usize> = 1..=1 << 30;
/// A restart of containerd takes two or three seconds; the kubelet exits if its very first call fails.
pub const RUNTIME_WAIT: Duration = Duration::from_secs(5);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Collects mistakes with their places.
struct Checker<'a> {
    source: &'a Source,
    mistakes: Vec<String>,
}

/// What the file and the command line come to.
///
/// # Errors
///
/// With every mistake there is.
pub fn settings(flags: &Serve, source: &Source) -> Result<Settings, Mistakes> {
    let mut checker = Checker { source, mistakes: Vec::new() };
    let Said { listen, admin, runtime, image_endpoint, node, runtime_wait, message_limit_bytes, .. } = &source.said;
    let listen = checker.address("listen", flags.listen.as_deref(), listen.as_ref());
    let admin = checker.address("admin", None, admin.as_ref());
    let runtime = checker.address("runtime", flags.runtime.as_deref(), runtime.as_ref());
    let image = checker.address("image_endpoint", flags.image_endpoint.as_deref(), image_endpoint.as_ref());
    let listen = listen.or_else(|| LISTEN.parse().ok());
    // Beside the other one, wherever that is: two that run side by side do not meet.
    let admin = admin.or_else(|| listen.as_ref().map(|listen| listen.beside("admin.sock")));
    for (key, there) in [("runtime", &runtime), ("image_endpoint", &image)] {
        if there.is_some() && *there == listen {
            checker
                .mistakes
                .push(format!("`{key}` is the socket that repoint itself listens on: name the container runtime's"));
        }
    }
    let hold = runtime_wait.as_ref().map_or(Some(RUNTIME_WAIT), |said| {
        let wait = said.get_ref().parse::<jiff::SignedDuration>().ok().and_then(|wait| Duration::try_from(wait).ok());
        if wait.is_none() {
            checker.at(&said.span(), "runtime_wait", "expected a time such as \"5s\" or \"500ms\"");
        }
        wait
    });
    if let Some(limit) = message_limit_bytes.as_ref().filter(|limit| !LIMITS.contains(limit.get_ref())) {
        checker.at(
            &limit.span(),
            "message_limit_bytes",
            format_args!("expected {} to {}", LIMITS.start(), LIMITS.end()),
        );
    }
    let rules = checker.rules();
    let node = node.as_ref().map_or_else(hostname, |node| node.get_ref().clone());
    match (listen.zip(admin), hold, rules) {
        (Some((listen, admin)), Some(hold), Some(rules)) if checker.mistakes.is_empty() => Ok(Settings {
            listen,
            admin,
            runtime: runtime::Settings { runtime: runtime.map(Endpoint::At).unwrap_or_default(), image, hold },
            audit: audit::Settings {
                file: source
                    .said
                    .audit
                    .file
                    .as_ref()
                    .map_or_else(|| PathBuf::from(AUDIT_FILE), |file| file.get_ref().clone()),
            },
            node,
            message_limit: message_limit_bytes.as_ref().map_or(MESSAGE_LIMIT, |limit| *limit.get_ref()),
            rules,
        }),
        _ => Err(Mistakes(checker.mistakes)),
    }
}

impl Checker<'_> {
    fn at(&mut self, span: &Range<usize>, key: &str, what: impl fmt::Display) {
        self.mistakes.push(format!("{}: `{key}`: {what}", self.source.place(span)));
    }

    fn address(&mut self, key: &str, flag: Option<&str>, said: Option<&toml::Spanned<String>>) -> Option<Address> {
        match (flag, said) {
            (Some(flag), _) => {
                flag.parse().map_err(|error| self.mistakes.push(format!("--{}: {error}", key.replace('_', "-")))).ok()
            }
            (None, Some(said)) => said.get_ref().parse().map_err(|error| self.at(&said.span(), key, error)).ok(),
            (None, None) => None,
        }
    }

    /// All rules.
    fn rules(&mut self) -> Option<Table> {
        let source = self.source;
        let mut rules: Vec<Rule> = Vec::new();
        for said in &source.said.rules {
            let rule = self.rule(said);
            if rules.iter().any(|earlier| earlier.name == rule.name) {
                self.at(&said.name.span(), "rules.name", format_args!("there are two rules named `{}`", rule.name));
            }
            rules.push(rule);
        }
        let default = [builtin::KUBERNETES.to_owned()];
        let aliases: Vec<(String, Range<usize>)> = match &source.said.builtin_rules {
            Some(said) => said.iter().map(|alias| (alias.get_ref().clone(), alias.span())).collect(),
            None => default.iter().map(|alias| (alias.clone(), 0..0)).collect(),
        };
        for (alias, span) in aliases {
            match builtin::rule(&alias) {
                Some(rule) => rules.push(rule),
                None => {
                    let known = builtin::ALIASES.iter().map(|alias| alias.name).collect::<Vec<_>>().join("`, `");
                    self.at(
                        &span,
                        "builtin_rules",
                        format_args!("there is no built-in rule `{alias}`, only `{known}`"),
                    );
                }
            }
        }
        match Table::new(rules) {
            Ok(table) => Some(table),
            Err(conflicts) => {
                self.mistakes.extend(conflicts.iter().map(ToString::to_string));
                None
            }
        }
    }

    fn rule(&mut self, said: &SaidRule) -> Rule {
        if said.name.get_ref().is_empty() {
            self.at(&said.name.span(), "rules.name", "a rule needs a name: it is what the audit log calls it by");
        }
        let patterns = self.places("rules.match", &said.patterns, Pattern::parse);
        let targets = self.places("rules.targets", &said.targets, Place::parse);
        Rule {
            name: said.name.get_ref().clone(),
            patterns,
            exclude: Vec::new(),
            namespaces: Namespaces::default(),
            action: Action::Rewrite,
            rollout: Rollout::FULL,
            targets: targets.into_iter().map(Target::at).collect(),
            on_failure: OnFailure::Fail,
            builtin: false,
        }
    }

    fn places<T>(
        &mut self,
        key: &str,
        all: &toml::Spanned<Vec<toml::Spanned<String>>>,
        parse: impl Fn(&str) -> Result<T, NotAPlace>,
    ) -> Vec<T> {
        if all.get_ref().is_empty() {
            self.at(&all.span(), key, "expected at least one registry");
        }
        let mut places = Vec::new();
        for one in all.get_ref() {
            match parse(one.get_ref()) {
                Ok(place) => places.push(place),
                Err(error) => self.at(&one.span(), key, Chain(&error)),
            }
        }
        places
    }
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
