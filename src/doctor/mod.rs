//! What is well on a node, and what is not: one thing after another is looked at, and for each there is a verdict, a reason, and
//! what to do.
//!
//! A [`Case`] is what is known beforehand: the files, read as [`crate::node`] reads them, what the runtime says of itself ([`Far`]), and
//! what the running service does. Each file then judges one subject, and makes no more of it than [`Check`]s, which go by the names
//! in [`Id`].
//!
//! **Nothing is changed**, but for an image that is pulled to try, and removed again where it was not there.

mod audit;
mod case;
mod check;
mod clock;
mod containerd;
mod crictl;
mod crio;
mod egress;
mod far;
mod id;
mod kubelet;
mod runtime;
mod sandbox;
mod service;
mod targets;
mod units;

pub use case::{Case, Wishes};
pub use check::{Check, Verdict};
pub use far::{Far, Met};
pub use id::Id;

/// Looks at all of it. `tell` hears what takes a while.
pub async fn examine(case: &Case, tell: impl Fn(&str)) -> Vec<Check> {
    let mut checks = runtime::checks(case).await;
    checks.extend(kubelet::checks(case));
    checks.extend(crictl::checks(case));
    checks.extend(sandbox::checks(case));
    checks.extend(containerd::checks(case));
    checks.extend(crio::checks(case));
    checks.extend(targets::checks(case, &tell).await);
    checks.extend(egress::checks(case, &tell).await);
    checks.extend(service::checks(case));
    checks.extend(units::checks(case).await);
    checks.extend(audit::checks(case));
    checks.extend(clock::checks(case).await);
    let rank = |check: &Check| Id::ALL.iter().position(|id| *id == check.id);
    checks.sort_by_key(rank);
    checks
}

/// The worst of them.
pub fn worst(checks: &[Check]) -> Verdict {
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok)
}
