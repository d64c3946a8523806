//! What is shipped for those who watch repoint names what is there, and what is there is explained.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorSelector};
use repoint::metrics::{
    Alias, Answered, Attempt, AttemptTime, Config, ConfigReload, ConnectionRefused, Denied, Metrics, Moment, Observed,
    Presence, RegistryFailures, SandboxImage, Sink, Substitution, Unread,
};
use serde_json::{Value, json};

use crate::support::catalogue::Catalogue;
use crate::support::page::{Page, read_by_prometheus};
use crate::support::yaml;

const DASHBOARD: &str = "packaging/grafana/repoint.json";
const ALERTS: &str = "packaging/prometheus/repoint.rules.yaml";
const DETECTOR: &str = "packaging/node-problem-detector/repoint.json";

/// Labels that Prometheus puts on what it scrapes.
const SCRAPED: [&str; 2] = ["instance", "job"];

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn json_of(file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(shipped(file)).unwrap()).unwrap()
}

/// A page with everything on it that can be.
fn everything() -> String {
    let metrics = Metrics::default();
    let name = || "x".to_owned();
    metrics.start(Timestamp::UNIX_EPOCH);
    metrics.reloaded("loaded", Timestamp::UNIX_EPOCH);
    for outcome in Substitution::OUTCOMES {
        metrics.substitutions.get_or_create(&Substitution { rule: name(), outcome }).inc();
    }
    for outcome in Observed::OUTCOMES {
        metrics.observed.get_or_create(&Observed { rule: name(), outcome }).inc();
    }
    for outcome in Attempt::OUTCOMES {
        metrics.attempts.get_or_create(&Attempt { target: name(), outcome }).inc();
    }
    for outcome in Alias::OUTCOMES {
        metrics.aliases.get_or_create(&Alias { rule: name(), outcome }).inc();
    }
    for answer in Presence::ANSWERS {
        metrics.presence.get_or_create(&Presence { answer }).inc();
    }
    for outcome in ConfigReload::OUTCOMES {
        metrics.config_reloads.get_or_create(&ConfigReload { outcome }).inc();
    }
    for reason in ConnectionRefused::REASONS {
        metrics.connections_refused.get_or_create(&ConnectionRefused { reason }).inc();
    }
    for code in repoint::metrics::Call::CODES.into_iter().chain([repoint::metrics::Call::RESET]) {
        metrics.calls.get_or_create(&repoint::metrics::Call { method: "Version", code }).inc();
    }
    metrics.calls.get_or_create(&repoint::metrics::Call { method: repoint::metrics::Call::OTHER, code: "OK" }).inc();
    for source in Config::SOURCES {
        metrics.config.get_or_create(&Config { hash: name(), source }).set(1);
    }
    metrics.denied.get_or_create(&Denied { rule: name() }).inc();
    metrics.times.attempts.get_or_create(&AttemptTime { target: name() }).observe(1.0);
    metrics.registry_failures.get_or_create(&RegistryFailures { registry: name() }).set(1);
    metrics.sandbox_images.get_or_create(&SandboxImage { outcome: "present" }).inc();
    metrics.unread.get_or_create(&Unread { reason: "empty" }).inc();
    metrics.answered.get_or_create(&Answered { reason: "late" }).inc();
    metrics.sink_failures.get_or_create(&Sink { sink: "stdout" }).inc();
    metrics.encode(&Moment { last_call: Some(Timestamp::UNIX_EPOCH), audit_room: Some(1) }).unwrap()
}

#[test]
fn the_documentation_has_every_metric_as_it_is() {
    let text = everything();
    let page = Page::read(&text);
    let source = fs::read_to_string(shipped("src/metrics/mod.rs")).unwrap();
    assert_eq!(page.families.len(), source.matches("registry.register").count(), "`everything` lacks one: {text}");
    if let Some(families) = read_by_prometheus(&text) {
        assert_eq!(families, page.families.len(), "{text}");
    }
    let catalogue = Catalogue::read();
    let mut documented: BTreeSet<&str> = catalogue.rows().iter().map(|row| row.name.as_str()).collect();
    assert_eq!(documented.len(), catalogue.rows().len(), "one is there twice");
    for family in &page.families {
        for sample in &family.samples {
            let row = catalogue.of(&sample.name).unwrap_or_else(|| panic!("{} is not documented", sample.name));
            documented.remove(row.name.as_str());
            assert_eq!(row.kind, family.kind, "{}", row.name);
            let labels: BTreeSet<_> = sample.labels.keys().filter(|label| *label != "le").collect();
            assert_eq!(labels, row.labels.keys().collect(), "{}", row.name);
            for (label, value) in &sample.labels {
                assert!(row.may_have(label, value), "{}: {label} may not be {value:?}", sample.name);
            }
        }
    }
    assert_eq!(documented, BTreeSet::new(), "they are documented, and are not there");
    // And no value too many, where there is a list of them.
    for (name, label, values) in [
        ("repoint_substitutions_total", "outcome", &Substitution::OUTCOMES[..]),
        ("repoint_observed_total", "outcome", &Observed::OUTCOMES),
        ("repoint_attempts_total", "outcome", &Attempt::OUTCOMES),
        ("repoint_aliases_total", "outcome", &Alias::OUTCOMES),
        ("repoint_presence_answers_total", "answer", &Presence::ANSWERS),
        ("repoint_config_reloads_total", "outcome", &ConfigReload::OUTCOMES),
        ("repoint_config_info", "source", &Config::SOURCES),
        ("repoint_connections_refused_total", "reason", &ConnectionRefused::REASONS),
    ] {
        let row = catalogue.of(name).unwrap();
        assert_eq!(row.labels[label].as_deref().unwrap(), values, "{name}");
    }
}

