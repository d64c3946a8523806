//! Started by a service manager: sockets that are handed over, by name; readiness, signs of life, a line of status.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::kubelet::Kubelet;
use crate::support::manager::Manager;
use crate::support::pair::pair;
use crate::support::repoint::Repoint;

fn own_socket(directory: &TempDir) -> PathBuf {
    directory.path().join("repoint/repoint.sock")
}

fn identity(socket: &Path) -> (u64, u64) {
    let found = fs::metadata(socket).unwrap();
    (found.dev(), found.ino())
}

#[tokio::test]
async fn a_socket_that_is_handed_over_is_served_and_outlives_the_service() {
    let (directory, _standin, setup) = pair();
    let socket = own_socket(&directory);
    let listener = UnixListener::bind(&socket).unwrap();
    let before = identity(&socket);
    // A call that comes before there is anybody waits in the queue.
    let kubelet = Kubelet::v1(&socket);
    let mut early = std::pin::pin!(kubelet.version());
    assert!(tokio::time::timeout(Duration::from_millis(100), early.as_mut()).await.is_err());
    let repoint = setup.handed(listener.try_clone().unwrap(), "repoint").start().await;
    early.await.unwrap();
    assert!(repoint.stop().await.success());
    assert_eq!(identity(&socket), before, "the socket is not the service's to remove");
    UnixStream::connect(&socket).unwrap();
    drop(listener);
}

#[tokio::test]
async fn a_socket_by_another_name_is_left_alone_and_one_of_its_own_is_made() {
    let (directory, _standin, setup) = pair();
    let elsewhere = directory.path().join("elsewhere.sock");
    let listener = UnixListener::bind(&elsewhere).unwrap();
    let repoint = setup.handed(listener, "metrics").start().await;
    Kubelet::v1(&repoint.socket()).version().await.unwrap();
    let log = repoint.log();
    assert!(log.contains("handed over by another name") && log.contains("name=\"metrics\""), "{log}");
    assert!(UnixStream::connect(&elsewhere).is_err(), "nobody may wait at a socket that nobody serves");
}

#[tokio::test]
async fn a_socket_by_another_name_at_the_very_place_is_served_since_nobody_else_can_be_there() {
    let (directory, _standin, setup) = pair();
    let listener = UnixListener::bind(own_socket(&directory)).unwrap();
    let repoint = setup.handed(listener, "repoint.socket").start().await;
    Kubelet::v1(&repoint.socket()).version().await.unwrap();
    assert!(repoint.log().contains("FileDescriptorName="), "{}", repoint.log());
}

#[tokio::test]
async fn a_socket_elsewhere_is_served_beside_the_one_that_was_asked_for() {
    let (directory, _standin, setup) = pair();
    let elsewhere = directory.path().join("elsewhere.sock");
    let listener = UnixListener::bind(&elsewhere).unwrap();
    let repoint = setup.handed(listener, "repoint").start().await;
    for socket in [&elsewhere, &repoint.socket()] {
        Kubelet::v1(socket).version().await.unwrap();
    }
}

#[tokio::test]
async fn where_the_one_that_was_asked_for_cannot_be_had_the_one_that_was_handed_over_is_served() {
    let (directory, _standin, setup) = pair();
    let elsewhere = directory.path().join("elsewhere.sock");
    let listener = UnixListener::bind(&elsewhere).unwrap();
    fs::write(own_socket(&directory), "precious").unwrap();
    let mut manager = Manager::start(directory.path());
    let repoint = setup.handed(listener, "repoint").env("NOTIFY_SOCKET", manager.address()).unreachable();
    manager.hears(0, "READY=1").await;
    Kubelet::v1(&elsewhere).version().await.unwrap();
    assert!(repoint.log().contains("Nobody is served at `listen`"), "{}", repoint.log());
}

#[tokio::test]
async fn what_is_no_listening_socket_is_left_alone() {
    let (directory, _standin, setup) = pair();
    let file = fs::File::create(directory.path().join("file")).unwrap();
    let repoint = setup.handed(file, "repoint").start().await;
    Kubelet::v1(&repoint.socket()).version().await.unwrap();
    assert!(repoint.log().contains("A socket that was handed over is of no use"), "{}", repoint.log());
}

