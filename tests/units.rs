//! What a host receives: systemd understands it and finds little to fear, and every restriction has its reason.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::unit::{NETWORK, SERVICE, SOCKET, Unit, restricts};
use crate::support::world::Missing;

/// What has a kubelet in it.
const KUBELETS: [&str; 8] = [
    "kubelet.service",
    "k3s.service",
    "k3s-agent.service",
    "rke2-server.service",
    "rke2-agent.service",
    "k0scontroller.service",
    "k0sworker.service",
    "snap.microk8s.daemon-kubelite.service",
];

/// Runtimes that have a unit to themselves.
const RUNTIMES: [&str; 4] =
    ["containerd.service", "crio.service", "cri-docker.service", "snap.microk8s.daemon-containerd.service"];

/// Restrictions that the oldest systemd does not know, and since when others do.
const LATER: [(&str, u32); 6] = [
    ("RestrictSUIDSGID", 242),
    ("ProtectHostname", 242),
    ("ProtectKernelLogs", 244),
    ("ProtectClock", 245),
    ("ProtectProc", 247),
    ("PrivateIPC", 248),
];

/// The first systemd that judges a unit it does not run.
const JUDGES: u32 = 250;

/// The units where systemd finds them, and nobody else.
struct Host(TempDir);

impl Host {
    /// As shipped. `None` where there is no systemd to ask, which is said, and is a failure under `CI=true`.
    fn with_units() -> Option<Self> {
        if let Err(missing) = Missing::programs(&[("systemd-analyze", "systemd"), ("kill", "procps")]) {
            missing.skip("no opinion of systemd's");
            return None;
        }
        let host = Self(tempfile::tempdir().unwrap());
        host.has("repoint.service", SERVICE);
        host.has("repoint.socket", SOCKET);
        Some(host)
    }

    /// And with the drop-in.
    fn with_network() -> Option<Self> {
        let host = Self::with_units()?;
        fs::create_dir(host.0.path().join("repoint.service.d")).unwrap();
        host.has("repoint.service.d/network.conf", NETWORK);
        Some(host)
    }

