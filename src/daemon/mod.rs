//! `serve`: start, run, stop.

pub mod admin;
pub mod chronicle;
pub mod page;
pub mod sandbox;
pub mod uses;

use crate::audit::record::Start;
use crate::audit::{Log, Origin, Sighting, Sinks, Tally, Usage, Writer};
use crate::clock::Clock;
use crate::config::Settings;
use crate::credentials::Store;
use crate::error::Chain;
use crate::machine;
use crate::metrics::{self, Metrics};
use crate::proxy::candidates::Candidates;
use crate::proxy::connection::{self, Dialers, End};
use crate::proxy::health::Health;
use crate::proxy::listener::{Listener, Unlistenable};
use crate::proxy::sandbox::{Ask, Gate};
use crate::proxy::{Context, DIGESTS, Shared};
use crate::rules::Position;
use crate::runtime::{Aliases, Dialer, Endpoint, Peers, Served};
use chronicle::Chronicle;
use page::Page;
use sandbox::Watch;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;
use tokio_util::task::TaskTracker;

/// Why the service is not running.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// There is no socket to listen on.
    #[error("cannot start")]
    Listen(#[from] Unlistenable),
    /// The system has no thread, or no signals.
    #[error("cannot start: the system refused")]
    System(#[from] io::Error),
}

/// How long calls under way may take to end after a signal.
const DRAIN: Duration = Duration::from_secs(10);

/// How long it may take for calls that were cut off to be gone, and for the audit log to be written.
const LAST: Duration = Duration::from_secs(2);

/// What the state directory's file of the names that served is called.
const SERVED: &str = "served";

/// The pause after a client could not be accepted. Running out of file descriptors passes; spinning would not help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it can't start. Once it runs, nothing ends it but a signal.
pub async fn serve(settings: Settings) -> Result<(), Failed> {
    let mut reopen = signal(SignalKind::user_defined1())?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = Listener::bind(&settings.listen)?;
    let (admin, audit) = (settings.admin.clone(), settings.audit.file.clone());
    let named = settings.runtime.sandbox_image.clone();
    let Assembled { shared, dialers, writer, chronicle, due, peers, asks } = assemble(settings)?;
    let page = Page::new(shared.metrics.clone(), Arc::clone(&shared.tally), audit);
    let (tasks, keepers, end) = (TaskTracker::new(), TaskTracker::new(), End::default());
    let (runtime, log, tally) = (Arc::clone(&dialers.runtime), shared.audit.clone(), Arc::clone(&shared.tally));
    keepers.spawn(uses::record(due, runtime, log, tally, end.stop.clone()));
    let watch = Watch::new(shared.clone(), peers, named, asks, dialers.clone().legs(&tasks));
    let stop = end.stop.clone();
    keepers.spawn(async move { stop.run_until_cancelled(Box::pin(watch.run())).await.map(drop) });
    keepers.close();
    tokio::select! {
        () = accept(&listener, &dialers, &shared, &tasks, &end) => {}
        () = admin::serve(admin, page) => {}
        () = chronicle.lives() => {}
        () = reopen_at(&mut reopen, &shared.audit) => {}
        () = either(&mut terminate, &mut interrupt) => {}
    }
    // New clients find no socket, and so try again until the next process is there.
    drop(listener);
    end.stop.cancel();
    tasks.close();
    tracing::info!("Stopping: waiting for calls under way");
    tokio::select! {
        () = tasks.wait() => {}
        () = tokio::time::sleep(DRAIN) => tracing::warn!("Calls under way did not end in time"),
        () = either(&mut terminate, &mut interrupt) => tracing::warn!("Stopped at once, by a second signal"),
    }
    // What is still under way ends now, and a pull among it is recorded as cancelled while there is somebody to write it.
    end.cut.cancel();
    let gone = async {
        tasks.wait().await;
        // Nobody sees an image in use any more, so that who records it comes to an end.
        drop(shared);
        keepers.wait().await;
    };
    // One limit for both: with the others, it is less than what systemd waits for.
    let _those_that_hang = tokio::time::timeout(LAST, gone).await;
    close(chronicle, writer).await;
    Ok(())
}

/// All that runs, put together.
struct Assembled {
    shared: Shared,
    dialers: Dialers,
    writer: Writer,
    chronicle: Chronicle,
    /// Images in use, to be recorded.
    due: Receiver<Sighting>,
    /// What the runtime is.
    peers: Arc<Peers>,
    /// Calls that wait for the image that the runtime makes pods with.
    asks: Receiver<Ask>,
}

fn assemble(settings: Settings) -> io::Result<Assembled> {
    let Settings { listen, admin, runtime, audit, node, labels, message_limit, state, credentials, rules, hash } =
        settings;
    let dialer = |endpoint| Arc::new(Dialer::new(endpoint, listen.path().to_owned()));
    let dialers = Dialers { image: runtime.image.map(Endpoint::At).map(dialer), runtime: dialer(runtime.runtime) };
    for rule in rules.rules() {
        tracing::info!(
            rule = rule.name,
            action = rule.action.as_str(),
            matches = spoken(&rule.patterns),
            targets = spoken(&rule.targets),
            on_failure = rule.on_failure.as_str(),
            "Rule",
        );
    }
    let position = Position::of(&machine::id().unwrap_or_else(|| node.clone()));
    tracing::info!(%listen, %admin, audit = %audit.file.display(), state = %state.display(), node, "Serving");
    let (metrics, clock) = (Metrics::default(), Clock::SYSTEM);
    metrics.start(clock.now());
    metrics.runs(&metrics::Config { hash: hash.clone(), source: "files" });
    page::foresee(&metrics, rules.rules().iter().map(Arc::as_ref));
    let origin = Origin {
        node,
        machine_id: machine::id(),
        boot_id: machine::boot_id(),
        labels,
        version: env!("CARGO_PKG_VERSION"),
        config: hash,
    };
    let sinks = Sinks::open(&audit, &metrics.sink_failures)?;
    let (log, writer) = Log::start(&audit, origin, metrics.audit_failures.clone(), sinks)?;
    let tally = Arc::new(Tally::new(clock.now()));
    let chronicle = Chronicle::new(log.clone(), Arc::clone(&tally), metrics.audit_failures.clone(), clock);
    chronicle.started(Start { rules: rules.rules().len(), repaired: 0 });
    let (served, opened) = Served::open(&state.join(SERVED));
    if let Err(error) = opened {
        tracing::warn!(error = %Chain(&error), "A restart will forget under which names images were pulled");
    }
    // Systemd's, which only its own unit's processes can read.
    let handed_over = std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into);
    let (usage, due) = Usage::new();
    let (gate, asks) = Gate::new();
    let peers = Arc::new(Peers::new(Arc::clone(&dialers.runtime)));
    let shared = Arc::new(Context {
        rules,
        served,
        aliases: Aliases::new(Arc::clone(&peers), runtime.keep),
        sandbox: gate,
        credentials: Store::new(credentials, handed_over, clock),
        health: Health::default(),
        candidates: Candidates::default(),
        digests: Semaphore::new(DIGESTS),
        audit: log,
        audit_required: audit.required,
        tally,
        usage,
        metrics,
        clock,
        position,
        message_limit,
        hold: runtime.hold,
    });
    Ok(Assembled { shared, dialers, writer, chronicle, due, peers, asks })
}

/// Places, as a log line has them.
fn spoken(places: &[impl ToString]) -> String {
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Accepts clients for ever.
async fn accept(listener: &Listener, dialers: &Dialers, shared: &Shared, tasks: &TaskTracker, end: &End) {
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let serving = connection::serve(stream, dialers.clone(), shared.clone(), tasks.clone(), end.clone());
                tasks.spawn(serving);
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "Could not accept a client; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Has the audit log opened again at every signal, for who moved it away.
async fn reopen_at(signal: &mut Signal, audit: &Log) {
    while signal.recv().await.is_some() {
        audit.reopen().await;
        tracing::info!("Reopened the audit log");
    }
    // There are no more signals, which is no reason to end.
    std::future::pending::<()>().await;
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

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
