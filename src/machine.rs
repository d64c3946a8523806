//! Which machine this is, apart from what it is called.

/// Where systemd keeps it.
const FILE: &str = "/etc/machine-id";

/// What the system calls this machine, whatever its name. One that was cloned without care has its image's.
pub fn id() -> Option<String> {
    let id = std::fs::read_to_string(FILE).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}
