//! Rules: what each says of itself, and all of them together.

use crate::config::mistake::{Mistake, instead};
use crate::config::place::Placed;
use crate::config::reader::segment;
use crate::config::said::{List, Said, SaidRule, SaidTarget};
use crate::config::source::Source;
use crate::rules::{Action, Conflict, Credentials, Namespaces, Rollout, Rule, Table, Target, builtin};

/// All rules, as far as they make sense.
pub(super) fn table(source: &Source, mistakes: &mut Vec<Mistake>) -> Option<Table> {
    let said = &source.said;
    said_twice(said, mistakes);
    let mut rules: Vec<Rule> = Vec::new();
    for rule in &said.rules {
        let earlier = mistakes.len();
        let made = checked(rule, source, mistakes);
        if rule.is_sound && mistakes.len() == earlier {
            rules.push(made);
        }
    }
    // A rule in a file that can't be read may replace any other. One that makes no sense can't be in another's way, but a
    // built-in one would have stood back for it.
    if !source.is_whole {
        return None;
    }
    if rules.len() == said.rules.len() && !said.lacks_rules {
        add_builtin(said, &mut rules, mistakes);
    }
    match Table::new(rules) {
        Ok(table) => Some(table),
        Err(conflicts) => {
            mistakes.extend(conflicts.iter().map(|conflict| placed(conflict, said)));
            None
        }
    }
}

/// A rule, and what is wrong with it.
fn checked(said: &SaidRule, source: &Source, mistakes: &mut Vec<Mistake>) -> Rule {
    let path = format!("rules.{}", segment(&said.name.value));
    let action = said.action.as_ref().map_or_else(Action::default, |action| action.value);
    let needs_target = said.is_sound && action == Action::Rewrite;
    if needs_target && said.targets.as_ref().is_none_or(|targets| targets.value.is_empty()) {
        let place = said.targets.as_ref().map_or(&said.place, |targets| &targets.place);
        let what = "expected at least one registry, for a rule that rewrites";
        mistakes.push(Mistake::at_key(place.clone(), format!("{path}.targets"), what));
    }
    if action == Action::Deny
        && let Some(on_failure) = &said.on_failure
    {
        let what = "it has no effect: a pull that is denied is tried nowhere";
        mistakes.push(Mistake::at_key(on_failure.place.clone(), format!("{path}.on_failure"), what));
    }
    Rule {
        name: said.name.value.clone(),
        patterns: values(said.patterns.as_ref()),
        exclude: values(said.exclude.as_ref()),
        namespaces: Namespaces {
            only: values(said.namespaces.as_ref()),
            except: values(said.exclude_namespaces.as_ref()),
        },
        action,
        rollout: Rollout {
            percent: said.percent.as_ref().map_or(Rollout::FULL.percent, |percent| percent.value),
            from: said.from.as_ref().map(|from| from.value),
        },
        targets: targets(said, &format!("{path}.targets"), source, mistakes),
        on_failure: said.on_failure.as_ref().map(|on_failure| on_failure.value).unwrap_or_default(),
        builtin: false,
    }
}

fn values<T: Clone>(list: Option<&List<T>>) -> Vec<T> {
    list.into_iter().flat_map(|list| &list.value).map(|Placed { value, .. }| value.clone()).collect()
}

fn targets(rule: &SaidRule, path: &str, source: &Source, mistakes: &mut Vec<Mistake>) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for SaidTarget { location, credentials, timeout } in
        rule.targets.iter().flat_map(|targets| &targets.value).map(|target| &target.value)
    {
        let is_same = |other: &Target| {
            other.place.registry() == location.value.registry() && other.place.path() == location.value.path()
        };
        if targets.iter().any(is_same) {
            let what = format!("`{}` is a target of this rule already", location.value);
            mistakes.push(Mistake::at_key(location.place.clone(), path, what));
        }
        if let Some(name) = credentials {
            unknown_source(name, path, source, mistakes);
        }
        targets.push(Target {
            place: location.value.clone(),
            credentials: credentials.as_ref().map(|name| whose(&name.value)).unwrap_or_default(),
            timeout: timeout.as_ref().map(|timeout| timeout.value),
        });
    }
    targets
}

