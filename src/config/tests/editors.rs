//! The schema, and what `config check` says of the same.

use super::{checked, keys, schema};
use serde_json::{Value, json};

/// The text, as an editor has it: a date is a string.
fn document(text: &str) -> Value {
    fn value(of: toml::Value) -> Value {
        match of {
            toml::Value::Datetime(date) => json!(date.to_string()),
            toml::Value::Array(all) => all.into_iter().map(value).collect(),
            toml::Value::Table(all) => all.into_iter().map(|(key, of)| (key, value(of))).collect(),
            toml::Value::String(text) => json!(text),
            toml::Value::Integer(number) => json!(number),
            toml::Value::Float(number) => json!(number),
            toml::Value::Boolean(truth) => json!(truth),
        }
    }
    value(toml::Value::Table(text.parse().unwrap()))
}

/// Where the document is not what the schema says, by JSON pointers. `pattern` is passed over: it is about single values,
/// and this about what is there beside what.
fn refused(schema: &Value, document: &Value, at: &str) -> Vec<String> {
    let holds = |schema: &Value| refused(schema, document, at).is_empty();
    let mut wrong = Vec::new();
    let Some(said) = schema.as_object() else {
        return if schema == &json!(false) { vec![at.to_owned()] } else { wrong };
    };
    for (keyword, rule) in said {
        let all = || rule.as_array().unwrap().iter();
        let inner: Vec<String> = match (keyword.as_str(), document) {
            ("$schema" | "title" | "description" | "default" | "examples" | "pattern" | "then" | "else", _) => vec![],
            ("type", _) => match (rule.as_str().unwrap(), document) {
                ("object", Value::Object(_)) | ("array", Value::Array(_)) | ("string", Value::String(_)) => vec![],
                ("boolean", Value::Bool(_)) => vec![],
                ("integer", Value::Number(number)) if number.is_i64() => vec![],
                ("number", Value::Number(_)) => vec![],
                _ => vec![at.to_owned()],
            },
            ("enum", _) => {
                if all().any(|one| one == document) {
                    vec![]
                } else {
                    vec![at.to_owned()]
                }
            }
            ("const", _) => {
                if rule == document {
                    vec![]
                } else {
                    vec![at.to_owned()]
                }
            }
            ("not", _) => {
                if rule.get("pattern").is_some() || !holds(rule) {
                    vec![]
                } else {
                    vec![at.to_owned()]
                }
            }
            ("oneOf", _) => {
                if all().filter(|one| holds(one)).count() == 1 {
                    vec![]
                } else {
                    vec![at.to_owned()]
                }
            }
            ("allOf", _) => all().flat_map(|one| refused(one, document, at)).collect(),
            ("if", _) => {
                let then = said.get(if holds(rule) { "then" } else { "else" });
                then.map(|then| refused(then, document, at)).unwrap_or_default()
            }
            ("properties", Value::Object(fields)) => fields
                .iter()
                .filter_map(|(key, field)| Some(refused(rule.get(key)?, field, &format!("{at}/{key}"))))
                .flatten()
                .collect(),
            ("additionalProperties", Value::Object(fields)) => fields
                .iter()
                .filter(|(key, _)| said.get("properties").is_none_or(|known| known.get(key).is_none()))
                .flat_map(|(key, field)| refused(rule, field, &format!("{at}/{key}")))
                .collect(),
            ("propertyNames", Value::Object(fields)) => {
                fields.keys().flat_map(|key| refused(rule, &json!(key), &format!("{at}/{key}"))).collect()
            }
            ("required", Value::Object(fields)) => {
                let missing = all().filter(|key| !fields.contains_key(key.as_str().unwrap()));
                missing.map(|_| at.to_owned()).collect()
            }
            ("dependentRequired", Value::Object(fields)) => {
                let rules = rule.as_object().unwrap().iter().filter(|(key, _)| fields.contains_key(*key));
                let missing = rules.filter(|(_, needed)| {
                    !needed.as_array().unwrap().iter().all(|key| fields.contains_key(key.as_str().unwrap()))
                });
                missing.map(|(key, _)| format!("{at}/{key}")).collect()
            }
            ("items", Value::Array(items)) => {
                let items = items.iter().enumerate();
                items.flat_map(|(number, item)| refused(rule, item, &format!("{at}/{number}"))).collect()
            }
            ("minItems", Value::Array(items)) if (items.len() as u64) < rule.as_u64().unwrap() => vec![at.to_owned()],
            ("uniqueItems", Value::Array(items))
                if items.iter().enumerate().any(|(number, one)| items[..number].contains(one)) =>
            {
                vec![at.to_owned()]
            }
            ("minLength", Value::String(text)) if (text.len() as u64) < rule.as_u64().unwrap() => vec![at.to_owned()],
            ("maxLength", Value::String(text)) if (text.len() as u64) > rule.as_u64().unwrap() => vec![at.to_owned()],
            ("maxProperties", Value::Object(fields)) if (fields.len() as u64) > rule.as_u64().unwrap() => {
                vec![at.to_owned()]
            }
            ("minimum", Value::Number(number)) if number.as_f64() < rule.as_f64() => vec![at.to_owned()],
            ("maximum", Value::Number(number)) if number.as_f64() > rule.as_f64() => vec![at.to_owned()],
            (
                "properties"
                | "additionalProperties"
                | "propertyNames"
                | "required"
                | "dependentRequired"
                | "maxProperties",
                _,
            ) => vec![],
            ("items" | "minItems" | "uniqueItems" | "minLength" | "maxLength" | "minimum" | "maximum", _) => vec![],
            (unknown, _) => panic!("`{unknown}` is not known here"),
        };
        wrong.extend(inner);
    }
    wrong
}

