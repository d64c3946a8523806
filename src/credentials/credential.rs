//! What a registry asks for, and its form on the wire.

use crate::reference::Reference;
use bytes::BufMut;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::de::{Deserialize, Deserializer, Visitor};
use std::fmt;

/// What a runtime shows a registry, and which registry.
#[derive(Debug, Clone)]
pub struct Credential {
    login: Login,
    server: String,
}

/// What a registry asks for. One kind at a time: containerd, given a user and a token, takes the user, and where docker
/// writes both (Azure's registries) that user has no password.
#[derive(Debug, Clone)]
pub enum Login {
    /// A user and a password: the one kind that all runtimes know.
    Basic {
        /// The user; a secret too where a cloud makes one up.
        user: SecretString,
        /// The password.
        password: SecretString,
    },
    /// A token to get others with. CRI-O does not know it.
    Identity(SecretString),
    /// A token for the registry itself. Only docker knows it.
    Registry(SecretString),
}

/// A string of a JSON document that is a secret.
#[derive(Debug)]
pub(super) struct Text(pub SecretString);

/// `runtime.v1.AuthConfig`, as `proto/` has it.
mod field {
    pub(super) const USERNAME: u32 = 1;
    pub(super) const PASSWORD: u32 = 2;
    pub(super) const SERVER_ADDRESS: u32 = 4;
    pub(super) const IDENTITY_TOKEN: u32 = 5;
    pub(super) const REGISTRY_TOKEN: u32 = 6;
}

/// The keys of these fields are one byte long, as those of all fields below 16.
const KEY: usize = 1;
/// Docker Hub as a name in references, and as the host that is asked.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

// === impl Credential ===

impl Credential {
    /// What to show the registry of `image`.
    pub fn new(login: Login, image: Reference<'_>) -> Self {
        let registry = image.registry();
        // containerd compares this with the host it is about to ask, to the letter.
        let host = if registry == HUB.0 { HUB.1 } else { registry };
        Self { login, server: format!("https://{host}") }
    }

    /// What is shown to it by ourselves, where it is we who ask.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// An encoded `runtime.v1.AuthConfig` (or `v1alpha2`, which is the same).
    ///
    /// containerd gives it to no other host than the one named in it, not to a mirror in its `hosts.toml` either; CRI-O
    /// and docker know by themselves what they asked for. A user and a password are sent as such and not as `auth`,
    /// which containerd would quote in its error if it could not read it.
    pub fn to_auth(&self) -> SecretSlice<u8> {
        let server = (field::SERVER_ADDRESS, self.server.as_str());
        match &self.login {
            Login::Basic { user, password } => {
                encode(&[(field::USERNAME, user.expose_secret()), (field::PASSWORD, password.expose_secret()), server])
            }
            Login::Identity(token) => encode(&[server, (field::IDENTITY_TOKEN, token.expose_secret())]),
            Login::Registry(token) => encode(&[server, (field::REGISTRY_TOKEN, token.expose_secret())]),
        }
    }
}

/// Strings in fields, by way of neither a message type nor a buffer that grows: both leave copies behind.
fn encode(fields: &[(u32, &str)]) -> SecretSlice<u8> {
    let length = |value: &str| value.len() as u64;
    let size = |value: &str| KEY.saturating_add(encoded_len_varint(length(value))).saturating_add(value.len());
    let set = || fields.iter().filter(|(_, value)| !value.is_empty());
    let mut out = Vec::with_capacity(set().fold(0, |sum: usize, (_, value)| sum.saturating_add(size(value))));
    for (number, value) in set() {
        encode_key(*number, WireType::LengthDelimited, &mut out);
        encode_varint(length(value), &mut out);
        out.put_slice(value.as_bytes());
    }
    exact(out)
}

/// A vector with room to spare is moved to make it a slice; what is moved leaves itself behind.
fn exact(mut out: Vec<u8>) -> SecretSlice<u8> {
    if out.len() == out.capacity() {
        return out.into();
    }
    let copy = SecretSlice::from(Box::from(out.as_slice()));
    secrecy::zeroize::Zeroize::zeroize(&mut out);
    copy
}

// === impl Text ===

impl Text {
    /// The string, if it is not empty: whoever writes these documents writes "" for what is not there.
    pub(super) fn some(self) -> Option<SecretString> {
        (!self.0.expose_secret().is_empty()).then_some(self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Copy;

        impl Visitor<'_> for Copy {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.into()))
            }
        }

        deserializer.deserialize_str(Copy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::v1::AuthConfig;
    use prost::Message;

    fn decoded(login: Login, image: &str) -> AuthConfig {
        let credential = Credential::new(login, Reference::parse(image).unwrap());
        AuthConfig::decode(credential.to_auth().expose_secret()).unwrap()
    }

    fn basic() -> Login {
        Login::Basic { user: "robot".into(), password: "hunter2".into() }
    }

    #[test]
    fn a_user_and_a_password_are_sent_for_the_host_that_is_asked() {
        let auth = decoded(basic(), "mirror.example.com:5000/k8s/pause:3.9");
        assert_eq!((auth.username.as_str(), auth.password.as_str()), ("robot", "hunter2"));
        assert_eq!(auth.server_address, "https://mirror.example.com:5000");
        assert_eq!((auth.auth, auth.identity_token, auth.registry_token), Default::default());
    }

    #[test]
    fn docker_hub_is_asked_at_another_host_than_its_name() {
        for image in ["busybox", "docker.io/library/busybox:1", "index.docker.io/x/y"] {
            assert_eq!(decoded(basic(), image).server_address, "https://registry-1.docker.io", "{image}");
        }
    }

    #[test]
    fn a_token_goes_without_a_user() {
        let auth = decoded(Login::Identity("t0ken".into()), "a.example/x");
        assert_eq!((auth.username.as_str(), auth.identity_token.as_str()), ("", "t0ken"));
        let auth = decoded(Login::Registry("t0ken".into()), "a.example/x");
        assert_eq!((auth.username.as_str(), auth.registry_token.as_str()), ("", "t0ken"));
    }

    #[test]
    fn what_is_not_there_is_not_sent() {
        let login = Login::Basic { user: "robot".into(), password: "".into() };
        let credential = Credential::new(login, Reference::parse("a.example/x").unwrap());
        assert_eq!(*credential.to_auth().expose_secret(), *b"\x0a\x05robot\x22\x11https://a.example");
    }

    #[test]
    fn a_long_password_arrives_whole() {
        let password = "p".repeat(100_000);
        let login = Login::Basic { user: "robot".into(), password: password.as_str().into() };
        assert!(decoded(login, "a.example/x").password == password);
    }

    #[test]
    fn printing_a_credential_prints_no_secret() {
        for login in [basic(), Login::Identity("hunter2".into()), Login::Registry("hunter2".into())] {
            let credential = Credential::new(login, Reference::parse("a.example/x").unwrap());
            let printed = format!("{credential:?} {:?}", credential.to_auth());
            assert!(printed.contains("a.example"), "{printed}");
            assert!(!printed.contains("hunter2") && !printed.contains("robot"), "{printed}");
        }
    }
}
