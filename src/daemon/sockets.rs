//! The sockets that clients connect to: those that were handed over, or one of our own.

use super::systemd::{self, HandedOver};
use crate::error::Chain;
use crate::proxy::access::{Access, Owner};
use crate::proxy::listener::{Listener, Unlistenable};
use crate::runtime::{Address, Dialer};
use rustix::process::{getegid, geteuid};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use tokio::net::UnixStream;

/// The sockets.
#[derive(Debug)]
pub struct Sockets {
    /// At least one.
    pub all: Vec<Listener>,
    runtimes: Mutex<Runtimes>,
    /// Whose they were said to be last, or why that can't be said.
    given: Mutex<Option<Result<Owner, String>>>,
}

/// The ways to the runtime, whose sockets say who may connect to ours; each with whose its socket was when it was last there.
#[derive(Debug)]
struct Runtimes(Vec<(Arc<Dialer>, Option<Owner>)>);

// === impl Sockets ===

impl Sockets {
    /// Those of `handed_over` that are meant for clients, and one at `listen`, if none is there and somebody wants one there
    /// (`is_wanted`), or there is none at all.
    ///
    /// # Errors
    ///
    /// When there would be none.
    pub fn open(
        handed_over: Vec<HandedOver>,
        listen: &Address,
        is_wanted: bool,
        access: &Access,
        runtimes: Vec<Arc<Dialer>>,
    ) -> Result<Self, Unlistenable> {
        let mut all: Vec<_> = handed_over.into_iter().filter_map(|one| taken(one, listen)).collect();
        let is_there = all.iter().any(|one| one.path() == listen.path());
        let mut runtimes = Runtimes(runtimes.into_iter().map(|runtime| (runtime, None)).collect());
        if all.is_empty() || (is_wanted && !is_there) {
            let owner = access.socket(own(), &runtimes.look()).unwrap_or_else(|_told| nobodys());
            match Listener::bind(listen, owner) {
                Ok(own) => all.push(own),
                Err(error) if all.is_empty() => return Err(error),
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "Nobody is served at `listen`, only at what was handed over");
                }
            }
        }
        let sockets = Self { all, runtimes: Mutex::new(runtimes), given: Mutex::default() };
        sockets.settle(access);
        Ok(sockets)
    }

    /// Waits for a client at any of them.
    ///
    /// # Errors
    ///
    /// When the system has none to give just now, for want of file descriptors for instance. Never final.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        std::future::poll_fn(|cx| {
            let mut all = self.all.iter().map(|one| one.poll_accept(cx));
            all.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }

    /// Sees to it that nobody may connect who may not connect to the runtime, which may not have been there before.
    pub fn settle(&self, access: &Access) {
        let runtimes = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner).look();
        let said = access.socket(own(), &runtimes);
        // What somebody does about a socket by hand stays, as long as nothing else changes.
        let before = self.given.lock().unwrap_or_else(PoisonError::into_inner).replace(said.clone());
        if before.as_ref() == Some(&said) {
            return;
        }
        let owner = said.unwrap_or_else(|error| {
            tracing::error!(error, "The socket is left to the user that repoint runs as ([access])");
            nobodys()
        });
        for one in &self.all {
            let socket = one.path().display();
            match one.give(owner) {
                Ok(None) => {}
                Ok(Some((was, is))) => tracing::info!(%socket, %was, %is, "Changed who may connect"),
                Err(error) => {
                    tracing::error!(%socket, error = %Chain(&error), "Could not change who may connect");
                }
            }
        }
    }
}

// === impl Runtimes ===

impl Runtimes {
    /// Whose the sockets are. One that is not there while its runtime restarts is as it was.
    fn look(&mut self) -> Vec<Owner> {
        let each = self.0.iter_mut().filter_map(|(runtime, last)| {
            *last = runtime.settled().and_then(|address| Owner::of_socket(address.path())).or(*last);
            *last
        });
        each.collect()
    }
}

/// What belongs to the user that this process runs as, and that no group gets into.
fn nobodys() -> Owner {
    Owner { mode: 0o600, ..own() }
}

/// What belongs to the user that this process runs as, and to nobody else.
pub fn own() -> Owner {
    Owner { uid: geteuid().as_raw(), gid: getegid().as_raw(), mode: crate::proxy::access::SOCKET_MODE }
}

/// A socket that was handed over for clients to connect to.
fn taken(HandedOver { name, socket }: HandedOver, listen: &Address) -> Option<Listener> {
    let listener = match Listener::handed_over(socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(name, error = %Chain(&error), "A socket that was handed over is of no use");
            return None;
        }
    };
    let socket = listener.path().display();
    if name == systemd::SOCKET {
        tracing::info!(%socket, "Took a socket that was handed over");
        return Some(listener);
    }
    // Nobody else can listen there.
    if listener.path() == listen.path() {
        tracing::warn!(%socket, name, expected = systemd::SOCKET, "Took a socket that was handed over by another name (FileDescriptorName=)");
        return Some(listener);
    }
    tracing::warn!(%socket, name, expected = systemd::SOCKET, "Left a socket alone that was handed over by another name (FileDescriptorName=)");
    None
}
