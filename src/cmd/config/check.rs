//! `repoint config check`: every mistake; or that there is none, and what to look at again.

use super::{Failure, print};
use crate::args::{ConfigFile, Serve};
use crate::config;
use crate::exit::Exit;
use crate::output::Plain;

/// Checks it.
///
/// # Errors
///
/// When there is a mistake.
pub(super) fn run(ConfigFile { file }: &ConfigFile) -> Result<(), Failure> {
    // What serves goes by the usual file; one that is named is somebody's who works on it.
    let source = if file.is_some() { config::load(file.as_deref()) } else { config::source::load_trusted(None) };
    let settings =
        config::settings(&Serve::default(), &source).map_err(|mistakes| Failure::new(Exit::Configuration, mistakes))?;
    let there = if source.is_there { "" } else { " (not there)" };
    let (rules, drop_ins) = (counted(source.said.rules.len(), "rule"), counted(source.drop_ins.len(), "drop-in"));
    let file = source.path.display().to_string();
    let mut said = format!("{}{there}: {rules}, {drop_ins}: no mistakes\n", Plain(&file));
    for warning in config::warnings(&source, &settings) {
        said = format!("{said}warning: {warning}\n");
    }
    if let Some(needed) = config::check::needs_network(&settings) {
        said = format!("{said}note: {needed}\n");
    }
    print(&said)
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
