//! What nobody means well: it is told of, and the rest is read.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{json, scan};

const GOOD: &str = "image: k8s.gcr.io/pause:3.9\n";

/// A directory with one good file in it.
fn place() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("good.yaml"), GOOD).unwrap();
    let path = directory.path().display().to_string();
    (directory, path)
}

/// What could not be read, below a directory.
fn unread(told: &Value, path: &str) -> Vec<(String, String)> {
    let say = |unread: &Value| {
        let place = unread["where"].as_str().unwrap();
        let place = place.strip_prefix(path).unwrap_or(place).trim_start_matches('/');
        (place.to_owned(), unread["why"].as_str().unwrap().to_owned())
    };
    told["unread"].as_array().unwrap().iter().map(say).collect()
}

#[test]
fn what_is_no_text_or_too_much_of_it_is_told_of_and_the_rest_is_read() {
    let (directory, path) = place();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    write("binary.yaml", b"a: 1\nb: \0\x01\x02");
    write("latin.yaml", b"a: 1\n# caf\xe9\nimage: k8s.gcr.io/a:1\n");
    write("wide.json", &"{\"image\":\"k8s.gcr.io/a:1\"}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    // Of 100 MB, none of which is on the disk.
    let mut large = File::create(directory.path().join("large.yaml")).unwrap();
    large.write_all(GOOD.as_bytes()).unwrap();
    large.set_len(100 << 20).unwrap();
    let told = json(&[&path], "");
    assert_eq!(told["findings"].as_array().unwrap().len(), 1);
    assert_eq!(
        unread(&told, &path),
        [
            ("binary.yaml:2", "a NUL byte: this is no text, or not in UTF-8"),
            ("large.yaml", "more than 32 mebibytes: split it"),
            ("latin.yaml:2", "not in UTF-8"),
            ("wide.json:1", "a NUL byte: this is no text, or not in UTF-8"),
        ]
        .map(|(place, why)| (place.to_owned(), why.to_owned()))
    );
    fs::remove_file(directory.path().join("good.yaml")).unwrap();
    let ended = scan(&[&path], "");
    assert_eq!(ended.code, Some(1), "nothing was found, but not everything was read");
    assert!(ended.stderr.contains("4 places could not be read"), "{}", ended.stderr);
}

#[test]
fn much_of_everything_ends() {
    let (directory, path) = place();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("deep.yaml", &"[".repeat(1_000_000));
    write("deeper.yaml", &"- ".repeat(1_000_000));
    write("deep.json", &"{\"a\":".repeat(500_000));
    write("wide.yaml", &format!("[{}]", "a,".repeat(2_100_000)));
    write("line.sh", &"k8s.gcr.io/a:1 ".repeat(20_000));
    write("quotes.sh", &"'\"{{".repeat(300_000));
    let mut laughs = "a0: &a0 [x, x]\n".to_owned();
    for number in 1..2_000 {
        let line = format!("a{number}: &a{number} [*a{0}, *a{0}]\n", number - 1);
        laughs.push_str(&line);
    }
    write("laughs.yaml", &laughs);
    // Each of many mappings merges a list of all others, or one that is as large; or says a long text.
    let (mut one, mut list) = (String::new(), "list: &list [".to_owned());
    for number in 0..5_000 {
        let _infallible = writeln!(one, "a{number}: &a{number} {{key{number}: 1}}");
        let _infallible = write!(list, "*a{number}, ");
    }
    let all: String = (0..5_000).map(|number| format!("key{number}: 1, ")).collect();
    for (name, anchor) in [("list", format!("{one}{list}]\n")), ("large", format!("large: &large {{{all}}}\n"))] {
        let merging = format!("- {{<<: *{name}, image: k8s.gcr.io/{name}:1}}\n").repeat(5_000);
        write(&format!("merge-{name}.yaml"), &format!("{anchor}b:\n{merging}"));
    }
    let long = "a.b/c ".repeat(200_000);
    write("long.yaml", &format!("a: &a \"{long}\"\nb:\n{}", "- image: *a\n".repeat(50_000)));
    let told = json(&[&path], "");
    assert_eq!(told["findings"].as_array().unwrap().len(), 30_001);
    let unread: Vec<_> = unread(&told, &path).into_iter().map(|(place, _)| place).collect();
    assert_eq!(
        unread,
        [
            "deep.json:1",
            "deep.yaml:1",
            "deeper.yaml:1",
            "merge-large.yaml:5003",
            "merge-list.yaml:10003",
            "wide.yaml:1"
        ]
    );
    assert!(told["unread"].as_array().unwrap().iter().all(|unread| unread["searched"] == true));
}

#[test]
fn links_lead_nowhere_and_what_is_no_file_is_not_waited_for() {
    let (directory, path) = place();
    let at = |name: &str| directory.path().join(name);
    symlink(".", at("loop")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at(".ignore"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    symlink("itself.yaml", at("itself.yaml")).unwrap();
    symlink("good.yaml", at("link.yaml")).unwrap();
    symlink("nowhere.yaml", at("dangling.yaml")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe.yaml"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    fs::create_dir(at("directory.yaml")).unwrap();
    let told = json(&[&path, &path, &format!("{path}/good.yaml")], "");
    assert_eq!(told["findings"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["unread"], serde_json::json!([]));
    // Named outright, each is told of.
    for (name, why) in
        [("itself.yaml", "Too many levels"), ("dangling.yaml", "No such file"), ("pipe.yaml", "not a regular file")]
    {
        let ended = scan(&[&format!("{path}/{name}")], "");
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains(why), "{name}: {}", ended.stderr);
    }
    let link = json(&[&format!("{path}/link.yaml")], "");
    assert_eq!(link["findings"].as_array().unwrap().len(), 1);
    assert_eq!(scan(&["/dev/zero"], "").code, Some(1));
}

#[test]
fn names_and_texts_do_nothing_to_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let name = "a\u{1b}[2J\u{202e}\n.yaml";
    fs::write(directory.path().join(name), "image: k8s.gcr.io/pause:3.9\nb: [\n").unwrap();
    let object = "apiVersion: v1\nkind: \"\\e[2J\"\nmetadata: {name: \"\\e[2J|<b>\", uid: u, namespace: \"=cmd()\"}\nspec: {containers: [{name: \"\\e]0;x\\a\", image: k8s.gcr.io/a:1}]}\n";
    let path = directory.path().display().to_string();
    for (words, stdin) in [(&[path.as_str()][..], ""), (&["-"], object)] {
        for format in ["table", "markdown", "csv"] {
            let ended = scan(&[words, &["--format", format]].concat(), stdin);
            assert_eq!(ended.code, Some(5), "{}", ended.stderr);
            let is_bad = |text: &str| {
                text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r')) || text.contains('\u{202e}')
            };
            assert!(!is_bad(&ended.stdout), "{:?}", ended.stdout);
            assert!(!is_bad(&ended.stderr), "{:?}", ended.stderr);
        }
        // Programs have it as it is, in JSON's own escapes.
        let ended = scan(&[words, &["--format", "json"]].concat(), stdin);
        assert!(ended.stdout.chars().all(|c| c >= ' ' || c == '\n'), "{:?}", ended.stdout);
        let told: Value = serde_json::from_str(&ended.stdout).unwrap();
        let finding = &told["findings"][0];
        let said = if words == ["-"] { &finding["owner"]["kind"] } else { &finding["file"] };
        let written = if words == ["-"] { "\u{1b}[2J".to_owned() } else { format!("{path}/{name}") };
        assert_eq!(*said, written.as_str());
    }
    let csv = scan(&["-", "--format", "csv"], object);
    assert!(csv.stdout.contains(",'=cmd(),"), "{}", csv.stdout);
    assert_eq!((csv.stdout.lines().count(), csv.stdout.matches("\r\n").count()), (2, 2), "{}", csv.stdout);
    let patch = scan(&[&path, "--diff"], "");
    assert_eq!(patch.stdout.lines().filter(|line| line.starts_with("+++")).count(), 1, "{:?}", patch.stdout);
}

#[test]
fn what_git_ignores_is_not_looked_at_unless_it_is_named() {
    let (directory, path) = place();
    let write = |name: &str| {
        let file = directory.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, GOOD).unwrap();
    };
    let files =
        ["build/a.yaml", "deep/b/skip.yaml", "deep/b/again.yaml", "kept.yaml", ".hidden/c.yaml", "deep/.git/d.yaml"];
    files.iter().for_each(|name| write(name));
    fs::write(directory.path().join(".gitignore"), "/build\nskip.yaml\nagain.yaml\n[\n").unwrap();
    fs::write(directory.path().join("deep/b/.gitignore"), "!again.yaml\n").unwrap();
    let found = |words: &[&str]| {
        let told = json(words, "");
        let findings = told["findings"].as_array().unwrap().iter();
        let file = |finding: &Value| finding["file"].as_str().unwrap().strip_prefix(&path).unwrap().to_owned();
        findings.map(file).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found(&[&path]), "/deep/b/again.yaml /good.yaml /kept.yaml");
    let (skipped, hidden) = (format!("{path}/deep/b/skip.yaml"), format!("{path}/.hidden"));
    assert_eq!(found(&[&skipped, &hidden]), "/deep/b/skip.yaml /.hidden/c.yaml");
    // What is said above goes for what is below it in the same repository, and `deep` is one of its own.
    assert_eq!(found(&[&format!("{path}/deep/b")]), "/deep/b/again.yaml /deep/b/skip.yaml");
    fs::remove_dir_all(directory.path().join("deep/.git")).unwrap();
    fs::create_dir(directory.path().join(".git")).unwrap();
    assert_eq!(found(&[&format!("{path}/deep/b")]), "/deep/b/again.yaml");
}

#[test]
fn a_file_that_had_better_stay_stays_and_it_is_said_why() {
    let (directory, path) = place();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("readonly.yaml"), GOOD).unwrap();
    fs::set_permissions(at("readonly.yaml"), Permissions::from_mode(0o444)).unwrap();
    fs::write(at("mode.yaml"), GOOD).unwrap();
    fs::set_permissions(at("mode.yaml"), Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    fs::write(at("elsewhere/target"), GOOD).unwrap();
    symlink("elsewhere/target", at("link.yaml")).unwrap();
    fs::write(at("one.yaml"), GOOD).unwrap();
    fs::hard_link(at("one.yaml"), at("two.txt")).unwrap();
    let ended = scan(&[&path, &format!("{path}/link.yaml"), "--fix"], "");
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    for (name, why) in [("readonly.yaml", "read-only"), ("link.yaml", "symbolic link"), ("one.yaml", "other names")] {
        let line = ended.stderr.lines().find(|line| line.contains(name)).unwrap();
        assert!(line.contains(why), "{line}");
    }
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    assert_eq!(text(&at("good.yaml")), "image: registry.k8s.io/pause:3.9\n");
    assert_eq!(text(&at("mode.yaml")), "image: registry.k8s.io/pause:3.9\n");
    assert_eq!(fs::metadata(at("mode.yaml")).unwrap().permissions().mode() & 0o777, 0o640);
    for kept in ["readonly.yaml", "elsewhere/target", "one.yaml"] {
        assert_eq!(text(&at(kept)), GOOD, "{kept}");
    }
    assert_eq!(ended.stdout.matches("write registry").count(), 3, "what is left is listed: {}", ended.stdout);
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
}
