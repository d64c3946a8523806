//! A record as one sentence, for people who read a journal.

use crate::audit::record::{
    Body, Count, Event, Outcome, Override, PodRecord, Pull, Reload, ReloadOutcome, SandboxImage, SandboxOutcome, Start,
    Switch, Use,
};

/// What a start calls it.
const LAST_GOOD: &str = "last_good";

/// What happened, in a few words.
pub(super) fn sentence(event: Event, body: &Body) -> String {
    match body {
        // A heartbeat, just before, has said what there was to count.
        _ if event == Event::Stopped => "Stopped".to_owned(),
        Body::Pull(pull) => of_pull(event, pull),
        Body::Use(found) => of_use(found),
        Body::SandboxImage(sandbox) => of_sandbox(sandbox),
        Body::Count(count) => of_count(count),
        Body::Start(start) => of_start(start),
        Body::Reload(reload) => of_reload(reload),
        Body::Override(one) => of_override(one),
        Body::Switch(switch) => of_switch(event, switch),
    }
}

fn of_pull(event: Event, pull: &Pull) -> String {
    let Pull { rule, image, .. } = pull;
    let whom = whom(pull.pod.as_slice());
    let substitute = pull.substitute.as_deref().unwrap_or(image);
    let why = pull.status.as_ref().map(|status| status.message.as_str()).filter(|why| !why.is_empty());
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    match event {
        Event::Substituted => format!("Pulled {substitute} for {image}{whom}"),
        Event::FellBack => format!("Pulled {image} as it is named, since no target served it{whom}"),
        Event::Failed if pull.outcome == Some(Outcome::Cancelled) => {
            format!("The pull of {substitute} for {image} was given up{whom}")
        }
        Event::Failed => format!("Could not pull {substitute} for {image}{whom}{why}"),
        Event::Observed => format!("Looked on at a pull of {image}, by rule {rule}{whom}"),
        Event::Denied => format!("Refused to pull {image}, by rule {rule}{whom}"),
        Event::Intended => format!("About to pull {substitute} for {image}{whom}"),
        Event::Used
        | Event::SandboxImage
        | Event::Heartbeat
        | Event::Started
        | Event::Stopped
        | Event::Reloaded
        | Event::Overridden
        | Event::Disabled
        | Event::Enabled => {
            format!("{}: {image}", event.as_str())
        }
    }
}

fn of_use(found: &Use) -> String {
    let Use { image, substitute, .. } = found;
    let whom = whom(found.pods.as_deref().unwrap_or_default());
    if image == substitute {
        return format!("{image} is still asked for by its old name{whom}");
    }
    format!("{image} is still asked for by its old name, and is there as {substitute}{whom}")
}

fn of_sandbox(sandbox: &SandboxImage) -> String {
    let SandboxImage { image, substitute, outcome, message, .. } = sandbox;
    let why = message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let substitute = substitute.as_deref().unwrap_or(image);
    match outcome {
        SandboxOutcome::Present => format!("The sandbox image is there by its old name, {image}"),
        SandboxOutcome::Pulled => format!("Gave the sandbox image {substitute} its old name, {image}"),
        SandboxOutcome::Failed => format!("Could not have the sandbox image {image}{why}"),
        SandboxOutcome::Cannot => format!("The runtime pulls its sandbox image {image} by itself{why}"),
    }
}

fn of_count(count: &Count) -> String {
    let Count { since, counters: n, .. } = count;
    format!(
        "Since {since:.0}: {} substituted, {} fell back, {} failed, {} observed, {} denied, {} used, {} lost",
        n.substituted, n.fell_back, n.failed, n.observed, n.denied, n.used, n.lost
    )
}

fn of_start(start: &Start) -> String {
    let cut = match start.repaired {
        0 => String::new(),
        bytes => format!("; {bytes} bytes of a torn line were cut off the audit log"),
    };
    let whose = if start.configuration == LAST_GOOD { " of the last good configuration" } else { "" };
    let why = start.message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("Started with {}{whose}{why}{cut}", rules(start.rules))
}

fn of_reload(reload: &Reload) -> String {
    let why = reload.message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    match reload.outcome {
        ReloadOutcome::Loaded => format!("Read the configuration again: {}", rules(reload.rules)),
        ReloadOutcome::Refused => format!("Kept what holds, {}{why}", rules(reload.rules)),
    }
}

fn of_override(one: &Override) -> String {
    let Override { rule, instead, until, uid } = one;
    let by = uid.map(|uid| format!(", says user {uid}")).unwrap_or_default();
    match (instead, until) {
        (Some(instead), Some(until)) => format!("Rule {rule} is overridden until {until:.0} with {instead}{by}"),
        _ => format!("Rule {rule} holds again{by}"),
    }
}

fn of_switch(event: Event, Switch { file }: &Switch) -> String {
    if event == Event::Disabled {
        return format!("No pull is substituted any more: {file} is there");
    }
    format!("Pulls are substituted again: {file} is gone")
}

fn rules(number: usize) -> String {
    if number == 1 { "1 rule".to_owned() } else { format!("{number} rules") }
}

/// In brackets, at the end.
fn whom(pods: &[PodRecord]) -> String {
    match pods {
        [] => String::new(),
        [PodRecord { namespace, name, .. }] => format!(" ({namespace}/{name})"),
        many => format!(" ({} pods)", many.len()),
    }
}
