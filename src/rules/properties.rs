//! What holds for every set of rules and every name, and a table that says the same as a plain reading of the rules.
//!
//! Names and patterns come with what they mean, said where they are made up. So the model never asks the parsers, nor
//! the index, what they think of them.

use super::corpus::{self, rule};
use super::{Action, Match, Namespaces, Rule, Table};
use crate::reference::Reference;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// A registry and a path, as they are written and as they are meant.
#[derive(Debug, Clone)]
struct Spot {
    written: String,
    /// Whether it is one on any subdomain.
    star: bool,
    host: &'static str,
    port: Option<u16>,
    path: Vec<String>,
}

/// A name of an image.
#[derive(Debug, Clone)]
struct Asked {
    written: String,
    spot: Spot,
    suffix: String,
}

/// A rule, with what its patterns and excludes mean.
#[derive(Debug, Clone)]
struct Meant {
    rule: Rule,
    patterns: Vec<Spot>,
    exclude: Vec<Spot>,
}

const COMPONENTS: &[&str] = &["a", "a", "b", "ab", "library", "k8s.gcr.io"];

/// Near each other, so that much matches and much nearly does.
const HOSTS: &[&str] = &[
    "old.example",
    "old.example",
    "old.example",
    "old.example",
    "a.old.example",
    "b.a.old.example",
    "xold.example",
    "example",
    "localhost",
    "docker.io",
    "docker.io",
    "[::1]",
    "a_b.example",
];

/// Where targets mostly are, so that few sets of rules contradict themselves.
const MIRRORS: &[&str] = &["new.test", "m.new.test", "n_w.test"];

const NAMESPACES: &[Option<&str>] = &[None, Some("prod"), Some("team-a"), Some("team-b"), Some("kube-system")];

/// Upper and lower case of a host, the default port written or not, Docker Hub by both names.
fn spelling(host: &'static str, port: Option<u16>, seed: u64) -> String {
    let host_again =
        if host == "docker.io" && port.is_none() && seed.is_multiple_of(3) { "index.docker.io" } else { host };
    // The grammar lets neither a port nor an upper-case letter stand beside an underscore.
    if host.contains('_') {
        return host.to_owned();
    }
    let cased = host_again.char_indices().map(|(at, letter)| match seed.rotate_right(u32::try_from(at).unwrap()) % 5 {
        0 => letter.to_ascii_uppercase(),
        _ => letter,
    });
    let host: String = if seed.is_multiple_of(2) { cased.collect() } else { host_again.to_owned() };
    match port {
        Some(port) => format!("{host}:{port}"),
        None if seed % 7 < 2 => format!("{host}:443"),
        None => host,
    }
}

/// Whether the runtimes imply `library` for a single component on a registry that is written so.
fn implies_library(registry: &str) -> bool {
    matches!(registry, "docker.io" | "index.docker.io")
}

fn registry(hosts: &'static [&'static str]) -> impl Strategy<Value = (String, &'static str, Option<u16>)> {
    (select(hosts), prop_oneof![9 => Just(None), 1 => Just(Some(5000))], any::<u64>())
        // Without a dot and a port it would be no registry at all, but a component.
        .prop_filter("no registry", |(host, port, _)| {
            host.contains(['.', ':']) || *host == "localhost" || port.is_some()
        })
        .prop_map(|(host, port, seed)| {
            let port = port.filter(|_| !host.contains('_'));
            (spelling(host, port, seed), host, port)
        })
}

fn components(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
    // Long ones now and then, for names that targets make too long.
    let component = prop_oneof![
        30 => select(COMPONENTS).prop_map(str::to_owned),
        1 => (200_usize..=246).prop_map(|count| "a".repeat(count)),
    ];
    prop::collection::vec(component, count)
}

fn place(hosts: &'static [&'static str]) -> impl Strategy<Value = Spot> {
    let path = prop_oneof![2 => Just(0), 1 => Just(1), 1 => Just(2)]
        .prop_flat_map(|count| prop::collection::vec(select(COMPONENTS).prop_map(str::to_owned), count));
    (registry(hosts), path).prop_map(|((registry, host, port), path)| {
        let written = [&[registry], &path[..]].concat().join("/");
        Spot { written, star: false, host, port, path }
    })
}

fn pattern() -> impl Strategy<Value = Spot> {
    (place(HOSTS), prop::bool::weighted(0.25)).prop_map(|(spot, star)| {
        // An address has no subdomains.
        let star = star && spot.host != "[::1]";
        let written = if star { format!("*.{}", spot.written) } else { spot.written.clone() };
        // Behind a star Docker Hub's old name is a host like any other.
        let host = if written.to_lowercase().starts_with("*.index.docker.io") { "index.docker.io" } else { spot.host };
        Spot { written, star, host, ..spot }
    })
}

