//! Registries, asked by commands of our own. Nothing on the data path comes by here: there it is the runtime that asks.
//!
//! [`Client`] asks for manifests and small blobs as a runtime does: through the proxies that the environment names, with the
//! credentials of a target, to the end of all redirects, and checks every digest. [`egress()`] does it once, for the sake of what is
//! seen on the way. A [`Fault`] is one of the usual reasons, in plain words.
//!
//! # Why no client of others'
//!
//! What is to be told is what the usual clients hide: whose certificate was refused, which address took the connection, where a
//! redirect led. And none of them leaves out the C library's look-up of names, which a static program can't rely on. So hyper, rustls
//! and a resolver are put together here.
//!
//! # What is trusted of the other side
//!
//! Nothing. Heads, bodies, redirects and times are bounded, a body is believed if its digest is right, and a credential goes to
//! the host it is for.

mod certificate;
mod challenge;
mod client;
mod dial;
mod egress;
mod exchange;
mod fault;
mod handshake;
mod manifest;
mod names;
mod proxy;
mod step;
mod trust;
mod url;

#[cfg(test)]
mod properties;

pub use certificate::Certificate;
pub use client::{Client, Limits, Way};
pub use egress::{Trace, egress};
pub use fault::{Fault, Kind};
pub use manifest::{Blob, Content, Manifest, NotAPlatform, Platform};
pub use proxy::{Proxies, Proxy, Unusable};
pub use step::{Millis, Step, What};
pub use trust::{NoRoots, Roots};
pub use url::{NotAPlace, Place};
