//! The units as they are shipped, read as systemd reads them.

pub const SERVICE: &str = include_str!("../../systemd/repoint.service");
pub const SOCKET: &str = include_str!("../../systemd/repoint.socket");
pub const NETWORK: &str = include_str!("../../systemd/network.conf");

/// A unit's settings, whatever section they are in: none of ours is in two.
#[derive(Debug, Clone)]
pub struct Unit {
    settings: Vec<(&'static str, &'static str)>,
}

/// How the names of settings begin that take something away from a service.
const RESTRICTIONS: [&str; 14] = [
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "IPAddress",
    "KeyringMode",
    "LimitCORE",
    "LockPersonality",
    "MemoryDeny",
    "NoNewPrivileges",
    "Private",
    "ProcSubset",
    "Protect",
    "Restrict",
    "SystemCall",
    "UMask",
];

// === impl Unit ===

impl Unit {
    pub fn new(text: &'static str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with(['#', ';', '[']));
        Self { settings: lines.filter_map(|line| line.split_once('=')).collect() }
    }

    /// The same with a drop-in, which is read after it.
    pub fn with(mut self, drop_in: &'static str) -> Self {
        self.settings.extend(Self::new(drop_in).settings);
        self
    }

    /// What holds of a setting that has one value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last().copied().filter(|value| !value.is_empty())
    }

    /// What holds of one that is a list, line by line: an empty line takes back those above it.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for (_, value) in self.settings.iter().filter(|(set, _)| *set == name) {
            match *value {
                "" => values.clear(),
                value => values.push(value),
            }
        }
        values
    }

    /// The words of those lines.
    pub fn words(&self, name: &str) -> Vec<&str> {
        self.values(name).into_iter().flat_map(str::split_whitespace).collect()
    }

    pub fn says(&self, name: &str) -> bool {
        self.settings.iter().any(|(set, _)| *set == name)
    }

    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.value(name), Some("yes" | "true" | "on" | "1"))
    }

    /// The names of all settings that take something away.
    pub fn restrictions(&self) -> Vec<&str> {
        self.settings.iter().map(|(name, _)| *name).filter(|name| restricts(name)).collect()
    }
}

/// Whether a setting of this name takes something away.
pub fn restricts(name: &str) -> bool {
    RESTRICTIONS.iter().any(|beginning| name.starts_with(beginning))
}
