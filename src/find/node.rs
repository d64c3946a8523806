//! This node: images, containers and sandboxes, static pods, what the kubelet and the runtime are told.

use super::Found;

/// Why nothing was looked at.
#[derive(Debug, thiserror::Error)]
#[error("`repoint scan node` is not there yet: give it files, or `-`")]
pub struct NotYet;

/// Everything on this node that names an image.
///
/// # Errors
///
/// When there is no way of looking.
pub fn look() -> Result<Found, NotYet> {
    Err(NotYet)
}
