//! Which references are pulled from somewhere else, and from where.
//!
//! A [`Rule`] names its source outright: a registry, or a registry and a path prefix, compared on the parsed
//! reference, component by component. Nothing is searched, tried or matched as a substring. Of several patterns that
//! match, the longest decides ([`Table`]), among the rules that apply to the pod the pull is for ([`Namespaces`]).
//!
//! What a rule's action comes to depends on the node and the day ([`Rollout`]); who decides says both, so that nothing
//! here knows the time.

pub mod builtin;
mod conflict;
pub mod place;
pub mod rule;
pub mod scope;
pub mod table;

pub use conflict::Conflict;
pub use place::{NotAPlace, Pattern, Place};
pub use rule::{Action, Credentials, OnFailure, Rule, Target};
pub use scope::{Glob, Namespaces, Percent, Position, Rollout, Standpoint};
pub use table::{Apart, Match, Replaced, Table};

#[cfg(test)]
pub mod corpus;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
