//! Which machine this is, apart from what it is called, and who is on it.

/// Where systemd keeps the machine's.
const MACHINE: &str = "/etc/machine-id";
/// Where the kernel shows the boot's.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// Where users are listed.
const USERS: &str = "/etc/passwd";
/// Where groups are.
const GROUPS: &str = "/etc/group";

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

/// The number of the user of that name, of those that are this machine's own.
pub fn uid(name: &str) -> Option<u32> {
    id_in(&std::fs::read_to_string(USERS).ok()?, name)
}

/// The number of the group of that name, likewise.
pub fn gid(name: &str) -> Option<u32> {
    id_in(&std::fs::read_to_string(GROUPS).ok()?, name)
}

/// In lines as both files have them, `name:password:number:…`.
fn id_in(lines: &str, name: &str) -> Option<u32> {
    let mut all = lines.lines().map(|line| line.split(':'));
    all.find_map(|mut fields| (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_whole_name() {
        let lines = "root:x:0:0::/root:/bin/sh\nkube:x:998:\nkubelet:x:997:\nbroken\n";
        for (name, expected) in [("root", Some(0)), ("kube", Some(998)), ("kub", None), ("broken", None), ("", None)] {
            assert_eq!(id_in(lines, name), expected, "{name}");
        }
        assert_eq!(uid("root"), Some(0));
    }
}
