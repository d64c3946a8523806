//! Which references are pulled from somewhere else, and from where.
//!
//! A [`Rule`] names its source outright: a registry, or a registry and a path prefix, compared on the parsed
//! reference, component by component. Nothing is searched, tried or matched as a substring. Of several patterns that
//! match, the longest decides ([`Table`]).

pub mod builtin;
pub mod rule;
pub mod table;

pub use rule::{Place, Rule};
pub use table::{Conflict, Match, Table};

#[cfg(test)]
mod tests;
