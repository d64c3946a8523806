//! What the runtime is: its name, its version, which CRI it speaks, and whether it keeps records of images that one can
//! add to. Asked once, and again after it has restarted, as another one may have.

use super::containerd::Records;
use super::endpoint::{Address, Birth, Dialer, Unreachable, birth};
use crate::cri::client::{self, NoRuntime};
use crate::cri::method::Version;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A runtime that has said what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it listens.
    pub address: Address,
    /// What it calls itself: `containerd`, `cri-o`, or `docker` for cri-dockerd.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Which CRI it speaks.
    pub api: Version,
    /// Whether it has containerd's own records of images.
    pub keeps_records: bool,
    /// When its socket was made. One that restarts makes another.
    birth: Option<Birth>,
}

/// Whoever is there.
#[derive(Debug)]
pub struct Peers {
    dialer: Arc<Dialer>,
    known: Mutex<Option<Arc<Peer>>>,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// It is not there.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// It does not answer.
    #[error(transparent)]
    NoRuntime(#[from] NoRuntime),
    /// It is slow to answer.
    #[error("the container runtime takes too long to say what it is")]
    Late,
}

/// What containerd calls itself.
pub const CONTAINERD: &str = "containerd";

/// How long it has to answer.
const PATIENCE: Duration = Duration::from_millis(1500);

// === impl Peers ===

impl Peers {
    /// Whoever `dialer` leads to.
    pub fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer, known: Mutex::default() }
    }

    /// Whether it is settled which one is meant.
    pub fn are_settled(&self) -> bool {
        self.dialer.settled().is_some()
    }

    /// The one that is there now.
    ///
    /// # Errors
    ///
    /// When nobody is, or does not say what it is.
    pub async fn now(&self) -> Result<Arc<Peer>, Unmet> {
        let address = self.dialer.find().await?;
        // Before it is asked: if it restarts meanwhile, that shows the next time.
        let birth = birth(address.path());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| birth.is_some() && known.birth == birth && known.address == address) {
            return Ok(known);
        }
        let peer = tokio::time::timeout(PATIENCE, meet(address, birth)).await.map_err(|_| Unmet::Late)??;
        let peer = Arc::new(peer);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&peer));
        Ok(peer)
    }
}

async fn meet(address: Address, birth: Option<Birth>) -> Result<Peer, NoRuntime> {
    let (said, api) = client::introduction(address.path()).await?;
    let keeps_records = said.runtime_name == CONTAINERD && {
        let records = Records::connect(address.path()).await?;
        records.are_kept().await.map_err(NoRuntime::Answer)?
    };
    Ok(Peer { address, name: said.runtime_name, version: said.runtime_version, api, keeps_records, birth })
}

// === impl Peer ===

impl Peer {
    /// Whether its version is this one or a later one.
    pub fn is_since(&self, major: u32, minor: u32) -> bool {
        release(&self.version).is_some_and(|own| own >= (major, minor))
    }
}

/// The first two numbers of a version. (`v1.7.2`, `1.6.20~ds1` and `2.1.0-rc.1` are versions.)
pub fn release(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '~', '+']).map(str::parse::<u32>);
    match (parts.next()?, parts.next()?) {
        (Ok(major), Ok(minor)) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, is_since) in [
            ("v1.7.2", true),
            ("2.0.0-rc.1", true),
            ("1.10", true),
            ("1.6.20~ds1", false),
            ("1.6", false),
            ("x", false),
        ] {
            let peer = Peer {
                address: "/run/x.sock".parse().unwrap(),
                name: CONTAINERD.to_owned(),
                version: version.to_owned(),
                api: Version::V1,
                keeps_records: true,
                birth: None,
            };
            assert_eq!(peer.is_since(1, 7), is_since, "{version}");
        }
    }
}