/// A name that the runtimes would not refuse.
fn asked() -> impl Strategy<Value = Asked> {
    let tag = "(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20})?";
    let digest = "(@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?";
    (prop::option::weighted(0.9, registry(HOSTS)), components(1..5), tag, digest)
        .prop_map(|(registry, path, tag, digest)| {
            let suffix = tag + &digest;
            let (written, host, port) = registry.unwrap_or_else(|| (String::new(), "docker.io", None));
            let implied =
                (path.len() == 1 && (written.is_empty() || implies_library(&written))).then(|| "library".to_owned());
            let start = if written.is_empty() { String::new() } else { written + "/" };
            let written = format!("{start}{}{suffix}", path.join("/"));
            let path = implied.into_iter().chain(path).collect();
            Asked { written: written.clone(), spot: Spot { written, star: false, host, port, path }, suffix }
        })
        .prop_filter("not a name", |asked| {
            // `k8s.gcr.io` as the first component of a path without a registry is the registry.
            let first = asked.written.split('/').next().unwrap_or_default();
            (asked.spot.host != "docker.io" || first != "k8s.gcr.io") && Reference::parse(&asked.written).is_ok()
        })
}

fn namespaces() -> impl Strategy<Value = Namespaces> {
    let globs = || prop::collection::vec(select(&["prod", "team-*", "team-b", "kube-*", "*"][..]), 1..3);
    prop_oneof![
        3 => Just(Namespaces::default()),
        1 => globs().prop_map(|only| corpus::namespaces(&only, &[])),
        1 => globs().prop_map(|except| corpus::namespaces(&[], &except)),
        1 => (globs(), globs()).prop_map(|(only, except)| corpus::namespaces(&only, &except)),
    ]
}

fn meant() -> impl Strategy<Value = Meant> {
    let target = prop_oneof![6 => place(MIRRORS), 1 => place(HOSTS)];
    let action = prop_oneof![6 => Just(Action::Rewrite), 1 => Just(Action::Observe), 1 => Just(Action::Deny)];
    (
        prop::collection::vec(pattern(), 1..4),
        prop::collection::vec(pattern(), 0..3),
        prop::collection::vec(target, 1..4),
        namespaces(),
        action,
        prop::bool::weighted(0.2),
    )
        .prop_map(|(patterns, exclude, targets, namespaces, action, builtin)| {
            let written =
                |spots: &[Spot]| corpus::patterns(&spots.iter().map(|spot| &*spot.written).collect::<Vec<_>>());
            let targets: Vec<_> = targets.iter().map(|spot| spot.written.as_str()).collect();
            let rule = Rule {
                patterns: written(&patterns),
                exclude: written(&exclude),
                namespaces,
                action,
                builtin,
                ..rule("", &[], &targets)
            };
            Meant { rule, patterns, exclude }
        })
}

/// Rules that don't contradict each other.
fn rules() -> impl Strategy<Value = Vec<Meant>> {
    prop::collection::vec(meant(), 1..6)
        .prop_map(|mut rules| {
            for (number, meant) in rules.iter_mut().enumerate() {
                meant.rule.name = format!("rule {number}");
            }
            rules
        })
        .prop_filter("they contradict each other", |rules| Table::new(told(rules)).is_ok())
}

fn told(rules: &[Meant]) -> Vec<Rule> {
    rules.iter().map(|meant| meant.rule.clone()).collect()
}

fn table(rules: &[Meant]) -> Table {
    Table::new(told(rules)).unwrap()
}

fn name_and_substitutes(found: &Match<'_>) -> (String, Vec<String>) {
    (found.rule.name.clone(), found.substitutes().map(|(_, name)| name).collect())
}

/// What the table decides.
fn decided(table: &Table, image: &str, namespace: Option<&str>) -> Option<(String, Vec<String>)> {
    table.decide(Reference::parse(image).unwrap(), namespace).as_ref().map(name_and_substitutes)
}

// === impl Spot ===

impl Spot {
    /// How much of a name in `other` this is about; `None` where it is not about it.
    fn about(&self, other: &Self) -> Option<(bool, usize, usize)> {
        let host = if self.star { other.host.ends_with(&format!(".{}", self.host)) } else { self.host == other.host };
        (host && self.port == other.port && other.path.starts_with(&self.path)).then_some((
            !self.star,
            self.host.len(),
            self.path.len(),
        ))
    }

    /// What no two rules may share.
    fn place(&self) -> (bool, &str, Option<u16>, &[String]) {
        (self.star, self.host, self.port, &self.path)
    }
}

