//! Where the story takes place: on a real node, or where none can be made, on one that a stand-in plays.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use repoint::cri::v1::{
    CreateContainerRequest, CreateContainerResponse, ExecSyncResponse, PodSandboxConfig, PodSandboxMetadata,
    RunPodSandboxResponse, StartContainerResponse,
};
use tempfile::TempDir;

use super::{Failed, IMAGE, NEW, USER};
use crate::support::standin::{Answer, Standin, User};
use crate::support::world::{Image, World};

/// A node with an image in its new registry and nothing in its old one.
pub enum Node {
    Real(Box<World>),
    StandIn {
        standin: Standin,
        directory: TempDir,
        /// Why its runtime is not a real one.
        why: String,
    },
}

impl Node {
    /// One with a real runtime. To be called where a world can be made.
    pub async fn real() -> Result<Self, Failed> {
        let world = World::start().await.ok_or("no world can be made here")?;
        world.push(IMAGE, &Image::busybox().user(&USER.to_string())).await;
        Ok(Self::Real(Box::new(world)))
    }

    /// One that pretends.
    pub fn stand_in(why: &str) -> Result<Self, Failed> {
        let directory = tempfile::Builder::new().prefix("rp-").tempdir()?;
        let standin = Standin::start(&directory.path().join("runtime.sock"));
        standin.cut_off("k8s.gcr.io");
        standin.offers_image(NEW, User::Number(USER.into()));
        script_pods(&standin);
        Ok(Self::StandIn { standin, directory, why: why.to_owned() })
    }

    /// What a reader has to know of it.
    pub fn introduction(&self, runtime: &str) -> Vec<String> {
        let has = format!("The registry has {IMAGE}, an image whose user is {USER}.");
        match self {
            Self::Real(world) => vec![format!(
                "A private {runtime}, whose k8s.gcr.io refuses connections, and whose registry.k8s.io is a \
                 docker-registry on {}. {has}",
                world.registry()
            )],
            Self::StandIn { why, .. } => vec![
                format!("There is no real runtime here: {why}."),
                format!(
                    "So repoint, which is the real one, stands in front of a stand-in runtime: it answers CRI as \
                     containerd would whose k8s.gcr.io refuses connections, and runs nothing. {has}"
                ),
            ],
        }
    }

    /// The socket of its runtime.
    pub fn runtime(&self) -> PathBuf {
        match self {
            Self::Real(world) => world.containerd_socket(),
            Self::StandIn { directory, .. } => directory.path().join("runtime.sock"),
        }
    }

    /// The directory of all that is its own.
    pub fn path(&self) -> &Path {
        match self {
            Self::Real(world) => world.path(),
            Self::StandIn { directory, .. } => directory.path(),
        }
    }

    /// A pod that can run on it.
    pub fn pod(&self, namespace: &str, name: &str) -> PodSandboxConfig {
        match self {
            Self::Real(world) => world.pod(namespace, name),
            Self::StandIn { .. } => PodSandboxConfig {
                metadata: Some(PodSandboxMetadata {
                    name: name.to_owned(),
                    uid: format!("uid-of-{name}"),
                    namespace: namespace.to_owned(),
                    attempt: 0,
                }),
                ..PodSandboxConfig::default()
            },
        }
    }

    /// Ends it, with all that is in it.
    pub async fn end(self) -> Result<(), Failed> {
        match self {
            Self::Real(world) => world.stop(),
            Self::StandIn { mut standin, directory, .. } => {
                standin.stop().await;
                directory.close()?;
            }
        }
        Ok(())
    }
}

/// Pods and containers of which nothing runs, and a command that says which user a kubelet wanted for the container.
fn script_pods(standin: &Standin) {
    let path = |method: &str| format!("/runtime.v1.RuntimeService/{method}");
    let run_as = Arc::new(AtomicI64::new(0));

    standin.answers(&path("RunPodSandbox"), |_| {
        Answer::message(&RunPodSandboxResponse { pod_sandbox_id: "0f".repeat(32) })
    });
    let told = Arc::clone(&run_as);
    standin.answers(&path("CreateContainer"), move |call| {
        let request: CreateContainerRequest = call.message();
        let linux = request.config.and_then(|config| config.linux);
        let user = linux.and_then(|linux| linux.security_context?.run_as_user);
        told.store(user.map_or(0, |user| user.value), Ordering::Relaxed);
        Answer::message(&CreateContainerResponse { container_id: "c0".repeat(32) })
    });
    standin.answers(&path("ExecSync"), move |_| {
        let stdout = format!("{}\n", run_as.load(Ordering::Relaxed)).into_bytes();
        Answer::message(&ExecSyncResponse { stdout, ..ExecSyncResponse::default() })
    });
    for method in ["StartContainer", "StopContainer", "RemoveContainer", "StopPodSandbox", "RemovePodSandbox"] {
        // The answers to all of these are empty, and on the wire all empty messages are alike.
        standin.answers(&path(method), |_| Answer::message(&StartContainerResponse {}));
    }
}