    fn has(&self, name: &str, text: &str) {
        // What they start is not installed on a machine that builds it, and would be found missing.
        fs::write(self.at(name), text.replace("/usr/bin/repoint", "/bin/true")).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn asks(&self, words: &[&str], units: &[&str]) -> Output {
        Command::new("systemd-analyze")
            .args(words)
            .args(units.iter().map(|name| self.at(name)))
            // The colon at the end is for its own: there is no service without `sysinit.target`.
            .env("SYSTEMD_UNIT_PATH", format!("{}:", self.0.path().display()))
            .output()
            .unwrap()
    }

    fn is_understood(&self) {
        let output = self.asks(&["verify", "--man=no"], &["repoint.service", "repoint.socket"]);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// `most` is in tenths, of ten.
    fn is_exposed(&self, most: u32) {
        let threshold = format!("--threshold={most}");
        let output = self.asks(&["security", "--offline=true", "--no-pager", &threshold], &["repoint.service"]);
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(output.status.success() && said.contains("Overall exposure level"), "{said}");
    }
}

/// Whether systemd here is one that judges.
fn judges() -> bool {
    let output = Command::new("systemd-analyze").arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let version = said.split(|letter: char| !letter.is_ascii_digit()).find(|word| !word.is_empty());
    let judges = version.and_then(|version| version.parse().ok()).is_some_and(|version: u32| version >= JUDGES);
    if !judges {
        Missing::Programs(vec![("systemd-analyze of systemd 250 or later", "systemd")]).skip("no judgement");
    }
    judges
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    let Some(host) = Host::with_units() else { return };
    host.is_understood();
}

#[test]
fn nor_has_it_about_the_drop_in() {
    let Some(host) = Host::with_network() else { return };
    host.is_understood();
}

#[test]
fn little_is_exposed_and_not_much_more_with_a_network() {
    let (Some(shipped), Some(with_network)) = (Host::with_units(), Host::with_network()) else { return };
    if judges() {
        shipped.is_exposed(10);
        with_network.is_exposed(20);
    }
}

#[test]
fn every_restriction_has_its_reason_above_it() {
    for text in [SERVICE, NETWORK] {
        let mut above = "";
        let mut comment = String::new();
        for line in text.lines() {
            match line.split_once('=') {
                _ if line.starts_with('#') => comment.push_str(line),
                Some((name, _)) if restricts(name) => {
                    assert!(!comment.is_empty() || name == above, "{line} has no reason");
                    if let Some((_, since)) = LATER.iter().find(|(later, _)| *later == name) {
                        assert!(comment.contains(&format!("({since})")), "{line} does not say since when");
                    }
                }
                _ => {}
            }
            if !line.starts_with('#') {
                comment.clear();
                above = line.split_once('=').map_or("", |(name, _)| name);
            }
        }
    }
}

#[test]
fn it_is_there_before_every_kubelet_and_waits_for_none() {
    let (service, socket) = (Unit::new(SERVICE), Unit::new(SOCKET));
    for unit in [&service, &socket] {
        assert_eq!(unit.words("Before"), KUBELETS);
    }
    let first = service.words("After");
    for runtime in RUNTIMES {
        assert!(first.contains(&runtime), "{runtime} is not waited for");
    }
    assert!(first.iter().all(|unit| !KUBELETS.contains(unit)), "{first:?}: each would wait for the other");
    for bond in ["Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "StopPropagatedFrom"] {
        assert!(!service.says(bond) && !socket.says(bond), "{bond}= takes it down with something else");
    }
}

#[test]
fn the_socket_outlives_the_service() {
    let (service, socket) = (Unit::new(SERVICE), Unit::new(SOCKET));
    let directory = format!("/run/{}/", service.value("RuntimeDirectory").unwrap());
    assert!(socket.value("ListenStream").unwrap().starts_with(&directory));
    assert_eq!(service.value("RuntimeDirectoryPreserve"), Some("yes"), "its file would go with the service");
    assert_eq!(service.value("RuntimeDirectoryMode"), socket.value("DirectoryMode"));
    assert_eq!(socket.value("RemoveOnStop"), Some("no"));
    assert_eq!(socket.value("TriggerLimitIntervalSec"), Some("0"), "it would close for good");
    assert_eq!(socket.value("FileDescriptorName"), Some("repoint"));
    assert_eq!(socket.words("WantedBy"), ["sockets.target"]);
    // The service takes it where it can be had, and does without where it can't.
    for with in ["Wants", "After", "Also"] {
        assert!(service.words(with).contains(&"repoint.socket"), "{with}=");
    }
}

#[test]
fn both_listen_where_repoint_does_by_itself() {
    let listens = format!("#listen = \"unix://{}\"", Unit::new(SOCKET).value("ListenStream").unwrap());
    assert!(include_str!("../systemd/repoint.toml").lines().any(|line| line == listens), "{listens}");
}

#[test]
fn who_connects_can_be_told() {
    for unit in [Unit::new(SERVICE), Unit::new(SERVICE).with(NETWORK)] {
        for blinds in ["PrivateUsers", "PrivatePIDs", "DynamicUser", "User"] {
            assert!(!unit.says(blinds), "{blinds}= hides the uid or the pid of who connects");
        }
        assert!(!unit.says("ProcSubset"), "it hides the boot's id");
    }
}

#[test]
fn it_is_begun_anew_whatever_ends_it_and_not_before_its_calls_have_ended() {
    let service = Unit::new(SERVICE);
    assert_eq!((service.value("Type"), service.value("NotifyAccess")), (Some("notify"), Some("main")));
    assert_eq!((service.value("Restart"), service.value("StartLimitIntervalSec")), (Some("always"), Some("0")));
    assert_eq!(service.value("ExecReload"), Some("/bin/kill -HUP $MAINPID"));
    let seconds = |name| service.value(name).unwrap().parse::<u32>().unwrap();
    assert!(seconds("TimeoutStopSec") > 120, "calls have two minutes");
    assert_eq!(service.value("KillMode"), Some("mixed"), "helpers of those calls would be ended at once");
    assert!(seconds("WatchdogSec") > 0 && seconds("RestartSec") <= 5);
}

#[test]
fn the_set_up_installs_what_this_takes() {
    let script = include_str!("../scripts/set-up");
    for program in ["systemd-analyze", "systemd-socket-activate"] {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(script.lines().any(|line| words(line) == [program, "systemd"]), "no line has {program}");
    }
}
