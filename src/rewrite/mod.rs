//! Table × method × message → new bytes, and what was substituted. Pure: no I/O, no time.
//!
//! A message that can't be read is an error here and is passed on by the caller, for the runtime to judge. A message
//! whose images no rule matches gives nothing, so that the caller forwards the very bytes it received.

use crate::cri::Pod;
use crate::cri::method::{self, Method};
use crate::reference::{Name, Reference};
use crate::rules::{Action, Credentials, Match, Rule, Standpoint, Table, Target};
use crate::wire::{self, Edit, Malformed, Step};
use bytes::Bytes;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A `PullImage` that a rule decides.
#[derive(Clone)]
pub struct Pull {
    /// The rule.
    pub rule: Arc<Rule>,
    /// The image as asked for.
    pub image: String,
    /// The part of it that the rule's pattern is about.
    pub matched: String,
    /// The pod it is for.
    pub pod: Option<Pod>,
    /// What to ask for instead, in the order of the rule's targets.
    pub substitutes: Vec<Substitute>,
    message: Bytes,
    name: Range<usize>,
    /// The credentials that came with it.
    secrets: Vec<Range<usize>>,
}

/// One way to pull an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substitute {
    /// The reference.
    pub image: String,
    /// The target it is by.
    pub target: Target,
    leaves_registry: bool,
}

/// An image that a request names and a rule matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The first rule that matches.
    pub rule: String,
    /// The image as named.
    pub image: String,
    /// The names it may be present under instead, in the order of the targets; none where no rule rewrites it.
    pub substitutes: Vec<String>,
    /// Where the request names it.
    at: Range<usize>,
    /// The `ImageSpec` that holds the name, and where in it the name is.
    spec: Bytes,
    within: Vec<Range<usize>>,
}

/// What `message`, a `PullImageRequest`, is about; `None` where no rule applies to its image and pod.
///
/// # Errors
///
/// When the message is not well-formed.
pub fn pull(table: &Table, row: &Method, message: &Bytes) -> Result<Option<Pull>, Malformed> {
    let pod = Pod::of_pull(message);
    let namespace = pod.as_ref().map(|pod| pod.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let Some((site, reference)) = references(row, message)?.pop() else { return Ok(None) };
    let Some(found) = table.decide(reference, namespace) else { return Ok(None) };
    Ok(Some(Pull {
        rule: Arc::clone(found.rule),
        image: reference.source().to_owned(),
        matched: found.matched(),
        substitutes: substitutes(&found).collect(),
        message: message.clone(),
        name: site.value,
        secrets: wire::sites(message, method::PULL_AUTH)?.into_iter().map(|auth| auth.value).collect(),
        pod,
    }))
}

/// What is asked for instead where `found` decides, in the order of its rule's targets.
pub fn substitutes<'a>(found: &Match<'a>) -> impl Iterator<Item = Substitute> + use<'a> {
    let found = *found;
    found.substitutes().map(move |(target, image)| Substitute {
        image,
        leaves_registry: found.leaves_registry(target),
        target: target.clone(),
    })
}

/// The names that `reference` may be present under instead, in the order in which they are asked for.
pub fn presence(table: &Table, reference: Reference<'_>, standpoint: Standpoint) -> Vec<String> {
    names(&table.possible(reference), standpoint)
}

/// The images in `message` that a rule matches, as they are meant there and then.
///
/// # Errors
///
/// When the message is not well-formed.
pub fn mentions(
    table: &Table,
    row: &Method,
    message: &Bytes,
    standpoint: Standpoint,
) -> Result<Vec<Mention>, Malformed> {
    let mut mentions = Vec::new();
    for (site, reference) in references(row, message)? {
        let possible = table.possible(reference);
        let Some(first) = possible.first() else { continue };
        // The parts of a submessage that occurs more than once merge when they are read one after another.
        let spec: Vec<u8> =
            site.holder.iter().filter_map(|part| message.get(part.clone())).flatten().copied().collect();
        let within = wire::sites(&spec, NAME_OF_SPEC)?.into_iter().map(|name| name.value).collect();
        mentions.push(Mention {
            rule: first.rule.name.clone(),
            image: reference.source().to_owned(),
            substitutes: names(&possible, standpoint),
            at: site.value,
            spec: spec.into(),
            within,
        });
    }
    Ok(mentions)
}

