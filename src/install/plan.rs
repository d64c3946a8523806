//! What is to be written, to the byte, and why.

use super::MARK;
use super::own::{self, Own};
use crate::node::kubelet::{IMAGE_FLAG, IMAGE_KEY, RUNTIME_FLAG, RUNTIME_KEY, Said};
use crate::node::{Content, Kind, Node, Tree, Unclear, VARIABLE, Way, environment};
use crate::runtime::Address;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What somebody wants.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whether the runtime endpoint is to lead to repoint, too.
    pub both: bool,
    /// The runtime's socket, where somebody says so.
    pub runtime: Option<Address>,
    /// The socket for image calls, likewise.
    pub image: Option<Address>,
    /// What the node is going to be, of an image that gets its kubelet later.
    pub baked: Option<Kind>,
}

/// A file that is to say something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub path: PathBuf,
    /// What is there without us.
    pub before: Option<Content>,
    /// What is to be there.
    pub after: Content,
    /// What was put in, where the rest of the file is somebody else's.
    pub put_in: Option<String>,
    /// Why this file.
    pub why: String,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The node it is for.
    pub node: Node,
    /// Where repoint listens.
    pub listen: Address,
    /// Where it finds the runtime; unset where it looks for it by itself.
    pub runtime: Option<Address>,
    /// Where image calls go from it, if elsewhere.
    pub image: Option<Address>,
    /// What repoint is told.
    pub own: Vec<Change>,
    /// What the kubelet is told.
    pub kubelet: Vec<Change>,
    /// Whether systemd has to read its units again.
    pub has_units: bool,
    /// What else has to be known.
    pub notes: Vec<String>,
}

/// How a path has to end that a kubelet since 1.29 takes for CRI-O's.
const CRIO: &str = "run/crio/crio.sock";

impl Plan {
    /// The plan for a node with these files, as they are without us.
    ///
    /// # Errors
    ///
    /// When the files say too little, or contradict each other.
    pub fn make(tree: &Tree, wanted: &Wanted) -> Result<Self, Unclear> {
        let tree = &without_marked(tree)?;
        let own = Own::read(tree)?;
        if !own.is_enabled {
            return Err(Unclear::Node(
                "repoint would not be there after the next boot, and the kubelet waits for it: `systemctl enable repoint.service` first \
                 (with --root=DIR for an image)"
                    .to_owned(),
            ));
        }
        let node = Node::read(tree, wanted.baked)?;
        let others = node.endpoints.without(&own.listen);
        if wanted.both {
            both_is_possible(&node, &own)?;
        }
        let runtime = agreed("runtime", wanted.runtime.as_ref(), others.runtime.last(), own.runtime.as_ref())?
            .or_else(|| node.runtime(&own.listen));
        let image = agreed("image_endpoint", wanted.image.as_ref(), others.image.last(), own.image.as_ref())?;
        let image = image.filter(|image| runtime.as_ref().is_none_or(|runtime| !runtime.is_same_as(image)));
        let mut plan = Self {
            listen: own.listen.clone(),
            own: Vec::new(),
            kubelet: Vec::new(),
            has_units: matches!(node.way, Way::Command { .. }),
            notes: Vec::new(),
            node,
            runtime,
            image,
        };
        plan.tell_repoint(&own);
        plan.tell_kubelet(tree, wanted.both)?;
        plan.hold_against(tree, wanted)?;
        plan.note(wanted);
        Ok(plan)
    }

