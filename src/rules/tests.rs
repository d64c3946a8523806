use super::*;
use crate::reference::Reference;
use proptest::prelude::*;

fn place(text: &str) -> Place {
    Place::parse(text).unwrap()
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn rule(name: &str, patterns: &[&str], targets: &[&str]) -> Rule {
    Rule {
        name: name.to_owned(),
        patterns: patterns.iter().copied().map(pattern).collect(),
        exclude: Vec::new(),
        namespaces: Namespaces::default(),
        action: Action::Rewrite,
        rollout: Rollout::FULL,
        targets: targets.iter().map(|text| Target::at(place(text))).collect(),
        on_failure: OnFailure::Fail,
        builtin: false,
    }
}

fn builtin() -> Table {
    Table::new(vec![builtin::rule(builtin::KUBERNETES).unwrap()]).unwrap()
}

/// The first substitute of `image`.
fn substitute(table: &Table, image: &str) -> Option<String> {
    table
        .decide(Reference::parse(image).unwrap(), None)
        .and_then(|found| found.substitutes().next())
        .map(|(_, name)| name)
}

#[test]
fn the_built_in_rule_changes_the_registry_and_nothing_else() {
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let table = builtin();
    for (image, expected) in [
        ("k8s.gcr.io/pause:3.9", "registry.k8s.io/pause:3.9"),
        ("k8s.gcr.io/pause", "registry.k8s.io/pause"),
        ("k8s.gcr.io:443/pause:3.9", "registry.k8s.io/pause:3.9"),
        ("K8S.GCR.IO/pause:3.9", "registry.k8s.io/pause:3.9"),
        ("k8s.gcr.io/e2e-test-images/volume/nfs:1.0", "registry.k8s.io/e2e-test-images/volume/nfs:1.0"),
    ] {
        assert_eq!(substitute(&table, image).as_deref(), Some(expected), "{image}");
    }
    let both = substitute(&table, &format!("k8s.gcr.io/pause:3.9@{digest}")).unwrap();
    assert_eq!(both, format!("registry.k8s.io/pause:3.9@{digest}"));
}

#[test]
fn a_name_that_merely_contains_the_registry_is_not_matched() {
    let table = builtin();
    for image in [
        "harbor.corp/k8s.gcr.io/pause:3.9",
        "k8s.gcr.io.evil.example/x",
        "k8s.gcr.iox/x",
        "xk8s.gcr.io/x",
        "eu.k8s.gcr.io/x",
        "k8s.gcr.io:5000/x",
        "gcr.io/k8s/x",
        "registry.k8s.io/pause:3.9",
        "busybox",
        // A single component is a repository of docker.io, whatever it looks like.
        "k8s.gcr.io",
        "k8s.gcr.io:3.9",
    ] {
        assert_eq!(substitute(&table, image), None, "{image}");
    }
}

#[test]
fn the_longest_pattern_decides_at_component_borders() {
    let table = Table::new(vec![
        rule("all", &["old.example"], &["new.example"]),
        rule("team", &["old.example/team"], &["new.example/mirror/team"]),
        rule("tool", &["old.example/team/tool"], &["tools.example/tool"]),
    ])
    .unwrap();
    for (image, expected) in [
        ("old.example/x:1", "new.example/x:1"),
        ("old.example/teams/x:1", "new.example/teams/x:1"),
        ("old.example/team/x:1", "new.example/mirror/team/x:1"),
        ("old.example/team/tool:1", "tools.example/tool:1"),
        ("old.example/team/tool/x:1", "tools.example/tool/x:1"),
        ("old.example/team/toolbox:1", "new.example/mirror/team/toolbox:1"),
    ] {
        assert_eq!(substitute(&table, image).as_deref(), Some(expected), "{image}");
    }
}

#[test]
fn a_pattern_never_leaves_a_registry_without_a_repository() {
    let table = Table::new(vec![
        rule("all", &["old.example"], &["new.example"]),
        rule("team", &["old.example/team"], &["flat.example"]),
    ])
    .unwrap();
    assert_eq!(substitute(&table, "old.example/team/x:1").as_deref(), Some("flat.example/x:1"));
    assert_eq!(substitute(&table, "old.example/team:1").as_deref(), Some("new.example/team:1"));
}

#[test]
fn docker_hub_is_matched_by_the_name_it_implies() {
    let table = Table::new(vec![rule("hub", &["docker.io"], &["mirror.example/hub"])]).unwrap();
    for image in ["busybox:1", "library/busybox:1", "docker.io/busybox:1", "index.docker.io/library/busybox:1"] {
        assert_eq!(substitute(&table, image).as_deref(), Some("mirror.example/hub/library/busybox:1"), "{image}");
    }
}

#[test]
fn every_target_gives_a_substitute_in_order() {
    let table = Table::new(vec![rule("r", &["old.example"], &["a.example", "b.example/x"])]).unwrap();
    let found = table.decide(Reference::parse("old.example/p:1").unwrap(), None).unwrap();
    assert_eq!(found.substitutes().map(|(_, name)| name).collect::<Vec<_>>(), ["a.example/p:1", "b.example/x/p:1"]);
}

#[test]
fn rules_that_contradict_each_other_are_refused_by_name() {
    let twice =
        Table::new(vec![rule("a", &["old.example"], &["x.example"]), rule("b", &["OLD.example:443"], &["y.example"])]);
    assert!(
        matches!(&twice.unwrap_err()[..], [Conflict::Twice { first, second, .. }] if first == "a" && second == "b")
    );
    let chain = Table::new(vec![
        rule("a", &["old.example"], &["mid.example"]),
        rule("b", &["mid.example/x"], &["new.example"]),
    ]);
    assert!(matches!(&chain.unwrap_err()[..], [Conflict::Chain { rule, by, .. }] if rule == "a" && by == "b"));
    let own = Table::new(vec![rule("a", &["old.example"], &["old.example/x"])]);
    assert!(matches!(&own.unwrap_err()[..], [Conflict::Chain { .. }]));
}

#[test]
fn a_place_begins_with_a_registry_and_has_no_tag() {
    for good in ["k8s.gcr.io", "localhost:5000", "localhost/x", "a.example/b/c", "docker.io/library", "[::1]:5000/x"] {
        assert_eq!(place(good).to_string(), good);
    }
    assert!(matches!(Place::parse("pause"), Err(NotAPlace::NoRegistry(_))));
    for bad in [
        "",
        "/",
        "a.example/",
        "a.example:tag/x:",
        "a.example/b:1",
        "a.example/B",
        "https://a.example",
        "*.example.com",
    ] {
        assert!(Place::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn credentials_stay_only_with_the_same_registry() {
    let table = Table::new(vec![rule("move", &["old.example/a"], &["OLD.example:443/b", "new.example"])]).unwrap();
    let found = table.decide(Reference::parse("old.example/a/x").unwrap(), None).unwrap();
    let leaves: Vec<_> = found.rule.targets.iter().map(|target| found.leaves_registry(target)).collect();
    assert_eq!(leaves, [false, true]);
}

proptest! {
    #[test]
    fn a_substitute_is_a_valid_reference_with_the_same_tag_and_digest(
        path in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,3}",
        tag in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
        digest in proptest::option::of("[0-9a-f]{64}"),
    ) {
        let suffix = tag.map(|tag| format!(":{tag}")).unwrap_or_default() + &digest.map(|hex| format!("@sha256:{hex}")).unwrap_or_default();
        let image = format!("k8s.gcr.io/{path}{suffix}");
        let table = builtin();
        let substitute = substitute(&table, &image).unwrap();
        let (before, after) = (Reference::parse(&image).unwrap(), Reference::parse(&substitute).unwrap());
        prop_assert_eq!(before.suffix(), after.suffix());
        prop_assert!(before.components().eq(after.components()));
        // Rules do not apply to their own outcome.
        prop_assert!(table.decide(after, None).is_none());
    }
}
