//! What is known of a node before anything is judged.

use super::far::Far;
use crate::args::Serve;
use crate::config::{self, Settings, Source, check, source};
use crate::daemon::status::Status;
use crate::install::Own;
use crate::node::containerd::{Containerd, Instance};
use crate::node::kubelet::{Endpoints, values, words};
use crate::node::unit::Unit;
use crate::node::{Node, Runtime, Tree, Unclear};
use crate::reference::Reference;
use crate::rules::Table;
use crate::runtime::peer::release;
use crate::runtime::{Address, Endpoint};
use std::path::{Path, PathBuf};

/// What somebody wants to have looked at.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Where the node's files are, if that is not this machine.
    pub root: Option<PathBuf>,
    /// The configuration file, if not the usual one.
    pub config: Option<PathBuf>,
    /// The runtime's socket, if not the one that repoint would take.
    pub runtime: Option<Address>,
    /// What is looked for at every target.
    pub images: Vec<String>,
    /// Whether it is pulled by the runtime.
    pub is_pulled: bool,
    /// Whether the way out is followed.
    pub egress: bool,
}

/// A node.
#[derive(Debug)]
pub struct Case {
    /// What is wanted.
    pub wishes: Wishes,
    /// Its files.
    pub tree: Tree,
    /// repoint's configuration, or all that is wrong with it.
    pub settings: Result<Settings, String>,
    /// The rules; the built-in ones where the configuration is wrong.
    pub rules: Table,
    /// What it is by its files.
    pub node: Result<Node, Unclear>,
    /// Where repoint listens.
    pub listen: Address,
    /// What the running service says; nothing where it was not asked.
    pub service: Option<Result<Status, String>>,
    /// The runtime.
    pub far: Far,
}

/// Where a runtime is of which nobody says anything.
const USUAL: &str = "/run/containerd/containerd.sock";
/// The unit that repoint runs in.
pub(super) const UNIT: &str = "repoint.service";

// === impl Case ===

impl Case {
    /// Looks at the files, asks the runtime what it is, and takes what the service said.
    ///
    /// # Errors
    ///
    /// When nothing at all can be said.
    pub async fn take(wishes: Wishes, service: Option<Result<Status, String>>) -> Result<Self, Unclear> {
        let tree = Tree::at(wishes.root.as_deref().unwrap_or_else(|| Path::new("/")));
        let flags = flags(&tree, &wishes);
        let source = source(&tree, &wishes, &flags);
        let settings = config::settings(&flags, &source).map_err(|mistakes| mistakes.to_string());
        let rules = match &settings {
            Ok(settings) => settings.rules.clone(),
            Err(_) => {
                let builtin = config::settings(&Serve::default(), &Source::of_texts(&[]));
                builtin.map(|settings| settings.rules).unwrap_or_default()
            }
        };
        let listen = match (&settings, Own::read(&tree)) {
            // Whoever names a file means that one.
            (Ok(settings), _) if wishes.config.is_some() || flags.listen.is_some() => settings.listen.clone(),
            (_, Ok(own)) => own.listen,
            (Ok(settings), Err(_)) => settings.listen.clone(),
            (Err(_), Err(_)) => check::LISTEN.parse().map_err(|error| Unclear::Node(format!("{error}")))?,
        };
        let node = Node::look(&tree);
        let far = if wishes.root.is_some() && wishes.runtime.is_none() {
            Far::NotAsked
        } else {
            Far::meet(settings.as_ref().ok(), wishes.runtime.as_ref(), listen.path()).await
        };
        Ok(Self { wishes, tree, settings, rules, node, listen, service, far })
    }

    /// Where a path of the node's is from here.
    pub fn path(&self, path: &Path) -> PathBuf {
        if self.wishes.root.is_none() {
            return path.to_owned();
        }
        self.tree.real(path).unwrap_or_else(|_| path.to_owned())
    }

    /// Where the node itself has its runtime's socket; where nobody says it, where most have it.
    pub fn runtime(&self) -> Option<Address> {
        self.named_runtime().or_else(|| USUAL.parse().ok())
    }

    /// The runtime's own socket, in words: what a kubelet is to be told that goes to it itself.
    pub fn own_socket(&self) -> String {
        let known = self.named_runtime().filter(|address| !address.is_same_as(&self.listen));
        let usual = || self.which().map(|runtime| runtime.socket().to_owned());
        let socket = known.map(|address| address.to_string()).or_else(usual);
        socket.unwrap_or_else(|| "the socket of the node's runtime".to_owned())
    }

