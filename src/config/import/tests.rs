#![expect(clippy::arithmetic_side_effects, reason = "in a test, an overflow is a failure like any other")]

use super::*;
use crate::config::export::{self, View};
use crate::reference::Reference;
use crate::rules::corpus::{Case, Set, rule};
use crate::rules::{Action, OnFailure, Rule};
use jiff::Timestamp;
use std::fs;

/// Reads files that were written below a directory.
fn read(files: &[(&str, &str)], path: &str) -> Result<Imported, Unimportable> {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    import(&directory.path().join(path))
}

/// What is lost, without the directory's name.
fn lost(imported: &Imported) -> Vec<String> {
    let place = |lost: &Lost| {
        let text = lost.to_string();
        let at = text.find("/certs.d/").or_else(|| text.find("/r.conf")).unwrap();
        text[at + 1..].to_owned()
    };
    imported.lost.iter().map(place).collect()
}

/// What becomes of an image, spelt in one way.
fn decided(table: &Table, image: &str) -> (Option<Action>, Vec<String>, Option<OnFailure>) {
    let found = table.decide(Reference::parse(image).unwrap(), None);
    let Some(found) = found.filter(|found| found.rule.action != Action::Observe) else { return Default::default() };
    let action = found.rule.action;
    let mut names: Vec<String> = found.substitutes().map(|(_, name)| name).collect();
    names.dedup();
    let on_failure = (action == Action::Rewrite).then_some(found.rule.on_failure);
    (Some(action), if action == Action::Deny { Vec::new() } else { names }, on_failure)
}

/// The rules of a file, as repoint reads it.
fn taken_in(text: &str) -> Table {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("repoint.toml");
    fs::write(&file, format!("builtin_rules = []\n{text}")).unwrap();
    crate::config::settings(&crate::args::Serve::default(), &crate::config::load(Some(&file))).unwrap().rules
}

