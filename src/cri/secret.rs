//! The secrets of a request to pull, so that what is told of it has none of them in it.
//!
//! A runtime may quote what it could not use: containerd does, of an `auth` that is no user and password.

use super::method::PULL_AUTH;
use crate::wire::{self, Step};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;

/// `AuthConfig.password`, `auth`, `identity_token` and `registry_token`.
const SECRETS: [u32; 4] = [2, AUTH, 5, 6];
/// The user and the password in Base64.
const AUTH: u32 = 3;

/// A shorter one is no secret, and in many a text by chance.
const SHORTEST: usize = 4;

/// What stands for a secret.
const HIDDEN: &str = "[redacted]";

/// `text` without the secrets in `request`, a `PullImageRequest`.
pub fn redacted(text: String, request: &[u8]) -> String {
    if text.is_empty() {
        return text;
    }
    let mut secrets = secrets(request);
    // One that holds another goes first, or what is left of it would stay.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let long = secrets.iter().filter(|secret| secret.len() >= SHORTEST);
    long.fold(text, |text, secret| text.replace(secret.as_str(), HIDDEN))
}

fn secrets(request: &[u8]) -> Vec<Zeroizing<String>> {
    let mut secrets = Vec::new();
    for number in SECRETS {
        let path: Vec<Step> = PULL_AUTH.iter().copied().chain([Step::Many(number)]).collect();
        for site in wire::sites(request, &path).unwrap_or_default() {
            let Some(secret) = request.get(site.value).and_then(|value| std::str::from_utf8(value).ok()) else {
                continue;
            };
            secrets.push(Zeroizing::new(secret.to_owned()));
            let decoded = (number == AUTH).then(|| STANDARD.decode(secret).ok().map(Zeroizing::new)).flatten();
            if let Some(login) = decoded.as_ref().and_then(|decoded| std::str::from_utf8(decoded).ok()) {
                secrets.extend(
                    [login, login.split_once(':').map_or("", |(_, password)| password)]
                        .map(|text| Zeroizing::new(text.to_owned())),
                );
            }
        }
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::v1::{AuthConfig, PullImageRequest};
    use prost::Message;

    #[test]
    fn no_secret_of_a_request_is_left_and_the_rest_is() {
        let auth = AuthConfig {
            username: "robot".into(),
            password: "hunter2".into(),
            // "robot:hunter2-and-more".
            auth: "cm9ib3Q6aHVudGVyMi1hbmQtbW9yZQ==".into(),
            identity_token: "t0ken".into(),
            registry_token: "abc".into(),
            ..AuthConfig::default()
        };
        let request = PullImageRequest { auth: Some(auth), ..PullImageRequest::default() }.encode_to_vec();
        let told =
            "abc: robot, hunter2, hunter2-and-more, cm9ib3Q6aHVudGVyMi1hbmQtbW9yZQ==, robot:hunter2-and-more, t0ken";
        assert_eq!(
            redacted(told.to_owned(), &request),
            "abc: robot, [redacted], [redacted], [redacted], [redacted], [redacted]"
        );
        // What occurs twice is merged by whoever reads it: of both, the one that counts is not told either.
        let twice = [
            request,
            PullImageRequest {
                auth: Some(AuthConfig { password: "other".into(), ..AuthConfig::default() }),
                ..PullImageRequest::default()
            }
            .encode_to_vec(),
        ]
        .concat();
        assert_eq!(redacted("hunter2 other".to_owned(), &twice), "[redacted] [redacted]");
        assert_eq!(redacted("no".to_owned(), b"\xff"), "no");
    }
}
