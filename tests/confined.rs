//! Confined as its unit confines it, repoint does all the same what it is there for; and the confinement is real.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::thread;

use repoint::cri::v1::{PullImageRequest, VersionRequest};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::admin::{Admin, until};
use crate::support::caller::Caller;
use crate::support::confined::Confined;
use crate::support::grpc;
use crate::support::kubelet::Kubelet;
use crate::support::manager::Manager;
use crate::support::repoint::{Repoint, Setup};
use crate::support::somebody::Somebody;
use crate::support::standin::{Standin, State};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const OLD: &str = "k8s.gcr.io/pause:3.9";
const NEW: &str = "registry.k8s.io/pause:3.9";
/// More than go into one file of the log.
const PULLS: usize = 150;

const MIRROR: &str = "mirror.example";

/// What may be in `/dev`.
const HARMLESS: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "shm"];

const EPERM: i32 = 1;
const EACCES: i32 = 13;
const EROFS: i32 = 30;
const EAFNOSUPPORT: i32 = 97;

/// A runtime, and a directory that is seen from within.
fn place() -> (TempDir, Standin) {
    let directory = tempfile::tempdir().unwrap();
    let standin = Standin::start(&directory.path().join("runtime.sock"));
    (directory, standin)
}

fn before(directory: &TempDir) -> Setup {
    Repoint::before(&directory.path().join("runtime.sock"), directory.path())
}

/// A mirror whose credentials come from a docker credential helper, which is this script.
fn helped(directory: &TempDir, script: &str) -> Setup {
    let bin = directory.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let helper = bin.join("docker-credential-vault");
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let config = directory.path().join("config.json");
    fs::write(&config, format!("{{\"credHelpers\": {{\"{MIRROR}\": \"vault\"}}}}")).unwrap();
    before(directory)
        .toml(&format!("[credentials.vault]\ndocker_config = {config:?}"))
        .toml("[[rules]]\nname = \"mirror\"\nmatch = [\"k8s.gcr.io\"]")
        .toml(&format!("targets = [{{ location = {MIRROR:?}, credentials = \"vault\" }}]"))
        .env("PATH", &format!("{}:/usr/bin:/bin", bin.display()))
}

/// What a helper answers.
fn login() -> String {
    format!(r#"{{"ServerURL":"{MIRROR}","Username":"puller","Secret":"open-sesame"}}"#)
}

/// Whom the runtime was told that the pull is for, and what the record says of it.
async fn pulled(standin: &Standin, repoint: &Repoint) -> (Option<String>, Value) {
    Kubelet::v1(&repoint.socket()).pull(OLD).await.unwrap();
    let seen = standin.first(PULL, State::Answered).await;
    let user = seen.message::<PullImageRequest>().auth.map(|auth| format!("{}:{}", auth.username, auth.password));
    (user, repoint.records().pop().unwrap()["attempts"][0].clone())
}

#[tokio::test]
async fn confined_as_shipped_it_pulls_and_records() {
    let (directory, standin) = place();
    let Some(confined) = Confined::as_shipped(directory.path()) else { return };
    let repoint = confined.start(before(&directory).audit("rotate_bytes = 65536\ncompress = false")).await;
    let kubelet = Kubelet::v1(&repoint.socket());
    for _ in 0..PULLS {
        kubelet.pull(OLD).await.unwrap();
    }
    assert_eq!(kubelet.image_status(OLD).await.unwrap().unwrap().repo_tags, [NEW]);
    let record = repoint.records().pop().unwrap();
    assert_eq!((&record["event"], &record["substitute"]), (&"substituted".into(), &NEW.into()));
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(record["boot_id"].as_str(), Some(boot.trim()), "what is hidden of /proc is not this");
    assert!(repoint.metrics().contains("repoint_"));

    let written: Vec<_> = fs::read_dir(Repoint::directory_in(directory.path())).unwrap().map(Result::unwrap).collect();
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    assert!(written.iter().any(|entry| name(entry).starts_with("audit-")), "it rotates: {written:?}");
    for entry in written.iter().filter(|entry| name(entry).starts_with("audit")) {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o640, "{entry:?}");
    }
    let log = repoint.log();
    assert!(!log.contains(" WARN ") && !log.contains(" ERROR "), "{log}");
    assert!(repoint.stop().await.success());
    assert_eq!(standin.calls().iter().filter(|seen| seen.path() == PULL).count(), PULLS);
}

