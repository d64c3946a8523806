//! All that is looked at, by names that stay.

/// Something that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Id {
    /// Whether the runtime answers.
    RuntimeReachable,
    /// Which CRI it speaks.
    RuntimeApi,
    /// Who answers image calls.
    RuntimeImageEndpoint,
    /// Where the kubelet's calls go by what it is told.
    KubeletEndpoint,
    /// Whether they come.
    KubeletCalls,
    /// Whether what it is told stays.
    KubeletLasting,
    /// Whether it knows CRI-O by the path it is given.
    KubeletPath,
    /// Where crictl's calls go.
    CrictlEndpoint,
    /// The image that pods are made with.
    ImagesSandbox,
    /// Images that stay under old names.
    ImagesPinned,
    /// containerd's `hosts.toml` for registries that rules are about.
    ContainerdHosts,
    /// Its deprecated mirrors.
    ContainerdMirrors,
    /// Policies of signatures.
    CrioSignatures,
    /// Whether a target has a small image.
    TargetsPull,
    /// The way out to a target.
    TargetsEgress,
    /// Whether the service runs.
    ServiceRunning,
    /// Of which version it is.
    ServiceVersion,
    /// Whether what is written is in force.
    ServiceConfiguration,
    /// Whether somebody put something else in the place of rules.
    ServiceOverrides,
    /// Its units.
    ServiceUnits,
    /// Whether the audit log can be written.
    AuditWritable,
    /// Whether it is whole.
    AuditWhole,
    /// Whether there is room for it.
    AuditRoom,
    /// The clock.
    NodeClock,
}

impl Id {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 24] = [
        Self::RuntimeReachable,
        Self::RuntimeApi,
        Self::RuntimeImageEndpoint,
        Self::KubeletEndpoint,
        Self::KubeletCalls,
        Self::KubeletLasting,
        Self::KubeletPath,
        Self::CrictlEndpoint,
        Self::ImagesSandbox,
        Self::ImagesPinned,
        Self::ContainerdHosts,
        Self::ContainerdMirrors,
        Self::CrioSignatures,
        Self::TargetsPull,
        Self::TargetsEgress,
        Self::ServiceRunning,
        Self::ServiceVersion,
        Self::ServiceConfiguration,
        Self::ServiceOverrides,
        Self::ServiceUnits,
        Self::AuditWritable,
        Self::AuditWhole,
        Self::AuditRoom,
        Self::NodeClock,
    ];

    /// As people and programs see it: a group, a dot, and what of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RuntimeReachable => "runtime.reachable",
            Self::RuntimeApi => "runtime.api",
            Self::RuntimeImageEndpoint => "runtime.image-endpoint",
            Self::KubeletEndpoint => "kubelet.endpoint",
            Self::KubeletCalls => "kubelet.calls",
            Self::KubeletLasting => "kubelet.lasting",
            Self::KubeletPath => "kubelet.path",
            Self::CrictlEndpoint => "crictl.endpoint",
            Self::ImagesSandbox => "images.sandbox",
            Self::ImagesPinned => "images.pinned",
            Self::ContainerdHosts => "containerd.hosts",
            Self::ContainerdMirrors => "containerd.mirrors",
            Self::CrioSignatures => "crio.signatures",
            Self::TargetsPull => "targets.pull",
            Self::TargetsEgress => "targets.egress",
            Self::ServiceRunning => "service.running",
            Self::ServiceVersion => "service.version",
            Self::ServiceConfiguration => "service.configuration",
            Self::ServiceOverrides => "service.overrides",
            Self::ServiceUnits => "service.units",
            Self::AuditWritable => "audit.writable",
            Self::AuditWhole => "audit.whole",
            Self::AuditRoom => "audit.room",
            Self::NodeClock => "node.clock",
        }
    }

    /// What stands before the dot.
    pub fn group(self) -> &'static str {
        self.name().split_once('.').map_or_else(|| self.name(), |(group, _)| group)
    }
}

#[cfg(test)]
mod tests {
    use super::Id;
    use std::collections::HashSet;

    #[test]
    fn every_name_is_told_once_and_groups_stay_together() {
        let names: HashSet<_> = Id::ALL.iter().map(|id| id.name()).collect();
        assert_eq!(names.len(), Id::ALL.len());
        let mut groups: Vec<_> = Id::ALL.iter().map(|id| id.group()).collect();
        groups.dedup();
        assert_eq!(groups.iter().collect::<HashSet<_>>().len(), groups.len(), "{groups:?}");
    }
}
