//! Credential helpers: programs `docker-credential-NAME` that keep docker's credentials elsewhere than in its file.
//!
//! One is run as `docker-credential-NAME get`, with the server's name on its standard input, and answers with
//! `{"ServerURL": …, "Username": …, "Secret": …}`. That it has none it says in words, where the answer is due, and
//! fails.

use super::credential::{Login, Text};
use super::exec::{Failed, Gate, Program};
use super::json::{self, Malformed};
use super::place;
use crate::reference::Reference;
use secrecy::ExposeSecret;
use serde::Deserialize;
use std::ffi::OsString;
use std::time::Duration;

/// Runs credential helpers.
#[derive(Debug)]
pub(super) struct Helpers {
    limit: Duration,
    gate: Gate,
    /// Where they are looked for; `PATH` where that is `None`.
    path: Option<OsString>,
}

/// Why a helper's answer is not to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It is not the name of a helper, and not shown: it could be anything, a password too.
    #[error("the name of the credential helper has other characters than letters, digits, `.`, `_` and `-`")]
    Name,
    /// It could not be run, or failed.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// It wrote what is no answer.
    #[error("the answer of `docker-credential-{helper}` cannot be read")]
    Malformed {
        /// The helper.
        helper: String,
        /// Where it stops being one.
        #[source]
        error: Malformed,
    },
    /// It wrote half an answer.
    #[error("the answer of `docker-credential-{0}` has a password and no user")]
    NoUser(String),
}

/// In Go, where helpers come from, the names of fields have no case.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", alias = "username")]
    user: Option<Text>,
    #[serde(rename = "Secret", alias = "secret")]
    secret: Option<Text>,
}

/// What a helper says if it has nothing: part of the protocol.
const NONE: &[u8] = b"credentials not found in native keychain";
/// The user by which an answer says that its secret is an identity token.
const TOKEN_USER: &str = "<token>";

impl Helpers {
    /// Runs helpers that are found at `path`, and have `limit` to answer.
    pub(super) fn new(limit: Duration, path: Option<OsString>) -> Self {
        Self { limit, gate: Gate::new(), path }
    }

    /// What the helper `name` has for the registry of `image`.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub(super) async fn ask(&self, name: &str, image: Reference<'_>) -> Result<Option<Login>, NoAnswer> {
        // A name with a slash would be a path, to anything.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            return Err(NoAnswer::Name);
        }
        let program = Program {
            command: format!("docker-credential-{name}").into(),
            args: vec!["get".to_owned()],
            env: self.path.iter().map(|path| ("PATH".into(), path.clone())).collect(),
            limit: self.limit,
        };
        let permit = self.gate.enter(&program).await?;
        let output = program.run(place::server(image).as_bytes()).await?;
        drop(permit);
        if output.refusal().is_some_and(|refusal| refusal.trim_ascii() == NONE) {
            return Ok(None);
        }
        read(&output.success(&program)?, name)
    }
}

/// Reads the answer of the helper `name`.
fn read(answer: &[u8], name: &str) -> Result<Option<Login>, NoAnswer> {
    let Answer { user, secret } =
        json::read(answer).map_err(|error| NoAnswer::Malformed { helper: name.to_owned(), error })?;
    let Some(secret) = secret.and_then(Text::some) else { return Ok(None) };
    match user.and_then(Text::some) {
        None => Err(NoAnswer::NoUser(name.to_owned())),
        Some(user) if user.expose_secret() == TOKEN_USER => Ok(Some(Login::Identity(secret))),
        Some(user) => Ok(Some(Login::Basic { user, password: secret })),
    }
}