#[tokio::test]
async fn confined_as_shipped_a_credential_helper_is_heard() {
    let (directory, standin) = place();
    let Some(confined) = Confined::as_shipped(directory.path()) else { return };
    // It does what shells do: it has a child, and a file in /tmp.
    let script = format!(
        "#!/bin/sh\nset -e\nread -r server || :\n[ \"$server\" = {MIRROR} ]\ncat >/tmp/login <<'END'\n{}\nEND\ncat /tmp/login\n",
        login()
    );
    let repoint = confined.start(helped(&directory, &script)).await;
    let (user, attempt) = pulled(&standin, &repoint).await;
    assert_eq!(user.as_deref(), Some("puller:open-sesame"), "{attempt}");
    assert!(!Path::new("/tmp/login").exists(), "that was another /tmp");
}

/// Answers everybody who connects with the login, until the end of the test's process.
fn vault() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let _gone_again = client.and_then(|mut client| client.write_all(login().as_bytes()));
        }
    });
    port
}

#[tokio::test]
async fn a_credential_helper_that_needs_a_network_is_heard_with_the_drop_in_for_it_and_not_as_shipped() {
    for has_network in [false, true] {
        let (directory, standin) = place();
        let confined = if has_network { Confined::with_network } else { Confined::as_shipped };
        let Some(confined) = confined(directory.path()) else { return };
        let script = format!("#!/bin/bash\nset -e\nexec 3<>/dev/tcp/127.0.0.1/{}\ncat <&3\n", vault());
        let repoint = confined.start(helped(&directory, &script)).await;
        let (user, attempt) = pulled(&standin, &repoint).await;
        let told = attempt["credentials_error"].as_str();
        if has_network {
            assert_eq!((user.as_deref(), told), (Some("puller:open-sesame"), None));
        } else {
            assert_eq!(user, None);
            assert!(told.unwrap().contains("docker-credential-vault"), "{attempt}");
        }
    }
}

/// A port that nobody has.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn metrics_over_tcp_are_to_be_had_with_the_drop_in_for_it_and_as_shipped_the_log_says_what_is_missing() {
    for has_network in [false, true] {
        let (directory, standin) = place();
        let confined = if has_network { Confined::with_network } else { Confined::as_shipped };
        let Some(confined) = confined(directory.path()) else { return };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let repoint = confined.start(before(&directory).settings(&format!("metrics_tcp = \"{address}\""))).await;
        Kubelet::v1(&repoint.socket()).pull(OLD).await.unwrap();
        standin.first(PULL, State::Answered).await;
        if has_network {
            let page = Admin::over_tcp(address).await.page();
            assert_eq!(page.count("repoint_calls_total", &[("method", "PullImage"), ("code", "OK")]), 1);
        } else {
            let said = || repoint.log().lines().any(|line| line.contains("ERROR") && line.contains("network.conf"));
            until("it says what is missing", said).await;
            TcpStream::connect(address).unwrap_err();
        }
        assert_eq!(Admin::of(&repoint).await.get("/healthz").code, 200);
    }
}

#[tokio::test]
async fn confined_as_shipped_it_sees_who_calls_and_listens_to_who_is_listed() {
    let (directory, standin) = place();
    let Some(confined) = Confined::as_shipped(directory.path()) else { return };
    let (listed, other) = (Somebody::new(12345, 12345), Somebody::new(23456, 23456));
    // Everybody may come to both sockets, so that it is the list that decides.
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(directory.path(), 0o755);
    mode(&Repoint::directory_in(directory.path()), 0o755);
    mode(&directory.path().join("runtime.sock"), 0o666);
    let access = "[access]\nmode = \"0666\"\nallow_uids = [12345]";
    let repoint = confined.start(before(&directory).toml(access)).await;
    let version = grpc::encoded(&VersionRequest::default());

    let mut heard = Caller::on(listed.connects(&repoint.socket()).unwrap()).await.unwrap();
    assert_eq!(heard.call(VERSION, version.clone()).await.unwrap().status(), Some("0"));
    let unheard = Caller::on(other.connects(&repoint.socket()).unwrap()).await;
    assert!(match unheard {
        Ok(mut unheard) => unheard.call(VERSION, version).await.is_err(),
        Err(_) => true,
    });
    assert_eq!(standin.calls().len(), 1);
    let page = Admin::of(&repoint).await.page();
    assert_eq!(page.count("repoint_connections_refused_total", &[("reason", "uid")]), 1);
    let log = repoint.log();
    assert!(log.contains("peer.uid=12345 peer.gid=12345") && log.contains("peer.uid=23456 peer.gid=23456"), "{log}");
}

