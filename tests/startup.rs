//! Bad input: one line that says what to do, an exit code, and nothing lost.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use tempfile::TempDir;

use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Repoint, Setup, run};
use crate::support::standin::{Answer, Standin, State};
use tokio_util::sync::CancellationToken;

fn place() -> (TempDir, Setup) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = directory.path().join("runtime.sock");
    let setup = Repoint::before(&runtime, directory.path());
    fs::create_dir(directory.path().join("repoint")).unwrap();
    (directory, setup)
}

fn socket(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("repoint/repoint.sock")
}

/// The one line it says, when it ends with that code.
fn refused(setup: Setup, code: i32) -> String {
    let (status, said) = setup.refused();
    assert_eq!(status.code(), Some(code), "{said}");
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("repoint: ")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    lines[0].to_owned()
}

#[tokio::test]
async fn a_socket_that_is_served_is_not_taken_away() {
    let (directory, setup) = place();
    let first = setup.start().await;
    let runtime = directory.path().join("runtime.sock");
    let said = refused(Repoint::before(&runtime, directory.path()), 1);
    assert!(said.contains("in use by a running process") && said.contains("--listen"), "{said}");
    let _standin = Standin::start(&runtime);
    Kubelet::v1(&first.socket()).version().await.unwrap();
}

#[tokio::test]
async fn a_socket_that_another_program_serves_is_not_taken_away() {
    let (directory, setup) = place();
    let _other = UnixListener::bind(socket(&directory)).unwrap();
    let said = refused(setup, 1);
    assert!(said.contains("in use by a running process"), "{said}");
    assert!(socket(&directory).exists());
}

#[tokio::test]
async fn a_socket_whose_owner_is_too_busy_to_answer_is_not_taken_away() {
    let (directory, setup) = place();
    let path = socket(&directory);
    let other = with_a_full_queue(&path);
    // One that waits to be accepted fills a queue that has no room.
    let _waiting = UnixStream::connect(&path).unwrap();
    let said = refused(setup, 1);
    assert!(said.contains("in use by a running process"), "{said}");
    drop(other);
}

/// A listener with the shortest queue there is.
fn with_a_full_queue(path: &Path) -> OwnedFd {
    let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&listener, &SocketAddrUnix::new(path).unwrap()).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    listener
}

#[tokio::test]
async fn a_socket_that_nobody_serves_any_more_is_replaced() {
    let (directory, setup) = place();
    drop(UnixListener::bind(socket(&directory)).unwrap());
    let repoint = setup.start().await;
    assert!(repoint.stop().await.success());
}

#[tokio::test]
async fn a_file_in_the_place_of_the_socket_is_left_alone() {
    let (directory, setup) = place();
    fs::write(socket(&directory), "precious").unwrap();
    let said = refused(setup, 1);
    assert!(said.contains("is not a socket") && said.contains("move it away"), "{said}");
    assert_eq!(fs::read_to_string(socket(&directory)).unwrap(), "precious");
}

#[tokio::test]
async fn the_socket_is_for_root_and_its_group() {
    let (directory, setup) = place();
    let repoint = setup.start().await;
    let found = fs::metadata(socket(&directory)).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o660);
    let own = fs::metadata(directory.path()).unwrap();
    assert_eq!((found.uid(), found.gid()), (own.uid(), own.gid()));
    drop(repoint);
}

