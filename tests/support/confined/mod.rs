//! What the shipped units take away from the service, taken away without systemd: read from the units, and done with the
//! kernel's own means, in systemd's order.
//!
//! Namespaces, capabilities and filters of system calls belong to a thread, and whatever it starts has them too. So a
//! thread of the test's confines itself, does what it is there for, and ends; the others remain free.

mod filter;
mod mounts;

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::Mode;
use rustix::process::{chdir, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, capability_is_in_bounding_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs, unshare_unsafe,
};
use seccompiler::{BpfProgram, apply_filter};
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use self::mounts::Kept;
use super::repoint::{Repoint, Setup, program};
use super::unit::{NETWORK, SERVICE, Unit};
use super::world::Missing;

/// Settings of the service that are not applied here, and why none of its tests can miss them.
const LEFT_OUT: [(&str, &str); 7] = [
    ("IPAddressDeny", "a program in a cgroup, and a world has none to give away; the network namespace is stricter"),
    ("KeyringMode", "nothing here has a key"),
    ("LimitCORE", "a process has one for all its threads"),
    ("PrivateMounts", "the mounts are private already, for what else is done to them"),
    ("ProtectClock", "CAP_SYS_TIME and the calls are gone, and so is the device"),
    ("ProtectKernelLogs", "CAP_SYSLOG and the call are gone, and so is the device"),
    ("ProtectKernelModules", "CAP_SYS_MODULE and the calls are gone"),
];

/// Those that are.
const APPLIED: [&str; 19] = [
    "CapabilityBoundingSet",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoNewPrivileges",
    "PrivateDevices",
    "PrivateIPC",
    "PrivateNetwork",
    "PrivateTmp",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SystemCallFilter",
];

/// And those that say how.
const MANNERS: [&str; 3] = ["SystemCallArchitectures", "SystemCallErrorNumber", "UMask"];

/// A place where everything is as it is for the service.
#[derive(Debug)]
pub struct Confined {
    unit: Unit,
    filters: Vec<BpfProgram>,
    kept: Vec<Kept>,
}

// === impl Confined ===

impl Confined {
    /// As shipped. Of `directory`, what is in it is seen, and in that part of it that is repoint's one can write: that
    /// stands for the directories of the service. `None` where there can be no such place, which is said, and which is a
    /// failure where CI promises that there can.
    pub fn as_shipped(directory: &Path) -> Option<Self> {
        Self::by(Unit::new(SERVICE), directory)
    }

    /// With the drop-in for a network.
    pub fn with_network(directory: &Path) -> Option<Self> {
        Self::by(Unit::new(SERVICE).with(NETWORK), directory)
    }

    fn by(unit: Unit, directory: &Path) -> Option<Self> {
        let possible = Missing::privilege().and_then(|()| Missing::programs(&[("systemd-analyze", "systemd")]));
        if let Err(missing) = possible {
            missing.skip("no confinement");
            return None;
        }
        for name in unit.restrictions() {
            let is_left_out = LEFT_OUT.iter().any(|(left_out, _)| *left_out == name);
            assert!(is_left_out || APPLIED.contains(&name) || MANNERS.contains(&name), "{name}= has no meaning here");
        }
        let own = Repoint::directory_in(directory);
        fs::create_dir_all(&own).expect("the service's directory");
        let seen = |path: PathBuf| Kept { path, is_writable: false };
        let kept = vec![seen(program()), seen(directory.to_owned()), Kept { path: own, is_writable: true }];
        let filters = filter::all(&unit);
        Some(Self { unit, filters, kept })
    }

    /// Starts repoint in there, and returns when its socket takes connections.
    pub async fn start(self, setup: Setup) -> Repoint {
        self.run(|| Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(setup.start()))
            .await
    }

    /// Does something in there.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        // Not the pool's own thread: it would stay confined.
        let confined = move || {
            self.enter();
            work()
        };
        let done = spawn_blocking(|| thread::spawn(confined).join()).await.expect("it only waits");
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Confines the calling thread, for the rest of its life.
    fn enter(&self) {
        self.leave_namespaces();
        mounts::arrange(&self.unit, &self.kept);
        chdir("/").expect("the root");
        let mask = self.unit.value("UMask").expect("a mask");
        umask(Mode::from_raw_mode(u32::from_str_radix(mask, 8).expect("it is octal")));
        self.drop_capabilities();
        for filter in &self.filters {
            apply_filter(filter).expect("the kernel takes it");
        }
    }

    fn leave_namespaces(&self) {
        let kinds = [
            ("PrivateNetwork", UnshareFlags::NEWNET),
            ("ProtectHostname", UnshareFlags::NEWUTS),
            ("PrivateIPC", UnshareFlags::NEWIPC),
        ];
        // What a thread has in common with the others is also its root, its directory and its umask.
        let always = UnshareFlags::FS | UnshareFlags::NEWNS;
        let flags =
            kinds.into_iter().filter(|(name, _)| self.unit.is_on(name)).fold(always, |all, (_, flag)| all | flag);
        // The loopback interface of a new network stays down. systemd's is up; nobody can tell who may make no socket.
        #[expect(unsafe_code, reason = "the safe call is deprecated")]
        // SAFETY: It is unsafe on account of the table of file descriptors, and that remains common to all threads.
        unsafe { unshare_unsafe(flags) }.expect("namespaces of one's own");
    }

    fn drop_capabilities(&self) {
        assert_eq!(self.unit.values("CapabilityBoundingSet"), [] as [&str; 0], "which stay?");
        assert!(self.unit.says("CapabilityBoundingSet") && self.unit.is_on("NoNewPrivileges"));
        for capability in CapabilitySet::all().iter() {
            // An older kernel has fewer.
            if capability_is_in_bounding_set(capability).unwrap_or(false) {
                remove_capability_from_bounding_set(capability).expect("it can be dropped");
            }
        }
        set_no_new_privs(true).expect("it can be said");
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        set_capabilities(None, sets).expect("they can be dropped");
    }
}
