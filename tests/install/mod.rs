//! repoint is put under kubelets of every kind, and taken out again, and nobody can tell that it was there.

mod back;
mod baked;
mod eyes;
mod interrupted;
mod layouts;
mod live;
mod refused;
mod running;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::support::repoint::{Output, program, run};
use super::support::world::Missing;
use crate::package::may_be_removed;
use eyes::{Seen, everything};
use layouts::{Layout, OURS, all, at, put};

/// What is recorded, and nobody else's.
const JOURNAL: &str = "var/lib/repoint/install.json";

fn repoint(words: &[&str], root: &Path) -> Output {
    let words: Vec<&str> = words.iter().copied().chain(["--root", root.to_str().unwrap()]).collect();
    run(&words, "")
}

/// Does it, and returns what was said.
fn done(words: &[&str], root: &Path) -> String {
    let output = repoint(words, root);
    assert_eq!(output.code, Some(0), "{words:?}: {output:?}");
    output.stdout
}

/// What repoint is told of the runtime, in a file of its own.
fn told(root: &Path) -> toml::Table {
    let text = fs::read_to_string(at(root, "/etc/repoint/repoint.d/00-install.toml")).unwrap_or_default();
    toml::from_str(&text).unwrap()
}

fn is_wired(layout: &Layout, root: &Path) {
    assert_eq!((layout.endpoint)(root).as_deref(), Some(OURS), "{}", layout.name);
    let told = told(root);
    let value = |key: &str| told.get(key).and_then(toml::Value::as_str);
    assert_eq!((value("runtime"), value("image_endpoint")), (layout.runtime, layout.image), "{}", layout.name);
}

/// In memory, where that can be had: thousands of files are synced.
fn somewhere() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn made(layout: &Layout) -> (tempfile::TempDir, Seen) {
    let directory = somewhere();
    layout.make(directory.path());
    let seen = everything(directory.path());
    (directory, seen)
}

/// What is there is as it was, file by file.
fn same(name: &str, found: &Seen, expected: &Seen) {
    for (path, is) in found {
        let was = expected.get(path).unwrap_or_else(|| panic!("{name}: {path} was not there"));
        assert_eq!(
            (is.0, is.1, String::from_utf8_lossy(&is.2)),
            (was.0, was.1, String::from_utf8_lossy(&was.2)),
            "{name}: {path}"
        );
    }
    for path in expected.keys() {
        assert!(found.contains_key(path), "{name}: {path} is gone");
    }
}

#[test]
fn every_kind_of_node_is_wired_in_one_place_and_restored_to_the_byte() {
    for layout in all() {
        let (directory, before) = made(&layout);
        let root = directory.path();
        assert_ne!((layout.endpoint)(root).as_deref(), Some(OURS));
        done(&["install"], root);
        is_wired(&layout, root);
        let wired = everything(root);
        let changed = wired.iter().filter(|(path, seen)| seen.0 == 'f' && before.get(*path) != Some(*seen));
        let changed: Vec<_> = changed.map(|(path, _)| format!("/{path}")).collect();
        let expected = ["/etc/repoint/repoint.d/00-install.toml", layout.wired, "/var/lib/repoint/install.json"];
        assert!(changed.iter().all(|path| expected.contains(&path.as_str())), "{}: {changed:?}", layout.name);
        done(&["install"], root);
        same(layout.name, &everything(root), &wired);
        done(&["uninstall"], root);
        same(layout.name, &everything(root), &before);
        assert!(done(&["uninstall"], root).contains("nothing is installed"));
    }
}

#[test]
fn what_is_generated_anew_leaves_the_node_wired() {
    for layout in all() {
        let (directory, _) = made(&layout);
        let (other, _) = made(&layout);
        let root = directory.path();
        done(&["install"], root);
        (layout.regenerate)(root);
        (layout.regenerate)(other.path());
        assert_eq!((layout.endpoint)(root).as_deref(), Some(OURS), "{}", layout.name);
        done(&["install"], root);
        assert_eq!((layout.endpoint)(root).as_deref(), Some(OURS), "{}", layout.name);
        done(&["uninstall"], root);
        same(layout.name, &everything(root), &everything(other.path()));
    }
}

#[test]
fn a_package_is_not_removed_while_an_installation_is_there_and_is_after_it() {
    for layout in all() {
        let (directory, _) = made(&layout);
        let root = directory.path();
        may_be_removed(root).unwrap_or_else(|why| panic!("{}: {why}", layout.name));
        done(&["install"], root);
        let why = may_be_removed(root).expect_err(layout.name);
        assert!(why.contains("repoint uninstall"), "{}: {why}", layout.name);
        done(&["uninstall"], root);
        may_be_removed(root).unwrap_or_else(|why| panic!("{}: {why}", layout.name));
    }
}

