use super::super::corpus::{namespaces, patterns, rule};
use super::super::{Namespaces, Table, builtin};
use super::*;
use crate::reference::Reference;

/// What `rules` contradict each other in: `first and second: place` or `rule to target by other`, one a line.
fn conflicts(rules: Vec<Rule>) -> Vec<String> {
    let told = |conflict: Conflict| match conflict {
        Conflict::Twice { first, second, place } => format!("{first} and {second}: {place}"),
        Conflict::Chain { rule, target, by } => format!("{rule} to {target} by {by}"),
    };
    Table::new(rules).err().unwrap_or_default().into_iter().map(told).collect()
}

/// What two rules for `old.example` contradict each other in, for the pods that each is about.
fn rivals(one: Namespaces, other: Namespaces) -> Vec<String> {
    conflicts(vec![
        Rule { namespaces: one, ..rule("a", &["old.example"], &["x.example"]) },
        Rule { namespaces: other, ..rule("b", &["old.example"], &["y.example"]) },
    ])
}

#[test]
fn two_rules_for_one_place_are_refused_however_it_is_spelt() {
    for (one, other) in [
        ("old.example", "old.example"),
        ("old.example", "OLD.example:443"),
        ("old.example/a/b", "old.EXAMPLE/a/b"),
        ("docker.io", "index.docker.io"),
        ("docker.io", "INDEX.docker.io:443"),
        ("*.old.example/a", "*.OLD.example:443/a"),
        ("localhost", "LOCALHOST:443"),
        ("[::a]", "[::A]:443"),
    ] {
        let found =
            conflicts(vec![rule("a", &[one], &["x.example"]), rule("b", &["p.example", other], &["y.example"])]);
        assert_eq!(found, [format!("a and b: {other}")], "{one} {other}");
    }
}

#[test]
fn places_that_lie_in_each_other_are_not_the_same() {
    for (one, other) in [
        ("old.example", "old.example/a"),
        ("old.example", "old.example:5000"),
        ("old.example", "*.old.example"),
        ("a.old.example", "*.old.example"),
        ("*.old.example", "*.a.old.example"),
        ("*.old.example", "*.old.example/a"),
        ("docker.io/a", "docker.io/library/a"),
    ] {
        let found = conflicts(vec![rule("a", &[one], &["x.example"]), rule("b", &[other], &["y.example"])]);
        assert_eq!(found, [""; 0], "{one} {other}");
    }
}

#[test]
fn one_rule_may_name_a_place_twice() {
    assert_eq!(conflicts(vec![rule("a", &["old.example", "OLD.example", "old.example:443"], &["x.example"])]), [""; 0]);
}

#[test]
fn rules_for_other_pods_are_no_rivals() {
    let (all, none) = (Namespaces::default, [""; 0]);
    assert_eq!(rivals(namespaces(&["prod"], &[]), all()), none);
    assert_eq!(rivals(all(), namespaces(&["*"], &[])), none);
    assert_eq!(rivals(namespaces(&["prod"], &[]), namespaces(&["test", "team-*"], &[])), none);
    assert_eq!(rivals(namespaces(&["team-*"], &[]), namespaces(&["*"], &["team-*"])), none);
    assert_eq!(rivals(namespaces(&["a", "b"], &[]), namespaces(&["*"], &["a", "b"])), none);
    // A rule for some pods goes before one for the others, whatever that one leaves out.
    assert_eq!(rivals(namespaces(&["prod"], &[]), namespaces(&[], &["test"])), none);
}

#[test]
fn rules_that_may_be_about_the_same_pod_are_rivals() {
    let rivalry = ["a and b: old.example"];
    assert_eq!(rivals(Namespaces::default(), Namespaces::default()), rivalry);
    assert_eq!(rivals(namespaces(&["prod"], &[]), namespaces(&["prod"], &[])), rivalry);
    assert_eq!(rivals(namespaces(&["prod"], &[]), namespaces(&["pr*"], &[])), rivalry);
    assert_eq!(rivals(namespaces(&["a-*"], &[]), namespaces(&["*-b"], &[])), rivalry);
    assert_eq!(rivals(namespaces(&["a", "b"], &[]), namespaces(&["*"], &["a"])), rivalry);
    // A pull for no pod is about both.
    assert_eq!(rivals(namespaces(&[], &["a"]), namespaces(&[], &["b"])), rivalry);
    assert_eq!(rivals(Namespaces::default(), namespaces(&[], &["*"])), rivalry);
}

#[test]
fn a_rule_of_many_rivals_is_told_of_the_first() {
    let rules = ["a", "b", "c", "d"].map(|name| rule(name, &["old.example"], &["x.example"]));
    assert_eq!(conflicts(rules.into()), ["a and b: old.example", "a and c: old.example", "a and d: old.example"]);
}

