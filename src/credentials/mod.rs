//! Which credentials repoint gives the runtime, to pull this image from this registry.
//!
//! The kubelet chose its credentials for the registry it knows of; at another one they have no business. A target can
//! bring its own instead, from a named [`Source`], and [`Store::find`] says which of those fit an image.
//!
//! # Secrets
//!
//! * Memory that held one is wiped: what was read of a file or a program, and every [`Credential`]. What JSON writes
//!   with escapes passes through a buffer of the parser that is not, and so does what is sent to the runtime through those of
//!   the connection.
//! * Nothing here prints one. An error about a file has the line and the column, never a piece of the line: `serde_json`'s own
//!   errors, which quote, get no further than where they arise. What a program writes to its standard output is in no
//!   error at all; of its standard error, which is written to be read, the last line is.
//! * A credential is sent for one host ([`Credential::to_auth`]), so that a runtime that is redirected keeps it.
//!
//! # What is asked, and in which order
//!
//! A docker `config.json` can name a credential helper for a registry (`credHelpers`), one for all (`credsStore`), and hold
//! credentials itself (`auths`). As with docker, at most one helper is asked, that of the registry before the one for
//! all. Docker leaves it at that, also if the helper knows nothing. Here `auths` are then looked at, since podman and
//! skopeo, which know no `credsStore`, write theirs there into the same file. What docker itself leaves in `auths` beside a
//! helper is empty, and an empty entry is none.
//!
//! Files are read anew for every lookup. That is once for a pull, and of a few hundred bytes: nothing can be stale then, and
//! no secret is kept in memory for the time between. A mount that hangs fails the lookup when its time is over; the threads
//! that hang with it are few.

mod cache;
mod credential;
mod docker;
mod docker_helper;
mod exec;
mod file;
mod json;
mod place;
mod provider;
mod store;
mod systemd;

#[cfg(test)]
mod tests;

pub use credential::{Credential, Login};
pub use store::{Store, Unavailable};

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where credentials of some name come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A docker `config.json`: `auths`, `credHelpers`, `credsStore`.
    DockerConfig {
        /// The file.
        path: PathBuf,
        /// How long reading it may take, and as long again a credential helper's answer.
        timeout: Duration,
    },
    /// A credential provider, as the kubelet runs them.
    Provider {
        /// The program.
        command: PathBuf,
        /// Its arguments.
        args: Vec<String>,
        /// What is in its environment besides our own, less what systemd says there.
        env: Vec<(String, String)>,
        /// How long an answer holds that does not say so itself.
        default_cache: Duration,
        /// How long it has to answer.
        timeout: Duration,
    },
    /// A file that systemd hands over (`LoadCredential=`): a docker `config.json`, or one line `user:password`.
    Systemd {
        /// Its name in `$CREDENTIALS_DIRECTORY`.
        name: String,
        /// How long reading it may take, and as long again a credential helper's answer.
        timeout: Duration,
    },
}

// === impl Source ===

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DockerConfig { path, timeout } => {
                f.debug_struct("DockerConfig").field("path", path).field("timeout", timeout).finish()
            }
            // Keys of cloud accounts are handed to programs in their environment. That there are some may be seen.
            Self::Provider { command, args, env, default_cache, timeout } => f
                .debug_struct("Provider")
                .field("command", command)
                .field("args", args)
                .field("env", &env.iter().map(|(name, _)| name).collect::<Vec<_>>())
                .field("default_cache", default_cache)
                .field("timeout", timeout)
                .finish(),
            Self::Systemd { name, timeout } => {
                f.debug_struct("Systemd").field("name", name).field("timeout", timeout).finish()
            }
        }
    }
}
