//! `repoint uninstall`: points the kubelet to the runtime again, and leaves every file as it was.

use super::running::Running;
use super::site::{Site, failed, show, tell, unclear};
use super::{Failure, note};
use crate::args::{Serve, Uninstall};
use crate::config;
use crate::daemon;
use crate::exit::Exit;
use crate::install::journal::State;
use crate::install::left::{self, Left};
use crate::install::{Journal, Own, carry};
use crate::node::{Node, Tree, Unclear};
use crate::runtime::{Address, Endpoint};
use std::fmt::Write;

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
enum Kept {
    #[error("{}", several(.0))]
    Left(Vec<Left>),
    #[error("whether images stay findable by their old names can't be told: --force does it all the same")]
    Untold(#[source] Box<dyn std::error::Error + Send + Sync>),
}

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
        // An image that was baked has no kubelet yet; what was made of it has one.
        Some(journal) if journal.units.is_empty() => Some(journal.of_units(units)),
        Some(journal) => Some(journal),
        None => Journal::of_marked(&site.tree, units).map_err(unclear)?,
    };
    let originals = match &journal {
        Some(journal) => site.tree.with(journal.originals(&site.tree).map_err(unclear)?),
        None => site.tree.clone(),
    };
    led_back(&originals, &own)?;
    let is_live = options.root.is_none();
    if options.dry_run {
        if is_live && let Some(journal) = journal.as_ref().filter(|journal| !journal.units.is_empty()) {
            let units = journal.units.join(" or ");
            let reload = if journal.has_units { "`systemctl daemon-reload`, " } else { "" };
            note([format!("then: {reload}`systemctl restart {units}`, `systemctl try-restart repoint.service`")]);
        }
        let diff = journal.as_ref().map(|journal| site.diff(journal, false)).transpose()?;
        return show(&diff.unwrap_or_default());
    }
    match &journal {
        Some(journal) if is_live && !journal.units.is_empty() => {
            let is_well = live(options, &mut site, journal)?;
            tell(if is_well {
                "done: every file is as it was, and the kubelet is well"
            } else {
                "done: every file is as it was; the kubelet is stopped, and was not started"
            });
        }
        Some(journal) => {
            carry::uninstall(&mut site.disk, &site.tree, &site.state, Some(journal)).map_err(failed)?;
            tell("done: every file is as it was");
        }
        None => {
            carry::uninstall(&mut site.disk, &site.tree, &site.state, None).map_err(failed)?;
            tell("nothing to do: nothing is installed");
        }
    }
    Ok(())
}

/// On a node that runs. Says whether the kubelet does, too.
fn live(options: &Uninstall, site: &mut Site, journal: &Journal) -> Result<bool, Failure> {
    let is_stopped = Running::is_stopped(&journal.units)?;
    let mut running = match journal.units.first() {
        Some(unit) if is_stopped => Running::of(unit, &options.well)?,
        _ => Running::find(&journal.units, &options.well)?,
    };
    // A kubelet that is not well may be so for repoint's sake: it is let go in any case.
    let before = running.before_or_not()?;
    if !options.force {
        nothing_is_left(&mut running)?;
    }
    if site.tree.has(&Journal::path(&site.state)) {
        carry::record(&mut site.disk, &site.state, &journal.at(State::Undoing)).map_err(failed)?;
    }
    carry::take_out(&mut site.disk, &site.tree, journal).map_err(failed)?;
    if is_stopped {
        // By somebody, who will start it; or its unit is gone.
        carry::reload(&mut site.disk, journal.has_units).map_err(failed)?;
    } else {
        tell(&format!("restarting {}", running.unit));
        carry::restart(&mut site.disk, journal.has_units, &running.unit).map_err(failed)?;
        running.wait_for_kubelet(before, false)?;
    }
    carry::run(&mut site.disk, &["systemctl", "try-restart", "repoint.service"]).map_err(failed)?;
    carry::forget(&mut site.disk, &site.tree, &site.state, Some(journal)).map_err(failed)?;
    Ok(!is_stopped)
}

/// Whether every image that was pulled through repoint is findable without it.
fn nothing_is_left(running: &mut Running) -> Result<(), Failure> {
    let untold = |error: Box<dyn std::error::Error + Send + Sync>| Failure::new(Exit::Failed, Kept::Untold(error));
    let settings = config::settings(&Serve::default(), &config::load(None))
        .map_err(|error| Failure::new(Exit::Configuration, error))?;
    let served = left::served(&settings.state.join(daemon::SERVED)).map_err(|error| untold(error.into()))?;
    if served.is_empty() {
        return Ok(());
    }
    let named = settings.runtime.image.clone().or(match settings.runtime.runtime {
        Endpoint::At(address) => Some(address),
        Endpoint::AnyOf(_) => None,
    });
    let socket: Address = match named {
        Some(address) => address,
        None => {
            let known = running.service()?.runtime;
            let none = || untold(known.error.clone().unwrap_or_default().into());
            known.socket.as_ref().and_then(|socket| socket.parse().ok()).ok_or_else(none)?
        }
    };
    let left = running.run(left::unresolvable(socket.path(), &served))?.map_err(|error| untold(error.into()))?;
    if left.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Findings, Kept::Left(left))) }
}

fn several(left: &[Left]) -> String {
    let mut text = "without repoint these images are not found by the names that pods have for them, and are pulled again, or not at \
                    all; --force does it all the same"
        .to_owned();
    for Left { asked, there, containers } in left {
        let _infallible = write!(text, "\n{asked} is here as {there}");
        if !containers.is_empty() {
            let _infallible = write!(text, ", and used by {}", containers.join(", "));
        }
    }
    text
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
