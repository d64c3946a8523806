//! What was found, written down: for people, and for programs.

use crate::doctor::{Check, Verdict, worst};
use serde::Serialize;
use std::fmt::Write;

/// All of it. Written as JSON, it is documented API, as its parts are.
#[derive(Serialize)]
struct Page<'a> {
    /// Of repoint.
    version: &'static str,
    /// The worst.
    verdict: &'static str,
    /// What was looked at.
    checks: Vec<Row<'a>>,
}

/// One of them.
#[derive(Serialize)]
struct Row<'a> {
    /// What was looked at.
    id: &'static str,
    /// Which of several; `null` where there is one.
    about: Option<&'a str>,
    /// `ok`, `skipped`, `note`, `warning` or `failure`.
    verdict: &'static str,
    /// What was found, or why it was not looked at.
    found: &'a str,
    /// What to do; `null` where nothing is.
    remedy: Option<&'a str>,
    /// Files, with lines behind a colon where there are some.
    places: &'a [String],
    /// How long it took; `null` where that is of no interest.
    duration_ms: Option<u64>,
}

impl<'a> Row<'a> {
    fn of(check: &'a Check) -> Self {
        Self {
            id: check.id.name(),
            about: check.about.as_deref(),
            verdict: check.verdict.as_str(),
            found: &check.found,
            remedy: check.remedy.as_deref(),
            places: &check.places,
            duration_ms: check.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// As wide as the longest name and verdict.
const INDENT: &str = "          ";

/// For programs.
pub(super) fn json(checks: &[Check]) -> String {
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        verdict: worst(checks).as_str(),
        checks: checks.iter().map(Row::of).collect(),
    };
    // Text and numbers always have a JSON form.
    let mut text = serde_json::to_string_pretty(&page).unwrap_or_default();
    text.push('\n');
    text
}

/// For people.
pub(super) fn text(checks: &[Check]) -> String {
    let mut text = String::new();
    let mut group = "";
    for check in checks {
        if check.id.group() != group {
            group = check.id.group();
            let end = if text.is_empty() { "" } else { "\n" };
            let _infallible = writeln!(text, "{end}{group}");
        }
        let (_, name) = check.id.name().split_once('.').unwrap_or_default();
        let about = check.about.as_ref().map(|about| format!(" ({about})")).unwrap_or_default();
        let _infallible = writeln!(text, "  {:<8}{name}{about}: {}", mark(check.verdict), check.found);
        for place in check.places.iter().filter(|place| !check.found.contains(place.as_str())) {
            let _infallible = writeln!(text, "{INDENT}at {place}");
        }
        if let Some(remedy) = &check.remedy {
            let _infallible = writeln!(text, "{INDENT}-> {remedy}");
        }
    }
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let counts = Verdict::ALL.iter().rev().map(|verdict| (count(*verdict), verdict.as_str()));
    let several = |name| if matches!(name, "ok" | "skipped") { "" } else { "s" };
    let counts: Vec<_> = counts
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}{}", if count == 1 { "" } else { several(name) }))
        .collect();
    let _infallible = writeln!(text, "\n{}", counts.join(", "));
    text
}

/// What a person looks for is in capitals.
const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Skipped => "-",
        Verdict::Note => "note",
        Verdict::Warning => "WARNING",
        Verdict::Failure => "FAILURE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Id;
    use std::time::Duration;

    fn checks() -> Vec<Check> {
        vec![
            Check::ok(Id::RuntimeReachable, "containerd 1.7 at unix:///run/c.sock"),
            Check::skipped(Id::RuntimeApi, "nobody asked"),
            Check::warning(Id::ImagesSandbox, "pods are made with k8s.gcr.io/pause:3.9", "change /a:3").at("/a:3"),
            Check::ok(Id::TargetsPull, "pulled").about("m.example/pause:3.9").took(Duration::from_millis(1500)),
        ]
    }

    #[test]
    fn people_see_groups_and_what_to_do() {
        let expected = "\
runtime
  ok      reachable: containerd 1.7 at unix:///run/c.sock
  -       api: nobody asked

images
  WARNING sandbox: pods are made with k8s.gcr.io/pause:3.9
          at /a:3
          -> change /a:3

targets
  ok      pull (m.example/pause:3.9): pulled

1 warning, 1 skipped, 2 ok
";
        assert_eq!(text(&checks()), expected);
    }

    #[test]
    fn programs_see_the_same() {
        let page: serde_json::Value = serde_json::from_str(&json(&checks())).unwrap();
        assert_eq!((&page["verdict"], &page["version"]), (&"warning".into(), &env!("CARGO_PKG_VERSION").into()));
        let row = &page["checks"][3];
        assert_eq!((&row["id"], &row["about"]), (&"targets.pull".into(), &"m.example/pause:3.9".into()));
        assert_eq!((&row["duration_ms"], &row["remedy"]), (&1500.into(), &serde_json::Value::Null));
        assert_eq!(page["checks"][2]["places"][0], "/a:3");
    }
}
