//! What somebody on the node has put in the place of what rules say, for a while: the kill switch, and overrides of single
//! rules.
//!
//! They are about new pulls. Under which name an image is there is decided as if there were none: what was pulled from
//! elsewhere stays findable.

use crate::rules::{Action, Rule, Standpoint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The kill switch, and the overrides there are.
#[derive(Debug, Default)]
pub struct Overrides {
    is_disabled: AtomicBool,
    all: Mutex<Vec<Override>>,
}

/// What holds for one rule until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The rule's name.
    pub rule: String,
    /// What is done instead.
    pub instead: Instead,
    /// From when on.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The user who said so.
    pub uid: u32,
}

/// What is done instead of what a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instead {
    /// The registry that the image is named by is asked, as if no target had it.
    Original,
    /// The pull is made as it is asked for, and recorded.
    Observe,
}

/// What is done with a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The rule's targets are asked.
    Rewrite,
    /// The registry that the image is named by is asked at once.
    Original,
    /// It is made as it is asked for, and recorded.
    Observe,
    /// It is refused.
    Deny,
}

/// There are no more rules than a person overrides by hand; whoever holds more writes a configuration.
pub const MOST: usize = 64;

// === impl Overrides ===

impl Overrides {
    /// What is done with a pull that `rule` decides.
    pub fn course(&self, rule: &Rule, standpoint: Standpoint) -> Course {
        if self.is_disabled() {
            return Course::Observe;
        }
        let all = self.locked();
        let mine = all.iter().find(|one| one.rule == rule.name && one.until > standpoint.now);
        match mine.map(|one| one.instead) {
            Some(Instead::Original) => Course::Original,
            Some(Instead::Observe) => Course::Observe,
            None => rule.action_at(standpoint).into(),
        }
    }

    /// Whether no pull is substituted.
    pub fn is_disabled(&self) -> bool {
        self.is_disabled.load(Ordering::Relaxed)
    }

    /// Throws the kill switch, or puts it back. Says whether that was news.
    pub fn disable(&self, is_disabled: bool) -> bool {
        self.is_disabled.swap(is_disabled, Ordering::Relaxed) != is_disabled
    }

    /// Those there are.
    pub fn all(&self) -> Vec<Override> {
        self.locked().clone()
    }

    /// Adds one, in the place of one of the same rule. `false` where there are too many.
    pub fn add(&self, new: Override) -> bool {
        let mut all = self.locked();
        all.retain(|one| one.rule != new.rule);
        let has_room = all.len() < MOST;
        if has_room {
            all.push(new);
        }
        has_room
    }

    /// Takes away the one of that rule.
    pub fn remove(&self, rule: &str) -> Option<Override> {
        let mut all = self.locked();
        let at = all.iter().position(|one| one.rule == rule)?;
        Some(all.remove(at))
    }

    /// Takes away those whose time is over.
    pub fn expire(&self, now: Timestamp) -> Vec<Override> {
        let mut all = self.locked();
        let (over, left) = std::mem::take(&mut *all).into_iter().partition(|one| one.until <= now);
        *all = left;
        over
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Override>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Instead ===

impl Instead {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Observe => "observe",
        }
    }
}

// === impl Course ===

impl From<Action> for Course {
    fn from(action: Action) -> Self {
        match action {
            Action::Rewrite => Self::Rewrite,
            Action::Observe => Self::Observe,
            Action::Deny => Self::Deny,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Namespaces, OnFailure, Pattern, Position, Rollout};

    fn rule(action: Action) -> Rule {
        Rule {
            name: "mine".to_owned(),
            patterns: vec![Pattern::parse("old.example").unwrap()],
            exclude: Vec::new(),
            namespaces: Namespaces::default(),
            action,
            rollout: Rollout::FULL,
            targets: Vec::new(),
            on_failure: OnFailure::Fail,
            builtin: false,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn standpoint(second: i64) -> Standpoint {
        Standpoint { node: Position::of("a"), now: at(second) }
    }

    fn of(name: &str, instead: Instead, until: i64) -> Override {
        Override { rule: name.to_owned(), instead, since: at(0), until: at(until), uid: 0 }
    }

    #[test]
    fn an_override_holds_for_its_rule_until_its_time_is_over() {
        let overrides = Overrides::default();
        assert!(overrides.add(of("other", Instead::Observe, 100)));
        assert!(overrides.add(of("mine", Instead::Observe, 100)));
        assert!(overrides.add(of("mine", Instead::Original, 10)));
        for (action, own) in [(Action::Rewrite, Course::Rewrite), (Action::Deny, Course::Deny)] {
            assert_eq!(overrides.course(&rule(action), standpoint(9)), Course::Original);
            assert_eq!(overrides.course(&rule(action), standpoint(10)), own);
        }
        assert_eq!(overrides.expire(at(9)), []);
        assert_eq!(overrides.expire(at(10)), [of("mine", Instead::Original, 10)]);
        assert_eq!(overrides.remove("other").map(|one| one.rule).as_deref(), Some("other"));
        assert_eq!(overrides.remove("other"), None);
    }

    #[test]
    fn the_kill_switch_goes_before_everything() {
        let overrides = Overrides::default();
        assert!(overrides.add(of("mine", Instead::Original, 100)));
        assert!(overrides.disable(true) && !overrides.disable(true));
        assert_eq!(overrides.course(&rule(Action::Deny), standpoint(0)), Course::Observe);
        assert!(overrides.disable(false));
        assert_eq!(overrides.course(&rule(Action::Rewrite), standpoint(0)), Course::Original);
    }

    #[test]
    fn there_are_not_more_than_a_person_makes() {
        let overrides = Overrides::default();
        for number in 0..MOST {
            assert!(overrides.add(of(&number.to_string(), Instead::Observe, 1)));
        }
        assert!(!overrides.add(of("one more", Instead::Observe, 1)));
        assert!(overrides.add(of("0", Instead::Original, 1)), "one in the place of another takes no room");
    }
}
