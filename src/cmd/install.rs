//! `repoint install`: points this node's kubelet to repoint.

use super::site::{Site, failed, show, tell, unclear};
use super::{Failure, note, print};
use crate::args::{Install, KubeletEndpoint, KubeletKind};
use crate::exit::Exit;
use crate::install::{Journal, Kind, Plan, Wanted, carry, render};
use crate::runtime::Address;

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
    let journal = Journal::begin(&site.tree, &site.state, &plan, site.journal.take());
    let is_live = options.root.is_none() && !options.bake;
    if options.dry_run {
        note(found(&plan));
        note(commands(&journal, is_live));
        return show(&site.diff(&journal, true)?);
    }
    for line in found(&plan) {
        tell(&line);
    }
    let has_changed = carry::install(&mut site.disk, &site.tree, &site.state, &journal).map_err(failed)?;
    tell(if has_changed { "done; `repoint uninstall` undoes it" } else { "nothing to do: it is so already" });
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
fn commands(journal: &Journal, is_live: bool) -> Option<String> {
    let units = is_live.then(|| journal.units.join(" or "))?;
    let reload = if journal.has_units { "`systemctl daemon-reload`, " } else { "" };
    Some(format!(
        "then: `systemctl restart repoint.service`, calls and pulls to try it, {reload}`systemctl restart {units}`"
    ))
}
