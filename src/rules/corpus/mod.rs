//! What rules decide, case by case: sets of rules, and names with what each set makes of them. Written for the tests of
//! this room and of every room above it that has to agree with it.
//!
//! A case that looks too silly to be written down is the one that a comparison of substrings or prefixes gets wrong.

mod cases;

use super::{Action, Glob, Match, Namespaces, OnFailure, Pattern, Place, Rollout, Rule, Table, Target, builtin};
use crate::reference::{Name, Reference};
use Expected::{By, NotAName, Nothing};
use Set::*;
use cases::CASES;
use std::fmt;

/// Rules that are in force together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// What holds without a configuration.
    Default,
    /// Every built-in alias that has a rule of its own.
    Aliases,
    /// A written rule for the built-in rule's place, which is spelt otherwise.
    Own,
    /// A written rule for the built-in rule's place, and only for some pods.
    OwnForSome,
    /// A mirror for both of Kubernetes' registries that kubeadm filled.
    Mirror,
    /// The same, with the new registry to fall back on.
    MirrorOrRegistry,
    /// A registry, a part of it, and a part of that.
    Nested,
    /// Docker Hub, whose names leave out much.
    Hub,
    /// Registries that are no ordinary host names.
    Hosts,
    /// Any subdomain.
    Wildcards,
    /// All but.
    Excludes,
    /// Pods of some namespaces.
    Spaces,
    /// What does not rewrite.
    Actions,
    /// Several patterns, several targets.
    Several,
    /// Single repositories.
    Whole,
    /// Targets that make names longer.
    Long,
}

/// One name, and what becomes of it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The rules.
    pub set: Set,
    /// The image as asked for; see [`filled`].
    pub image: &'static str,
    /// The pod's namespace.
    pub namespace: Option<&'static str>,
    /// What becomes of it.
    pub expected: Expected,
}

