//! repoint: a CRI proxy between the kubelet and the container runtime that changes one thing, the registry an image is
//! pulled from, and writes down that it did.
//!
//! Three promises. Everything here serves one of them.
//!
//! 1. **Transparent.** Whatever repoint was not told to change passes through: bytes exactly, headers and trailers by
//!    name, value and order within a name, streams, errors, deadlines and cancellation; every method, known or not.
//! 2. **Accountable.** No substituted pull is answered before its record is in the file, or the alarm is raised. No secret is
//!    ever in a record or a log.
//! 3. **Never the reason a node is down.** A runtime that is away is waited for; what can't be read is passed on;
//!    it starts whatever is configured, and stops without losing a call.
//!
//! # The floors
//!
//! A module uses modules on floors below its own, and a test holds that.
//!
//! | floor | modules | |
//! |--:|---|---|
//! | 0 | [`wire`], [`mod@reference`], [`body`], [`args`], [`exit`], [`error`], [`output`], [`clock`], [`machine`], [`whole`], [`metrics`] | what knows nothing of the rest |
//! | 1 | [`cri`], [`rules`] | what the protocol says; what the operator says |
//! | 2 | [`rewrite`], [`audit`], [`credentials`] | the two together: new bytes, records, and what a target asks for |
//! | 3 | [`runtime`], [`registry`] | the far side; those behind it, for commands of our own |
//! | 4 | [`proxy`] | the near side |
//! | 5 | [`config`], [`node`] | settings for all of these; what the files of a node say |
//! | 6 | [`daemon`], [`install`], [`find`] | start, run, stop; put under a kubelet, and taken out again; where images are named |
//! | 7 | [`doctor`] | what is well on a node, and what is not |
//! | 8 | [`cmd`] | one file a command |
//!
//! # Where to start reading
//!
//! The way of one pull: [`proxy::connection`] takes the request; [`cri::method`] says "`PullImage`"; [`proxy::pull`]
//! has [`rewrite`] ask the [`rules`]; for each target in turn, [`credentials`] says what it is shown, [`rewrite`] makes new
//! bytes, and [`proxy::forward`] sends them on a leg of [`runtime`]; [`audit`] writes the record; the answer goes back as it
//! came.

pub mod args;
pub mod audit;
pub mod body;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod credentials;
pub mod cri;
pub mod daemon;
pub mod doctor;
pub mod error;
pub mod exit;
pub mod find;
pub mod install;
pub mod machine;
pub mod metrics;
pub mod node;
pub mod output;
pub mod proxy;
pub mod reference;
pub mod registry;
pub mod rewrite;
pub mod rules;
pub mod runtime;
pub mod whole;
pub mod wire;