#[tokio::test]
async fn confined_as_shipped_it_tells_its_manager_that_it_is_ready_and_that_it_stops() {
    let (directory, _standin) = place();
    let Some(confined) = Confined::as_shipped(directory.path()) else { return };
    let mut manager = Manager::start(directory.path());
    let repoint = confined.start(before(&directory).env("NOTIFY_SOCKET", manager.address())).await;
    let (ready, _) = manager.hears(0, "READY=1").await;
    repoint.signal("HUP");
    manager.hears(ready, "RELOADING=1").await;
    assert!(repoint.stop().await.success());
    manager.hears(ready, "STOPPING=1").await;
}

#[tokio::test]
async fn confined_as_shipped_it_starts_though_it_can_give_its_socket_to_nobody() {
    let (directory, _standin) = place();
    let Some(confined) = Confined::as_shipped(directory.path()) else { return };
    let access = "[access]\ngroup = 12345\nallow_wider_access = true";
    let repoint = confined.start(before(&directory).toml(access)).await;
    Kubelet::v1(&repoint.socket()).pull(OLD).await.unwrap();
    let found = fs::metadata(repoint.socket()).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (0, 0, 0o600));
    let log = repoint.log();
    let told = log.lines().filter(|line| line.contains("ERROR") && line.contains("Could not change who may connect"));
    assert_eq!(told.count(), 1, "{log}");
}

