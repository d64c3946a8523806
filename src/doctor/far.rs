//! The runtime, asked what it is. Every call has its time, and an answer that does not come is none.

use crate::config::Settings;
use crate::cri::client::{self, NoRuntime, within};
use crate::cri::method::Version;
use crate::cri::v1::Image;
use crate::error::Chain;
use crate::runtime::containerd::Records;
use crate::runtime::peer::CONTAINERD;
use crate::runtime::{Address, Dialer, Endpoint};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tonic::Code;

/// The runtime.
#[derive(Debug)]
pub enum Far {
    /// Nobody asked it.
    NotAsked,
    /// It does not answer.
    Silent {
        /// Where it is, if that is known.
        address: Option<Address>,
        /// What went wrong.
        why: String,
    },
    /// It answered.
    Met(Met),
}

/// A runtime that answered.
#[derive(Debug)]
pub struct Met {
    /// Where it listens.
    pub address: Address,
    /// What it calls itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Which CRI it speaks, what repoint speaks with it first.
    pub apis: Vec<Version>,
    /// Whether an image can be given another name in it; unset where it does not say.
    pub keeps_records: Option<bool>,
    /// What it says of itself at length.
    pub information: HashMap<String, String>,
    /// Its images, or why it does not tell.
    pub images: Result<Vec<Image>, String>,
}

/// How long each answer may take.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

// === impl Far ===

impl Far {
    /// Asks the one that is named, or the one that repoint takes.
    pub async fn meet(settings: Option<&Settings>, named: Option<&Address>, own: &Path) -> Self {
        let configured = || settings.map(|settings| settings.runtime.runtime.clone()).unwrap_or_default();
        let endpoint = named.cloned().map_or_else(configured, Endpoint::At);
        let known = match &endpoint {
            Endpoint::At(address) => Some(address.clone()),
            Endpoint::AnyOf(_) => None,
        };
        let address = match Dialer::new(endpoint, own.to_owned()).find().await {
            Ok(address) => address,
            Err(error) => return Self::Silent { address: known, why: Chain(&error).to_string() },
        };
        match Met::ask(&address).await {
            Ok(met) => Self::Met(met),
            Err(error) => Self::Silent { address: Some(address), why: Chain(&error).to_string() },
        }
    }

    /// The runtime, where it answered.
    pub fn met(&self) -> Option<&Met> {
        match self {
            Self::Met(met) => Some(met),
            Self::NotAsked | Self::Silent { .. } => None,
        }
    }
}

// === impl Met ===

impl Met {
    async fn ask(address: &Address) -> Result<Self, NoRuntime> {
        let socket = address.path();
        let (said, api) = within(ANSWER, client::introduction(socket)).await?;
        let mut apis = vec![api];
        if api == Version::V1 && within(ANSWER, client::version_by(socket, Version::V1Alpha2)).await.is_ok() {
            apis.push(Version::V1Alpha2);
        }
        let keeps_records = if said.runtime_name == CONTAINERD {
            within(ANSWER, async {
                let records = Records::connect(socket).await?;
                records.are_kept().await.map_err(NoRuntime::Answer)
            })
            .await
            .ok()
        } else {
            Some(false)
        };
        let information = within(ANSWER, client::information(socket, api)).await.unwrap_or_default();
        let images = within(ANSWER, client::images(socket, api)).await;
        Ok(Self {
            address: address.clone(),
            name: said.runtime_name,
            version: said.runtime_version,
            apis,
            keeps_records,
            information,
            images: images.map_err(|error| Chain(&error).to_string()),
        })
    }

    /// The CRI that is spoken with it.
    pub fn api(&self) -> Version {
        self.apis.first().copied().unwrap_or(Version::V1)
    }
}

/// Whether somebody at that socket answers image calls. `None` where nobody listens.
pub(super) async fn answers_images(socket: &Path, api: Version) -> Option<Result<(), String>> {
    if !socket.exists() {
        return None;
    }
    match within(ANSWER, client::image(socket, api, NOBODY)).await {
        Ok(_) => Some(Ok(())),
        // It serves something else there, snapshots as a rule.
        Err(NoRuntime::Answer(status)) if status.code() == Code::Unimplemented => None,
        Err(error) => Some(Err(Chain(&error).to_string())),
    }
}

/// No image has this name.
const NOBODY: &str = "repoint.invalid/nothing:latest";
