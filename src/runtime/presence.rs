//! Under which name is an image there?
//!
//! The kubelet knows an image by the name in the pod; the runtime, after a substituted pull, by the substitute. On
//! every container start the kubelet asks `ImageStatus` for the pod's name to learn the image's user. Told "absent" it
//! assumes uid 0 and *sends* it; so a proxy that only rewrites pulls runs non-root images as root. And told about a
//! stale twin, one that was there before, under the old name, it takes the wrong user.
//!
//! Where the runtime can give an image its old name ([`super::alias`]), that is the name that serves, and all is as if the
//! old registry had.
//!
//! So it is remembered, across restarts too, which name served an image's last pull: the targets may be others by then,
//! or in another order, and what is there is there all the same.

use super::journal::{self, Journal, Unkept};
use crate::error::Chain;
use crate::reference::with_default_tag;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Which name served the last pull of an image.
#[derive(Debug, Default)]
pub struct Served {
    names: Arc<Mutex<Names>>,
    /// Where they outlive the process. Its lock is fair, so that what is written last is what was learnt last.
    journal: Option<Arc<tokio::sync::Mutex<Journal>>>,
}

#[derive(Debug, Default)]
struct Names {
    /// By the image asked for: the name, and the number of the pull that it served.
    served: HashMap<String, (u64, String)>,
    pulls: u64,
}

/// What is remembered at the most. A node has a few hundred images; of more than this, the one whose last pull is
/// longest ago is forgotten, which costs no more than a look under another name first.
const MOST: usize = 4096;

/// A longer name is not remembered. No registry has one.
const LONGEST_NAME: usize = 1024;

/// How long a pull waits for its name to be written.
const PATIENCE: Duration = Duration::from_secs(2);

// === impl Served ===

impl Served {
    /// What is remembered in `file`, and will be.
    ///
    /// # Errors
    ///
    /// When it can't be read or written. What can be is still done: nothing is remembered beyond the process, then.
    pub fn open(file: &Path) -> (Self, Result<(), Unkept>) {
        let mut names = Names::default();
        let opened = journal::read(file, &mut |asked, name| {
            let _known_already = names.insert(asked, name);
        })
        .and_then(|()| Journal::begin(file, &names.all()));
        let (journal, outcome) = match opened {
            Ok(journal) => (Some(Arc::new(tokio::sync::Mutex::new(journal))), Ok(())),
            Err(error) => (None, Err(error)),
        };
        (Self { names: Arc::new(Mutex::new(names)), journal }, outcome)
    }

