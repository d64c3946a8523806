//! Under which name is an image there?
//!
//! The kubelet knows an image by the name in the pod; the runtime, after a substituted pull, by the substitute. On
//! every container start the kubelet asks `ImageStatus` for the pod's name to learn the image's user. Told "absent" it
//! assumes uid 0 and *sends* it; so a proxy that only rewrites pulls runs non-root images as root. And told about a
//! stale twin, one that was there before, under the old name, it takes the wrong user.

use crate::reference::Reference;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Which name served the last pull of an image, where that was not the first substitute.
#[derive(Debug, Default)]
pub struct Served(Mutex<HashMap<String, String>>);

/// What is remembered at the most. A node has a few hundred images; whoever names more than this many starts anew, and
/// forgetting costs no more than a look under another name first.
const MOST: usize = 4096;

impl Served {
    /// Remembers that a pull of `asked` was served by `name`, of `substitutes`.
    pub fn remember(&self, asked: &str, name: &str, substitutes: &[String]) {
        let mut served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if substitutes.first().is_some_and(|first| first == name) {
            served.remove(key(asked).as_ref());
        } else {
            if served.len() >= MOST {
                served.clear();
            }
            served.insert(key(asked).into_owned(), name.to_owned());
        }
    }

    /// The names to ask for, in order: what served last; the substitutes, in the order in which a pull tries them; and
    /// the name as given, for what was there before us. The first that is there is the image.
    pub fn order(&self, asked: &str, substitutes: &[String]) -> Vec<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key(asked).as_ref()).cloned();
        let mut names: Vec<String> = last.into_iter().collect();
        for name in substitutes.iter().map(String::as_str).chain([asked]) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

/// The kubelet pulls `x:latest` for a pod that says `x`, and asks for the image's user by what the pod says.
fn key(asked: &str) -> Cow<'_, str> {
    match Reference::parse(asked) {
        Ok(reference) if reference.suffix().is_empty() => Cow::Owned(format!("{asked}:latest")),
        _ => Cow::Borrowed(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_served_last_is_asked_for_first() {
        let served = Served::default();
        let substitutes = ["a/x".to_owned(), "b/x".to_owned()];
        assert_eq!(served.order("old/x", &substitutes), ["a/x", "b/x", "old/x"]);
        served.remember("old/x", "b/x", &substitutes);
        assert_eq!(served.order("old/x", &substitutes), ["b/x", "a/x", "old/x"]);
        assert_eq!(served.order("old/z", &substitutes), ["a/x", "b/x", "old/z"]);
        served.remember("old/y:latest", "b/y:latest", &["a/y:latest".to_owned(), "b/y:latest".to_owned()]);
        assert_eq!(served.order("old/y", &["a/y".to_owned()]), ["b/y:latest", "a/y", "old/y"]);
        served.remember("old/x", "a/x", &substitutes);
        assert_eq!(served.order("old/x", &substitutes), ["a/x", "b/x", "old/x"]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let served = Served::default();
        for number in 0..MOST.saturating_mul(2) {
            served.remember(&number.to_string(), "b/x", &["a/x".to_owned()]);
        }
        assert!(served.0.lock().unwrap().len() <= MOST);
    }
}
