//! The deprecated ways: `mirrors`, and what `configs` says of TLS.

use super::{Role, origin, role};
use crate::doctor::check::some;
use crate::doctor::{Case, Check, Id};
use crate::node::containerd::Containerd;
use crate::node::kubelet::Word;

/// The mirrors of registries that have none.
const ANY: &str = "*";

pub(super) fn check(case: &Case, containerd: &Containerd) -> Check {
    let id = Id::ContainerdMirrors;
    let Containerd { mirrors, tls, config_path, .. } = containerd;
    let at = |check: Check, words: &[Word]| words.iter().fold(check, |check, word| check.at(word.place()));
    let is_second = case.release().is_some_and(|(major, _)| major >= 2) || containerd.is_for_the_second();
    if let (Some(config_path), [first, ..]) = (config_path, mirrors.as_slice()) {
        return at(refused("mirrors", config_path, &origin(case, &first.file), first), mirrors);
    }
    if let (Some(config_path), [first, ..]) = (config_path, tls.as_slice())
        && !is_second
    {
        return at(refused("configs.*.tls", config_path, &origin(case, &first.file), first), tls);
    }
    if let ([first, ..], true) = (tls.as_slice(), is_second) {
        let names: Vec<String> = tls.iter().map(|word| word.text.clone()).collect();
        return at(
            Check::warning(
                id,
                format!("containerd takes no notice of `configs.*.tls` since 2.0: {}", some(&names)),
                format!(
                    "move what is in {} to the hosts.toml of each of them (`ca`, `client`, `skip_verify`)",
                    origin(case, &first.file)
                ),
            ),
            tls,
        );
    }
    let names: Vec<String> = mirrors.iter().map(|word| word.text.clone()).collect();
    let target = names.iter().find(|name| *name == ANY || role(case, name) == Some(Role::Target));
    let source = names.iter().find(|name| role(case, name) == Some(Role::Source));
    let remedy = |name: &str| {
        let directory = if name == ANY { "_default" } else { name };
        format!(
            "move all of `mirrors` to files that replace it, each endpoint as a `[host.\"…\"]` in DIRECTORY/{directory}/hosts.toml, and name \
             DIRECTORY by `config_path` in the place of `mirrors`: both together are refused"
        )
    };
    let check = match (target, source) {
        (Some(target), _) => Check::warning(
            id,
            match target.as_str() {
                ANY => "`mirrors`, which is deprecated, leads every registry elsewhere that has none of its own (`*`), and what repoint asks of \
                        them"
                    .to_owned(),
                _ => format!("`mirrors`, which is deprecated, leads what repoint asks of {target} elsewhere"),
            },
            remedy(target),
        ),
        (None, Some(source)) => Check::note(
            id,
            format!("`mirrors`, which is deprecated, leads {source} elsewhere, past repoint: the pause image and fallbacks"),
        )
        .remedy(remedy(source)),
        (None, None) if names.is_empty() => Check::ok(id, "containerd has no deprecated `mirrors`"),
        (None, None) => {
            Check::ok(id, format!("`mirrors`, which is deprecated, is about no registry of a rule: {}", some(&names)))
        }
    };
    at(check, mirrors)
}

/// What containerd does not take beside `config_path`.
fn refused(what: &str, config_path: &Word, origin: &str, first: &Word) -> Check {
    let who = if what == "mirrors" { "it" } else { "containerd 1" };
    let file = if origin == first.file.display().to_string() { first.place() } else { origin.to_owned() };
    Check::failure(
        Id::ContainerdMirrors,
        format!(
            "containerd has both `config_path` and `{what}`: {who} refuses that, and serves no CRI from its next start on"
        ),
        format!(
            "move what is in {file} to a hosts.toml below {} ({}), and take it out",
            config_path.text,
            config_path.place()
        ),
    )
}