/// What an image may have been pulled as by those of `matches` that rewrite.
fn names(matches: &[Match<'_>], standpoint: Standpoint) -> Vec<String> {
    let rewriting = matches.iter().filter(|found| found.rule.action_at(standpoint) == Action::Rewrite);
    let mut names = Vec::new();
    for (_, name) in rewriting.flat_map(Match::substitutes) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// An `ImageStatusRequest` that asks for `name` and says nothing else.
pub fn question(name: &str) -> Bytes {
    let (mut spec, mut question) = (Vec::new(), Vec::new());
    wire::append(method::IMAGE_OF_SPEC, name.as_bytes(), &mut spec);
    wire::append(method::ASKED_IMAGE, &spec, &mut question);
    question.into()
}

/// `message` with other names in place of those mentioned.
///
/// # Errors
///
/// When the message is not well-formed, which it was when the mentions were found in it.
pub fn renamed<'a>(
    message: &Bytes,
    names: impl IntoIterator<Item = (&'a Mention, &'a str)>,
) -> Result<Bytes, Malformed> {
    let edits: Vec<_> = names
        .into_iter()
        .map(|(mention, name)| (mention.at.clone(), Edit::Replace(name.as_bytes().to_vec())))
        .collect();
    Ok(wire::splice(message, &edits)?.into())
}

// === impl Pull ===

impl Pull {
    /// The request as it came.
    pub fn as_asked(&self) -> &Bytes {
        &self.message
    }

    /// The request for a substitute: another name, other credentials, and every other byte as it came.
    ///
    /// The kubelet chose its credentials for the registry it knows of, so another one is not shown them, unless the
    /// target says so. `auth` is what the target's own source has, as an encoded `AuthConfig`.
    ///
    /// # Errors
    ///
    /// When the request is not well-formed, which it was when it was read.
    pub fn request(&self, substitute: &Substitute, auth: Option<&[u8]>) -> Result<Bytes, Malformed> {
        let mut edits = vec![(self.name.clone(), Edit::Replace(substitute.image.clone().into_bytes()))];
        if auth.is_some() || !substitute.shows_what_came() {
            edits.extend(self.secrets.iter().map(|secret| (secret.clone(), Edit::Remove)));
        }
        let mut request = wire::splice(&self.message, &edits)?;
        if let Some(auth) = auth {
            wire::append(method::AUTH_OF_PULL, auth, &mut request);
        }
        Ok(request.into())
    }

    /// Whether credentials came with it.
    pub fn has_credentials(&self) -> bool {
        !self.secrets.is_empty()
    }
}

/// Not the message, which may have credentials in it.
impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, image, pod, substitutes, .. } = self;
        f.debug_struct("Pull")
            .field("rule", &rule.name)
            .field("image", image)
            .field("pod", pod)
            .field("substitutes", substitutes)
            .finish_non_exhaustive()
    }
}

// === impl Substitute ===

impl Substitute {
    /// One on another registry than the one that was asked for.
    pub const fn new(image: String, target: Target) -> Self {
        Self { image, target, leaves_registry: true }
    }

    /// Whether its registry is shown the credentials that came with the call (where its own source has none).
    pub fn shows_what_came(&self) -> bool {
        match self.target.credentials {
            Credentials::Forward => true,
            Credentials::None => false,
            Credentials::Usual | Credentials::Source(_) => !self.leaves_registry,
        }
    }
}

// === impl Mention ===

impl Mention {
    /// An `ImageStatusRequest` that asks for `name`, with all else the request says of the image.
    ///
    /// # Errors
    ///
    /// When the image's specification is not well-formed, which it was when it was found.
    pub fn question(&self, name: &str) -> Result<Bytes, Malformed> {
        let edits: Vec<_> =
            self.within.iter().map(|at| (at.clone(), Edit::Replace(name.as_bytes().to_vec()))).collect();
        let spec = wire::splice(&self.spec, &edits)?;
        let mut question = Vec::with_capacity(spec.len().saturating_add(8));
        wire::append(method::ASKED_IMAGE, &spec, &mut question);
        Ok(question.into())
    }
}

/// `ImageSpec.image`.
const NAME_OF_SPEC: &[Step] = &[Step::One(method::IMAGE_OF_SPEC)];

/// The references in `message`, and where they are.
fn references<'a>(row: &Method, message: &'a Bytes) -> Result<Vec<(wire::Site, Reference<'a>)>, Malformed> {
    let mut all = Vec::new();
    for path in row.images {
        for site in wire::sites(message, path)? {
            if let Some(reference) = reference(named(message, &site)) {
                all.push((site, reference));
            }
        }
    }
    Ok(all)
}

/// The text at `site`; empty, and so no reference, where it is not UTF-8.
fn named<'a>(message: &'a Bytes, site: &wire::Site) -> &'a str {
    message.get(site.value.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// An image ID is not a name: it says which image, not where from. And what is no reference at all is for the runtime
/// to refuse.
fn reference(name: &str) -> Option<Reference<'_>> {
    match Name::parse(name) {
        Ok(Name::Reference(reference)) => Some(reference),
        Ok(Name::Id(_)) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
