//! A request and its answer: redirects followed, bytes bounded, every step written down.

use super::client::Client;
use super::dial::{AGENT, Link, NoLink, broken, dial, millis};
use super::fault::{Fault, Kind};
use super::handshake;
use super::step::{Step, What};
use super::url::{Origin, Url};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, PROXY_AUTHORIZATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use std::time::{Duration, Instant};

/// What to ask.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) what: What,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: Option<&'static str>,
    /// For the host of `url` alone: where that redirects to somebody else, they are not shown it.
    pub(super) authorization: Option<HeaderValue>,
    /// Whether that is for TLS alone, also on loopback.
    pub(super) needs_tls: bool,
    /// How many bytes its answer may have.
    pub(super) limit: u64,
    /// Whether more are left unread, and no fault.
    pub(super) is_cut: bool,
}

/// An answer to the end of all redirects.
#[derive(Debug)]
pub(super) struct Answer {
    /// Who gave it.
    pub(super) origin: Origin,
    /// The proxy that it was asked through without TLS, and that may have answered itself.
    pub(super) relay: Option<String>,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

/// As many as Go's client follows.
const REDIRECTS: usize = 10;
/// What is read of an answer that is an error, for its words.
const WORDS: u64 = 16 << 10;
/// What is shown of them.
const SHOWN: usize = 200;

// === impl Client ===

impl Client {
    /// Asks, and follows where it is sent.
    pub(super) async fn ask(&self, ask: &Ask, steps: &mut Vec<Step>) -> Result<Answer, Fault> {
        let mut url = ask.url.clone();
        self.downgrade(&mut url);
        for _ in 0..=REDIRECTS {
            let answer = self.step(ask, &mut url, steps).await?;
            if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let next = location.and_then(|location| url.join(location));
            let Some(next) = next else {
                let detail = match location {
                    Some(_) => "the address it redirects to is none of http or https",
                    None => "it redirects without an address",
                };
                return Err(Fault::new(Kind::Redirects, url.origin.to_string(), detail));
            };
            url = next;
            self.downgrade(&mut url);
        }
        Err(Fault::new(Kind::Redirects, url.origin.to_string(), format!("after {REDIRECTS} redirects it sends on")))
    }

    /// One request, which is written down whatever becomes of it.
    async fn step(&self, ask: &Ask, url: &mut Url, steps: &mut Vec<Step>) -> Result<Answer, Fault> {
        let mut step = Step::new(ask.what, url.shown(), url.origin.to_string());
        let started = Instant::now();
        let mut asked = self.once(ask, url, &mut step).await;
        if let Err(NoLink::Plain) = asked {
            // containerd and docker take a registry on loopback for one without TLS, if that is what it is.
            if url.origin.is_tls && !ask.needs_tls && super::proxy::is_loopback(&url.origin.host) {
                self.is_plain(&url.origin);
                self.downgrade(url);
                step = Step::new(ask.what, url.shown(), url.origin.to_string());
                asked = self.once(ask, url, &mut step).await;
            }
        }
        step.millis.all = millis(started);
        steps.push(step);
        asked.map_err(|error| match error {
            NoLink::Fault(fault) => fault,
            NoLink::Plain => Fault::new(Kind::Tls, url.origin.to_string(), handshake::PLAIN),
        })
    }

