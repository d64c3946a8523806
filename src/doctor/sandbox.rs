//! The image that pods are made with, which the runtime pulls past everybody; and images that stay under old names.

use super::check::some;
use super::{Case, Check, Id, Met, Verdict};
use crate::node::pause::{Pause, Sayings, Who};
use crate::node::unit::restart;
use crate::node::{Runtime, containerd};
use crate::runtime::{Keep, sandbox};
use std::path::Path;

pub(super) fn checks(case: &Case) -> Vec<Check> {
    let mut checks = sandbox(case);
    checks.push(pinned(case));
    checks
}

fn sandbox(case: &Case) -> Vec<Check> {
    let id = Id::ImagesSandbox;
    let Some(address) = case.runtime() else { return vec![Check::skipped(id, "nobody says where the runtime is")] };
    let major = case.release().map(|(major, _)| major);
    let Sayings { said, unclear } = Sayings::read(&case.tree, case.node.as_ref().ok(), &address, major);
    let mut checks: Vec<_> = unclear
        .iter()
        .map(|(who, error)| {
            let remedy = "mend the file: what it says of the pause image can't be known";
            match is_left_over(case, *who) {
                true => Check::note(id, format!("{error}; {} is not this node's runtime", who.name())),
                false => Check::unclear(id, error, remedy),
            }
        })
        .collect();
    let effective = match case.far.met() {
        Some(met) => effective(case, met, &said),
        None => in_files(case, &said),
    };
    match &effective {
        Some(image) => checks.push(judge(case, image, &said)),
        None if case.far.met().is_some() => {
            let found = "the runtime does not say which image it makes pods with, and neither does a file";
            checks.push(Check::note(id, found).remedy(
                "name it by `sandbox_image` in /etc/repoint/repoint.toml, and repoint sees to it if it is an old name",
            ));
        }
        None => checks.push(Check::skipped(id, "no file names the image, and the runtime was not asked")),
    }
    // Whoever else names an old one.
    let is_else = |said: &&Pause| effective.as_ref() != Some(&said.word.text) || is_left_over(case, said.who);
    for pause @ Pause { who, word, .. } in said.iter().filter(is_else) {
        let Some((_, substitute)) = case.substitute(&word.text) else { continue };
        let (name, image) = (who.name(), &word.text);
        let verdict = if is_left_over(case, *who) { Verdict::Note } else { Verdict::Warning };
        let found = match (who, verdict) {
            (Who::Kubelet, _) => {
                format!("the kubelet is told to keep {image}, an old name: it may collect the image that is used")
            }
            (_, Verdict::Note) => {
                format!("{name}, which is not this node's runtime, is told to make pods with {image}, an old name")
            }
            _ => format!("{name} is told to make pods with {image}, an old name, which is not what holds now"),
        };
        let check = Check::new(id, verdict, found).remedy(pause.change(substitute.as_deref()));
        checks.push(check.about(name).at(word.place()));
    }
    checks
}

/// Whether it is a runtime's word that is not this node's.
fn is_left_over(case: &Case, who: Who) -> bool {
    matches!(who, Who::Runtime(runtime) if !case.may_have(runtime))
}

/// What files say that the runtime does: its own; where k3s or RKE2 have yet to write that, theirs.
fn in_files(case: &Case, said: &[Pause]) -> Option<String> {
    let own = |said: &&Pause| matches!(said.who, Who::Runtime(runtime) if case.may_have(runtime));
    let found = said.iter().find(own).or_else(|| said.iter().find(|said| said.who == Who::Rancher));
    found.map(|said| said.word.text.clone())
}

/// What the runtime says, else what its file does, else what is pinned.
fn effective(case: &Case, met: &Met, said: &[Pause]) -> Option<String> {
    let in_status = met.information.get("config").and_then(|config| sandbox::in_status(config));
    let pinned = || sandbox::among(met.images.as_deref().unwrap_or_default(), |image| case.is_old(image));
    in_status.or_else(|| in_files(case, said)).or_else(pinned)
}

