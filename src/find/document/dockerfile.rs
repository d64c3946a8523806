//! Recipes of images: what they are built from.
//!
//! `FROM`, `COPY --from`, `RUN --mount=from`, and the defaults of `ARG`s, as far as they are part of a name in one of these. Stages, by
//! name or number, and `scratch` are no images.

use super::super::{Extent, Kind, Mention, Part, Place};
use crate::reference::Reference;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// A word, piece by piece: those with bytes of their own, and those that come from elsewhere.
struct Word {
    parts: Vec<Part>,
    extent: Extent,
}

/// What is built from nothing is built from this.
const NOTHING: &str = "scratch";

/// Variables within variables are put in up to so many pieces.
const PIECES: usize = 16;

/// The images of a recipe.
pub(super) fn read(text: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut stages: HashSet<String> = HashSet::new();
    let mut arguments: HashMap<String, Vec<Part>> = HashMap::new();
    let mut used: HashSet<usize> = HashSet::new();
    let mut has_begun = false;
    for words in instructions(text) {
        let says = |at: &Range<usize>| text.get(at.clone()).unwrap_or_default();
        // What is to be done in whatever is built from this.
        let is_for_later = words.first().is_some_and(|first| says(first).eq_ignore_ascii_case("onbuild"));
        let words = words.get(usize::from(is_for_later)..).unwrap_or_default();
        let Some((instruction, rest)) = words.split_first() else { continue };
        let mut images: Vec<Range<usize>> = Vec::new();
        // What this begins goes by its name from the next instruction on.
        let mut stage: Option<String> = None;
        let mut may_be_number = true;
        match says(instruction).trim_start_matches('\u{feff}').to_ascii_uppercase().as_str() {
            "ARG" => {
                for argument in rest {
                    let Some((name, value)) = says(argument).split_once('=') else { continue };
                    let start = argument.start.saturating_add(name.len()).saturating_add(1);
                    let at = unquoted(text, start..start.saturating_add(value.len()));
                    // Those before the first stage are the ones that `FROM` sees.
                    if has_begun && arguments.contains_key(name) {
                        continue;
                    }
                    let whole = word(text, at.clone(), &arguments).filter(|word| word.extent == Extent::Whole);
                    let parts = whole.map(|word| word.parts).filter(|parts| parts.len() <= PIECES);
                    let parts = parts.unwrap_or_else(|| vec![Part { says: says(&at).to_owned(), at: Some(at) }]);
                    arguments.insert(name.to_owned(), parts);
                }
            }
            "FROM" => {
                has_begun = true;
                may_be_number = false;
                let mut rest = rest.iter().filter(|word| !says(word).starts_with("--"));
                images.extend(rest.next().cloned());
                if rest.next().is_some_and(|word| says(word).eq_ignore_ascii_case("as")) {
                    stage = rest.next().map(|name| says(name).to_ascii_lowercase());
                }
            }
            "COPY" | "ADD" | "RUN" => {
                for word in rest {
                    let flag = says(word);
                    let value = if let Some(value) = flag.strip_prefix("--from=") {
                        Some(value)
                    } else if let Some(mount) = flag.strip_prefix("--mount=") {
                        mount.split(',').find_map(|option| option.strip_prefix("from="))
                    } else {
                        None
                    };
                    let start = value.and_then(|value| flag.find(value).map(|at| (at, value.len())));
                    images.extend(start.map(|(at, length)| {
                        let start = word.start.saturating_add(at);
                        start..start.saturating_add(length)
                    }));
                }
            }
            _ => {}
        }
        for at in images {
            let Some(word) = word(text, unquoted(text, at), &arguments) else { continue };
            let name = word.image();
            let is_number = may_be_number && name.bytes().all(|byte| byte.is_ascii_digit());
            if is_number || name == NOTHING || stages.contains(&name.to_ascii_lowercase()) {
                continue;
            }
            used.extend(word.parts.iter().filter_map(|part| part.at.as_ref().map(|at| at.start)));
            found.extend(mention(word, &mut seen));
        }
        stages.extend(stage);
    }
    // A default that is a whole name is one, whoever makes use of it.
    for parts in arguments.into_values() {
        let says: String = parts.iter().map(|part| part.says.as_str()).collect();
        let is_clear = Reference::parse(&says).is_ok_and(|name| !name.is_short() && !name.suffix().is_empty());
        if is_clear && parts.iter().filter_map(|part| part.at.as_ref()).any(|at| !used.contains(&at.start)) {
            found.extend(mention(Word { parts, extent: Extent::Whole }, &mut seen));
        }
    }
    found
}

// === impl Word ===

impl Word {
    /// What it comes to.
    fn image(&self) -> String {
        self.parts.iter().map(|part| part.says.as_str()).collect()
    }
}

fn mention(word: Word, seen: &mut HashSet<String>) -> Option<Mention> {
    let image = word.image();
    let first = word.parts.iter().find_map(|part| part.at.as_ref().map(|at| at.start));
    // Two stages from one default are one place.
    if !seen.insert(format!("{first:?} {image}")) {
        return None;
    }
    let place = Place::default();
    Some(Mention {
        extent: word.extent,
        whose: super::Whose::Nobody,
        parts: word.parts,
        ..Mention::new(image, Kind::Dockerfile, place)
    })
}