    async fn once(&self, ask: &Ask, url: &Url, step: &mut Step) -> Result<Answer, NoLink> {
        let shown = url.origin.to_string();
        let whole = async {
            loop {
                let (mut link, is_used) = match self.idle(&url.origin) {
                    Some(link) => {
                        step.of(&link.made);
                        (link, true)
                    }
                    None => (dial(self.way(), self.names(), &url.origin, step).await?, false),
                };
                let request = request(ask, url, &link, &self.origin(&ask.url))?;
                let sent = match link.sender.ready().await {
                    Ok(()) => link.sender.send_request(request).await,
                    Err(closed) => Err(closed),
                };
                let answer = match sent {
                    // The other side closes what is not used for a while, and may do so just now.
                    Err(_) if is_used => continue,
                    sent => sent.map_err(|error| broken(&shown, &error))?,
                };
                step.reused = is_used;
                step.status = Some(answer.status().as_u16());
                let relay = link.relay.as_ref().map(ToString::to_string);
                let answer = Answer { relay, ..receive(ask, url, answer, step).await? };
                if answer.is_whole {
                    self.keep(&url.origin, link);
                }
                return Ok(answer);
            }
        };
        let late =
            |_| Fault::new(Kind::Timeout, &shown, format!("not done in {} s", self.way().limits.whole.as_secs()));
        tokio::time::timeout(self.way().limits.whole, whole).await.map_err(late)?
    }
}

/// A request on `link`, to be sent to `first` and to whom that redirects.
fn request(ask: &Ask, url: &Url, link: &Link, first: &Origin) -> Result<Request<Empty<Bytes>>, Fault> {
    let target = match link.relay {
        Some(_) => format!("{}{}", url.origin.url(), url.path),
        None => url.path.clone(),
    };
    let mut request = Request::builder().method(ask.method.clone()).uri(target);
    request = request.header(HOST, url.origin.to_string()).header(USER_AGENT, AGENT);
    if let Some(accept) = ask.accept {
        request = request.header(ACCEPT, accept);
    }
    // To its host only, and not where that was asked by TLS and now is not.
    let is_fit = url.origin.is_within(first) && (url.origin.is_tls || !ask.needs_tls);
    if let Some(authorization) = ask.authorization.as_ref().filter(|_| is_fit) {
        request = request.header(AUTHORIZATION, authorization);
    }
    if let Some(authorization) = link.relay.as_ref().and_then(super::proxy::Proxy::authorization) {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let odd = |error: http::Error| Fault::new(Kind::Malformed, url.origin.to_string(), error.to_string());
    request.body(Empty::new()).map_err(odd)
}

/// Reads an answer to its end, or to where it is too much.
async fn receive(ask: &Ask, url: &Url, answer: Response<Incoming>, step: &mut Step) -> Result<Answer, Fault> {
    let shown = url.origin.to_string();
    let (head, mut body) = answer.into_parts();
    let is_good = head.status.is_success();
    let limit = if is_good { ask.limit } else { WORDS };
    let (mut bytes, mut is_whole) = (Vec::new(), true);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let fault = broken(&shown, &error);
            // Its head came, so somebody is there who can't finish.
            let kind = if fault.kind == Kind::Closed { Kind::Truncated } else { fault.kind };
            Fault { kind, detail: format!("after {} bytes", step.bytes), ..fault }
        })?;
        let Ok(data) = frame.into_data() else { continue };
        step.bytes = step.bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if step.bytes > limit {
            if is_good && !ask.is_cut {
                return Err(Fault::new(Kind::TooLarge, shown, format!("more than {limit} bytes")));
            }
            is_whole = false;
            break;
        }
        bytes.extend_from_slice(&data);
    }
    let (origin, body) = (url.origin.clone(), bytes.into());
    Ok(Answer { origin, relay: None, status: head.status, headers: head.headers, body, is_whole })
}

// === impl Answer ===

impl Answer {
    /// What there is to say of an answer that is not what was asked for; `None` where it may be.
    pub(super) fn fault(&self) -> Option<Fault> {
        let kind = match self.status.as_u16() {
            200..300 if self.is_page() => Kind::WebPage,
            200..300 => return None,
            401 => Kind::Unauthorized,
            403 => Kind::Forbidden,
            // A registry has it in JSON. A web server that is none has it in HTML, and says nothing of the image.
            404 if self.is_page() => Kind::WebPage,
            404 => Kind::NotFound,
            407 if self.relay.is_some() => Kind::Proxy,
            429 => Kind::TooManyRequests,
            511 => Kind::WebPage,
            500..600 => Kind::ServerError,
            _ => Kind::Status,
        };
        let mut fault = Fault::new(kind, self.origin.to_string(), self.words());
        fault.retry_after = self.retry_after();
        match (&self.relay, kind) {
            (Some(proxy), Kind::Proxy) => {
                let detail = format!("it is the proxy on the way to {}; {}", fault.host, fault.detail);
                Some(Fault { host: proxy.clone(), detail, ..fault })
            }
            (Some(proxy), Kind::ServerError) => {
                Some(Fault { detail: format!("{}; it was asked through the proxy {proxy}", fault.detail), ..fault })
            }
            _ => Some(fault),
        }
    }

    /// Whether this is for people with browsers.
    fn is_page(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let begin = self.body.trim_ascii_start();
        let begins = |with: &[u8]| begin.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
        kind.trim_start().to_ascii_lowercase().starts_with("text/html") || begins(b"<!doctype html") || begins(b"<html")
    }

    /// What it says of itself, as a registry does; of a page, its title.
    fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let said = if self.is_page() {
            let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
            title.map(|(title, _)| format!("its title is `{}`", title.trim())).unwrap_or_default()
        } else {
            words(&text).unwrap_or_default()
        };
        let status = if matches!(self.status.as_u16(), 200 | 401 | 403 | 404 | 429) {
            String::new()
        } else {
            format!("{}{}", self.status, if said.is_empty() { "" } else { ": " })
        };
        status.chars().chain(said.chars().take(SHOWN)).collect()
    }

    /// A number of seconds, or a date.
    fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        at.duration_since(jiff::Timestamp::now()).try_into().ok()
    }
}

/// The first message of a registry's error.
fn words(text: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let first = document.get("errors")?.get(0)?;
    let part = |name| first.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let (code, message) = (part("code"), part("message"));
    Some([code, message].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(": "))
}

// === impl Origin ===

impl Origin {
    /// Whether what is told to `other` may be told to this one. Of both it has to be known whether they speak TLS.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port && self.is_tls >= other.is_tls
    }
}
