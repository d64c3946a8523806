//! A user and a password, as those who send and those who ask for them write it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use repoint::cri::v1::AuthConfig;

/// The one that opens a guarded registry.
pub const LOGIN: Login = Login { user: "puller", password: "open-sesame" };

/// The same for the registry's eyes. docker-registry knows no other hash than bcrypt, which nothing here can compute.
pub const HTPASSWD: &str = "puller:$2b$04$lhi1t5lqvBM9S8EyR.5XneeOIT6vB7zp.6Ob6Z42h2cBVuQnaWE7u\n";

/// A user and a password.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    pub user: &'static str,
    pub password: &'static str,
}

// === impl Login ===

impl Login {
    /// As it stands in an `Authorization` header.
    pub fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }

    /// As a kubelet sends it. containerd 1.6 hands it on to the host and port of `server` alone, compared with the
    /// address that it was led to and not with the name in the reference; without a `server`, to whoever asks.
    pub fn auth(&self, server: &str) -> AuthConfig {
        AuthConfig {
            username: self.user.to_owned(),
            password: self.password.to_owned(),
            server_address: server.to_owned(),
            ..AuthConfig::default()
        }
    }
}