fn told(text: &str) -> Vec<String> {
    let mut told = refused(&schema::schema(), &document(text), "");
    told.sort();
    told.dedup();
    told
}

#[test]
fn the_shipped_file_is_right_to_editors_with_its_examples_too() {
    let text = include_str!("../../../systemd/repoint.toml");
    for marks in ["", "##"] {
        let lines = text.lines().map(|line| line.strip_prefix(marks).unwrap_or(line));
        assert_eq!(told(&lines.collect::<Vec<_>>().join("\n")), [""; 0], "{marks}");
    }
}

#[test]
fn what_is_wrong_to_the_check_is_where_it_is_wrong_to_editors() {
    // The check knows more: what stands elsewhere, and what single values mean.
    assert_eq!(
        told(include_str!("wrong.toml")),
        [
            "/access/allow_uids/0",
            "/access/allow_uids/1",
            "/access/allow_wider",
            "/access/mode",
            "/access/owner",
            "/access/services/1",
            "/audit/file",
            "/audit/journald",
            "/audit/node",
            "/audit/stdout",
            "/builtin_rules",
            "/builtin_rules/0",
            "/colour",
            "/credentials/a b",
            "/credentials/a b/time-out",
            "/credentials/empty",
            "/credentials/empty2/cache",
            "/credentials/harbor/args",
            "/credentials/harbor/args/1",
            "/credentials/none",
            "/drain/calls",
            "/file",
            "/keep_original_name",
            "/lissen",
            "/message_limit_bytes",
            "/rules/0",
            "/rules/0/match",
            "/rules/0/tagrets",
            "/rules/1",
            "/rules/1/match",
            "/rules/2/action",
            "/rules/2/on_failure",
            "/rules/2/targets/2",
            "/rules/2/targets/3",
            "/rules/3",
            "/rules/4/on_failure",
            "/rules/4/percent",
            "/rules/6",
            "/runtime_wait",
        ]
    );
}

#[test]
fn what_is_there_beside_what_is_judged_alike_by_the_check_and_by_editors() {
    let rule = |more: &str| format!("[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\n{more}\n");
    let source = |name: &str, more: &str| format!("[credentials.{name}]\n{more}\n");
    for (text, is_right) in [
        (rule("targets = [\"y.example\"]"), true),
        (rule("targets = [\"y.example\"]\naction = \"rewrite\""), true),
        (rule(""), false),
        (rule("targets = []"), false),
        (rule("action = \"rewrite\""), false),
        (rule("action = \"observe\""), true),
        (rule("action = \"observe\"\ntargets = []\non_failure = \"original\""), true),
        (rule("action = \"deny\""), true),
        (rule("action = \"deny\"\ntargets = [\"y.example\"]"), true),
        (rule("action = \"deny\"\non_failure = \"fail\""), false),
        (rule("action = \"deny\"").replace("\"x.example\"", ""), false),
        (rule("action = \"deny\"\nexclude = []\nnamespaces = []"), true),
        (source("a", "docker_config = \"/x\"\ntimeout = \"1s\""), true),
        (source("a", "provider = \"/x\"\nargs = []\nenv = { A = \"x\" }\ncache = \"1h\""), true),
        (source("a", "systemd = \"x\""), true),
        (source("a", ""), false),
        (source("a", "docker_config = \"/x\"\nsystemd = \"x\""), false),
        (source("a", "systemd = \"x\"\nargs = []"), false),
        (source("a", "systemd = \"x\"\nenv = {}"), false),
        (source("a", "docker_config = \"/x\"\ncache = \"1h\""), false),
        (source("a", "systemd = \"..\""), false),
        (source("a", "provider = \"/x\"\nenv = { A = \"…\" }"), false),
        (source("none", "systemd = \"x\""), false),
        (source("forward", "systemd = \"x\""), false),
        (source("\"\"", "systemd = \"x\""), false),
        (source("nobody", "systemd = \"x\""), true),
        ("builtin_rules = [\"k8s.gcr.io\", \"k8s.gcr.io\"]".to_owned(), false),
        ("builtin_rules = []".to_owned(), true),
    ] {
        assert_eq!(checked(&text).is_ok(), is_right, "{text}");
        assert_eq!(told(&text).is_empty(), is_right, "{text}{:?}", told(&text));
    }
}

#[test]
fn what_only_providers_have_are_keys() {
    assert!(keys::OF_PROVIDERS.iter().all(|name| keys::CREDENTIALS.key(name).is_some()));
}
