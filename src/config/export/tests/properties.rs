//! Any rules, any names: near each other, so that much matches and much nearly does.

use super::super::{View, hosts, registries};
use super::{cel, containerd, crio, decided, is_told, whole};
use crate::reference::Reference;
use crate::rules::corpus::{namespaces, patterns, rule};
use crate::rules::{Action, OnFailure, Rule, Table};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

const HOSTS: &[&str] = &["old.example", "a.old.example", "b.a.old.example", "x.example", "xold.example", "docker.io"];
const STARS: &[&str] = &["*.old.example", "*.example", "*.a.old.example"];
const PARTS: &[&str] = &["a", "b", "ab", "library"];
const TARGETS: &[&str] = &["new.test", "new.test/x", "other.test", "docker.io/mirrored", "localhost:5000"];

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(select(PARTS), 0..=2).prop_map(|parts| parts.iter().map(|part| format!("/{part}")).collect())
}

fn place() -> impl Strategy<Value = String> {
    (prop_oneof![3 => select(HOSTS), 1 => select(STARS)], path()).prop_map(|(host, path)| host.to_owned() + &path)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let lists = (prop::collection::vec(place(), 1..=2), prop::collection::vec(place(), 0..=2));
    let action = prop_oneof![6 => Just(Action::Rewrite), 1 => Just(Action::Observe), 2 => Just(Action::Deny)];
    let targets = prop::collection::vec(select(TARGETS), 1..=2);
    let spaces = prop_oneof![6 => Just((&[][..], &[][..])), 1 => Just((&["team-*"][..], &["team-b"][..])), 1 => Just((&[][..], &["prod"][..]))];
    (lists, action, targets, any::<bool>(), spaces).prop_map(
        |((matching, exclude), action, targets, falls_back, spaces)| {
            let all: Vec<&str> = matching.iter().map(String::as_str).collect();
            let exclude: Vec<&str> = exclude.iter().map(String::as_str).collect();
            Rule {
                exclude: patterns(&exclude),
                action,
                namespaces: namespaces(spaces.0, spaces.1),
                on_failure: if falls_back { OnFailure::Original } else { OnFailure::Fail },
                ..rule("", &all, &targets)
            }
        },
    )
}

/// Rules that get on together.
fn any_table() -> impl Strategy<Value = Table> {
    prop::collection::vec(any_rule(), 1..=4).prop_filter_map("contradicts itself", |mut rules| {
        for (number, rule) in rules.iter_mut().enumerate() {
            rule.name = format!("rule {number}");
        }
        Table::new(rules).ok()
    })
}

fn any_image() -> impl Strategy<Value = String> {
    let path = prop::collection::vec(select(PARTS), 1..=3).prop_map(|parts| parts.join("/"));
    (prop::option::weighted(0.9, select(HOSTS)), path)
        .prop_map(|(host, path)| host.map(|host| format!("{host}/")).unwrap_or_default() + &path + ":1")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_the_rules_the_readers_agree_or_it_was_said_that_they_do_not(
        table in any_table(),
        images in prop::collection::vec(any_image(), 8),
        namespace in select(&["default", "prod", "team-a", "team-b"]),
    ) {
        let view = View { rules: &table, now: Timestamp::UNIX_EPOCH };
        let (conf, tree) = (registries(view), hosts(view));
        for image in &images {
            let expected = decided(&table, image);
            let by_crio = crio::fate(&conf.files[0].text, &whole(image));
            prop_assert!(by_crio == expected || is_told(&conf, &table, image), "{}\n{by_crio:?}\n{expected:?}\n{}", image, conf.files[0].text);
            let by_containerd = containerd::fate(&tree.files, &whole(image));
            prop_assert!(by_containerd == expected || is_told(&tree, &table, image), "{}\n{by_containerd:?}\n{expected:?}\n{:?}", image, tree);
            let found = table.decide(Reference::parse(image).unwrap(), Some(namespace));
            let names: Vec<String> = found.iter().map(|found| found.rule.name.clone()).collect();
            prop_assert_eq!(cel::deciding(&table, image, namespace), names, "{}", image);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_the_rules_what_was_exported_comes_back(table in any_table(), images in prop::collection::vec(any_image(), 8)) {
        let view = View { rules: &table, now: Timestamp::UNIX_EPOCH };
        for exported in [registries(view), hosts(view)] {
            if exported.files.is_empty() {
                continue;
            }
            let directory = tempfile::tempdir().unwrap();
            for file in &exported.files {
                let path = directory.path().join(&file.path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, &file.text).unwrap();
            }
            let imported = crate::config::import::import(directory.path()).unwrap();
            prop_assert!(imported.lost.is_empty(), "{:?}\n{:?}", imported.lost, exported);
            let again = Table::new(imported.rules).unwrap();
            for image in &images {
                let (before, after) = (decided(&table, image), decided(&again, image));
                prop_assert!(before == after || is_told(&exported, &table, image), "{image}: {before:?} {after:?}\n{exported:?}");
            }
        }
    }

    #[test]
    fn whatever_is_read_nothing_falls_over(text in "([a-z\\[\\]=\"./:*0-9# \n-]|\\[\\[registry\\]\\]\n|prefix = |location = |\\[host\\.\"https://|server = |capabilities = ){0,40}") {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.conf", "hosts.toml"] {
            std::fs::write(directory.path().join(name), &text).unwrap();
            let _either_way = crate::config::import::import(&directory.path().join(name)).map(|imported| imported.text());
        }
    }
}
