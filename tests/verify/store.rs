//! What a registry has, for a [`Server`](super::server::Server) that is one.

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::server::{Answer, Asked};

/// Manifests and blobs by the end of their paths.
#[derive(Debug, Clone, Default)]
pub struct Store(BTreeMap<String, Vec<u8>>);

/// The one that worlds have, and machines of their architecture.
pub const AMD64: &str = "linux/amd64";

pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

// === impl Store ===

impl Store {
    /// An image for a platform, by its tag; and its digest.
    pub fn image(&mut self, repository: &str, tag: &str, platform: &str) -> String {
        let (os, architecture) = platform.split_once('/').unwrap();
        let config =
            json!({ "os": os, "architecture": architecture, "config": { "Labels": { "is": repository } } }).to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config.as_bytes()), "size": config.len() },
            "layers": [],
        });
        self.0.insert(format!("{repository}/blobs/{}", digest(config.as_bytes())), config.into_bytes());
        self.manifest(repository, tag, manifest.to_string().into_bytes())
    }

    /// Whatever bytes, as a manifest.
    pub fn manifest(&mut self, repository: &str, tag: &str, bytes: Vec<u8>) -> String {
        let digest = digest(&bytes);
        self.0.insert(format!("{repository}/manifests/{tag}"), bytes.clone());
        self.0.insert(format!("{repository}/manifests/{digest}"), bytes);
        digest
    }

    /// As a registry.
    pub fn answer(&self, asked: &Asked) -> Answer {
        let path = asked.path.split('?').next().unwrap();
        let path = path.strip_prefix("/v2/").unwrap_or(path);
        match self.0.get(path) {
            Some(bytes) => Answer::new(200, bytes.clone()),
            None => Answer::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
        }
    }

    /// Where its blobs are, in it.
    pub fn is_blob(asked: &Asked) -> bool {
        asked.path.contains("/blobs/")
    }
}
