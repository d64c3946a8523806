//! The commands that read rules and change nothing: what is said where, and the exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn repoint(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_repoint")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A file in a directory of the test's.
fn file(directory: &Path, name: &str, text: &str) -> String {
    fs::write(directory.join(name), text).unwrap();
    directory.join(name).display().to_string()
}

#[test]
fn an_explanation_is_on_standard_output_and_what_is_wrong_on_standard_error() {
    let output = repoint(&["explain", "--config", "/dev/null", "--json", "k8s.gcr.io/pause:3.9", "a.example/B"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout).lines().count(), 2);
    assert!(text(&output.stdout).contains(r#""image":"registry.k8s.io/pause:3.9""#));
    assert_eq!(text(&output.stderr), "repoint: 1 of 2 references are invalid\n");
    let output = repoint(&["explain", "--config", "/dev/null", "busybox"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let directory = tempfile::tempdir().unwrap();
    let wrong = file(directory.path(), "c.toml", "lissen = 1");
    for command in [&["explain", "busybox"][..], &["config", "export", "hosts.toml"]] {
        let output = repoint(&[command, &["--config", &wrong]].concat());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn what_is_exported_is_written_where_it_is_told_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("certs.d").display().to_string();
    let export = ["config", "export", "hosts.toml", "--config", "/dev/null", "--output", &out];
    for _ in 0..2 {
        let output = repoint(&export);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty() && text(&output.stderr).contains("no pull is recorded"));
    }
    let output = repoint(&["config", "import", &out]);
    assert!(output.status.success(), "{output:?}");
    assert!(
        text(&output.stdout)
            .ends_with("name = \"k8s.gcr.io\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [\"registry.k8s.io\"]\n")
    );
    file(&directory.path().join("certs.d/k8s.gcr.io"), "hosts.toml", "precious");
    let output = repoint(&export);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("repoint did not write it"), "{output:?}");
    assert_eq!(fs::read_to_string(directory.path().join("certs.d/k8s.gcr.io/hosts.toml")).unwrap(), "precious");
    let output = repoint(&["config", "import", &out]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("k8s.gcr.io/hosts.toml:1:9: "), "{output:?}");
}

#[test]
fn what_was_imported_is_a_configuration_that_says_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let conf = "[[registry]]\nprefix = \"old.example\"\nlocation = \"new.example/x\"\ninsecure = true\n";
    let output = repoint(&["config", "import", &file(directory.path(), "registries.conf", conf)]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stderr).contains("registries.conf:4:1: `insecure`"), "{output:?}");
    let rules = file(directory.path(), "rules.toml", &text(&output.stdout));
    let output = repoint(&["explain", "--config", &rules, "old.example/a:1"]);
    assert!(text(&output.stdout).contains("asks 1       new.example/x/a:1"), "{output:?}");
}

#[test]
fn an_error_about_a_file_of_others_does_nothing_to_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "hosts.toml", "[host]\n\"\\u001b[2Jm.example\" = 5\n");
    let output = repoint(&["config", "import", &path]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("`\\u{1b}[2Jm.example`: expected a table") && !told.contains('\u{1b}'), "{told:?}");
}

#[test]
fn a_file_of_a_registry_is_for_the_one_its_directory_is_called_after_wherever_one_stands() {
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("old.example");
    fs::create_dir(&own).unwrap();
    file(&own, "hosts.toml", "server = \"https://new.example\"");
    let mut import = Command::new(env!("CARGO_BIN_EXE_repoint"));
    let output = import.args(["config", "import", "hosts.toml"]).current_dir(&own).output().unwrap();
    assert!(text(&output.stdout).contains("match = [\"old.example\"]"), "{output:?}");
}

#[test]
fn what_has_no_end_is_not_read_to_it() {
    let output = repoint(&["config", "import", "/dev/zero"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "repoint: cannot read /dev/zero: it is not a regular file\n");
}
