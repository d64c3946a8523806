//! Images that are there, and are asked for by a name that a rule matches.
//!
//! An image that is there makes no pull, so that pulls alone go silent while manifests stay as they are. The first
//! question for such an image is worth a record, and one in a day after that; the rest are counted.

use crate::reference::with_default_tag;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// Which images were asked for, and when.
#[derive(Debug)]
pub struct Usage {
    seen: Mutex<HashMap<String, Seen>>,
    due: mpsc::Sender<Sighting>,
}

/// An image in use, of which a record is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The first rule that matches.
    pub rule: String,
    /// The image as asked for.
    pub image: String,
    /// The name it was found under.
    pub name: String,
    /// What the runtime calls it.
    pub id: String,
    /// The digest of its manifest, where it is known.
    pub digest: Option<String>,
    /// How often it was asked for since the last record, this time included.
    pub times: u64,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    recorded: Timestamp,
    /// Since then.
    times: u64,
}

/// One record in this time for each image.
const INTERVAL: SignedDuration = SignedDuration::from_hours(24);

/// Images that are remembered. Of more, the one whose record is oldest is forgotten, and has its next record early.
const MOST: usize = 4096;

/// Records that may wait for somebody to find their pods.
const QUEUE: usize = 256;

impl Usage {
    /// Nothing seen yet, and where what is due comes out.
    pub fn new() -> (Self, mpsc::Receiver<Sighting>) {
        let (due, sightings) = mpsc::channel(QUEUE);
        (Self { seen: Mutex::default(), due }, sightings)
    }

    /// Notes that an image was asked for at `now`; `sighting` is made where a record is due.
    pub fn saw(&self, now: Timestamp, image: &str, sighting: impl FnOnce(u64) -> Sighting) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let image = with_default_tag(image);
        let times = match seen.get_mut(image.as_ref()) {
            Some(seen) => {
                seen.times = seen.times.saturating_add(1);
                // A clock that was set back is no reason for silence.
                if now.duration_since(seen.recorded).abs() < INTERVAL {
                    return;
                }
                seen.times
            }
            None => 1,
        };
        // A full queue: the next question is as good.
        let Ok(place) = self.due.try_reserve() else { return };
        place.send(sighting(times));
        if seen.len() >= MOST && !seen.contains_key(image.as_ref()) {
            let oldest = seen.iter().min_by_key(|(_, seen)| seen.recorded).map(|(image, _)| image.clone());
            oldest.and_then(|oldest| seen.remove(&oldest));
        }
        seen.insert(image.into_owned(), Seen { recorded: now, times: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour.saturating_mul(3600)).unwrap()
    }

    fn saw(usage: &Usage, hour: i64, image: &str) {
        usage.saw(at(hour), image, |times| Sighting {
            rule: "r".into(),
            image: image.into(),
            name: image.into(),
            id: "id".into(),
            digest: None,
            times,
        });
    }

    fn due(sightings: &mut mpsc::Receiver<Sighting>) -> Vec<(String, u64)> {
        std::iter::from_fn(|| sightings.try_recv().ok()).map(|one| (one.image, one.times)).collect()
    }

    #[test]
    fn the_first_question_is_recorded_and_one_in_a_day_with_the_number_of_the_others() {
        let (usage, mut sightings) = Usage::new();
        for hour in [0, 1, 2, 23] {
            saw(&usage, hour, "old.example/x:1");
        }
        saw(&usage, 5, "old.example/y");
        // The kubelet asks for it with its tag before a pull, and without for its user.
        saw(&usage, 5, "old.example/y:latest");
        assert_eq!(due(&mut sightings), [("old.example/x:1".into(), 1), ("old.example/y".into(), 1)]);
        for hour in [24, 25, 47] {
            saw(&usage, hour, "old.example/x:1");
        }
        assert_eq!(due(&mut sightings), [("old.example/x:1".into(), 4)]);
        // The clock was set back by a year.
        saw(&usage, -8760, "old.example/x:1");
        assert_eq!(due(&mut sightings), [("old.example/x:1".into(), 3)]);
    }

    #[test]
    fn what_is_remembered_and_what_waits_is_bounded_and_nothing_is_forgotten_for_good() {
        let (usage, mut sightings) = Usage::new();
        for number in 0..QUEUE + 1 {
            saw(&usage, 0, &format!("old.example/{number}:1"));
        }
        assert_eq!(due(&mut sightings).len(), QUEUE);
        saw(&usage, 1, &format!("old.example/{QUEUE}:1"));
        assert_eq!(due(&mut sightings), [(format!("old.example/{QUEUE}:1"), 1)]);
        for number in 0..MOST + 10 {
            saw(&usage, 2, &format!("old.example/{number}:2"));
            due(&mut sightings);
        }
        assert_eq!(usage.seen.lock().unwrap().len(), MOST);
    }
}
