//! What the runtime has: images, containers and sandboxes, running or not, with their pods. Every call has its time.

use super::{Found, Site, Whose, mention, unread};
use crate::cri::Pod;
use crate::cri::client::{self, NoRuntime, within};
use crate::cri::method::Version;
use crate::cri::pod::CONTAINER;
use crate::cri::v1::{Container, ContainerState, Image, PodSandbox, PodSandboxMetadata, PodSandboxState};
use crate::error::Chain;
use crate::find::{Mention, Owner};
use crate::runtime::sandbox::in_status;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// All that there is to ask for.
pub(super) const ALL: &str = "the runtime's images, containers and sandboxes";

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long all sandboxes may take, one after another.
const SANDBOXES: Duration = Duration::from_secs(30);

const IMAGE: &str = "it is on the node by this name; where nothing asks for it any more by that, it goes as unused";
const POD: &str = "change what the pod is made of (its owner, or its manifest)";
const PERHAPS: &str = "the runtime does not say by which of its names the pod asked for the image: see what the pod is made of (its owner, or its \
                       manifest), and change that if it is this one";
const SANDBOX: &str = "the pod was made with it: change the runtime's sandbox image; it goes with the pod";
const CONFIGURED: &str =
    "change the runtime's sandbox image; `repoint doctor` names the line, or which one to add where it is built in";

/// What containerd and CRI-O say of a sandbox at length.
#[derive(Deserialize)]
struct Information {
    image: String,
}

pub(super) async fn look(socket: &Path, site: &Site<'_>) -> Found {
    let mut found = Found::default();
    let api = match within(ANSWER, client::introduction(socket)).await {
        Ok((_, api)) => api,
        Err(error) => {
            found.unread.push(unread(ALL, Chain(&error).to_string()));
            return found;
        }
    };
    let images = answered(within(ANSWER, client::images(socket, api)).await, "images", &mut found);
    found.mentions.extend(images.iter().flat_map(named));
    let information = within(ANSWER, client::information(socket, api)).await.unwrap_or_default();
    if let Some(image) = information.get("config").and_then(|config| in_status(config)) {
        found.mentions.push(mention(&image, "the runtime's sandbox image", Whose::Nobody, CONFIGURED));
    }
    let sandboxes = answered(within(ANSWER, client::sandboxes(socket, api)).await, "sandboxes of pods", &mut found);
    let containers = answered(within(ANSWER, client::containers(socket)).await, "containers", &mut found);
    found.mentions.extend(containers.iter().flat_map(|one| container(one, &images, &sandboxes, site)));
    of_sandboxes(socket, api, &sandboxes, &mut found).await;
    found
}

/// Nothing, and why, where there is no answer.
fn answered<T>(answer: Result<Vec<T>, NoRuntime>, what: &str, found: &mut Found) -> Vec<T> {
    answer.unwrap_or_else(|error| {
        found.unread.push(unread(&format!("the runtime's {what}"), Chain(&error).to_string()));
        Vec::new()
    })
}

/// An image by all its names; by a digest, where there is no tag of that repository.
fn named(image: &Image) -> Vec<Mention> {
    let repository = |name: &str| name.split_once('@').map(|(repository, _)| repository.to_owned());
    let is_of = |tag: &str, repository: &str| {
        tag.strip_prefix(repository).is_some_and(|rest| rest.starts_with(':') && !rest.contains('/'))
    };
    let mut all = Vec::new();
    for tag in &image.repo_tags {
        let digest =
            image.repo_digests.iter().find(|name| repository(name).is_some_and(|repository| is_of(tag, &repository)));
        let digest = digest.and_then(|name| name.split_once('@')).map(|(_, digest)| digest.to_owned());
        let pinned = if image.pinned { ", pinned" } else { "" };
        all.push(Mention { digest, ..mention(tag, format!("image on the node{pinned}"), Whose::Unknown, IMAGE) });
    }
    for name in &image.repo_digests {
        let Some((repository, digest)) = name.split_once('@') else { continue };
        if !image.repo_tags.iter().any(|tag| is_of(tag, repository)) {
            let digest = Some(digest.to_owned());
            all.push(Mention { digest, ..mention(name, "image on the node", Whose::Unknown, IMAGE) });
        }
    }
    all
}

