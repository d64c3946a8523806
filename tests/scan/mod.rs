//! `repoint scan`: what is found where, what is not, what is mended, and what it says of what it can't read.

mod corpus;
mod hostile;
mod hub;
mod object;
mod property;
mod rule;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::repoint::{Output, run};
use corpus::{Case, cases};

/// What it says with the built-in rules alone.
fn scan(words: &[&str], stdin: &str) -> Output {
    run(&[&["scan", "--config", "/dev/null"], words].concat(), stdin)
}

/// The same, as JSON.
fn json(words: &[&str], stdin: &str) -> Value {
    let ended = scan(&[words, &["--format", "json"]].concat(), stdin);
    assert!(matches!(ended.code, Some(0 | 5)), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// All of the corpus, below a directory.
fn laid_out(cases: &[Case]) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    for case in cases {
        let path = directory.path().join(&case.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &case.text).unwrap();
    }
    let path = directory.path().display().to_string();
    (directory, path)
}

/// What is said of one file, in the form of the corpus.
fn found(told: &Value, file: &Path) -> Vec<(usize, usize, String, String, bool)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let findings = told["findings"].as_array().unwrap().iter();
    let own = findings.filter(|finding| finding["file"].as_str() == file.to_str());
    own.map(|finding| {
        assert_eq!(finding["where"], format!("{}:{}:{}", file.display(), finding["line"], finding["column"]));
        assert_eq!(finding["count"], 1);
        let (line, column) = (number(&finding["line"]), number(&finding["column"]));
        let partial = finding["partial"].as_bool().unwrap();
        (line, column, text(&finding["image"]), text(&finding["substitute"]), partial)
    })
    .collect()
}

#[test]
fn the_corpus_gives_what_is_marked_in_it_and_nothing_else() {
    let cases = cases();
    assert!(cases.len() >= 120, "{}", cases.len());
    let (directory, path) = laid_out(&cases);
    let told = json(&[&path], "");
    let mut wrong = String::new();
    for case in &cases {
        let file = directory.path().join(&case.path);
        let mut found = found(&told, &file);
        let mut expected = case.findings.clone();
        found.sort();
        expected.sort();
        if found != expected {
            let _infallible =
                write!(wrong, "{} ({}):\n  found    {found:?}\n  expected {expected:?}\n", case.path, case.about);
        }
        let of_file = |unread: &&Value| unread["where"].as_str().unwrap().starts_with(file.to_str().unwrap());
        let unread: Vec<_> = told["unread"].as_array().unwrap().iter().filter(of_file).collect();
        let broken = case.unread.map(|line| format!("{}:{line}", file.display()));
        let said: Vec<_> = unread.iter().map(|unread| unread["where"].as_str().unwrap()).collect();
        if said != broken.as_deref().into_iter().collect::<Vec<_>>() {
            let _infallible = writeln!(wrong, "{} ({}): {unread:?}", case.path, case.about);
        }
    }
    let all: usize = cases.iter().map(|case| case.findings.len()).sum();
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(told["findings"].as_array().unwrap().len(), all);
}

#[test]
fn mending_changes_the_bytes_of_references_alone_and_is_done_once() {
    let cases = cases();
    let (directory, path) = laid_out(&cases);
    let patch = scan(&[&path, "--diff"], "");
    assert_eq!(patch.code, Some(5));
    for case in &cases {
        assert_eq!(
            fs::read_to_string(directory.path().join(&case.path)).unwrap(),
            case.text,
            "--diff alone changed it"
        );
    }
    let ended = scan(&[&path, "--fix", "--format", "json"], "");
    let mut wrong = String::new();
    for case in &cases {
        let now = fs::read_to_string(directory.path().join(&case.path)).unwrap();
        if now != case.mended {
            let _infallible = writeln!(wrong, "{} ({}):\n{now}", case.path, case.about);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let left: usize = cases.iter().map(|case| case.left).sum();
    let is_left = |said: &str| {
        let said: Value = serde_json::from_str(said).unwrap();
        assert_eq!(said["findings"].as_array().unwrap().len(), left, "{said:#}");
    };
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    is_left(&ended.stdout);
    let again = scan(&[&path, "--fix", "--format", "json"], "");
    is_left(&again.stdout);
    assert!(!again.stderr.contains("changed"), "{}", again.stderr);
}
