//! Rules as repoint's own configuration.

use super::Imported;
use crate::config::export::quoted;
use crate::output::Plain;
use crate::rules::{Action, OnFailure, Rule};
use std::fmt::{self, Write};

pub(super) fn text(imported: &Imported) -> String {
    let mut text = String::from("# Written by `repoint config import`.\n");
    let conflicts = imported.conflicts();
    let lost = imported.lost.iter().map(|lost| format!("Not said here: {lost}"));
    for line in lost.chain(conflicts.iter().map(|conflict| format!("To be settled: {conflict}"))) {
        let _infallible = writeln!(text, "# {}", Plain(&line));
    }
    for rule in &imported.rules {
        let _infallible = write(&mut text, rule);
    }
    text
}

fn write(text: &mut String, rule: &Rule) -> fmt::Result {
    writeln!(text, "\n[[rules]]\nname = {}", quoted(&rule.name))?;
    writeln!(text, "match = {}", list(&rule.patterns))?;
    if !rule.exclude.is_empty() {
        writeln!(text, "exclude = {}", list(&rule.exclude))?;
    }
    if rule.action != Action::Rewrite {
        writeln!(text, "action = {}", quoted(rule.action.as_str()))?;
    }
    if !rule.targets.is_empty() {
        writeln!(text, "targets = {}", list(&rule.targets))?;
    }
    if rule.on_failure != OnFailure::Fail {
        writeln!(text, "on_failure = {}", quoted(rule.on_failure.as_str()))?;
    }
    Ok(())
}

fn list(all: &[impl ToString]) -> String {
    format!("[{}]", all.iter().map(|one| quoted(&one.to_string())).collect::<Vec<_>>().join(", "))
}
