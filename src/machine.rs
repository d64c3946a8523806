//! Which machine this is, apart from what it is called.

/// Where systemd keeps the machine's.
const MACHINE: &str = "/etc/machine-id";
/// Where the kernel shows the boot's.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// What the system calls this machine, whatever its name. One that was cloned without care has its image's.
pub fn id() -> Option<String> {
    read(MACHINE)
}

/// What the kernel calls this boot.
pub fn boot_id() -> Option<String> {
    read(BOOT)
}

fn read(file: &str) -> Option<String> {
    let id = std::fs::read_to_string(file).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}
