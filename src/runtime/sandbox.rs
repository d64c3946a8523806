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
use std::io;
use toml::{Table, Value};
use tonic::Code;

/// Where containerd's configuration is. Another place can't be known; `sandbox_image` is for that.
const FILE: &str = "/etc/containerd/config.toml";

/// The key in it, by the version of the file: from 3 on, before, and in the first.
const KEYS: [&[&str]; 3] = [
    &["io.containerd.cri.v1.images", "pinned_images", "sandbox"],
    &["io.containerd.grpc.v1.cri", "sandbox_image"],
    &["cri", "sandbox_image"],
];

/// The sandbox image of the runtime, as far as it can be known. Of what is pinned, those are looked at that are `ours`.
///
/// # Errors
///
/// When the runtime does not answer; one that has no such call does.
pub async fn image(peer: &Peer, ours: impl Fn(&str) -> bool) -> Result<Option<String>, NoRuntime> {
    let socket = peer.address.path();
    let info = known(client::information(socket, peer.api).await)?;
    if let Some(image) = info.get("config").and_then(|config| in_status(config)) {
        return Ok(Some(image));
    }
    if peer.name == CONTAINERD
        && let Some(image) = in_file()
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

fn in_status(config: &str) -> Option<String> {
    let config: serde_json::Value = serde_json::from_str(config).ok()?;
    config.get("sandboxImage")?.as_str().filter(|image| !image.is_empty()).map(str::to_owned)
}

fn in_file() -> Option<String> {
    match std::fs::read_to_string(FILE) {
        Ok(text) => in_text(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(file = FILE, %error, "Could not look for the sandbox image; `sandbox_image` may name it");
            None
        }
    }
}

fn in_text(text: &str) -> Option<String> {
    let file: Table = text.parse().ok()?;
    let plugins = file.get("plugins")?;
    let found = KEYS.iter().find_map(|path| path.iter().try_fold(plugins, |at, key| at.get(*key)));
    found.and_then(Value::as_str).filter(|image| !image.is_empty()).map(str::to_owned)
}

/// The one among the pinned images. An operator may pin others; a pause image is called so.
fn among(images: &[Image], ours: impl Fn(&str) -> bool) -> Option<String> {
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
    fn every_version_of_containerd_s_file_is_read() {
        for text in [
            "version = 3\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 'k8s.gcr.io/pause:3.9'",
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"k8s.gcr.io/pause:3.9\"",
            "[plugins.cri]\nsandbox_image = \"k8s.gcr.io/pause:3.9\"",
        ] {
            assert_eq!(in_text(text).as_deref(), Some(PAUSE), "{text}");
        }
        for text in ["", "version = 3", "[plugins]\nx = 1", "no toml", "[plugins.cri]\nsandbox_image = 3"] {
            assert_eq!(in_text(text), None, "{text}");
        }
    }

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
