//! `registries.conf`, which CRI-O and Podman read: containers-registries.conf(5), and the code that reads it
//! (`sysregistriesv2` of containers/image).
//!
//! An entry has a prefix, and the longest one decides, so a cell is an entry. Its mirrors are asked in order, its
//! location last; without another location that is the image as asked for. What is excluded is an entry that leads to
//! itself.

use super::cell::{self, Cell, Outcome};
use super::quoted;
use super::{Exported, File, Loss, MARK, View, comments};
use crate::output::Plain;
use crate::rules::place::Host;
use std::fmt::Write;

/// Where it is meant to be, in `/etc/containers/registries.conf.d`. Of two drop-ins that name a prefix, the later holds.
const FILE: &str = "50-repoint.conf";

/// Leads nowhere: entries that share a location have to agree on whether it is blocked.
const NOWHERE: &str = "denied.invalid";

/// One of `[[registry]]`.
struct Entry {
    prefix: String,
    location: Option<String>,
    mirrors: Vec<String>,
    blocked: bool,
    rule: Option<String>,
}

/// The rules as a drop-in for CRI-O.
pub fn registries(view: View<'_>) -> Exported {
    let (cells, mut losses) = cell::cells(view);
    let mut entries = Vec::new();
    for cell in &cells {
        let around = cell.around(&cells);
        if cell.outcome == cell.inherited(around) {
            continue;
        }
        if cell.leaves_nothing {
            let what = format!("the image `{}` itself fails: a target without a path makes no name of it", cell.text());
            losses.push(Loss { rule: cell.rule.clone(), what });
        }
        match unsayable(cell, &cells) {
            // What is pulled as asked for is excluded by somebody.
            Some(what) => {
                let rule = cell.rule.as_ref().or_else(|| around.and_then(|around| around.rule.as_ref()));
                losses.push(Loss { rule: rule.cloned(), what });
            }
            None => entries.push(Entry::of(cell)),
        }
    }
    let taken: Vec<String> = entries.iter().filter(|entry| !entry.blocked).filter_map(|e| e.location.clone()).collect();
    for entry in entries.iter_mut().filter(|entry| entry.blocked) {
        if entry.location.as_ref().is_some_and(|location| taken.contains(location)) {
            entry.location = Some(NOWHERE.to_owned());
        }
    }
    losses.extend([
        Loss::of_all("registries are told apart by case here, and one with a port (`:443`, too) is also matched by its name without"),
        Loss::of_all("a name without a registry is first completed by `unqualified-search-registries` and aliases, not by docker.io"),
        Loss::of_all("credentials that come with a call are shown to whichever registry is asked"),
        Loss::of_all("no pull is recorded"),
    ]);
    losses.dedup();
    let text = format!("{MARK}\n{}{}", comments(&losses), entries.iter().map(Entry::text).collect::<String>());
    Exported { files: vec![File { path: FILE.into(), text }], losses }
}

/// Why a cell can't be an entry.
fn unsayable(cell: &Cell, cells: &[Cell]) -> Option<String> {
    let text = cell.text();
    if matches!(cell.host, Host::Below(_)) {
        return (!is_sayable(cell))
            .then(|| format!("`{text}` is left out: a star goes with neither a port nor a path"));
    }
    // By length alone, a star and a dot count as much as a label of one letter and a dot.
    let goes_before = |star: &&Cell| {
        let Host::Exactly(registry) = &cell.host else { return false };
        matches!(star.host, Host::Below(_))
            && is_sayable(star)
            && star.host.matches(registry)
            && star.text().len() >= text.len()
    };
    let star = cells.iter().find(goes_before)?;
    Some(format!("`{text}` is left out: it is no longer than `{}`, which goes before it", star.text()))
}

/// Whether a cell is one registry, or a star and nothing more.
fn is_sayable(cell: &Cell) -> bool {
    match &cell.host {
        Host::Exactly(_) => true,
        Host::Below(registry) => cell.path.is_empty() && !registry.contains(':'),
    }
}

// === impl Entry ===

impl Entry {
    fn of(cell: &Cell) -> Self {
        let prefix = cell.text();
        // What a star stands for is where it is, so that no location says it.
        let itself = matches!(cell.host, Host::Exactly(_)).then(|| prefix.clone());
        let rule = cell.rule.clone();
        match &cell.outcome {
            Outcome::AsAsked => Self { prefix, location: itself, mirrors: Vec::new(), blocked: false, rule },
            Outcome::Denied => Self { prefix, location: itself, mirrors: Vec::new(), blocked: true, rule },
            Outcome::From { places, or_as_asked: true } => {
                Self { prefix, location: itself, mirrors: places.clone(), blocked: false, rule }
            }
            Outcome::From { places, or_as_asked: false } => {
                let mut mirrors = places.clone();
                let location = mirrors.pop();
                Self { prefix, location, mirrors, blocked: false, rule }
            }
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let _infallible = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { prefix, location, mirrors, blocked, rule } = self;
        match rule {
            Some(rule) => writeln!(text, "\n# {}", Plain(&format!("rule `{rule}`")))?,
            None => text.push_str("\n# excluded: pulled as asked for\n"),
        }
        writeln!(text, "[[registry]]\nprefix = {}", quoted(prefix))?;
        if let Some(location) = location {
            writeln!(text, "location = {}", quoted(location))?;
        }
        if *blocked {
            text.push_str("blocked = true\n");
        }
        for mirror in mirrors {
            writeln!(text, "\n[[registry.mirror]]\nlocation = {}", quoted(mirror))?;
        }
        Ok(())
    }
}
