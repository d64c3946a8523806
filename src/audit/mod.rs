//! The audit log: one JSON object a line, one line for every pull that a rule decided.
//!
//! The caller of such a pull is answered after its record is in the file. A file that can't be written does
//! not stop the pull; it raises the alarm, in the log and in `repoint_audit_failures_total`.
//!
//! One thread owns the file. Records reach it through a bounded queue, in the order of their numbers, and a call that
//! is cancelled while its record is being written can't tear a line.
//!
//! Who reads it, reads it by [`read`].

pub mod file;
pub mod freeze;
pub mod read;
pub mod record;
pub mod sink;
pub mod tally;
pub mod usage;

#[cfg(test)]
mod schema;

pub use file::{Log, Rotation, Settings, Writer};
pub use record::{Attempt, Body, Event, Origin, Outcome, Record, Status};
pub use sink::Sinks;
pub use tally::Tally;
pub use usage::{Sighting, Usage};