fn whose(name: &str) -> Credentials {
    let own = [Credentials::None, Credentials::Forward].into_iter().find(|own| own.name() == name);
    own.unwrap_or_else(|| Credentials::Source(name.to_owned()))
}

/// Tells of a name that no source of credentials has. It may be in a file that can't be read.
fn unknown_source(name: &Placed<String>, path: &str, source: &Source, mistakes: &mut Vec<Mistake>) {
    let Credentials::Source(wanted) = whose(&name.value) else { return };
    let sources = || source.said.credentials.iter().map(|said| said.name.value.as_str());
    if source.is_whole && !sources().any(|name| name == wanted) {
        let own = [Credentials::None, Credentials::Forward];
        let names = sources().chain(own.iter().map(Credentials::name));
        // What a name would have to be quoted for may be a password, by somebody who took the source for the login.
        let what = if segment(&wanted) == wanted {
            format!("there is no [credentials.{wanted}]; {}", instead(&wanted, names))
        } else {
            format!("no source has this name; {}", instead(&wanted, names))
        };
        mistakes.push(Mistake::at_key(name.place.clone(), format!("{path}.credentials"), what));
    }
}

fn said_twice(said: &Said, mistakes: &mut Vec<Mistake>) {
    let aliases = said.builtin_rules.as_ref().map(|aliases| aliases.value.as_slice()).unwrap_or_default();
    for (number, alias) in aliases.iter().enumerate() {
        if aliases.iter().take(number).any(|earlier| earlier.value == alias.value) {
            let what = format!("`{}` is on already", alias.value);
            mistakes.push(Mistake::at_key(alias.place.clone(), "builtin_rules", what));
        }
    }
}

/// Adds the built-in rules that are on, or notes why one can't be.
fn add_builtin(said: &Said, rules: &mut Vec<Rule>, mistakes: &mut Vec<Mistake>) {
    let Some(aliases) = &said.builtin_rules else {
        rules.extend(builtin::rule(builtin::KUBERNETES));
        return;
    };
    for (number, alias) in aliases.value.iter().enumerate() {
        if !aliases.value.iter().take(number).any(|earlier| earlier.value == alias.value) {
            rules.extend(builtin::rule(&alias.value));
        }
    }
    // Last, since it is about the others.
    if let Some(alias) = aliases.value.iter().find(|alias| alias.value == builtin::COREDNS) {
        let derived = builtin::coredns(rules);
        if derived.is_empty() {
            let what = format!(
                "`{}` is for a mirror that kubeadm filled, and there is no rule with such a mirror: write a rule that matches `{}` and has your mirror in `targets`",
                alias.value,
                builtin::KUBERNETES
            );
            mistakes.push(Mistake::at_key(alias.place.clone(), "builtin_rules", what));
        }
        rules.extend(derived);
    }
}

/// A conflict at the later one of the rules that it names. Built-in rules are written nowhere.
fn placed(conflict: &Conflict, said: &Said) -> Mistake {
    let rule = |name: &str| said.rules.iter().find(|rule| rule.name.value == name);
    let matching = |name: &str, pattern: Option<&str>| {
        let rule = rule(name)?;
        let patterns = rule.patterns.as_ref()?;
        let one = patterns.value.iter().find(|one| Some(one.value.to_string().as_str()) == pattern);
        Some((one.map_or(&patterns.place, |one| &one.place), format!("rules.{}.match", segment(name))))
    };
    let targeting = |name: &str, target: &str| {
        let targets = rule(name)?.targets.as_ref()?;
        let one = targets.value.iter().find(|one| one.value.location.value.as_str() == target)?;
        Some((&one.place, format!("rules.{}.targets", segment(name))))
    };
    let places = match conflict {
        Conflict::Twice { first, second, place } => [matching(first, Some(place)), matching(second, Some(place))],
        Conflict::Chain { rule, target, by } => [targeting(rule, target), matching(by, None)],
    };
    let later = places.into_iter().flatten().max_by(|(one, _), (other, _)| one.cmp(other));
    let switched_on = || said.builtin_rules.as_ref().map(|aliases| (&aliases.place, "builtin_rules".to_owned()));
    match later.or_else(switched_on) {
        Some((place, key)) => Mistake::at_key(place.clone(), key, conflict),
        // Nobody wrote anything, and what is built in agrees with itself.
        None => Mistake::in_file(1, conflict),
    }
}
