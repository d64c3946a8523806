//! One connection to the runtime, on behalf of one kubelet connection.

use super::endpoint::{Address, Dialer, Unreachable};
use crate::body::Body;
use crate::error::Chain;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// The legs of one kubelet connection.
#[derive(Debug, Clone)]
pub struct Legs {
    /// For the image service.
    pub image: Leg,
    /// For everything else.
    pub runtime: Leg,
}

/// A connection that is dialled at first use, and again after it broke.
#[derive(Debug, Clone)]
pub struct Leg(Arc<Inner>);

/// Why the runtime gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was not asked: there is no connection.
    #[error("the container runtime is not reachable")]
    Unreachable(#[source] Arc<Unreachable>),
    /// The call was under way.
    #[error("the container runtime ended the call")]
    Ended(#[source] hyper::Error),
}

#[derive(Debug)]
struct Inner {
    dialer: Arc<Dialer>,
    tasks: TaskTracker,
    /// Held while dialling, so that a hundred calls that find the connection broken make one new one.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    /// The last attempt to connect, if it failed. Those who waited for it share its outcome.
    failed: Option<(Instant, Arc<Unreachable>)>,
}

#[derive(Debug, Clone)]
struct Connection {
    to: Address,
    sender: SendRequest<Body>,
    /// The socket, as long as the connection's task has it.
    socket: Weak<OwnedFd>,
}

/// Spawns hyper's tasks where they are counted.
#[derive(Debug, Clone)]
pub struct Tracked(pub TaskTracker);

/// grpc-go accepts this much of headers and trailers from its peers, so the runtime may send as much.
/// hyper's default of 16 KiB made a long `grpc-message` vanish.
pub const HEADER_LIST: u32 = 16 << 20;

/// What the runtime may send of one answer before the kubelet has taken some. Large enough for an unhurried flow over a
/// local socket, and all that a slow reader can make us hold.
pub const STREAM_WINDOW: u32 = 1 << 20;

/// What may be under way on all streams together: the most there can be, so that a stream's own window is what counts.
/// With less, a few answers that nobody reads stop all others; and h2 takes many small frames that wait for a slow
/// reader, in proportion to this window, for an attack, and ends the connection.
pub const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// The pause between attempts to reach a runtime that is not there: soon enough after a restart that nobody notices,
/// and nothing to a node's processor.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a new connection is watched for a sign of life.
const WELCOME: Duration = Duration::from_millis(500);

// === impl Leg ===

impl Leg {
    /// A leg that is not dialled yet.
    pub fn new(dialer: Arc<Dialer>, tasks: TaskTracker) -> Self {
        Self(Arc::new(Inner { dialer, tasks, state: Mutex::default() }))
    }

    /// Sends `request`, and waits until `hold` for a runtime that is not there.
    ///
    /// A request that a dying connection did not take is sent on the next one; one that it took is not, for the
    /// runtime may have begun to act on it.
    ///
    /// # Errors
    ///
    /// When there is no runtime, or the call ended without an answer.
    pub async fn send(&self, mut request: Request<Body>, hold: Instant) -> Result<Response<Incoming>, Failure> {
        loop {
            let mut connection = self.connected(hold).await.map_err(Failure::Unreachable)?;
            let mut error = match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let Some(unsent) = error.take_message() else { return Err(Failure::Ended(error.into_error())) };
            if Instant::now() >= hold {
                return Err(Failure::Unreachable(Arc::new(Unreachable::Closed(connection.to))));
            }
            tokio::time::sleep(PAUSE).await;
            request = unsent;
        }
    }

    /// The connection: the one there is, or a new one.
    async fn connected(&self, hold: Instant) -> Result<Connection, Arc<Unreachable>> {
        loop {
            // Whoever holds the lock may be waiting for a socket that takes connections and says nothing.
            let Ok(mut state) = tokio::time::timeout_at(hold, self.0.state.lock()).await else {
                return Err(Arc::new(Unreachable::Busy));
            };
            if let Some(live) = state.connection.as_ref().filter(|live| live.is_alive()) {
                return Ok(live.clone());
            }
            let fresh = state.failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE).map(|(_, why)| Arc::clone(why));
            let why = match fresh {
                Some(why) => why,
                None => match tokio::time::timeout_at(hold, self.dial()).await.unwrap_or(Err(Unreachable::Busy)) {
                    Ok(live) => return Ok(state.connection.insert(live).clone()),
                    Err(why) => {
                        let why = Arc::new(why);
                        *state = State { connection: None, failed: Some((Instant::now(), Arc::clone(&why))) };
                        why
                    }
                },
            };
            drop(state);
            if Instant::now() >= hold {
                return Err(why);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn dial(&self) -> Result<Connection, Unreachable> {
        let (to, stream) = self.0.dialer.dial().await?;
        let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return Err(Unreachable::Closed(to)) };
        let handshake = http2::Builder::new(Tracked(self.0.tasks.clone()))
            .timer(TokioTimer::new())
            .max_header_list_size(HEADER_LIST)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            // Frames that arrive for calls that were cancelled are no fault of the peer's, and h2 would count them over the
            // connection's whole life.
            .max_local_error_reset_streams(None)
            .handshake(TokioIo::new(stream))
            .await;
        let Ok((sender, connection)) = handshake else { return Err(Unreachable::Closed(to)) };
        let Some(socket) = welcomed(socket).await.map(Arc::new) else { return Err(Unreachable::Closed(to)) };
        let watched = Arc::downgrade(&socket);
        self.0.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %Chain(&error), "A connection to the runtime broke");
            }
            drop(socket);
        });
        Ok(Connection { to, sender, socket: watched })
    }
}

// === impl Connection ===

impl Connection {
    /// Whether the runtime is still at the other end.
    ///
    /// hyper knows that it has gone once its task has read so. A call that comes before that, right after a restart, would
    /// be sent to nobody and could not be sent again; so the socket is asked, which knows at once.
    fn is_alive(&self) -> bool {
        let Some(socket) = self.socket.upgrade().filter(|_| !self.sender.is_closed()) else { return false };
        is_open(&socket)
    }
}

/// Waits for the first bytes of an HTTP/2 server, which sends its settings at once; `None` where it hangs up instead. A
/// runtime that is just stopping, or starting, may have a socket that takes connections and nobody to serve them, and a
/// call sent there would be lost. One that says nothing for long may be slow, and the call shall wait for it.
async fn welcomed(socket: OwnedFd) -> Option<OwnedFd> {
    let socket = UnixStream::from_std(socket.into()).ok()?;
    let _slow = tokio::time::timeout(WELCOME, socket.readable()).await;
    socket.into_std().ok().map(OwnedFd::from).filter(is_open)
}

/// Whether the other end has not hung up, as far as one can know without reading on.
fn is_open(socket: &OwnedFd) -> bool {
    match recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, length)) => length > 0,
        Err(error) => error == Errno::AGAIN || error == Errno::INTR,
    }
}

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