#[test]
fn the_socket_is_never_wider_than_that_whatever_the_umask() {
    // Watched from the moment it appears: a listener is made again and again, and each time the first look counts.
    let directory = tempfile::tempdir().unwrap();
    let (config, at) = (directory.path().join("c.toml"), |name: &str| directory.path().join(name));
    fs::write(&config, format!("state = {:?}\n[audit]\nfile = {:?}\n", at("state"), at("audit.jsonl"))).unwrap();
    for umask in ["000", "022", "077"] {
        let socket = directory.path().join(format!("{umask}.sock"));
        let script = format!(
            "umask {umask}; exec {} serve --config {} --runtime /nonexistent.sock --listen {}",
            env!("CARGO_BIN_EXE_repoint"),
            config.display(),
            socket.display()
        );
        let mut child = Command::new("sh").args(["-c", &script]).stderr(std::process::Stdio::null()).spawn().unwrap();
        let mut seen = Vec::new();
        let started = std::time::Instant::now();
        while !socket.exists() {
            assert!(started.elapsed() < Duration::from_secs(30), "no socket: {seen:?}");
            for entry in fs::read_dir(directory.path()).unwrap().flatten() {
                if let Ok(found) = entry.metadata()
                    && std::os::unix::fs::FileTypeExt::is_socket(&found.file_type())
                {
                    seen.push(found.permissions().mode() & 0o777);
                }
            }
        }
        seen.push(fs::metadata(&socket).unwrap().mode() & 0o777);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen.last(), Some(&0o660));
        assert!(seen.iter().all(|mode| mode & !0o660 == 0), "{seen:?}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("binary.toml");
    fs::write(&binary, b"\xff\xfe").unwrap();
    for (file, expected) in [
        (directory.path().join("missing.toml"), "No such file"),
        (directory.path().to_owned(), "Is a directory"),
        (binary, "valid UTF-8"),
    ] {
        let ended = run(&["config", "check", file.to_str().unwrap()], "");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{ended:?}");
        let said = ended.stderr;
        assert!(
            said.lines().count() == 1 && said.contains(expected) && said.contains(file.to_str().unwrap()),
            "{said}"
        );
    }
}

#[test]
fn flags_that_make_no_sense_are_told() {
    for (flags, code, expected) in [
        (&["serve", "--runtime", "tcp://1.2.3.4:5"][..], 3, "--runtime: `tcp://1.2.3.4:5` is not a unix socket"),
        (&["serve", "--listen", "relative.sock"], 3, "--listen: `relative.sock` is not a unix socket"),
        (&["serve", "--listen", "/run/a.sock", "--runtime", "/run/a.sock"], 3, "repoint itself listens on"),
        (&["serve", "--lisen", "/run/a.sock"], 2, "--listen"),
        (&["sevre"], 2, "serve"),
        (&[], 2, "Usage"),
    ] {
        let ended = run(flags, "");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{flags:?}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{flags:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_test_says_what_is_in_its_files_and_its_environment() {
    let (directory, setup) = place();
    let rule = "[[rules]]\nname = \"mine\"\nmatch = [\"old.example\"]\ntargets = [\"new.example\"]\n";
    let repoint = setup.toml(rule).drop_in("10-mine", "# mine").env("RUST_LOG", "off").start().await;
    assert_eq!(repoint.log(), "");
    let written = |name: &str| fs::read_to_string(directory.path().join("repoint").join(name)).unwrap();
    assert!(written("repoint.toml").contains(rule));
    assert_eq!(written("repoint.d/10-mine.toml"), "# mine");
}

#[tokio::test]
async fn a_signal_lets_calls_end_and_takes_the_socket_away() {
    let (directory, setup) = place();
    let runtime = Standin::start(&directory.path().join("runtime.sock"));
    let repoint = setup.start().await;
    let socket = repoint.socket();
    let path = "/runtime.v1.ImageService/PullImage";
    let held = CancellationToken::new();
    runtime.answers_once(
        path,
        Answer::message(&repoint::cri::v1::PullImageResponse { image_ref: "id".into() }).held_by(&held),
    );
    let kubelet = Kubelet::v1(&socket);
    let pull = kubelet.pull("k8s.gcr.io/x:1");
    let stop = async {
        runtime.first(path, State::Received).await;
        repoint.signal("TERM");
        while socket.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        held.cancel();
    };
    let (pulled, ()) = tokio::join!(pull, stop);
    assert_eq!(pulled.unwrap(), "id");
    assert_eq!(repoint.records().len(), 1);
    assert!(repoint.ended().await.success());
}

#[tokio::test]
async fn a_pull_that_takes_longer_than_the_stop_is_recorded_as_cancelled() {
    let (directory, setup) = place();
    let runtime = Standin::start(&directory.path().join("runtime.sock"));
    let repoint = setup.start().await;
    let path = "/runtime.v1.ImageService/PullImage";
    runtime.answers_once(path, Answer::silence());
    let kubelet = Kubelet::v1(&repoint.socket());
    let audit = repoint.audit_file();
    let stop = async {
        runtime.first(path, State::Received).await;
        repoint.signal("TERM");
        while repoint.socket().exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Now means now.
        repoint.signal("TERM");
        assert!(repoint.ended().await.success());
    };
    let (pulled, ()) = tokio::join!(kubelet.pull("k8s.gcr.io/x:1"), stop);
    pulled.unwrap_err();
    let text = fs::read_to_string(audit).unwrap();
    let records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["started", "failed", "heartbeat", "stopped"]);
    let record = &records[1];
    assert_eq!((&record["outcome"], &record["image"]), (&"cancelled".into(), &"k8s.gcr.io/x:1".into()));
}

#[test]
fn what_is_asked_for_is_said_on_standard_output() {
    for (argument, expected) in [("--version", env!("CARGO_PKG_VERSION")), ("--help", "serve")] {
        let ended = run(&[argument], "");
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert!(ended.stdout.contains(expected), "{ended:?}");
    }
}

#[tokio::test]
async fn what_one_may_want_to_look_at_again_is_in_the_log() {
    let (directory, setup) = place();
    let secret = directory.path().join("config.json");
    fs::write(&secret, "{}").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let repoint = setup.toml(&format!("[credentials.hub]\ndocker_config = {secret:?}\n")).start().await;
    let log = repoint.log();
    for warning in ["`credentials.hub`: no target uses it", "`credentials.hub.docker_config`: its mode lets everybody"]
    {
        assert!(log.lines().any(|line| line.contains("WARN") && line.contains(warning)), "{log}");
    }
}
