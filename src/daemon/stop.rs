//! The end: no new calls; those under way end by themselves, or are ended; then the audit log is written to its end.

use super::chronicle::Chronicle;
use super::control::Control;
use crate::audit::Writer;
use crate::proxy::drain::{End, Limits, Pace};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// What is left when no call is waited for any more.
pub(super) struct Left {
    pub(super) chronicle: Chronicle,
    pub(super) writer: Writer,
    /// Connections, of clients and to the runtime.
    pub(super) tasks: TaskTracker,
    /// Who works off the path of calls.
    pub(super) keepers: TaskTracker,
    pub(super) end: End,
}

/// How long it may take that a call's status is sent, once its time is over. Who has not read it by then reads slowly.
const SENT: Duration = Duration::from_secs(1);

/// How long it may take for calls that were cut off to be gone, and for the audit log to be written.
const LAST: Duration = Duration::from_secs(2);

/// Lets calls under way end, as long as each may take.
pub(super) async fn calls(control: &Control, tasks: &TaskTracker, end: &End) {
    let limits = control.known().drain;
    end.begin(limits);
    let longest = limits.of(Pace::Long).saturating_add(SENT).saturating_add(LAST).saturating_add(LAST);
    control.stopping(longest);
    tracing::info!(calls = end.calls.count(), "Stopping: waiting for calls under way");
    tasks.close();
    tokio::select! {
        () = tasks.wait() => {}
        () = over(end, limits) => tracing::warn!(calls = end.calls.count(), "Calls under way did not end in time"),
        () = control.live() => {}
    }
}

/// Ends what is still under way, and the audit log.
pub(super) async fn rest(Left { chronicle, writer, tasks, keepers, end }: Left) {
    // A pull is recorded as cancelled while there is somebody to write it.
    end.cut.cancel();
    let gone = async {
        tasks.wait().await;
        // Nobody sees an image in use any more, so that who records it comes to an end.
        keepers.wait().await;
    };
    // One limit for both: with the others, it is less than what systemd waits for.
    let _those_that_hang = tokio::time::timeout(LAST, gone).await;
    close(chronicle, writer).await;
}

/// Returns when the time of all calls is over that are under way. Those that take their time are waited for as long as there
/// are any, and nobody else is.
async fn over(end: &End, limits: Limits) {
    let begun = Instant::now();
    let until = |pace| limits.of(pace).saturating_add(SENT);
    tokio::time::sleep(until(Pace::Usual)).await;
    let rest = until(Pace::Long).saturating_sub(begun.elapsed());
    let _over = tokio::time::timeout(rest, end.calls.no_long_ones()).await;
}

/// Says that the service stops, and waits for what the audit log has taken.
async fn close(chronicle: Chronicle, writer: Writer) {
    let written = async {
        chronicle.stopped().await;
        drop(chronicle);
        tokio::task::spawn_blocking(move || writer.join()).await
    };
    if tokio::time::timeout(LAST, written).await.is_err() {
        tracing::warn!("The audit log could not be written to its end");
    }
}
