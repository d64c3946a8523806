//! What a registry asks for before it answers, and how one comes by it.

use super::client::{Client, header};
use super::exchange::{Answer, Ask};
use super::fault::{Fault, Kind};
use super::step::{Step, What};
use super::url::{Origin, Url};
use crate::credentials::Login;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Method};
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::fmt::Write;

/// What one is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user and a password.
    Basic,
    /// A token that somebody else gives.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// What is read of a token's answer.
const TOKEN: u64 = 256 << 10;

/// What opens the door that `refused` shut; `None` where we have nothing for it. `registry` is who has it, and how it is asked.
pub(super) async fn answer(
    client: &Client,
    (refused, registry): (&Answer, &Origin),
    repository: &str,
    login: Option<&Login>,
    steps: &mut Vec<Step>,
) -> Result<Option<HeaderValue>, Fault> {
    let challenges = refused.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let challenges: Vec<Challenge> = challenges.flat_map(read).collect();
    for challenge in &challenges {
        match (challenge, login) {
            (Challenge::Basic, Some(Login::Basic { user, password })) => {
                return basic(user, password, &registry.to_string()).map(Some);
            }
            (Challenge::Bearer { realm, service, scope }, _) => {
                let scope = scope.clone().unwrap_or_else(|| format!("repository:{repository}:pull"));
                let door = (realm.as_str(), service.as_deref(), scope.as_str());
                return token(client, door, registry, login, steps).await.map(Some);
            }
            (Challenge::Basic, _) => {}
        }
    }
    Ok(None)
}

async fn token(
    client: &Client,
    (realm, service, scope): (&str, Option<&str>, &str),
    from: &Origin,
    login: Option<&Login>,
    steps: &mut Vec<Step>,
) -> Result<HeaderValue, Fault> {
    let mut query = format!("scope={}", escaped(scope));
    if let Some(service) = service {
        query.extend(["&service=", &escaped(service)]);
    }
    let sign = if realm.contains('?') { '&' } else { '?' };
    let host = from.to_string();
    let mut url = Url::parse(&format!("{realm}{sign}{query}"))
        .ok_or_else(|| Fault::new(Kind::Malformed, &host, "it wants a token from what is no address"))?;
    let authorization = match login {
        Some(Login::Basic { user, password }) => Some(basic(user, password, &host)?),
        Some(Login::Identity(_)) => {
            return Err(Fault::new(
                Kind::Credentials,
                host,
                "they are an identity token, which only runtimes exchange: repoint has no way to show it",
            ));
        }
        Some(Login::Registry(_)) | None => None,
    };
    client.downgrade(&mut url);
    // It is the registry that decides how a password for it is sent, and not who gives its tokens.
    let needs_tls = authorization.is_some() && from.is_tls;
    if needs_tls && !url.origin.is_tls {
        let detail = "it wants a password to be sent without TLS, for a token";
        return Err(Fault::new(Kind::Credentials, host, detail));
    }
    let ask = Ask {
        what: What::Token,
        method: Method::GET,
        url,
        accept: None,
        authorization,
        needs_tls,
        limit: TOKEN,
        is_cut: false,
    };
    let given = client.ask(&ask, steps).await.and_then(|answer| read_token(&answer));
    let mut token = given.map_err(|fault| of_tokens(fault, &host))?;
    let value = header("Bearer", &token, &host);
    token.zeroize();
    value
}

fn read_token(answer: &Answer) -> Result<String, Fault> {
    if let Some(fault) = answer.fault() {
        return Err(fault);
    }
    let parsed: Option<Token> = serde_json::from_slice(&answer.body).ok();
    let tokens = parsed.into_iter().flat_map(|parsed| [parsed.token, parsed.access_token]).flatten();
    let token = tokens.into_iter().find(|token| !token.is_empty());
    token.ok_or_else(|| Fault::new(Kind::Malformed, answer.origin.to_string(), "no token is in its answer"))
}

/// What fails with who gives the tokens for `registry` says nothing of an image, and both have to be known to mend it.
fn of_tokens(fault: Fault, registry: &str) -> Fault {
    let is_missing = fault.kind == Kind::NotFound;
    let (kind, status) = if is_missing { (Kind::Status, "404 Not Found") } else { (fault.kind, "") };
    let whose = format!("it gives the tokens for {registry}");
    let said = [&whose, status, &fault.detail].into_iter().filter(|said| !said.is_empty());
    let detail = said.collect::<Vec<_>>().join("; ");
    Fault { kind, detail, ..fault }
}

fn basic(user: &SecretString, password: &SecretString, host: &str) -> Result<HeaderValue, Fault> {
    let mut plain = format!("{}:{}", user.expose_secret(), password.expose_secret());
    let mut encoded = STANDARD.encode(&plain);
    let value = header("Basic", &encoded, host);
    plain.zeroize();
    encoded.zeroize();
    value
}

/// For a query.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~:/,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// The challenges of a header: `Bearer realm="…",service="…"`, perhaps more than one.
pub(super) fn read(header: &str) -> Vec<Challenge> {
    let mut all = Vec::new();
    let mut rest = header.trim();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_whitespace() || c == ',').unwrap_or(rest.len());
        let (scheme, after) = rest.split_at(end);
        let (parameters, after) = parameters(after);
        let get = |name: &str| {
            let found = parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            all.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = get("realm")
        {
            all.push(Challenge::Bearer { realm, service: get("service"), scope: get("scope") });
        }
        rest = after;
    }
    all
}

/// `a="b", c=d`, and what comes after: the next scheme.
fn parameters(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        let Some((name, after)) = rest.split_once('=') else { return (all, rest) };
        if name.trim_end().contains(|c: char| c.is_ascii_whitespace() || c == ',') {
            return (all, rest);
        }
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = after.find(|c: char| c.is_ascii_whitespace() || c == ',').unwrap_or(after.len());
                let (value, next) = after.split_at(end);
                (value.to_owned(), next)
            }
        };
        all.push((name.trim().to_owned(), value));
        rest = next;
    }
}

fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, text.get(at.saturating_add(1)..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: owned(service), scope: owned(scope) }
    }

    #[test]
    fn challenges_are_read_as_they_are_written() {
        for (header, expected) in [
            ("Basic realm=\"x\"", vec![Challenge::Basic]),
            ("basic", vec![Challenge::Basic]),
            (
                "Bearer realm=\"https://auth.example/token\",service=\"r.example\",scope=\"repository:a/b:pull,push\"",
                vec![bearer("https://auth.example/token", Some("r.example"), Some("repository:a/b:pull,push"))],
            ),
            ("Bearer realm=https://a/t , service = \"q\\\"q\"", vec![bearer("https://a/t", Some("q\"q"), None)]),
            ("Negotiate, Basic realm=\"x\", Bearer realm=\"y\"", vec![Challenge::Basic, bearer("y", None, None)]),
            ("Negotiate YWJj==, Bearer realm=\"a,b\", error=\"x\"", vec![bearer("a,b", None, None)]),
            ("Bearer service=\"x\"", vec![]),
            ("Bearer realm=\"unterminated", vec![bearer("unterminated", None, None)]),
            ("", vec![]),
            (",,,", vec![]),
            ("=", vec![]),
        ] {
            assert_eq!(read(header), expected, "{header}");
        }
    }
}
