//! Text that is no document: where a reference is clearly one.
//!
//! A name is taken for one as a whole or not at all: before and after it stands something that no name has in it. It has to
//! name its registry. And it has to have a tag or a digest, or something has to say that it is an image: a key or a flag that
//! ends in `image`, or in `repository`; there, and behind `registry`, a registry alone will do. What is a comment is none.

mod mask;

use super::{Extent, Part};
use crate::reference::Reference;
use std::ops::Range;

pub use mask::{Comments, mask, without_escapes};

/// A name in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its bytes.
    pub at: Range<usize>,
    /// How much of a reference it is.
    pub extent: Extent,
}

/// What begins what a template, or a shell, puts in.
const INSERTED: [&str; 6] = ["{{", "${", "$(", "$", "<", "%"];

/// How keys end whose value is where images are. A `repo` alone is most often one of charts, or of sources.
const PLACES: [&str; 5] = ["registry", "repository", "imagerepo", "image_repo", "image-repo"];

/// What programs put in front of a name to say where it is, or in what form.
const SCHEMES: [&str; 7] = [
    "containerd://",
    "containers-storage:",
    "cri-o://",
    "docker-daemon:",
    "docker-image://",
    "docker-pullable://",
    "docker://",
];

/// So far a line is looked at back for what says that it has an image: some have megabytes.
const LOOK_BACK: usize = 512;

/// What is said to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Nothing is.
    Nothing,
    /// An image.
    Image,
    /// Where images are.
    Place,
}

/// The references in `text`, whose comments are masked. What is said before it begins goes for all that is in it.
pub fn search(text: &str, about: About) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(start) = text.get(rest..).and_then(|after| after.find(is_of_name)).map(|at| rest.saturating_add(at))
    {
        let after = text.get(start..).unwrap_or_default();
        let end = start.saturating_add(after.find(|letter| !is_of_name(letter)).unwrap_or(after.len()));
        found.extend(token(text, start..end, about));
        rest = end;
    }
    found
}

impl Token {
    /// Of a text that begins at this byte of another.
    pub fn shifted(self, by: usize) -> Self {
        Self { at: self.at.start.saturating_add(by)..self.at.end.saturating_add(by), ..self }
    }

    /// The one piece that it is.
    pub fn part(&self, text: &str) -> Option<Part> {
        let says = text.get(self.at.clone())?.to_owned();
        Some(Part { at: Some(self.at.clone()), says })
    }
}

/// What may be part of a name. Brackets may, too, but around addresses alone.
fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-' | '/' | ':' | '@')
}

/// The default of a variable that is put in, `${NAME:-default}`, where its name and that are one run, or `${NAME:=default}`, where they
/// are two; and what stands before all that.
fn default<'a>(before: &'a str, written: &'a str) -> Option<(&'a str, &'a str)> {
    let is_of_variable = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if let Some(outer) = before.strip_suffix("${") {
        let rest = written.trim_start_matches(is_of_variable);
        let default = [":-", "-"].iter().find_map(|mark| rest.strip_prefix(mark))?;
        return (rest.len() < written.len()).then_some((outer, default));
    }
    let variable = before.strip_suffix('=')?;
    let variable = variable.strip_suffix(':').unwrap_or(variable);
    let outer = variable.trim_end_matches(is_of_variable).strip_suffix("${")?;
    Some((outer, written))
}

/// Whether a name may begin behind this, as it may not in the middle of another.
fn may_begin(before: &str) -> bool {
    let is_within = |letter: char| is_of_name(letter) && letter != ':' || matches!(letter, '}' | ')');
    !before.ends_with(is_within) || SCHEMES.iter().any(|scheme| before.ends_with(scheme))
}

/// The name that a run of such characters is.
fn token(text: &str, run: Range<usize>, about: About) -> Option<Token> {
    let mut start = run.start;
    let mut written = text.get(run.clone())?;
    if let Some(name) = SCHEMES.iter().find_map(|scheme| written.strip_prefix(scheme)) {
        start = run.end.saturating_sub(name.len());
        written = name;
    }
    let before = text.get(..run.start)?;
    // `${IMAGE:-name}`: what holds where nothing else is said.
    let default = default(before, written);
    if let Some((outer, name)) = default {
        if !may_begin(outer) {
            return None;
        }
        start = run.end.saturating_sub(name.len());
        written = name;
    }
    if is_replaced(before) {
        return None;
    }
    // Something was put in right before it, so this is the rest of a name; unless a template only chose.
    if before.ends_with(['}', ')', '$', '%', '>', '\\', ']']) && !ends_in_choice(before) {
        return None;
    }
    // Cheap, and most words of a text have neither.
    if !written.contains(['.', ':']) {
        return None;
    }
    let about = if about == About::Nothing { said(before) } else { about };
    if let Some(cut) = put_in(written) {
        return begun(written.get(..cut)?, start, about);
    }
    let after = text.get(run.end..).unwrap_or_default();
    if INSERTED.iter().any(|start| after.starts_with(start)) && !ends_choice(after) {
        return begun(written, start, about);
    }
    let name = written.trim_end_matches(['.', ':', '-', '/']);
    if name.len() < written.len() && written.ends_with('/') {
        return None;
    }
    let found = |extent| Some(Token { at: start..start.saturating_add(name.len()), extent });
    // What follows is the rest of the name.
    let rest = after.strip_prefix('}').filter(|_| default.is_some()).unwrap_or_default();
    if rest.starts_with('/') && is_named(&format!("{name}/any")) {
        return found(Extent::Prefix);
    }
    if rest.starts_with([':', '@']) && is_named(name) {
        return found(Extent::Tagless);
    }
    let is_place = match about {
        About::Nothing => false,
        About::Image => is_quoted_in_template(before, after),
        About::Place => true,
    };
    if is_place && is_registry(name) {
        return found(Extent::Prefix);
    }
    let reference = Reference::parse(name).ok().filter(|reference| !reference.is_short())?;
    // A tag is to come, and does not.
    if reference.suffix().is_empty() && written.ends_with(':') {
        return None;
    }
    match (about, reference.suffix().is_empty()) {
        (About::Nothing, true) => None,
        (About::Place, true) => found(Extent::Tagless),
        (_, false) | (About::Image, true) => found(Extent::Whole),
    }
}

