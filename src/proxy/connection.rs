//! One connection from a kubelet, from its first byte to its last.

use super::authority::Mended;
use super::drain::{End, Pace, bounded};
use super::forward::Forward;
use super::meter::{Meter, Open};
use super::route::Route;
use super::status::{Ending, contained, rescue};
use super::{Current, Fault};
use crate::body::Body;
use crate::error::Chain;
use crate::runtime::leg::{CONNECTION_WINDOW, STREAM_WINDOW, Tracked};
use crate::runtime::{Dialer, Leg, Legs};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// The ways to the runtime, for all connections.
#[derive(Debug, Clone)]
pub struct Dialers {
    /// For image calls; `None` where they go the same way as the rest.
    pub image: Option<Arc<Dialer>>,
    /// For everything else.
    pub runtime: Arc<Dialer>,
}

/// Calls that one connection may have under way. A kubelet has one per pod worker and some; those beyond wait in its
/// own queue, as they would for the runtime.
const CALLS: u32 = 4096;

/// Calls that were cancelled before they were looked at. hyper ends a connection at 20, against floods from the
/// internet; here the peer is root on this node, and a kubelet that cancels a hundred probes must not lose them all.
const CANCELLED_EARLY: usize = CALLS as usize;

/// Headers of one request, in bytes. A kubelet sends a few hundred. What is refused here, by a setting the client is told
/// and a status it understands, never comes near the bounds of the layer below, which can only end the connection.
const HEADER_LIST: u32 = 256 << 10;

// === impl Dialers ===

impl Dialers {
    /// Legs of somebody's own.
    pub fn legs(self, tasks: &TaskTracker) -> Legs {
        let runtime = Leg::new(self.runtime, tasks.clone());
        let image = self.image.map_or_else(|| runtime.clone(), |dialer| Leg::new(dialer, tasks.clone()));
        Legs { image, runtime }
    }
}

/// Serves `stream` until the client closes it, or until it is to end.
pub async fn serve(stream: UnixStream, dialers: Dialers, current: Arc<Current>, tasks: TaskTracker, end: End) {
    let _open = Open::one(&current.now().metrics.connections);
    // Runtime connections belong to this one: its calls share them, and end with them.
    let legs = dialers.legs(&tasks);
    let ending = end.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        // Each call goes by what is configured when it comes.
        let shared = current.now();
        let stack = Route::new(Forward::new(legs.clone(), Arc::clone(&shared)), &shared);
        let (end, pace) = (ending.clone(), Pace::of(request.uri().path()));
        let held = end.calls.hold(pace);
        shared.tally.call(shared.clock.now());
        let meter = Meter::start(&shared.metrics, request.uri().path());
        async move {
            if end.stop.is_cancelled() {
                return meter.follow(Err(Fault::refused()));
            }
            let answer = contained(stack.oneshot(request.map(Body::from)));
            let answer = bounded(answer, &end, pace).await;
            meter.follow(rescue(answer, &shared.metrics, Ending::new(end, pace, held)))
        }
    });
    let connection = http2::Builder::new(Tracked(tasks))
        .timer(TokioTimer::new())
        // A header that no runtime sent.
        .auto_date_header(false)
        .max_header_list_size(HEADER_LIST)
        .max_concurrent_streams(CALLS)
        .max_pending_accept_reset_streams(CANCELLED_EARLY)
        // As towards the runtime: what still arrives for a call that is over is nobody's fault.
        .max_local_error_reset_streams(None)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .serve_connection(TokioIo::new(Mended::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = end.cut.run_until_cancelled(async {
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = end.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    });
    if let Some(Err(error)) = ended.await {
        tracing::debug!(error = %Chain(&error), "A client's connection broke");
    }
}
