//! Puts repoint under a kubelet, and takes it out again.
//!
//! [`crate::node`] says who set the kubelet up, what it is told, and where a word of ours would hold and stay. A [`Plan`] is what is to be written, to the byte, and why; [`diff`] shows it. The [`Journal`] has what
//! was there before, and is on disk before anything is changed; [`carry`] does one step after another, each of which may be
//! the last one of this process. On a node that runs, [`check`] makes real calls before the kubelet is switched, and [`watch`] says
//! whether it is well afterwards. Where somebody else owns the files, [`render`] prints what to give them.
//!
//! **Plans are made of what would be there without us.** What the journal says we wrote is taken back first, in thought. So
//! whatever state an interruption left, or somebody's changes, the next run comes to the same plan, and does what is missing of it.

mod attributes;
pub mod carry;
pub mod check;
pub mod diff;
pub mod journal;
pub mod left;
pub mod own;
pub mod plan;
pub mod remedy;
pub mod render;
pub mod watch;

pub use carry::{Disk, Effects};
pub use journal::Journal;
pub use own::Own;
pub use plan::{Plan, Wanted};

/// The first line of every file that is ours as a whole.
pub const MARK: &str = "# Written by `repoint install`; `repoint uninstall` removes it. Changes here are lost.";
