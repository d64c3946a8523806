//! Protobuf at the level of bytes: find a field, replace or drop it, leave every other byte alone.
//!
//! A typed round trip through `prost` drops what this build's schema does not name, and a reflective one reorders
//! what it keeps. Neither is acceptable for a message that belongs to someone else, so nothing here decodes a
//! message: a reader walks field boundaries ([`field`]), a path says where a value lies in the schema
//! ([`Step`], [`sites`]), and a splice copies all bytes but those it was told to change ([`mod@splice`]).
//!
//! This room knows no schema. Which field means what is said in `cri::method`.

pub mod field;
pub mod site;
pub mod splice;

pub use field::Malformed;
pub use site::{Site, Step, sites, text, texts};
pub use splice::{Edit, append, splice};

#[cfg(test)]
mod tests;
