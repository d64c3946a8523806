//! Time, through a door that a test can hold shut.

use jiff::Timestamp;

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
