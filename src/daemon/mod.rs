//! `serve`: start, run, stop.

pub mod admin;
mod assembly;
pub mod chronicle;
pub mod control;
pub mod intervention;
pub mod page;
mod reload;
pub mod sandbox;
pub mod sockets;
pub mod status;
mod stop;
pub mod systemd;
mod tending;
pub mod trouble;
pub mod uses;
pub mod wrong;

use crate::args::Serve;
use crate::audit::Log;
use crate::config::standing::Standing;
use crate::config::{Footing, check};
use crate::error::Chain;
use crate::metrics::ConnectionRefused;
use crate::proxy::Current;
use crate::proxy::access::Peer;
use crate::proxy::connection::{self, Dialers};
use crate::proxy::drain::End;
use crate::proxy::listener::Unlistenable;
use assembly::Assembled;
pub use assembly::SERVED;
use control::Control;
use page::Page;
pub use reload::Look;
use sandbox::Watch;
use sockets::Sockets;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use systemd::{HandedOver, Manager};
use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use trouble::Trouble;

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

/// What a service is started with.
#[derive(Debug)]
pub struct Begin {
    /// The command line.
    pub options: Serve,
    /// What it stands on.
    pub standing: Standing,
    /// The sockets it was handed.
    pub handed_over: Vec<HandedOver>,
    /// What the configuration's files were before they were read.
    pub look: Look,
    /// The file that is the kill switch.
    pub switch: PathBuf,
    /// Who knows what went wrong last.
    pub trouble: Trouble,
}

/// The pause after a client could not be accepted. Running out of file descriptors passes; spinning would not help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long it is not said again that somebody was turned away; the metric counts them all.
const QUIET: Duration = Duration::from_secs(60);

