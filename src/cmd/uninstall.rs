//! `repoint uninstall`: points the kubelet to the runtime again, and leaves every file as it was.

use super::Failure;
use super::site::{Site, failed, show, tell, unclear};
use crate::args::Uninstall;
use crate::exit::Exit;
use crate::install::{Journal, Node, Own, Tree, Unclear, carry};

/// Does it, or says what it would do.
///
/// # Errors
///
/// When it is not done.
pub fn run(options: &Uninstall) -> Result<(), Failure> {
    let mut site = Site::enter(options.root.as_deref(), options.dry_run)?;
    let own = Own::read(&site.tree).map_err(unclear)?;
    let units = Node::read(&site.tree, None).map(|node| node.units).unwrap_or_default();
    let journal = match site.journal.take() {
        Some(journal) => Some(journal),
        None => Journal::of_marked(&site.tree, units).map_err(unclear)?,
    };
    let originals = match &journal {
        Some(journal) => site.tree.with(journal.originals(&site.tree).map_err(unclear)?),
        None => site.tree.clone(),
    };
    led_back(&originals, &own)?;
    if options.dry_run {
        let diff = journal.as_ref().map(|journal| site.diff(journal, false)).transpose()?;
        return show(&diff.unwrap_or_default());
    }
    let is_there = journal.is_some();
    carry::uninstall(&mut site.disk, &site.tree, &site.state, journal.as_ref()).map_err(failed)?;
    tell(if is_there { "done: every file is as it was" } else { "nothing to do: nothing is installed" });
    Ok(())
}

/// Whether the kubelet would be led back. What somebody else wrote is not taken out, and with it the kubelet would wait for a
/// service that is about to go.
fn led_back(originals: &Tree, own: &Own) -> Result<(), Failure> {
    let Ok(node) = Node::read(originals, None) else { return Ok(()) };
    let endpoints = [&node.endpoints.image, &node.endpoints.runtime];
    let ours = endpoints
        .into_iter()
        .filter_map(|said| said.last())
        .find(|said| said.address.as_ref().is_some_and(|address| address.is_same_as(&own.listen)));
    match ours {
        None => Ok(()),
        Some(said) => Err(Failure::new(
            Exit::Failed,
            Unclear::Node(format!(
                "{said}: this points the kubelet to repoint, and repoint did not write it: take it out first"
            )),
        )),
    }
}
