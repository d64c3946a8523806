//! What is handed out is one thing in three forms, and says what it is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::host::{package, packages};
use crate::support::world::Missing;

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The files below a directory, with what is in them.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
            } else {
                all.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    all
}

fn unpacked(unpack: impl FnOnce(&Path) -> Command) -> BTreeMap<PathBuf, Vec<u8>> {
    let directory: TempDir = tempfile::tempdir().unwrap();
    run(&mut unpack(directory.path()));
    files(directory.path())
}

#[test]
fn the_hashes_are_those_of_the_files_and_each_file_has_one() {
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(packages()));
    let sums = fs::read_to_string(packages().join("SHA256SUMS")).unwrap();
    let listed: BTreeSet<_> = sums.lines().map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect();
    let mut there: BTreeSet<_> =
        fs::read_dir(packages()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(there.remove("SHA256SUMS"));
    assert_eq!(listed, there);
    assert_eq!(there.len(), 4, "{there:?}");
}

#[test]
fn all_three_have_the_same_files() {
    let deb = unpacked(|to| {
        let mut command = Command::new("dpkg-deb");
        command.arg("--extract").arg(package(".deb")).arg(to);
        command
    });
    let mut tarball = unpacked(|to| {
        let mut command = Command::new("tar");
        command.args(["--strip-components=1", "-xzf"]).arg(package(".tar.gz")).arg("-C").arg(to);
        command
    });
    // For who looks into the tarball, and for Debian's policy.
    assert!(tarball.remove(Path::new("README.md")).is_some());
    let mut deb = deb;
    assert!(deb.remove(Path::new("usr/share/doc/repoint/copyright")).is_some());
    assert_eq!(deb.keys().collect::<Vec<_>>(), tarball.keys().collect::<Vec<_>>());
    assert!(deb == tarball, "they differ in some file");
    if let Err(missing) = Missing::programs(&[("rpm", "rpm")]) {
        return missing.skip("no rpm");
    }
    let listed = Command::new("rpm").args(["--query", "--list", "--package"]).arg(package(".rpm")).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let rpm: BTreeSet<_> = listed.lines().map(|line| PathBuf::from(line.trim_start_matches('/'))).collect();
    assert_eq!(rpm, tarball.into_keys().collect());
}

#[test]
fn no_file_is_of_the_machine_that_made_it() {
    let home = std::env::var("HOME").unwrap();
    for path in [env!("CARGO_MANIFEST_DIR"), &format!("{home}/.cargo")] {
        for (name, bytes) in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target/package/root")) {
            let found = bytes.windows(path.len()).any(|bytes| bytes == path.as_bytes());
            assert!(!found, "{} has {path} in it", name.display());
        }
    }
}

#[test]
fn the_list_of_materials_has_what_the_program_is_made_of_and_nothing_else() {
    let list: Value = serde_json::from_str(&fs::read_to_string(package(".cdx.json")).unwrap()).unwrap();
    assert_eq!((&list["bomFormat"], &list["metadata"]["component"]["name"]), (&"CycloneDX".into(), &"repoint".into()));
    let components = list["components"].as_array().unwrap();
    let names: BTreeSet<_> = components.iter().map(|component| component["name"].as_str().unwrap()).collect();
    for within in ["hyper", "tokio", "prost", "rustix", "glibc", "rust-std"] {
        assert!(names.contains(within), "{within}");
    }
    // What the tests and the build are made of.
    for without in ["tempfile", "proptest", "clap_mangen", "protox", "tonic-prost-build"] {
        assert!(!names.contains(without), "{without}");
    }
    // A crate comes from somewhere, and has a licence; and no relation leads to what is not listed.
    for component in components {
        let is_crate = !["glibc", "rust-std"].contains(&component["name"].as_str().unwrap());
        assert!(!is_crate || component["hashes"][0]["content"].is_string(), "{component}");
        assert!(component["licenses"][0].is_object(), "{component}");
    }
    let known: BTreeSet<_> = components
        .iter()
        .chain([&list["metadata"]["component"]])
        .map(|c| &c["bom-ref"])
        .map(Value::to_string)
        .collect();
    for relation in list["dependencies"].as_array().unwrap() {
        for end in [&relation["ref"]].into_iter().chain(relation["dependsOn"].as_array().into_iter().flatten()) {
            assert!(known.contains(&end.to_string()), "{end}");
        }
    }
}
