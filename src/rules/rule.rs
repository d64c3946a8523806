//! One rule: what it is about, what it does, and whom it asks instead.

use super::place::{Pattern, Place};
use super::scope::{Namespaces, Rollout, Standpoint};
use std::fmt;
use std::time::Duration;

/// What to do with references to some places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The name it goes by in records, logs and metrics.
    pub name: String,
    /// What it applies to.
    pub patterns: Vec<Pattern>,
    /// What it does not apply to all the same.
    pub exclude: Vec<Pattern>,
    /// Whose pulls it is about.
    pub namespaces: Namespaces,
    /// What it does.
    pub action: Action,
    /// On which nodes, and from when on.
    pub rollout: Rollout,
    /// What the matched part is replaced with, in the order in which they are tried. At least one where the action is to
    /// rewrite.
    pub targets: Vec<Target>,
    /// What becomes of a pull that no target served.
    pub on_failure: OnFailure,
    /// Whether it need not be written.
    pub builtin: bool,
}

/// What a rule does with a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Action {
    /// It is pulled from somewhere else.
    #[default]
    Rewrite,
    /// It is pulled as asked for, and what would have become of it is recorded.
    Observe,
    /// It is refused.
    Deny,
}

/// What becomes of a pull that no target served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// It fails, with what the first target's registry said.
    #[default]
    Fail,
    /// It is tried as it was asked for.
    Original,
}

/// Somebody to ask instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What takes the place of the part that was matched.
    pub place: Place,
    /// Whose credentials it is shown.
    pub credentials: Credentials,
    /// How long it may take; `None` for what is usual.
    pub timeout: Option<Duration>,
}

/// Whose credentials a registry is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// Nothing is said: those that came with the call where the registry stays the same, and nobody's on another one.
    #[default]
    Usual,
    /// Nobody's.
    None,
    /// Those that came with the call, though they were chosen for another registry.
    Forward,
    /// Those that the source of this name has for it.
    Source(String),
}

// === impl Rule ===

impl Rule {
    /// What it does there and then.
    pub fn action_at(&self, standpoint: Standpoint) -> Action {
        if self.rollout.has_reached(standpoint) { self.action } else { Action::Observe }
    }
}

// === impl Action ===

impl Action {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rewrite => "rewrite",
            Self::Observe => "observe",
            Self::Deny => "deny",
        }
    }
}

// === impl OnFailure ===

impl OnFailure {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Original => "original",
        }
    }
}

// === impl Target ===

impl Target {
    /// A target of which nothing is said but where it is.
    pub const fn at(place: Place) -> Self {
        Self { place, credentials: Credentials::Usual, timeout: None }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

// === impl Credentials ===

impl Credentials {
    /// As it is written, and as records call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Usual => "usual",
            Self::None => "none",
            Self::Forward => "forward",
            Self::Source(name) => name,
        }
    }
}
