//! From what is said to what holds, through three gates, each a type; only the last travels.
//!
//! 1. *Said*: what the file says, in TOML ([`file::Said`]). Unknown keys are errors.
//! 2. *Merged*: what the command line says goes before it, and defaults fill what nobody said.
//! 3. *Checked*: [`Settings`], made of the settings types that the rooms own ([`check`]).

pub mod check;
pub mod file;

pub use check::{Settings, settings};
pub use file::{Invalid, Place, load};

#[cfg(test)]
mod tests;