#[test]
fn a_built_in_rule_is_nobodys_rival() {
    let kubernetes = builtin::rule(builtin::KUBERNETES).unwrap();
    let ours = rule("ours", &["k8s.gcr.io"], &["registry.k8s.io"]);
    assert_eq!(conflicts(vec![kubernetes.clone(), ours.clone()]), [""; 0]);
    let table = Table::new(vec![kubernetes, ours]).unwrap();
    let [replaced] = table.replaced() else { panic!("{:?}", table.replaced()) };
    assert_eq!((replaced.builtin.as_str(), replaced.by.as_str()), ("kubernetes", "ours"));
}

#[test]
fn a_target_that_another_rule_rewrites_is_refused() {
    for (target, by) in [
        ("mid.example", "mid.example"),
        ("MID.example:443", "mid.example"),
        ("mid.example", "Mid.example:443"),
        // All of the target, a part of it, or just one name in it.
        ("mid.example/a/b", "mid.example/a"),
        ("mid.example/a", "mid.example/a"),
        ("mid.example/a", "mid.example/a/b"),
        ("mid.example", "mid.example/a/b/c"),
        // By a star, too.
        ("mid.example", "*.example"),
        ("x.mid.example/a", "*.mid.example"),
        ("x.mid.example/a", "*.example/a"),
        ("x.mid.example", "*.mid.example/a/b"),
        ("mid.example:5000", "*.example:5000"),
        // Docker Hub by any of its names. A repository of one component lies in `library`.
        ("docker.io", "INDEX.docker.io"),
        ("index.docker.io/a", "docker.io/a"),
        ("docker.io/a", "*.io"),
        ("docker.io/a", "docker.io/library"),
        ("docker.io/a", "docker.io/library/a"),
    ] {
        let found = conflicts(vec![rule("a", &["old.test"], &["ok.test", target]), rule("b", &[by], &["new.test"])]);
        assert_eq!(found, [format!("a to {target} by b")], "{target} {by}");
    }
}

#[test]
fn a_target_beside_what_other_rules_rewrite_is_allowed() {
    for (target, beside) in [
        ("mid.example", "mid.example:5000"),
        ("mid.example/a", "mid.example/b"),
        ("mid.example/a", "mid.example/ab"),
        ("mid.example", "*.mid.example"),
        ("amid.example", "*.mid.example"),
        ("mid.example/a", "*.example/b"),
        ("docker.io/a", "docker.io/library/b"),
        ("docker.io/a/b", "docker.io/library"),
    ] {
        let found = conflicts(vec![rule("a", &["old.test"], &[target]), rule("b", &[beside], &["new.test"])]);
        assert_eq!(found, [""; 0], "{target} {beside}");
    }
}

#[test]
fn a_target_that_its_own_rule_matches_is_refused() {
    assert_eq!(conflicts(vec![rule("a", &["old.example"], &["old.example"])]), ["a to old.example by a"]);
    assert_eq!(conflicts(vec![rule("a", &["*.example"], &["mirror.example/x"])]), ["a to mirror.example/x by a"]);
    assert_eq!(conflicts(vec![rule("a", &["old.example/a"], &["old.example"])]), ["a to old.example by a"]);
    assert_eq!(conflicts(vec![rule("a", &["old.example/a"], &["old.example/b"])]), [""; 0]);
}

#[test]
fn every_target_that_chains_is_told() {
    let found = conflicts(vec![
        rule("a", &["one.test"], &["mid.example", "ok.test", "mid.example/a"]),
        rule("b", &["two.test"], &["mid.example/b"]),
        rule("c", &["mid.example"], &["new.test"]),
    ]);
    assert_eq!(found, ["a to mid.example by c", "a to mid.example/a by c", "b to mid.example/b by c"]);
}

#[test]
fn of_many_that_a_target_chains_to_the_first_is_told() {
    let mut rules = vec![rule("a", &["old.test"], &["mid.example"])];
    rules
        .extend((0..100).map(|number| rule(&format!("b{number}"), &[&format!("mid.example/{number}")], &["new.test"])));
    assert_eq!(conflicts(rules), ["a to mid.example by b0"]);
}

#[test]
fn a_target_that_is_excluded_as_a_whole_does_not_chain() {
    let excluding = |exclude, target| {
        conflicts(vec![Rule { exclude: patterns(&[exclude]), ..rule("a", &["*.example"], &[target]) }])
    };
    for (exclude, target) in [
        ("mirror.example", "mirror.example/x"),
        ("MIRROR.example:443", "mirror.example"),
        ("mirror.example/x", "mirror.example/x"),
        ("*.example/x", "mirror.example/x/y"),
    ] {
        assert_eq!(excluding(exclude, target), [""; 0], "{exclude} {target}");
    }
    for (exclude, target) in [
        // The rest of the target would still be rewritten.
        ("mirror.example/x/y", "mirror.example/x"),
        ("mirror.example/x", "mirror.example"),
        ("mirror.example:5000", "mirror.example"),
        ("*.mirror.example", "mirror.example"),
    ] {
        assert_eq!(excluding(exclude, target), [format!("a to {target} by a")], "{exclude} {target}");
    }
}