/// An expression that names what is there, and the labels that its result has.
fn labels_of(expression: &str) -> BTreeSet<String> {
    // What Grafana puts in their place.
    let expression =
        expression.replace("$__rate_interval", "5m").replace("$__range", "6h").replace("$node", "node-1|node-2");
    let parsed = parser::parse(&expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    yields(&parsed, &Catalogue::read(), &expression)
}

fn yields(expression: &Expr, catalogue: &Catalogue, whole: &str) -> BTreeSet<String> {
    let inner = |expression: &Expr| yields(expression, catalogue, whole);
    match expression {
        Expr::Aggregate(AggregateExpr { expr, modifier, op, .. }) => {
            let there = inner(expr);
            let by = match modifier {
                Some(LabelModifier::Include(by)) => by.labels.iter().cloned().collect::<BTreeSet<_>>(),
                Some(LabelModifier::Exclude(_)) => panic!("{whole}: say what is left"),
                // These two choose, and change nothing.
                None if ["topk", "bottomk"].contains(&op.to_string().as_str()) => there.clone(),
                None => BTreeSet::new(),
            };
            assert!(by.is_subset(&there), "{whole}: by {by:?}, of {there:?}");
            by
        }
        Expr::Binary(BinaryExpr { lhs, rhs, .. }) => {
            let (left, right) = (inner(lhs), inner(rhs));
            if matches!(**lhs, Expr::NumberLiteral(_) | Expr::Call(_)) && left.is_empty() { right } else { left }
        }
        Expr::Paren(paren) => inner(&paren.expr),
        Expr::Unary(unary) => inner(&unary.expr),
        Expr::Call(Call { func, args }) => {
            let mut labels: BTreeSet<String> = args.args.iter().flat_map(|argument| inner(argument)).collect();
            match func.name {
                "histogram_quantile" => assert!(labels.remove("le"), "{whole}: of no histogram"),
                "absent" => labels.clear(),
                _ => {}
            }
            labels
        }
        Expr::VectorSelector(selector) => selected(selector, catalogue, whole),
        Expr::MatrixSelector(matrix) => selected(&matrix.vs, catalogue, whole),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => BTreeSet::new(),
        Expr::Subquery(_) | Expr::Extension(_) => panic!("{whole}: this is not looked at"),
    }
}

/// The labels of what is selected, which is there.
fn selected(selector: &VectorSelector, catalogue: &Catalogue, whole: &str) -> BTreeSet<String> {
    let name = selector.name.as_deref().unwrap_or_else(|| panic!("{whole}: no name"));
    let scraped = SCRAPED.map(str::to_owned).into_iter().collect::<BTreeSet<_>>();
    let row = catalogue.of(name);
    assert!(row.is_some() || name == "up", "{whole}: there is no {name}");
    for Matcher { op, name: label, value } in &selector.matchers.matchers {
        if scraped.contains(label) {
            continue;
        }
        let row = row.unwrap_or_else(|| panic!("{whole}: {name} has no {label}"));
        let values: Vec<&str> = match op {
            MatchOp::Equal | MatchOp::NotEqual => vec![value],
            MatchOp::Re(_) | MatchOp::NotRe(_) => value.split('|').collect(),
        };
        for value in values {
            assert!(row.may_have(label, value), "{whole}: {name} has no {label} {value:?}");
        }
    }
    let of_form = name.ends_with("_bucket").then(|| "le".to_owned());
    scraped.into_iter().chain(row.into_iter().flat_map(|row| row.labels.keys().cloned())).chain(of_form).collect()
}

/// The words between these two.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap().trim()).collect()
}

