//! The socket of a stand-in, and the tasks behind it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use h2::Reason;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::LIMIT;
use super::answer::Answer;
use super::call::answer;
use super::images::Script;
use super::record::{Record, Seen};

/// More than any client of ours may send.
const HEADER_LIMIT: u32 = 1 << 20;

/// What outlives a stop.
#[derive(Default)]
pub struct Shared {
    script: Mutex<Script>,
    pub record: Record,
    panicked: AtomicBool,
}

/// A listener, and all that came of it.
pub struct Running {
    tasks: Tasks,
}

/// Tasks that end together.
#[derive(Debug, Clone, Default)]
struct Tasks {
    tracker: TaskTracker,
    end: CancellationToken,
}

// === impl Shared ===

impl Shared {
    pub fn script(&self) -> MutexGuard<'_, Script> {
        // Whoever panicked with it has said so elsewhere.
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn panicked(&self) -> bool {
        self.panicked.load(Ordering::Relaxed)
    }

    pub fn answer(&self, call: &Seen) -> Answer {
        let told = self.script().told(call.path(), call.is_own());
        // Not under the lock: a script may tell the stand-in more.
        let ask = || match told {
            Ok(answer) => answer,
            Err(Some(answers)) => answers(call),
            Err(None) => self.script().untold(call),
        };
        catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| {
            self.panicked.store(true, Ordering::Relaxed);
            Answer::reset(Reason::INTERNAL_ERROR)
        })
    }
}

// === impl Running ===

impl Running {
    pub fn start(socket: &Path, shared: &Arc<Shared>) -> Self {
        let listener = UnixListener::bind(socket).expect("a free path");
        let tasks = Tasks::default();
        let shared = Arc::clone(shared);
        let children = tasks.clone();
        tasks.execute(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &children, &shared);
            }
        });
        Self { tasks }
    }

    pub async fn stop(self, socket: &Path) {
        self.tasks.end.cancel();
        self.tasks.tracker.close();
        timeout(LIMIT, self.tasks.tracker.wait()).await.expect("its tasks end");
        fs::remove_file(socket).expect("its socket is there");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.end.cancel();
    }
}

fn serve(stream: UnixStream, tasks: &Tasks, shared: &Arc<Shared>) {
    let hang_up = tasks.end.child_token();
    let of_connection = Tasks { tracker: tasks.tracker.clone(), end: CancellationToken::new() };
    let shared = Arc::clone(shared);
    let stream = stream.into_std().expect("a socket");
    let line = stream.try_clone().expect("the same socket");
    let stream = UnixStream::from_std(stream).expect("a socket");
    let calls = {
        let hang_up = hang_up.clone();
        service_fn(move |request| answer(Arc::clone(&shared), hang_up.clone(), request))
    };
    let connection = http2::Builder::new(of_connection.clone())
        .auto_date_header(false)
        .max_header_list_size(HEADER_LIMIT)
        .serve_connection(TokioIo::new(stream), calls);
    // The line is cut before anybody is told, or HTTP/2 would still reset its streams in good order, as no process that
    // was killed does.
    let end = of_connection.end.clone();
    tasks.tracker.spawn(async move {
        // The connection may end by itself.
        if hang_up.run_until_cancelled(end.cancelled()).await.is_none() {
            let _closed_already = line.shutdown(std::net::Shutdown::Both);
            end.cancel();
        }
    });
    let end = of_connection.end.clone();
    of_connection.execute(async move {
        let _broken = connection.await;
        end.cancel();
    });
}

// === impl Tasks ===

impl<F> Executor<F> for Tasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        let end = self.end.clone();
        self.tracker.spawn(async move { end.run_until_cancelled(task).await.map(drop) });
    }
}
