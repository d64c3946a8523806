//! `repoint config`: what is said where, and with which exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::repoint::run;

const MIRROR: &str = "[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [\"m.example\"]\n";

/// What it answers, without the directory's path: exit code, standard output, standard error.
fn config(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let ended = run(&[&["config"], arguments].concat(), "");
    let prefix = format!("{}/", directory.display());
    (ended.code, ended.stdout.replace(&prefix, ""), ended.stderr.replace(&prefix, ""))
}

/// A file with a drop-in.
fn files(file: &str, drop_in: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.toml");
    fs::write(&path, file).unwrap();
    fs::create_dir(directory.path().join("c.d")).unwrap();
    fs::write(directory.path().join("c.d/10.toml"), drop_in).unwrap();
    (directory, path)
}

#[test]
fn a_configuration_that_is_right_is_told_with_what_to_look_at_again() {
    let (directory, path) = files(MIRROR, "[credentials.hub]\nsystemd = \"hub\"\n");
    let (code, said, told) = config(directory.path(), &["check", path.to_str().unwrap()]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert_eq!(
        said,
        "c.toml: 1 rule, 1 drop-in: no mistakes\nwarning: c.d/10.toml:1:14: `credentials.hub`: no target uses it\n"
    );
}

#[test]
fn every_mistake_is_told_on_standard_error() {
    let (directory, path) = files("listen = 5\nnod = \"x\"", "state = ");
    for command in ["check", "show"] {
        let (code, said, told) = config(directory.path(), &[command, path.to_str().unwrap()]);
        assert_eq!((code, said.as_str()), (Some(3), ""));
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        assert!(lines[0].starts_with("repoint: c.toml:1:10: `listen`: "), "{told}");
        assert!(lines[1].starts_with("repoint: c.toml:2:1: `nod`: "), "{told}");
        assert!(lines[2].starts_with("repoint: c.d/10.toml:1:9: "), "{told}");
    }
}

#[test]
fn what_is_shown_can_be_used_as_a_file() {
    let (directory, path) = files(MIRROR, "node = \"n\"\n");
    let (code, page, _) = config(directory.path(), &["show", path.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(page.contains("node = \"n\" # c.d/10.toml:1\n") && page.contains("name = \"m\" # c.toml:2\n"), "{page}");
    let again = directory.path().join("again.toml");
    fs::write(&again, &page).unwrap();
    let (code, shown, told) = config(directory.path(), &["show", again.to_str().unwrap()]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    let without_origin = |page: &str| {
        let lines = page.lines().map(|line| line.split(" # ").next().unwrap_or_default().to_owned());
        lines.filter(|line| !line.starts_with('#')).collect::<Vec<_>>()
    };
    assert_eq!(without_origin(&shown), without_origin(&page));
}

#[test]
fn the_schema_is_json() {
    let (code, schema, _) = config(Path::new("/nonexistent"), &["schema"]);
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = Command::new(env!("CARGO_BIN_EXE_repoint"));
    let output = child.args(["config", "schema"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = child.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("repoint: cannot write to standard output: "));
}

#[test]
fn a_directory_that_may_not_be_read_is_a_mistake() {
    let (directory, path) = files("", "");
    fs::set_permissions(directory.path().join("c.d"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(directory.path().join("c.d")).is_ok() {
        // To root, modes are no obstacle; without these two capabilities they are.
        let less = "-dac_override,-dac_read_search";
        let mut other = Command::new("setpriv");
        other.args([format!("--bounding-set={less}"), format!("--inh-caps={less}")]);
        let output = other.arg(env!("CARGO_BIN_EXE_repoint")).args(["config", "check"]).arg(&path).output().unwrap();
        assert_refused(output.status.code(), &String::from_utf8(output.stderr).unwrap());
    } else {
        let (code, _, told) = config(directory.path(), &["check", path.to_str().unwrap()]);
        assert_refused(code, &told);
    }
}

fn assert_refused(code: Option<i32>, told: &str) {
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("cannot read the configuration directory") && told.contains("Permission denied"), "{told}");
}

#[test]
fn who_else_can_read_a_secret_and_what_is_not_on_this_machine_is_a_warning_not_a_mistake() {
    let (directory, path) = files(MIRROR, "");
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (secret, program, missing) = (at("config.json"), at("provider"), at("missing"));
    for file in [&secret, &program] {
        fs::write(file, "").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let targets = "targets = [{ location = \"a.example\", credentials = \"a\" }, { location = \"b.example\", credentials = \"b\" }, { location = \"c.example\", credentials = \"c\" }]";
    let rule = format!("[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\"]\n{targets}\n");
    let sources = format!(
        "[credentials.a]\ndocker_config = {secret:?}\n[credentials.b]\nprovider = {program:?}\nenv = {{ KEY = \"hunter2\" }}\n[credentials.c]\ndocker_config = {missing:?}\n"
    );
    fs::write(&path, rule + &sources).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let warned = || {
        let (code, said, told) = config(directory.path(), &["check", path.to_str().unwrap()]);
        assert_eq!((code, told.as_str()), (Some(0), ""), "{said}");
        said.lines().skip(1).filter(|line| !line.starts_with("note: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        warned(),
        [
            "warning: c.toml:6:17: `credentials.a.docker_config`: its mode lets everybody read it",
            "warning: c.toml:8:12: `credentials.b.provider`: it is not a program that can be run",
            "warning: c.toml:9:7: `credentials.b.env`: the mode of this file lets everybody read it",
            "warning: c.toml:11:17: `credentials.c.docker_config`: it cannot be looked at: No such file or directory (os error 2)",
        ]
    );
    for (file, mode) in [(secret.as_str(), 0o640), (&program, 0o755), (path.to_str().unwrap(), 0o600)] {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::write(&missing, "{}").unwrap();
    fs::set_permissions(&missing, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(warned(), [""; 0]);
}

#[test]
fn a_configuration_that_needs_a_network_is_told_which_drop_in_lets_it_out() {
    let provider = "[credentials.ecr]\nprovider = \"/bin/true\"\n[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\"]\n\
                    targets = [{ location = \"a.example\", credentials = \"ecr\" }]\n";
    for (text, expected) in [
        ("metrics_tcp = \"127.0.0.1:9469\"\n", "note: `metrics_tcp` needs the drop-in network.conf"),
        (provider, "note: the provider of `credentials.ecr`, if it asks a network, needs the drop-in network.conf"),
        ("", ""),
    ] {
        let (directory, path) = files(text, "");
        let (code, said, _) = config(directory.path(), &["check", path.to_str().unwrap()]);
        assert_eq!(code, Some(0));
        let notes: Vec<_> = said.lines().filter(|line| line.starts_with("note: ")).collect();
        assert!(if expected.is_empty() { notes.is_empty() } else { notes[0].starts_with(expected) }, "{said}");
    }
}