#[tokio::test]
async fn that_a_configuration_is_read_only_to_the_service_makes_it_no_more_trusted() {
    let (directory, standin) = place();
    let Some(confined) = Confined::as_shipped(directory.path()) else { return };
    let etc = directory.path().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::set_permissions(&etc, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(etc.join("repoint.toml"), before(&directory).file()).unwrap();
    let repoint = confined.start(before(&directory).config(&etc.join("repoint.toml"))).await;
    assert_eq!(repoint.status()["configuration"]["source"], "none");
    assert!(repoint.log().contains("everybody can write to it"), "{}", repoint.log());
    Kubelet::v1(&repoint.socket()).pull(OLD).await.unwrap();
    let seen = standin.first(PULL, State::Answered).await;
    assert_eq!(seen.message::<PullImageRequest>().image.unwrap().image, OLD);
}

/// The number that an attempt failed with.
fn failure<T>(attempt: io::Result<T>) -> Option<i32> {
    attempt.err().map(|error| error.raw_os_error().expect("the kernel said no"))
}

fn runs(words: &[String]) -> bool {
    let output = Command::new(&words[0]).args(&words[1..]).output();
    output.unwrap_or_else(|error| panic!("{words:?}: {error}")).status.success()
}

/// Programs that do what is not to be done.
fn forbidden(directory: &Path) -> Vec<Vec<String>> {
    let machine = std::env::consts::ARCH;
    let mmap = if machine == "x86_64" { 9 } else { 222 };
    // A page that can be written and run.
    let page = format!("exit(syscall({mmap}, 0, 4096, 7, 0x22, -1, 0) == -1)");
    let programs = [
        &["unshare", "--user", "true"][..],
        &["setpriv", "--reuid=12345", "true"],
        &["mount", "-t", "tmpfs", "tmpfs", directory.to_str().unwrap()],
        &["chroot", "/", "true"],
        &["ionice", "--class", "3", "true"],
        &["setarch", machine, "--read-implies-exec", "true"],
        &["perl", "-e", &page],
    ];
    programs.map(|words| words.iter().map(ToString::to_string).collect()).into()
}

#[tokio::test]
async fn the_confinement_is_real() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().to_owned();
    let own = Repoint::directory_in(&at);
    let of_others = at.join("of-others");
    let Some(confined) = Confined::as_shipped(&at) else { return };
    fs::write(&of_others, "").unwrap();
    fs::set_permissions(&of_others, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&of_others, Some(12345), None).unwrap();
    // All of it can be done outside, or this would say nothing.
    let forbidden = forbidden(&own);
    for words in &forbidden {
        assert!(runs(&[&["unshare", "--mount"].map(str::to_owned), &words[..]].concat()), "{words:?} is not done");
    }
    let namespaces = ["ipc", "mnt", "net", "uts"].map(|kind| format!("/proc/thread-self/ns/{kind}"));
    let outside = namespaces.each_ref().map(|file| fs::read_link(file).unwrap());

    confined
        .run(move || {
            // Calls that root may make without a capability: they fail by nothing but the list.
            fs::write(own.join("mine"), "").unwrap();
            assert_eq!(failure(chown(own.join("mine"), Some(0), Some(0))), Some(EPERM));
            for words in forbidden {
                assert!(!runs(&words), "{words:?} is done");
            }
            // io_uring_setup with an address that is none: whoever gets to look at it says so. (Outside, it may be off.)
            let ring = ["perl", "-e", "syscall(425, 1, 0); exit($! == 1)"].map(str::to_owned);
            assert!(!runs(&ring), "sockets can be made past the filter");

            let mode = |path: &str, bits| fs::set_permissions(own.join(path), fs::Permissions::from_mode(bits));
            assert_eq!((failure(mode("mine", 0o755)), failure(mode("mine", 0o4755))), (None, Some(EPERM)));
            fs::write(own.join("made-here"), "").unwrap();
            assert_eq!(fs::metadata(own.join("made-here")).unwrap().permissions().mode() & 0o777, 0o640);
            for elsewhere in ["/elsewhere", "/etc/elsewhere", "/usr/elsewhere", "/var/elsewhere", "/run/elsewhere"] {
                assert_eq!(failure(fs::write(elsewhere, "")), Some(EROFS), "{elsewhere}");
            }
            assert_eq!(failure(fs::write(at.join("beside"), "")), Some(EROFS));
            assert!(failure(fs::write("/proc/sys/kernel/hostname", "other")).is_some());
            assert_eq!(failure(fs::read(&of_others)), Some(EACCES));
            assert!(fs::read_dir("/root").is_ok_and(|mut files| files.next().is_none()));

            assert_eq!(failure(TcpListener::bind("127.0.0.1:0")), Some(EAFNOSUPPORT));
            let networks = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
            assert_eq!(networks.lines().count(), 3, "two lines of heading, and the loopback interface: {networks}");

            let inside = namespaces.each_ref().map(|file| fs::read_link(file).unwrap());
            assert!(inside.iter().zip(&outside).all(|(inside, outside)| inside != outside), "{inside:?}");

            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
                assert!(status.contains(line), "{line} is not in {status}");
            }
            assert!(!Path::new("/proc/1").exists(), "process 1 can be seen");
            let devices =
                fs::read_dir("/dev").unwrap().map(|device| device.unwrap().file_name().into_string().unwrap());
            let devices: Vec<_> = devices.collect();
            let is_harmless = |name: &String| HARMLESS.contains(&name.as_str());
            assert!(devices.iter().all(is_harmless) && devices.contains(&"null".to_owned()), "{devices:?}");
        })
        .await;

    // And it was the thread's, not the process's.
    TcpListener::bind("127.0.0.1:0").unwrap();
    fs::write(directory.path().join("beside"), "").unwrap();
}

#[tokio::test]
async fn with_the_drop_in_it_has_the_host_s_network_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let Some(confined) = Confined::with_network(directory.path()) else { return };
    let listener = confined
        .run(|| {
            assert_eq!(failure(fs::write("/etc/elsewhere", "")), Some(EROFS));
            // As `ping` would.
            let raw = Command::new("bash").args(["-c", "exec 3<>/dev/udp/127.0.0.1/9"]).status().unwrap();
            assert!(raw.success(), "IPv4 has datagrams, too");
            TcpListener::bind("127.0.0.1:0").unwrap()
        })
        .await;
    TcpStream::connect(listener.local_addr().unwrap()).expect("it is reached from outside");
}