/// What all connections need.
#[derive(Debug, Clone)]
struct Serving {
    dialers: Dialers,
    current: Arc<Current>,
    tasks: TaskTracker,
    end: End,
    /// When it was said last that somebody was turned away.
    told: Arc<Mutex<Option<Instant>>>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it can't start. Once it runs, nothing ends it but a signal.
pub async fn serve(Begin { options, standing, look, handed_over, switch, trouble }: Begin) -> Result<(), Failed> {
    let (mut reload, mut reopen) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let manager = Manager::find()?;
    tell(&standing);
    let settings = &standing.settings;
    let dialers = assembly::dialers(settings);
    let runtimes = dialers.image.iter().chain([&dialers.runtime]).cloned().collect();
    let is_wanted = settings.listen.to_string() != check::LISTEN;
    let sockets = Sockets::open(handed_over, &settings.listen, is_wanted, &settings.access, runtimes)?;
    // Who is told that the service is ready may ask it how it is.
    let admin = admin::open(&settings.admin);
    let (metrics_tcp, audit) = (settings.metrics_tcp, settings.audit.file.clone());
    let overrides = intervention::overrides(&settings.state, crate::clock::Clock::SYSTEM.now());
    let assembled = assembly::assemble(&standing, &dialers, overrides)?;
    let Assembled { current, writer, chronicle, due, peers, asks } = assembled;
    let (tasks, keepers, end) = (TaskTracker::new(), TaskTracker::new(), End::default());
    let shared = current.now();
    let (runtime, log, tally) = (Arc::clone(&dialers.runtime), shared.audit.clone(), Arc::clone(&shared.tally));
    keepers.spawn(uses::record(due, runtime, log.clone(), tally, end.stop.clone()));
    let watch = Watch::new(Arc::clone(&current), peers, asks, dialers.clone().legs(&tasks));
    let stop = end.stop.clone();
    keepers.spawn(async move { stop.run_until_cancelled(Box::pin(watch.run())).await.map(drop) });
    keepers.close();
    let page = Page::new(shared.metrics.clone(), Arc::clone(&shared.tally), audit);
    drop(shared);
    let control = Arc::new(Control::new(control::Parts {
        options,
        standing,
        look,
        current: Arc::clone(&current),
        chronicle: chronicle.clone(),
        manager,
        trouble,
        end: end.clone(),
        runtime: Arc::clone(&dialers.runtime),
        switch,
    }));
    // Before the first call: what was to be left alone before a restart is left alone after it.
    control.look_at_switch().await;
    // To the end, since a service that stops is asked how it is as well. Each by itself: a disk that hangs stops those that
    // wait for it.
    let meanwhile = async {
        tokio::join!(
            admin::serve(admin, metrics_tcp, page, &control),
            control.watch_switch(),
            control.tend(),
            control.keep_standing(),
            chronicle.lives(),
            reopen_at(&mut reopen, &log),
        );
    };
    let mut meanwhile = Box::pin(meanwhile);
    let serving = Serving { dialers, current, tasks: tasks.clone(), end: end.clone(), told: Arc::default() };
    tokio::select! {
        () = accept(&sockets, &serving, &control) => {}
        () = meanwhile.as_mut() => {}
        () = control.settle(&sockets) => {}
        () = control.reload_at(&mut reload) => {}
        () = either(&mut terminate, &mut interrupt) => {}
    }
    // Clients of a socket of our own find none, and try again until the next process is there; those of one that was handed
    // over wait in its queue.
    drop(sockets);
    drop(serving);
    let ended = stop::calls(&control, &tasks, &end);
    tokio::select! {
        () = ended => {}
        () = meanwhile.as_mut() => {}
        () = either(&mut terminate, &mut interrupt) => tracing::warn!("Stopped at once, by a second signal"),
    }
    // These hold what all calls share, and the way into the audit log.
    drop(meanwhile);
    drop((control, log));
    stop::rest(stop::Left { chronicle, writer, tasks, keepers, end }).await;
    Ok(())
}

/// Says what the service stands on, where it will be looked for.
fn tell(standing: &Standing) {
    let settings = &standing.settings;
    let error = standing.refused.as_deref();
    match standing.footing {
        Footing::Files => {}
        Footing::LastGood => {
            tracing::error!(error, "The configuration is wrong: the service starts with the last good one");
        }
        Footing::Nothing => {
            tracing::error!(
                error,
                "The configuration is wrong, and there is no last good one: NOTHING IS SUBSTITUTED, calls are passed on as they are"
            );
        }
    }
    tracing::info!(
        listen = %settings.listen,
        admin = %settings.admin,
        audit = %settings.audit.file.display(),
        state = %settings.state.display(),
        node = settings.node,
        configuration = standing.footing.as_str(),
        "Serving"
    );
}

/// Accepts clients for ever. The signs of life are given where they are accepted: a loop that does not come to that, or to
/// anything else, gives none.
async fn accept(sockets: &Sockets, serving: &Serving, control: &Control) {
    control.ready();
    let mut living = std::pin::pin!(control.live());
    loop {
        let accepted = tokio::select! {
            accepted = sockets.accept() => accepted,
            () = living.as_mut() => continue,
        };
        match accepted {
            Ok(stream) => serving.serve(stream),
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

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

// === impl Serving ===

impl Serving {
    /// Serves a client, if it is one that is listened to.
    fn serve(&self, stream: UnixStream) {
        let Self { dialers, current, tasks, end, .. } = self.clone();
        let (shared, peer) = (current.now(), Peer::of(&stream));
        // Who does not say who it is, is nobody who is listed.
        let peer = peer.unwrap_or(Peer::NOBODY);
        if !shared.access.admits(peer) {
            shared.metrics.connections_refused.get_or_create(&ConnectionRefused { reason: "uid" }).inc();
            self.tell_of(peer);
            return;
        }
        tracing::debug!(peer.uid, peer.gid, peer.pid, "A client has connected");
        tasks.spawn(connection::serve(stream, dialers, current, tasks.clone(), end));
    }

    /// Says that somebody was turned away: once in a while, since whoever may connect can do so a thousand times a second.
    fn tell_of(&self, Peer { uid, gid, pid }: Peer) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told: Instant| told.elapsed() < QUIET) {
            tracing::debug!(peer.uid = uid, peer.gid = gid, peer.pid = pid, "Closed another such connection");
            return;
        }
        *told = Some(Instant::now());
        tracing::warn!(
            peer.uid = uid,
            peer.gid = gid,
            peer.pid = pid,
            "Closed the connection of somebody who is not listed in [access]"
        );
    }
}
