//! What was found, written down: for people, for a wiki, for programs.

use crate::find::{Finding, Unread};
use crate::output::{self, Plain, counted, escaped, quoted};
use serde::Serialize;
use std::fmt::Write;

/// All that a scan says. Written as JSON, it is documented API, as its parts are.
#[derive(Debug, Serialize)]
pub(super) struct Scan {
    /// The list.
    pub(super) findings: Vec<Finding>,
    /// What could not be read, or not as what it is.
    pub(super) unread: Vec<Unread>,
    /// How many files were read.
    pub(super) files: u64,
}

const COLUMNS: [&str; 5] = ["COUNT", "IMAGE", "RULE", "WHERE", "FIX"];

// === impl Scan ===

impl Scan {
    /// For a terminal of `width` columns.
    pub(super) fn text(&self, width: Option<u16>) -> String {
        let mut text = String::new();
        if !self.findings.is_empty() {
            let rows = self.findings.iter().map(|finding| cells(finding, "\n", |name| Plain(name).to_string()));
            text = output::table(&COLUMNS, rows, 0..1, width);
            text.push('\n');
        }
        let _infallible = writeln!(text, "{}", self.sum());
        text
    }

    /// For an issue or a wiki.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.sum());
        if !self.findings.is_empty() {
            text.push_str("\n| count | image | rule | where | fix |\n|--:|---|---|---|---|\n");
        }
        for finding in &self.findings {
            let _infallible = writeln!(text, "| {} |", cells(finding, "<br>", escaped).join(" | "));
        }
        for (number, unread) in self.unread.iter().enumerate() {
            let start = if number == 0 { "\n" } else { "" };
            let _infallible = writeln!(text, "{start}* {}: {}", escaped(&unread.place), escaped(&unread.why));
        }
        text
    }

    /// RFC 4180: a line of names, then one a finding.
    pub(super) fn csv(&self) -> String {
        let mut text =
            "count,image,partial,digest,rule,action,substitute,kind,file,line,column,namespace,owner_kind,owner,container,where,fix\r\n"
                .to_owned();
        let number = |number: Option<usize>| number.map(|number| number.to_string()).unwrap_or_default();
        for finding in &self.findings {
            let kind = serde_json::to_value(finding.kind).ok();
            let (owner_kind, owner) =
                finding.owner.as_ref().map(|owner| (owner.kind.clone(), owner.name.clone())).unwrap_or_default();
            let fields = [
                finding.count.to_string(),
                finding.image.clone(),
                finding.partial.to_string(),
                finding.digest.clone().unwrap_or_default(),
                finding.rule.clone(),
                finding.action.to_owned(),
                finding.substitute.clone().unwrap_or_default(),
                kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default().to_owned(),
                finding.file.clone().unwrap_or_default(),
                number(finding.line),
                number(finding.column),
                finding.namespace.clone().unwrap_or_default(),
                owner_kind,
                owner,
                finding.container.clone().unwrap_or_default(),
                finding.place.clone(),
                finding.fix.clone(),
            ];
            text.push_str(&fields.map(|field| quoted(&field)).join(","));
            text.push_str("\r\n");
        }
        text
    }

    /// One object.
    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// What goes before or behind the list.
    fn sum(&self) -> String {
        let places = self.findings.iter().map(|finding| finding.count).fold(0, u64::saturating_add);
        let images: std::collections::BTreeSet<_> = self.findings.iter().map(|finding| &finding.image).collect();
        let images = counted(u64::try_from(images.len()).unwrap_or(u64::MAX), "image");
        let files = if self.files == 0 { String::new() } else { format!("; {} read", counted(self.files, "file")) };
        format!("Found: {images} by old names, in {}{files}", counted(places, "place"))
    }
}

/// What a table says of a finding, in its columns.
fn cells(finding: &Finding, end: &str, safe: impl Fn(&str) -> String) -> [String; 5] {
    let tail = if finding.partial { "…" } else { "" };
    let mut image = format!("{}{tail}", safe(&finding.image));
    if let Some(substitute) = &finding.substitute {
        let _infallible = write!(image, "{end}→ {}{tail}", safe(substitute));
    }
    let rule = match finding.action {
        "rewrite" => safe(&finding.rule),
        action => format!("{} ({action})", safe(&finding.rule)),
    };
    [finding.count.to_string(), image, rule, safe(&finding.place), safe(&finding.fix)]
}