#[test]
fn a_dry_run_changes_nothing_and_prints_what_patch_makes_the_same_of() {
    let lacking = Missing::programs(&[("patch", "patch")]).err();
    if let Some(missing) = &lacking {
        missing.skip("no patch");
    }
    for layout in all() {
        let (directory, before) = made(&layout);
        let (other, _) = made(&layout);
        let diff = done(&["install", "--dry-run"], directory.path());
        same(layout.name, &everything(directory.path()), &before);
        done(&["install"], directory.path());
        let back = done(&["uninstall", "--dry-run"], directory.path());
        if lacking.is_some() {
            continue;
        }
        let mut wired = everything(directory.path());
        wired.retain(|path, _| path != JOURNAL);
        let patched = |diff: &str| {
            fs::write(other.path().join("diff"), diff).unwrap();
            let patch = Command::new("patch")
                .args(["-p1", "--binary", "--no-backup-if-mismatch", "-E", "-s", "-i", "diff"])
                .current_dir(other.path())
                .output();
            let patch = patch.unwrap();
            assert!(patch.status.success(), "{}: {patch:?}\n{diff}", layout.name);
            fs::remove_file(other.path().join("diff")).unwrap();
            everything(other.path())
        };
        let files = |seen: &Seen| {
            seen.iter().filter(|(_, is)| is.0 == 'f').map(|(path, is)| (path.clone(), is.2.clone())).collect::<Vec<_>>()
        };
        assert_eq!(files(&patched(&diff)), files(&wired), "{}", layout.name);
        assert_eq!(files(&patched(&back)), files(&before), "{}", layout.name);
    }
}

#[test]
fn what_somebody_changes_later_is_theirs_and_stays() {
    let layout = layouts::named("kubeadm, quoted");
    let (directory, _) = made(&layout);
    let root = directory.path();
    done(&["install"], root);
    let file = at(root, layout.wired);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("--v=2", "--v=4").replace("# end", "MORE=1")).unwrap();
    assert!(done(&["install"], root).contains("so already") || (layout.endpoint)(root).as_deref() == Some(OURS));
    done(&["uninstall"], root);
    assert_eq!(fs::read_to_string(&file).unwrap(), "# ours\nKUBELET_EXTRA_ARGS=\"--node-ip=10.0.0.1 --v=4\"\nMORE=1\n");
}

#[test]
fn what_somebody_adds_to_a_line_of_ours_stays_and_so_does_who_may_read_it() {
    let layout = layouts::named("kubeadm 1.31 on Debian");
    let (directory, _) = made(&layout);
    let root = directory.path();
    let file = at(root, layout.wired);
    let _was_there = fs::remove_file(&file);
    done(&["install"], root);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(".sock\n", ".sock --node-ip=10.0.0.7\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    done(&["install"], root);
    assert_eq!((layout.endpoint)(root).as_deref(), Some(OURS));
    done(&["uninstall"], root);
    assert_eq!(fs::read_to_string(&file).unwrap(), "KUBELET_EXTRA_ARGS=--node-ip=10.0.0.7\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_a_file_has_besides_bytes_stays_and_directories_are_open_to_all() {
    let layout = layouts::named("kubeadm, quoted");
    let (directory, _) = made(&layout);
    let root = directory.path();
    let attribute = |name: &str| {
        let mut value = [0; 64];
        let length = rustix::fs::getxattr(at(root, layout.wired), name, &mut value[..]).unwrap();
        value[..length].to_owned()
    };
    rustix::fs::setxattr(at(root, layout.wired), "user.label", b"theirs", rustix::fs::XattrFlags::empty()).unwrap();
    let script = "umask 077; exec \"$@\"";
    let mut install = Command::new("sh");
    install.args(["-c", script, "sh"]).arg(program()).args(["install", "--root"]).arg(root);
    assert!(install.status().unwrap().success());
    assert_eq!(attribute("user.label"), b"theirs");
    assert_eq!(fs::metadata(root.join("etc/repoint/repoint.d")).unwrap().permissions().mode() & 0o777, 0o755);
    done(&["uninstall"], root);
    assert_eq!(attribute("user.label"), b"theirs");
}

#[test]
fn directories_that_others_use_by_now_are_theirs() {
    let layout = layouts::named("plain");
    let (directory, before) = made(&layout);
    let root = directory.path();
    done(&["install"], root);
    put(root, "/etc/repoint/repoint.d/50-theirs.toml", "# theirs\n");
    done(&["uninstall"], root);
    let mut seen = everything(root);
    assert!(seen.remove("etc/repoint/repoint.d/50-theirs.toml").is_some());
    seen.remove("etc/repoint/repoint.d");
    seen.remove("etc/repoint");
    same("plain", &seen, &before);
}

#[test]
fn a_record_that_is_lost_leaves_files_that_say_whose_they_are() {
    for name in ["EKS with SOCI", "k3s server", "plain"] {
        let layout = layouts::named(name);
        let (directory, before) = made(&layout);
        let root = directory.path();
        done(&["install"], root);
        let but_for_the_record = || {
            let mut seen = everything(root);
            seen.retain(|path, _| path != JOURNAL);
            seen
        };
        let wired = but_for_the_record();
        fs::remove_dir_all(root.join("var/lib/repoint")).unwrap();
        done(&["install"], root);
        same(name, &but_for_the_record(), &wired);
        fs::remove_dir_all(root.join("var/lib/repoint")).unwrap();
        done(&["uninstall"], root);
        let files = |seen: &Seen| {
            seen.iter().filter(|(_, is)| is.0 == 'f').map(|(path, is)| (path.clone(), is.clone())).collect::<Seen>()
        };
        same(name, &files(&everything(root)), &files(&before));
    }
}

#[test]
fn the_page_for_operators_names_every_place_and_everyone_who_is_not_supported() {
    let page = include_str!("../../docs/install.md");
    for layout in all() {
        let place = Path::new(layout.wired);
        let is_named = page.contains(layout.wired)
            || page.contains(&format!("`{}` in that directory", place.file_name().unwrap().display()));
        assert!(is_named, "{}: {}", layout.name, layout.wired);
    }
    for unsupported in repoint::node::unsupported::ALL {
        assert!(page.contains(&format!("(`{}`)", unsupported.name)), "{}", unsupported.name);
    }
}
