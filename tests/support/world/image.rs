//! Images made on the spot: one busybox, and whatever a test wants said in the configuration.

use std::sync::LazyLock;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::missing::busybox;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The commands that images have, each a link to busybox.
const COMMANDS: [&str; 6] = ["sh", "sleep", "echo", "id", "cat", "true"];

/// The users that images know by name, one the superuser and one not.
const PASSWD: &str = "root:x:0:0:root:/:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n";

/// An image as a test describes it.
#[derive(Debug, Clone)]
pub struct Image {
    user: String,
    entrypoint: Vec<String>,
    labels: Vec<(String, String)>,
}

/// Bytes and their name.
#[derive(Debug, Clone)]
pub struct Blob {
    pub bytes: Vec<u8>,
    pub digest: String,
}

/// An image as a registry takes it.
#[derive(Debug)]
pub struct Packed {
    pub manifest: Blob,
    pub blobs: [Blob; 2],
}

// One for the process: archiving two megabytes for every push is most of the time a push takes.
static BUSYBOX_LAYER: LazyLock<Blob> = LazyLock::new(|| Blob::new(layer()));

// === impl Image ===

impl Image {
    /// Runs as the superuser and sleeps for an hour, unless told otherwise.
    pub fn busybox() -> Self {
        Self { user: String::new(), entrypoint: Vec::new(), labels: Vec::new() }.entrypoint(["sleep", "3600"])
    }

    /// As in a Dockerfile: a number or a name.
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    pub fn entrypoint<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.entrypoint = words.map(str::to_owned).to_vec();
        self
    }

    /// Two images that differ in a label differ in their digests.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push((key.to_owned(), value.to_owned()));
        self
    }

    pub fn pack(&self) -> Packed {
        let layer = BUSYBOX_LAYER.clone();
        let labels: Value = self.labels.iter().cloned().map(|(k, v)| (k, json!(v))).collect();
        let config = Blob::json(&json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {
                "User": self.user,
                "Entrypoint": self.entrypoint,
                "Env": ["PATH=/bin"],
                "Labels": labels,
            },
            // Of an uncompressed layer this is its digest.
            "rootfs": { "type": "layers", "diff_ids": [layer.digest] },
        }));
        let manifest = Blob::json(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(CONFIG),
            "layers": [layer.descriptor(LAYER)],
        }));
        Packed { manifest, blobs: [layer, config] }
    }
}

// === impl Blob ===

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let hash = Sha256::digest(&bytes);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, digest: format!("sha256:{hex}") }
    }

    fn json(value: &Value) -> Self {
        Self::new(value.to_string().into_bytes())
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// `/bin` and `/etc/passwd`.
fn layer() -> Vec<u8> {
    let program = busybox().and_then(|path| std::fs::read(path).ok()).expect("a static busybox");
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content).expect("memory takes it");
    };
    add("bin", tar::EntryType::Directory, b"");
    add("bin/busybox", tar::EntryType::Regular, &program);
    add("etc", tar::EntryType::Directory, b"");
    add("etc/passwd", tar::EntryType::Regular, PASSWD.as_bytes());
    for command in COMMANDS {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        let link = format!("bin/{command}");
        archive.append_link(&mut header, link, "busybox").expect("memory takes it");
    }
    archive.into_inner().expect("memory takes it")
}
