//! A text, read as what it is: what it names, each with its line.

mod dockerfile;
mod image;
mod lines;
mod object;
mod walk;

use super::text::{self, About, Comments};
use super::yaml;
use super::{Extent, Kind, Mention, Place, Unread, Whose};
use lines::Lines;
use object::Context;
use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;
use walk::Walk;

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// YAML or JSON; as a template's text where it is none.
    Yaml(Kind),
    /// A template of something.
    Template,
    /// A recipe of an image.
    Dockerfile,
    /// Something else that is configuration, or a script, with comments like these.
    Text(Comments),
}

/// A text, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The file, as people are told of it; `-` for standard input.
    pub name: &'a str,
    /// What it says.
    pub text: &'a str,
    /// How it is read.
    pub form: Form,
    /// The namespace of what says none.
    pub namespace: Option<&'a str>,
}

/// What standard input is called.
pub const STDIN: &str = "-";

/// Files that are read as text, by the end of their names. Prose and programs are not: what they name, nobody pulls by them.
const TEXTS: [&str; 29] = [
    "bash",
    "bats",
    "bzl",
    "cfg",
    "conf",
    "container",
    "cue",
    "env",
    "hcl",
    "ini",
    "json5",
    "jsonc",
    "jsonnet",
    "ks",
    "libsonnet",
    "mk",
    "nomad",
    "properties",
    "ps1",
    "service",
    "sh",
    "star",
    "systemd",
    "tf",
    "tfvars",
    "toml",
    "tilt",
    "zsh",
    "config",
];

/// Files that are templates of YAML.
const TEMPLATES: [&str; 7] = ["gotmpl", "j2", "jinja", "jinja2", "template", "tmpl", "tpl"];

/// What stands behind the name of a file that is to be copied to it.
const SAMPLES: [&str; 4] = ["default", "dist", "example", "sample"];

// === impl Form ===

impl Form {
    /// That of a file, by its name; `None` where it is of no kind that is looked into unasked.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let end = name.rsplit_once('.').map_or("", |(_, end)| end);
        let is_recipe = |word: &str| end == word || name.strip_prefix(word).is_some_and(goes_on);
        if is_recipe("dockerfile") || is_recipe("containerfile") {
            return Some(Self::Dockerfile);
        }
        if SAMPLES.contains(&end) {
            return Self::of(&path.with_extension(""));
        }
        match end {
            _ if name == "kustomization" || name == "kustomization.yaml" || name == "kustomization.yml" => {
                Some(Self::Yaml(Kind::Kustomize))
            }
            "yaml" | "yml" | "json" => {
                Some(Self::Yaml(if name.contains("values") { Kind::Values } else { Kind::Manifest }))
            }
            // The static pods that Kubernetes' own scripts set up.
            "manifest" => Some(Self::Yaml(Kind::Manifest)),
            "in" if [".yaml.in", ".yml.in", ".json.in"].iter().any(|end| name.ends_with(end)) => Some(Self::Template),
            _ if TEMPLATES.contains(&end) => Some(Self::Template),
            _ if TEXTS.contains(&end) => Some(Self::text(path)),
            _ if matches!(name.as_str(), "makefile" | "gnumakefile" | "tiltfile" | "jenkinsfile" | "vagrantfile") => {
                Some(Self::text(path))
            }
            _ => None,
        }
    }

    /// That of a file that is nothing else.
    pub fn text(path: &Path) -> Self {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Self::Text(Comments::of(name).unwrap_or(Comments::ANY))
    }
}

/// Whether a recipe's name goes on like that: `.arm64`, `-alpine3.18`, `_x`; but `-lint.py` is a program.
fn goes_on(rest: &str) -> bool {
    let is_number = |end: &str| end.starts_with(|first: char| first.is_ascii_digit());
    let is_variant = || rest.rsplit_once('.').is_none_or(|(_, end)| is_number(end));
    rest.is_empty() || rest.starts_with('.') || (rest.starts_with(['-', '_']) && is_variant())
}

// === impl Document ===