#[test]
fn a_single_repository_of_docker_hub_is_excluded_where_the_runtimes_look_for_it() {
    let excluding = |exclude| {
        conflicts(vec![Rule { exclude: patterns(exclude), ..rule("a", &["docker.io", "b.test"], &["docker.io/a"]) }])
    };
    assert_eq!(excluding(&["docker.io/a"]), ["a to docker.io/a by a"]);
    assert_eq!(excluding(&["docker.io/library/a"]), ["a to docker.io/a by a"]);
    assert_eq!(excluding(&["docker.io/a", "docker.io/library/a"]), [""; 0]);
}

#[test]
fn a_target_that_is_watched_or_refused_does_not_chain() {
    for action in [Action::Observe, Action::Deny] {
        let by = Rule { action, ..rule("b", &["mid.example", "*.example/x"], &["new.test"]) };
        assert_eq!(conflicts(vec![rule("a", &["old.test"], &["mid.example/x"]), by]), [""; 0], "{action:?}");
    }
    // What is watched today is rewritten tomorrow.
    let watching = Rule { action: Action::Observe, ..rule("a", &["old.test"], &["mid.example"]) };
    assert_eq!(conflicts(vec![watching, rule("b", &["mid.example"], &["new.test"])]), ["a to mid.example by b"]);
}

#[test]
fn a_rule_that_refuses_pulls_from_nowhere() {
    let refusing = Rule { action: Action::Deny, ..rule("a", &["old.test"], &["mid.example"]) };
    assert_eq!(conflicts(vec![refusing, rule("b", &["mid.example"], &["new.test"])]), [""; 0]);
}

#[test]
fn a_rule_that_stands_back_chains_with_nobody() {
    let kubernetes = || builtin::rule(builtin::KUBERNETES).unwrap();
    let moved = rule("b", &["registry.k8s.io"], &["new.test"]);
    assert_eq!(conflicts(vec![kubernetes(), moved.clone()]), ["kubernetes to registry.k8s.io by b"]);
    assert_eq!(conflicts(vec![kubernetes(), moved, rule("c", &["k8s.gcr.io"], &["new.test"])]), [""; 0]);
    assert_eq!(
        conflicts(vec![kubernetes(), rule("c", &["old.test"], &["k8s.gcr.io/x"])]),
        ["c to k8s.gcr.io/x by kubernetes"]
    );
}

#[test]
fn a_conflict_says_what_to_do() {
    let texts = [
        Conflict::Twice { first: "a".into(), second: "b".into(), place: "old.example".into() }.to_string(),
        Conflict::Chain { rule: "a".into(), target: "mid.example".into(), by: "b".into() }.to_string(),
    ];
    assert_eq!(
        texts,
        [
            "rules `a` and `b` both match `old.example`: keep one of them, or tell them apart by `namespaces`",
            "rule `a` pulls from `mid.example`, which rule `b` matches: rules do not chain, so name in `a` the registry that serves in the end, or `exclude` `mid.example` from `b`",
        ]
    );
}

#[test]
fn ten_thousand_rules_are_put_together() {
    // Of one registry and of many, with stars, a shared target and a place that all of them have to look through.
    let mut rules: Vec<_> = (0..10_000)
        .map(|number| {
            let pattern = match number % 4 {
                0 => format!("r{number}.example"),
                1 => format!("old.example/team/p{number}"),
                2 => format!("*.r{number}.example:5000/a/b"),
                _ => format!("old.example/p{number}/x/y"),
            };
            rule(&format!("rule-{number}"), &[&pattern], &["new.test", &format!("new.test/m{number}")])
        })
        .collect();
    rules.extend((0..5_000).map(|number| {
        let pattern = format!("new.test/watched/p{number}");
        Rule { action: Action::Observe, ..rule(&format!("watch-{number}"), &[&pattern], &[]) }
    }));
    let table = Table::new(rules).unwrap();
    let decided = |image| table.decide(Reference::parse(image).unwrap(), None).map(|found| found.rule.name.as_str());
    assert_eq!(decided("r9996.example/x"), Some("rule-9996"));
    assert_eq!(decided("old.example/team/p9997/x"), Some("rule-9997"));
    assert_eq!(decided("x.r9998.example:5000/a/b/c"), Some("rule-9998"));
    assert_eq!(decided("old.example/p9999/x/y/z"), Some("rule-9999"));
    assert_eq!(decided("old.example/p9999/x"), None);
}

#[test]
fn ten_thousand_rivals_are_told_of() {
    let rules: Vec<_> = (0..10_000).map(|number| rule(&number.to_string(), &["old.example"], &["new.test"])).collect();
    assert_eq!(conflicts(rules).len(), 9_999);
}
