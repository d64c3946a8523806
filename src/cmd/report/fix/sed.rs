//! A script that alters manifests, at the borders of names alone.
//!
//! `k8s.gcr.io/pause:3.9` is not in `harbor.corp/k8s.gcr.io/pause:3.9`, nor in `k8s.gcr.io/pause:3.9.1` or
//! `k8s.gcr.io/pause:3.9@sha256:…`: before and after it stands something that no name has in it (but for the brackets of an
//! IPv6 address, which are at no such place). What stands there may be between two names, and is used up by the first: so
//! each is replaced until none is left. (If the old name is in the new one, it has something of a name in front.)

use super::Mended;
use super::shell::Word;
use std::fmt::Write;

/// What can't be part of a name, as a set of a regular expression.
const BORDER: &str = "[^[:alnum:]_./:@-]";

/// The script. It takes manifests as its arguments.
pub(super) fn script(mended: &[Mended<'_>]) -> String {
    let mut script = String::new();
    for one in mended {
        let Some(new) = one.new.first().filter(|new| *new != one.old.source()) else { continue };
        if script.is_empty() {
            script.push_str("#!/bin/sh -e\n# sh THIS manifests/*.yaml (GNU sed)\n");
        }
        if !one.is_ruled {
            script.push_str(super::UNRULED);
        }
        for more in one.new.iter().skip(1) {
            let _infallible = writeln!(script, "# or {more}");
        }
        let _infallible = writeln!(script, "sed -i -E -e :a -e {} -e ta -- \"$@\"", Word(&replacement(one, new)));
    }
    script
}

/// The kubelet asks for `:latest` where the manifest has no tag.
fn replacement(one: &Mended<'_>, new: &str) -> String {
    let old = one.old.source();
    let (old, tag, new) = match (old.strip_suffix(":latest"), new.strip_suffix(":latest")) {
        (Some(old), Some(new)) => (old, "(:latest)?", new),
        _ => (old, "()", new),
    };
    format!("s#(^|{BORDER}){}{tag}($|{BORDER})#\\1{new}\\2\\3#", regular(old))
}

/// A name as a regular expression that matches it. In a valid one, only these mean more than themselves.
fn regular(name: &str) -> String {
    let mut regular = String::new();
    for character in name.chars() {
        if matches!(character, '.' | '[' | ']') {
            regular.push('\\');
        }
        regular.push(character);
    }
    regular
}
