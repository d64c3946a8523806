//! Every kind of record is as `docs/audit.schema.json` says, and the schema knows all of it.

use super::record::{
    Attempt, Body, Count, Counters, Event, MOST_PODS, Origin, Outcome, Override, PodRecord, Pull, Record, Reload,
    ReloadOutcome, Start, Switch,
};
use super::record::{SandboxImage, SandboxOutcome, Status, Use};
use crate::cri::Pod;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The part of JSON Schema that ours is written in, which is all that a test of it takes: patterns are only looked at by
/// those who read it.
struct Schema(Value);

impl Schema {
    fn ours() -> Self {
        Self(serde_json::from_str(include_str!("../../docs/audit.schema.json")).unwrap())
    }

    /// Whether a value is as the schema says, which knows these properties of it.
    fn check<'a>(&'a self, schema: &'a Map<String, Value>, value: &Value) -> Result<BTreeSet<&'a str>, String> {
        let mut known = BTreeSet::new();
        for (word, said) in schema {
            let is_so = match word.as_str() {
                "const" => said == value,
                "enum" => said.as_array().unwrap().contains(value),
                "type" => {
                    let types = said.as_array().cloned().unwrap_or_else(|| vec![said.clone()]);
                    types.iter().any(|one| one == kind(value))
                }
                "minimum" => value.as_u64().is_none_or(|value| Some(value) >= said.as_u64()),
                "required" => {
                    let mut names = said.as_array().unwrap().iter();
                    !value.is_object() || names.all(|name| value.get(name.as_str().unwrap()).is_some())
                }
                "$ref" => {
                    let target = self.0.pointer(said.as_str().unwrap().trim_start_matches('#')).unwrap();
                    known.extend(self.check(target.as_object().unwrap(), value)?);
                    true
                }
                "oneOf" => {
                    let branches = said.as_array().unwrap().iter();
                    let mut fitting = branches.filter_map(|branch| self.check(branch.as_object().unwrap(), value).ok());
                    known.extend(fitting.next().ok_or_else(|| format!("no branch of {said} fits {value}"))?);
                    fitting.next().is_none()
                }
                "items" => {
                    let mut items = value.as_array().into_iter().flatten();
                    items.try_for_each(|item| self.whole(said, item))?;
                    true
                }
                "properties" => {
                    for (name, of_it) in said.as_object().unwrap() {
                        known.insert(name.as_str());
                        if let Some(value) = value.get(name) {
                            self.whole(of_it, value).map_err(|error| format!("{name}: {error}"))?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    for value in value.as_object().into_iter().flat_map(Map::values) {
                        self.whole(said, value)?;
                    }
                    return Ok(BTreeSet::from(["*"]));
                }
                "pattern" | "title" | "description" | "$schema" | "$defs" => true,
                other => panic!("`{other}` is not understood here"),
            };
            if !is_so {
                return Err(format!("{value} is not so: {word} {said}"));
            }
        }
        Ok(known)
    }

    /// The same, and there is nothing else to it.
    fn whole(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let known = self.check(schema.as_object().unwrap(), value)?;
        match value.as_object().and_then(|value| value.keys().find(|key| !known.contains(key.as_str()))) {
            Some(unknown) if !known.contains("*") => Err(format!("`{unknown}` is in no schema")),
            Some(_) | None => Ok(()),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn pod() -> PodRecord {
    Pod { namespace: "default".into(), name: "web\n".into(), uid: "u".into() }.into()
}

/// One that says all there is to say, or as little as there may be.
fn pull(is_full: bool, outcome: Option<Outcome>) -> Body {
    let status = || Some(Status { code: 5, message: "no\u{1b}".into() }).filter(|_| is_full);
    let text = || Some("text".to_owned()).filter(|_| is_full);
    let attempt = Attempt {
        image: "m.example/x:1".into(),
        credentials: "none".into(),
        credentials_error: text(),
        status: status(),
        reused: is_full,
        duration: Duration::from_millis(7),
    };
    Body::Pull(Box::new(Pull {
        rule: "r".into(),
        image: "k8s.gcr.io/x:1".into(),
        substitute: text(),
        pod: Some(pod()).filter(|_| is_full),
        api: if is_full { "v1" } else { "v1alpha2" },
        outcome,
        status: if outcome.is_some() { status() } else { None },
        image_ref: text(),
        digest: text(),
        aliases: if is_full { vec!["k8s.gcr.io/x:1".into()] } else { Vec::new() },
        post_freeze: is_full,
        attempts: if is_full { vec![attempt] } else { Vec::new() },
        duration: Duration::ZERO,
    }))
}

fn used(is_full: bool) -> Body {
    let text = || Some("text".to_owned()).filter(|_| is_full);
    Body::Use(Box::new(Use {
        rule: "r".into(),
        image: "k8s.gcr.io/x:1".into(),
        substitute: "m.example/x:1".into(),
        image_ref: text(),
        digest: text(),
        post_freeze: is_full,
        pods: Some(vec![pod(); MOST_PODS]).filter(|_| is_full),
        times: 3,
    }))
}

fn sandbox(is_full: bool) -> Body {
    let text = || Some("text".to_owned()).filter(|_| is_full);
    Body::SandboxImage(Box::new(SandboxImage {
        rule: "r".into(),
        image: "k8s.gcr.io/pause:3.9".into(),
        substitute: text(),
        outcome: if is_full { SandboxOutcome::Failed } else { SandboxOutcome::Present },
        message: text(),
    }))
}

fn bodies(event: Event) -> Vec<Body> {
    let count = |last_call| {
        Body::Count(Box::new(Count { since: Timestamp::UNIX_EPOCH, counters: Counters::default(), last_call }))
    };
    match event {
        Event::Substituted | Event::FellBack => {
            vec![pull(true, Some(Outcome::Pulled)), pull(false, Some(Outcome::Pulled))]
        }
        Event::Failed => vec![pull(true, Some(Outcome::Failed)), pull(false, Some(Outcome::Cancelled))],
        Event::Observed => vec![pull(true, Some(Outcome::Failed)), pull(false, Some(Outcome::Pulled))],
        Event::Denied => vec![pull(true, Some(Outcome::Denied)), pull(false, Some(Outcome::Denied))],
        Event::Intended => vec![pull(true, None), pull(false, None)],
        Event::Used => vec![used(true), used(false)],
        Event::SandboxImage => vec![sandbox(true), sandbox(false)],
        Event::Heartbeat | Event::Stopped => vec![count(None), count(Some(Timestamp::UNIX_EPOCH))],
        Event::Started => {
            let start = |configuration, message: Option<&str>| {
                let message = message.map(str::to_owned);
                Body::Start(Box::new(Start { rules: 1, configuration, message, repaired: 0 }))
            };
            vec![start("files", None), start("last_good", Some("wrong")), start("none", Some("wrong"))]
        }
        Event::Reloaded => {
            let reload = |outcome, message: Option<&str>| {
                Body::Reload(Box::new(Reload { outcome, rules: 1, message: message.map(str::to_owned) }))
            };
            vec![reload(ReloadOutcome::Loaded, None), reload(ReloadOutcome::Refused, Some("wrong"))]
        }
        Event::Overridden => {
            let one = |instead: Option<&'static str>, uid| {
                let until = instead.map(|_| Timestamp::UNIX_EPOCH);
                Body::Override(Box::new(Override { rule: "r".into(), instead, until, uid }))
            };
            vec![one(Some("original"), Some(0)), one(Some("observe"), Some(0)), one(None, None)]
        }
        Event::Disabled | Event::Enabled => vec![Body::Switch(Box::new(Switch { file: "/x".into() }))],
    }
}

/// A line of each kind.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for event in Event::ALL {
        for (number, body) in bodies(event).into_iter().enumerate() {
            let origin = Origin {
                node: "n".into(),
                machine_id: Some("m".into()).filter(|_: &String| number == 0),
                boot_id: Some("b".into()).filter(|_: &String| number == 0),
                labels: BTreeMap::from([("cluster".to_owned(), "prod".to_owned())]),
                version: "0.1.0",
                config: "0123456789ab".into(),
            };
            let record = Record { time: Timestamp::UNIX_EPOCH, event, body };
            lines.push(String::from_utf8(record.line(&origin, 1).unwrap()).unwrap());
        }
    }
    lines
}

#[test]
fn every_kind_of_record_is_as_the_schema_says() {
    let schema = Schema::ours();
    for line in lines() {
        let record: Value = serde_json::from_str(&line).unwrap();
        schema.whole(&schema.0, &record).unwrap_or_else(|error| panic!("{error}\n{line}"));
    }
    let known: Vec<_> = schema.0["properties"]["event"]["enum"].as_array().unwrap().iter().collect();
    assert_eq!(known, Event::ALL.map(Event::as_str));
}

#[test]
fn a_record_that_is_something_else_is_told() {
    let schema = Schema::ours();
    for line in lines() {
        let record: Value = serde_json::from_str(&line).unwrap();
        for key in record.as_object().unwrap().keys() {
            let mut other = record.clone();
            other.as_object_mut().unwrap().remove(key);
            assert!(schema.whole(&schema.0, &other).is_err(), "without `{key}`: {line}");
            let mut other = record.clone();
            other[key] = serde_json::json!([{ "x": [] }]);
            assert!(schema.whole(&schema.0, &other).is_err(), "with another `{key}`: {line}");
        }
        let mut other = record.clone();
        other["more"] = Value::Null;
        assert!(schema.whole(&schema.0, &other).is_err(), "with more: {line}");
    }
}
