//! What the rules say of what is found, and what becomes of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::repoint::{Output, run};

const RULES: &str = r#"
builtin_rules = []
[[rules]]
name = "team"
match = ["k8s.gcr.io"]
namespaces = ["team-*"]
targets = ["team.example/k8s"]
[[rules]]
name = "all"
match = ["k8s.gcr.io", "gcr.io/google-containers"]
targets = ["mirror.example/k8s", "registry.k8s.io"]
[[rules]]
name = "watch"
match = ["watch.example"]
action = "observe"
targets = ["new.example"]
[[rules]]
name = "no"
match = ["bad.example"]
action = "deny"
[[rules]]
name = "hub"
match = ["docker.io"]
targets = ["[::1]:5000/hub"]
[[rules]]
name = "later"
match = ["late.example"]
from = "2999-01-01T00:00:00Z"
targets = ["new.example"]
"#;

/// A directory with rules, and a file.
fn place(text: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("repoint.toml"), RULES).unwrap();
    fs::create_dir(directory.path().join("files")).unwrap();
    fs::write(directory.path().join("files/a.yaml"), text).unwrap();
    let path = directory.path().display().to_string();
    (directory, path)
}

fn scan(path: &str, words: &[&str]) -> Output {
    let (config, files) = (format!("{path}/repoint.toml"), format!("{path}/files"));
    run(&[&["scan", "--config", &config, &files], words].concat(), "")
}

fn found(path: &str, words: &[&str]) -> Vec<String> {
    let ended = scan(path, &[words, &["--format", "json"]].concat());
    let told: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let say = |finding: &Value| {
        let word = |name: &str| finding[name].as_str().unwrap_or("-").to_owned();
        let others = finding["alternatives"].as_array().unwrap().iter().map(|other| other["rule"].as_str().unwrap());
        let others: String = others.map(|name| format!(" or {name}")).collect();
        format!("{} {} {}{others} {}", word("image"), word("rule"), word("action"), word("substitute"))
    };
    told["findings"].as_array().unwrap().iter().map(say).collect()
}

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(path).join("files/a.yaml")).unwrap()
}

