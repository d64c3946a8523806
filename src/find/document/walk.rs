//! Through a document: which of its values are images.
//!
//! An image is what a key says to be one (`image`, or any that ends so), in whatever object, so that resources which are not known
//! here are read as well; what is in pieces ([`image`](super::image)); a variable that is called so; what a flag says. Any other value is
//! searched as text is, unless it is prose. Policies and states are not about what is pulled.

use super::super::text::{self, About, Comments};
use super::super::yaml::{self, Id, Tree, What};
use super::super::{Extent, Kind, Mention, Part, Place};
use super::image::{self, Split};
use super::object::{Context, Identity};
use crate::reference::Reference;
use std::collections::HashSet;
use std::ops::Range;

/// What is found in a document, or in one that is a text in another.
pub(super) struct Walk<'a> {
    text: &'a str,
    /// The byte at which `text` begins in the file.
    base: usize,
    /// Of how many documents this is a part.
    depth: usize,
    kind: Kind,
    global: Option<Part>,
    /// The object of a list that this is about, and the list.
    item: Option<(Id, Id)>,
    /// The bytes at which pieces of names begin, and those of whole names.
    seen: HashSet<usize>,
    told: HashSet<Vec<usize>>,
    pub(super) mentions: Vec<Mention>,
}

/// Documents within documents are read so far.
const DEPTH: usize = 3;

/// Keys of what is written for people.
const PROSE: [&str; 9] = ["comment", "description", "doc", "message", "note", "notes", "reason", "summary", "title"];

/// Stands for the key of the images of an application of Argo CD: names that select, or `old=new`.
const OVERRIDES: &str = "overriding-images";

/// What those keep that apply objects: copies.
const COPIES: [&str; 3] =
    ["kapp.k14s.io/original", "kubectl.kubernetes.io/last-applied-configuration", "objectset.rio.cattle.io/applied"];

/// Keys of command lines.
const COMMANDS: [&str; 15] = [
    "after_script",
    "args",
    "before_script",
    "bootcmd",
    "cmd",
    "cmds",
    "command",
    "commands",
    "entrypoint",
    "exec",
    "run",
    "runcmd",
    "script",
    "scripts",
    "shell",
];

/// What to do where it is the whole of an override that selects.
const ALONE: &str =
    "write `old=new:tag`, with the new name behind the old: alone, a name is what manifests say, and changes with them";

/// What to do where a name is only one that selects.
const SELECTED: &str =
    "add a `newName` beside it, with the new name: `name` is what manifests say, and changes with them";