/// What a container was made of: as its pod says it, where the runtime knows; else by the names of its image that a rule is about,
/// which may be more than the pod's.
fn container(container: &Container, images: &[Image], sandboxes: &[PodSandbox], site: &Site<'_>) -> Vec<Mention> {
    let spec = container.image.clone().unwrap_or_default();
    let ids = [container.image_id.as_str(), container.image_ref.as_str(), spec.image.as_str()];
    let image = images
        .iter()
        .find(|image| ids.iter().any(|id| *id == image.id || image.repo_digests.iter().any(|name| name == id)));
    let is_alone = image.is_none_or(|image| image.repo_tags.len() < 2);
    let remedy = if is_alone || !spec.user_specified_image.is_empty() { POD } else { PERHAPS };
    let names = if !spec.user_specified_image.is_empty() {
        vec![spec.user_specified_image.clone()]
    } else if super::substitute(&spec.image, site).is_some() {
        vec![spec.image.clone()]
    } else {
        let tags = image.map(|image| image.repo_tags.clone()).unwrap_or_default();
        tags.into_iter().filter(|tag| super::substitute(tag, site).is_some()).collect()
    };
    let sandbox = sandboxes.iter().find(|sandbox| sandbox.id == container.pod_sandbox_id);
    let (pod, whose, owner) = pod(sandbox.and_then(|sandbox| sandbox.metadata.as_ref()), &container.labels);
    let metadata = container.metadata.as_ref().map(|metadata| metadata.name.clone());
    let name = container.labels.get(CONTAINER).cloned().or(metadata).unwrap_or_else(|| container.id.clone());
    let state = match ContainerState::try_from(container.state) {
        Ok(ContainerState::ContainerRunning) => "running",
        Ok(ContainerState::ContainerExited) => "exited",
        Ok(ContainerState::ContainerCreated) => "created",
        Ok(ContainerState::ContainerUnknown) | Err(_) => "in no known state",
    };
    let made = |image: &String| {
        let place = format!("container {name} of {pod}, {state}");
        Mention { owner: owner.clone(), container: Some(name.clone()), ..mention(image, place, whose.clone(), remedy) }
    };
    names.iter().map(made).collect()
}

/// Whose a sandbox is; by the labels of a container, where that is all there is.
fn pod(metadata: Option<&PodSandboxMetadata>, labels: &HashMap<String, String>) -> (String, Whose, Option<Owner>) {
    let named = metadata.map(|metadata| (metadata.namespace.clone(), metadata.name.clone()));
    let labelled = || Pod::of_labels(labels).map(|pod| (pod.namespace, pod.name));
    match named.or_else(labelled) {
        Some((namespace, name)) => {
            let told = format!("pod {namespace}/{name}");
            (told, Whose::Namespace(namespace), Some(Owner { kind: "Pod".to_owned(), name }))
        }
        None => ("no pod".to_owned(), Whose::Nobody, None),
    }
}

/// What sandboxes were made of. Each has to be asked for, so all of them have a time together.
async fn of_sandboxes(socket: &Path, api: Version, sandboxes: &[PodSandbox], found: &mut Found) {
    let began = Instant::now();
    let mut silent: u64 = 0;
    for sandbox in sandboxes {
        let left = SANDBOXES.saturating_sub(began.elapsed());
        let answer = within(left.min(ANSWER), client::sandbox(socket, api, &sandbox.id)).await;
        let Ok(information) = answer else {
            silent = silent.saturating_add(1);
            continue;
        };
        // A runtime that says less says it nowhere.
        let Some(information) = information.get("info").and_then(|text| serde_json::from_str::<Information>(text).ok())
        else {
            continue;
        };
        let (pod, _, owner) = pod(sandbox.metadata.as_ref(), &sandbox.labels);
        let is_ready = PodSandboxState::try_from(sandbox.state) == Ok(PodSandboxState::SandboxReady);
        let place = format!("sandbox of {pod}, {}", if is_ready { "running" } else { "exited" });
        found.mentions.push(Mention { owner, ..mention(&information.image, place, Whose::Nobody, SANDBOX) });
    }
    if silent > 0 {
        found.unread.push(unread(
            &format!("{silent} of {} sandboxes", sandboxes.len()),
            "the runtime does not say what they are made of",
        ));
    }
}
