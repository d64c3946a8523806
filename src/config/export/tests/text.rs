//! What is written, to the letter.

use super::super::{MARK, View, hosts, policy, registries};
use super::table;
use crate::rules::corpus::{namespaces, patterns, rule};
use crate::rules::{Action, OnFailure, Rule};
use jiff::Timestamp;

/// The text behind the mark and the comments on losses.
fn body(text: &str) -> &str {
    let rest = text.strip_prefix(MARK).unwrap().trim_start_matches('\n');
    let comments: usize =
        rest.lines().take_while(|line| line.starts_with("# Not said")).map(|line| line.len() + 1).sum();
    &rest[comments..]
}

fn view(table: &crate::rules::Table) -> View<'_> {
    View { rules: table, now: Timestamp::UNIX_EPOCH }
}

#[test]
fn a_rule_that_fails_never_leads_containerd_to_the_old_registry() {
    let table = table(vec![rule("r", &["old.example:5000"], &["a.example", "localhost:5001/x"])]);
    let exported = hosts(view(&table));
    assert_eq!(exported.files[0].path.to_str(), Some("old.example_5000_/hosts.toml"));
    let expected = r#"# rule `r` for old.example:5000
server = "http://localhost:5001/v2/x"
capabilities = ["pull", "resolve"]
override_path = true

[host."https://a.example"]
capabilities = ["pull", "resolve"]
"#;
    assert_eq!(body(&exported.files[0].text), expected);
}

#[test]
fn a_rule_that_falls_back_leaves_containerd_its_own_server() {
    let table = table(vec![Rule { on_failure: OnFailure::Original, ..rule("r", &["docker.io"], &["a.example/hub"]) }]);
    let expected = r#"# rule `r` for docker.io

[host."https://a.example/v2/hub"]
capabilities = ["pull", "resolve"]
override_path = true
"#;
    assert_eq!(body(&hosts(view(&table)).files[0].text), expected);
}

#[test]
fn an_exclusion_is_an_entry_that_leads_to_itself() {
    let excluding =
        Rule { exclude: patterns(&["old.example/keep"]), ..rule("r", &["old.example"], &["a.example/x", "b.example"]) };
    let deny = Rule { action: Action::Deny, ..rule("no", &["old.example/bad", "*.bad.example"], &[]) };
    let expected = r#"
# rule `no`
[[registry]]
prefix = "*.bad.example"
blocked = true

# rule `r`
[[registry]]
prefix = "old.example"
location = "b.example"

[[registry.mirror]]
location = "a.example/x"

# rule `no`
[[registry]]
prefix = "old.example/bad"
location = "old.example/bad"
blocked = true

# excluded: pulled as asked for
[[registry]]
prefix = "old.example/keep"
location = "old.example/keep"
"#;
    assert_eq!(body(&registries(view(&table(vec![excluding, deny]))).files[0].text), expected);
}

#[test]
fn the_policy_says_who_refuses_and_who_warns() {
    let table = table(vec![
        Rule {
            exclude: patterns(&["old.example/keep"]),
            ..rule("move", &["old.example", "*.old.example/a"], &["new.example"])
        },
        Rule {
            namespaces: namespaces(&["team-*"], &["team-b?"]),
            action: Action::Deny,
            ..rule("it's \"bad\"", &["old.example/bad"], &[])
        },
    ]);
    let text = policy(view(&table)).files[0].text.clone();
    let lines =
        |start: &str| text.lines().filter(|line| line.trim().starts_with(start)).map(str::trim).collect::<Vec<_>>();
    let kept = r#"!((n == "old.example/keep" || n.startsWith("old.example/keep/")))"#;
    let team = r#"request.namespace.matches("^team\\-.*$") && !(request.namespace.matches("^team\\-b.$"))"#;
    let bad = format!(r#"((n == "old.example/bad" || n.startsWith("old.example/bad/")) && {team})"#);
    let below =
        r#"n.split("/")[0].endsWith(".old.example") && n.substring(n.split("/")[0].size() + 1).startsWith("a/")"#;
    assert_eq!(
        lines("variables.names.filter"),
        [
            format!(
                r#"variables.names.filter(n, ((n.startsWith("old.example/") && {kept} && !({bad})) || (({below}) && {kept})))"#
            ),
            format!("variables.names.filter(n, {bad})"),
        ]
    );
    assert_eq!(lines("validationActions"), ["validationActions: [Warn, Audit]", "validationActions: [Deny]"]);
    assert_eq!(
        lines("message:"),
        [
            r#"message: "pulled on nodes from new.example by rule move of repoint; name that registry instead""#,
            r#"message: "refused on nodes by rule it's \"bad\" of repoint""#,
        ]
    );
}
