//! Readers of others, in Python, which Debian has.

use std::process::{Command, Stdio};

use super::world::Missing;

/// A Python with this module, of that package of Debian's; where there is none, that is said, or fails where CI promises one.
pub fn with(module: &str, package: &'static str, what: &str) -> Option<&'static str> {
    let has_it = |python: &&str| {
        let mut command = Command::new(python);
        command.args(["-c", &format!("import {module}")]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = ["/usr/bin/python3", "python3"].into_iter().find(|python| has_it(python));
    if found.is_none() {
        Missing::Programs(vec![("python3 with a module", package)]).skip(what);
    }
    found
}