#[tokio::test]
async fn a_socket_that_is_handed_over_is_narrowed_to_the_runtimes() {
    let (directory, _standin, setup) = pair();
    let socket = own_socket(&directory);
    let listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(directory.path().join("runtime.sock"), fs::Permissions::from_mode(0o600)).unwrap();
    let repoint = setup.handed(listener, "repoint").start().await;
    Kubelet::v1(&socket).version().await.unwrap();
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
    assert!(repoint.log().contains("Changed who may connect"), "{}", repoint.log());
}

#[tokio::test]
async fn it_is_ready_once_it_accepts_whether_or_not_the_runtime_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut manager = Manager::start(directory.path());
    let nobody = directory.path().join("runtime.sock");
    let setup = Repoint::before(&nobody, directory.path()).env("NOTIFY_SOCKET", manager.address());
    let socket = directory.path().join("repoint/repoint.sock");
    let starting = setup.start();
    let told = async {
        let told = manager.hears(0, "READY=1").await;
        // Not `start`, which tries again: at this very moment.
        UnixStream::connect(&socket).expect("who says that it is ready accepts");
        told
    };
    let (repoint, (_, message)) = tokio::join!(starting, told);
    assert!(message.contains("\nSTATUS=0 substituted, 0 fell back, 0 failed"), "{message}");
    assert!(repoint.stop().await.success());
    let (_, message) = manager.hears(0, "STOPPING=1").await;
    let extends =
        message.lines().find_map(|line| line.strip_prefix("EXTEND_TIMEOUT_USEC=")).expect("it says for how long");
    assert!(extends.parse::<u64>().unwrap() > 120_000_000, "{message}");
}

#[tokio::test]
async fn the_line_of_status_says_what_was_substituted_and_what_went_wrong() {
    let (directory, standin, setup) = pair();
    standin.cut_off("registry.k8s.io");
    let mut manager = Manager::start(directory.path());
    let repoint = setup.env("NOTIFY_SOCKET", manager.address()).start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.pull("k8s.gcr.io/x:1").await.unwrap_err();
    manager.hears(0, "STATUS=0 substituted, 0 fell back, 1 failed").await;
    fs::write(repoint.config(), "lissen = 1\n").unwrap();
    repoint.signal("HUP");
    let (_, message) =
        manager.hears(0, "STATUS=RELOAD REFUSED; 0 substituted, 0 fell back, 1 failed; last error: ").await;
    assert!(message.contains("The configuration was not taken"), "{message}");
}

#[tokio::test]
async fn a_reload_is_told_with_its_beginning_and_its_end() {
    let (directory, _standin, setup) = pair();
    let mut manager = Manager::start(directory.path());
    let repoint = setup.env("NOTIFY_SOCKET", manager.address()).start().await;
    let (ready, _) = manager.hears(0, "READY=1").await;
    repoint.signal("HUP");
    let (reloading, message) = manager.hears(ready, "RELOADING=1").await;
    assert!(message.contains("\nMONOTONIC_USEC="), "in one message, or it may be about another reload: {message}");
    manager.hears(reloading, "READY=1").await;
}

#[tokio::test]
async fn a_busy_loop_gives_signs_of_life() {
    let (directory, _standin, setup) = pair();
    let mut manager = Manager::start(directory.path());
    let watchdog = Duration::from_millis(600).as_micros().to_string();
    let setup = setup.env("NOTIFY_SOCKET", manager.address()).env("WATCHDOG_USEC", &watchdog);
    let repoint = setup.start().await;
    // Busy all the time, and alive all the same.
    let kubelet = Kubelet::v1(&repoint.socket());
    let mut number = 0;
    for _ in 0..3 {
        let busy = async {
            loop {
                kubelet.version().await.unwrap();
            }
        };
        number = tokio::select! {
            (number, _) = manager.hears(number, "WATCHDOG=1") => number + 1,
            () = busy => unreachable!(),
        };
    }
}

#[tokio::test]
async fn a_manager_that_does_not_listen_holds_nothing_up() {
    let (directory, _standin, setup) = pair();
    // Nobody reads: its queue is full after a few.
    let path = directory.path().join("notify.sock");
    let _deaf = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let repoint = setup.env("NOTIFY_SOCKET", path.to_str().unwrap()).env("WATCHDOG_USEC", "3000").start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        kubelet.version().await.unwrap();
    }
    assert!(repoint.stop().await.success());
}
