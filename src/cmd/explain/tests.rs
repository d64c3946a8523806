use super::*;
use crate::config;
use crate::rules::corpus::{Case, Set, namespaces, patterns, rule};
use crate::rules::{Action, Credentials, Percent, Rollout, Rule, Table};
use serde_json::Value;

fn standpoint() -> Standpoint {
    Standpoint { node: Position::of("x"), now: jiff::Timestamp::UNIX_EPOCH }
}

fn told(table: &Table, image: &str, namespace: Option<&str>) -> String {
    text::Told(&Explanation::of(image, namespace, table, standpoint())).to_string()
}

fn json(table: &Table, image: &str, namespace: Option<&str>) -> Value {
    serde_json::to_value(Explanation::of(image, namespace, table, standpoint())).unwrap()
}

fn table() -> Table {
    let mut moved = rule("moved", &["old.example"], &["new.example/old", "OLD.example/new", "third.example"]);
    moved.targets[0].credentials = Credentials::Source("mirror".to_owned());
    moved.targets[0].timeout = Some(std::time::Duration::from_secs(120));
    moved.targets[2].credentials = Credentials::Forward;
    moved.exclude = patterns(&["old.example/new"]);
    let later =
        Rollout { percent: Percent::from_hundredths(2_500).unwrap(), from: "2026-12-01T00:00:00Z".parse().ok() };
    Table::new(vec![
        moved,
        Rule {
            exclude: patterns(&["old.example/team/kept"]),
            ..rule("team", &["old.example/team"], &["team.example"])
        },
        Rule { namespaces: namespaces(&["a"], &[]), ..rule("some", &["old.example/team"], &["some.example"]) },
        Rule { action: Action::Deny, ..rule("no", &["bad.example"], &[]) },
        Rule { rollout: later, ..rule("later", &["late.example"], &["new.example"]) },
        rule("ours", &["k8s.gcr.io"], &["mine.example"]),
        crate::rules::builtin::rule(crate::rules::builtin::KUBERNETES).unwrap(),
    ])
    .unwrap()
}

#[test]
fn what_is_explained_is_what_is_decided() {
    for set in Set::ALL {
        let table = set.table();
        for case in Case::all().filter(|case| case.set == *set) {
            let image = case.image();
            let told = json(&table, &image, case.namespace);
            let Ok(reference) = crate::reference::Reference::parse(&image) else {
                assert_eq!(told["decision"], Value::Null);
                assert_ne!(told["kind"], "reference");
                continue;
            };
            let decided = table.decide(reference, case.namespace);
            assert_eq!(told["decision"]["rule"].as_str(), decided.map(|found| found.rule.name.as_str()), "{image}");
            let others = told["passed_over"].as_array().unwrap().len();
            assert_eq!(others + usize::from(decided.is_some()), table.matches(reference).len(), "{image}");
        }
    }
}

#[test]
fn the_deciding_rule_is_told_with_all_that_follows_from_it() {
    let expected = "\
old.example/team/kept:1
  reads as     registry old.example, path team/kept, tag 1
  for pods of  b
  rule         `moved`, by its pattern old.example
  action       rewrite
  asks 1       new.example/old/team/kept:1
               with credentials of `mirror`; those of the call are dropped; for 120 s at most
  asks 2       OLD.example/new/team/kept:1
               with those of the call, since the registry is the same
  asks 3       third.example/team/kept:1
               with those of the call, forwarded
  if all fail  it fails, with what the first one said
  not by       `some` (old.example/team): it is about pods of other namespaces
               `team` (old.example/team): it excludes old.example/team/kept
  looked for   as some.example/kept:1
               as new.example/old/team/kept:1
               as OLD.example/new/team/kept:1
               as third.example/team/kept:1
               as old.example/team/kept:1
";
    assert_eq!(told(&table(), "old.example/team/kept:1", Some("b")), expected);
}

#[test]
fn what_has_not_reached_this_node_is_observed_and_it_is_said_why() {
    let expected = "\
late.example/x
  reads as     registry late.example, path x, tag latest (implied)
  rule         `later`, by its pattern late.example
  action       observe for now: rewrite has not reached this node
               for 25 % of the nodes; this one has its turn above 75.66 %
               from 2026-12-01T00:00:00Z on
  would ask 1  new.example/x
               without credentials: those of the call are dropped
  then         as asked for; what would have become of it is recorded
  looked for   as late.example/x
";
    assert_eq!(told(&table(), "late.example/x", None), expected);
}