impl Document<'_> {
    /// What it names, by place; and why it could not be read as what it is, if so.
    pub fn read(&self) -> (Vec<Mention>, Option<Unread>) {
        let (mut mentions, unread) = match self.form {
            Form::Yaml(kind) => self.yaml(kind),
            Form::Template => (self.searched(0, Kind::Template, Comments::TEMPLATE), None),
            Form::Dockerfile => (dockerfile::read(self.text), None),
            Form::Text(comments) => (self.searched(0, Kind::Text, comments), None),
        };
        let mut lines = Lines::new(self.text);
        without_shared(&mut mentions);
        mentions.sort_by_key(Mention::start);
        for mention in &mut mentions {
            let place = mention.start().map(|at| lines.place(at));
            mention.place = Place {
                file: Some(self.name.to_owned()),
                line: place.map(|(line, _)| line),
                column: place.map(|(_, column)| column),
                text: None,
            };
            if mention.kind == Kind::Object && self.name == STDIN {
                mention.place.text = Some(told(mention));
            }
        }
        (mentions, unread)
    }

    /// The names by which this selects images to give them new ones, where it is a kustomization, with their lines. They name
    /// nothing that is pulled; but where what they select is renamed, they select nothing any more.
    pub fn selectors(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        if self.form == Form::Yaml(Kind::Kustomize) {
            // What is no YAML has been told of.
            let _broken = yaml::read(self.text, &mut |tree, root, _| {
                found.extend(image::selectors(self.text, tree, root));
            });
        }
        let mut lines = Lines::new(self.text);
        found.sort_by_key(|(_, at)| *at);
        found.into_iter().map(|(name, at)| (name, lines.place(at).0)).collect()
    }

    fn yaml(&self, kind: Kind) -> (Vec<Mention>, Option<Unread>) {
        let whose = self.namespace.map_or(Whose::Unknown, |name| Whose::Namespace(name.to_owned()));
        let context = Context { whose, is_kustomization: kind == Kind::Kustomize, ..Context::default() };
        let mut walk = Walk::new(self.text, kind);
        let read = yaml::read(self.text, &mut |tree, root, list| walk.document(tree, root, list, &context));
        let mut mentions = walk.mentions;
        let Err(broken) = read else { return (mentions, None) };
        // What an object has in it that was read did not break it.
        let others = [self.text.get(..broken.shown.start), self.text.get(broken.shown.end..)];
        let is_template = others.into_iter().flatten().any(|text| text.contains("{{"));
        let (kind, comments) = if is_template { (Kind::Template, Comments::TEMPLATE) } else { (kind, Comments::HASH) };
        let rest = self.searched(broken.from, kind, comments).into_iter();
        mentions.extend(rest.filter(|mention| !mention.start().is_some_and(|at| broken.shown.contains(&at))));
        let unread = Unread {
            place: format!("{}:{}", self.name, broken.line),
            why: format!("this is not YAML: {}; searched as text", broken.what),
            searched: true,
        };
        // A template is not meant to be YAML before it is rendered.
        (mentions, (!is_template).then_some(unread))
    }

    /// What its text names from this byte on.
    fn searched(&self, from: usize, kind: Kind, comments: Comments) -> Vec<Mention> {
        let Some(rest) = self.text.get(from..) else { return Vec::new() };
        let masked = text::mask(rest, comments);
        let whose = self.namespace.map_or(Whose::Unknown, |name| Whose::Namespace(name.to_owned()));
        let tokens = text::search(&masked, About::Nothing).into_iter().map(|token| token.shifted(from));
        let mention = |token: text::Token| {
            let part = token.part(self.text)?;
            let image = part.says.clone();
            let parts = vec![part];
            Some(Mention {
                extent: token.extent,
                whose: whose.clone(),
                parts,
                ..Mention::new(image, kind, Place::default())
            })
        };
        tokens.filter_map(mention).collect()
    }
}

/// Takes out registries that are told of as a part of a name.
fn without_shared(mentions: &mut Vec<Mention>) {
    let several = mentions.iter().filter(|mention| mention.parts.len() > 1);
    let shared: HashSet<usize> = several.filter_map(Mention::start).collect();
    let is_shared = |mention: &Mention| mention.start().is_some_and(|start| shared.contains(&start));
    mentions.retain(|mention| mention.extent != Extent::Prefix || mention.parts.len() > 1 || !is_shared(mention));
}

/// Where an object's image is, for a person: whoever reads of it has no file.
fn told(mention: &Mention) -> String {
    let mut told = match &mention.whose {
        Whose::Namespace(namespace) => format!("{namespace} "),
        Whose::Unknown | Whose::Nobody => String::new(),
    };
    if let Some(owner) = &mention.owner {
        let _infallible = write!(told, "{} {}", owner.kind, owner.name);
    }
    if let Some(container) = &mention.container {
        let _infallible = write!(told, ", container {container}");
    }
    told
}
