//! What somebody on the node does about the service while it runs: the kill switch, which is a file, and overrides of single
//! rules, which end by themselves and outlive a restart.

use super::control::Control;
use crate::audit::Event;
use crate::audit::record;
use crate::error::Chain;
use crate::proxy::overrides::{Instead, MOST, Override, Overrides};
use crate::whole;
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

/// Why an override is not there.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// No rule is called so.
    #[error("there is no rule `{0}`; there is {1}")]
    NoRule(String, String),
    /// It would last too long.
    #[error("an override lasts from a second to {} days: what is to stay belongs into the configuration", LONGEST.as_secs() / (24 * 60 * 60))]
    Length,
    /// There are too many.
    #[error("there are {MOST} overrides already")]
    TooMany,
    /// There is none to end.
    #[error("rule `{0}` is not overridden")]
    None(String),
}

/// An override that is longer is forgotten by whoever made it.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What the state directory's file of overrides is called.
const OVERRIDES: &str = "overrides.json";

/// The overrides that a state directory has, whose time is not over.
pub(super) fn overrides(state: &Path, now: Timestamp) -> Overrides {
    let overrides = Overrides::default();
    let path = state.join(OVERRIDES);
    let found = fs::read(&path).and_then(|text| Ok(serde_json::from_slice::<Vec<Override>>(&text)?));
    match found {
        Ok(all) => {
            for one in all.into_iter().filter(|one| one.until > now) {
                tracing::warn!(rule = one.rule, instead = one.instead.as_str(), until = %one.until, "A rule is overridden");
                let _has_room = overrides.add(one);
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(file = %path.display(), error = %Chain(&error), "Overrides from before the start are forgotten");
        }
    }
    overrides
}

impl Control {
    /// Puts `instead` in the place of what a rule says, for so long; says until when.
    ///
    /// # Errors
    ///
    /// When that is not to be.
    pub async fn set_override(
        &self,
        rule: String,
        instead: Instead,
        length: Duration,
        uid: u32,
    ) -> Result<Timestamp, Unheard> {
        let shared = self.shared();
        let mut names = shared.rules.rules().iter().map(|rule| rule.name.as_str());
        if !names.any(|name| name == rule) {
            let names: Vec<_> = shared.rules.rules().iter().map(|rule| format!("`{}`", rule.name)).collect();
            return Err(Unheard::NoRule(rule, if names.is_empty() { "none".to_owned() } else { names.join(", ") }));
        }
        let since = shared.clock.now();
        let length = Some(length).filter(|length| (Duration::from_secs(1)..=LONGEST).contains(length));
        let length = length.and_then(|length| SignedDuration::try_from(length).ok());
        let until = length.and_then(|length| since.checked_add(length).ok()).ok_or(Unheard::Length)?;
        if !shared.overrides.add(Override { rule: rule.clone(), instead, since, until, uid }) {
            return Err(Unheard::TooMany);
        }
        tracing::warn!(rule, instead = instead.as_str(), %until, uid, "A rule is overridden");
        self.overrides_changed(rule, Some((instead, until)), Some(uid)).await;
        Ok(until)
    }

    /// Ends one before its time.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn end_override(&self, rule: String, uid: u32) -> Result<(), Unheard> {
        if self.shared().overrides.remove(&rule).is_none() {
            return Err(Unheard::None(rule));
        }
        tracing::info!(rule, uid, "A rule holds again");
        self.overrides_changed(rule, None, Some(uid)).await;
        Ok(())
    }

    /// Ends those whose time is over.
    pub(super) async fn expire_overrides(&self) {
        let shared = self.shared();
        for one in shared.overrides.expire(shared.clock.now()) {
            tracing::info!(rule = one.rule, "A rule holds again");
            self.overrides_changed(one.rule, None, None).await;
        }
    }

    /// Looks whether the kill switch is thrown. Whatever is there by its name is it; where that can't be told, nothing
    /// changes.
    pub(super) async fn look_at_switch(&self) {
        let is_thrown = match fs::symlink_metadata(&self.switch) {
            Ok(_) => true,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => false,
            Err(_) => return,
        };
        let shared = self.shared();
        if !shared.overrides.disable(is_thrown) {
            return;
        }
        let file = self.switch.display().to_string();
        let event = if is_thrown {
            tracing::warn!(file, "No pull is substituted while this file is there");
            Event::Disabled
        } else {
            tracing::info!(file, "Pulls are substituted again");
            Event::Enabled
        };
        // The image that pods are made with is seen to, or is no longer.
        shared.sandbox.set_open(false);
        shared.metrics.disabled.set(i64::from(is_thrown));
        self.chronicle.switched(event, file).await;
    }

    /// Records it, and keeps it for the next start.
    async fn overrides_changed(&self, rule: String, now: Option<(Instead, Timestamp)>, uid: Option<u32>) {
        let _one_at_a_time = self.keeping.lock().await;
        let shared = self.shared();
        shared.sandbox.set_open(false);
        let all = shared.overrides.all();
        shared.metrics.overrides.set(i64::try_from(all.len()).unwrap_or(i64::MAX));
        let file = self.state.join(OVERRIDES);
        let kept = tokio::task::spawn_blocking(move || whole::write(&file, &serde_json::to_vec_pretty(&all)?));
        if let Err(error) = kept.await.map_err(io::Error::from).flatten() {
            let state = self.state.display();
            tracing::warn!(%state, error = %Chain(&error), "A restart will not know of overrides as they are");
        }
        let (instead, until) = (now.map(|(instead, _)| instead.as_str()), now.map(|(_, until)| until));
        self.chronicle.overridden(record::Override { rule, instead, until, uid }).await;
    }
}