/// What a set of rules makes of a name.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// The rule of this name decides, and these are the substitutes; see [`filled`].
    By(&'static str, &'static [&'static str]),
    /// No rule applies.
    Nothing,
    /// It is an image ID or not even a reference, so no rule is asked.
    NotAName,
}

const SHA256: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const SHA512: &str = "sha512:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                             0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A case's text with its abbreviations written out: `{sha256}` and `{sha512}` are digests, `{hex}` the digits of the
/// former, and a number such as `{240}` that many letters.
pub fn filled(text: &str) -> String {
    let hex = SHA256.trim_start_matches("sha256:");
    let mut filled = String::new();
    for piece in text.split_inclusive('}') {
        let (before, key) = piece.strip_suffix('}').and_then(|piece| piece.rsplit_once('{')).unwrap_or((piece, ""));
        filled.push_str(before);
        match key {
            "" => {}
            "sha256" => filled.push_str(SHA256),
            "sha512" => filled.push_str(SHA512),
            "hex" => filled.push_str(hex),
            count => filled.push_str(&"a".repeat(count.parse().unwrap())),
        }
    }
    filled
}

/// A rule of which nothing else is said.
pub fn rule(name: &str, patterns: &[&str], targets: &[&str]) -> Rule {
    Rule {
        name: name.to_owned(),
        patterns: self::patterns(patterns),
        exclude: Vec::new(),
        namespaces: Namespaces::default(),
        action: Action::Rewrite,
        rollout: Rollout::FULL,
        targets: targets.iter().map(|text| Target::at(Place::parse(text).unwrap())).collect(),
        on_failure: OnFailure::Fail,
        builtin: false,
    }
}

/// Patterns, as a rule has them.
pub fn patterns(written: &[&str]) -> Vec<Pattern> {
    written.iter().map(|text| Pattern::parse(text).unwrap()).collect()
}

/// The pods of some namespaces; see [`Namespaces`].
pub fn namespaces(only: &[&str], except: &[&str]) -> Namespaces {
    let globs = |all: &[&str]| all.iter().copied().map(Glob::new).collect();
    Namespaces { only: globs(only), except: globs(except) }
}

/// What becomes of `image`: the deciding rule's name and the substitutes, in the way in which cases say it.
pub fn decided(table: &Table, image: &str, namespace: Option<&str>) -> String {
    match Name::parse(image) {
        Ok(Name::Reference(reference)) => shown(table.decide(reference, namespace)),
        Ok(Name::Id(_)) | Err(_) => NotAName.to_string(),
    }
}

fn shown(found: Option<Match<'_>>) -> String {
    found.map_or_else(
        || Nothing.to_string(),
        |found| {
            let substitutes: Vec<_> = found.substitutes().map(|(_, name)| name).collect();
            format!("`{}` {substitutes:?}", found.rule.name)
        },
    )
}

// === impl Set ===

impl Set {
    /// All of them.
    pub const ALL: &[Self] = &[
        Default,
        Aliases,
        Own,
        OwnForSome,
        Mirror,
        MirrorOrRegistry,
        Nested,
        Hub,
        Hosts,
        Wildcards,
        Excludes,
        Spaces,
        Actions,
        Several,
        Whole,
        Long,
    ];

    /// Its rules, in some order.
    pub fn rules(self) -> Vec<Rule> {
        let kubernetes = || builtin::rule(builtin::KUBERNETES).unwrap();
        let with_coredns = |mut rules: Vec<Rule>| {
            rules.push(kubernetes());
            rules.extend(builtin::coredns(&rules));
            rules
        };
        match self {
            Default => vec![kubernetes()],
            Aliases => builtin::ALIASES.iter().filter_map(|alias| builtin::rule(alias.name)).collect(),
            Own => vec![kubernetes(), rule("ours", &["K8S.GCR.IO:443"], &["m.example"])],
            OwnForSome => vec![
                kubernetes(),
                Rule { namespaces: namespaces(&["prod"], &[]), ..rule("ours", &["k8s.gcr.io"], &["m.example"]) },
            ],
            Mirror => with_coredns(vec![
                rule("ours", &["k8s.gcr.io", "registry.k8s.io", "gcr.io/google-containers"], &["m.example/k8s"]),
                rule("other", &["quay.io"], &["m.example/quay"]),
            ]),
            MirrorOrRegistry => with_coredns(vec![rule("ours", &["k8s.gcr.io"], &["m.example", "registry.k8s.io"])]),
            Nested => vec![
                rule("team", &["old.example/team"], &["new.example/mirror/team"]),
                rule("all", &["old.example"], &["new.example"]),
                rule("tool", &["old.example/team/tool"], &["tools.example/tool"]),
            ],
            Hub => vec![
                rule("hub", &["docker.io"], &["m.example/hub"]),
                rule("nginx", &["docker.io/library/nginx"], &["m.example/nginx"]),
                rule("bitnami", &["index.docker.io/bitnami"], &["charts.example"]),
                rule("f5", &["docker.io/nginx"], &["m.example/f5"]),
            ],
            Hosts => vec![
                rule("local", &["localhost"], &["new.example/local"]),
                rule("local-5000", &["localhost:5000"], &["new.example/local-5000"]),
                rule("v6", &["[::1]"], &["[::2]:5000/v6"]),
                rule("v6-5000", &["[2001:db8::1]:5000"], &["new.example/v6-5000"]),
                rule("v4", &["192.0.2.7"], &["192.0.2.8:5000"]),
                rule("underscore", &["a_b.example/x"], &["c_d.example/x"]),
                rule("label-5000", &["mirror:5000"], &["new.example/label-5000"]),
                rule("label", &["Mirror"], &["New/label"]),
            ],
            Wildcards => vec![
                Rule {
                    exclude: patterns(&["keep.example.com", "*.keep.example.com", "*.example.com/private"]),
                    ..rule("any", &["*.example.com"], &["m.example"])
                },
                rule("any-5000", &["*.example.com:5000"], &["m.example/5000"]),
                rule("team", &["*.EXAMPLE.com:443/team"], &["m.example/the-team"]),
                rule("deeper", &["*.b.example.com"], &["n.example"]),
                rule("named", &["one.example.com"], &["named.example"]),
                rule("inside", &["*.inside"], &["i.example"]),
            ],
            Excludes => vec![
                Rule {
                    exclude: patterns(&["old.example/never", "old.example/team/never"]),
                    ..rule("all", &["old.example"], &["new.example"])
                },
                Rule {
                    exclude: patterns(&["old.example/team/legacy", "OLD.example:443/team/tool"]),
                    ..rule("team", &["old.example/team"], &["teams.example"])
                },
            ],
            Spaces => vec![
                Rule { namespaces: namespaces(&[], &["kube-*"]), ..rule("rest", &["old.example"], &["rest.example"]) },
                Rule { namespaces: namespaces(&["prod"], &[]), ..rule("prod", &["old.example"], &["prod.example"]) },
                Rule {
                    namespaces: namespaces(&["team-*"], &["team-b?"]),
                    ..rule("teams", &["old.example"], &["teams.example"])
                },
                Rule {
                    namespaces: namespaces(&["kube-system"], &[]),
                    ..rule("tools", &["old.example/tools"], &["tools.example"])
                },
                Rule { namespaces: namespaces(&["*"], &[]), ..rule("pods", &["pods.example"], &["new.example"]) },
            ],
            Actions => vec![
                Rule { action: Action::Deny, ..rule("refuse", &["old.example", "docker.io/library"], &[]) },
                Rule { action: Action::Observe, ..rule("watch", &["old.example/team"], &["new.example"]) },
                Rule { action: Action::Observe, ..rule("look", &["quiet.example"], &[]) },
                rule("move", &["old.example/moved"], &["new.example/moved"]),
            ],
            Several => vec![rule(
                "some",
                &["a.example", "b.example/team", "*.c.example", "A.example:443"],
                &["one.example", "two.example/x", "three.example:5000"],
            )],
            Whole => vec![
                rule("flat", &["old.example/app"], &["flat.example"]),
                rule("tool", &["old.example/tool"], &["new.example/other/name"]),
                rule("either", &["old.example/two"], &["flat.example", "new.example/two"]),
            ],
            Long => vec![
                rule("all", &["old.example"], &["new.example/mirror", "new.example"]),
                rule("deep", &["old.example/d"], &["new.example/longer/d"]),
                rule("far", &["far.example"], &["new.example/far"]),
                rule("hub", &["hub.example"], &["docker.io"]),
                rule("underscore", &["under.example"], &["a_b.example"]),
            ],
        }
    }

    /// Its rules, put together.
    pub fn table(self) -> Table {
        Table::new(self.rules()).unwrap()
    }
}

// === impl Case ===

impl Case {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        CASES.iter().map(|&(set, image, namespace, expected)| Self { set, image, namespace, expected })
    }

    /// The image, written out.
    pub fn image(&self) -> String {
        filled(self.image)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By(rule, substitutes) => {
                let substitutes: Vec<_> = substitutes.iter().map(|name| filled(name)).collect();
                write!(f, "`{rule}` {substitutes:?}")
            }
            Nothing => f.write_str("nothing"),
            NotAName => f.write_str("not a name"),
        }
    }
}

