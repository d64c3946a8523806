//! `RunPodSandbox`: the runtime makes a pod with an image that it pulls by itself, past everybody. Where a rule is about
//! that image, it is seen to before the call goes on, whatever comes of it.

use super::{Answering, Below, Fault, Shared, deadline};
use crate::body::Body;
use http::{Request, Response};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

/// The layer.
#[derive(Debug, Clone)]
pub struct Sandbox<S> {
    inner: S,
    shared: Shared,
}

/// What calls that make pods wait at, until somebody has seen to the image.
#[derive(Debug)]
pub struct Gate {
    is_open: AtomicBool,
    asks: mpsc::Sender<Ask>,
}

/// Somebody waits for the image to be seen to.
pub type Ask = oneshot::Sender<()>;

/// How long a pod is held up at the most. The image is small; and the kubelet tries again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is not worth telling the runtime of a deadline.
const TRIFLE: Duration = Duration::from_millis(100);

/// Calls that may wait in line; those beyond wait to get into it.
const QUEUE: usize = 64;

// === impl Gate ===

impl Gate {
    /// One that is shut, and where those who wait come out.
    pub fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, receiver) = mpsc::channel(QUEUE);
        (Self { is_open: AtomicBool::new(false), asks }, receiver)
    }

    /// Opens it, where no rule is about the image, or nothing can be done; or shuts it again.
    pub fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
    }

    /// Returns when the image was seen to, or nobody sees to it.
    async fn pass(&self) {
        let (ask, seen_to) = oneshot::channel();
        if self.asks.send(ask).await.is_ok() {
            let _whatever_came_of_it = seen_to.await;
        }
    }
}

// === impl Sandbox ===

impl<S> Sandbox<S> {
    /// The layer on top of `inner`.
    pub const fn new(inner: S, shared: Shared) -> Self {
        Self { inner, shared }
    }
}

impl<S: Below> Service<Request<Body>> for Sandbox<S> {
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Answering<Response<Body>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Self { inner, shared } = self.clone();
        if shared.sandbox.is_open.load(Ordering::Relaxed) {
            return Box::pin(inner.oneshot(request));
        }
        Box::pin(async move {
            let since = Instant::now();
            // The runtime has the larger part of the work.
            let given = deadline::given(request.headers()).and_then(|given| given.checked_div(3)).unwrap_or(PATIENCE);
            let _whatever_came_of_it = tokio::time::timeout(PATIENCE.min(given), shared.sandbox.pass()).await;
            if since.elapsed() > TRIFLE {
                deadline::spend(request.headers_mut(), since.elapsed());
            }
            inner.oneshot(request).await
        })
    }
}