/// Whether what follows is what a command of sed's looks for, `s#…#`, and puts something else in the place of.
fn is_replaced(before: &str) -> bool {
    let command = before.strip_suffix(['#', '|', ',', '!', '~', '%']).and_then(|before| before.strip_suffix('s'));
    command.is_some_and(|before| before.is_empty() || before.ends_with(['\'', '"', ' ', ';', '=']))
}

/// Where a mark stands that consists of letters of names, `@TAG@` or `__TAG__`, and that something is put in the place of.
fn put_in(written: &str) -> Option<usize> {
    ["@", "__"].iter().find_map(|mark| {
        let (start, _) = written.match_indices(mark).next()?;
        let within = written.get(start.saturating_add(mark.len())..)?;
        let (name, _) = within.split_once(mark)?;
        let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
        is_name.then_some(start)
    })
}

/// A name of which the end is put in.
fn begun(written: &str, start: usize, about: About) -> Option<Token> {
    let token = |name: &str, extent| Some(Token { at: start..start.saturating_add(name.len()), extent });
    if let Some(name) = written.strip_suffix('/') {
        let is_clear = is_named(&format!("{name}/any")) && about != About::Nothing;
        return if is_clear { token(name, Extent::Prefix) } else { None };
    }
    let name = written.strip_suffix(':').or_else(|| written.strip_suffix("@sha256:")).unwrap_or(written);
    let name = name.strip_suffix('@').unwrap_or(name);
    if name.ends_with(['-', '_', '.']) && about != About::Nothing {
        // The last component goes on, and only what is before it is whole.
        let (place, _) = name.rsplit_once('/')?;
        return if is_named(&format!("{place}/any")) { token(place, Extent::Prefix) } else { None };
    }
    let reference = Reference::parse(name).ok().filter(|reference| !reference.is_short())?;
    // A tag that goes on is none yet.
    let name = name.strip_suffix(reference.suffix()).filter(|_| !reference.suffix().is_empty()).unwrap_or(name);
    if written.len() > name.len() || about != About::Nothing { token(name, Extent::Tagless) } else { None }
}

fn is_registry(name: &str) -> bool {
    !name.contains('/') && is_named(&format!("{name}/any"))
}

/// Whether it is a reference that says its registry.
pub fn is_named(name: &str) -> bool {
    Reference::parse(name).is_ok_and(|reference| !reference.is_short())
}

/// What the line says that comes: `image: `, `"image":"`, `--pause-image=`, `IMAGE=`; `imageRepository: `.
fn said(before: &str) -> About {
    let line = line(before).to_ascii_lowercase();
    let says = |word: &str| {
        line.match_indices(word).any(|(at, word)| {
            let after = line.get(at.saturating_add(word.len())..).unwrap_or_default();
            let after = after.trim_start_matches(['"', '\'']).trim_start();
            // make's `?=` and `+=`, too.
            after.trim_start_matches(['?', '+']).starts_with([':', '=']) || (after.is_empty() && line.contains("--"))
        })
    };
    if says("image") {
        About::Image
    } else if PLACES.iter().any(|word| says(word)) {
        About::Place
    } else {
        About::Nothing
    }
}

/// Whether a key says that what follows is where images are.
pub fn is_place(key: &str) -> bool {
    let ends_in = |word: &&str| {
        let end = key.len().checked_sub(word.len()).and_then(|start| key.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    PLACES.iter().any(ends_in)
}

/// The line up to there, or the end of it.
fn line(before: &str) -> &str {
    let mut from = before.len().saturating_sub(LOOK_BACK);
    while !before.is_char_boundary(from) {
        from = from.saturating_add(1);
    }
    before.get(from..).unwrap_or_default().rsplit('\n').next().unwrap_or_default()
}

/// Whether it stands in quotes within `{{ }}`.
fn is_quoted_in_template(before: &str, after: &str) -> bool {
    let quote = before.chars().next_back().filter(|quote| matches!(quote, '"' | '\'' | '`'));
    let line = line(before);
    let is_inside = line.rfind("{{") > line.rfind("}}");
    quote.is_some_and(|quote| after.starts_with(quote)) && is_inside
}

/// Whether what stands before is the end of `{{ if … }}` and its like, which put nothing in.
fn ends_in_choice(before: &str) -> bool {
    let action = line(before).strip_suffix("}}").and_then(|before| before.rsplit_once("{{"));
    action.is_some_and(|(_, action)| is_choice(action))
}

/// Whether what stands behind is `{{ end }}` or its like.
fn ends_choice(after: &str) -> bool {
    after.strip_prefix("{{").is_some_and(is_choice)
}

fn is_choice(action: &str) -> bool {
    let word = action.trim_start_matches('-').trim_start();
    let word: &str = word.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
    matches!(word, "if" | "else" | "end" | "with" | "range")
}

#[cfg(test)]
mod tests;