// === impl Walk ===

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str, kind: Kind) -> Self {
        Self {
            text,
            base: 0,
            depth: 0,
            kind,
            global: None,
            item: None,
            seen: HashSet::new(),
            told: HashSet::new(),
            mentions: Vec::new(),
        }
    }

    /// Through a document, or an object of a list.
    pub(super) fn document(&mut self, tree: &Tree<'_>, root: Id, list: Option<Id>, context: &Context) {
        self.item = list.map(|list| (root, list));
        let global = [&["global", "imageRegistry"][..], &["global", "image", "registry"]]
            .iter()
            .find_map(|path| tree.below(root, path));
        self.global = global.and_then(|id| image::part(self.text, tree, id)).filter(|part| !part.says.is_empty());
        self.value(tree, root, "", context, None);
    }

    fn value(&mut self, tree: &Tree<'_>, id: Id, key: &str, context: &Context, container: Option<&str>) {
        // What an alias means is read where it is written. Only a place that says more than that one says it again.
        if !tree.is_here(id) && !is_image(key) {
            return;
        }
        match tree.node(id).map(|node| &node.what) {
            Some(What::Mapping(_)) if tree.is_here(id) => self.mapping(tree, id, key, context, container),
            Some(What::Sequence(items)) if tree.is_here(id) => {
                let mut is_image_next = false;
                let is_override = key == OVERRIDES;
                for item in items {
                    let says = tree.scalar(*item);
                    let key = match key {
                        _ if is_image_next => "flag-image",
                        _ if ends_in(key, "images") && says.is_some() => "listed-image",
                        key => key,
                    };
                    let known = self.mentions.len();
                    self.value(tree, *item, key, context, container);
                    if is_override && says.is_some_and(|says| !says.contains('=')) {
                        self.mentions
                            .iter_mut()
                            .skip(known)
                            .for_each(|mention| mention.remedy = Some(ALONE.to_owned()));
                    }
                    is_image_next = says.is_some_and(|says| says.starts_with('-') && is_image(says));
                }
            }
            Some(What::Scalar(..)) => self.scalar(tree, id, key, context, container),
            _ => {}
        }
    }

    fn mapping(&mut self, tree: &Tree<'_>, id: Id, key: &str, outer: &Context, container: Option<&str>) {
        let list = self.item.filter(|(item, _)| *item == id).map(|(_, list)| list);
        let identity = Identity::of(tree, id).or_else(|| Identity::listed(tree, id, list?));
        if identity.is_some_and(Identity::is_policy) {
            return;
        }
        let own = identity.map(|identity| Context::of(tree, id, identity, outer));
        let context = own.as_ref().unwrap_or(outer);
        let name = tree.text(id, &["image"]).and_then(|_| tree.text(id, &["name"]));
        let container = name.or(container);
        if context.is_kustomization && key == "images" {
            if let Some(split) = image::kustomized(self.text, tree, id) {
                self.split(split, context, container);
            }
            return;
        }
        let splits =
            if context.is_kubeadm { Vec::new() } else { image::splits(self.text, tree, id, self.global.as_ref()) };
        let told: HashSet<String> = splits.iter().flat_map(|split| split.keys.clone()).collect();
        for split in splits {
            self.split(split, context, container);
        }
        let variable = tree.get(id, "value").and_then(|_| tree.text(id, &["name"]));
        for (key_id, value) in tree.entries(id) {
            if tree.scalar(*key_id).is_none() {
                // `{{ … }}` is a mapping in a mapping to YAML, and a template to everybody else.
                self.template(tree, id, key, context, container);
            }
            let inner = tree.scalar(*key_id).unwrap_or_default();
            let is_left_out = is_copy(inner) || inner == "managedFields" || (identity.is_some() && inner == "status");
            if is_left_out || told.contains(inner) {
                continue;
            }
            let inner = match inner {
                "value" if variable.is_some_and(text::is_place) => "registry",
                "value" if variable.is_some_and(has_image) => "variable-image",
                inner if ends_in(key, "images") && tree.scalar(*value).is_some() && !text::is_place(inner) => {
                    "listed-image"
                }
                "images"
                    if key == "kustomize" && tree.items(*value).iter().any(|item| tree.scalar(*item).is_some()) =>
                {
                    OVERRIDES
                }
                // An image volume.
                "reference" if key == "image" => "volume-image",
                inner => inner,
            };
            // What a release of Flux's does with what its chart came to.
            let kustomized = (key == "postRenderers" && inner == "kustomize")
                .then(|| Context { is_kustomization: true, ..context.clone() });
            self.value(tree, *value, inner, kustomized.as_ref().unwrap_or(context), container);
        }
    }

    fn scalar(&mut self, tree: &Tree<'_>, id: Id, key: &str, context: &Context, container: Option<&str>) {
        let (Some(node), Some(says)) = (tree.node(id), tree.scalar(id)) else { return };
        let Some(part) = image::part(self.text, tree, id) else { return };
        if text::is_place(key) && self.place(&part, context, container) {
            return;
        }
        if is_image(key)
            && let Ok(reference) = Reference::parse(&part.says)
            && (!reference.is_short() || self.may_be_short(key) || !reference.suffix().is_empty())
        {
            self.add(vec![part], Extent::Whole, context, container);
            let digest = container.filter(|_| key == "image").and_then(|name| context.digests.get(name));
            if let (Some(digest), Some(mention)) = (digest, self.mentions.last_mut()) {
                mention.digest = Some(digest.clone());
            }
            return;
        }
        let Some(raw) = self.text.get(node.at.clone()) else { return };
        let has_lines = says.contains('\n') || raw.contains('\n');
        let is_prose = PROSE.iter().any(|word| key.eq_ignore_ascii_case(word));
        let is_command = COMMANDS.contains(&key)
            || ["--", "{{"].iter().any(|mark| says.contains(mark))
            || says.starts_with(['{', '[']);
        if is_prose || (!has_lines && !is_command && !is_image(key) && says.contains(' ') && !lists_names(says)) {
            return;
        }
        let start = node.at.start;
        let is_other_language = Comments::of(key).is_some();
        if matches!(node.what, What::Scalar(_, style) if is_block(style))
            && !is_other_language
            && self.nested(node.at.clone(), context)
        {
            return;
        }
        let masked = if raw.starts_with('"') { text::without_escapes(raw) } else { raw.to_owned() };
        let masked = if has_lines { text::mask(&masked, Comments::of(key).unwrap_or(Comments::HASH)) } else { masked };
        // `old=new`, as kustomize's command line and Argo CD have it: the first selects, the second is what is asked for.
        let masked = match masked.split_once('=').filter(|_| key == "listed-image") {
            Some((selector, new)) => format!("{}={new}", " ".repeat(selector.len())),
            None => masked,
        };
        self.search(&masked, start, key, context, container);
    }

    /// Whether a name without a registry or a tag is one there. In values of a chart, that puts something in front of it.
    fn may_be_short(&self, key: &str) -> bool {
        key == "image" && self.kind != Kind::Values
    }

    /// What a mapping has that is a template's.
    fn template(&mut self, tree: &Tree<'_>, id: Id, key: &str, context: &Context, container: Option<&str>) {
        let Some(node) = tree.node(id) else { return };
        let raw = self.text.get(node.at.clone()).filter(|raw| raw.starts_with("{{"));
        if let Some(raw) = raw {
            self.search(&text::mask(raw, Comments::HASH), node.at.start, key, context, container);
        }
    }

    /// What is named in the masked text of a value that begins there.
    fn search(&mut self, masked: &str, start: usize, key: &str, context: &Context, container: Option<&str>) {
        let about = match key {
            _ if is_image(key) => About::Image,
            _ if text::is_place(key) => About::Place,
            _ => About::Nothing,
        };
        for token in text::search(masked, about) {
            let token = token.shifted(start);
            if let Some(part) = token.part(self.text) {
                self.add(vec![part], token.extent, context, container);
            }
        }
    }

    /// A registry, or a part of one, or a whole name for all that. Says whether it is any of these.
    fn place(&mut self, part: &Part, context: &Context, container: Option<&str>) -> bool {
        let is_name = |name: &str| Reference::parse(name).is_ok_and(|reference| !reference.is_short());
        let says = part.says.strip_suffix('/').unwrap_or(&part.says).to_owned();
        let extent = if is_name(&format!("{says}/any")) {
            Extent::Prefix
        } else if is_name(&says) {
            Extent::Whole
        } else {
            return false;
        };
        let at = part.at.clone().map(|at| at.start..at.end.min(at.start.saturating_add(says.len())));
        self.add(vec![Part { at, says }], extent, context, container);
        true
    }

    /// A document that is a text in this one, such as values of a chart. Its lines are all further in, which YAML does not mind, if
    /// the first one is, too. Says whether there is nothing more in it: what objects do not pull is not to be found as text.
    fn nested(&mut self, at: Range<usize>, context: &Context) -> bool {
        let line =
            self.text.get(..at.start).and_then(|before| before.rfind('\n')).map_or(0, |end| end.saturating_add(1));
        let Some(text) = self.text.get(line..at.end).filter(|_| self.depth < DEPTH) else { return false };
        let mut inner = Walk {
            text,
            base: self.base.saturating_add(line),
            depth: self.depth.saturating_add(1),
            kind: self.kind,
            global: None,
            item: None,
            seen: HashSet::new(),
            told: HashSet::new(),
            mentions: Vec::new(),
        };
        let (mut documents, mut objects) = (0_usize, 0_usize);
        // What lives in another object is that object's, not what is within it.
        let read = yaml::read(text, &mut |tree, root, list| {
            // Text that is neither is to be searched as it is.
            if matches!(tree.node(root).map(|node| &node.what), Some(What::Mapping(_) | What::Sequence(_))) {
                inner.document(tree, root, list, context);
            }
            documents = documents.saturating_add(1);
            objects = objects.saturating_add(usize::from(list.is_some() || Identity::of(tree, root).is_some()));
        });
        if read.is_ok() {
            self.mentions.extend(inner.mentions);
            self.seen.extend(inner.seen);
        }
        read.is_ok() && objects > 0 && objects == documents
    }

    fn split(&mut self, split: Split, context: &Context, container: Option<&str>) {
        let known = self.mentions.len();
        self.add(split.parts, split.extent, context, container);
        if let Some(mention) = self.mentions.get_mut(known).filter(|_| split.is_selector) {
            mention.remedy = Some(SELECTED.to_owned());
        }
    }

    fn add(&mut self, mut parts: Vec<Part>, extent: Extent, context: &Context, container: Option<&str>) {
        for at in parts.iter_mut().filter_map(|part| part.at.as_mut()) {
            *at = at.start.saturating_add(self.base)..at.end.saturating_add(self.base);
        }
        let starts: Vec<usize> = parts.iter().filter_map(|part| part.at.as_ref().map(|at| at.start)).collect();
        // What several names share, such as a registry with an anchor, is a part of each.
        if starts.iter().all(|start| self.seen.contains(start))
            && !(parts.len() > 1 && self.told.insert(starts.clone()))
        {
            return;
        }
        self.seen.extend(&starts);
        self.told.insert(starts);
        let image: String = parts.iter().map(|part| part.says.as_str()).collect();
        self.mentions.push(Mention {
            extent,
            whose: context.whose.clone(),
            owner: context.owner.clone(),
            container: container.map(str::to_owned),
            parts,
            ..Mention::new(image, if context.is_live { Kind::Object } else { self.kind }, Place::default())
        });
    }
}

fn is_block(style: granit_parser::ScalarStyle) -> bool {
    use granit_parser::ScalarStyle::{Folded, Literal};
    matches!(style, Literal | Folded)
}

/// Whether a text is one name after another, and nothing else.
fn lists_names(says: &str) -> bool {
    says.split([' ', ',']).filter(|word| !word.is_empty()).all(text::is_named)
}

fn is_copy(key: &str) -> bool {
    COPIES.contains(&key) || key.starts_with("kapp.k14s.io/original-diff")
}

fn ends_in(key: &str, word: &str) -> bool {
    let start = key.len().checked_sub(word.len());
    start.and_then(|start| key.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// Whether a key, or a flag, says that what follows is an image.
fn is_image(key: &str) -> bool {
    ends_in(key, "image") || ends_in(key, "imageName")
}

/// Whether a variable is called so.
fn has_image(name: &str) -> bool {
    name.to_ascii_uppercase().contains("IMAGE")
}