/// Exports and imports, and compares what becomes of the corpus. Returns how much was compared.
fn round_trip(export: fn(View<'_>) -> export::Exported, path: &str) -> usize {
    let mut compared = 0;
    for (set, change) in Set::ALL.iter().flat_map(|set| [(set, OnFailure::Fail), (set, OnFailure::Original)]) {
        let rules = set.rules().into_iter().map(|rule| Rule { on_failure: change, ..rule });
        let table = Table::new(rules.collect()).unwrap();
        let exported = export(View { rules: &table, now: Timestamp::UNIX_EPOCH });
        let files: Vec<_> =
            exported.files.iter().map(|file| (format!("certs.d/{}", file.path.display()), &file.text)).collect();
        if files.is_empty() {
            continue;
        }
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let imported = read(&files, path).unwrap();
        assert_eq!(lost(&imported), [""; 0], "{set:?}");
        let again = taken_in(&imported.text());
        assert!(again.rules().iter().map(|rule| &**rule).eq(&imported.rules), "{}", imported.text());
        let is_lost = |name: &str| exported.losses.iter().any(|loss| loss.rule.as_deref() == Some(name));
        for image in Case::all().filter(|case| case.set == *set).map(|case| case.image()) {
            let Ok(reference) = Reference::parse(&image) else { continue };
            if table.matches(reference).iter().any(|found| is_lost(&found.rule.name)) {
                continue;
            }
            compared += 1;
            assert_eq!(decided(&again, &image), decided(&table, &image), "{set:?}: {image}\n{}", imported.text());
        }
    }
    compared
}

#[test]
fn what_was_exported_for_crio_comes_back() {
    let compared = round_trip(export::registries, "certs.d");
    assert!(compared > 250, "{compared}");
}

#[test]
fn what_was_exported_for_containerd_comes_back() {
    let compared = round_trip(export::hosts, "certs.d");
    assert!(compared > 200, "{compared}");
}

#[test]
fn hosts_are_targets_in_their_order_and_the_server_is_the_last() {
    let imported = read(
        &[
            (
                "certs.d/a.example/hosts.toml",
                "server = \"https://c.example/v2\"\n[host.\"https://z.example\"]\n[host.\"b.example\"]",
            ),
            ("certs.d/docker.io/hosts.toml", "[host.\"https://b.example/v2/hub/\"]\noverride_path = true"),
            (
                "certs.d/own.example_5000_/hosts.toml",
                "server = \"https://own.example:5000\"\n[host.\"https://b.example\"]",
            ),
            ("certs.d/same.example/hosts.toml", "server = \"https://same.example\""),
            ("certs.d/only-certs.example/ca.crt", ""),
        ],
        "certs.d",
    )
    .unwrap();
    assert_eq!(lost(&imported), [""; 0]);
    let original = |rule: Rule| Rule { on_failure: OnFailure::Original, ..rule };
    let expected = [
        rule("a.example", &["a.example"], &["z.example", "b.example", "c.example"]),
        original(rule("docker.io", &["docker.io"], &["b.example/hub"])),
        original(rule("own.example:5000", &["own.example:5000"], &["b.example"])),
    ];
    assert_eq!(imported.rules, expected);
}

#[test]
fn what_containerd_says_of_hosts_and_rules_do_not_is_told_with_its_place() {
    let text = "\
[host.\"https://m.example\"]
capabilities = [\"pull\", \"push\"]
skip_verify = true
ca = \"x.crt\"
[host.\"https://m.example\".header]
x = \"y\"
[host.\"https://own.example\"]
[host.\"https://late.example\"]
";
    let files = [
        ("certs.d/_default/hosts.toml", "server = \"https://m.example\""),
        ("certs.d/own.example/hosts.toml", text),
        (
            "certs.d/p.example/hosts.toml",
            "server = \"http://q.example/artifactory\"\noverride_path = true\nunheard = 1",
        ),
        ("certs.d/r.example/hosts.toml", "[host.\"http://s.example\"]\ncapabilities = [\"push\"]"),
    ];
    let imported = read(&files, "certs.d").unwrap();
    let expected = [
        "certs.d/_default/hosts.toml:1:1: there is no rule for all registries: name in `match` those that are meant",
        "certs.d/own.example/hosts.toml:3:1: `skip_verify` is the runtime's to know: keep it in the directory of the registry that is asked",
        "certs.d/own.example/hosts.toml:4:1: `ca` is the runtime's to know: keep it in the directory of the registry that is asked",
        "certs.d/own.example/hosts.toml:5:27: `header` is the runtime's to know: keep it in the directory of the registry that is asked",
        "certs.d/own.example/hosts.toml:2:1: `push` has no counterpart: rules are about pulls",
        "certs.d/own.example/hosts.toml:1:7: `https://m.example` would be asked for tags, too, though it can't `resolve`",
        "certs.d/own.example/hosts.toml:8:7: `https://late.example` is left out: it comes after the registry itself",
        "certs.d/p.example/hosts.toml:3:1: `unheard` is not known",
        "certs.d/p.example/hosts.toml:1:1: `http://q.example/artifactory` is left out: its API is not at `/v2`, where every image reference is looked for",
        "certs.d/r.example/hosts.toml:2:1: `push` has no counterpart: rules are about pulls",
        "certs.d/r.example/hosts.toml:1:7: `http://s.example` is left out: nothing is pulled from it",
    ];
    assert_eq!(lost(&imported), expected);
    let names: Vec<_> = imported.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["own.example"]);
    for line in expected {
        assert!(imported.text().contains(line), "{}", imported.text());
    }
}

#[test]
fn entries_are_rules_and_those_that_lead_to_themselves_exclusions() {
    let text = r#"
unqualified-search-registries = ["docker.io"]
short-name-mode = "enforcing"

[[registry]]
prefix = "old.example/team/"
location = "new.example/team"
insecure = true

[[registry.mirror]]
location = "m.example"
pull-from-mirror = "digest-only"

[[registry]]
location = "old.example/team/kept"

[[registry]]
prefix = "*.bad.example"
blocked = true

[[registry]]
prefix = "*.mirrored.example"
[[registry.mirror]]
location = "m.example/x"

[[registry]]
prefix = "old.example/team"
location = "second.example"

[[registry]]
prefix = "a.example/b:1"
location = "c.example/b:1"

[aliases]
busybox = "docker.io/library/busybox"
"#;
    let imported = read(&[("r.conf", text)], "r.conf").unwrap();
    let expected_lost = [
        "r.conf:2:1: `unqualified-search-registries`: names without a registry are docker.io's to a rule, wherever else they are looked for",
        "r.conf:3:1: `short-name-mode`: names without a registry are docker.io's to a rule, whatever they are aliases of",
        "r.conf:8:1: `insecure` is the runtime's to know: keep it in an entry of the registry that is asked",
        "r.conf:12:1: `pull-from-mirror` has no counterpart: tags and digests are pulled alike",
        "r.conf:34:2: `aliases`: names without a registry are docker.io's to a rule, whatever they are aliases of",
        "r.conf:30:1: `a.example/b:1` is not a registry with an optional path: malformed tag at byte 13",
    ];
    assert_eq!(lost(&imported), expected_lost);
    let expected = [
        Rule {
            exclude: crate::rules::corpus::patterns(&["old.example/team/kept"]),
            ..rule("old.example/team", &["old.example/team"], &["m.example", "new.example/team"])
        },
        Rule { action: Action::Deny, ..rule("*.bad.example", &["*.bad.example"], &[]) },
        Rule {
            on_failure: OnFailure::Original,
            ..rule("*.mirrored.example", &["*.mirrored.example"], &["m.example/x"])
        },
    ];
    assert_eq!(imported.rules, expected);
    let printed = imported.text();
    let (_, rules) = printed.split_once("\n\n").unwrap();
    let expected = r#"[[rules]]
name = "old.example/team"
match = ["old.example/team"]
exclude = ["old.example/team/kept"]
targets = ["m.example", "new.example/team"]

[[rules]]
name = "*.bad.example"
match = ["*.bad.example"]
action = "deny"

[[rules]]
name = "*.mirrored.example"
match = ["*.mirrored.example"]
targets = ["m.example/x"]
on_failure = "original"
"#;
    assert_eq!(rules, expected);
}

#[test]
fn of_drop_ins_the_last_one_holds() {
    let entry = |location: &str| format!("[[registry]]\nprefix = \"a.example\"\nlocation = {location:?}\n");
    let files =
        [("d/10-a.conf", entry("b.example")), ("d/20-b.conf", entry("c.example")), ("d/README", "not TOML".to_owned())];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert_eq!(read(&files, "d").unwrap().rules, [rule("a.example", &["a.example"], &["c.example"])]);
}

#[test]
fn rules_that_repoint_would_refuse_are_printed_and_told() {
    let text = "[[registry]]\nprefix = \"a.example\"\nlocation = \"b.example\"\n[[registry]]\nprefix = \"b.example\"\nlocation = \"c.example\"\n";
    let imported = read(&[("r.conf", text)], "r.conf").unwrap();
    assert_eq!(imported.conflicts().len(), 1);
    assert!(
        imported.text().contains("# To be settled: rule `a.example` pulls from `b.example`"),
        "{}",
        imported.text()
    );
}

#[test]
fn what_can_not_be_read_is_told_with_its_place() {
    let told = |files: &[(&str, &str)], path: &str| {
        let error = read(files, path).unwrap_err();
        let text = crate::error::Chain(&error).to_string();
        text.split_once("/r.conf").map_or_else(|| text.clone(), |(_, rest)| rest.to_owned())
    };
    let of = |text: &str| told(&[("r.conf", text)], "r.conf");
    assert!(of("a = [").starts_with(":1:6: "), "{}", of("a = ["));
    assert_eq!(of("\n[[registry]]\nprefix = 1"), ":3:10: `prefix`: expected a string");
    assert_eq!(of("registry = 1"), ":1:12: `registry`: expected an array of tables");
    assert_eq!(of("[[registry]]\nblocked = \"no\""), ":2:11: `blocked`: expected true or false");
    assert_eq!(of("[[registry]]\nblocked = true"), ":1:1: `registry`: expected a `prefix` or a `location`");
    assert_eq!(
        of("[[registry]]\nlocation = \"a.example\"\nmirror = 1"),
        ":3:10: `mirror`: expected an array of tables"
    );
    assert!(told(&[], "nothing").contains("No such file"));
    assert!(told(&[("d/x", "")], "d").contains("neither directories with a hosts.toml"));
    let hosts = [("d/a.example/hosts.toml", "[host]\n\"https://b.example\" = 1")];
    assert!(
        told(&hosts, "d").ends_with("hosts.toml:2:23: `https://b.example`: expected a table"),
        "{}",
        told(&hosts, "d")
    );
}
