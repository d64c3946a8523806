//! What the documentation says that the metrics are: the table of `docs/metrics.md`, to hold everything else against.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use repoint::cri::method::RPCS;
use repoint::metrics::Call;

/// The table.
#[derive(Debug)]
pub struct Catalogue(Vec<Row>);

/// One metric.
#[derive(Debug)]
pub struct Row {
    pub name: String,
    pub kind: String,
    /// The labels, with the values that they may have; `None` where those are configured.
    pub labels: BTreeMap<String, Option<Vec<String>>>,
}

// === impl Catalogue ===

impl Catalogue {
    pub fn read() -> Self {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| `repoint_")).map(Row::read).collect();
        Self(rows)
    }

    pub fn rows(&self) -> &[Row] {
        &self.0
    }

    /// The metric that a sample of this name belongs to.
    pub fn of(&self, sample: &str) -> Option<&Row> {
        self.0.iter().find(|row| match row.kind.as_str() {
            "histogram" => ["_sum", "_count", "_bucket"]
                .iter()
                .any(|suffix| sample.strip_suffix(suffix).is_some_and(|name| name == row.name)),
            _ => row.name == sample,
        })
    }
}

// === impl Row ===

impl Row {
    fn read(line: &str) -> Self {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("{line}: these are not four cells") };
        assert!(!meaning.is_empty(), "{line}");
        let labels = labels.split(';').filter(|label| !label.trim().is_empty()).map(|label| {
            let mut words = quoted(label);
            assert!(!words.is_empty(), "{line}: {label:?}");
            let name = words.remove(0);
            let values = match name.as_str() {
                // The documentation need not have them all.
                "method" => Some(RPCS.iter().flat_map(|(_, names)| *names).copied().chain([Call::OTHER]).collect()),
                _ => Some(words.iter().map(String::as_str).collect()).filter(|values: &Vec<_>| !values.is_empty()),
            };
            (name, values.map(|values| values.into_iter().map(str::to_owned).collect()))
        });
        Self { name: quoted(name).remove(0), kind: kind.to_owned(), labels: labels.collect() }
    }

    /// Whether a sample may have this label with this value.
    pub fn may_have(&self, label: &str, value: &str) -> bool {
        match self.labels.get(label) {
            Some(None) => true,
            Some(Some(values)) => values.iter().any(|known| known == value),
            // Of the form, not of the metric.
            None => label == "le" && self.kind == "histogram",
        }
    }
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