fn judge(case: &Case, image: &str, said: &[Pause]) -> Check {
    let id = Id::ImagesSandbox;
    let is_its = |said: &&Pause| said.word.text == image && !is_left_over(case, said.who);
    let places: Vec<&Pause> = said.iter().filter(is_its).collect();
    let at = |check: Check| places.iter().fold(check, |check, said| check.at(said.word.place()));
    let Some((rule, substitute)) = case.substitute(image) else {
        return at(Check::ok(id, format!("pods are made with {image}")));
    };
    let keep = case.settings.as_ref().map(|settings| settings.runtime.keep);
    let is_containerd = case.may_have(Runtime::Containerd);
    let keeps_records = case.far.met().map_or(is_containerd, |met| met.keeps_records != Some(false));
    let is_seen_to = keeps_records && !matches!(keep, Ok(Keep::Never));
    let remedy = if places.is_empty() {
        let substitute = substitute.as_deref().unwrap_or("one of a registry that stays");
        let how = if is_containerd {
            in_containerd(case, substitute, said)
        } else {
            format!(
                "add `pause_image = \"{substitute}\"` under [crio.image] in a file in /etc/crio/crio.conf.d (cri-dockerd: \
                 --pod-infra-container-image={substitute})"
            )
        };
        format!("no file says so, it is built into the runtime: {how}")
    } else {
        let mut all: Vec<_> = places.iter().map(|said| said.change(substitute.as_deref())).collect();
        // What is written of a line that is itself one of them is changed by that.
        all.dedup();
        all.join("; ")
    };
    let found =
        format!("pods are made with {image}, an old name (rule `{rule}`), which the runtime pulls past everybody");
    at(if is_seen_to {
        Check::warning(id, format!("{found}; repoint sees to it, as long as it runs"), remedy)
    } else {
        let images = case.far.met().and_then(|met| met.images.as_ref().ok());
        let is_there =
            images.is_some_and(|images| images.iter().any(|one| one.repo_tags.iter().any(|tag| tag == image)));
        let (verdict, until) = if is_there {
            (
                Verdict::Warning,
                "it is on the node, and once it is collected or removed, no pod starts that is not there yet",
            )
        } else {
            (Verdict::Failure, "where it is not on the node, no pod starts that is not there yet")
        };
        Check::new(id, verdict, format!("{found}; without the old registry: {until}")).remedy(remedy)
    })
}

/// How the node's containerd is told that has it built in. A section for another version of the file would say nothing.
fn in_containerd(case: &Case, image: &str, said: &[Pause]) -> String {
    if let Some(told) = said.iter().find(|said| said.who == Who::Rancher) {
        return told.change(Some(image));
    }
    if let Ok(node) = &case.node
        && let Some(file) = node.kind.configuration()
    {
        return format!("set `{}: {image}` in {file}; then {}", Who::Rancher.key(), restart(&node.units, false));
    }
    let restart = restart(&[Runtime::Containerd.unit().to_owned()], false);
    let own = case.containerd().ok().flatten();
    let own = own.map(|found| (found.file.display().to_string(), version(case, &found.file)));
    let of_new = if case.release().is_some_and(|(major, _)| major >= 2) { 3 } else { 2 };
    let is_elsewhere = case.runtime().is_some_and(|address| containerd::is_brought_along(&address));
    let (file, version, is_made) = match own {
        Some((file, version)) => (file, version, false),
        None if is_elsewhere => ("the configuration of that containerd".to_owned(), of_new, false),
        None => (containerd::FILE.to_owned(), of_new, true),
    };
    let (section, key) = match version {
        3.. => ("[plugins.'io.containerd.cri.v1.images'.pinned_images]", "sandbox"),
        2 => ("[plugins.\"io.containerd.grpc.v1.cri\"]", "sandbox_image"),
        _ => ("[plugins.cri]", "sandbox_image"),
    };
    match is_made {
        true => format!(
            "write {file} with three lines: `version = {version}`, `{section}`, `{key} = \"{image}\"`; then {restart}"
        ),
        false => format!("add `{key} = \"{image}\"` under {section} in {file}; then {restart}"),
    }
}

/// The version of a file of containerd's. One that says none is of the first.
fn version(case: &Case, file: &Path) -> i64 {
    let text = case.tree.text(file).ok().flatten().unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    table.get("version").and_then(toml::Value::as_integer).unwrap_or(1)
}

fn pinned(case: &Case) -> Check {
    let id = Id::ImagesPinned;
    let Some(met) = case.far.met() else { return Check::skipped(id, "the runtime was not asked, or does not answer") };
    let images = match &met.images {
        Ok(images) => images,
        Err(why) => {
            return Check::warning(
                id,
                format!("the runtime does not list its images: {why}"),
                "see the log of the runtime (`journalctl -u containerd`)",
            );
        }
    };
    let pinned = images.iter().filter(|image| image.pinned).flat_map(|image| &image.repo_tags);
    let mut old: Vec<String> = pinned.filter(|name| case.is_old(name)).cloned().collect();
    old.sort();
    if old.is_empty() {
        return Check::ok(id, format!("none of {} images is pinned under an old name", images.len()));
    }
    Check::note(id, format!("pinned under old names: {}", some(&old))).remedy(
        "they stay on the node as long as the runtime's configuration names them: change that (images.sandbox), and they can be collected",
    )
}
