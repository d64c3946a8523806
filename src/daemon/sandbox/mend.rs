//! How a sandbox image that is missing comes to be there by the name that the runtime looks for.

use crate::error::Chain;
use crate::proxy::forward::Forward;
use crate::proxy::pull::Pull;
use crate::proxy::question::Presence;
use crate::proxy::{Current, Fault, own};
use crate::runtime::alias::{self, Purpose};
use crate::runtime::{Legs, Peer};
use std::sync::Arc;
use std::time::Duration;
use tonic::Code;

/// Pulls it, through the layer that pulls everything.
#[derive(Debug)]
pub(super) struct Mender {
    current: Arc<Current>,
    legs: Legs,
}

/// The image, and what a rule has for it.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    /// Who makes pods with it.
    pub(super) peer: Arc<Peer>,
    /// As that names it.
    pub(super) image: String,
    /// The rule's name.
    pub(super) rule: String,
    /// What is asked for instead, in order.
    pub(super) substitutes: Vec<String>,
}

/// How long a pull may take.
const LIMIT: Duration = Duration::from_secs(120);

/// How long the runtime has to say what it is asked: an answer that is lost must not be waited for for ever, since
/// nobody else looks after the image.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long the runtime has to show an image by the name it was given.
const SOON: Duration = Duration::from_secs(2);

/// The pause between two looks whether it does.
const BLINK: Duration = Duration::from_millis(5);

// === impl Ours ===

impl Ours {
    /// What is asked for instead before all others.
    pub(super) fn first(&self) -> Option<String> {
        self.substitutes.first().cloned()
    }
}

// === impl Mender ===

impl Mender {
    /// One on legs of its own.
    pub(super) const fn new(legs: Legs, current: Arc<Current>) -> Self {
        Self { current, legs }
    }

    fn forward(&self) -> Forward {
        Forward::new(self.legs.clone(), self.current.now())
    }

    /// Whether the runtime shows an image by just that name.
    ///
    /// # Errors
    ///
    /// When it does not say.
    pub(super) async fn presence(&self, peer: &Peer, image: &str) -> Result<Presence, Fault> {
        let shared = self.current.now();
        let asked = own::presence(self.forward(), &shared, peer.api, image);
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Ok(Presence::Unknown))
    }

    /// Pulls the image, and gives it the name that the runtime looks for. Returns the substitute that it is there as, if it
    /// is one: the old registry may have served it.
    ///
    /// # Errors
    ///
    /// With what went wrong, for people.
    pub(super) async fn mend(&self, ours: &Ours) -> Result<Option<String>, String> {
        let Ours { peer, image, substitutes, .. } = ours;
        let pulled = tokio::time::timeout(LIMIT, self.pulled(ours)).await;
        let (name, refused) = match pulled.unwrap_or_else(|_| Err(format!("no pull within {} s", LIMIT.as_secs()))) {
            Ok(id) => (id, None),
            // What was pulled before by another name is as good.
            Err(refused) => match self.present(peer, substitutes, None).await {
                Some(name) => (name, Some(refused)),
                None => return Err(refused),
            },
        };
        let given = tokio::time::timeout(PATIENCE, alias::give(peer, image, &name, Purpose::Sandbox)).await;
        let given = given.map_err(|_| format!("no name within {} s", PATIENCE.as_secs()))?;
        given.map_err(|error| Chain(&error).to_string())?;
        let shown = async {
            while !matches!(self.presence(peer, image).await, Ok(Presence::Present(_))) {
                tokio::time::sleep(BLINK).await;
            }
        };
        let is_shown = tokio::time::timeout(SOON, shown).await.is_ok();
        if !is_shown {
            return Err("the runtime does not show it by the name it was given".to_owned());
        }
        let Some(error) = refused else { return Ok(self.present(peer, substitutes, Some(&name)).await) };
        tracing::warn!(error, image.before = image, image.after = name, "Took a sandbox image that was there already");
        Ok(Some(name))
    }

    /// Pulls it as anybody's image is pulled; returns its ID.
    async fn pulled(&self, Ours { peer, image, .. }: &Ours) -> Result<String, String> {
        let shared = self.current.now();
        let pull = Pull::new(self.forward(), Arc::clone(&shared));
        let answer = own::pull(pull, &shared, peer.api, image).await;
        let answer = answer.map_err(|fault| Chain(&fault).to_string())?;
        match (answer.code(), answer.image_ref) {
            (Code::Ok, Some(id)) if !id.is_empty() => Ok(id),
            (Code::Ok, _) => Err("the runtime does not say what it pulled".to_owned()),
            _ => Err(answer.status.message),
        }
    }

    /// The first of these names that is there, and is the image of that ID where one is given.
    async fn present(&self, peer: &Peer, names: &[String], id: Option<&str>) -> Option<String> {
        for name in names {
            if let Ok(Presence::Present(image)) = self.presence(peer, name).await
                && id.is_none_or(|id| image.id == id)
            {
                return Some(name.clone());
            }
        }
        None
    }
}
