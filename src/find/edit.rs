//! The bytes of a text that say an image otherwise, and no others.

use super::{Finding, Mention, Part};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// Bytes that take the place of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// These go.
    pub at: Range<usize>,
    /// These come.
    pub says: String,
}

/// One name that stays keeps another, and that a third: nobody writes more of a chain than this.
const ROUNDS: usize = 32;

/// What makes a text name the substitutes: the edits, and how many of the findings they mend; of all that it names. A finding is left as it is where
/// its rule does not rewrite, where it depends on a namespace that is not known what takes its place, where a piece of the name is not written
/// in this text, and where somebody else's name has the same piece and would be another.
pub fn edits(text: &str, mentions: &[(&Mention, Option<Finding>)]) -> (Vec<Edit>, usize) {
    let mut wanted: BTreeMap<usize, Edit> = BTreeMap::new();
    // Pieces that stay, by where they begin.
    let mut refused: HashSet<usize> = HashSet::new();
    let each: Vec<Option<Vec<Edit>>> =
        mentions.iter().map(|(mention, finding)| edits_of(text, mention, finding.as_ref()?)).collect();
    for edit in each.iter().flatten().flatten() {
        let before = wanted.entry(edit.at.start).or_insert_with(|| edit.clone());
        if before != edit {
            refused.insert(edit.at.start);
        }
    }
    // What is not mended keeps all of its pieces.
    for ((mention, _), edits) in mentions.iter().zip(&each) {
        if edits.is_none() && mention.parts.len() > 1 {
            refused.extend(mention.parts.iter().filter_map(|part| part.at.as_ref().map(|at| at.start)));
        }
    }
    for round in 0..=ROUNDS {
        let is_refused = |edits: &&Vec<Edit>| edits.iter().any(|edit| refused.contains(&edit.at.start));
        let lost: Vec<usize> = each.iter().flatten().filter(is_refused).flatten().map(|edit| edit.at.start).collect();
        let known = refused.len();
        refused.extend(lost);
        if refused.len() == known {
            break;
        }
        if round == ROUNDS {
            return (Vec::new(), 0);
        }
    }
    let stays = |edit: &Edit| !refused.contains(&edit.at.start);
    let mended = each.iter().flatten().filter(|edits| edits.iter().all(stays)).count();
    let mut edits: Vec<Edit> = wanted.into_values().filter(stays).collect();
    let mut end = 0;
    // Two names that overlap are no two names.
    edits.retain(|edit| {
        let follows = edit.at.start >= end;
        end = end.max(edit.at.end);
        follows
    });
    (edits, mended)
}

