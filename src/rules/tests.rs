//! What the corpus does not say: how places are written, and what is known of a decision besides its outcome.

use super::corpus::{Set, namespaces, patterns, rule};
use super::*;
use crate::reference::Reference;

fn place(text: &str) -> Place {
    Place::parse(text).unwrap()
}

fn reference(image: &str) -> Reference<'_> {
    Reference::parse(image).unwrap()
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
    let found = table.decide(reference("old.example/a/x"), None).unwrap();
    let leaves: Vec<_> = found.rule.targets.iter().map(|target| found.leaves_registry(target)).collect();
    assert_eq!(leaves, [false, true]);
}

#[test]
fn a_pattern_may_begin_with_a_star_and_have_none_besides() {
    for good in ["k8s.gcr.io/a", "*.example.com", "*.inside", "*.example.com:5000/a/b", "*.EXAMPLE.com"] {
        assert_eq!(Pattern::parse(good).unwrap().to_string(), good);
    }
    for bad in ["*", "*.", "*.*.example", "*example.com", "a.*.example", "a.example/*", "*.example/*", "**.example"] {
        assert!(Pattern::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(Pattern::parse("*.example/*"), Err(NotAPlace::Star("*.example/*".to_owned())));
    // What is shown is what was written, whatever it was read as.
    let told = Pattern::parse("*.example/B").unwrap_err().to_string();
    assert_eq!(told, "`*.example/B` is not a registry with an optional path");
}

#[test]
fn what_others_write_around_a_place_is_told_with_the_place() {
    for (written, place) in [
        ("https://m.example", Some("m.example")),
        ("http://m.example:5000/k8s/", Some("m.example:5000/k8s")),
        ("m.example/", Some("m.example")),
        ("https://nginx", None),
        ("m.example/A/", None),
        ("https://", None),
    ] {
        let told = Place::parse(written).unwrap_err();
        let expected = place.map(|place| NotAPlace::Decorated(written.to_owned(), place.to_owned()));
        assert!(expected.is_none_or(|expected| expected == told), "{told}");
        assert!(place.is_some() || !told.to_string().contains(": write"), "{told}");
    }
}

#[test]
fn credentials_stay_with_docker_hub_by_any_of_its_names() {
    let table =
        Table::new(vec![rule("move", &["docker.io/a"], &["INDEX.docker.io/b/c", "registry-1.docker.io"])]).unwrap();
    for image in ["a/x", "docker.io/a/x", "index.docker.io:443/a/x"] {
        let found = table.decide(reference(image), None).unwrap();
        let leaves: Vec<_> = found.rule.targets.iter().map(|target| found.leaves_registry(target)).collect();
        assert_eq!(leaves, [false, true], "{image}");
    }
}

#[test]
fn every_rule_that_matches_says_why_it_does_not_apply() {
    let excluding =
        Rule { exclude: patterns(&["old.example/a/b"]), ..rule("excluding", &["old.example/a"], &["x.test"]) };
    let for_prod = Rule { namespaces: namespaces(&["prod"], &[]), ..rule("for-prod", &["old.example"], &["p.test"]) };
    let table = Table::new(vec![
        rule("rest", &["*.example", "old.example"], &["new.test"]),
        for_prod,
        excluding,
        rule("flat", &["old.example/a/b/c"], &["flat.test"]),
        rule("beside", &["old.example/b"], &["new.test"]),
    ])
    .unwrap();
    let told = |namespace| -> Vec<_> {
        let matches = table.matches(reference("old.example/a/b/c:1"));
        matches
            .iter()
            .map(|found| (found.rule.name.clone(), found.pattern.to_string(), found.apart(namespace)))
            .collect()
    };
    let excluded = &patterns(&["old.example/a/b"])[0];
    let expected = |for_prod| {
        [
            ("flat", "old.example/a/b/c", Some(Apart::NoName)),
            ("excluding", "old.example/a", Some(Apart::Excluded(excluded))),
            ("for-prod", "old.example", for_prod),
            ("rest", "old.example", None),
            ("rest", "*.example", None),
        ]
        .map(|(rule, pattern, apart)| (rule.to_owned(), pattern.to_owned(), apart))
    };
    assert_eq!(told(Some("prod")), expected(None));
    assert_eq!(told(Some("test")), expected(Some(Apart::Namespace)));
    assert_eq!(told(None), expected(Some(Apart::Namespace)));
}

#[test]
fn what_is_possible_ends_with_the_first_rule_for_all_pods() {
    let table = Set::Spaces.table();
    let names =
        |image| table.possible(reference(image)).iter().map(|found| found.rule.name.clone()).collect::<Vec<_>>();
    // A rule that leaves some pods out leaves them to the next.
    assert_eq!(names("old.example/tools/x"), ["tools", "prod", "teams", "rest"]);
    let table = Set::Nested.table();
    let names =
        |image| table.possible(reference(image)).iter().map(|found| found.rule.name.clone()).collect::<Vec<_>>();
    assert_eq!(names("old.example/team/tool"), ["tool"]);
}

#[test]
fn what_stands_back_is_told_pattern_by_pattern() {
    let aliases = || builtin::ALIASES.iter().filter_map(|alias| builtin::rule(alias.name));
    let ours = rule("ours", &["EU.gcr.io/k8s-artifacts-prod", "k8s.gcr.io/pause"], &["m.test"]);
    let table = Table::new(aliases().chain([ours]).collect()).unwrap();
    let told: Vec<_> = table.replaced().iter().map(|r| (&*r.builtin, r.pattern.to_string(), &*r.by)).collect();
    assert_eq!(told, [("artifacts-prod", "eu.gcr.io/k8s-artifacts-prod".to_owned(), "ours")]);
    let rule = |image| table.decide(reference(image), None).map(|found| found.rule.name.clone());
    assert_eq!(rule("eu.gcr.io/k8s-artifacts-prod/x").as_deref(), Some("ours"));
    assert_eq!(rule("us.gcr.io/k8s-artifacts-prod/x").as_deref(), Some("artifacts-prod"));
    assert_eq!(rule("k8s.gcr.io/pause/x").as_deref(), Some("ours"));
    assert_eq!(rule("k8s.gcr.io/x").as_deref(), Some("kubernetes"));
}

#[test]
fn every_alias_is_known_by_its_name_and_makes_all_of_its_patterns() {
    let count = |name| builtin::rule(name).map(|rule| rule.patterns.len());
    let counts: Vec<_> = builtin::ALIASES.iter().map(|alias| count(alias.name)).collect();
    assert_eq!(counts, [Some(1), Some(3), Some(22), Some(1), Some(1), None]);
    assert!(builtin::alias("gcr.io").is_none() && builtin::rule("kubernetes").is_none());
}

#[test]
fn a_built_in_rule_that_stands_back_everywhere_is_none_of_the_rules() {
    let own = rule("own", &["k8s.gcr.io"], &["m.example"]);
    let table = Table::new(vec![own, builtin::rule(builtin::KUBERNETES).unwrap()]).unwrap();
    let names = |rules: &[std::sync::Arc<Rule>]| rules.iter().map(|rule| rule.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(table.rules()), ["own"]);
    assert_eq!(names(table.all()), ["own", "kubernetes"]);
}
