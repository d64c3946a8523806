//! Who may call, and what: nobody who could not ask the runtime itself. And whose word the configuration is: root's.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use repoint::cri::method::{IMAGE_SERVICE, RPCS};
use repoint::cri::v1::{PullImageRequest, VersionRequest};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::admin::{Admin, until};
use crate::support::caller::{Caller, Reply};
use crate::support::grpc;
use crate::support::kubelet::Kubelet;
use crate::support::repoint::{Repoint, Setup};
use crate::support::somebody::{Somebody, can_be_somebody};
use crate::support::standin::{Answer, Standin, State};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const OLD: &str = "k8s.gcr.io/pause:3.9";
const NEW: &str = "registry.k8s.io/pause:3.9";

const PERMISSION_DENIED: &str = "7";

/// No answer takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// User, group and mode.
type Owner = (u32, u32, u32);

/// A directory that everybody can look into, as `/run`.
fn place() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    mode(directory.path(), 0o755);
    directory
}

fn runtime(directory: &TempDir) -> PathBuf {
    directory.path().join("runtime.sock")
}

fn before(directory: &TempDir) -> Setup {
    Repoint::before(&runtime(directory), directory.path())
}

/// A runtime whose socket is that one's.
fn standin(directory: &TempDir, owner: Owner) -> Standin {
    let standin = Standin::start(&runtime(directory));
    give(&runtime(directory), owner);
    standin
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn give(path: &Path, (uid, gid, of_file): Owner) {
    chown(path, Some(uid), Some(gid)).unwrap();
    mode(path, of_file);
}

fn owner(path: &Path) -> Owner {
    let found = fs::metadata(path).unwrap();
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

/// `[access]`, with these lines.
fn access(lines: &str) -> String {
    format!("[access]\n{lines}\n")
}

fn told((uid, gid, mode): Owner) -> String {
    format!("{mode:04o} {uid}:{gid}")
}

async fn becomes(socket: &Path, expected: Owner) {
    until(&format!("it becomes {}", told(expected)), || owner(socket) == expected).await;
}

/// Lines of the log in which all of that is.
fn lines(log: &str, parts: &[&str]) -> usize {
    log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}

// ==== The socket ====

#[tokio::test]
async fn the_socket_is_whose_the_configuration_says_by_name_or_by_number() {
    if !can_be_somebody() {
        return;
    }
    for (lines, expected) in [
        ("", (0, 0, 0o660)),
        ("mode = \"0600\"", (0, 0, 0o600)),
        ("group = 12345\nmode = \"640\"", (0, 12345, 0o640)),
        ("owner = 12345", (12345, 0, 0o660)),
        ("owner = \"nobody\"\ngroup = \"daemon\"\nmode = \"0666\"", (65534, 1, 0o666)),
    ] {
        let directory = place();
        let lines = format!("{lines}\nallow_wider_access = true");
        let repoint = before(&directory).toml(&access(&lines)).start().await;
        // From the first moment on.
        assert_eq!(owner(&repoint.socket()), expected, "{lines}");
        assert_eq!(lines_of_change(&repoint), 0, "{}", repoint.log());
    }
}

fn lines_of_change(repoint: &Repoint) -> usize {
    lines(&repoint.log(), &["Changed who may connect"])
}

#[tokio::test]
async fn nobody_may_connect_who_may_not_connect_to_the_runtime() {
    if !can_be_somebody() {
        return;
    }
    let wide = "group = 7\nmode = \"0666\"";
    for (of_runtime, lines, expected) in [
        ((0, 0, 0o660), "", (0, 0, 0o660)),
        ((0, 0, 0o600), "", (0, 0, 0o600)),
        ((0, 0, 0o660), wide, (0, 7, 0o600)),
        ((0, 7, 0o660), wide, (0, 7, 0o660)),
        ((0, 7, 0o640), wide, (0, 7, 0o640)),
        ((0, 0, 0o666), wide, (0, 7, 0o666)),
        ((0, 0, 0o660), "owner = 12345", (0, 0, 0o660)),
        ((12345, 0, 0o660), "owner = 12345", (12345, 0, 0o660)),
        ((0, 0, 0o600), &format!("{wide}\nallow_wider_access = true"), (0, 7, 0o666)),
    ] {
        let directory = place();
        let _standin = standin(&directory, of_runtime);
        let repoint = before(&directory).toml(&access(lines)).start().await;
        assert_eq!(owner(&repoint.socket()), expected, "{lines} before {}", told(of_runtime));
    }
}

#[tokio::test]
async fn a_runtime_that_comes_later_has_its_say_then() {
    if !can_be_somebody() {
        return;
    }
    let directory = place();
    let repoint = before(&directory).toml(&access("group = 7\nmode = \"0666\"")).start().await;
    let socket = repoint.socket();
    // As wide as runtimes make theirs, as long as nobody knows better.
    assert_eq!(owner(&socket), (0, 7, 0o600));
    let _standin = standin(&directory, (0, 7, 0o620));
    becomes(&socket, (0, 7, 0o620)).await;
    give(&runtime(&directory), (0, 0, 0o666));
    becomes(&socket, (0, 7, 0o666)).await;
    give(&runtime(&directory), (0, 0, 0o600));
    becomes(&socket, (0, 7, 0o600)).await;
    let log = repoint.log();
    assert!(lines(&log, &["Changed who may connect", "was=0666 0:7", "is=0600 0:7"]) == 1, "{log}");
}

#[tokio::test]
async fn while_the_runtime_is_away_its_socket_has_the_say_that_it_had() {
    if !can_be_somebody() {
        return;
    }
    for (of_runtime, expected) in [((0, 0, 0o600), (0, 7, 0o600)), ((0, 7, 0o660), (0, 7, 0o660))] {
        let directory = place();
        let mut standin = standin(&directory, of_runtime);
        let repoint = before(&directory).toml(&access("group = 7")).start().await;
        standin.stop().await;
        Admin::of(&repoint).await.looked(&repoint).await;
        assert_eq!(owner(&repoint.socket()), expected, "{}", repoint.log());
        assert_eq!(lines_of_change(&repoint), 0);
    }
}

#[tokio::test]
async fn a_link_to_the_runtimes_socket_makes_it_no_wider() {
    if !can_be_somebody() {
        return;
    }
    let directory = place();
    let private = directory.path().join("private");
    fs::create_dir(&private).unwrap();
    mode(&private, 0o700);
    let _standin = Standin::start(&private.join("real.sock"));
    mode(&private.join("real.sock"), 0o666);
    symlink("private/real.sock", runtime(&directory)).unwrap();
    let repoint = before(&directory).toml(&access("mode = \"0666\"")).start().await;
    assert_eq!(owner(&repoint.socket()), (0, 0, 0o600));
    Kubelet::v1(&repoint.socket()).version().await.unwrap();
}

#[tokio::test]
async fn a_group_that_there_is_not_leaves_the_socket_to_its_owner_and_is_told_once() {
    let directory = place();
    let standin = Standin::start(&runtime(&directory));
    let repoint = before(&directory).toml(&access("group = \"no-such-group\"")).start().await;
    Admin::of(&repoint).await.looked(&repoint).await;
    let own = owner(directory.path());
    assert_eq!(owner(&repoint.socket()), (own.0, own.1, 0o600));
    let log = repoint.log();
    assert_eq!(lines(&log, &["ERROR", "there is no group `no-such-group`", "[access]"]), 1, "{log}");
    Kubelet::v1(&repoint.socket()).version().await.unwrap();
    standin.first(VERSION, State::Answered).await;
}

#[tokio::test]
async fn what_is_changed_by_hand_stays_until_something_else_changes() {
    let directory = place();
    let _standin = Standin::start(&runtime(&directory));
    mode(&runtime(&directory), 0o666);
    let repoint = before(&directory).start().await;
    let admin = Admin::of(&repoint).await;
    mode(&repoint.socket(), 0o606);
    admin.looked(&repoint).await;
    assert_eq!(owner(&repoint.socket()).2, 0o606);
    mode(&runtime(&directory), 0o600);
    let own = owner(directory.path());
    becomes(&repoint.socket(), (own.0, own.1, 0o600)).await;
}

#[tokio::test]
async fn a_reload_changes_who_may_connect() {
    let directory = place();
    let repoint = before(&directory).toml(&access("mode = \"0660\"")).start().await;
    let admin = Admin::of(&repoint).await;
    replace(&repoint, "\"0660\"", "\"0600\"");
    repoint.signal("HUP");
    let own = owner(directory.path());
    becomes(&repoint.socket(), (own.0, own.1, 0o600)).await;
    admin.reloaded("loaded", 1).await;
}

#[tokio::test]
async fn a_socket_that_is_handed_over_is_never_widened() {
    let directory = place();
    let _standin = Standin::start(&runtime(&directory));
    mode(&runtime(&directory), 0o666);
    for (made, expected) in [(0o666, 0o660), (0o640, 0o640), (0o600, 0o600)] {
        let at = Repoint::directory_in(directory.path());
        fs::create_dir_all(&at).unwrap();
        let socket = at.join("repoint.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        mode(&socket, made);
        let repoint = before(&directory).handed(listener, "repoint").start().await;
        Admin::of(&repoint).await.looked(&repoint).await;
        let log = repoint.log();
        assert_eq!(owner(&socket).2, expected, "{log}");
        assert_eq!(lines_of_change(&repoint), usize::from(made != expected), "{log}");
        fs::remove_file(&socket).unwrap();
    }
}

// ==== Users and groups ====

const LISTED: Somebody = Somebody { uid: 12345, gid: 12346 };
const OF_GROUP: Somebody = Somebody { uid: 23456, gid: 23457 };
const OTHER: Somebody = Somebody { uid: 34567, gid: 34568 };
const ROOT: Somebody = Somebody { uid: 0, gid: 0 };

/// Everybody may connect, to the runtime's socket as well; these are listened to.
async fn open(directory: &TempDir, standin: &mut Option<Standin>, lists: &str) -> (Repoint, Admin) {
    *standin = Some(self::standin(directory, (0, 0, 0o666)));
    let lines = format!("mode = \"0666\"\n{lists}");
    let repoint = before(directory).toml(&access(&lines)).start().await;
    // Only root has any business in there otherwise.
    mode(repoint.socket().parent().unwrap(), 0o755);
    let admin = Admin::of(&repoint).await;
    (repoint, admin)
}

/// Whether a call of theirs reaches the runtime; else their connection was closed with not a byte in it.
async fn is_heard(repoint: &Repoint, somebody: Somebody) -> bool {
    let line = somebody.connects(&repoint.socket()).unwrap();
    if is_closed(line) {
        return false;
    }
    let mut caller = Caller::on(somebody.connects(&repoint.socket()).unwrap()).await.unwrap();
    let reply = caller.call(VERSION, grpc::encoded(&VersionRequest::default())).await.unwrap();
    assert_eq!(reply.status(), Some("0"));
    true
}

/// Says what every client of HTTP/2 begins with, and hears whether anybody answers.
fn is_closed(mut line: UnixStream) -> bool {
    line.set_read_timeout(Some(LIMIT)).unwrap();
    let _closed_already = line.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    match line.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => {
            // What was sent to nobody is told as a reset.
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
            true
        }
    }
}

fn turned_away(admin: &Admin) -> usize {
    admin.page().count("repoint_connections_refused_total", &[("reason", "uid")])
}

#[tokio::test]
async fn root_and_who_is_listed_are_listened_to_and_nobody_else() {
    if !can_be_somebody() {
        return;
    }
    let (directory, mut standin) = (place(), None);
    let lists = format!("allow_uids = [{}]\nallow_gids = [{}]", LISTED.uid, OF_GROUP.gid);
    let (repoint, admin) = open(&directory, &mut standin, &lists).await;
    for (somebody, expected) in [
        (ROOT, true),
        (LISTED, true),
        (Somebody::new(LISTED.uid, 99), true),
        (OF_GROUP, true),
        (Somebody::new(99, OF_GROUP.gid), true),
        (OTHER, false),
        // A user is no group, and a group no user.
        (Somebody::new(OF_GROUP.gid, LISTED.uid), false),
        (Somebody::new(99, 0), false),
    ] {
        let before = (turned_away(&admin), standin.as_ref().unwrap().calls().len());
        assert_eq!(is_heard(&repoint, somebody).await, expected, "{somebody:?}");
        let after = (before.0 + usize::from(!expected), before.1 + usize::from(expected));
        assert_eq!((turned_away(&admin), standin.as_ref().unwrap().calls().len()), after, "{somebody:?}");
    }
    let log = repoint.log();
    let own = std::process::id().to_string();
    let (uid, gid, pid) =
        (format!("peer.uid={}", OTHER.uid), format!("peer.gid={}", OTHER.gid), format!("peer.pid={own}"));
    assert_eq!(lines(&log, &["WARN", "not listed in [access]", &uid, &gid, &pid]), 1, "{log}");
    // The others are counted, and not each worth a line.
    assert_eq!(lines(&log, &["WARN", "not listed in [access]"]), 1, "{log}");
}

#[tokio::test]
async fn with_no_list_everybody_is_listened_to_who_may_connect_and_the_debug_log_has_who_it_was() {
    if !can_be_somebody() {
        return;
    }
    let (directory, mut standin) = (place(), None);
    let (repoint, admin) = open(&directory, &mut standin, "").await;
    assert!(is_heard(&repoint, OTHER).await);
    assert_eq!(turned_away(&admin), 0);
    let log = repoint.log();
    let peer = format!("peer.uid={} peer.gid={} peer.pid={}", OTHER.uid, OTHER.gid, std::process::id());
    assert!(lines(&log, &["DEBUG", "A client has connected", &peer]) > 0, "{log}");
}

#[tokio::test]
async fn who_is_listed_by_a_reload_gets_in_and_who_was_in_stays() {
    if !can_be_somebody() {
        return;
    }
    let (directory, mut standin) = (place(), None);
    let (repoint, admin) = open(&directory, &mut standin, "allow_uids = [12345]").await;
    assert!(!is_heard(&repoint, OTHER).await);
    let mut was_in = Caller::on(LISTED.connects(&repoint.socket()).unwrap()).await.unwrap();
    let mut version = async || was_in.call(VERSION, grpc::encoded(&VersionRequest::default())).await.unwrap();
    assert_eq!(version().await.status(), Some("0"));

    replace(&repoint, "[12345]", "[34567]");
    repoint.signal("HUP");
    admin.reloaded("loaded", 1).await;
    assert!(is_heard(&repoint, OTHER).await);
    assert!(!is_heard(&repoint, LISTED).await);
    // Kubelets keep their connections for days; a call is not cut for a list.
    assert_eq!(version().await.status(), Some("0"));
}

/// Puts something else into the file.
fn replace(repoint: &Repoint, what: &str, with: &str) {
    let file = repoint.config();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(what), "{what} is not in {text}");
    fs::write(file, text.replace(what, with)).unwrap();
}

// ==== Services ====

async fn call(caller: &mut Caller, path: &str) -> Reply {
    caller.call(path, Bytes::from_static(&[0, 0, 0, 0, 0])).await.unwrap()
}

#[tokio::test]
async fn with_images_alone_nothing_comes_to_the_runtime_but_images_and_what_checks_an_endpoint() {
    const PASS: [&str; 3] = ["Version", "Status", "RuntimeConfig"];
    let directory = place();
    let standin = Standin::start(&runtime(&directory));
    let repoint = before(&directory).toml(&access("services = [\"image\"]")).start().await;
    let admin = Admin::of(&repoint).await;
    let mut caller = Caller::dial(&repoint.socket()).await;
    let all = RPCS.iter().flat_map(|(service, names)| names.iter().map(move |name| (*service, *name)));
    let of_cri = all.flat_map(|(service, name)| ["v1", "v1alpha2"].map(|version| (version, service, name)));
    let mut paths: Vec<_> = of_cri
        .map(|(version, service, name)| {
            let passes = service == IMAGE_SERVICE || PASS.contains(&name);
            (format!("/runtime.{version}.{service}/{name}"), passes)
        })
        .collect();
    for (path, passes) in [
        ("/runtime.v1.ImageService/NotYetInvented", true),
        ("/runtime.v1.RuntimeService/NotYetInvented", false),
        ("/runtime.v1.RuntimeService/version", false),
        ("/containerd.services.images.v1.Images/Delete", false),
        ("/grpc.health.v1.Health/Check", false),
        ("/x", false),
    ] {
        paths.push((path.to_owned(), passes));
    }
    let mut kept = 0;
    for (path, passes) in &paths {
        // None of them is to be waited for.
        standin.answers(path, |_| Answer::refusal(tonic::Code::DataLoss, "it came to the runtime"));
        let reply = call(&mut caller, path).await;
        if *passes {
            assert_ne!(reply.status(), Some(PERMISSION_DENIED), "{path}");
        } else {
            kept += 1;
            assert_eq!(reply.status(), Some(PERMISSION_DENIED), "{path}");
            let message = reply.headers["grpc-message"].to_str().unwrap();
            for part in [path.as_str(), "services", "[access]"] {
                assert!(message.replace("%20", " ").contains(part), "{path}: {message}");
            }
        }
    }
    assert!(kept > 50, "{paths:?}");
    let seen = standin.calls();
    assert_eq!(seen.len(), paths.len() - kept);
    assert!(seen.iter().all(|seen| paths.contains(&(seen.path().to_owned(), true))), "{seen:?}");

    let page = admin.page();
    assert_eq!(page.count("repoint_answered_total", &[("reason", "closed")]), kept);
    assert_eq!(page.count("repoint_calls_total", &[("code", "PermissionDenied")]), kept);
    let log = repoint.log();
    assert!(lines(&log, &["WARN", "/runtime.v1.RuntimeService/ExecSync", "`services` in [access]"]) == 1, "{log}");
}

#[tokio::test]
async fn with_images_alone_a_pull_is_substituted_and_a_reload_opens_the_rest() {
    let directory = place();
    let standin = Standin::start(&runtime(&directory));
    let repoint = before(&directory).toml(&access("services = [\"image\"]")).start().await;
    let admin = Admin::of(&repoint).await;
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.version().await.unwrap();
    kubelet.pull(OLD).await.unwrap();
    assert_eq!(pulled(&standin).await, NEW);
    assert_eq!(kubelet.start_container("id").await.unwrap_err().code(), tonic::Code::PermissionDenied);
    replace(&repoint, "[\"image\"]", "[\"image\", \"runtime\"]");
    repoint.signal("HUP");
    admin.reloaded("loaded", 1).await;
    assert_eq!(kubelet.start_container("id").await.unwrap_err().code(), tonic::Code::Unimplemented);
}

/// Which image the runtime was asked to pull first.
async fn pulled(standin: &Standin) -> String {
    standin.first(PULL, State::Answered).await.message::<PullImageRequest>().image.unwrap().image
}

// ==== The configuration ====

/// What can be wrong with a file or a directory, and what is said of it.
fn exposures(directory: &TempDir) -> Vec<(PathBuf, Owner, &'static str)> {
    let at = Repoint::directory_in(directory.path());
    let file = at.join("repoint.toml");
    vec![
        (file.clone(), (0, 0, 0o646), "repoint.toml is not trusted: everybody can write to it (mode 0646)"),
        (file.clone(), (0, 12345, 0o664), "repoint.toml is not trusted: group 12345 can write to it (mode 0664)"),
        (file, (12345, 0, 0o600), "repoint.toml is not trusted: it belongs to user 12345"),
        (
            at.clone(),
            (0, 0, 0o777),
            "repoint.toml is not trusted: everybody can write to it (mode 0777), of the directory",
        ),
        (at.join("repoint.d"), (0, 0, 0o777), "repoint.d is not trusted: everybody can write to it (mode 0777)"),
        (at.join("repoint.d/10.toml"), (12345, 0, 0o600), "10.toml is not trusted: it belongs to user 12345"),
    ]
}

/// Keeps what repoint has where no file says otherwise from this machine's own.
const APART: &str = "mount -t tmpfs none /var/lib && mount -t tmpfs none /var/log && exec \"$@\"";

#[tokio::test]
async fn a_configuration_that_somebody_else_may_have_written_is_not_gone_by() {
    if !can_be_somebody() {
        return;
    }
    for number in 0..exposures(&place()).len() {
        let directory = place();
        let (path, owner, why) = exposures(&directory).swap_remove(number);
        // What is there already stays as it is but for what is in it.
        fs::create_dir_all(Repoint::directory_in(directory.path()).join("repoint.d")).unwrap();
        if path.extension().is_some_and(|end| end == "toml") {
            fs::write(&path, "").unwrap();
        }
        give(&path, owner);
        let standin = Standin::start(&runtime(&directory));
        let repoint = before(&directory)
            .drop_in("10", "node = \"n\"")
            .within(&["unshare", "--mount", "sh", "-c", APART, "sh"])
            .start()
            .await;
        let admin = Admin::of(&repoint).await;

        Kubelet::v1(&repoint.socket()).pull(OLD).await.unwrap();
        assert_eq!(pulled(&standin).await, OLD, "{why}");
        let configuration = &admin.status()["configuration"];
        assert_eq!((&configuration["source"], &configuration["rules"]), (&"none".into(), &0.into()), "{why}");
        let said = configuration["refused"]["message"].as_str().unwrap();
        assert!(said.contains(why), "{why}: {said}");
        let log = repoint.log();
        assert_eq!(lines(&log, &["ERROR", "NOTHING IS SUBSTITUTED", why]), 1, "{why}: {log}");
    }
}

#[tokio::test]
async fn a_configuration_that_somebody_else_can_write_to_is_refused_and_what_runs_stays() {
    if !can_be_somebody() {
        return;
    }
    for number in 0..exposures(&place()).len() {
        let directory = place();
        let (path, owner, why) = exposures(&directory).swap_remove(number);
        let standin = Standin::start(&runtime(&directory));
        let repoint = before(&directory).drop_in("10", "[labels]\nx = \"y\"").start().await;
        let admin = Admin::of(&repoint).await;
        let hash = admin.status()["configuration"]["hash"].clone();
        give(&path, owner);
        replace(&repoint, "[audit]", "builtin_rules = []\n[audit]");
        repoint.signal("HUP");
        admin.reloaded("refused", 1).await;

        let configuration = &admin.status()["configuration"];
        assert_eq!((&configuration["source"], &configuration["hash"]), (&Value::from("files"), &hash), "{why}");
        assert!(configuration["refused"]["message"].as_str().unwrap().contains(why), "{why}: {configuration}");
        Kubelet::v1(&repoint.socket()).pull(OLD).await.unwrap();
        assert_eq!(pulled(&standin).await, NEW, "{why}");
        let log = repoint.log();
        assert_eq!(lines(&log, &["ERROR", "what is in force stays", why]), 1, "{why}: {log}");

        // And it is mended as the message says.
        let is_directory = path.is_dir();
        give(&path, (0, 0, if is_directory { 0o755 } else { 0o644 }));
        repoint.signal("HUP");
        admin.reloaded("loaded", 1).await;
        assert_eq!(admin.status()["configuration"]["refused"], Value::Null, "{why}");
    }
}

#[tokio::test]
async fn a_link_to_where_somebody_else_can_write_is_not_gone_by() {
    if !can_be_somebody() {
        return;
    }
    let directory = place();
    let repoint = before(&directory).start().await;
    let admin = Admin::of(&repoint).await;
    let file = repoint.config();
    let elsewhere = directory.path().join("of-others");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(&file, elsewhere.join("real.toml")).unwrap();
    symlink(elsewhere.join("real.toml"), &file).unwrap();
    repoint.signal("HUP");
    admin.reloaded("loaded", 1).await;
    give(&elsewhere, (12345, 0, 0o755));
    repoint.signal("HUP");
    admin.reloaded("refused", 1).await;
    let said = admin.status()["configuration"]["refused"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("it belongs to user 12345, of the directory"), "{said}");
}
