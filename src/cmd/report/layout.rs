//! A report, written down: for people, for a wiki, for programs.

use super::completeness::{Completeness, minute};
use super::ready::Ready;
use super::row::Row;
use crate::clock::{rfc3339, rfc3339_option};
use crate::output::{self, Plain, counted, escaped, quoted};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write;

/// All that a report says. Written as JSON, it is documented API, as its parts are.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    /// Where the window begins; `null` where it begins with the first record.
    #[serde(serialize_with = "rfc3339_option")]
    pub(super) since: Option<Timestamp>,
    /// Where it ends.
    #[serde(serialize_with = "rfc3339")]
    pub(super) until: Timestamp,
    /// The first record in it, of whatever kind.
    #[serde(serialize_with = "rfc3339_option")]
    pub(super) first: Option<Timestamp>,
    /// The last one.
    #[serde(serialize_with = "rfc3339_option")]
    pub(super) last: Option<Timestamp>,
    /// Records that were read, inside the window and out of it.
    pub(super) records: u64,
    /// Further copies of these.
    pub(super) duplicates: u64,
    /// Lines that could not be read.
    pub(super) unreadable_lines: u64,
    /// Files that could not be read, or not to their end.
    pub(super) unreadable_files: u64,
    /// The list.
    pub(super) images: Vec<Row<'a>>,
    /// Whether the log is whole; `null` where nobody said which nodes there are.
    pub(super) completeness: Option<Completeness<'a>>,
    /// Whether the old registry can be done without; `null` where nobody asked.
    pub(super) ready: Option<Ready>,
}

/// Owners that are shown of an image.
const OWNERS: usize = 3;

const COLUMNS: [&str; 8] = ["IMAGE", "PULLS", "USES", "FAILED", "PODS", "NODES", "WHOSE", "SEEN"];

// === impl Report ===

impl Report<'_> {
    /// For a terminal of `width` columns; as wide as it gets where there is none.
    pub(super) fn text(&self, width: Option<u16>) -> String {
        let mut text = String::new();
        for line in self.head() {
            let _infallible = writeln!(text, "{}", Plain(&line));
        }
        if self.images.is_empty() {
            return text;
        }
        let rows = self.images.iter().map(|row| cells(row, "\n", |name| Plain(name).to_string()));
        text.push('\n');
        text.push_str(&output::table(&COLUMNS, rows, 1..6, width));
        text
    }

    /// What goes before the list, a line each.
    fn head(&self) -> Vec<String> {
        let mut head = Vec::new();
        if let Some(Ready { days, is_ready, reasons }) = &self.ready {
            let answer = if *is_ready { "yes" } else { "no" };
            head.push(format!("Ready to remove: {answer}"));
            let (from, until) = (self.since.map(minute).unwrap_or_default(), minute(self.until));
            head.push(format!("Asked: the {days} days from {from} to {until} (UTC)"));
            head.extend(reasons.iter().map(|reason| format!("  - {}", reason.text)));
        }
        if let Some(whole) = &self.completeness {
            let mut told = whole.told().into_iter();
            head.extend(told.next().map(|first| format!("Completeness: {first}")));
            // As reasons, they are told above.
            let is_told = self.ready.as_ref().is_some_and(|ready| !ready.is_ready);
            head.extend(told.filter(|line| !is_told || line.starts_with("not in")).map(|line| format!("  - {line}")));
        }
        let images = counted(u64::try_from(self.images.len()).unwrap_or(u64::MAX), "image");
        let sum = |of: fn(&Row<'_>) -> u64| self.images.iter().map(of).fold(0, u64::saturating_add);
        let (pulls, uses) = (counted(sum(|row| row.pulls), "pull"), counted(sum(|row| row.uses), "use"));
        head.push(format!("Asked for by old names: {images}, {pulls}, {uses}"));
        let span = self.first.zip(self.last);
        let span =
            span.map_or_else(String::new, |(first, last)| format!(", from {} to {}", minute(first), minute(last)));
        head.push(format!("Read: {}{span}", counted(self.records, "record")));
        head
    }

    /// For an issue or a wiki.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::new();
        for line in self.head() {
            let bullet = line
                .strip_prefix("  - ")
                .map_or_else(|| format!("\n{}", escaped(&line)), |line| format!("* {}", escaped(line)));
            text.push_str(&bullet);
            text.push('\n');
        }
        text.push_str(
            "\n| image | pulls | uses | failed | pods | nodes | whose | seen |\n|---|--:|--:|--:|--:|--:|---|---|\n",
        );
        for row in &self.images {
            let cells = cells(row, "<br>", escaped);
            let _infallible = writeln!(text, "| {} |", cells.join(" | "));
        }
        text.split_off(text.find(|first| first != '\n').unwrap_or_default())
    }

    /// RFC 4180: a line of names, then one an image. Lists are separated by blanks, which no name has.
    pub(super) fn csv(&self) -> String {
        let mut text = "image,substitute,pulls,uses,failures,failing,fell_back,post_freeze,configured,pods,nodes,namespaces,owners,first_seen,last_seen,digest\r\n".to_owned();
        for row in &self.images {
            let owners = row.owners.iter().map(|owner| format!("{}/{}", owner.namespace, owner.name));
            let fields = [
                row.image.to_owned(),
                row.substitute.unwrap_or_default().to_owned(),
                row.pulls.to_string(),
                row.uses.to_string(),
                row.failures.to_string(),
                row.failing.to_string(),
                row.fell_back.to_string(),
                row.post_freeze.to_string(),
                row.configured.to_string(),
                row.pods.to_string(),
                row.nodes.to_string(),
                row.namespaces.join(" "),
                owners.collect::<Vec<_>>().join(" "),
                format!("{:.6}", row.first_seen),
                format!("{:.6}", row.last_seen),
                row.digest.unwrap_or_default().to_owned(),
            ];
            text.push_str(&fields.map(|field| quoted(&field)).join(","));
            text.push_str("\r\n");
        }
        text
    }
}

/// What a table says of an image, in its columns.
fn cells(row: &Row<'_>, end: &str, safe: impl Fn(&str) -> String) -> [String; 8] {
    let mut image = vec![safe(row.image)];
    image.extend(row.substitute.map(|substitute| format!("→ {}", safe(substitute))));
    image.extend(row.remarks().iter().map(|remark| format!("! {remark}")));
    let whose: Vec<_> = row.whose(OWNERS).iter().map(|who| safe(who)).collect();
    [
        image.join(end),
        row.pulls.to_string(),
        row.uses.to_string(),
        row.failures.to_string(),
        row.pods.to_string(),
        row.nodes.to_string(),
        whose.join(end),
        format!("{}{end}{}", minute(row.first_seen), minute(row.last_seen)),
    ]
}
