//! docker's `config.json`, and what podman and skopeo write in the same form (`auth.json`).
//!
//! It is other people's file: what is not about credentials is ignored, and so are keys that are not known. In which order it is
//! asked is said at [`super`].

use super::credential::{Login, Text};
use super::docker_helper::{Helpers, NoAnswer};
use super::json::{self, Malformed};
use super::place;
use crate::reference::Reference;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Why a file gives no credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// It is no such file.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// An entry can't be decoded.
    #[error("`auth` for {0} is not the base64 form of `user:password`")]
    Auth(String),
    /// The helper it names does not answer.
    #[error(transparent)]
    Helper(#[from] NoAnswer),
}

#[derive(Deserialize)]
struct Config {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<Text>,
    username: Option<Text>,
    password: Option<Text>,
    #[serde(rename = "identitytoken")]
    identity: Option<Text>,
    #[serde(rename = "registrytoken")]
    registry: Option<Text>,
}

/// As tolerant as those who write these files are careless.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What `document` has for `image`, or the helper that it names.
///
/// # Errors
///
/// When the document can't be read, or the helper does not answer.
pub(super) async fn find(document: &[u8], image: Reference<'_>, helpers: &Helpers) -> Result<Option<Login>, Unusable> {
    let config: Config = json::read(document)?;
    if let Some(helper) = config.helper(image)
        && let Some(login) = helpers.ask(helper, image).await?
    {
        return Ok(Some(login));
    }
    config.entry(image).map_or(Ok(None), |entry| entry.login(image))
}

// === impl Config ===

impl Config {
    /// The one helper to ask. One of no name switches off, for a registry, the one for all: so it is with docker.
    fn helper(&self, image: Reference<'_>) -> Option<&str> {
        let own = place::best(self.helpers.iter().flatten(), image);
        own.or(self.store.as_ref()).map(String::as_str).filter(|helper| !helper.is_empty())
    }

    /// The most specific entry that is not empty.
    fn entry(self, image: Reference<'_>) -> Option<Entry> {
        let entries = self.auths.into_iter().flatten();
        let filled = entries
            .filter_map(|(key, entry)| Some((key, entry?.without_blanks())))
            .filter(|(_, entry)| entry.is_filled());
        place::best(filled, image)
    }
}

// === impl Entry ===

impl Entry {
    /// `""` is written for what is not there.
    fn without_blanks(self) -> Self {
        let filled = |text: Option<Text>| text.and_then(Text::some).map(Text);
        Self {
            auth: filled(self.auth),
            username: filled(self.username),
            password: filled(self.password),
            identity: filled(self.identity),
            registry: filled(self.registry),
        }
    }

    fn is_filled(&self) -> bool {
        self.auth.is_some() || self.username.is_some() || self.identity.is_some() || self.registry.is_some()
    }

    fn login(self, image: Reference<'_>) -> Result<Option<Login>, Unusable> {
        // A token of this kind stands beside a user that is worth nothing without it.
        if let Some(Text(token)) = self.identity {
            return Ok(Some(Login::Identity(token)));
        }
        if let Some(Text(auth)) = self.auth {
            let login = decode(&auth).ok_or_else(|| Unusable::Auth(image.registry().to_owned()))?;
            return Ok(Some(login));
        }
        if let Some(Text(user)) = self.username {
            let password = self.password.map(|Text(password)| password).unwrap_or_default();
            return Ok(Some(Login::Basic { user, password }));
        }
        Ok(self.registry.map(|Text(token)| Login::Registry(token)))
    }
}

/// Reads `auth`.
fn decode(auth: &SecretString) -> Option<Login> {
    let auth = auth.expose_secret().trim();
    let mut decoded = Zeroizing::new(vec![0; base64::decoded_len_estimate(auth.len())]);
    let length = BASE64.decode_slice(auth, &mut decoded).ok()?;
    let text = std::str::from_utf8(decoded.get(..length)?).ok()?;
    // Old versions of docker padded with it, and all later ones take it off.
    basic(text.trim_end_matches('\0'))
}

/// Reads `user:password`. A password may have colons.
pub(super) fn basic(text: &str) -> Option<Login> {
    let (user, password) = text.split_once(':')?;
    (!user.is_empty()).then(|| Login::Basic { user: user.into(), password: password.into() })
}
