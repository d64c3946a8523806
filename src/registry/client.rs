//! Manifests and blobs, asked of registries as a runtime does, checked against their digests.

use super::challenge;
use super::dial::Link;
use super::exchange::{Answer, Ask};
use super::fault::{Fault, Kind};
use super::manifest::{self, Blob, Manifest, Platform};
use super::names::Names;
use super::proxy::Proxies;
use super::step::{Step, What};
use super::trust::Roots;
use super::url::{Origin, Place, Url};
use crate::credentials::{Credential, Login};
use crate::reference::Reference;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How registries are reached.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// Whose certificates are trusted.
    pub roots: Roots,
    /// The proxies.
    pub proxies: Proxies,
    /// Registries without TLS. One on loopback is found out by itself.
    pub plain: Vec<Place>,
    /// How long things may take.
    pub limits: Limits,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A name, a connection to one address, TLS: each of them.
    pub connect: Duration,
    /// A request, from the name to the last byte of its answer.
    pub whole: Duration,
}

/// Asks registries. What it learns it keeps: connections, tokens, who speaks no TLS.
#[derive(Debug)]
pub struct Client {
    way: Way,
    names: Names,
    idle: Mutex<HashMap<Origin, Vec<Link>>>,
    /// Ports without TLS, and those that are meant where no port is said.
    plain: Mutex<HashMap<(String, u16), u16>>,
    /// What is shown, by whom and where.
    tokens: Mutex<HashMap<Door, HeaderValue>>,
    hasher: RandomState,
}

/// Where a token opens, the registry and the repository, and a hash of whose it is: nobody's, where there is none.
type Door = (Origin, String, Option<u64>);

/// Docker Hub as a name in references, and as the host that is asked.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");
/// What registries take as a manifest.
const MANIFEST: u64 = 4 << 20;
/// An image's configuration has some kilobytes; those of images with thousands of layers a hundred times as many.
const CONFIGURATION: u64 = 8 << 20;
/// What is read of a layer: more shows nothing of the way that it comes.
const BEGINNING: u64 = 64 << 10;
/// Connections to one host that are kept.
const IDLE: usize = 8;
/// Tokens that are kept. One that has had its time is refused, and another one asked for.
const TOKENS: usize = 10_000;

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), whole: Duration::from_secs(60) }
    }
}

// === impl Client ===

