//! Which of the usual sockets is this node's runtime: the one that answers CRI's `Version`.

use super::endpoint::{Address, identity};
use crate::cri::client::{self, NoRuntime};
use crate::error::Chain;
use std::fmt;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;

/// Where runtimes listen by default: containerd; CRI-O; cri-dockerd; the containerd of k3s and RKE2, of k0s and of
/// microk8s. (`/var/run` is a link to `/run` wherever systemd is.)
pub const USUAL: &[&str] = &[
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
];

/// How long a socket's owner has to say that it is a runtime. A container daemon that is just starting may need a
/// second; crictl gives up after two.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Why there is not exactly one runtime.
#[derive(Debug)]
pub enum NotOne {
    /// None answers: what each said.
    None(Vec<(Address, String)>),
    /// These answer.
    Several(Vec<Address>),
}

impl std::error::Error for NotOne {}

impl fmt::Display for NotOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None(tried) if tried.is_empty() => f.write_str(
                "no container runtime found: none of the usual sockets exists; name it with --runtime unix:///…",
            ),
            Self::None(tried) => {
                f.write_str("no container runtime found (")?;
                for (index, (address, why)) in tried.iter().enumerate() {
                    write!(f, "{}{address}: {why}", if index == 0 { "" } else { "; " })?;
                }
                f.write_str("); name it with --runtime unix:///…")
            }
            Self::Several(found) => {
                f.write_str("more than one container runtime answers (")?;
                for (index, address) in found.iter().enumerate() {
                    write!(f, "{}{address}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("); name the kubelet's with --runtime unix:///…")
            }
        }
    }
}

/// The one of `usual` that answers; `own` is ours and not asked.
///
/// # Errors
///
/// When none does, or more than one.
pub async fn find(usual: &[Address], own: &Path) -> Result<Address, NotOne> {
    let mut seen: Vec<(u64, u64)> = identity(own).into_iter().collect();
    let mut asked = JoinSet::new();
    for address in usual {
        // Two paths may lead to one socket, and ours may stand where a runtime's usually does.
        let Some(identity) = identity(address.path()) else { continue };
        if !seen.contains(&identity) {
            seen.push(identity);
            let address = address.clone();
            asked.spawn(async move { (ask(&address).await, address) });
        }
    }
    let (mut found, mut silent) = (Vec::new(), Vec::new());
    for (answer, address) in asked.join_all().await {
        match answer {
            Ok(()) => found.push(address),
            Err(why) => silent.push((address, why)),
        }
    }
    match found.pop() {
        Some(only) if found.is_empty() => {
            tracing::info!(endpoint = %only, "Found the container runtime");
            Ok(only)
        }
        Some(last) => {
            found.push(last);
            found.sort_by(|a, b| a.path().cmp(b.path()));
            Err(NotOne::Several(found))
        }
        None => Err(NotOne::None(silent)),
    }
}

async fn ask(address: &Address) -> Result<(), String> {
    match tokio::time::timeout(PATIENCE, client::version(address.path())).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error @ NoRuntime::Answer(_))) => Err(Chain(&error).to_string()),
        Ok(Err(error @ NoRuntime::Connection(_))) => Err(Chain(&error).to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
