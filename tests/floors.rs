//! The floors of the house are law: a module uses modules on floors below its own. What holds them in place is here;
//! what they are for is in `src/lib.rs`.

use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first. A new top-level module gets its floor here.
const FLOORS: &[&[&str]] = &[
    &["args", "body", "clock", "error", "exit", "machine", "metrics", "output", "reference", "whole", "wire"],
    &["cri", "rules"],
    &["audit", "credentials", "rewrite"],
    &["registry", "runtime"],
    &["proxy"],
    &["config", "node"],
    &["daemon", "find", "install"],
    &["doctor"],
    &["cmd"],
];

fn floor(module: &str) -> usize {
    FLOORS.iter().position(|floor| floor.contains(&module)).unwrap_or_else(|| panic!("`{module}` has no floor"))
}

fn sources(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            sources(&entry.path(), out);
        } else {
            out.push(entry.path());
        }
    }
}

/// The top-level modules that a file uses, in code, not in comments.
fn used(text: &str) -> Vec<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut used = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            // `use crate::{a, b::c};`
            Some(list) => {
                let items = list.split('}').next().unwrap_or_default();
                used.extend(items.split(',').map(|item| name(item.trim())));
            }
            None => used.push(name(rest)),
        }
    }
    used.retain(|name| !name.is_empty());
    used
}

#[test]
fn no_module_reaches_up() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut edges = 0;
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let own = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        // The map of the house, and its door.
        if ["lib", "main"].contains(&own) {
            continue;
        }
        for used in used(&fs::read_to_string(&file).unwrap()) {
            edges += 1;
            assert!(
                used == own || floor(&used) < floor(own),
                "{}: uses `{used}`, which is not below it",
                relative.display()
            );
        }
    }
    assert!(edges > 50, "only {edges} uses were found: is the reading still right?");
}

#[test]
fn every_module_that_has_a_floor_is_there() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for module in FLOORS.iter().copied().flatten() {
        let there = src.join(module).join("mod.rs").is_file() || src.join(format!("{module}.rs")).is_file();
        assert!(there, "`{module}` is gone: take it off its floor");
    }
}
