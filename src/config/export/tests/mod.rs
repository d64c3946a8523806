//! What was exported, read as those read it who are meant to, decides as the table does, or the rule is among the losses.

#![expect(clippy::arithmetic_side_effects, reason = "in a test, an overflow is a failure like any other")]

mod cel;
mod containerd;
mod crio;
mod text;

use super::{Exported, View};
use crate::reference::Reference;
use crate::rules::corpus::{Case, Set, rule};
use crate::rules::{Action, OnFailure, Rule, Table, Target};
use jiff::Timestamp;

/// What is tried for an image, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Denied,
    /// Something that is no image reference is made of it.
    Broken,
    Tries(Vec<String>),
}

/// More sets of rules than the corpus has, for what only the exports tell apart.
fn tables() -> Vec<(String, Table)> {
    let mut tables: Vec<(String, Table)> = Set::ALL.iter().map(|set| (format!("{set:?}"), set.table())).collect();
    type Change = fn(Rule) -> Rule;
    let variants: [(&str, Change); 3] = [
        ("original", |rule| Rule { on_failure: OnFailure::Original, ..rule }),
        ("deny", |rule| Rule { action: Action::Deny, ..rule }),
        ("two targets", |mut rule| {
            rule.targets.push(Target::at(crate::rules::Place::parse("second.invalid/x").unwrap()));
            rule
        }),
    ];
    for set in Set::ALL {
        for (name, change) in variants {
            let rules = set.rules().into_iter().map(change).collect();
            tables.extend(Table::new(rules).ok().map(|table| (format!("{set:?}, {name}"), table)));
        }
    }
    tables
}

/// A reference as all runtimes write it out.
fn whole(image: &str) -> String {
    let reference = Reference::parse(image).unwrap();
    let path = reference.components().collect::<Vec<_>>().join("/");
    format!("{}/{path}{}", reference.registry(), reference.suffix())
}

/// What the table decides.
fn decided(table: &Table, image: &str) -> Fate {
    let found = table.decide(Reference::parse(image).unwrap(), None);
    let Some(found) = found.filter(|found| found.rule.action != Action::Observe) else {
        return Fate::Tries(vec![whole(image)]);
    };
    if found.rule.action == Action::Deny {
        return Fate::Denied;
    }
    let mut tries: Vec<String> = found.substitutes().map(|(_, name)| whole(&name)).collect();
    if found.rule.on_failure == OnFailure::Original {
        tries.push(whole(image));
    }
    tries.dedup();
    Fate::Tries(tries)
}

/// Whether it is said that this may differ: of a rule that matches it, or of how its registry is spelt.
fn is_told(exported: &Exported, table: &Table, image: &str) -> bool {
    let reference = Reference::parse(image).unwrap();
    let registry = reference.registry();
    let is_odd = registry.bytes().any(|byte| byte.is_ascii_uppercase()) || reference.port().is_some();
    let of_rule = |name: &str| exported.losses.iter().any(|loss| loss.rule.as_deref() == Some(name));
    is_odd || table.matches(reference).iter().any(|found| of_rule(&found.rule.name))
}

/// Compares over the corpus; returns how many were compared, and how many of these were told to differ and do.
fn compare(export: fn(View<'_>) -> Exported, read: impl Fn(&Exported, &str) -> Fate) -> (usize, usize) {
    let (mut compared, mut lost, mut failures) = (0, 0, Vec::new());
    for (name, table) in tables() {
        let exported = export(View { rules: &table, now: Timestamp::UNIX_EPOCH });
        for image in Case::all().filter(|case| name.starts_with(&format!("{:?}", case.set))).map(|case| case.image()) {
            // What is longer than a name may be is made by nobody.
            if Reference::parse(&image).is_err() || image.len() > 240 {
                continue;
            }
            compared += 1;
            let (expected, got) = (decided(&table, &image), read(&exported, &image));
            if expected == got {
                continue;
            }
            lost += 1;
            if !is_told(&exported, &table, &image) {
                failures.push(format!("{name}: `{image}`\n  expected: {expected:?}\n       got: {got:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {compared}:\n{}", failures.len(), failures.join("\n"));
    (compared, lost)
}

#[test]
fn crio_decides_as_the_table_does_or_it_is_said_why_not() {
    let (compared, lost) =
        compare(super::registries, |exported, image| crio::fate(&exported.files[0].text, &whole(image)));
    assert!(compared > 700 && lost * 4 < compared, "{lost} of {compared} differ");
}

#[test]
fn containerd_decides_as_the_table_does_or_it_is_said_why_not() {
    let (compared, lost) = compare(super::hosts, |exported, image| containerd::fate(&exported.files, &whole(image)));
    assert!(compared > 700 && lost * 2 < compared, "{lost} of {compared} differ");
}

/// For tests of one rule.
fn table(rules: Vec<Rule>) -> Table {
    Table::new(rules).unwrap()
}

#[test]
fn what_others_do_not_know_is_said_of_each_rule() {
    use crate::rules::{Credentials, Percent, Rollout};
    let with = |name: &str, change: fn(&mut Rule)| {
        let mut rule = rule(name, &[&format!("{name}.example")], &["new.example"]);
        change(&mut rule);
        rule
    };
    let table = table(vec![
        with("source", |rule| rule.targets[0].credentials = Credentials::Source("mine".to_owned())),
        with("forward", |rule| rule.targets[0].credentials = Credentials::Forward),
        with("timeout", |rule| rule.targets[0].timeout = Some(std::time::Duration::from_secs(1))),
        with("observe", |rule| rule.action = Action::Observe),
        with("namespace", |rule| rule.namespaces = crate::rules::corpus::namespaces(&["a"], &[])),
        with("hub", |rule| rule.targets = vec![Target::at(crate::rules::Place::parse("docker.io").unwrap())]),
        with("some", |rule| {
            rule.rollout = Rollout { percent: Percent::from_hundredths(50).unwrap(), from: None };
        }),
        with("later", |rule| rule.rollout.from = Some("2030-01-01T00:00:00Z".parse().unwrap())),
        with("since", |rule| rule.rollout.from = Some(Timestamp::UNIX_EPOCH)),
        with("plain", |_| {}),
    ]);
    for export in [super::registries, super::hosts] {
        let exported = export(View { rules: &table, now: Timestamp::UNIX_EPOCH });
        let named: Vec<_> = exported.losses.iter().filter_map(|loss| loss.rule.as_deref()).collect();
        assert_eq!(named, ["source", "forward", "timeout", "observe", "namespace", "hub", "some", "later"]);
        let text: String = exported.files.iter().map(|file| file.text.as_str()).collect();
        for (name, is_there) in
            [("since", true), ("plain", true), ("namespace", false), ("later", false), ("some", false)]
        {
            assert_eq!(text.contains(&format!("# rule `{name}`")), is_there, "{name}: {text}");
        }
        for loss in &exported.losses {
            assert!(text.contains(&loss.what), "{loss}");
        }
    }
}

#[test]
fn every_file_is_marked_as_ours_and_is_toml() {
    for (_, table) in tables() {
        let view = View { rules: &table, now: Timestamp::UNIX_EPOCH };
        for file in super::hosts(view).files.iter().chain(&super::registries(view).files) {
            assert!(file.text.starts_with(super::MARK));
            file.text.parse::<toml::Table>().unwrap();
        }
    }
}
