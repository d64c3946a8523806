//! Stand-in until the branch `cred` is merged.

use std::path::PathBuf;
use std::time::Duration;

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A docker `config.json`: `auths`, `credHelpers`, `credsStore`.
    DockerConfig {
        /// The file.
        path: PathBuf,
        /// How long a credential helper has to answer.
        timeout: Duration,
    },
    /// A credential provider, as the kubelet runs them.
    Provider {
        /// The program.
        command: PathBuf,
        /// Its arguments.
        args: Vec<String>,
        /// What is in its environment besides our own.
        env: Vec<(String, String)>,
        /// How long an answer holds that does not say so itself.
        default_cache: Duration,
        /// How long it has to answer.
        timeout: Duration,
    },
    /// A file that systemd hands over (`LoadCredential=`).
    Systemd {
        /// Its name in `$CREDENTIALS_DIRECTORY`.
        name: String,
        /// How long a credential helper has to answer.
        timeout: Duration,
    },
}
