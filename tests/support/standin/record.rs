//! What a stand-in was asked, and what became of it.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Uri};
use prost::Message;
use tokio::sync::watch;

use crate::support::grpc;

/// A call as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// With the authority.
    pub uri: Uri,
    pub headers: HeaderMap,
    /// Messages with their frames.
    pub body: Bytes,
    pub trailers: HeaderMap,
    pub state: State,
}

/// In the order in which a call goes through them; the last three are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its headers are here.
    Arriving,
    /// All of it is here.
    Received,
    /// The last of the answer was handed over.
    Answered,
    /// The client gave it up before that.
    Cancelled,
    /// The stand-in did, as it was told.
    CutOff,
}

/// All calls of one stand-in.
#[derive(Debug, Default)]
pub struct Record {
    calls: watch::Sender<Vec<Seen>>,
}

// === impl Seen ===

impl Seen {
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// Whether repoint makes it on its own account, and at times of its own.
    pub fn is_own(&self) -> bool {
        let agent = self.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
        agent.is_some_and(|agent| agent.starts_with("repoint/"))
    }

    /// The first message, as that type.
    pub fn message<M: Message + Default>(&self) -> M {
        let messages = grpc::unframed(self.body.clone());
        let (_, first) = messages.into_iter().next().expect("a whole message");
        M::decode(first).expect("a message of that type")
    }
}

// === impl Record ===

impl Record {
    /// Returns the number under which the call is known from here on.
    pub fn open(&self, parts: Parts) -> usize {
        let mut number = 0;
        self.calls.send_modify(|calls| {
            number = calls.len();
            calls.push(Seen {
                uri: parts.uri,
                headers: parts.headers,
                body: Bytes::new(),
                trailers: HeaderMap::new(),
                state: State::Arriving,
            });
        });
        number
    }

    pub fn receive(&self, number: usize, body: Bytes, trailers: HeaderMap) -> Seen {
        self.calls.send_modify(|calls| {
            let call = &mut calls[number];
            call.body = body;
            call.trailers = trailers;
            call.state = State::Received;
        });
        self.calls.borrow()[number].clone()
    }

    /// The first end that is told is the one that counts.
    pub fn end(&self, number: usize, end: State) {
        self.calls.send_modify(|calls| {
            let call = &mut calls[number];
            if call.state < State::Answered {
                call.state = end;
            }
        });
    }

    /// Those that came through repoint, or those that it made itself.
    pub fn calls(&self, own: bool) -> Vec<Seen> {
        self.calls.borrow().iter().filter(|call| call.is_own() == own).cloned().collect()
    }

    /// Waits, for ever if need be, until that many calls of that path came before one that is this far.
    pub async fn nth(&self, n: usize, path: &str, state: State) -> Seen {
        let found = |calls: &[Seen]| {
            let nth = calls.iter().filter(|call| call.path() == path && !call.is_own()).nth(n);
            nth.filter(|call| call.state >= state).cloned()
        };
        let mut calls = self.calls.subscribe();
        let calls = calls.wait_for(|calls| found(calls).is_some()).await;
        calls.ok().and_then(|calls| found(&calls)).expect("the record outlives the wait")
    }
}
