//! What a world is made of, and what of it this machine lacks.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Why no world can be made here.
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
    if !may_administer() {
        return Err(Missing::Privilege);
    }
    let absent: Vec<_> = PROGRAMS
        .into_iter()
        .filter(|(program, _)| match *program {
            "busybox" => busybox().is_none(),
            other => find(other).is_none(),
        })
        .collect();
    if absent.is_empty() { Ok(()) } else { Err(Missing::Programs(absent)) }
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
