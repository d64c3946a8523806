//! The page of metrics, read as a scraper does; what it says in any other form than it should is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use super::python;

/// All that is on it.
#[derive(Debug, Clone)]
pub struct Page {
    pub families: Vec<Family>,
}

/// What has one name, as far as that goes.
#[derive(Debug, Clone)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

// === impl Page ===

impl Page {
    pub fn read(text: &str) -> Self {
        let mut families: Vec<Family> = Vec::new();
        let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("it has no end: {text}"));
        let mut seen = BTreeSet::new();
        for line in body.lines() {
            let Some(comment) = line.strip_prefix("# ") else {
                let sample = sample(line);
                let family = families.last_mut().expect("a family before its samples");
                let suffix = sample.name.strip_prefix(&family.name);
                let suffixes: &[&str] = match family.kind.as_str() {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "histogram" => &["_sum", "_count", "_bucket"],
                    other => panic!("{line}: it is of no type but {other:?}"),
                };
                assert!(suffix.is_some_and(|suffix| suffixes.contains(&suffix)), "{line}: it is none of {family:?}");
                assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "{line}: it is there twice");
                family.samples.push(sample);
                continue;
            };
            let mut words = comment.splitn(3, ' ');
            let [Some(keyword), Some(name), Some(said)] = [words.next(), words.next(), words.next()] else {
                panic!("{line}: what is this?")
            };
            match (keyword, families.last_mut()) {
                ("HELP", _) => {
                    assert!(families.iter().all(|known| known.name != name), "{name} is there twice");
                    let [name, help, kind] = [name, said, ""].map(str::to_owned);
                    families.push(Family { name, kind, help, samples: Vec::new() });
                }
                ("TYPE", Some(family)) if family.name == name => said.clone_into(&mut family.kind),
                ("UNIT", Some(family)) if family.name == name && name.ends_with(&format!("_{said}")) => {}
                _ => panic!("{line}: what is this?"),
            }
        }
        Self { families }
    }

    /// All lines, of whatever family.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.families.iter().flat_map(|family| &family.samples)
    }

    /// The sum of those with this name and, among others, these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.with(name, labels).map(|sample| sample.value).sum()
    }

    /// The same of what is counted. As a number, it can be compared.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        let sum = self.sum(name, labels);
        assert!(sum >= 0.0 && sum.fract() == 0.0, "{name} {labels:?}: {sum}");
        format!("{sum:.0}").parse().unwrap()
    }

    /// Those with this name and, among others, these labels.
    pub fn with(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        self.samples().filter(move |sample| sample.name == name).filter(move |sample| {
            labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|said| said == value))
        })
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}: no value"));
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}: no end of labels"))),
        None => (series, ""),
    };
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    assert!(is_name(name), "{line}: no name");
    // No value of ours has a quote or a comma in it that would be one of the line's.
    let labels = labels.split_terminator(',').map(|label| {
        let (label, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}: a label without a value"));
        assert!(is_name(label), "{line}: {label:?}");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        (label.to_owned(), value.unwrap_or_else(|| panic!("{line}: no quotes")).to_owned())
    });
    Sample { name: name.to_owned(), labels: labels.collect(), value: value.parse().expect("a number") }
}

/// How many families Prometheus' own parser for Python finds. `None` where it is not installed, which is said.
pub fn read_by_prometheus(text: &str) -> Option<usize> {
    const PROGRAM: &str = "import sys; from prometheus_client.openmetrics import parser; \
                           print(len(list(parser.text_string_to_metric_families(sys.stdin.read()))))";
    let python = python::with(
        "prometheus_client.openmetrics.parser",
        "python3-prometheus-client",
        "no other reader of the page",
    )?;
    let mut child = Command::new(python)
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let run = child.wait_with_output().unwrap();
    assert!(run.status.success(), "{}\n{text}", String::from_utf8_lossy(&run.stderr));
    Some(String::from_utf8(run.stdout).unwrap().trim().parse().unwrap())
}
