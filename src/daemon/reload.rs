//! The configuration, read again while the service runs. It is a proposal: it comes into force as a whole, or what is in force
//! stays, and that is said wherever somebody may look.

use super::assembly::{changed, origin, tell_metrics};
use super::control::{Control, Known};
use crate::args::Serve;
use crate::audit::record::{Reload, ReloadOutcome};
use crate::config::source::DEFAULT;
use crate::config::{Footing, Kept, Refused, Standing, propose, warnings};
use crate::error::Chain;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::Signal;

/// Device, inode, size, and when content and inode were last changed.
type Seen = (u64, u64, u64, (i64, i64), (i64, i64));

/// What the files of the configuration are, as far as one can see without reading them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look(Vec<(PathBuf, Seen)>);

/// How often the files are read that change while they are.
const READS: usize = 5;

impl Control {
    /// Reads it again at every signal.
    pub async fn reload_at(&self, signal: &mut Signal) {
        while signal.recv().await.is_some() {
            self.reload().await;
        }
        // There are no more signals, which is no reason to end.
        std::future::pending::<()>().await;
    }

    /// Reads it again.
    pub async fn reload(&self) {
        let mut runs = self.standing.lock().await;
        self.manager.reloading();
        let outcome = match self.proposed(&runs).await {
            Ok(proposed) => {
                self.put_in_force(&mut runs, proposed).await;
                ReloadOutcome::Loaded
            }
            Err(error) => {
                let why = Chain(&error).to_string();
                tracing::error!(error = why, "The configuration was not taken: what is in force stays");
                self.learn(Known { refused: Some((self.shared().clock.now(), why)), ..self.known() });
                ReloadOutcome::Refused
            }
        };
        let message = self.known().refused.map(|(_, why)| why);
        let rules = self.shared().rules.rules().len();
        self.chronicle.reloaded(Reload { outcome, rules, message }).await;
        self.shared().metrics.reloaded(outcome.as_str(), self.shared().clock.now());
        // For the manager a reload ends with readiness, however it ended.
        self.manager.ready(self.line());
    }

    /// What the files say, read at a moment when nobody exchanged them.
    async fn proposed(&self, runs: &Arc<Standing>) -> Result<Standing, Refused> {
        let (options, runs) = (Arc::clone(&self.options), Arc::clone(runs));
        // A disk may take its time, and so may ten thousand rules.
        let read = tokio::task::spawn_blocking(move || {
            let mut reads = 0_usize;
            loop {
                reads = reads.saturating_add(1);
                let before = Look::at(&options);
                let proposed = propose(&options, &runs);
                if reads == READS || Look::at(&options) == before {
                    return (before, proposed);
                }
            }
        });
        let Ok((look, proposed)) = read.await else { return Err(Refused::Unread) };
        self.has_read(look);
        proposed
    }

    /// Calls that come from now on go by `proposed`.
    async fn put_in_force(&self, runs: &mut Arc<Standing>, proposed: Standing) {
        for warning in warnings(&proposed.source, &proposed.settings) {
            tracing::warn!(%warning, "The configuration may not be what was meant");
        }
        let shared = self.shared();
        let context = changed(&shared, &proposed.settings);
        // Records of what follows name the configuration that it follows from.
        context.audit.say_origin(origin(&proposed.settings)).await;
        self.current.exchange(context);
        // Which image pods are made with, and whether a rule is about it, is looked at anew before the next one.
        shared.sandbox.set_open(false);
        let started = self.known().started;
        self.learn(Known::of(&proposed, shared.clock.now(), started));
        tracing::info!(
            rules = proposed.settings.rules.rules().len(),
            hash = proposed.settings.hash,
            "The configuration is in force"
        );
        tell_metrics(&shared.metrics, &proposed);
        *runs = Arc::new(proposed);
        self.keep(runs).await;
    }

    /// Keeps what the process has started on.
    pub(super) async fn keep_standing(&self) {
        let standing = self.standing.lock().await.clone();
        self.keep(&standing).await;
    }

    /// Keeps what is in force, for a start that finds something worse.
    async fn keep(&self, standing: &Standing) {
        if standing.footing != Footing::Files {
            return;
        }
        let kept = Kept::of(&standing.source, env!("CARGO_PKG_VERSION"), self.shared().clock.now());
        let file = self.state.clone();
        let kept = tokio::task::spawn_blocking(move || kept.write(&file));
        if let Err(error) = kept.await.map_err(io::Error::from).flatten() {
            let state = self.state.display();
            tracing::warn!(%state, error = %Chain(&error), "A start with a broken configuration will not find the last good one");
        }
    }

    /// What the files are now.
    pub(super) fn look(&self) -> Look {
        Look::at(&self.options)
    }
}

// === impl Look ===

impl Look {
    /// At the file, its directory of drop-ins, and what is in that. Links are followed: tools and config maps exchange a whole
    /// directory by exchanging the link that leads to it.
    pub fn at(options: &Serve) -> Self {
        let path = options.config.as_deref().unwrap_or_else(|| Path::new(DEFAULT));
        let drop_ins = path.with_extension("d");
        let within = fs::read_dir(&drop_ins).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut all: Vec<_> = [path.to_owned(), drop_ins].into_iter().chain(within).collect();
        all.sort();
        let seen = |path: PathBuf| {
            let found = fs::metadata(&path).ok()?;
            let times = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
            let what = (found.dev(), found.ino(), found.size(), times.0, times.1);
            Some((path, what))
        };
        Self(all.into_iter().filter_map(seen).collect())
    }
}