#[test]
fn every_case_is_decided_as_it_says() {
    let tables: Vec<_> = Set::ALL.iter().map(|set| (set, set.table())).collect();
    let mut failures = Vec::new();
    for case in Case::all() {
        let (_, table) = tables.iter().find(|(set, _)| **set == case.set).unwrap();
        let (expected, got) = (case.expected.to_string(), decided(table, &case.image(), case.namespace));
        if expected != got {
            let Case { set, image, namespace, .. } = case;
            failures.push(format!("{set:?}: `{image}` for {namespace:?}\n  expected: {expected}\n       got: {got}"));
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), CASES.len(), failures.join("\n"));
}

#[test]
fn no_case_is_there_twice_and_no_rule_without_one() {
    assert!(CASES.len() >= 150, "{}", CASES.len());
    for (number, case) in CASES.iter().enumerate() {
        let is_same =
            |other: &&(Set, &str, Option<&str>, Expected)| (case.0, case.1, case.2) == (other.0, other.1, other.2);
        assert_eq!(CASES.iter().take(number).find(is_same).map(|case| case.1), None, "{:?}", case.0);
    }
    for set in Set::ALL {
        for rule in set.table().rules() {
            let is_replaced =
                rule.builtin && set.table().replaced().iter().any(|replaced| replaced.builtin == rule.name);
            let decides = |case: &Case| case.set == *set && matches!(case.expected, By(name, _) if name == rule.name);
            assert!(is_replaced || Case::all().any(|case| decides(&case)), "{set:?}: `{}`", rule.name);
        }
    }
}

#[test]
fn what_decides_is_among_what_is_possible_and_among_what_matches() {
    for case in Case::all() {
        let (table, image) = (case.set.table(), case.image());
        let Ok(reference) = Reference::parse(&image) else { continue };
        let names = |all: Vec<Match<'_>>| all.iter().map(|found| found.rule.name.clone()).collect::<Vec<_>>();
        let (matching, possible) = (names(table.matches(reference)), names(table.possible(reference)));
        if let By(rule, _) = case.expected {
            assert!(possible.iter().any(|name| name == rule), "{image}: `{rule}` in {possible:?}");
        }
        assert!(possible.iter().all(|name| matching.contains(name)), "{image}: {possible:?} in {matching:?}");
    }
}
