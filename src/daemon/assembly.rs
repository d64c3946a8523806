//! All that runs, put together.

use super::chronicle::Chronicle;
use super::page;
use crate::audit::record::Start;
use crate::audit::{Log, Origin, Sighting, Sinks, Tally, Usage, Writer};
use crate::clock::Clock;
use crate::config::{Settings, Standing};
use crate::credentials::Store;
use crate::error::Chain;
use crate::machine;
use crate::metrics::{self, Metrics};
use crate::proxy::connection::Dialers;
use crate::proxy::overrides::Overrides;
use crate::proxy::sandbox::{Ask, Gate};
use crate::proxy::{Context, Current, DIGESTS};
use crate::rules::{Position, Table};
use crate::runtime::{Aliases, Dialer, Endpoint, Peers, Served};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;

/// What runs.
pub(super) struct Assembled {
    pub(super) current: Arc<Current>,
    pub(super) writer: Writer,
    pub(super) chronicle: Chronicle,
    /// Images in use, to be recorded.
    pub(super) due: Receiver<Sighting>,
    /// What the runtime is.
    pub(super) peers: Arc<Peers>,
    /// Calls that wait for the image that the runtime makes pods with.
    pub(super) asks: Receiver<Ask>,
}

/// What the state directory's file of the names that served is called.
pub const SERVED: &str = "served";

/// The ways to the runtime.
pub(super) fn dialers(settings: &Settings) -> Dialers {
    let dialer = |endpoint| Arc::new(Dialer::new(endpoint, settings.listen.path().to_owned()));
    let image = settings.runtime.image.clone();
    Dialers { image: image.map(Endpoint::At).map(dialer), runtime: dialer(settings.runtime.runtime.clone()) }
}

/// Puts together what `standing` says.
///
/// # Errors
///
/// When the system gives no thread.
pub(super) fn assemble(standing: &Standing, dialers: &Dialers, overrides: Overrides) -> io::Result<Assembled> {
    let settings = &standing.settings;
    let (metrics, clock) = (Metrics::default(), Clock::SYSTEM);
    metrics.start(clock.now());
    tell_metrics(&metrics, standing);
    metrics.overrides.set(i64::try_from(overrides.all().len()).unwrap_or(i64::MAX));
    let sinks = Sinks::open(&settings.audit, &metrics.sink_failures)?;
    let (log, writer) = Log::start(&settings.audit, origin(settings), metrics.audit_failures.clone(), sinks)?;
    let tally = Arc::new(Tally::new(clock.now()));
    let chronicle = Chronicle::new(log.clone(), Arc::clone(&tally), metrics.audit_failures.clone(), clock);
    chronicle.started(Start {
        rules: settings.rules.rules().len(),
        configuration: standing.footing.as_str(),
        message: standing.refused.clone(),
        repaired: 0,
    });
    let (served, opened) = Served::open(&settings.state.join(SERVED));
    if let Err(error) = opened {
        tracing::warn!(error = %Chain(&error), "A restart will forget under which names images were pulled");
    }
    let (usage, due) = Usage::new();
    let (gate, asks) = Gate::new();
    let peers = Arc::new(Peers::new(Arc::clone(&dialers.runtime)));
    let context = Context {
        rules: Arc::new(settings.rules.clone()),
        overrides: Arc::new(overrides),
        served: Arc::new(served),
        aliases: Aliases::new(Arc::clone(&peers), settings.runtime.keep),
        sandbox_image: settings.runtime.sandbox_image.clone(),
        sandbox: Arc::new(gate),
        credentials: credentials(settings, clock),
        health: Arc::default(),
        candidates: Arc::default(),
        digests: Arc::new(Semaphore::new(DIGESTS)),
        audit: log,
        audit_required: settings.audit.required,
        tally,
        usage: Arc::new(usage),
        metrics,
        clock,
        access: settings.access.clone(),
        position: position(settings),
        message_limit: settings.message_limit,
        hold: settings.runtime.hold,
    };
    tell_rules(&settings.rules);
    Ok(Assembled { current: Arc::new(Current::new(context)), writer, chronicle, due, peers, asks })
}

/// What `settings` make of `runs`: all that a process can change while it runs, and what it has learnt.
pub(super) fn changed(runs: &Context, settings: &Settings) -> Context {
    tell_rules(&settings.rules);
    Context {
        rules: Arc::new(settings.rules.clone()),
        aliases: runs.aliases.with(settings.runtime.keep),
        sandbox_image: settings.runtime.sandbox_image.clone(),
        credentials: credentials(settings, runs.clock),
        audit_required: settings.audit.required,
        access: settings.access.clone(),
        position: position(settings),
        message_limit: settings.message_limit,
        hold: settings.runtime.hold,
        ..runs.clone()
    }
}

/// Says which configuration is in force, and what it may count.
pub(super) fn tell_metrics(metrics: &Metrics, standing: &Standing) {
    let hash = standing.settings.hash.clone();
    metrics.runs(&metrics::Config { hash, source: standing.footing.as_str() });
    page::foresee(metrics, standing.settings.rules.rules().iter().map(Arc::as_ref));
}

/// Where records come from, as `settings` say.
pub(super) fn origin(settings: &Settings) -> Origin {
    Origin {
        node: settings.node.clone(),
        machine_id: machine::id(),
        boot_id: machine::boot_id(),
        labels: settings.labels.clone(),
        version: env!("CARGO_PKG_VERSION"),
        config: settings.hash.clone(),
    }
}

fn credentials(settings: &Settings, clock: Clock) -> Arc<Store> {
    // Systemd's, which only its own unit's processes can read.
    let handed_over = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    Arc::new(Store::new(settings.credentials.clone(), handed_over, clock))
}

fn position(settings: &Settings) -> Position {
    Position::of(&machine::id().unwrap_or_else(|| settings.node.clone()))
}

fn tell_rules(rules: &Table) {
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
}

/// Places, as a log line has them.
fn spoken(places: &[impl ToString]) -> String {
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
