//! What a kubelet asks of the runtime service.

use std::collections::HashMap;

use repoint::cri::v1::{
    ContainerConfig, ContainerMetadata, ContainerStatus, ContainerStatusRequest, CreateContainerRequest,
    ExecSyncRequest, ImageSpec, Int64Value, LinuxContainerConfig, LinuxContainerSecurityContext, NamespaceOption,
    PodSandboxConfig, PodSandboxMetadata, RemoveContainerRequest, RemovePodSandboxRequest, RunPodSandboxRequest,
    StartContainerRequest, StopContainerRequest, StopPodSandboxRequest,
};
use tonic::Status;

use super::{Api, Kubelet, MESSAGE_LIMIT};

impl Kubelet {
    // ==== Pods ====

    /// Returns the pod sandbox's ID.
    pub async fn run_pod(&self, pod: &PodSandboxConfig) -> Result<String, Status> {
        let request = RunPodSandboxRequest { config: Some(pod.clone()), runtime_handler: String::new() };
        Ok(runtime!(self, run_pod_sandbox, request)?.pod_sandbox_id)
    }

    pub async fn stop_pod(&self, id: &str) -> Result<(), Status> {
        runtime!(self, stop_pod_sandbox, StopPodSandboxRequest { pod_sandbox_id: id.to_owned() })?;
        Ok(())
    }

    pub async fn remove_pod(&self, id: &str) -> Result<(), Status> {
        let request = RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() };
        runtime!(self, remove_pod_sandbox, request)?;
        Ok(())
    }

    // ==== Containers ====

    /// Does what the kubelet does for a container whose image is to be pulled if not present, and
    /// returns the ID of the container that runs.
    ///
    /// It asks for the image's user under the pod's own name for the image, and sends the superuser
    /// if there is no answer: that is how a wrong answer becomes a container with the wrong user.
    pub async fn run_container(&self, pod_id: &str, pod: &PodSandboxConfig, image: &str) -> Result<String, Status> {
        let id = match self.image_status(image).await? {
            Some(present) => present.id,
            None => self.pull_for(image, None, Some(pod)).await?,
        };
        let user = self
            .image_status(image)
            .await?
            .map_or_else(|| (Some(Int64Value::default()), String::new()), |image| (image.uid, image.username));
        let security_context = LinuxContainerSecurityContext {
            run_as_user: user.0,
            run_as_username: user.1,
            namespace_options: sandbox_namespaces(pod),
            ..LinuxContainerSecurityContext::default()
        };
        let config = ContainerConfig {
            metadata: Some(ContainerMetadata { name: "main".to_owned(), attempt: 0 }),
            image: Some(ImageSpec { image: id, user_specified_image: image.to_owned(), ..ImageSpec::default() }),
            log_path: "main.log".to_owned(),
            linux: Some(LinuxContainerConfig { security_context: Some(security_context) }),
            labels: labels(pod),
            ..ContainerConfig::default()
        };
        let id = self.create_container(pod_id, pod, config).await?;
        self.start_container(&id).await?;
        Ok(id)
    }

    pub async fn create_container(
        &self,
        pod_id: &str,
        pod: &PodSandboxConfig,
        config: ContainerConfig,
    ) -> Result<String, Status> {
        let request = CreateContainerRequest {
            pod_sandbox_id: pod_id.to_owned(),
            config: Some(config),
            sandbox_config: Some(pod.clone()),
        };
        Ok(runtime!(self, create_container, request)?.container_id)
    }

    pub async fn start_container(&self, id: &str) -> Result<(), Status> {
        runtime!(self, start_container, StartContainerRequest { container_id: id.to_owned() })?;
        Ok(())
    }

    /// Returns what the command says on its standard output.
    pub async fn exec<const N: usize>(&self, id: &str, words: [&str; N]) -> Result<String, Status> {
        let cmd = words.map(str::to_owned).to_vec();
        let request = ExecSyncRequest { container_id: id.to_owned(), cmd, timeout: 10 };
        let done = runtime!(self, exec_sync, request)?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match done.exit_code {
            0 => Ok(said(&done.stdout)),
            code => Err(Status::aborted(format!("exit code {code}: {}", said(&done.stderr)))),
        }
    }

    pub async fn container_status(&self, id: &str) -> Result<ContainerStatus, Status> {
        let request = ContainerStatusRequest { container_id: id.to_owned(), verbose: false };
        let status = runtime!(self, container_status, request)?.status;
        status.ok_or_else(|| Status::not_found("an answer without a status"))
    }

    /// Without time to end by itself.
    pub async fn stop_container(&self, id: &str) -> Result<(), Status> {
        let request = StopContainerRequest { container_id: id.to_owned(), timeout: 0 };
        runtime!(self, stop_container, request)?;
        Ok(())
    }

    pub async fn remove_container(&self, id: &str) -> Result<(), Status> {
        runtime!(self, remove_container, RemoveContainerRequest { container_id: id.to_owned() })?;
        Ok(())
    }
}

fn sandbox_namespaces(pod: &PodSandboxConfig) -> Option<NamespaceOption> {
    pod.linux.as_ref()?.security_context.as_ref()?.namespace_options.clone()
}

/// Whose a container is.
fn labels(pod: &PodSandboxConfig) -> HashMap<String, String> {
    let Some(metadata) = &pod.metadata else { return HashMap::new() };
    let PodSandboxMetadata { name, uid, namespace, .. } = metadata;
    [("namespace", namespace), ("name", name), ("uid", uid)]
        .map(|(key, value)| (format!("io.kubernetes.pod.{key}"), value.clone()))
        .into()
}
