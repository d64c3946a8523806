//! Which image the runtime makes pods with: its sandbox image, which it pulls by itself and names in its own configuration.
//!
//! | runtime | where it says so |
//! |---|---|
//! | containerd 1.x, CRI-O from 1.27 on, cri-dockerd | `Status` at length: `sandboxImage` in the JSON under `config` |
//! | containerd 2.x | its configuration file, and nowhere in CRI |
//! | CRI-O before 1.27, and where the file says nothing | the image is pinned, once it is there |

use super::endpoint::Address;
use super::peer::{CONTAINERD, Peer};
use crate::cri::client::{self, NoRuntime};
use crate::cri::v1::Image;
use std::io;
use std::path::{Path, PathBuf};
use toml::{Table, Value};
use tonic::Code;

/// Where containerd's configuration is. Another place can't be known; `sandbox_image` is for that.
const FILE: &str = "/etc/containerd/config.toml";

/// Where it is of those that Kubernetes distributions bring along, by their sockets. Beside them the file above is another's:
/// Docker's, as a rule, which has nothing to do with pods.
const BROUGHT_ALONG: &[(&str, &[&str])] = &[
    (
        "/run/k3s/containerd/containerd.sock",
        &[
            "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
            "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
        ],
    ),
    ("/run/k0s/containerd.sock", &["/etc/k0s/containerd.toml"]),
    ("/var/snap/microk8s/common/run/containerd.sock", &["/var/snap/microk8s/current/args/containerd.toml"]),
];

/// The key in it, by the version of the file: from 3 on, before, and in the first.
pub const KEYS: [&[&str]; 3] = [
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
        && let Some(image) = files(&peer.address).iter().find_map(|file| in_file(Path::new(file)))
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

/// Where the configuration may be of the containerd that listens there.
pub fn files(address: &Address) -> &'static [&'static str] {
    brought_along(address).unwrap_or(&[FILE])
}

/// Whether nobody brought it along who runs the kubelet, too.
pub fn is_node_s_own(address: &Address) -> bool {
    brought_along(address).is_none()
}

fn brought_along(address: &Address) -> Option<&'static [&'static str]> {
    let is_its = |socket: &str| socket.parse().is_ok_and(|socket| address.is_same_as(&socket));
    BROUGHT_ALONG.iter().find(|(socket, _)| is_its(socket)).map(|(_, files)| *files)
}

fn in_file(path: &Path) -> Option<String> {
    let text = read(path)?;
    // What is imported goes before what imports it, and a later file before an earlier one.
    let imported = imports(path, &text).iter().rev().find_map(|path| in_text(&read(path)?));
    imported.or_else(|| in_text(&text))
}

fn read(path: &Path) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            let file = path.display();
            tracing::warn!(%file, %error, "Could not look for the sandbox image; `sandbox_image` may name it");
            None
        }
    }
}

/// The files that a file imports: a path, or all of a directory that end alike (`conf.d/*.toml`), in order.
fn imports(path: &Path, text: &str) -> Vec<PathBuf> {
    let Ok(file) = text.parse::<Table>() else { return Vec::new() };
    let said = file.get("imports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let directory = path.parent().unwrap_or(path);
    let mut all = Vec::new();
    for import in said.iter().filter_map(Value::as_str) {
        let Some((before, end)) = import.split_once('*') else {
            all.push(directory.join(import));
            continue;
        };
        let Ok(entries) = std::fs::read_dir(directory.join(before)) else { continue };
        let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut files: Vec<_> = files.filter(|file| file.to_string_lossy().ends_with(end)).collect();
        files.sort();
        all.extend(files);
    }
    all
}

fn in_text(text: &str) -> Option<String> {
    let file: Table = text.parse().ok()?;
    let plugins = file.get("plugins")?;
    let found = KEYS.iter().find_map(|path| path.iter().try_fold(plugins, |at, key| at.get(*key)));
    found.and_then(Value::as_str).filter(|image| !image.is_empty()).map(str::to_owned)
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
    fn the_containerd_that_a_distribution_brings_along_is_not_configured_by_the_node_s_own() {
        for (socket, first) in [
            ("/run/containerd/containerd.sock", FILE),
            ("/run/elsewhere.sock", FILE),
            ("unix:///run/k3s/containerd/containerd.sock", "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"),
            ("/run/k0s/./containerd.sock", "/etc/k0s/containerd.toml"),
        ] {
            let files = files(&socket.parse().unwrap());
            assert_eq!(files[0], first, "{socket}");
            assert_eq!(files.contains(&FILE), first == FILE, "{socket}");
        }
        for (socket, _) in BROUGHT_ALONG {
            assert!(crate::runtime::discovery::USUAL.contains(socket), "{socket}");
        }
    }

    #[test]
    fn what_a_file_of_containerd_s_imports_goes_before_what_it_says() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let said = |image: &str| format!("[plugins.cri]\nsandbox_image = \"{image}\"\n");
        std::fs::write(at("config.toml"), "imports = [\"conf.d/*.toml\", \"none.toml\"]\n".to_owned() + &said("a/x:1"))
            .unwrap();
        assert_eq!(in_file(&at("config.toml")).as_deref(), Some("a/x:1"));
        std::fs::create_dir(at("conf.d")).unwrap();
        for (name, text) in [("1.toml", said("b/x:1")), ("2.toml", said("c/x:1")), ("3.toml", "version = 3".into())] {
            std::fs::write(at("conf.d").join(name), text).unwrap();
        }
        assert_eq!(in_file(&at("config.toml")).as_deref(), Some("c/x:1"));
        assert_eq!(in_file(&at("missing.toml")), None);
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
