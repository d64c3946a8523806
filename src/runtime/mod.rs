//! The far side: the container runtime's sockets.
//!
//! An [`Endpoint`] is a socket, or the usual ones to choose from ([`discovery`]). A [`Leg`] is one connection to it,
//! dialled at first use and again after it breaks. A kubelet connection has [`Legs`] of its own, one for image calls
//! and one for the rest, which are often the same.
//!
//! For calls of our own there is the [`Peer`], which says what it is, and on containerd its records of images
//! ([`containerd`]), by which an image is given another name ([`alias`]). Which image the runtime makes pods with is for
//! [`sandbox`] to find out.

pub mod alias;
pub mod containerd;
pub mod discovery;
pub mod endpoint;
pub mod journal;
pub mod leg;
pub mod peer;
pub mod presence;
pub mod sandbox;

pub use alias::{Aliases, Keep};
pub use endpoint::{Address, Dialer, Endpoint, Unreachable};
pub use journal::Unkept;
pub use leg::{Failure, Leg, Legs};
pub use peer::{Peer, Peers};
pub use presence::Served;

use std::time::Duration;

/// How to reach the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where all calls go, but those of the image service where `image` is set.
    pub runtime: Endpoint,
    /// Where image calls go, if elsewhere: to a snapshotter's own image service, for instance.
    pub image: Option<Address>,
    /// Whether images that were pulled from elsewhere get their old names.
    pub keep: Keep,
    /// The image that the runtime makes pods with, where somebody says so.
    pub sandbox_image: Option<String>,
    /// How long a call waits for a runtime that is not there, before it ends in `UNAVAILABLE`.
    pub hold: Duration,
}
