//! Fragments for tools that own a node's files.

use super::unclear::Unclear;
use crate::args::Fragment;

/// What does the same.
///
/// # Errors
///
/// When nothing does, with the reason.
pub fn fragment(_fragment: Fragment) -> Result<String, Unclear> {
    Err(Unclear::Node("not yet".to_owned()))
}
