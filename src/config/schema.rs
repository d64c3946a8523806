//! The table of keys as a JSON Schema, by which editors complete and check `repoint.toml`.

use super::keys::{self, Key, Table, Unsaid};
use super::kind::Kind;
use crate::rules::{Action, Credentials};
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
    if key.unsaid == Unsaid::Required && matches!(key.kind, Kind::List(_)) {
        schema.insert("minItems".to_owned(), json!(1));
    }
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
        Kind::FileName => json!({ "type": "string", "pattern": "^[^/]+$", "not": { "enum": [".", ".."] } }),
        Kind::Socket => json!({ "type": "string", "pattern": "^(unix://)?/" }),
        Kind::Tcp => json!({ "type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]+$" }),
        Kind::Account => json!({ "oneOf": [
            { "type": "string", "minLength": 1 },
            { "type": "integer", "minimum": 0, "maximum": keys::LARGEST_ID },
        ] }),
        Kind::Mode => json!({ "type": "string", "pattern": "^0?[0-7]{3}$" }),
        Kind::Path => json!({ "type": "string", "pattern": "^/" }),
        Kind::Wait => json!({ "type": "string", "pattern": TIME, "examples": TIMES }),
        Kind::Time => json!({ "type": "string", "pattern": TIME, "not": { "pattern": NO_TIME }, "examples": TIMES }),
        Kind::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Truth => json!({ "type": "boolean" }),
        Kind::Percent => json!({ "type": "number", "minimum": 0, "maximum": 100 }),
        Kind::Moment => json!({ "type": "string", "pattern": MOMENT }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Image => json!({ "type": "string", "minLength": 1, "examples": ["k8s.gcr.io/pause:3.9"] }),
        Kind::Alias => json!({ "type": "string", "enum": keys::aliases().collect::<Vec<_>>() }),
        Kind::Pattern => json!({ "type": "string", "pattern": PATTERN }),
        Kind::Location => json!({ "type": "string", "pattern": LOCATION }),
        Kind::Namespace => json!({ "type": "string", "pattern": NAMESPACE }),
        Kind::Target(target) => json!({ "oneOf": [kind_value(Kind::Location), table(target)] }),
        Kind::List(Kind::Alias) => json!({ "type": "array", "items": kind_value(Kind::Alias), "uniqueItems": true }),
        Kind::List(item) => json!({ "type": "array", "items": kind_value(*item) }),
        Kind::Variables => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[^=]+$" },
            "additionalProperties": { "type": "string", "not": { "const": keys::HIDDEN } },
        }),
        Kind::Labels => json!({
            "type": "object",
            "maxProperties": keys::MOST_LABELS,
            "propertyNames": { "minLength": 1, "maxLength": keys::LONGEST_LABEL.0 },
            "additionalProperties": { "type": "string", "maxLength": keys::LONGEST_LABEL.1 },
        }),
        Kind::Table(own) => Value::Object(table(own)),
        Kind::Named(own) => json!({
            "type": "object",
            "propertyNames": { "minLength": 1, "not": { "enum": OWN.map(|own| own.name().to_owned()) } },
            "additionalProperties": source(own),
        }),
        Kind::Tables(own) => json!({ "type": "array", "items": rule(own) }),
    };
    schema.as_object().cloned().unwrap_or_default()
}

/// A source of credentials: what is about a provider needs one.
fn source(keys: &Table) -> Value {
    let needs: Map<_, _> = keys::OF_PROVIDERS.iter().map(|name| ((*name).to_owned(), json!(["provider"]))).collect();
    let mut schema = table(keys);
    schema.insert("dependentRequired".to_owned(), Value::Object(needs));
    Value::Object(schema)
}

/// A rule: one that rewrites has targets, and one that denies has no failures to speak of.
fn rule(keys: &Table) -> Value {
    let acts = |actions: &[Action]| {
        let actions: Vec<_> = actions.iter().map(|action| action.as_str()).collect();
        json!({ "properties": { "action": { "enum": actions } }, "required": ["action"] })
    };
    let mut schema = table(keys);
    schema.insert(
        "allOf".to_owned(),
        json!([
            {
                // It rewrites if nothing is said.
                "if": acts(&[Action::Observe, Action::Deny]),
                "else": { "properties": { "targets": { "minItems": 1 } }, "required": ["targets"] },
            },
            { "if": acts(&[Action::Deny]), "then": { "properties": { "on_failure": false } } },
        ]),
    );
    Value::Object(schema)
}

fn kind_value(of: Kind) -> Value {
    Value::Object(kind(of))
}

/// What has a meaning of its own where a source is named.
const OWN: [Credentials; 2] = [Credentials::None, Credentials::Forward];
const TIMES: [&str; 4] = ["500ms", "5s", "2m", "12h"];
// Not their units to the letter, of which there are thirty: these begin so, and those that are no times don't.
const TIME: &str =
    r"^\+?(([0-9]+([.,][0-9]+)?\s*[hmsuµn][a-z]*(,\s+|\s*))+|[Pp][Tt][0-9.,HhMmSs]+|[0-9]+:[0-9]+:[0-9.,]+)$";
const NO_TIME: &str = "^[^1-9]*$";
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