    fn named_runtime(&self) -> Option<Address> {
        let known = match &self.far {
            Far::Met(met) if self.wishes.root.is_none() => Some(met.address.clone()),
            Far::Met(_) | Far::NotAsked | Far::Silent { .. } => None,
        };
        let configured = || match self.settings.as_ref().ok()?.runtime.runtime {
            Endpoint::At(ref address) => Some(address.clone()),
            Endpoint::AnyOf(_) => None,
        };
        let by_files = || self.node.as_ref().ok().and_then(|node| node.runtime(&self.listen));
        // A kubelet that is told nothing takes the usual one.
        let told_nothing = || self.node.as_ref().is_ok_and(|node| node.endpoints.runtime.is_empty());
        known.or_else(configured).or_else(by_files).or_else(|| USUAL.parse().ok().filter(|_| told_nothing()))
    }

    /// Which runtime the node has: by what it says, or else by files. Nothing where these say nothing, or more than one thing.
    pub fn which(&self) -> Option<Runtime> {
        match self.far.met() {
            Some(met) => Runtime::called(&met.name),
            // A unit that can't be read tells nothing.
            None => Runtime::find(&self.tree, self.named_runtime().as_ref()).ok().flatten(),
        }
    }

    /// Whether the runtime is this one, for all that is known. What belongs to another is left over.
    pub fn may_have(&self, runtime: Runtime) -> bool {
        match self.which() {
            Some(known) => known == runtime,
            None => self.far.met().is_none(),
        }
    }

    /// The version that the runtime says it is of, as far as its first two numbers.
    pub fn release(&self) -> Option<(u32, u32)> {
        release(&self.far.met()?.version)
    }

    /// What the node's containerd is told, if there is a file.
    ///
    /// # Errors
    ///
    /// When a file can't be understood.
    pub fn containerd(&self) -> Result<Option<Containerd>, Unclear> {
        let Some(address) = self.runtime().filter(|_| self.may_have(Runtime::Containerd)) else { return Ok(None) };
        let (node, major) = (self.node.as_ref().ok(), self.release().map(|(major, _)| major));
        Containerd::read(&self.tree, Instance { address: &address, node, major })
    }

    /// What the kubelet is told of others than repoint.
    pub fn others(&self) -> Endpoints {
        self.node.as_ref().map(|node| node.endpoints.without(&self.listen)).unwrap_or_default()
    }

    /// Where `image` is to come from instead, if a rule is about it: the rule, and the first target's name for it.
    pub fn substitute(&self, image: &str) -> Option<(String, Option<String>)> {
        let reference = Reference::parse(image).ok()?;
        let found = self.rules.possible(reference);
        let first = found.iter().find(|found| !found.rule.targets.is_empty())?;
        Some((first.rule.name.clone(), first.substitutes().next().map(|(_, image)| image)))
    }

    /// Whether an image is asked for by an old name.
    pub fn is_old(&self, image: &str) -> bool {
        self.substitute(image).is_some()
    }
}

/// What the unit starts repoint with, and what is wanted here, which goes before that.
fn flags(tree: &Tree, wishes: &Wishes) -> Serve {
    let mut flags = Serve::default();
    if wishes.config.is_none()
        && let Ok(Some(unit)) = Unit::read(tree, UNIT)
        && let Ok(words) = words(tree, &unit)
    {
        let last = |name| values(&words, name).pop().map(|word| word.text);
        flags.config = last("config").map(PathBuf::from);
        flags.listen = last("listen");
        flags.runtime = last("runtime");
        flags.image_endpoint = last("image-endpoint");
    }
    flags
}

fn source(tree: &Tree, wishes: &Wishes, flags: &Serve) -> Source {
    if wishes.config.is_some() || wishes.root.is_none() {
        return config::load(wishes.config.as_deref().or(flags.config.as_deref()));
    }
    let file = flags.config.as_deref().unwrap_or_else(|| Path::new(source::DEFAULT));
    match tree.real(file) {
        Ok(real) if tree.has(file) => config::load(Some(&real)),
        Ok(_) | Err(_) => Source::of_texts(&[]),
    }
}
