//! Table × method × message → new bytes, and what was substituted. Pure: no I/O, no time.
//!
//! A message that can't be read is an error here and is passed on by the caller, for the runtime to judge. A message
//! whose images no rule matches gives nothing, so that the caller forwards the very bytes it received.

use crate::cri::Pod;
use crate::cri::method::{self, Method};
use crate::reference::{Name, Reference};
use crate::rules::{Match, Table};
use crate::wire::{self, Edit, Malformed, Step};
use bytes::Bytes;
use std::ops::Range;

/// A `PullImage` that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The rule's name.
    pub rule: String,
    /// The image as asked for.
    pub image: String,
    /// The pod it is for.
    pub pod: Option<Pod>,
    /// What to ask for instead, in order.
    pub substitutes: Vec<Substitute>,
}

/// One way to pull an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substitute {
    /// The reference.
    pub image: String,
    /// The request with that reference in it.
    pub message: Bytes,
}

/// An image that a request names and a rule matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The image as named.
    pub image: String,
    /// The names it may be present under instead, in the order of the targets.
    pub substitutes: Vec<String>,
    /// Where the request names it.
    at: Range<usize>,
    /// The `ImageSpec` that holds the name, and where in it the name is.
    spec: Bytes,
    within: Vec<Range<usize>>,
}

/// What `message`, a `PullImageRequest`, becomes; `None` where no rule matches its image.
///
/// # Errors
///
/// When the message is not well-formed.
pub fn pull(table: &Table, row: &Method, message: &Bytes) -> Result<Option<Pull>, Malformed> {
    let Some((site, found)) = matched(table, row, message)?.pop() else { return Ok(None) };
    let secrets: Vec<_> = wire::sites(message, method::PULL_AUTH)?.into_iter().map(|auth| auth.value).collect();
    let mut substitutes = Vec::new();
    for (target, image) in found.rule.targets.iter().zip(found.substitutes()) {
        let mut edits = vec![(site.value.clone(), Edit::Replace(image.clone().into_bytes()))];
        if found.leaves_registry(target) {
            // The kubelet chose these credentials for the registry it knows of. Another one has no business with them.
            edits.extend(secrets.iter().map(|secret| (secret.clone(), Edit::Remove)));
        }
        substitutes.push(Substitute { image, message: wire::splice(message, &edits)?.into() });
    }
    Ok(Some(Pull {
        rule: found.rule.name.clone(),
        image: named(message, &site).to_owned(),
        pod: Pod::of_pull(message),
        substitutes,
    }))
}

/// The images in `message` that a rule matches.
///
/// # Errors
///
/// When the message is not well-formed.
pub fn mentions(table: &Table, row: &Method, message: &Bytes) -> Result<Vec<Mention>, Malformed> {
    let mut mentions = Vec::new();
    for (site, found) in matched(table, row, message)? {
        // The parts of a submessage that occurs more than once merge when they are read one after another.
        let spec: Vec<u8> =
            site.holder.iter().filter_map(|part| message.get(part.clone())).flatten().copied().collect();
        let within = wire::sites(&spec, IMAGE_OF_SPEC)?.into_iter().map(|name| name.value).collect();
        mentions.push(Mention {
            image: named(message, &site).to_owned(),
            substitutes: found.substitutes().collect(),
            at: site.value,
            spec: spec.into(),
            within,
        });
    }
    Ok(mentions)
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
        prost::encoding::bytes::encode(method::ASKED_IMAGE, &spec, &mut question);
        Ok(question.into())
    }
}

/// `ImageSpec.image`.
const IMAGE_OF_SPEC: &[Step] = &[Step::One(1)];

/// The references in `message` that a rule matches, and where they are.
fn matched<'a>(table: &'a Table, row: &Method, message: &'a Bytes) -> Result<Vec<(wire::Site, Match<'a>)>, Malformed> {
    let mut all = Vec::new();
    for path in row.images {
        for site in wire::sites(message, path)? {
            if let Some(found) = reference(named(message, &site)).and_then(|reference| table.decide(reference)) {
                all.push((site, found));
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
