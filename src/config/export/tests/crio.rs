//! `registries.conf` as CRI-O reads it, from containers-registries.conf(5) and what `sysregistriesv2` does besides.

use super::Fate;
use crate::reference::Reference;
use toml::{Table, Value};

/// How much of `name` a prefix covers.
fn covered(name: &str, prefix: &str) -> Option<usize> {
    let ends = |end: usize| name[end..].is_empty() || name[end..].starts_with([':', '/', '@']);
    let end = match prefix.strip_prefix('*') {
        Some(suffix) => name.find(suffix).filter(|at| !name[..*at].contains('/'))? + suffix.len(),
        None => name.starts_with(prefix).then_some(prefix.len())?,
    };
    ends(end).then_some(end)
}

/// What becomes of `name`, which is written out.
pub(super) fn fate(text: &str, name: &str) -> Fate {
    let config: Table = text.parse().unwrap();
    let Some(entries) = config.get("registry").and_then(Value::as_array) else {
        return Fate::Tries(vec![name.to_owned()]);
    };
    let said = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let is_blocked = |entry: &Value| entry.get("blocked").and_then(Value::as_bool).unwrap_or(false);
    for entry in entries {
        let prefix = said(entry, "prefix").unwrap();
        assert_eq!(entries.iter().filter(|other| said(other, "prefix") == Some(prefix.clone())).count(), 1, "{prefix}");
        assert!(said(entry, "location").is_some() || prefix.starts_with("*."), "{prefix}: no location");
        assert!(!prefix.starts_with("*.") || !prefix.contains(['/', ':']), "{prefix}: a star with more");
        for other in entries {
            let is_same = said(entry, "location").is_some() && said(entry, "location") == said(other, "location");
            assert!(!is_same || is_blocked(entry) == is_blocked(other), "{prefix}: invalid as a whole");
        }
    }
    // Sorted by name, and of equal length the first.
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|entry| said(entry, "prefix"));
    let matching = sorted.iter().filter(|entry| covered(name, &said(entry, "prefix").unwrap()).is_some());
    let Some(entry) = matching.rev().max_by_key(|entry| said(entry, "prefix").unwrap().len()) else {
        return Fate::Tries(vec![name.to_owned()]);
    };
    if is_blocked(entry) {
        return Fate::Denied;
    }
    let rest = &name[covered(name, &said(entry, "prefix").unwrap()).unwrap()..];
    let mirrors = entry.get("mirror").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut tries: Vec<String> =
        mirrors.iter().map(|mirror| format!("{}{rest}", said(mirror, "location").unwrap())).collect();
    tries.push(said(entry, "location").map_or_else(|| name.to_owned(), |location| format!("{location}{rest}")));
    // One that is not a whole name by itself fails them all.
    let is_whole = |name: &String| Reference::parse(name).is_ok() && super::whole(name) == *name;
    if tries.iter().all(is_whole) { Fate::Tries(tries) } else { Fate::Broken }
}
