//! The expressions of the policy, evaluated.

use super::super::cel::{Text, Truth};
use super::super::condition::{self, IMAGE, NAME};
use super::super::policy;
use crate::reference::{Name, Reference};
use crate::rules::Table;
use crate::rules::corpus::{Case, Set};

/// What variables stand for.
#[derive(Clone, Copy)]
struct Scope<'a>(&'a [(&'a str, &'a str)]);

impl Scope<'_> {
    fn text(self, text: &Text) -> String {
        let first = |text: &str| text.split('/').next().unwrap().to_owned();
        match text {
            Text::Literal(text) => text.clone(),
            Text::Variable(name) => self.0.iter().find(|(known, _)| known == name).unwrap().1.to_owned(),
            Text::Before(text, separator) => self.text(text).split(separator).next().unwrap().to_owned(),
            Text::BehindSlash(text) => {
                let text = self.text(text);
                text[first(&text).len() + 1..].to_owned()
            }
            Text::Skip(text, count) => self.text(text)[*count..].to_owned(),
            Text::Lower(text) => self.text(text).to_ascii_lowercase(),
            Text::Replace(text, what, with) => self.text(text).replace(what, with),
            Text::Join(texts) => texts.iter().map(|text| self.text(text)).collect(),
            Text::If(condition, one, other) => self.text(if self.truth(condition) { one } else { other }),
        }
    }

    fn truth(self, truth: &Truth) -> bool {
        match truth {
            Truth::Equal(one, other) => self.text(one) == self.text(other),
            Truth::StartsWith(text, start) => self.text(text).starts_with(start),
            Truth::EndsWith(text, end) => self.text(text).ends_with(end),
            Truth::Contains(text, part) => self.text(text).contains(part),
            Truth::HasParts(text, count) => self.text(text).split('/').count() == *count,
            Truth::IsId(text) => matches!(Name::parse(&self.text(text)), Ok(Name::Id(_))),
            Truth::Like(text, glob) => glob.matches(&self.text(text)),
            Truth::Not(inner) => !self.truth(inner),
            Truth::All(all) => all.iter().all(|one| self.truth(one)),
            Truth::Any(all) => all.iter().any(|one| self.truth(one)),
        }
    }
}

/// The name that is made of an image; `None` where it is passed over.
fn name(image: &str) -> Option<String> {
    if !Scope(&[(IMAGE, image)]).truth(&policy::is_name()) {
        return None;
    }
    let image = image.split('@').next().unwrap().to_owned();
    Some(condition::steps().iter().fold(image, |image, step| Scope(&[(IMAGE, &image)]).text(step)))
}

#[test]
fn a_name_is_the_registry_and_the_path_that_the_runtimes_read() {
    for image in Case::all().map(|case| case.image()) {
        match Name::parse(&image) {
            Ok(Name::Id(_)) => assert_eq!(name(&image), None),
            Ok(Name::Reference(reference)) => {
                let path = reference.components().collect::<Vec<_>>().join("/");
                let registry = crate::rules::place::normal(reference.registry());
                assert_eq!(name(&image), Some(format!("{registry}/{path}")), "{image}");
            }
            // Kubernetes may take it, and no node pulls it.
            Err(_) => {}
        }
    }
    assert_eq!(name(""), None);
}

/// The names of the rules that decide, by their expressions.
fn deciding(table: &Table, image: &str, namespace: &str) -> Vec<String> {
    let Some(name) = name(image) else { return Vec::new() };
    let variables = [(NAME, name.as_str()), (policy::NAMESPACE, namespace)];
    let is_true = |truth| Scope(&variables).truth(&truth);
    let rules = table.rules().iter().filter(|rule| is_true(condition::decides(table, rule)));
    rules.map(|rule| rule.name.clone()).collect()
}

#[test]
fn the_policy_finds_the_rule_that_the_table_decides_by_and_no_other() {
    let mut compared = 0;
    for set in Set::ALL {
        let table = set.table();
        for case in Case::all() {
            // Length is nobody's business but the grammar's.
            let image = case.image();
            let Ok(reference) = Reference::parse(&image) else { continue };
            if image.len() > 240 {
                continue;
            }
            for namespace in ["default", "prod", "team-a", "team-b1", "kube-system", case.namespace.unwrap_or("x")] {
                compared += 1;
                let expected: Vec<_> =
                    table.decide(reference, Some(namespace)).iter().map(|found| found.rule.name.clone()).collect();
                assert_eq!(deciding(&table, &image, namespace), expected, "{set:?}: `{image}` in {namespace}");
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}
