//! `repoint install`: points this node's kubelet to repoint.

use super::running::Running;
use super::site::{Site, failed, show, tell, unclear};
use super::{Failure, note, print};
use crate::args::{Install, KubeletEndpoint, KubeletKind};
use crate::config::{self, Settings};
use crate::error::Chain;
use crate::exit::Exit;
use crate::install::check::{self, Place, Problem};
use crate::install::journal::State;
use crate::install::watch::Look;
use crate::install::{Journal, Plan, Wanted, carry, render};
use crate::node::{Kind, Tree};
use crate::runtime::Address;
use std::fmt::Write;

/// Why the kubelet was not switched, or switched back.
#[derive(Debug, thiserror::Error)]
enum Undone {
    #[error("{0}; everything is as it was")]
    AsItWas(String),
    #[error("{0}; everything is as it was, with the kubelet pointed to repoint")]
    Wired(String),
    #[error("{0}; AND IT COULD NOT BE UNDONE: {1}: run `repoint uninstall`")]
    NotAsItWas(String, String),
    #[error("calls through repoint fail")]
    Calls(#[source] crate::cri::client::NoRuntime),
    #[error("the runtime does not answer at {0}")]
    Runtime(String, #[source] crate::cri::client::NoRuntime),
    #[error("{}", several(.0))]
    Pulls(Vec<Problem>),
    #[error("repoint does not know yet where the runtime is: name it by --runtime")]
    NoRuntime,
}

/// What is asked for before the kubelet asks: an image by its old name, which need not be there.
const ASKED: &str = "k8s.gcr.io/pause:3.9";

/// Does it, or says what it would do.
///
/// # Errors
///
/// When it is not done. What was done of it is undone, then, or the error says how.
pub fn run(options: &Install) -> Result<(), Failure> {
    if let Some(fragment) = options.render {
        let text = render::fragment(fragment).map_err(unclear)?;
        return print(&text);
    }
    let wanted = wanted(options)?;
    let mut site = Site::enter(options.root.as_deref(), options.dry_run)?;
    let plan = Plan::make(&site.originals()?, &wanted).map_err(unclear)?;
    let journal = Journal::begin(&site.tree, &site.state, &plan, site.journal.clone());
    let is_live = options.root.is_none() && !options.bake;
    let diff = site.diff(&journal, true)?;
    if options.dry_run {
        note(found(&plan));
        note(commands(&journal).filter(|_| is_live && !diff.is_empty()));
        return show(&diff);
    }
    for line in found(&plan) {
        tell(&line);
    }
    let is_done = diff.is_empty() && site.journal.as_ref() == Some(&journal.finished());
    if is_done && is_live {
        tell("nothing to do: it is so already");
    } else if is_live {
        live(options, &mut site, &plan, &journal)?;
        tell("done, and the kubelet is well; `repoint uninstall` undoes it");
    } else {
        carry::install(&mut site.disk, &site.tree, &site.state, &journal).map_err(failed)?;
        tell(if is_done { "nothing to do: it is so already" } else { "done; `repoint uninstall` undoes it" });
    }
    Ok(())
}

fn wanted(options: &Install) -> Result<Wanted, Failure> {
    let address = |said: &Option<String>| {
        let address = said.as_ref().map(|said| said.parse::<Address>()).transpose();
        address.map_err(|error| Failure::new(Exit::Usage, error))
    };
    Ok(Wanted {
        both: options.endpoint == KubeletEndpoint::Both,
        runtime: address(&options.runtime)?,
        image: address(&options.image_endpoint)?,
        baked: options.kind.map(|kind| match kind {
            KubeletKind::Kubeadm => Kind::Kubeadm,
            KubeletKind::K3s => Kind::K3s,
            KubeletKind::Rke2 => Kind::Rke2,
        }),
    })
}

/// On a node that runs. Whatever fails, the node goes on as before.
fn live(options: &Install, site: &mut Site, plan: &Plan, journal: &Journal) -> Result<(), Failure> {
    let mut running = Running::find(&plan.node.units, &options.well)?;
    running.service()?;
    // What an installation began that was interrupted may be why the kubelet is not well.
    let before = if is_continued(site) { running.before_or_not()? } else { running.before()? };
    let then = Then::of(site, journal)?;
    carry::record(&mut site.disk, &site.state, journal).map_err(failed)?;
    let mut is_switched = false;
    let done = switch(options, site, plan, journal, &mut running, before, &mut is_switched);
    let Err(failure) = done else {
        return carry::record(&mut site.disk, &site.state, &journal.finished()).map_err(failed);
    };
    let why = Chain(failure.cause.as_ref()).to_string();
    tell(&format!("undoing it: {}", why.lines().next().unwrap_or_default()));
    let undone = match back(site, journal, &then, &mut running, is_switched) {
        Ok(()) if then.earlier.is_some() => Undone::Wired(why),
        Ok(()) => Undone::AsItWas(why),
        Err(failure) => Undone::NotAsItWas(why, Chain(failure.cause.as_ref()).to_string()),
    };
    Err(Failure::new(Exit::Failed, undone))
}

/// repoint first, then calls, then the kubelet.
fn switch(
    options: &Install,
    site: &mut Site,
    plan: &Plan,
    journal: &Journal,
    running: &mut Running,
    before: Look,
    is_switched: &mut bool,
) -> Result<(), Failure> {
    let own = journal.entries.iter().filter(|entry| !entry.is_kubelet);
    if carry::put_in(&mut site.disk, &site.tree, own).map_err(failed)? || is_continued(site) {
        tell("restarting repoint.service");
        carry::run(&mut site.disk, &["systemctl", "restart", "repoint.service"]).map_err(failed)?;
    }
    let status = running.wait_for_service()?;
    let source = config::load(None);
    let settings = config::settings(&crate::args::Serve::default(), &source)
        .map_err(|error| Failure::new(Exit::Configuration, error))?;
    let found = status.runtime.socket.and_then(|socket| socket.parse().ok());
    let runtime = plan.image.clone().or_else(|| plan.runtime.clone()).or(found);
    try_it(options, plan, &settings, runtime.as_ref(), running)?;
    let kubelet = journal.entries.iter().filter(|entry| entry.is_kubelet);
    *is_switched = true;
    carry::put_in(&mut site.disk, &site.tree, kubelet).map_err(failed)?;
    tell(&format!("restarting {}", running.unit));
    carry::restart(&mut site.disk, journal.has_units, &running.unit).map_err(failed)?;
    running.wait_for_kubelet(before, true)
}

/// Whether something was begun here, and not ended.
fn is_continued(site: &Site) -> bool {
    site.journal.as_ref().is_some_and(|journal| journal.state != State::Installed)
}

/// Real calls.
fn try_it(
    options: &Install,
    plan: &Plan,
    settings: &Settings,
    runtime: Option<&Address>,
    running: &mut Running,
) -> Result<(), Failure> {
    let undone = |undone: Undone| Failure::new(Exit::Failed, undone);
    tell(&format!("calling the runtime through {}", plan.listen));
    let called = running.run(check::through(plan.listen.path(), ASKED))?;
    called.map_err(|error| undone(Undone::Calls(error)))?;
    if options.skip_pull {
        return Ok(());
    }
    let (trials, untried) = check::trials(settings, &options.check_images);
    let say = |rule: &String| {
        format!("rule `{rule}` is not tried: name an image that it is about, a small one, by --check-image")
    };
    untried.iter().map(say).for_each(|line| tell(&line));
    for trial in &trials {
        tell(&format!("pulling {}", trial.image));
    }
    let runtime = runtime.ok_or_else(|| undone(Undone::NoRuntime))?;
    let place = Place { socket: runtime.path(), kind: plan.node.kind, unit: &running.unit.clone() };
    let tried = running.run(check::pulls(place, &trials, settings))?;
    let (problems, untried) = tried.map_err(|error| undone(Undone::Runtime(runtime.to_string(), error)))?;
    untried.iter().for_each(|line| tell(&format!("not tried: {line}")));
    if problems.is_empty() { Ok(()) } else { Err(undone(Undone::Pulls(problems))) }
}

/// What a node goes back to.
struct Then {
    /// The record of an installation that was whole, which stays so. Without one, nothing of ours stays.
    earlier: Option<Journal>,
    files: Tree,
}

impl Then {
    /// What this one goes back to if `journal` comes to nothing.
    fn of(site: &Site, journal: &Journal) -> Result<Self, Failure> {
        let earlier = site.journal.clone().filter(|earlier| earlier.state == State::Installed);
        let files = match &earlier {
            Some(_) => journal.contents(&site.tree),
            None => journal.originals(&site.tree),
        };
        Ok(Self { earlier, files: site.tree.with(files.map_err(unclear)?) })
    }
}

/// Everything as it was. It is not interrupted again: whoever has said so has been heard.
fn back(
    site: &mut Site,
    journal: &Journal,
    then: &Then,
    running: &mut Running,
    is_switched: bool,
) -> Result<(), Failure> {
    running.hear_no_more();
    let before = running.before_or_not()?;
    let state = if then.earlier.is_some() { State::Installing } else { State::Undoing };
    carry::record(&mut site.disk, &site.state, &journal.at(state)).map_err(failed)?;
    let changed = carry::lead_back(&mut site.disk, &site.tree, journal, &then.files).map_err(failed)?;
    // A process that was killed may have started the kubelet with what is taken out only now.
    if is_switched || changed.kubelet {
        carry::restart(&mut site.disk, journal.has_units, &running.unit).map_err(failed)?;
        running.wait_for_kubelet(before, false)?;
    }
    carry::run(&mut site.disk, &["systemctl", "try-restart", "repoint.service"]).map_err(failed)?;
    match &then.earlier {
        Some(earlier) => carry::record(&mut site.disk, &site.state, earlier).map_err(failed),
        None => carry::forget(&mut site.disk, &site.tree, &site.state, Some(journal)).map_err(failed),
    }
}

/// What the node is, and what is to be done to it, a line each.
fn found(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    let units = plan.node.units.join(" or ");
    let units = if units.is_empty() { "whose kubelet is not there yet".to_owned() } else { format!("in {units}") };
    lines.push(format!("found {}, {units}", plan.node.kind));
    for (which, said) in [("runtime", &plan.node.endpoints.runtime), ("image", &plan.node.endpoints.image)] {
        if let Some(said) = said.last()
            && let Some(address) = &said.address
        {
            lines.push(format!("its {which} endpoint is {address}, by {said}"));
        }
    }
    lines.extend(plan.changes().map(|change| format!("{}: {}", change.path.display(), change.why)));
    lines.extend(plan.notes.iter().cloned());
    lines
}

/// What is run besides.
fn commands(journal: &Journal) -> Option<String> {
    let units = journal.units.join(" or ");
    let reload = if journal.has_units { "`systemctl daemon-reload`, " } else { "" };
    Some(format!(
        "then: `systemctl restart repoint.service`, calls and pulls to try it, {reload}`systemctl restart {units}`"
    ))
}

fn several(problems: &[Problem]) -> String {
    let mut text = "images can't be pulled from where they are to come from".to_owned();
    for Problem { image, why, remedy } in problems {
        let _infallible = write!(text, "\n{image}: {remedy} (the runtime says: {why})");
    }
    text
}
