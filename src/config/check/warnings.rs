//! What makes sense, and was perhaps not meant all the same.

use super::{Settings, arguments, files};
use crate::config::mistake::Mistake;
use crate::config::place::Placed;
use crate::config::reader::segment;
use crate::config::said::{List, SaidRule};
use crate::config::source::Source;
use crate::rules::{Credentials, Pattern};

/// What one may want to look at again.
pub fn warnings(source: &Source, settings: &Settings) -> Vec<Mistake> {
    let mut warnings = Vec::new();
    let targets = || settings.rules.rules().iter().flat_map(|rule| &rule.targets);
    for said in &source.said.credentials {
        let name = &said.name.value;
        if !targets().any(|target| matches!(&target.credentials, Credentials::Source(used) if used == name)) {
            let key = format!("credentials.{}", segment(name));
            warnings.push(Mistake::at_key(said.name.place.clone(), key, "no target uses it"));
        }
    }
    for said in &source.said.rules {
        let name = &said.name.value;
        if settings.rules.rules().iter().any(|rule| rule.builtin && rule.name == *name) {
            let key = format!("rules.{}.name", segment(name));
            let what = "a built-in rule goes by this name, too: records can't tell them apart";
            warnings.push(Mistake::at_key(said.name.place.clone(), key, what));
        }
    }
    for said in &source.said.rules {
        warnings.extend(without_effect(said));
    }
    warnings.extend(arguments::warnings(&source.said.credentials));
    warnings.extend(files::warnings(&source.said.credentials));
    warnings
}

/// What is matched for nothing, and excluded for nothing. (Of what is excluded in part, the rest was meant.)
fn without_effect(said: &SaidRule) -> Vec<Mistake> {
    let path = format!("rules.{}", segment(&said.name.value));
    let list = |list: &'_ Option<List<Pattern>>| list.iter().flat_map(|list| list.value.clone()).collect::<Vec<_>>();
    let (patterns, excluded) = (list(&said.patterns), list(&said.exclude));
    let for_nothing = patterns.iter().filter_map(|Placed { value: pattern, place }| {
        let by = excluded.iter().find(|exclude| exclude.value.surrounds(pattern))?;
        let what = format!("`{pattern}` is of no effect: all of it is excluded, by `{}`", by.value);
        Some(Mistake::at_key(place.clone(), format!("{path}.match"), what))
    });
    let beside = excluded.iter().filter(|exclude| !patterns.iter().any(|pattern| pattern.value.meets(&exclude.value)));
    let beside = beside.map(|Placed { value: exclude, place }| {
        let what = format!("`{exclude}` is of no effect: nothing of it is in `match`");
        Mistake::at_key(place.clone(), format!("{path}.exclude"), what)
    });
    for_nothing.chain(beside).collect()
}
