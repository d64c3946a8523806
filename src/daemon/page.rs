//! The page of what is counted, with what is looked up when somebody asks for it.

use crate::audit::Tally;
use crate::metrics::{Alias, Attempt, AttemptTime, Denied, Metrics, Moment, Observed, RegistryFailures, Substitution};
use crate::rules::{Action, Rollout, Rule, Target};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The page.
#[derive(Debug)]
pub struct Page {
    metrics: Metrics,
    tally: Arc<Tally>,
    /// The audit log's file.
    audit: PathBuf,
    turn: Arc<Semaphore>,
}

/// How long a file system may take to say what it has left.
const PATIENCE: Duration = Duration::from_secs(1);

// === impl Page ===

impl Page {
    /// A page of these.
    pub fn new(metrics: Metrics, tally: Arc<Tally>, audit: PathBuf) -> Self {
        Self { metrics, tally, audit, turn: Arc::new(Semaphore::new(1)) }
    }

    /// What it says now.
    ///
    /// # Errors
    ///
    /// When a value can't be formatted.
    pub async fn text(&self) -> Result<String, fmt::Error> {
        self.metrics.encode(&Moment { last_call: self.tally.last_call(), audit_room: self.room().await })
    }

    /// A file system that hangs, as one on a network may, keeps no call waiting: it is asked by a thread of its own, and by
    /// one, however often the page is asked for.
    async fn room(&self) -> Option<u64> {
        let turn = Arc::clone(&self.turn).try_acquire_owned().ok()?;
        let audit = self.audit.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let room = room(&audit);
            drop(turn);
            room
        });
        tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?
    }
}

/// What the file system that `file` is on, or will be, has left for us, in bytes.
fn room(file: &Path) -> Option<u64> {
    let said = rustix::fs::statvfs(file.parent()?).ok()?;
    Some(said.f_bavail.saturating_mul(said.f_frsize))
}

/// Has what these rules may count begin at 0: a failure that comes into being at 1 is no increase to those who watch.
pub fn foresee<'a>(metrics: &Metrics, rules: impl IntoIterator<Item = &'a Rule>) {
    for rule in rules {
        let name = || rule.name.clone();
        if rule.action == Action::Rewrite {
            for outcome in Substitution::OUTCOMES {
                let _from_0 = metrics.substitutions.get_or_create(&Substitution { rule: name(), outcome });
            }
            for outcome in Alias::OUTCOMES {
                let _from_0 = metrics.aliases.get_or_create(&Alias { rule: name(), outcome });
            }
            rule.targets.iter().for_each(|target| foresee_target(metrics, target));
        }
        if rule.action == Action::Observe || rule.rollout != Rollout::FULL {
            for outcome in Observed::OUTCOMES {
                let _from_0 = metrics.observed.get_or_create(&Observed { rule: name(), outcome });
            }
        }
        if rule.action == Action::Deny {
            let _from_0 = metrics.denied.get_or_create(&Denied { rule: name() });
        }
    }
}

fn foresee_target(metrics: &Metrics, target: &Target) {
    let registry = target.place.registry().to_owned();
    let _from_0 = metrics.registry_failures.get_or_create(&RegistryFailures { registry });
    let name = || target.to_string();
    for outcome in Attempt::OUTCOMES {
        let _from_0 = metrics.attempts.get_or_create(&Attempt { target: name(), outcome });
    }
    let _from_0 = metrics.times.attempts.get_or_create(&AttemptTime { target: name() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Pattern, Place, builtin};

    fn page(audit: &Path) -> Page {
        Page::new(Metrics::default(), Arc::new(Tally::new(jiff::Timestamp::UNIX_EPOCH)), audit.to_owned())
    }

    #[tokio::test]
    async fn the_room_is_that_of_the_directory_even_before_there_is_a_log() {
        let directory = tempfile::tempdir().unwrap();
        let room = page(&directory.path().join("audit.jsonl")).room().await;
        assert!(room.is_some_and(|room| room > 0), "{room:?}");
        assert_eq!(page(&directory.path().join("missing/audit.jsonl")).room().await, None);
    }

    #[tokio::test]
    async fn a_file_system_that_is_still_being_asked_is_not_asked_again() {
        let directory = tempfile::tempdir().unwrap();
        let page = page(&directory.path().join("audit.jsonl"));
        let turn = Arc::clone(&page.turn).try_acquire_owned().unwrap();
        let without = page.text().await.unwrap();
        assert!(!without.contains("audit_room") && without.ends_with("# EOF\n"), "{without}");
        drop(turn);
        assert!(page.text().await.unwrap().contains("\nrepoint_audit_room_bytes "));
    }

    #[test]
    fn what_a_rule_may_count_begins_at_0() {
        let rule = |action, targets: &[&str]| Rule {
            name: "moved".to_owned(),
            patterns: vec![Pattern::parse("old.example").unwrap()],
            action,
            targets: targets.iter().map(|place| Target::at(Place::parse(place).unwrap())).collect(),
            ..builtin::rule(builtin::KUBERNETES).unwrap()
        };
        for (action, there, not_there) in [
            (
                Action::Rewrite,
                &[
                    "substitutions_total{rule=\"moved\",outcome=\"fell_back\"}",
                    "aliases_total{rule=\"moved\",outcome=\"failed\"}",
                    "attempts_total{target=\"a.example/x\",outcome=\"late\"}",
                    "attempt_duration_seconds_count{target=\"a.example/x\"}",
                    "registry_failures{registry=\"a.example\"}",
                ][..],
                "observed_total",
            ),
            (Action::Observe, &["observed_total{rule=\"moved\",outcome=\"failed\"}"], "attempts_total"),
            (Action::Deny, &["denied_total{rule=\"moved\"}"], "attempts_total"),
        ] {
            let metrics = Metrics::default();
            foresee(&metrics, [&rule(action, &["a.example/x"])]);
            let page = metrics.encode(&Moment::default()).unwrap();
            for name in there {
                assert!(page.contains(&format!("\nrepoint_{name} 0\n")), "{action:?}: {name}: {page}");
            }
            assert!(!page.contains(not_there), "{action:?}: {page}");
        }
    }
}