#[test]
fn what_is_watched_or_refused_is_found_and_stays() {
    let text = "- image: watch.example/a:1\n- image: bad.example/b:1\n- image: late.example/c:1\n- image: busybox\n";
    let (_directory, path) = place(text);
    assert_eq!(
        found(&path, &[]),
        [
            "watch.example/a:1 watch observe new.example/a:1",
            "bad.example/b:1 no deny -",
            "late.example/c:1 later rewrite new.example/c:1",
            "busybox hub rewrite [::1]:5000/hub/library/busybox",
        ]
    );
    let ended = scan(&path, &["--fix"]);
    assert_eq!(ended.code, Some(5));
    assert!(
        ended.stdout.contains("rule `no` refuses it") && ended.stdout.contains("only observes"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("busybox"), "{}", ended.stdout);
    assert_eq!(
        file(&path),
        "- image: watch.example/a:1\n- image: bad.example/b:1\n- image: new.example/c:1\n- image: \"[::1]:5000/hub/library/busybox\"\n"
    );
}

#[test]
fn a_rule_for_some_namespaces_decides_where_the_namespace_is_known() {
    let text = "image: k8s.gcr.io/a:1\n---\napiVersion: v1\nkind: Pod\nmetadata: {namespace: team-a}\nspec: {containers: [{image: k8s.gcr.io/b:1}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {namespace: b}\nspec: {containers: [{image: k8s.gcr.io/c:1}]}\n";
    let (_directory, path) = place(text);
    let [a, b, c] = found(&path, &[]).try_into().unwrap();
    assert_eq!(a, "k8s.gcr.io/a:1 all rewrite or team mirror.example/k8s/a:1");
    assert_eq!(b, "k8s.gcr.io/b:1 team rewrite team.example/k8s/b:1");
    assert_eq!(c, "k8s.gcr.io/c:1 all rewrite mirror.example/k8s/c:1");
    assert_eq!(found(&path, &["--namespace", "team-x"])[0], "k8s.gcr.io/a:1 team rewrite team.example/k8s/a:1");
    // Which of the two is meant is not for a program to guess.
    let ended = scan(&path, &["--fix"]);
    assert_eq!(ended.code, Some(5));
    assert!(ended.stdout.contains("or team.example/k8s/a:1 where rule `team` decides"), "{}", ended.stdout);
    let (first, rest) = file(&path).split_once('\n').map(|(first, rest)| (first.to_owned(), rest.to_owned())).unwrap();
    assert_eq!(first, "image: k8s.gcr.io/a:1");
    assert!(rest.contains("team.example/k8s/b:1") && rest.contains("mirror.example/k8s/c:1"), "{rest}");
    assert_eq!(scan(&path, &["--fix", "--namespace", "b"]).code, Some(0));
    assert!(file(&path).starts_with("image: mirror.example/k8s/a:1\n"));
}

#[test]
fn pieces_become_pieces_of_the_new_name_or_stay() {
    let text = "\
a: {registry: k8s.gcr.io, repository: sig/app, tag: 1}
b: {registry: gcr.io, repository: google-containers/app, tag: 1}
c: {repository: gcr.io/google-containers/app, tag: 1}
d: {registry: &r gcr.io, repository: google-containers/app, tag: 1}
e: {registry: *r, repository: distroless/app, tag: 1}
";
    let (_directory, path) = place(text);
    scan(&path, &["--fix", "--namespace", "x"]);
    assert_eq!(
        file(&path),
        "\
a: {registry: mirror.example/k8s, repository: sig/app, tag: 1}
b: {registry: mirror.example, repository: k8s/app, tag: 1}
c: {repository: mirror.example/k8s/app, tag: 1}
d: {registry: &r gcr.io, repository: google-containers/app, tag: 1}
e: {registry: *r, repository: distroless/app, tag: 1}
",
        "d shares its registry with e, which is to stay as it is"
    );
}

#[test]
fn the_patch_is_one_that_patch_applies() {
    let text = "image: k8s.gcr.io/a:1\r\nb: 1\r\nother: {image: k8s.gcr.io/b:1} # é";
    let (directory, path) = place(text);
    let ended = Command::new(env!("CARGO_BIN_EXE_repoint"))
        .args(["scan", "--config", "repoint.toml", "--namespace", "x", "--diff", "files"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(5));
    let patch = String::from_utf8(ended.stdout).unwrap();
    assert!(patch.starts_with("--- a/files/a.yaml\n+++ b/files/a.yaml\n@@ "), "{patch}");
    fs::write(directory.path().join("patch"), &patch).unwrap();
    assert_eq!(file(&path), text);
    let applied =
        Command::new("patch").args(["-p1", "--binary", "-i", "patch"]).current_dir(directory.path()).output().unwrap();
    assert!(applied.status.success(), "{applied:?}");
    assert_eq!(file(&path), text.replace("k8s.gcr.io", "mirror.example/k8s"));
}

#[test]
fn a_patch_is_for_the_directory_that_has_all_of_the_files_in_it() {
    let (directory, path) = place("image: k8s.gcr.io/a:1\n");
    let root = directory.path().canonicalize().unwrap();
    let names = ["a\tb.yaml", "a b.yaml", "\u{e9}\"\\\u{202e}.yaml", "line\nfeed.yaml"];
    names.iter().for_each(|name| fs::write(root.join("files").join(name), "image: k8s.gcr.io/a:1\n").unwrap());
    fs::create_dir_all(root.join("other/deep")).unwrap();
    let files = root.join("files").display().to_string();
    for (from, target, base) in [
        ("files", ".", "files"),
        (".", "files", "."),
        ("other/deep", "../../files", "."),
        ("other", &files, "."),
        ("files", "../files/a.yaml", "files"),
    ] {
        let ended = Command::new(env!("CARGO_BIN_EXE_repoint"))
            .args(["scan", "--config", &format!("{path}/repoint.toml"), "--namespace", "x", "--diff", target])
            .current_dir(root.join(from))
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        let told = format!("the patch is for {}:", root.display());
        assert_eq!(said.contains(&told), from != base, "{from} {target}: {said}");
        fs::write(root.join("patch"), &ended.stdout).unwrap();
        let patch = root.join("patch").display().to_string();
        for words in [&["-p1", "-i", &patch][..], &["-p1", "-R", "-i", &patch]] {
            let applied = Command::new("patch").args(words).current_dir(root.join(base)).output().unwrap();
            assert!(applied.status.success(), "{from} {target}: {applied:?}");
            let is_mended = file(&path).contains("mirror.example/k8s/a:1");
            assert_eq!(is_mended, words[1] != "-R", "{from} {target}");
        }
    }
}

#[test]
fn what_would_be_read_in_another_way_with_its_new_name_stays() {
    let (directory, path) = place("image: busybox:1\n");
    // An address in brackets is in quotes, and so no name any more to who looks for one in a text.
    let text = "docker pull docker.io/busybox:1\n";
    fs::write(directory.path().join("files/a.sh"), text).unwrap();
    let ended = scan(&path, &["--fix"]);
    assert!(
        ended.stderr.contains("a.sh: left as it is: with the names changed, it would be read in another way"),
        "{}",
        ended.stderr
    );
    assert_eq!(fs::read_to_string(directory.path().join("files/a.sh")).unwrap(), text);
    assert_eq!(file(&path), "image: \"[::1]:5000/hub/library/busybox:1\"\n");
}

#[test]
fn a_wrong_command_line_or_configuration_is_told_apart_from_a_finding() {
    let (_directory, path) = place("image: k8s.gcr.io/a:1\n");
    assert_eq!(run(&["scan", "--fix", "-"], "").code, Some(2));
    assert_eq!(run(&["scan", "--diff"], "").code, Some(2));
    fs::write(Path::new(&path).join("repoint.toml"), "rulez = []").unwrap();
    assert_eq!(scan(&path, &[]).code, Some(3));
}

#[test]
fn a_kustomization_that_selects_by_a_name_that_is_mended_is_told_of() {
    let (directory, path) = place("image: k8s.gcr.io/a:1\n");
    let text = "images:\n- name: k8s.gcr.io/a\n  newName: mirror.example/k8s/a\n  newTag: v2\n- name: k8s.gcr.io/other\n  newName: mirror.example/b\n";
    fs::write(directory.path().join("files/kustomization.yaml"), text).unwrap();
    for words in [&["--namespace", "x", "--diff"], &["--namespace", "x", "--fix"]] {
        let ended = scan(&path, words);
        let told: Vec<_> = ended.stderr.lines().filter(|line| line.contains(" selects ")).collect();
        assert_eq!(told.len(), 1, "{}", ended.stderr);
        assert!(told[0].contains("kustomization.yaml:2 selects k8s.gcr.io/a,"), "{told:?}");
    }
    assert_eq!(fs::read_to_string(directory.path().join("files/kustomization.yaml")).unwrap(), text);
}

#[test]
fn a_short_name_in_values_of_a_chart_is_one_only_with_a_tag() {
    // As Istio has them: its templates put `hub` in front.
    let values =
        "global: {hub: docker.io/istio, proxy: {image: proxyv2}}\npilot: {image: pilot}\nside: {image: nginx:1}\n";
    let (_directory, path) = place("image: nginx\n");
    fs::write(format!("{path}/files/values.yaml"), values).unwrap();
    let told = scan(&path, &["--format", "csv"]).stdout;
    assert!(told.contains("nginx:1,") && told.contains("a.yaml:1:8"), "{told}");
    assert!(!told.contains("pilot") && !told.contains("proxyv2"), "{told}");
}
