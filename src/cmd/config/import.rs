//! `repoint config import`: rules from configuration of others, printed as repoint's own.

use super::{Failure, note, print};
use crate::args::Import;
use crate::config::import;
use crate::exit::Exit;

/// Why a person has to look at the rules first.
#[derive(Debug, thiserror::Error)]
#[error("repoint would refuse these rules together: settle what is said of them first")]
struct Unsettled;

/// Prints the rules, and says what has no counterpart.
///
/// # Errors
///
/// When it can't be read or understood, or the rules contradict each other.
pub(super) fn run(Import { path }: &Import) -> Result<(), Failure> {
    let imported = import::import(path).map_err(|error| Failure::new(Exit::Failed, error))?;
    print(&imported.text())?;
    note(imported.lost.iter().map(|lost| format!("not said there: {lost}")));
    let conflicts = imported.conflicts();
    note(conflicts.iter().map(|conflict| format!("to be settled: {conflict}")));
    if conflicts.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Failed, Unsettled)) }
}
