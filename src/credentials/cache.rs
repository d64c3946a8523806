//! Answers of credential providers, for as long as they said that they hold.

use super::credential::Login;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Credentials by the pattern of images they are for.
pub(super) type Logins = BTreeMap<String, Login>;

/// What an answer holds for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// One repository.
    Image(String),
    /// One registry.
    Registry(String),
    /// Everything.
    Global,
}

/// A bounded number of answers.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<Key, Held>>);

struct Held {
    logins: Arc<Logins>,
    since: Timestamp,
    until: Timestamp,
}

/// A node has a few hundred images at the most, and a registry of them seldom more than one provider. Beyond that, the
/// answer that would be the first to expire makes room, which costs one run of its provider.
pub(super) const MOST: usize = 512;

// === impl Cache ===

impl Cache {
    /// The answer that holds for the first of `keys` that there is one for.
    pub(super) fn find(&self, keys: &[Key], now: Timestamp) -> Option<Arc<Logins>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = keys.iter().filter_map(|key| held.get(key)).filter(|held| held.holds(now));
        found.next().map(|held| Arc::clone(&held.logins))
    }

    /// Keeps an answer from now on until then.
    pub(super) fn keep(&self, key: Key, logins: Arc<Logins>, now: Timestamp, until: Timestamp) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, held| held.holds(now));
        if held.len() >= MOST && !held.contains_key(&key) {
            let first = held.iter().min_by_key(|(_, held)| held.until).map(|(key, _)| key.clone());
            first.and_then(|first| held.remove(&first));
        }
        held.insert(key, Held { logins, since: now, until });
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_tuple("Cache").field(&format_args!("{} answers", held.len())).finish()
    }
}

// === impl Held ===

impl Held {
    /// On a clock that was set back, an answer from the future could hold for ever.
    fn holds(&self, now: Timestamp) -> bool {
        (self.since..self.until).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_answer_holds_from_when_it_came_until_it_said() {
        let cache = Cache::default();
        cache.keep(Key::Global, Arc::default(), at(10), at(20));
        let holds = |now| cache.find(&[Key::Image("x".into()), Key::Global], at(now)).is_some();
        assert_eq!([9, 10, 19, 20].map(holds), [false, true, true, false]);
        assert!(cache.find(&[Key::Image("x".into())], at(10)).is_none());
    }

    #[test]
    fn answers_are_bounded_and_those_that_end_first_go_first() {
        let cache = Cache::default();
        for number in 0..1000 {
            cache.keep(Key::Image(number.to_string()), Arc::default(), at(0), at(1000 + number));
        }
        assert_eq!(cache.0.lock().unwrap().len(), MOST);
        assert!(cache.find(&[Key::Image("0".into())], at(1)).is_none());
        assert!(cache.find(&[Key::Image("999".into())], at(1)).is_some());
        cache.keep(Key::Global, Arc::default(), at(5000), at(5001));
        assert_eq!(cache.0.lock().unwrap().len(), 1);
    }
}
