//! Time, through a door that a test can hold shut; and how it is written.

use jiff::Timestamp;
use serde::Serializer;

/// Tells the time of day. (Durations are measured by `tokio::time::Instant`, which tests pause by themselves.)
#[derive(Debug, Clone, Copy)]
pub struct Clock(fn() -> Timestamp);

impl Clock {
    /// The system's clock.
    pub const SYSTEM: Self = Self(Timestamp::now);

    /// A clock that answers what `now` says.
    pub const fn new(now: fn() -> Timestamp) -> Self {
        Self(now)
    }

    /// The time of day.
    pub fn now(self) -> Timestamp {
        (self.0)()
    }
}

/// RFC 3339 in UTC, always with microseconds, so that lines sort as text.
///
/// # Errors
///
/// When there is nowhere to write it.
pub fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.6}"))
}

/// The same, or `null`.
///
/// # Errors
///
/// As [`rfc3339`].
pub fn rfc3339_option<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}
