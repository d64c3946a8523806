//! What the room does, seen from its door: a store, an image, and what the runtime would be given.

mod docker;
mod properties;
mod provider;
mod secret;
mod systemd;

use super::{Credential, Source, Store, Unavailable};
use crate::clock::Clock;
use crate::cri::v1::AuthConfig;
use crate::error::Chain;
use crate::reference::Reference;
use prost::Message;
use secrecy::ExposeSecret;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What no test waits for.
const AMPLE: Duration = Duration::from_secs(60);

/// A node with files and programs of its own.
struct Node(TempDir);

impl Node {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// A script of `sh` that finds its node in `$NODE`.
    ///
    /// Another process writes it. While this one has a file open for writing, any test that starts a program at that
    /// moment hands the open file down to it, and until that has become its program the script can't be run.
    fn program(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path(name);
        let mut writer = Command::new("/bin/sh")
            .args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "writer"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let script = format!("#!/bin/sh\nNODE='{}'\n{body}\n", self.0.path().display());
        writer.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        path
    }

    /// A store with the one source `test`; helpers are looked for on the node, and then where `sh` finds its tools.
    fn store(&self, source: Source) -> Store {
        self.store_at(source, Clock::SYSTEM)
    }

    fn store_at(&self, source: Source, clock: Clock) -> Store {
        let path = std::env::join_paths([self.0.path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        Store::with_path(vec![("test".into(), source)], Some(self.0.path().into()), clock, Some(&path))
    }

    /// What `config.json` with this content gives for `image`.
    async fn config(&self, content: &str, image: &str) -> Found {
        let path = self.file("config.json", content);
        find(&self.store(Source::DockerConfig { path, timeout: AMPLE }), image).await
    }

    /// How often programs said that they ran.
    fn runs(&self) -> usize {
        std::fs::read_to_string(self.path("runs")).unwrap_or_default().lines().count()
    }
}

/// What was found, in a form that tests can compare: the kinds of it, and the secret.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Basic(String, String),
    Identity(String),
    Registry(String),
    Nothing,
    Unavailable(String),
}

fn basic(user: &str, password: &str) -> Found {
    Found::Basic(user.into(), password.into())
}

fn unavailable(why: impl Into<String>) -> Found {
    Found::Unavailable(why.into())
}

async fn find(store: &Store, image: &str) -> Found {
    seen(store.find("test", Reference::parse(image).unwrap()).await)
}

fn seen(outcome: Result<Option<Credential>, Unavailable>) -> Found {
    match outcome {
        Ok(None) => Found::Nothing,
        Ok(Some(credential)) => {
            let auth = AuthConfig::decode(credential.to_auth().expose_secret()).unwrap();
            let (password, identity, registry) = (&auth.password, &auth.identity_token, &auth.registry_token);
            match (auth.username.as_str(), identity.as_str(), registry.as_str()) {
                ("", token, "") => Found::Identity(token.into()),
                ("", "", token) => Found::Registry(token.into()),
                (user, "", "") => basic(user, password),
                _ => panic!("more than one kind: {auth:?}"),
            }
        }
        Err(error) => {
            let text = Chain(&error).to_string();
            let prefix = "the credentials `test` are not available: ";
            Found::Unavailable(text.strip_prefix(prefix).unwrap_or(&text).to_owned())
        }
    }
}

#[tokio::test]
async fn a_name_that_is_not_configured_is_told() {
    let store = Store::new(Vec::new(), None, Clock::SYSTEM);
    let image = Reference::parse("a.example/x").unwrap();
    let error = store.find("mirror", image).await.unwrap_err();
    assert_eq!(Chain(&error).to_string(), "the credentials `mirror` are not available: there are none of that name");
}
