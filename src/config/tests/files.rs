//! Several files, and files that are not what they should be.

use super::{Serve, Settings, Source, load, settings, substitute, warnings};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn loaded(directory: &TempDir) -> Source {
    load(Some(&directory.path().join("repoint.toml")))
}

fn holds(directory: &TempDir) -> Settings {
    settings(&Serve::default(), &loaded(directory)).unwrap()
}

/// The mistakes, with paths that begin in the directory.
fn told(directory: &TempDir) -> Vec<String> {
    let prefix = format!("{}/", directory.path().display());
    let mistakes = settings(&Serve::default(), &loaded(directory)).unwrap_err();
    mistakes.0.iter().map(|mistake| mistake.to_string().replace(&prefix, "")).collect()
}

fn rule(name: &str, pattern: &str, target: &str) -> String {
    format!("[[rules]]\nname = \"{name}\"\nmatch = [\"{pattern}\"]\ntargets = [\"{target}\"]\n")
}

#[test]
fn drop_ins_go_before_the_file_in_the_order_of_their_names() {
    let directory = directory(&[
        (
            "repoint.toml",
            "node = \"main\"\nruntime_wait = \"1s\"\nstate = \"/main\"\n[audit]\nfile = \"/main\"\n[labels]\ncluster = \"prod\"\npool = \"main\"",
        ),
        ("repoint.d/20-b.toml", "node = \"b\""),
        ("repoint.d/10-a.toml", "node = \"a\"\nruntime_wait = \"2s\"\n[audit]\nfile = \"/a\""),
        ("repoint.d/9.toml", "state = \"/nine\"\n[labels]\npool = \"a\""),
        ("repoint.d/B.toml", "message_limit_bytes = 5"),
    ]);
    let settings = holds(&directory);
    assert_eq!(settings.node, "b");
    assert_eq!(settings.runtime.hold.as_secs(), 2);
    assert_eq!((settings.audit.file.as_path(), settings.state.as_path()), (Path::new("/a"), Path::new("/nine")));
    assert_eq!(settings.message_limit, 5);
    let labels: Vec<_> = settings.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("cluster", "prod"), ("pool", "a")]);
    let names: Vec<_> = loaded(&directory).drop_ins.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["10-a.toml", "20-b.toml", "9.toml", "B.toml"]);
}

#[test]
fn a_rule_is_replaced_as_a_whole_by_name_and_keeps_its_turn() {
    let first = format!(
        "{}percent = 5\n{}[credentials.hub]\nsystemd = \"old\"\ntimeout = \"1s\"\n",
        rule("a", "a.example", "old.example"),
        rule("b", "b.example", "m.example")
    );
    let second = format!(
        "{}{}[credentials.hub]\nsystemd = \"new\"\n",
        rule("c", "c.example", "m.example"),
        rule("a", "a.example", "new.example")
    );
    let directory = directory(&[("repoint.toml", &first), ("repoint.d/x.toml", &second)]);
    let settings = holds(&directory);
    let names: Vec<_> = settings.rules.rules().iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "kubernetes"]);
    assert_eq!(substitute(&settings, "a.example/x:1").as_deref(), Some("new.example/x:1"));
    assert_eq!(settings.rules.rules()[0].rollout, crate::rules::Rollout::FULL);
    let timeout = std::time::Duration::from_secs(10);
    let new = crate::credentials::Source::Systemd { name: "new".to_owned(), timeout };
    assert_eq!(settings.credentials, [("hub".to_owned(), new)]);
}

#[test]
fn what_editors_and_package_managers_leave_behind_is_not_read() {
    let wrong = "this is no TOML";
    let directory = directory(&[
        ("repoint.toml", ""),
        ("repoint.d/.hidden.toml", wrong),
        ("repoint.d/10-a.toml.dpkg-old", wrong),
        ("repoint.d/10-a.toml~", wrong),
        ("repoint.d/README", wrong),
        ("repoint.d/directory.toml/x", wrong),
        ("elsewhere.toml", "node = \"linked\""),
    ]);
    symlink("../elsewhere.toml", directory.path().join("repoint.d/50-link.toml")).unwrap();
    // As systemd has it: what is masked says nothing.
    symlink("/dev/null", directory.path().join("repoint.d/60-masked.toml")).unwrap();
    assert_eq!(holds(&directory).node, "linked");
}

#[test]
fn drop_ins_belong_to_the_file_that_is_named() {
    let directory =
        directory(&[("other.toml", ""), ("other.d/x.toml", "node = \"x\""), ("repoint.d/x.toml", "nod = 1")]);
    let source = load(Some(&directory.path().join("other.toml")));
    assert_eq!(settings(&Serve::default(), &source).unwrap().node, "x");
    let source = load(Some(&directory.path().join("other.d/x.toml")));
    assert_eq!((source.drop_ins.len(), source.mistakes.len()), (0, 0));
}