#[test]
fn a_refusal_asks_nobody_and_a_built_in_rule_stands_back() {
    let expected = "\
bad.example/x:1
  reads as     registry bad.example, path x, tag 1
  rule         `no`, by its pattern bad.example
  action       deny
               the pull is refused, and nobody is asked
  looked for   as bad.example/x:1
";
    assert_eq!(told(&table(), "bad.example/x:1", None), expected);
    let back = told(&table(), "k8s.gcr.io/x:1", None);
    assert!(
        back.contains("stands back  the built-in rule `kubernetes` for k8s.gcr.io: `ours` is for the same"),
        "{back}"
    );
}

#[test]
fn what_was_implied_and_what_is_no_reference_is_said() {
    let parts = &json(&table(), "busybox", None)["reference"];
    assert_eq!(parts["path"], "library/busybox");
    assert_eq!(parts["implied"], serde_json::json!(["registry", "library", "tag"]));
    let invalid = json(&table(), "a.example/B", None);
    assert_eq!(invalid["kind"], "invalid");
    assert_eq!(invalid["error"]["at"], 10);
    assert_eq!(told(&table(), "a\u{1b}[2J", None), "a\\u{1b}[2J\n  invalid      malformed repository path at byte 1\n");
    let id = format!("sha256:{}", "0".repeat(64));
    assert_eq!(json(&table(), &id, None)["kind"], "id");
    assert!(told(&table(), &id, None).contains("never touched"));
}

/// What is printed for these images, the first of which may stand for lines of `input`.
fn run_on(images: &[&str], input: &[u8], json: bool) -> (Result<(), Undone>, String) {
    let source = config::load(Some(std::path::Path::new("/dev/null")));
    let settings = config::settings(&Serve::default(), &source).unwrap();
    let images = images.iter().map(|&image| image.to_owned()).collect();
    let options = Explain { images, namespace: None, config: None, json };
    let mut output = Vec::new();
    let done = explain(&options, &settings, jiff::Timestamp::UNIX_EPOCH, &mut { input }, &mut output);
    (done, String::from_utf8(output).unwrap())
}

#[test]
fn an_invalid_reference_ends_in_an_error_and_the_others_are_explained() {
    let (done, output) = run_on(&["-", "k8s.gcr.io/b"], b"k8s.gcr.io/A\n\n  k8s.gcr.io/a \n", true);
    assert_eq!(done.unwrap_err().to_string(), "1 of 3 references are invalid");
    let lines: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rules: Vec<_> = lines.iter().map(|line| line["decision"]["rule"].as_str()).collect();
    assert_eq!(rules, [None, Some("kubernetes"), Some("kubernetes")]);
    let (done, output) = run_on(&["-"], b"k8s.gcr.io/\xff\r\nk8s.gcr.io/a", false);
    assert_eq!(done.unwrap_err().to_string(), "1 of 2 references are invalid");
    assert!(output.starts_with("k8s.gcr.io/\u{fffd}\n  invalid"), "{output}");
    let (done, output) = run_on(&["k8s.gcr.io/a", "b"], b"", false);
    done.unwrap();
    assert_eq!(output.matches("\n\n").count(), 1, "{output}");
}

#[test]
fn the_fields_are_a_promise() {
    let told = json(&table(), "old.example/team/x:1", None);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let all = "image kind error reference namespace decision passed_over stands_back presence";
    assert_eq!(keys(&told), all);
    assert_eq!(keys(&told["reference"]), "registry path tag digest implied");
    let decision = "rule builtin pattern configured_action action rollout targets nameless_targets on_failure";
    assert_eq!(keys(&told["decision"]), decision);
    assert_eq!(keys(&told["decision"]["rollout"]), "percent position from reached");
    assert_eq!(keys(&told["decision"]["targets"][0]), "image credentials of_call timeout_seconds");
    assert_eq!(keys(&told["passed_over"][0]), "rule pattern why by");
    assert_eq!(told["passed_over"][0]["why"], "namespace");
    assert_eq!(told["passed_over"][1]["why"], "shorter_pattern");
}