/// The words of each instruction, by their bytes: lines that go on are one, comments and what is fed to a command are none.
fn instructions(text: &str) -> Vec<Vec<Range<usize>>> {
    let escape = escape(text);
    let mut all = Vec::new();
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut until: Option<String> = None;
    let mut start = 0_usize;
    for line in text.split_inclusive('\n') {
        let begin = start;
        start = start.saturating_add(line.len());
        let bare = line.trim();
        if let Some(end) = &until {
            if bare == end {
                until = None;
            }
            continue;
        }
        if bare.starts_with('#') || (bare.is_empty() && !words.is_empty()) {
            continue;
        }
        let (bare, goes_on) = match bare.strip_suffix(escape) {
            Some(bare) => (bare, true),
            None => (bare, false),
        };
        for word in bare.split_ascii_whitespace() {
            let at = word.as_ptr().addr().saturating_sub(line.as_ptr().addr()).saturating_add(begin);
            words.push(at..at.saturating_add(word.len()));
            let fed = word.strip_prefix("<<").filter(|end| !end.starts_with('<'));
            let fed = fed.map(|end| end.trim_start_matches('-').trim_matches(['"', '\'']));
            until = fed.filter(|end| !end.is_empty()).map(str::to_owned).or(until);
        }
        if !goes_on {
            all.push(std::mem::take(&mut words));
        }
    }
    all.push(words);
    all
}

/// What a line ends in that goes on: a backslash, unless a directive at the top says otherwise.
fn escape(text: &str) -> char {
    let directives = text.trim_start_matches('\u{feff}').lines().map_while(|line| line.trim().strip_prefix('#'));
    let said =
        directives.filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim().eq_ignore_ascii_case("escape"));
    said.and_then(|(_, value)| value.trim().chars().next()).unwrap_or('\\')
}

/// Without a byte order mark's or quotes' bytes.
fn unquoted(text: &str, at: Range<usize>) -> Range<usize> {
    let says = text.get(at.clone()).unwrap_or_default();
    match says.strip_prefix(['"', '\'']).and_then(|says| says.strip_suffix(['"', '\''])) {
        Some(inner) => {
            let start = at.start.saturating_add(1);
            start..start.saturating_add(inner.len())
        }
        None => at,
    }
}

/// A word with the defaults in it of what it names. `None` where its beginning is not known.
fn word(text: &str, at: Range<usize>, arguments: &HashMap<String, Vec<Part>>) -> Option<Word> {
    let mut parts: Vec<Part> = Vec::new();
    let mut start = at.start;
    while start < at.end {
        let rest = text.get(start..at.end)?;
        let Some(dollar) = rest.find('$') else {
            parts.push(Part { at: Some(start..at.end), says: rest.to_owned() });
            break;
        };
        if dollar > 0 {
            parts.push(Part { at: Some(start..start.saturating_add(dollar)), says: rest.get(..dollar)?.to_owned() });
        }
        let variable = rest.get(dollar.saturating_add(1)..)?;
        let (name, default, length) = variable_of(variable)?;
        let begins = start.saturating_add(dollar);
        let is_said = |parts: &Vec<Part>| parts.iter().any(|part| !part.says.is_empty());
        let known = arguments.get(name).cloned().filter(is_said).or_else(|| {
            let default = default?;
            let at = begins.saturating_add(1).saturating_add(variable.find(default)?);
            Some(vec![Part { at: Some(at..at.saturating_add(default.len())), says: default.to_owned() }])
        });
        match known {
            Some(known) if !known.iter().any(|part| part.says.contains('$')) => parts.extend(known),
            _ => return begun(parts),
        }
        start = begins.saturating_add(1).saturating_add(length);
    }
    Some(Word { parts, extent: Extent::Whole })
}

/// A name of which the rest is not known.
fn begun(mut parts: Vec<Part>) -> Option<Word> {
    let last = parts.last_mut()?;
    let keep = last.says.trim_end_matches([':', '@', '/']).len();
    let is_place = last.says.ends_with('/');
    last.says.truncate(keep);
    if let Some(at) = &mut last.at {
        at.end = at.start.saturating_add(keep);
    }
    Some(Word { parts, extent: if is_place { Extent::Prefix } else { Extent::Tagless } })
}

/// The name of a variable, its default, and how many bytes say so.
fn variable_of(text: &str) -> Option<(&str, Option<&str>, usize)> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    match text.strip_prefix('{') {
        Some(inner) => {
            let end = inner.find('}')?;
            let inner = inner.get(..end)?;
            let (name, default) = match inner.split_once(":-").or_else(|| inner.split_once('-')) {
                Some((name, default)) => (name, Some(default)),
                None => (inner, None),
            };
            Some((name, default, end.saturating_add(2)))
        }
        None => {
            let end = text.find(|letter| !is_of_name(letter)).unwrap_or(text.len());
            Some((text.get(..end)?, None, end))
        }
    }
}