#[test]
fn the_mistakes_of_all_files_are_told_in_their_order() {
    let directory = directory(&[
        (
            "repoint.toml",
            "listen = \"x\"\n[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\ntargets = [{ location = \"y.example\", credentials = \"hub\" }]\n",
        ),
        ("repoint.d/10.toml", "node = \nstate = \"x\""),
        ("repoint.d/20.toml", "nod = \"x\"\n[credentials.hub]\n"),
    ]);
    symlink("/nonexistent", directory.path().join("repoint.d/15-gone.toml")).unwrap();
    fs::write(directory.path().join("repoint.d/17-binary.toml"), b"\xff").unwrap();
    assert_eq!(
        told(&directory),
        [
            "repoint.toml:1:10: `listen`: `x` is not a unix socket: write it as `unix:///run/containerd/containerd.sock`",
            "repoint.d/10.toml:1:8: string values must be quoted, expected literal string",
            "cannot read the configuration file repoint.d/15-gone.toml: No such file or directory (os error 2)",
            "repoint.d/17-binary.toml:1:1: here it is no longer valid UTF-8",
            "repoint.d/20.toml:1:1: `nod`: there is no such key; did you mean `node`?",
            "repoint.d/20.toml:2:14: `credentials.hub`: it says nowhere to look: expected one of `docker_config`, `provider` and `systemd`",
        ]
    );
}

#[test]
fn rules_of_different_files_that_contradict_each_other_are_told_at_the_later_file() {
    let directory = directory(&[
        ("repoint.toml", &rule("z", "x.example", "y.example")),
        ("repoint.d/10.toml", &rule("a", "x.example", "y.example")),
    ]);
    assert!(told(&directory)[0].starts_with("repoint.d/10.toml:3:10: `rules.a.match`: rules `z` and `a` both match"));
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let told = |path: &str| settings(&Serve::default(), &load(Some(Path::new(path)))).unwrap_err().to_string();
    let expected = "cannot read the configuration file /nonexistent/c.toml: No such file or directory (os error 2)";
    assert_eq!(told("/nonexistent/c.toml"), expected);
    assert!(told("/").contains("Is a directory"));
    let directory = directory(&[("repoint.toml", "")]);
    let file = directory.path().join("repoint.toml");
    fs::File::options().write(true).open(&file).unwrap().set_len((16 << 20) + 1).unwrap();
    assert!(told(file.to_str().unwrap()).ends_with("it has more than 16 MiB"));
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let directory = directory(&[("repoint.toml", "")]);
    let at = |name: &str| directory.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    fs::create_dir(at("repoint.d")).unwrap();
    symlink("../pipe", at("repoint.d/10.toml")).unwrap();
    symlink("/dev/zero", at("repoint.d/20.toml")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    symlink("../socket", at("repoint.d/30.toml")).unwrap();
    let expected = ["10", "20", "30"]
        .map(|name| format!("cannot read the configuration file repoint.d/{name}.toml: it is not a regular file"));
    assert_eq!(told(&directory), expected);
}

#[test]
fn a_dash_is_no_file_and_not_standard_input() {
    let told = settings(&Serve::default(), &load(Some(Path::new("-")))).unwrap_err().to_string();
    let expected = "`-` does not stand for standard input here; a file of that name is `./-`";
    assert_eq!(told, format!("cannot read the configuration file -: {expected}"));
}

#[test]
fn what_is_not_read_and_was_perhaps_meant_is_a_warning() {
    let directory = directory(&[
        ("repoint.toml", ""),
        ("repoint.d/10-a.TOML", ""),
        ("repoint.d/10-b.conf", ""),
        ("repoint.d/10-c.toml~", ""),
        ("repoint.d/10-d.toml", ""),
        ("repoint.d/.10-e.TOML", ""),
        ("repoint.d/10-f.toml.rpmsave", ""),
        ("repoint.d/README", ""),
        ("repoint.d/g.conf/x", ""),
    ]);
    let prefix = format!("{}/", directory.path().display());
    let warned = warnings(&loaded(&directory), &holds(&directory));
    assert_eq!(
        warned.iter().map(|warning| warning.to_string().replace(&prefix, "")).collect::<Vec<_>>(),
        ["10-a.TOML", "10-b.conf", "10-c.toml~"]
            .map(|name| format!("repoint.d/{name} is not read: what is ends in `.toml`"))
    );
}

#[test]
fn a_directory_of_drop_ins_that_cannot_be_read_is_told() {
    let directory = directory(&[("repoint.toml", ""), ("repoint.d", "a file")]);
    assert_eq!(told(&directory), ["cannot read the configuration directory repoint.d: Not a directory (os error 20)"]);
}
