//! Pods that need nothing but what a world has.

use repoint::cri::v1::{
    LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceMode, NamespaceOption, PodSandboxConfig,
    PodSandboxMetadata,
};

use super::World;

impl World {
    /// A pod on the host's network, which takes no network plugin, in the cgroup of this world.
    pub fn pod(&self, namespace: &str, name: &str) -> PodSandboxConfig {
        let namespaces = NamespaceOption { network: NamespaceMode::Node.into(), ..NamespaceOption::default() };
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: name.to_owned(),
                uid: format!("uid-of-{name}"),
                namespace: namespace.to_owned(),
                attempt: 0,
            }),
            log_directory: self.path().join("logs").join(name).display().to_string(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("/{}", self.name),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(namespaces),
                    ..LinuxSandboxSecurityContext::default()
                }),
            }),
            ..PodSandboxConfig::default()
        }
    }
}
