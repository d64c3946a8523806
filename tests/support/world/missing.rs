//! What a world is made of, and what this machine lacks of it, or of what another test is made of.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why something can't be had here.
#[derive(Debug)]
pub enum Missing {
    /// Namespaces and overlays take the right to administer the system.
    Privilege,
    /// These programs, and the Debian packages they are in.
    Programs(Vec<(&'static str, &'static str)>),
}

/// By the Debian package that has it. `scripts/set-up` installs the same.
pub const PROGRAMS: [(&str, &str); 6] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("runc", "runc"),
    ("docker-registry", "docker-registry"),
    ("busybox", "busybox-static"),
    ("unshare", "util-linux"),
];

const CAP_SYS_ADMIN: u64 = 1 << 21;

/// Finds all that is missing, so that one command can mend it.
pub fn missing() -> Result<(), Missing> {
    Missing::privilege()?;
    Missing::programs(&PROGRAMS)
}

/// A busybox that runs in an image with nothing else in it.
pub fn busybox() -> Option<PathBuf> {
    find("busybox").filter(|path| fs::read(path).is_ok_and(|file| is_static(&file)))
}

fn find(program: &str) -> Option<PathBuf> {
    // runc is in sbin, which a path of one's own may leave out but containerd's does not.
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/local/sbin"]
        .into_iter()
        .map(|directory| Path::new(directory).join(program))
        .find(|path| path.is_file())
}

/// A dynamic program names its loader, and every loader of Linux has this in its name.
fn is_static(program: &[u8]) -> bool {
    let start = program.get(..4096).unwrap_or(program);
    program.starts_with(b"\x7fELF") && !start.windows(4).any(|bytes| bytes == b"/ld-")
}

fn may_administer() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
        .is_some_and(|capabilities| capabilities & CAP_SYS_ADMIN != 0)
}

// === impl Missing ===

impl Missing {
    /// Whether namespaces and mounts can be made.
    pub fn privilege() -> Result<(), Self> {
        if may_administer() { Ok(()) } else { Err(Self::Privilege) }
    }

    /// Whether all of these are there, each with the Debian package that has it.
    pub fn programs(needed: &[(&'static str, &'static str)]) -> Result<(), Self> {
        let is_absent = |program| match program {
            "busybox" => busybox().is_none(),
            other => find(other).is_none(),
        };
        let absent: Vec<_> = needed.iter().copied().filter(|(program, _)| is_absent(*program)).collect();
        if absent.is_empty() { Ok(()) } else { Err(Self::Programs(absent)) }
    }

    /// Says that there is none of what a test is about, and fails where CI promises that there is.
    pub fn skip(&self, what: &str) {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{what}: {self}");
        // Past the capture of a test's output: a test that did not run must not look like one.
        writeln!(io::stderr(), "skipped, {what} can be had here: {self}").unwrap();
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Privilege => f.write_str("CAP_SYS_ADMIN is missing: run as root"),
            Self::Programs(absent) => {
                let programs: Vec<_> = absent.iter().map(|(program, _)| *program).collect();
                let mut packages: Vec<_> = absent.iter().map(|(_, package)| *package).collect();
                packages.dedup();
                write!(f, "{} missing: apt-get install {}", programs.join(", "), packages.join(" "))
            }
        }
    }
}
