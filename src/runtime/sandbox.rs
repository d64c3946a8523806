//! Which image the runtime makes pods with: its sandbox image, which it pulls by itself and names in its own configuration.
//!
//! | runtime | where it says so |
//! |---|---|
//! | containerd 1.x, CRI-O from 1.27 on, cri-dockerd | `Status` at length: `sandboxImage` in the JSON under `config` |
//! | containerd 2.x | its configuration file, and nowhere in CRI |
//! | CRI-O before 1.27, and where the file says nothing | the image is pinned, once it is there |

use super::peer::{CONTAINERD, Peer};
use crate::cri::client::{self, NoRuntime};
use crate::cri::v1::Image;
use tonic::Code;

/// The sandbox image of the runtime, as far as it can be known: as it says itself, as its files do, or as is pinned; of what is
/// pinned, those are looked at that are `ours`.
///
/// # Errors
///
/// When the runtime does not answer; one that has no such call does.
pub async fn image(
    peer: &Peer,
    in_files: impl FnOnce() -> Option<String>,
    ours: impl Fn(&str) -> bool,
) -> Result<Option<String>, NoRuntime> {
    let socket = peer.address.path();
    let info = known(client::information(socket, peer.api).await)?;
    if let Some(image) = info.get("config").and_then(|config| in_status(config)) {
        return Ok(Some(image));
    }
    if peer.name == CONTAINERD
        && let Some(image) = in_files()
    {
        return Ok(Some(image));
    }
    let images = known(client::images(socket, peer.api).await)?;
    Ok(among(&images, ours))
}

/// Nothing, where there is no such call.
fn known<T: Default>(answer: Result<T, NoRuntime>) -> Result<T, NoRuntime> {
    match answer {
        Err(NoRuntime::Answer(status)) if status.code() == Code::Unimplemented => Ok(T::default()),
        answer => answer,
    }
}

/// As the runtime has it in what it says of itself at length, under `config`.
pub fn in_status(config: &str) -> Option<String> {
    let config: serde_json::Value = serde_json::from_str(config).ok()?;
    config.get("sandboxImage")?.as_str().filter(|image| !image.is_empty()).map(str::to_owned)
}

/// The one among the pinned images. An operator may pin others; a pause image is called so.
pub fn among(images: &[Image], ours: impl Fn(&str) -> bool) -> Option<String> {
    let pinned = images.iter().filter(|image| image.pinned).flat_map(|image| &image.repo_tags);
    let candidates: Vec<_> = pinned.filter(|name| ours(name)).collect();
    let is_pause = |name: &&&String| name.rsplit('/').next().is_some_and(|last| last.starts_with("pause"));
    match candidates[..] {
        [only] => Some(only.clone()),
        _ => candidates.iter().find(is_pause).map(|name| (*name).clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: &str = "k8s.gcr.io/pause:3.9";

    #[test]
    fn a_status_that_says_something_else_says_nothing() {
        assert_eq!(in_status(r#"{"sandboxImage":"k8s.gcr.io/pause:3.9","crio":"…"}"#).as_deref(), Some(PAUSE));
        for config in ["", "{}", "[]", r#"{"sandboxImage":""}"#, r#"{"sandboxImage":3}"#] {
            assert_eq!(in_status(config), None, "{config}");
        }
    }

    #[test]
    fn of_several_pinned_images_the_pause_image_is_meant() {
        let image = |name: &str, pinned| Image { repo_tags: vec![name.to_owned()], pinned, ..Image::default() };
        let ours = |name: &str| name.starts_with("k8s.gcr.io/");
        let others = [image("k8s.gcr.io/etcd:1", false), image("harbor.example/pause:3.9", true)];
        assert_eq!(among(&others, ours), None);
        let [etcd, pause] = [image("k8s.gcr.io/etcd:2", true), image(PAUSE, true)];
        assert_eq!(among(std::slice::from_ref(&etcd), ours).as_deref(), Some("k8s.gcr.io/etcd:2"));
        assert_eq!(among(&[etcd, pause], ours).as_deref(), Some(PAUSE));
    }
}
