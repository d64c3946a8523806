//! From what is said to what holds, through three gates, each a type; only the last travels.
//!
//! 1. *Said*: what each file says, in TOML, every value with its place ([`said::Said`]). It is read by the one table of
//!    [`keys`], and on after a mistake.
//! 2. *Merged*: the file and its drop-ins together ([`source::Source`]). A later file goes before an earlier one.
//! 3. *Checked*: flags go before files, defaults fill what nobody said, and it makes sense: [`Settings`], made of the
//!    settings types that the rooms own ([`check`]).
//!
//! What is wrong is collected on the way, in all files and at all gates, and told at once ([`Mistakes`]). [`show`] writes
//! what holds as a file that says the same; [`schema`] describes the keys to editors. [`export`] says the rules in others'
//! words, and [`import`] reads these.
//!
//! What a service stands on where the files are wrong, and what may take its place while it runs, is for [`standing`] to say;
//! [`kept`] has the last configuration that was good.

pub mod check;
pub mod export;
pub mod import;
pub mod kept;
pub mod keys;
pub mod kind;
pub mod mistake;
mod page;
mod parse;
pub mod place;
mod reader;
pub mod said;
pub mod schema;
pub mod show;
pub mod source;
pub mod standing;
mod trust;
mod value;

pub use check::{Settings, settings, warnings};
pub use kept::Kept;
pub use mistake::{Mistake, Mistakes};
pub use place::{Place, Placed};
pub use source::{Source, load};
pub use standing::{Footing, Refused, Standing, propose, stand};

#[cfg(test)]
mod tests;
