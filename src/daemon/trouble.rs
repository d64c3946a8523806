//! What went wrong last, for who asks how the service is: the last line of its log that was a warning or worse.

use crate::clock::Clock;
use crate::output::Plain;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Listens to the log.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<Line>>>);

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub time: Timestamp,
    /// What, with its fields.
    pub message: String,
}

/// More of a line is for the log.
const LONGEST: usize = 512;

/// Gathers the fields of a line, the message first.
#[derive(Default)]
struct Gathered {
    message: String,
    fields: String,
}

// === impl Trouble ===

impl Trouble {
    /// The last line.
    pub fn last(&self) -> Option<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S: Subscriber> Layer<S> for Trouble {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() > Level::WARN || !event.metadata().target().starts_with(env!("CARGO_PKG_NAME")) {
            return;
        }
        let mut gathered = Gathered::default();
        event.record(&mut gathered);
        let message = Plain(&format!("{}{}", gathered.message, gathered.fields)).to_string();
        let message: String = message.chars().take(LONGEST).collect();
        let line = Line { time: Clock::SYSTEM.now(), message };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
    }
}

// === impl Gathered ===

impl Visit for Gathered {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _infallible = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn the_last_warning_is_told_with_its_fields_and_nothing_acts_on_a_terminal() {
        let trouble = Trouble::default();
        let subscriber = tracing_subscriber::registry().with(trouble.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("All is well");
            assert_eq!(trouble.last(), None);
            tracing::warn!(image = "a\u{1b}[2J", code = 3, "Something is odd");
            tracing::error!(target: "h2", "Somebody else's");
            tracing::info!("All is well");
        });
        let last = trouble.last().unwrap().message;
        assert!(last.starts_with("Something is odd image=") && last.ends_with(" code=3"), "{last}");
        assert!(!last.contains('\u{1b}'));
    }
}