    /// Remembers that a pull of `asked` was served by `name`. Returns when that is written, or can't be.
    pub async fn remember(&self, asked: &str, name: &str) {
        let asked = with_default_tag(asked);
        if asked.len().max(name.len()) > LONGEST_NAME || !locked(&self.names).insert(&asked, name) {
            return;
        }
        let Some(journal) = self.journal.clone() else { return };
        let (asked, name, names) = (asked.into_owned(), name.to_owned(), Arc::clone(&self.names));
        let kept = async {
            let mut journal = journal.lock_owned().await;
            // A disk that hangs holds up this pull for a moment, and no other call.
            tokio::task::spawn_blocking(move || {
                if journal.is_whole() && journal.lines() < MOST.saturating_mul(2) {
                    return journal.append(&asked, &name);
                }
                // They are learnt before they are written, so that this one is among them.
                let all = locked(&names).all();
                journal.rewrite(&all)
            })
            .await
        };
        let failure = match tokio::time::timeout(PATIENCE, kept).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => Chain(&error).to_string(),
            Ok(Err(error)) => Chain(&error).to_string(),
            Err(_) => "the disk takes too long".to_owned(),
        };
        tracing::warn!(error = failure, "A restart may forget the name that served a pull");
    }

    /// The names to ask for, in order: what served last; the substitutes, in the order in which a pull tries them; and
    /// the name as given, for what was there before us. The first that is there is the image.
    pub fn order(&self, asked: &str, substitutes: &[String]) -> Vec<String> {
        let last = locked(&self.names).served.get(with_default_tag(asked).as_ref()).map(|(_, name)| name.clone());
        let mut names: Vec<String> = last.into_iter().collect();
        for name in substitutes.iter().map(String::as_str).chain([asked]) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

// === impl Names ===

impl Names {
    /// Whether this was news.
    fn insert(&mut self, asked: &str, name: &str) -> bool {
        self.pulls = self.pulls.saturating_add(1);
        let pull = self.pulls;
        if let Some((last, known)) = self.served.get_mut(asked) {
            *last = pull;
            if known == name {
                return false;
            }
        }
        if self.served.len() >= MOST && !self.served.contains_key(asked) {
            let oldest = self.served.iter().min_by_key(|(_, (last, _))| *last).map(|(asked, _)| asked.clone());
            oldest.and_then(|oldest| self.served.remove(&oldest));
        }
        self.served.insert(asked.to_owned(), (pull, name.to_owned()));
        true
    }

    /// All of them, the oldest first.
    fn all(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = self.served.iter().collect();
        all.sort_by_key(|(_, (last, _))| *last);
        all.into_iter().map(|(asked, (_, name))| (asked.clone(), name.clone())).collect()
    }
}

fn locked(names: &Mutex<Names>) -> MutexGuard<'_, Names> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings<const N: usize>(all: [&str; N]) -> [String; N] {
        all.map(str::to_owned)
    }

    #[tokio::test]
    async fn what_served_last_is_asked_for_first() {
        let served = Served::default();
        let substitutes = strings(["a/x", "b/x"]);
        assert_eq!(served.order("old/x", &substitutes), ["a/x", "b/x", "old/x"]);
        served.remember("old/x", "b/x").await;
        assert_eq!(served.order("old/x", &substitutes), ["b/x", "a/x", "old/x"]);
        assert_eq!(served.order("old/z", &substitutes), ["a/x", "b/x", "old/z"]);
        served.remember("old/y:latest", "b/y:latest").await;
        assert_eq!(served.order("old/y", &strings(["a/y"])), ["b/y:latest", "a/y", "old/y"]);
        // The old registry served it, after all the others had failed.
        served.remember("old/x", "old/x").await;
        assert_eq!(served.order("old/x", &substitutes), ["old/x", "a/x", "b/x"]);
    }

    #[tokio::test]
    async fn other_targets_and_a_restart_do_not_make_an_image_absent() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("missing/served");
        let (served, opened) = Served::open(&file);
        opened.unwrap();
        served.remember("old.example/x:1", "a.example/x:1").await;
        served.remember("old.example/y:1", "a.example/y:1").await;
        served.remember("old.example/y:1", "b.example/y:1").await;
        drop(served);
        // A disk that was full in the middle of a line and had room again for the next, and a crash in the middle of another.
        let torn = b"old.example/v:1 c.examold.example/w:1 a.example/w:1\nold.example/x:1 c.exam".to_vec();
        let torn = [std::fs::read(&file).unwrap(), torn].concat();
        std::fs::write(&file, torn).unwrap();
        let (served, opened) = Served::open(&file);
        opened.unwrap();
        assert_eq!(served.order("old.example/x:1", &strings(["c.example/x:1"]))[0], "a.example/x:1");
        assert_eq!(served.order("old.example/y:1", &[])[0], "b.example/y:1");
        assert_eq!(served.order("old.example/v:1", &[]), ["old.example/v:1"]);
        served.remember("old.example/z:1", "a.example/z:1").await;
        let (served, _) = Served::open(&file);
        assert_eq!(served.order("old.example/z:1", &[])[0], "a.example/z:1");
    }

    #[tokio::test]
    async fn a_file_that_is_removed_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("served");
        let (served, _) = Served::open(&file);
        served.remember("old.example/x:1", "a.example/x:1").await;
        std::fs::remove_file(&file).unwrap();
        served.remember("old.example/y:1", "a.example/y:1").await;
        let (served, _) = Served::open(&file);
        assert_eq!(served.order("old.example/y:1", &[])[0], "a.example/y:1");
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded_in_memory_and_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("served");
        let (served, _) = Served::open(&file);
        for number in 0..MOST * 3 {
            served.remember(&format!("old.example/{number}:1"), "a.example/x:1").await;
            // Pulled again and again, and so not the one to forget.
            served.remember("old.example/often:1", "a.example/often:1").await;
        }
        served.remember(&"x".repeat(LONGEST_NAME + 1), "a.example/x:1").await;
        assert!(locked(&served.names).served.len() <= MOST);
        assert_eq!(served.order("old.example/often:1", &[])[0], "a.example/often:1");
        assert!(std::fs::read_to_string(&file).unwrap().lines().count() <= MOST * 2 + 1);
        let (again, _) = Served::open(&file);
        assert_eq!(locked(&again.names).all().len(), locked(&served.names).all().len());
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_known_until_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let (served, opened) = Served::open(directory.path());
        let told = Chain(&opened.unwrap_err()).to_string();
        assert!(told.contains(directory.path().to_str().unwrap()), "{told}");
        served.remember("old.example/x:1", "a.example/x:1").await;
        assert_eq!(served.order("old.example/x:1", &[])[0], "a.example/x:1");
    }
}
