//! What came of asking, written down: for people, for a wiki, for programs.

use super::row::{Asked, Row, State, Verdict};
use super::wanted::By;
use crate::output::{self, Plain, counted, escaped, quoted};
use crate::registry::Platform;
use serde::Serialize;
use std::fmt::Write;

/// All that `verify` says. Written as JSON, it is documented API, as its parts are.
#[derive(Debug, Serialize)]
pub(super) struct Verified {
    /// The platforms that images have to be there for.
    pub(super) platforms: Vec<Platform>,
    /// The list.
    pub(super) images: Vec<Row>,
}

const COLUMNS: [&str; 3] = ["IMAGE", "VERDICT", "WHY"];
/// As much of a digest as tells two apart.
const DIGEST: usize = 19;

// === impl Verified ===

impl Verified {
    /// How many images come to that.
    pub(super) fn count(&self, of: impl Fn(Verdict) -> bool) -> usize {
        self.images.iter().filter(|row| of(row.verdict)).count()
    }

    fn sum(&self) -> String {
        let images = counted(u64::try_from(self.images.len()).unwrap_or(u64::MAX), "image");
        let platforms: Vec<_> = self.platforms.iter().map(ToString::to_string).collect();
        let mut sum = format!("Asked for {images}, for {}", platforms.join(" and "));
        let mut separator = ": ";
        for verdict in Verdict::ALL {
            let number = self.count(|other| other == verdict);
            if number > 0 {
                let _infallible = write!(sum, "{separator}{number} {}", verdict.as_str());
                separator = ", ";
            }
        }
        sum
    }

    /// For a terminal of `width` columns.
    pub(super) fn text(&self, width: Option<u16>) -> String {
        let mut text = format!("{}\n", self.sum());
        if !self.images.is_empty() {
            let rows = self.images.iter().map(|row| cells(row, "\n", |name| Plain(name).to_string()));
            text.push('\n');
            text.push_str(&output::table(&COLUMNS, rows, 0..0, width));
        }
        text
    }

    /// For an issue or a wiki.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("{}\n", escaped(&self.sum()));
        if !self.images.is_empty() {
            text.push_str("\n| image | verdict | why |\n|---|---|---|\n");
        }
        for row in &self.images {
            let _infallible = writeln!(text, "| {} |", cells(row, "<br>", escaped).join(" | "));
        }
        text
    }

    /// RFC 4180: a line of names, then one a target, or an image that has none.
    pub(super) fn csv(&self) -> String {
        let mut text =
            "image,verdict,substitute,rule,target_verdict,digest,expected,expected_by,lacking,old,reason\r\n"
                .to_owned();
        for row in &self.images {
            let expected = row.expected.as_ref();
            let targets: Vec<Option<&Asked>> =
                if row.targets.is_empty() { vec![None] } else { row.targets.iter().map(Some).collect() };
            for target in targets {
                let of = |part: fn(&Asked) -> String| target.map(part).unwrap_or_default();
                let lacking = |asked: &Asked| list(&asked.lacking, " ");
                let reason = target.and_then(|asked| asked.reason.clone()).or_else(|| row.reason.clone());
                let fields = [
                    row.image.clone(),
                    snake(row.verdict),
                    of(|asked| asked.image.clone()),
                    of(|asked| asked.rule.clone()),
                    of(|asked| snake(asked.verdict)),
                    of(|asked| asked.digest.clone().unwrap_or_default()),
                    expected.map(|expected| expected.digest.clone()).unwrap_or_default(),
                    expected.map(|expected| word(expected.by)).unwrap_or_default(),
                    of(lacking),
                    word(row.old.state),
                    reason.unwrap_or_default(),
                ];
                text.push_str(&fields.map(|field| quoted(&field)).join(","));
                text.push_str("\r\n");
            }
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// What a table says of an image, in its columns.
fn cells(row: &Row, end: &str, safe: impl Fn(&str) -> String) -> [String; 3] {
    let mut why: Vec<String> = row.reason.iter().map(|reason| safe(reason)).collect();
    let mut image = vec![safe(&row.image)];
    let is_one = row.targets.len() == 1;
    for asked in &row.targets {
        image.push(format!("→ {}", safe(&asked.image)));
        let said = said(asked, row);
        if !said.is_empty() {
            let whose = if is_one { String::new() } else { format!("{}: ", asked.image) };
            why.push(safe(&format!("{whose}{said}")));
        }
    }
    match row.old.state {
        State::Unknown => {
            let reason = row.old.reason.as_deref().unwrap_or_default();
            why.push(safe(&format!("the old registry could not be asked: {reason}")));
        }
        State::Missing => why.push(safe("the old registry has no such image")),
        State::There | State::NotAsked => {}
    }
    [image.join(end), row.verdict.as_str().to_owned(), why.join(end)]
}

/// What there is to say of a target.
fn said(asked: &Asked, row: &Row) -> String {
    let mut said = match asked.verdict {
        Verdict::Missing => "not there".to_owned(),
        Verdict::Differs => {
            let (digest, expected) = (asked.digest.as_deref().unwrap_or_default(), row.expected.as_ref());
            let whose = match expected.map(|expected| expected.by) {
                Some(By::OldRegistry) => "the old registry has",
                Some(By::Log) => "the log knows",
                Some(By::Scan) | None => "the scan knows",
            };
            let expected = expected.map(|expected| expected.digest.as_str()).unwrap_or_default();
            format!("{whose} {}, it has {}", short(expected), short(digest))
        }
        // Whether it is missing is still to be told, where targets come to different ends.
        Verdict::There if row.verdict != Verdict::There => "there".to_owned(),
        Verdict::There | Verdict::NoTarget | Verdict::Unknown | Verdict::Denied | Verdict::LacksPlatform => {
            String::new()
        }
    };
    let mut add = |text: &str| {
        if !said.is_empty() && !text.is_empty() {
            said.push_str("; ");
        }
        said.push_str(text);
    };
    if !asked.lacking.is_empty() {
        add(&format!("not for {}", list(&asked.lacking, ", ")));
    }
    add(asked.reason.as_deref().unwrap_or_default());
    said
}

fn short(digest: &str) -> String {
    digest.chars().take(DIGEST).collect()
}

fn list(platforms: &[Platform], separator: &str) -> String {
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

fn snake(verdict: Verdict) -> String {
    verdict.as_str().replace(' ', "_")
}

/// A word as JSON has it.
fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}