/// All rules read from top to bottom, and of those that apply the most specific one taken.
fn model(rules: &[Meant], asked: &Asked, namespace: Option<&str>) -> Option<(String, Vec<String>)> {
    let mut best = None;
    for Meant { rule, patterns, exclude } in rules {
        if exclude.iter().any(|spot| spot.about(&asked.spot).is_some()) || !rule.namespaces.include(namespace) {
            continue;
        }
        for pattern in patterns {
            let Some(about) = pattern.about(&asked.spot) else { continue };
            let is_written =
                |other: &Meant| !other.rule.builtin && other.patterns.iter().any(|p| p.place() == pattern.place());
            if rule.builtin && rules.iter().any(is_written) {
                continue;
            }
            let kept = asked.spot.path[pattern.path.len()..].join("/");
            let substitutes: Vec<_> = rule
                .targets
                .iter()
                .map(|target| if kept.is_empty() { target.to_string() } else { format!("{target}/{kept}") })
                // Without a path it would be a repository of Docker Hub.
                .filter(|name| name.contains('/'))
                .map(|name| name + &asked.suffix)
                .filter(|name| Reference::parse(name).is_ok())
                .collect();
            if substitutes.is_empty() && rule.action != Action::Deny {
                continue;
            }
            let rank = (about, !rule.namespaces.only.is_empty());
            if best.as_ref().is_none_or(|(best, _)| rank > *best) {
                best = Some((rank, (rule.name.clone(), substitutes)));
            }
        }
    }
    best.map(|(_, decision)| decision)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn the_table_decides_as_all_rules_read_one_by_one(rules in rules(), asked in asked()) {
        let table = table(&rules);
        for namespace in NAMESPACES {
            prop_assert_eq!(
                decided(&table, &asked.written, *namespace), model(&rules, &asked, *namespace), "{:?}", namespace
            );
        }
    }

    #[test]
    fn a_substitute_is_a_valid_name_with_the_same_end(rules in rules(), asked in asked()) {
        let (table, before) = (table(&rules), Reference::parse(&asked.written).unwrap());
        for found in table.matches(before) {
            let kept: Vec<_> = before.components().skip(found.pattern.path().len()).collect();
            for (target, name) in found.substitutes() {
                let after = Reference::parse(&name).unwrap();
                prop_assert_eq!((after.tag(), after.digest()), (before.tag(), before.digest()));
                prop_assert_eq!(after.suffix(), &asked.suffix);
                let components: Vec<_> = after.components().collect();
                prop_assert!(components.ends_with(&kept), "{} of {}", name, asked.written);
                prop_assert!(name.starts_with(target.place.as_str()));
            }
        }
    }

    #[test]
    fn no_substitute_is_rewritten_in_turn(rules in rules(), asked in asked()) {
        let table = table(&rules);
        for found in table.matches(Reference::parse(&asked.written).unwrap()) {
            if found.rule.action == Action::Deny {
                continue;
            }
            for (_, name) in found.substitutes() {
                for namespace in NAMESPACES {
                    let again = table.decide(Reference::parse(&name).unwrap(), *namespace);
                    let rewriting = again.filter(|again| again.rule.action == Action::Rewrite);
                    prop_assert_eq!(rewriting.as_ref().map(name_and_substitutes), None, "`{}` by {:?}", name, found.rule);
                }
            }
        }
    }

    #[test]
    fn neither_case_nor_the_default_port_matters(rules in rules(), asked in asked(), seeds in prop::array::uniform2(any::<u64>())) {
        // Docker Hub's implied `library` hangs on the spelling, so it is written out.
        let Spot { host, port, path, .. } = &asked.spot;
        prop_assume!(path.len() > 1 || *host != "docker.io");
        let table = table(&rules);
        let [one, other] = seeds.map(|seed| format!("{}/{}{}", spelling(host, *port, seed), path.join("/"), asked.suffix));
        for namespace in NAMESPACES {
            prop_assert_eq!(decided(&table, &one, *namespace), decided(&table, &other, *namespace), "{} {}", one, other);
        }
    }

    #[test]
    fn the_order_of_writing_does_not_matter(rules in rules(), asked in asked(), swaps in prop::collection::vec(any::<(Index, Index)>(), 0..8)) {
        let mut shuffled = rules.clone();
        for (one, other) in swaps {
            shuffled.swap(one.index(rules.len()), other.index(rules.len()));
        }
        for meant in &mut shuffled {
            meant.rule.patterns.reverse();
            meant.rule.exclude.reverse();
        }
        let (table, shuffled) = (table(&rules), table(&shuffled));
        for namespace in NAMESPACES {
            prop_assert_eq!(decided(&table, &asked.written, *namespace), decided(&shuffled, &asked.written, *namespace));
        }
    }

    #[test]
    fn what_decides_for_some_pods_is_possible(rules in rules(), asked in asked()) {
        let table = table(&rules);
        let reference = Reference::parse(&asked.written).unwrap();
        let possible: Vec<_> = table.possible(reference).iter().map(name_and_substitutes).collect();
        for namespace in NAMESPACES {
            if let Some(decision) = decided(&table, &asked.written, *namespace) {
                prop_assert!(possible.contains(&decision), "{:?} in {:?}", decision, possible);
            }
        }
    }
}

#[test]
fn much_of_what_is_generated_is_decided_by_a_rule() {
    // A property of nothing holds.
    let mut runner = TestRunner::deterministic();
    let matched = (0..300).filter(|_| {
        let (rules, asked) = (rules(), asked()).new_tree(&mut runner).unwrap().current();
        NAMESPACES.iter().any(|namespace| decided(&table(&rules), &asked.written, *namespace).is_some())
    });
    let matched = matched.count();
    assert!(matched >= 50, "{matched} of 300");
}
