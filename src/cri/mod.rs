//! The container runtime interface: what carries an image reference ([`method`]), for which pod ([`Pod`]), what is
//! not to be told of it ([`secret`]), and types and clients for the few calls that repoint makes itself.

pub mod client;
pub mod method;
pub mod pod;
pub mod secret;

pub use pod::Pod;
use std::fmt;

/// `runtime.v1`: the messages, and the clients of kubelets and runtimes of today.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::doc_markdown,
    clippy::missing_errors_doc,
    reason = "generated; proto/ says what there is to say"
)]
pub mod v1 {
    tonic::include_proto!("runtime.v1");
}

/// `runtime.v1alpha2`: the clients alone, since its messages are those of [`v1`].
#[expect(
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "generated"
)]
pub mod v1alpha2 {
    tonic::include_proto!("runtime.v1alpha2");
}

// === impl AuthConfig ===

impl fmt::Debug for v1::AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The user is a secret too where it comes with a token, as cloud providers do; that there is one is not.
        f.debug_struct("AuthConfig").field("server_address", &self.server_address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::v1::AuthConfig;

    #[test]
    fn printing_credentials_prints_no_secret() {
        let secret = || "hunter2".to_owned();
        let auth = AuthConfig {
            username: secret(),
            password: secret(),
            auth: secret(),
            server_address: "registry.example".to_owned(),
            identity_token: secret(),
            registry_token: secret(),
        };
        let printed = format!("{auth:?}");
        assert!(printed.contains("registry.example"), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