/// The text with these edits, which are in order.
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for edit in edits {
        out.push_str(text.get(from..edit.at.start).unwrap_or_default());
        out.push_str(&edit.says);
        from = edit.at.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

fn edits_of(text: &str, mention: &Mention, finding: &Finding) -> Option<Vec<Edit>> {
    // It is not to be written otherwise, but something else is to be done about it.
    if mention.remedy.is_some() {
        return None;
    }
    let new = finding.substitute.as_deref().filter(|_| finding.action == "rewrite")?;
    let is_clear = finding
        .alternatives
        .iter()
        .all(|other| other.action == finding.action && other.substitute == finding.substitute);
    if !is_clear {
        return None;
    }
    let pieces = pieces(&mention.image, new, &mention.parts)?;
    let edit = |(part, says): (&Part, String)| {
        if part.says == says {
            return None;
        }
        Some(part.at.clone().map(|at| Edit { says: written(text, &at, says), at }))
    };
    mention.parts.iter().zip(pieces).filter_map(edit).collect()
}

/// A piece as it is written there: nothing that a name has in it means anything to YAML, but for the brackets of an address in front.
fn written(text: &str, at: &Range<usize>, says: String) -> String {
    let is_in_quotes = text.get(..at.start).is_some_and(|before| before.ends_with(['"', '\'', '=']));
    if says.starts_with('[') && !is_in_quotes { format!("\"{says}\"") } else { says }
}

/// What each piece of a name comes to, where all of it becomes `new`. `None` where the pieces can't say that.
fn pieces(old: &str, new: &str, parts: &[Part]) -> Option<Vec<String>> {
    if let [_] = parts {
        return Some(vec![new.to_owned()]);
    }
    // Up to which slash it is replaced: the rest of it is the end of both.
    let borders = std::iter::once(0).chain(old.match_indices('/').map(|(at, _)| at));
    let border = borders.into_iter().find(|at| old.get(*at..).is_some_and(|rest| new.ends_with(rest)));
    let border = border.unwrap_or_else(|| path_end(old));
    let rest = old.get(border..)?;
    let mut place = new.strip_suffix(rest)?.to_owned();
    let mut pieces: Vec<String> = Vec::with_capacity(parts.len());
    let mut from = 0_usize;
    let mut is_placed = false;
    for part in parts {
        let end = from.saturating_add(part.says.len());
        if from >= border && is_placed {
            pieces.push(part.says.clone());
        } else if end >= border {
            // The border is in this piece, or behind it: what takes the place of all before is said here.
            let kept = part.says.get(border.saturating_sub(from)..)?;
            pieces.push(format!("{}{kept}", std::mem::take(&mut place)).trim_start_matches(['/']).to_owned());
            is_placed = true;
        } else {
            // A whole piece goes: it takes the registry, and the next the path.
            let (registry, path) = place.split_once('/').unwrap_or((&place, ""));
            if part.at.is_some() {
                pieces.push(registry.to_owned());
                place = path.to_owned();
            } else {
                pieces.push(part.says.clone());
            }
        }
        from = end;
    }
    (pieces.concat() == new).then_some(pieces)
}

/// Where the path ends.
fn path_end(name: &str) -> usize {
    let path = name.rfind('/').map_or(0, |at| at.saturating_add(1));
    let end = name.get(path..).and_then(|end| end.find([':', '@'])).map(|at| path.saturating_add(at));
    end.unwrap_or(name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(says: &str) -> Part {
        Part { at: Some(0..0), says: says.to_owned() }
    }

    fn implied(says: &str) -> Part {
        Part { at: None, says: says.to_owned() }
    }

    #[test]
    fn each_piece_of_a_name_says_its_own_part_of_the_new_one() {
        let split =
            |registry: &str, path: &str| vec![part(registry), implied("/"), part(path), implied(":"), part("1")];
        for (parts, new, expected) in [
            (split("k8s.gcr.io", "a/b"), "registry.k8s.io/a/b:1", "registry.k8s.io|/|a/b|:|1"),
            (split("k8s.gcr.io", "a/b"), "mirror.example/k8s/a/b:1", "mirror.example/k8s|/|a/b|:|1"),
            (split("k8s.gcr.io", "a/b"), "mirror.example/b:1", "mirror.example|/|b|:|1"),
            (split("k8s.gcr.io", "b"), "mirror.example/x/y:1", "mirror.example|/|x/y|:|1"),
            (vec![part("k8s.gcr.io/a"), implied(":"), part("1")], "m.example/k/a:1", "m.example/k/a|:|1"),
            (
                vec![part("busybox"), implied(":"), part("1")],
                "m.example/library/busybox:1",
                "m.example/library/busybox|:|1",
            ),
            (vec![part("k8s.gcr.io"), part("/a:1")], "m.example/a:1", "m.example|/a:1"),
        ] {
            let old: String = parts.iter().map(|part| part.says.as_str()).collect();
            assert_eq!(
                pieces(&old, new, &parts).map(|pieces| pieces.join("|")).as_deref(),
                Some(expected),
                "{old} {new}"
            );
        }
        assert_eq!(pieces("k8s.gcr.io/b:1", "new:1", &split("k8s.gcr.io", "b")), None);
    }
}
