//! All sources by their names.

use super::Source;
use super::credential::{Credential, Login};
use super::docker::{self, Unusable};
use super::docker_helper::Helpers;
use super::exec::Program;
use super::file::{Reader, Unreadable};
use super::provider::{self, Provider};
use super::systemd::{self, Odd};
use crate::clock::Clock;
use crate::reference::Reference;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The sources of credentials.
#[derive(Debug)]
pub struct Store {
    sources: HashMap<String, Kind>,
    /// Where systemd puts what it hands over.
    directory: Option<PathBuf>,
}

/// Why there are no credentials where some should be. Shows no secret.
#[derive(Debug, thiserror::Error)]
#[error("the credentials `{name}` are not available")]
pub struct Unavailable {
    name: String,
    #[source]
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("there are none of that name")]
    Unknown,
    #[error("$CREDENTIALS_DIRECTORY is not set: the unit's [Service] section needs `LoadCredential={0}:/path`")]
    NoDirectory(String),
    #[error("`{0}` is not the name of a file")]
    NotAName(String),
    #[error(transparent)]
    File(#[from] Unreadable),
    #[error("{} gives none", path.display())]
    Config {
        path: PathBuf,
        #[source]
        error: Unusable,
    },
    #[error("{} gives none", path.display())]
    Systemd {
        path: PathBuf,
        #[source]
        error: Odd,
    },
    #[error(transparent)]
    Provider(Arc<provider::NoAnswer>),
}

/// A source, and what it needs to be asked.
#[derive(Debug)]
enum Kind {
    DockerConfig { path: PathBuf, reader: Reader, helpers: Helpers },
    Provider(Box<Provider>),
    Systemd { name: String, reader: Reader, helpers: Helpers },
}

// === impl Store ===

impl Store {
    /// Puts sources together. `directory` is what systemd calls `$CREDENTIALS_DIRECTORY`. Of two sources with one name, the
    /// last holds.
    pub fn new(sources: Vec<(String, Source)>, directory: Option<PathBuf>, clock: Clock) -> Self {
        Self::with_path(sources, directory, clock, None)
    }

    /// As [`Store::new`]; `path` is where credential helpers are looked for instead of `PATH`.
    pub(super) fn with_path(
        sources: Vec<(String, Source)>,
        directory: Option<PathBuf>,
        clock: Clock,
        path: Option<&OsStr>,
    ) -> Self {
        let helpers = |timeout| Helpers::new(timeout, path.map(OsStr::to_owned));
        let kind = |source| match source {
            Source::DockerConfig { path, timeout } => {
                Kind::DockerConfig { path, reader: Reader::new(timeout), helpers: helpers(timeout) }
            }
            Source::Provider { command, args, env, default_cache, timeout } => {
                let env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
                let program = Program { command: command.into(), args, env, limit: timeout };
                Kind::Provider(Box::new(Provider::new(program, default_cache, clock)))
            }
            Source::Systemd { name, timeout } => {
                Kind::Systemd { name, reader: Reader::new(timeout), helpers: helpers(timeout) }
            }
        };
        Self { sources: sources.into_iter().map(|(name, source)| (name, kind(source))).collect(), directory }
    }

    /// What the source `name` has for `image`, the reference that will be pulled. `None` is an answer: it knows nothing of that
    /// registry, and the image is pulled as by anybody.
    ///
    /// # Errors
    ///
    /// When the source can't be asked, or not in time.
    pub async fn find(&self, name: &str, image: Reference<'_>) -> Result<Option<Credential>, Unavailable> {
        let found = match self.sources.get(name) {
            Some(kind) => self.ask(kind, image).await,
            None => Err(Why::Unknown),
        };
        match found {
            Ok(login) => Ok(login.map(|login| Credential::new(login, image))),
            Err(why) => Err(Unavailable { name: name.to_owned(), why }),
        }
    }

    async fn ask(&self, kind: &Kind, image: Reference<'_>) -> Result<Option<Login>, Why> {
        match kind {
            Kind::DockerConfig { path, reader, helpers } => {
                let document = reader.read(path).await?;
                let found = docker::find(&document, image, helpers).await;
                found.map_err(|error| Why::Config { path: path.clone(), error })
            }
            Kind::Provider(provider) => provider.find(image).await.map_err(Why::Provider),
            Kind::Systemd { name, reader, helpers } => {
                let path = self.handed_over(name)?;
                let content = reader.read(&path).await?;
                systemd::find(&content, image, helpers).await.map_err(|error| Why::Systemd { path, error })
            }
        }
    }

    /// Where systemd put the credential `name`.
    fn handed_over(&self, name: &str) -> Result<PathBuf, Why> {
        let mut components = Path::new(name).components();
        if !matches!((components.next(), components.next()), (Some(Component::Normal(one)), None) if one == name) {
            return Err(Why::NotAName(name.to_owned()));
        }
        let directory = self.directory.as_ref().ok_or_else(|| Why::NoDirectory(name.to_owned()))?;
        Ok(directory.join(name))
    }
}
