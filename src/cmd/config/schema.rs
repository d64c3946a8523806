//! `repoint config schema`: the keys, for editors.

use super::{Failure, print};
use crate::config;

/// Writes it.
///
/// # Errors
///
/// When nothing can be written.
pub(super) fn run() -> Result<(), Failure> {
    print(&format!("{:#}\n", config::schema::schema()))
}