impl Client {
    /// One that knows nothing yet.
    pub fn new(way: Way) -> Self {
        let plain = way.plain.iter().flat_map(|place| {
            let of = |port| ((place.host.clone(), port), place.port.unwrap_or(80));
            let usual = place.port.is_none_or(|port| port == 80).then_some(443);
            usual.into_iter().chain([place.port.unwrap_or(80)]).map(of)
        });
        Self {
            plain: Mutex::new(plain.collect()),
            way,
            names: Names::default(),
            idle: Mutex::default(),
            tokens: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// The manifest or index that `image` names, or that of its repository with `digest`.
    ///
    /// # Errors
    ///
    /// When it can't be had, or is not what its digest says.
    pub async fn manifest(
        &self,
        image: Reference<'_>,
        digest: Option<&str>,
        credential: Option<&Credential>,
        steps: &mut Vec<Step>,
    ) -> Result<Manifest, Fault> {
        let expected = digest.or_else(|| image.digest());
        let name = expected.or_else(|| image.tag()).unwrap_or("latest");
        let mut ask = ask(What::Manifest, Method::GET, image, &format!("manifests/{name}"), MANIFEST)?;
        ask.accept = Some(manifest::ACCEPT);
        let answer = self.open(ask, image, credential, steps).await?;
        let host = answer.origin.to_string();
        // It may be signed, and then its digest is not that of its bytes.
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.contains("docker.distribution.manifest.v1") {
            let detail =
                "it has the image by the first version of docker's manifests only, which newer runtimes do not take";
            return Err(Fault::new(Kind::Malformed, host, detail));
        }
        let of_header = answer.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
        let digest = match expected.or(of_header) {
            Some(digest) => {
                checked(&host, &answer.body, digest)?;
                digest.to_owned()
            }
            None => format!("sha256:{}", hex(&Sha256::digest(&answer.body))),
        };
        Manifest::read(&host, digest, &answer.body)
    }

    /// Whether the repository of `image` has a manifest with this digest.
    ///
    /// # Errors
    ///
    /// When it has not, or does not say.
    pub async fn has(
        &self,
        image: Reference<'_>,
        digest: &str,
        credential: Option<&Credential>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Fault> {
        let mut ask = ask(What::Manifest, Method::HEAD, image, &format!("manifests/{digest}"), MANIFEST)?;
        ask.accept = Some(manifest::ACCEPT);
        self.open(ask, image, credential, steps).await.map(drop)
    }

    /// A small blob of the repository of `image`.
    ///
    /// # Errors
    ///
    /// When it can't be had, or is not what its digest says.
    async fn blob(
        &self,
        image: Reference<'_>,
        blob: &Blob,
        credential: Option<&Credential>,
        steps: &mut Vec<Step>,
    ) -> Result<bytes::Bytes, Fault> {
        if blob.size > CONFIGURATION {
            let detail = format!("the manifest says {} bytes for the configuration", blob.size);
            return Err(Fault::new(Kind::TooLarge, image.registry(), detail));
        }
        let ask = ask(What::Blob, Method::GET, image, &format!("blobs/{}", blob.digest), CONFIGURATION)?;
        let answer = self.open(ask, image, credential, steps).await?;
        let host = answer.origin.to_string();
        checked(&host, &answer.body, &blob.digest)?;
        Ok(answer.body)
    }

    /// The first bytes of a blob of the repository of `image`; of a small one, all.
    ///
    /// # Errors
    ///
    /// When they can't be had; or when these are all, and are not what the digest says.
    pub(super) async fn beginning(
        &self,
        image: Reference<'_>,
        blob: &Blob,
        credential: Option<&Credential>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Fault> {
        let mut ask = ask(What::Blob, Method::GET, image, &format!("blobs/{}", blob.digest), BEGINNING)?;
        ask.is_cut = blob.size > BEGINNING;
        let answer = self.open(ask, image, credential, steps).await?;
        if answer.is_whole { checked(&answer.origin.to_string(), &answer.body, &blob.digest) } else { Ok(()) }
    }

    /// The platform that an image of one alone is for; `None` where it does not say.
    ///
    /// # Errors
    ///
    /// When its configuration can't be had.
    pub async fn platform(
        &self,
        image: Reference<'_>,
        config: &Blob,
        credential: Option<&Credential>,
        steps: &mut Vec<Step>,
    ) -> Result<Option<Platform>, Fault> {
        let config = self.blob(image, config, credential, steps).await?;
        manifest::platform(image.registry(), &config)
    }

    /// Asks, and shows what is asked for by the answer.
    async fn open(
        &self,
        mut ask: Ask,
        image: Reference<'_>,
        credential: Option<&Credential>,
        steps: &mut Vec<Step>,
    ) -> Result<Answer, Fault> {
        let repository = repository(image);
        let login = credential.map(Credential::login);
        let door = (ask.url.origin.clone(), repository.clone(), login.map(|login| self.whose(login)));
        ask.authorization = match login {
            Some(Login::Registry(token)) => Some(header("Bearer", token.expose_secret(), image.registry())?),
            Some(Login::Basic { .. } | Login::Identity(_)) | None => lock(&self.tokens).get(&door).cloned(),
        };
        let mut answer = self.ask(&ask, steps).await?;
        // A redirect's end has its own door, and no key of ours fits it.
        let registry = self.origin(&ask.url);
        let is_closed = answer.status.as_u16() == 401 && answer.origin.is_within(&registry);
        let is_final = matches!(login, Some(Login::Registry(_)));
        if is_closed && !is_final {
            let key = challenge::answer(self, (&answer, &registry), &repository, login, steps).await?;
            if let Some(key) = key {
                self.remember(door, key.clone());
                ask.authorization = Some(key);
                answer = self.ask(&ask, steps).await?;
            }
        }
        match answer.fault() {
            Some(fault) => Err(fault),
            None => Ok(answer),
        }
    }

    /// Tells those apart who ask, by what only this process can compare.
    fn whose(&self, login: &Login) -> u64 {
        match login {
            Login::Basic { user, password } => self.hasher.hash_one((user.expose_secret(), password.expose_secret())),
            Login::Identity(token) | Login::Registry(token) => self.hasher.hash_one(token.expose_secret()),
        }
    }

    fn remember(&self, door: Door, key: HeaderValue) {
        let mut tokens = lock(&self.tokens);
        if tokens.len() >= TOKENS {
            tokens.clear();
        }
        tokens.insert(door, key);
    }

    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// A connection that nobody uses.
    pub(super) fn idle(&self, origin: &Origin) -> Option<Link> {
        let mut idle = lock(&self.idle);
        let links = idle.get_mut(origin)?;
        links.retain(|link| !link.sender.is_closed());
        links.pop()
    }

    pub(super) fn keep(&self, origin: &Origin, link: Link) {
        let mut idle = lock(&self.idle);
        let links = idle.entry(origin.clone()).or_default();
        if links.len() < IDLE && !link.sender.is_closed() {
            links.push(link);
        }
    }

    /// Remembers that there is no TLS.
    pub(super) fn is_plain(&self, origin: &Origin) {
        lock(&self.plain).insert((origin.host.clone(), origin.port), origin.port);
    }

    /// Leads to where there is no TLS, if it is known that there is none.
    pub(super) fn downgrade(&self, url: &mut Url) {
        let origin = &mut url.origin;
        if let Some(port) = lock(&self.plain).get(&(origin.host.clone(), origin.port)).filter(|_| origin.is_tls) {
            (origin.is_tls, origin.port) = (false, *port);
        }
    }

    /// Who is asked by this address: without TLS where it is known that there is none.
    pub(super) fn origin(&self, url: &Url) -> Origin {
        let mut url = url.clone();
        self.downgrade(&mut url);
        url.origin
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn repository(image: Reference<'_>) -> String {
    image.components().collect::<Vec<_>>().join("/")
}

/// What to ask the registry of `image`, by TLS until it is known better.
fn ask(what: What, method: Method, image: Reference<'_>, path: &str, limit: u64) -> Result<Ask, Fault> {
    let registry = image.registry();
    let host = if registry == HUB.0 { HUB.1 } else { registry };
    let url = Url::parse(&format!("https://{host}/v2/{}/{path}", repository(image)));
    let url = url.ok_or_else(|| Fault::new(Kind::Malformed, registry, "it is not the name of a host"))?;
    Ok(Ask { what, method, url, accept: None, authorization: None, needs_tls: false, limit, is_cut: false })
}

/// An `Authorization` for `host` that no log shows.
pub(super) fn header(scheme: &str, secret: &str, host: &str) -> Result<HeaderValue, Fault> {
    let unfit = |_| Fault::new(Kind::Credentials, host, "what is to be shown has bytes that no header may have");
    let mut value = HeaderValue::try_from(format!("{scheme} {secret}")).map_err(unfit)?;
    value.set_sensitive(true);
    Ok(value)
}

/// That bytes are those of a digest.
fn checked(host: &str, bytes: &[u8], digest: &str) -> Result<(), Fault> {
    let found = match digest.split_once(':') {
        Some(("sha256", said)) => (hex(&Sha256::digest(bytes)), said),
        Some(("sha384", said)) => (hex(&Sha384::digest(bytes)), said),
        Some(("sha512", said)) => (hex(&Sha512::digest(bytes)), said),
        _ => return Err(Fault::new(Kind::Malformed, host, format!("`{digest}` is not a digest that can be checked"))),
    };
    if found.0 == found.1 {
        return Ok(());
    }
    let algorithm = digest.split(':').next().unwrap_or_default();
    Err(Fault::new(Kind::WrongDigest, host, format!("asked for {digest}, got {algorithm}:{}", found.0)))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
