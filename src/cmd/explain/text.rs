//! The same, for people: a line for each fact, its name in front.

use super::fact::{Asked, Decision, Explanation, Kind, OfCall, Parts, PassedOver, Why};
use crate::output::Plain;
use std::fmt;

/// Displays an explanation.
pub(super) struct Told<'a>(pub(super) &'a Explanation<'a>);

/// Where facts begin, counted from the name in front of them.
const WIDTH: usize = 11;

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { image, kind, error, reference, namespace, decision, passed_over, stands_back, presence } =
            self.0;
        writeln!(f, "{}", Plain(image))?;
        if let Some(error) = error {
            return fact(f, "invalid", format_args!("{} at byte {}", error.message, error.at));
        }
        if *kind == Kind::Id {
            return fact(f, "image ID", "it says which image, not where from: never touched");
        }
        if let Some(parts) = reference {
            fact(f, "reads as", Spoken(parts))?;
        }
        if let Some(namespace) = namespace {
            fact(f, "for pods of", Plain(namespace))?;
        }
        match decision {
            Some(decision) => decided(f, decision)?,
            None => fact(f, "rule", "none decides: pulled as asked for")?,
        }
        let mut name = "not by";
        for passed in passed_over {
            fact(f, name, passed)?;
            name = "";
        }
        let mut name = "stands back";
        for back in stands_back {
            let (builtin, by) = (Plain(back.builtin), Plain(back.by));
            fact(f, name, format_args!("the built-in rule `{builtin}` for {}: `{by}` is for the same", back.pattern))?;
            name = "";
        }
        let mut name = "looked for";
        for present in presence {
            fact(f, name, format_args!("as {}", Plain(present)))?;
            name = "";
        }
        Ok(())
    }
}

/// A line.
fn fact(f: &mut fmt::Formatter<'_>, name: &str, what: impl fmt::Display) -> fmt::Result {
    writeln!(f, "  {name:WIDTH$}  {what}")
}

fn decided(f: &mut fmt::Formatter<'_>, decision: &Decision<'_>) -> fmt::Result {
    let Decision { rule, builtin, pattern, configured_action, action, rollout, targets, nameless_targets, on_failure } =
        decision;
    let built_in = if *builtin { ", built in" } else { "" };
    fact(f, "rule", format_args!("`{}`{built_in}, by its pattern {pattern}", Plain(rule)))?;
    if action == configured_action {
        fact(f, "action", action)?;
    } else {
        fact(f, "action", format_args!("{action} for now: {configured_action} has not reached this node"))?;
    }
    if rollout.percent != "100" {
        let (percent, position) = (&rollout.percent, &rollout.position);
        fact(f, "", format_args!("for {percent} % of the nodes; this one has its turn above {position} %"))?;
    }
    if let Some(from) = &rollout.from {
        fact(f, "", format_args!("from {from} on"))?;
    }
    if *action == "deny" {
        return fact(f, "", "the pull is refused, and nobody is asked");
    }
    let asks = *action == "rewrite";
    for (number, target) in (1_usize..).zip(targets) {
        let name = if asks { format!("asks {number}") } else { format!("would ask {number}") };
        fact(f, &name, format_args!("{}", Plain(&target.image)))?;
        fact(f, "", target)?;
    }
    for place in nameless_targets {
        fact(f, "asks not", format_args!("{place}: it makes no valid name of this one"))?;
    }
    match (asks, *on_failure) {
        (false, _) => fact(f, "then", "as asked for; what would have become of it is recorded"),
        (true, "original") => fact(f, "if all fail", "as asked for"),
        (true, _) => fact(f, "if all fail", "it fails, with what the first one said"),
    }
}

/// How a reference is read.
struct Spoken<'a>(&'a Parts<'a>);

impl fmt::Display for Spoken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { registry, path, tag, digest, implied } = self.0;
        let is = |what| if implied.contains(&what) { " (implied)" } else { "" };
        write!(f, "registry {registry}{}, path {path}", is("registry"))?;
        if implied.contains(&"library") {
            f.write_str(" (library implied)")?;
        }
        match (tag, implied.contains(&"tag")) {
            (Some(tag), _) => write!(f, ", tag {tag}")?,
            (None, true) => f.write_str(", tag latest (implied)")?,
            (None, false) => {}
        }
        digest.map_or(Ok(()), |digest| write!(f, ", digest {digest}"))
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.credentials, self.of_call) {
            (Some(name), OfCall::Kept) => {
                write!(f, "with credentials of `{}`; where it has none, those of the call", Plain(name))?;
            }
            (Some(name), OfCall::Dropped | OfCall::Forwarded) => {
                write!(f, "with credentials of `{}`; those of the call are dropped", Plain(name))?;
            }
            (None, OfCall::Dropped) => f.write_str("without credentials: those of the call are dropped")?,
            (None, OfCall::Kept) => f.write_str("with those of the call, since the registry is the same")?,
            (None, OfCall::Forwarded) => f.write_str("with those of the call, forwarded")?,
        }
        self.timeout_seconds.map_or(Ok(()), |seconds| write!(f, "; for {seconds} s at most"))
    }
}

impl fmt::Display for PassedOver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}): ", Plain(self.rule), self.pattern)?;
        match self.why {
            Why::Excluded => write!(f, "it excludes {}", self.by.unwrap_or("the image")),
            Why::Namespace => f.write_str("it is about pods of other namespaces"),
            Why::NoName => f.write_str("it leaves nothing to make a name of"),
            Why::ShorterPattern => f.write_str("a longer pattern decides"),
            Why::ForAllNamespaces => {
                f.write_str("the one that decides is for this place too, and for fewer namespaces")
            }
        }
    }
}
