//! What is wrong on a node is named, with what to mend; and what is well is not.

mod egress;
mod files;
mod hosts;
mod kubelet;
mod live;
mod node;
mod pause;
mod runtime;
mod service;
mod signatures;
mod unreadable;

use repoint::doctor::Id;
use serde_json::Value;

use super::support::repoint::Output;

/// What a doctor said as JSON.
struct Said(Value);

impl Said {
    fn of(output: &Output) -> Self {
        Self(serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}")))
    }

    /// All of that name.
    fn all(&self, id: &str) -> Vec<&Value> {
        assert!(Id::ALL.iter().any(|known| known.name() == id), "{id} is no name");
        self.0["checks"].as_array().unwrap().iter().filter(|check| check["id"] == id).collect()
    }

    /// The one of that name with that verdict, whose reason and remedy have these words in them.
    fn has(&self, id: &str, verdict: &str, found: &str, remedy: &str) -> &Value {
        let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
        let is_it = |check: &&Value| {
            check["verdict"] == verdict
                && text(check, "found").contains(found)
                && text(check, "remedy").contains(remedy)
        };
        let all = self.all(id);
        let it = all.iter().copied().find(is_it);
        it.unwrap_or_else(|| panic!("no {id} is a {verdict} with `{found}` and `{remedy}`: {all:#?}"))
    }

    /// The worst, which the exit code says too.
    fn comes_to(&self, output: &Output, verdict: &str) {
        let code = match verdict {
            "warning" => 5,
            "failure" => 1,
            _ => 0,
        };
        assert_eq!((self.0["verdict"].as_str(), output.code), (Some(verdict), Some(code)), "{:#}", self.0);
    }
}

#[test]
fn the_page_for_operators_names_all_that_is_looked_at() {
    let page = include_str!("../../docs/doctor.md");
    let table = page.split("## What is looked at").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let expected: Vec<_> = Id::ALL.iter().map(|id| id.name()).collect();
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}