#[test]
fn the_dashboard_shows_what_is_there() {
    let dashboard = json_of(DASHBOARD);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let named: Vec<_> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["datasource", "node"]);
    assert_eq!(variables[0]["query"], "prometheus");
    let query = variables[1]["query"]["query"].as_str().unwrap();
    let [asked] = between(query, "label_values(", ",")[..] else { panic!("{query}") };
    assert!(labels_of(asked).contains("instance"));

    let (mut ids, mut used) = (BTreeSet::new(), String::new());
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24, "{title}");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{title} lies over another");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let expression = target["expr"].as_str().unwrap();
            assert!(expression.contains("$node"), "{title}: of all nodes, whichever were chosen");
            let labels = labels_of(expression);
            for label in between(target["legendFormat"].as_str().unwrap(), "{{", "}}") {
                assert!(labels.contains(label), "{title}: {expression} has no {label}");
            }
            used.push_str(expression);
        }
    }
    // Whoever looks for something finds it here.
    for row in Catalogue::read().rows() {
        assert!(used.contains(&row.name), "{} is nowhere", row.name);
    }
}

#[test]
fn the_alerts_watch_what_is_there_and_tell_a_person_what_to_do() {
    let Some(file) = yaml::read(&shipped(ALERTS)) else { return };
    let [group] = &file["groups"].as_array().unwrap()[..] else { panic!("{file}") };
    let mut names = BTreeSet::new();
    for rule in group["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        assert!(is_camel_case(name) && name.starts_with("Repoint") && names.insert(name), "{name}");
        let labels = labels_of(rule["expr"].as_str().unwrap());
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{name}");
        if let Some(wait) = rule["for"].as_str() {
            let (number, unit) = wait.split_at(wait.len() - 1);
            assert!(number.parse::<u32>().unwrap() > 0 && ["m", "h"].contains(&unit), "{name}: {wait}");
        }
        let annotations = rule["annotations"].as_object().unwrap();
        assert_eq!(annotations.keys().collect::<BTreeSet<_>>().len(), 2, "{name}");
        let [summary, description] = ["summary", "description"].map(|key| annotations[key].as_str().unwrap());
        assert!(!summary.ends_with('.') && !summary.contains('\n') && summary.len() < 100, "{name}: {summary}");
        assert!(description.ends_with('.') && description.len() > summary.len(), "{name}: {description}");
        for text in [summary, description] {
            for label in between(text, "$labels.", "}}") {
                assert!(labels.contains(label), "{name}: there is no {label} among {labels:?}");
            }
        }
    }
    assert_eq!(names.len(), 12, "{names:?}");
}

fn is_camel_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && name.contains(|c: char| c.is_ascii_lowercase())
}

/// As Go writes it, as far as these files do.
fn duration(text: &str) -> Duration {
    Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap())
}

#[test]
fn the_detector_asks_for_each_check_in_its_time() {
    let file = json_of(DETECTOR);
    let global = &file["pluginConfig"];
    assert_eq!((&file["plugin"], &global["max_output_length"]), (&json!("custom"), &json!(80)));
    let [interval, limit] = ["invoke_interval", "timeout"].map(|key| duration(global[key].as_str().unwrap()));
    assert!(limit < interval, "one is done before the next begins");
    let conditions: Vec<_> = file["conditions"].as_array().unwrap().iter().collect();
    for condition in &conditions {
        let [kind, reason, message] = ["type", "reason", "message"].map(|key| condition[key].as_str().unwrap());
        assert!(is_camel_case(kind) && is_camel_case(reason), "{condition}");
        assert!(message.len() <= 80, "{message}");
    }
    let mut checks = Vec::new();
    for rule in file["rules"].as_array().unwrap() {
        // A temporary problem would be an event a minute, and one for what can't be told as well.
        assert_eq!((&rule["type"], &rule["path"]), (&json!("permanent"), &json!("/usr/bin/repoint")));
        assert!(duration(rule["timeout"].as_str().unwrap()) <= limit, "{rule}");
        assert!(is_camel_case(rule["reason"].as_str().unwrap()), "{rule}");
        let own: Vec<_> = conditions.iter().filter(|condition| condition["type"] == rule["condition"]).collect();
        let [condition] = own[..] else { panic!("{rule}") };
        assert_ne!(condition["reason"], rule["reason"], "well and ill look alike");
        let [status, check, name] = &rule["args"].as_array().unwrap()[..] else { panic!("{rule}") };
        assert_eq!((status, check), (&json!("status"), &json!("--check")));
        checks.push(name.as_str().unwrap());
    }
    assert_eq!(checks, ["kubelet", "audit", "config", "substitutions"]);
    assert_eq!(checks.len(), conditions.len());
}
