//! This node: what is on it and runs on it (`far`: images, containers, sandboxes), and what its files say (`files`: static pods,
//! what the kubelet and the runtime are told). Neither waits for the other: where the runtime does not answer, the files are told
//! all the same, and the rest is named as unread.

mod far;
mod files;

use super::{Extent, Found, Kind, Mention, Place, Unread, Whose, finding};
use crate::config::Settings;
use crate::error::Chain;
use crate::node::{Node, Tree};
use crate::runtime::{Address, Dialer, Endpoint};

/// A node to look at.
#[derive(Debug)]
pub struct Site<'a> {
    /// Its files.
    pub tree: &'a Tree,
    /// repoint's configuration: the rules, and where the runtime is.
    pub settings: &'a Settings,
    /// The runtime's socket, if not the one that repoint takes.
    pub runtime: Option<&'a Address>,
    /// Whether the runtime is asked.
    pub is_called: bool,
}

/// Where a runtime is of which nobody says anything.
const USUAL: &str = "/run/containerd/containerd.sock";

/// Everything on this node that names an image.
pub async fn look(site: &Site<'_>) -> Found {
    let node = Node::look(site.tree);
    let mut found = Found::default();
    if let Err(error) = &node {
        found.unread.push(unread("the kubelet's endpoints, flags and static pods", error.to_string()));
    }
    let node = node.ok();
    let address = site.runtime.cloned().or_else(|| match &site.settings.runtime.runtime {
        Endpoint::At(address) => Some(address.clone()),
        Endpoint::AnyOf(_) => node.as_ref().and_then(|node| node.runtime(&site.settings.listen)),
    });
    let usual = || USUAL.parse().ok();
    if let Some(address) = address.or_else(usual) {
        found.add(files::look(site, node.as_ref(), &address));
    }
    if site.is_called {
        found.add(called(site).await);
    } else {
        found.unread.push(unread(far::ALL, "only files are looked at; --runtime names a socket"));
    }
    found
}

/// What the runtime says.
async fn called(site: &Site<'_>) -> Found {
    let endpoint = site.runtime.cloned().map_or_else(|| site.settings.runtime.runtime.clone(), Endpoint::At);
    match Dialer::new(endpoint, site.settings.listen.path().to_owned()).find().await {
        Ok(address) => far::look(address.path(), site).await,
        Err(error) => Found { unread: vec![unread(far::ALL, Chain(&error).to_string())], ..Found::default() },
    }
}

fn unread(place: &str, why: impl Into<String>) -> Unread {
    Unread { place: place.to_owned(), why: why.into(), searched: false }
}

/// Something on a node that is no line of a file.
fn mention(image: &str, place: impl Into<String>, whose: Whose, remedy: &str) -> Mention {
    let mention = Mention::new(image, Kind::Node, Place::named(place));
    Mention { whose, remedy: Some(remedy.to_owned()), ..mention }
}

/// What takes an image's place, for whoever has it in a configuration.
fn substitute(image: &str, site: &Site<'_>) -> Option<String> {
    let verdicts = finding::verdicts(image, Extent::Whole, &Whose::Nobody, &site.settings.rules);
    verdicts.into_iter().find_map(|verdict| verdict.substitute)
}
