//! The far side: the container runtime's sockets.
//!
//! An [`Endpoint`] is a socket, or the usual ones to choose from ([`discovery`]). A [`Leg`] is one connection to it,
//! dialled at first use and again after it breaks. A kubelet connection has [`Legs`] of its own, one for image calls
//! and one for the rest, which are often the same.

pub mod discovery;
pub mod endpoint;
pub mod journal;
pub mod leg;
pub mod presence;

pub use endpoint::{Address, Dialer, Endpoint, Unreachable};
pub use journal::Unkept;
pub use leg::{Failure, Leg, Legs};
pub use presence::Served;

use std::time::Duration;

/// How to reach the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where all calls go, but those of the image service where `image` is set.
    pub runtime: Endpoint,
    /// Where image calls go, if elsewhere: to a snapshotter's own image service, for instance.
    pub image: Option<Address>,
    /// How long a call waits for a runtime that is not there, before it ends in `UNAVAILABLE`.
    pub hold: Duration,
}