    /// All files.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.own.iter().chain(&self.kubelet)
    }

    /// What repoint has to know, as far as nobody has told it.
    fn tell_repoint(&mut self, own: &Own) {
        let mut text = format!("{MARK}\n# Where the kubelet's calls went before they came here.\n");
        let keys = [("runtime", &self.runtime, &own.runtime), ("image_endpoint", &self.image, &own.image)];
        let mut is_needed = false;
        for (key, address, said) in keys {
            if let (Some(address), None) = (address, said) {
                is_needed = true;
                let _infallible = writeln!(text, "{key} = {:?}", address.to_string());
            }
        }
        if is_needed {
            self.own.push(Change {
                path: own::FILE.into(),
                before: None,
                after: Content::new(&text),
                put_in: None,
                why: "so that repoint asks the runtime that the kubelet asked".to_owned(),
            });
        }
    }

    fn tell_kubelet(&mut self, tree: &Tree, both: bool) -> Result<(), Unclear> {
        let leads = |said: Option<&Said>| {
            said.filter(|said| said.address.as_ref().is_some_and(|address| address.is_same_as(&self.listen))).cloned()
        };
        let endpoints = &self.node.endpoints;
        let (image, runtime) = (leads(endpoints.image.last()), leads(endpoints.runtime.last()));
        if let Some(said) = image.as_ref().filter(|_| !both || runtime.is_some()) {
            self.notes.push(format!(
                "the kubelet is pointed to repoint already, by {said}, which is somebody else's and stays"
            ));
            return Ok(());
        }
        let mut flags = vec![(IMAGE_FLAG, IMAGE_KEY)];
        if both {
            flags.push((RUNTIME_FLAG, RUNTIME_KEY));
        }
        let ours = &self.listen;
        let words = flags.iter().map(|(flag, _)| format!("--{flag}={ours}")).collect::<Vec<_>>().join(" ");
        let whole = |path: &Path, text: String, why: &str| Change {
            path: path.to_owned(),
            before: None,
            after: Content::new(&format!("{MARK}\n{text}")),
            put_in: None,
            why: why.to_owned(),
        };
        let change = match &self.node.way {
            Way::Variable(path) => {
                let before = tree.find(path)?;
                let text = tree.text(path)?.unwrap_or_default();
                let (after, put_in) = environment::add(path, &text, VARIABLE, &words)?;
                let content = before.as_ref().map_or_else(|| Content::new(&after), |before| before.saying(&after));
                let why = "it is the last of the kubelet's flags, and nothing that kubeadm generates";
                Change { path: path.clone(), before, after: content, put_in: Some(put_in), why: why.to_owned() }
            }
            Way::Configuration(path) => {
                let keys = flags.iter().map(|(_, key)| format!("{key}: {ours}\n")).collect::<String>();
                let text = format!("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n{keys}");
                whole(path, text, "this kubelet reads drop-ins, and nobody generates this one")
            }
            Way::Command { file, command } => {
                let text = format!(
                    "# The command as it is without this file, and a flag more. Where an upgrade changes the command, `repoint install` again.\n\
                     [Service]\nExecStart=\nExecStart={command} {words}\n"
                );
                whole(
                    file,
                    text,
                    "the last flag holds, whatever is generated, and the unit leaves no other place for one",
                )
            }
            Way::Argument(path) => {
                let arguments = flags.iter().map(|(flag, _)| format!("- \"{flag}={ours}\"\n")).collect::<String>();
                whole(
                    path,
                    format!("kubelet-arg+:\n{arguments}"),
                    "it adds to what other files say, and upgrades leave it alone",
                )
            }
        };
        if tree.link(&change.path).is_some() {
            return Err(Unclear::file(
                &change.path,
                "this is a link: whoever made it owns the file that it leads to, and would undo a change",
            ));
        }
        if change.put_in.is_none() && tree.has(&change.path) {
            return Err(Unclear::file(&change.path, "repoint did not write this, and it is in the way: move it away"));
        }
        self.kubelet.push(change);
        Ok(())
    }

    /// Reads the node as it will be, and says who is in the way where the kubelet would be told something else after all.
    fn hold_against(&self, tree: &Tree, wanted: &Wanted) -> Result<(), Unclear> {
        if self.node.units.is_empty() {
            return Ok(());
        }
        let changed = self.changes().map(|change| (change.path.clone(), Some(change.after.clone())));
        let endpoints = Node::read(&tree.with(changed), wanted.baked)?.endpoints;
        let mut last = vec![("image", endpoints.image.last())];
        if wanted.both {
            last.push(("runtime", endpoints.runtime.last()));
        }
        for (which, said) in last {
            let is_ours = |said: &Said| said.address.as_ref().is_some_and(|address| address.is_same_as(&self.listen));
            match said {
                Some(said) if is_ours(said) => {}
                Some(said) => {
                    let what = format!(
                        "what is said here of the {which} endpoint goes before what repoint would write: take it out"
                    );
                    return Err(said.line.map_or_else(
                        || Unclear::file(&said.file, what.clone()),
                        |line| Unclear::line(&said.file, line, what.clone()),
                    ));
                }
                None => {
                    let kind = self.node.kind;
                    return Err(Unclear::Node(format!("{kind}: the kubelet would not see what repoint would write")));
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, wanted: &Wanted) {
        if self.runtime.is_none() {
            self.notes.push(
                "nothing says where the runtime is: repoint will take the one of the usual sockets that answers"
                    .to_owned(),
            );
        }
        if wanted.both {
            self.notes.push(
                "--endpoint both: exec, and the environment and secrets of pods, pass through repoint, and the node is NotReady while it is \
                 away; what it adds is that the pause image is looked for before each pod, and names in calls that no kubelet makes"
                    .to_owned(),
            );
        }
        if wanted.both && self.listen.path().ends_with(CRIO) {
            self.notes.push(
                "this path is one for a kubelet since 1.29: older ones take CRI-O's own, to the letter".to_owned(),
            );
        }
        if self.node.kind == Kind::Eks && self.image.is_none() {
            self.notes.push(
                "if SOCI is switched on later, it is passed by until image_endpoint in /etc/repoint/repoint.toml names its socket".to_owned(),
            );
        }
        let is_new = self
            .kubelet
            .iter()
            .any(|change| change.path == Path::new("/etc/default/kubelet") && change.before.is_none());
        if is_new && self.node.units.is_empty() {
            self.notes.push(
                "/etc/default/kubelet belongs to the kubelet's package: install that with `-o Dpkg::Options::=--force-confold`, or dpkg asks"
                    .to_owned(),
            );
        }
    }
}

/// What all agree on who say something.
fn agreed(
    key: &str,
    wanted: Option<&Address>,
    kubelet: Option<&Said>,
    own: Option<&Said>,
) -> Result<Option<Address>, Unclear> {
    let address = |said: Option<&Said>| said.and_then(|said| said.address.clone());
    if let (Some(ours), Some(theirs)) = (address(own), wanted.cloned().or_else(|| address(kubelet)))
        && !ours.is_same_as(&theirs)
    {
        let who = match (wanted, kubelet) {
            (None, Some(said)) => format!("the kubelet's, by {said}"),
            _ => "the one on the command line".to_owned(),
        };
        let place = own.map(Said::to_string).unwrap_or_default();
        return Err(Unclear::Node(format!(
            "{place}: `{key}` is {ours} here, and {who}, is {theirs}: take the line out, or make them the same"
        )));
    }
    Ok(wanted.cloned().or_else(|| address(kubelet)).or_else(|| address(own)))
}

fn both_is_possible(node: &Node, own: &Own) -> Result<(), Unclear> {
    if matches!(node.kind, Kind::K3s | Kind::Rke2) {
        return Err(Unclear::Node(format!(
            "--endpoint both: {} stops its own containerd where the runtime endpoint leads elsewhere, and repoint would have nothing behind it",
            node.kind
        )));
    }
    let is_crio = |address: &Address| address.path().ends_with(CRIO);
    let others = node.endpoints.without(&own.listen);
    if others.runtime().is_some_and(is_crio) && !is_crio(&own.listen) {
        return Err(Unclear::Node(format!(
            "--endpoint both: a kubelet knows CRI-O by the path of its runtime endpoint, and accounts for images differently without; \
             since 1.29 a path that ends in {CRIO} will do: set `ListenStream=/run/repoint/{CRIO}` for repoint.socket first. Older kubelets \
             take no other path than CRI-O's own"
        )));
    }
    Ok(())
}

/// The same files without those of ours whose journal is lost: they say themselves whose they are.
fn without_marked(tree: &Tree) -> Result<Tree, Unclear> {
    let mut ours = Vec::new();
    for path in super::journal::KNOWN {
        let path = Path::new(path);
        if tree.find(path)?.is_some_and(|found| found.bytes.starts_with(MARK.as_bytes())) {
            ours.push((path.to_owned(), None));
        }
    }
    Ok(tree.with(ours))
}
