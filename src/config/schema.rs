//! The table of keys as a JSON Schema, by which editors complete and check `repoint.toml`.

use super::keys::{self, Key, Table, Unsaid};
use super::kind::Kind;
use serde_json::{Map, Value, json};

/// The schema, in the draft of 2020-12.
pub fn schema() -> Value {
    let mut schema = table(&keys::TOP);
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("repoint"));
    schema.insert("description".to_owned(), json!("The configuration of repoint, and its drop-ins."));
    Value::Object(schema)
}

fn table(table: &Table) -> Map<String, Value> {
    let properties: Map<String, Value> = table.keys.iter().map(|key| (key.name.to_owned(), described(key))).collect();
    let required: Vec<_> = table.keys.iter().filter(|key| key.unsaid == Unsaid::Required).map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    if !table.one_of.is_empty() {
        let each: Vec<_> = table.one_of.iter().map(|name| json!({ "required": [name] })).collect();
        schema.insert("oneOf".to_owned(), json!(each));
    }
    schema
}

fn described(key: &Key) -> Value {
    let mut schema = kind(key.kind);
    let about = match key.unsaid {
        Unsaid::Required | Unsaid::Default(_) => key.about.to_owned(),
        Unsaid::Unset(then) => format!("{} Not set: {then}.", key.about),
    };
    schema.insert("description".to_owned(), json!(about));
    if let Unsaid::Default(default) = key.unsaid
        && let Some(default) = json_of(default)
    {
        schema.insert("default".to_owned(), default);
    }
    Value::Object(schema)
}

fn kind(kind: Kind) -> Map<String, Value> {
    let schema = match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Name => json!({ "type": "string", "minLength": 1 }),
        Kind::FileName => json!({ "type": "string", "pattern": "^[^/]+$" }),
        Kind::Socket => json!({ "type": "string", "pattern": "^(unix://)?/" }),
        Kind::Path => json!({ "type": "string", "pattern": "^/" }),
        Kind::Wait | Kind::Time => json!({ "type": "string", "examples": ["500ms", "5s", "2m", "12h"] }),
        Kind::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Percent => json!({ "type": "number", "minimum": 0, "maximum": 100 }),
        Kind::Moment => json!({ "type": "string", "pattern": MOMENT }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Image => json!({ "type": "string", "minLength": 1, "examples": ["k8s.gcr.io/pause:3.9"] }),
        Kind::Alias => json!({ "type": "string", "enum": keys::aliases().collect::<Vec<_>>() }),
        Kind::Pattern => json!({ "type": "string", "pattern": PATTERN }),
        Kind::Location => json!({ "type": "string", "pattern": LOCATION }),
        Kind::Namespace => json!({ "type": "string", "pattern": NAMESPACE }),
        Kind::Target(target) => json!({ "oneOf": [kind_value(Kind::Location), table(target)] }),
        Kind::List(item) => json!({ "type": "array", "items": kind_value(*item) }),
        Kind::Variables => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Table(own) => Value::Object(table(own)),
        Kind::Named(own) => json!({ "type": "object", "additionalProperties": table(own) }),
        Kind::Tables(own) => json!({ "type": "array", "items": table(own) }),
    };
    schema.as_object().cloned().unwrap_or_default()
}

fn kind_value(of: Kind) -> Value {
    Value::Object(kind(of))
}

/// A TOML date is a string to editors.
const MOMENT: &str = r"^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:\d{2}))?$";
// No more than the characters: the grammar of references is longer than a person wants to read in a warning.
const PATTERN: &str = r"^(\*\.)?[A-Za-z0-9._:\[\]-]+(/[a-z0-9._-]+)*$";
const LOCATION: &str = r"^[A-Za-z0-9._:\[\]-]+(/[a-z0-9._-]+)*$";
const NAMESPACE: &str = r"^[a-z0-9*?]([a-z0-9*?-]*[a-z0-9*?])?$";

/// A value of TOML that has no dates in it.
fn json_of(toml: &str) -> Option<Value> {
    let document: Map<String, Value> = toml::from_str(&format!("value = {toml}")).ok()?;
    document.into_iter().next().map(|(_, value)| value)
}
