//! A `ValidatingAdmissionPolicy` of Kubernetes (1.30 and later): manifests are warned of, or refused, before a node ever
//! sees them.
//!
//! Only images that an update brings are looked at, not those that were there: a policy that comes later must not keep
//! controllers from scaling what runs, or from taking a finalizer off a pod.

use super::cel::{Text, Truth, literal};
use super::condition::{self, IMAGE, NAME};
use super::quoted;
use super::{Exported, File, Loss, MARK, View, comments};
use crate::rules::{Action, Rule};
use std::fmt::Write;
use std::sync::Arc;

/// The namespace that an object is to be in.
pub(super) const NAMESPACE: &str = "request.namespace";

/// The images of `$O`, whose pods are as `$S` says.
const IMAGES: &str = "\
($S.containers.filter(c, has(c.image)).map(c, c.image)
 + (has($S.initContainers) ? $S.initContainers.filter(c, has(c.image)).map(c, c.image) : [])
 + (has($S.ephemeralContainers) ? $S.ephemeralContainers.filter(c, has(c.image)).map(c, c.image) : [])
 + (has($S.volumes) ? $S.volumes.filter(v, has(v.image) && has(v.image.reference)).map(v, v.image.reference) : []))";

/// What an object says of its pods.
const SPEC: &str = "\
$O.kind == \"Pod\" ? $O.spec
 : $O.kind == \"CronJob\" ? $O.spec.jobTemplate.spec.template.spec
 : $O.spec.template.spec";

/// What has pods.
const RESOURCES: &[(&str, &str)] = &[
    ("", "pods, pods/ephemeralcontainers"),
    ("apps", "deployments, statefulsets, daemonsets, replicasets"),
    ("batch", "jobs, cronjobs"),
];

/// One policy, and how seriously it is meant.
struct Policy {
    name: &'static str,
    /// What becomes of what it can't evaluate.
    on_fault: &'static str,
    actions: &'static str,
    why: &'static str,
}

const WARNING: Policy = Policy {
    name: "repoint-warn",
    on_fault: "Ignore",
    actions: "[Warn, Audit]",
    why: "Nodes pull these images from elsewhere: manifests should say so.",
};

const REFUSING: Policy = Policy {
    name: "repoint-deny",
    on_fault: "Fail",
    actions: "[Deny]",
    why: "Nodes refuse these images: so does the API server. (Static pods are refused by nodes alone.)",
};

/// The rules as policies for the API server, with their bindings.
pub fn policy(view: View<'_>) -> Exported {
    let mut losses = Vec::new();
    let (mut warnings, mut refusals) = (Vec::new(), Vec::new());
    for rule in view.rules.rules() {
        let is_everywhere = rule.rollout.percent.to_string() == "100";
        let is_now = rule.rollout.from.is_none_or(|from| from <= view.now);
        if !is_everywhere || !is_now {
            let what = "the API server knows neither nodes nor days: manifests are warned of at once, whatever `percent` and `from` say";
            losses.push(Loss::of(&rule.name, what));
        }
        if rule.action == Action::Deny && is_everywhere && is_now {
            refusals.push(rule);
        } else {
            warnings.push(rule);
        }
    }
    losses.push(Loss::of_all(
        "targets, their credentials, time limits and `on_failure` are for nodes: nothing is rewritten here",
    ));
    let mut text = format!("{MARK}\n{}", comments(&losses));
    for (policy, rules) in [(WARNING, warnings), (REFUSING, refusals)] {
        if !rules.is_empty() {
            let _infallible = write(&mut text, &policy, &rules, view);
        }
    }
    Exported { files: vec![File { path: "repoint-policy.yaml".into(), text }], losses }
}

fn write(text: &mut String, policy: &Policy, rules: &[&Arc<Rule>], view: View<'_>) -> std::fmt::Result {
    let Policy { name, on_fault, actions, why } = policy;
    writeln!(text, "---\n# {why}\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy")?;
    writeln!(text, "metadata:\n  name: {name}\nspec:\n  failurePolicy: {on_fault}")?;
    writeln!(text, "  matchConstraints:\n    resourceRules:")?;
    for (group, resources) in RESOURCES {
        writeln!(text, "    - apiGroups: [{}]\n      apiVersions: [\"v1\"]", quoted(group))?;
        writeln!(text, "      operations: [CREATE, UPDATE]\n      resources: [{resources}]")?;
    }
    writeln!(text, "  variables:")?;
    let images = |spec: &str| IMAGES.replace("$S", spec);
    variable(text, "spec", &SPEC.replace("$O", "object"))?;
    variable(text, "oldSpec", &SPEC.replace("$O", "oldObject"))?;
    let before = format!("request.operation == \"UPDATE\" ? {} : []", images("variables.oldSpec"));
    variable(text, "oldImages", &before)?;
    let new = format!("{}\n .filter({IMAGE}, !({IMAGE} in variables.oldImages))", images("variables.spec"));
    variable(text, "images", &new)?;
    variable(text, "names", &names())?;
    for (number, rule) in (1_usize..).zip(rules) {
        let decides = condition::decides(view.rules, rule).to_string();
        variable(text, &format!("rule{number}"), &format!("variables.names.filter({NAME}, {decides})"))?;
    }
    writeln!(text, "  validations:")?;
    for (number, rule) in (1_usize..).zip(rules) {
        let message = format!("variables.rule{number}.join(\", \") + {}", literal(&format!(": {}", said(rule))));
        writeln!(text, "  - expression: variables.rule{number}.size() == 0")?;
        writeln!(text, "    message: {}", quoted(&said(rule)))?;
        writeln!(text, "    messageExpression: {}", quoted(&message))?;
    }
    writeln!(text, "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding")?;
    writeln!(text, "metadata:\n  name: {name}\nspec:\n  policyName: {name}\n  validationActions: {actions}")
}

/// A variable of a policy, its expression as it is.
fn variable(text: &mut String, name: &str, expression: &str) -> std::fmt::Result {
    writeln!(text, "  - name: {name}\n    expression: |-")?;
    expression.lines().try_for_each(|line| writeln!(text, "      {line}"))
}

/// The names of the images, in the form in which they are compared.
fn names() -> String {
    let mut names = format!("variables.images\n .filter({IMAGE}, {})", is_name());
    let _infallible = write!(names, "\n .map({IMAGE}, {})", Text::Before(Box::new(Text::Variable(IMAGE)), "@"));
    for step in condition::steps() {
        let _infallible = write!(names, "\n .map({IMAGE}, {step})");
    }
    names
}

/// Whether an image is a name at all: a template may leave it to others, and an ID is not looked for in a registry.
pub(super) fn is_name() -> Truth {
    let image = || Text::Variable(IMAGE);
    let is_empty = Truth::Equal(image(), Text::Literal(String::new()));
    Truth::All(vec![Truth::Not(Box::new(is_empty)), Truth::Not(Box::new(Truth::IsId(image())))])
}

/// What the rule says of images.
fn said(rule: &Rule) -> String {
    let targets = rule.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let Rule { name, .. } = rule;
    match rule.action {
        Action::Deny => format!("refused on nodes by rule {name} of repoint"),
        Action::Rewrite => {
            format!("pulled on nodes from {targets} by rule {name} of repoint; name that registry instead")
        }
        Action::Observe if targets.is_empty() => format!("watched for on nodes by rule {name} of repoint"),
        Action::Observe => {
            format!("to be pulled from {targets} by rule {name} of repoint; name that registry instead")
        }
    }
}
