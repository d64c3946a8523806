//! Credential providers: the programs that a kubelet runs to learn how to log in at a cloud's registry.
//!
//! One reads a `CredentialProviderRequest` and writes a `CredentialProviderResponse`, both of
//! `credentialprovider.kubelet.k8s.io/v1`. Its answer says for which images the credentials are, and for how long and
//! what else the answer holds. It is asked and read as the kubelet does it, with two exceptions: a field that is not known
//! is no error, and of several credentials that fit only the most specific is tried.

use super::cache::{Cache, Key, Logins};
use super::credential::{Login, Text};
use super::exec::{Failed, Gate, Program};
use super::json::{self, Malformed};
use super::place;
use crate::clock::Clock;
use crate::reference::Reference;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::OnceCell;

/// A credential provider.
#[derive(Debug)]
pub(super) struct Provider {
    program: Program,
    default_cache: Duration,
    clock: Clock,
    cache: Cache,
    gate: Gate,
    /// Runs that have not ended, by the repository they are for: who asks for the same waits for the same. A run
    /// belongs to those who wait for it, and ends with them.
    runs: Mutex<HashMap<String, Weak<Run>>>,
}

/// Why a provider's answer is not to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It could not be run, or failed.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// It wrote something else than an answer.
    #[error("the answer of `{program}` cannot be used")]
    Unusable {
        /// The provider.
        program: String,
        /// What is wrong with it.
        #[source]
        error: Unusable,
    },
}

/// What is wrong with an answer. What stands there instead is not shown: who knows what it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// It is not JSON, or of another form.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is something else.
    #[error("it is no {RESPONSE} of {API_VERSION}")]
    Kind,
    /// It does not say for what it holds.
    #[error("it has no `cacheKeyType` of Image, Registry or Global")]
    CacheKeyType,
    /// It says strangely for how long it holds.
    #[error("it has a `cacheDuration` that is not such as `6h0m0s`")]
    CacheDuration,
}

type Run = OnceCell<Result<Arc<Logins>, Arc<NoAnswer>>>;

#[derive(Deserialize)]
struct Response {
    kind: Option<String>,
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    #[serde(rename = "cacheKeyType")]
    cache_key_type: Option<String>,
    #[serde(rename = "cacheDuration")]
    cache_duration: Option<String>,
    auth: Option<BTreeMap<String, Option<Auth>>>,
}

#[derive(Deserialize)]
struct Auth {
    username: Option<Text>,
    password: Option<Text>,
}

/// An answer, as it is meant.
#[derive(Debug)]
pub(super) struct Answer {
    holds_for: Extent,
    /// How long it holds; `None` where the answer leaves it to us.
    holds: Option<Duration>,
    logins: Logins,
}

/// How much an answer holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Image,
    Registry,
    Global,
}

const API_VERSION: &str = "credentialprovider.kubelet.k8s.io/v1";
const REQUEST: &str = "CredentialProviderRequest";
const RESPONSE: &str = "CredentialProviderResponse";

// === impl Provider ===

impl Provider {
    /// Runs `program` for what it has not said yet.
    pub(super) fn new(program: Program, default_cache: Duration, clock: Clock) -> Self {
        let (cache, gate) = (Cache::default(), Gate::new());
        Self { program, default_cache, clock, cache, gate, runs: Mutex::default() }
    }

