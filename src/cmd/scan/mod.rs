//! `repoint scan`: what names an image that a rule is about; on a node, in files, in what the API server has.

mod layout;

use super::{Failure, print};
use crate::args::{Layout, Scan as Options, Serve};
use crate::config;
use crate::exit::Exit;
use crate::find::{self, Finding, Found};
use crate::output;
use layout::Scan;

/// Looks, and says what it found.
///
/// # Errors
///
/// When something can't be read or written, or the configuration is wrong.
pub fn run(options: &Options) -> Result<Exit, Failure> {
    let source = config::load(options.config.as_deref());
    let settings =
        config::settings(&Serve::default(), &source).map_err(|error| Failure::new(Exit::Configuration, error))?;
    let found: Found = find::node::look().map_err(|error| Failure::new(Exit::Failed, error))?;
    let findings = found.mentions.iter().filter_map(|mention| Finding::of(mention, &settings.rules));
    let scan = Scan { findings: findings.collect(), unread: found.unread, files: found.files };
    print(&match options.format {
        Layout::Table => scan.text(output::width()),
        Layout::Json => scan.json(),
        Layout::Csv => scan.csv(),
        Layout::Markdown => scan.markdown(),
    })?;
    Ok(if scan.findings.is_empty() { Exit::Done } else { Exit::Findings })
}