    /// What the provider has for `image`.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub(super) async fn find(&self, image: Reference<'_>) -> Result<Option<Login>, Arc<NoAnswer>> {
        let logins = match self.cache.find(&keys(image), self.clock.now()) {
            Some(logins) => logins,
            None => self.run(image).await?,
        };
        Ok(place::best(logins.iter(), image).cloned())
    }

    /// The answer of the run for `image` that is under way, or of one of its own.
    async fn run(&self, image: Reference<'_>) -> Result<Arc<Logins>, Arc<NoAnswer>> {
        let run = self.join(place::repository(image));
        run.get_or_init(|| async { self.ask(image).await.map_err(Arc::new) }).await.clone()
    }

    fn join(&self, repository: String) -> Arc<Run> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has ended has an answer that may not have been meant for later.
        runs.retain(|_, run| run.upgrade().is_some_and(|run| !run.initialized()));
        if let Some(run) = runs.get(&repository).and_then(Weak::upgrade) {
            return run;
        }
        let run = Arc::new(Run::new());
        runs.insert(repository, Arc::downgrade(&run));
        run
    }

    async fn ask(&self, image: Reference<'_>) -> Result<Arc<Logins>, NoAnswer> {
        let _permit = self.gate.enter(&self.program).await?;
        // While this waited, another image may have had an answer that holds for this one.
        if let Some(logins) = self.cache.find(&keys(image), self.clock.now()) {
            return Ok(logins);
        }
        let request = serde_json::json!({
            "kind": REQUEST,
            "apiVersion": API_VERSION,
            "image": place::repository(image),
        });
        let output = self.program.run(request.to_string().as_bytes()).await?;
        let answer = Answer::read(&output.success(&self.program)?).map_err(|error| NoAnswer::Unusable {
            program: self.program.command.to_string_lossy().into_owned(),
            error,
        })?;
        let logins = Arc::new(answer.logins);
        let holds = answer.holds.unwrap_or(self.default_cache);
        if !holds.is_zero() {
            let key = match answer.holds_for {
                Extent::Image => Key::Image(place::repository(image)),
                Extent::Registry => Key::Registry(place::registry(image.registry()).into_owned()),
                Extent::Global => Key::Global,
            };
            let now = self.clock.now();
            let until = now.checked_add(holds).unwrap_or(Timestamp::MAX);
            self.cache.keep(key, Arc::clone(&logins), now, until);
        }
        Ok(logins)
    }
}

/// What an answer for `image` may be kept under, the narrowest first.
fn keys(image: Reference<'_>) -> [Key; 3] {
    [Key::Image(place::repository(image)), Key::Registry(place::registry(image.registry()).into_owned()), Key::Global]
}

// === impl Answer ===

impl Answer {
    /// Reads what a provider wrote.
    ///
    /// # Errors
    ///
    /// When it is no answer.
    pub(super) fn read(written: &[u8]) -> Result<Self, Unusable> {
        let Response { kind, api_version, cache_key_type, cache_duration, auth } = json::read(written)?;
        if kind.as_deref() != Some(RESPONSE) || api_version.as_deref() != Some(API_VERSION) {
            return Err(Unusable::Kind);
        }
        let holds_for = match cache_key_type.as_deref() {
            Some("Image") => Extent::Image,
            Some("Registry") => Extent::Registry,
            Some("Global") => Extent::Global,
            _ => return Err(Unusable::CacheKeyType),
        };
        let holds = cache_duration.as_deref().map(|written| duration(written).ok_or(Unusable::CacheDuration));
        let entries = auth.into_iter().flatten();
        let logins = entries.filter_map(|(key, auth)| Some((key, auth?.login()?))).collect();
        Ok(Self { holds_for, holds: holds.transpose()?, logins })
    }
}

// === impl Auth ===

impl Auth {
    /// Without a user it is no login: the runtimes would go without.
    fn login(self) -> Option<Login> {
        let user = self.username.and_then(Text::some)?;
        Some(Login::Basic { user, password: self.password.map(|Text(password)| password).unwrap_or_default() })
    }
}

/// Reads a duration as Go writes it. One that lies in the past is none.
fn duration(written: &str) -> Option<Duration> {
    // The one thing that Go writes without a unit.
    if written == "0" {
        return Some(Duration::ZERO);
    }
    let duration: SignedDuration = written.parse().ok()?;
    Some(Duration::try_from(duration).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_joined_until_it_has_ended() {
        let program = Program { command: "x".into(), args: vec![], env: vec![], limit: Duration::ZERO };
        let provider = Provider::new(program, Duration::ZERO, Clock::SYSTEM);
        let join = || provider.join("a.example/x".to_owned());
        let run = join();
        assert!(Arc::ptr_eq(&run, &join()));
        run.set(Ok(Arc::default())).unwrap();
        assert!(!Arc::ptr_eq(&run, &join()));
        drop(run);
        drop(provider.join("a.example/y".to_owned()));
        assert_eq!(provider.runs.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_duration_is_what_go_writes() {
        for (written, seconds) in [
            ("6h0m0s", Some(21600.0)),
            ("1h30m", Some(5400.0)),
            ("5m", Some(300.0)),
            ("1.5h", Some(5400.0)),
            ("90s", Some(90.0)),
            ("300ms", Some(0.3)),
            ("1m0.5s", Some(60.5)),
            ("12h0m0s", Some(43200.0)),
            ("0", Some(0.0)),
            ("0s", Some(0.0)),
            ("-5m0s", Some(0.0)),
            ("", None),
            ("6", None),
            ("hunter2", None),
        ] {
            assert_eq!(duration(written).map(|duration| duration.as_secs_f64()), seconds, "{written}");
        }
    }
}
