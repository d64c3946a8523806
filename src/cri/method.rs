//! THE table: which RPC carries an image reference, at which field path, and what it wants of it.
//!
//! Source: `api.proto` of the Container Runtime Interface. The packages `runtime.v1` and `runtime.v1alpha2` agree in
//! every field named here, so a row serves both.

use crate::wire::Step::{self, Many, One};

/// What an RPC wants with the image it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To fetch it.
    Pull,
    /// To know whether it is there, and what it is.
    Ask,
    /// To do something with an image that is there.
    Use,
}

/// An RPC that carries an image reference.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// The service's name within its package.
    pub service: &'static str,
    /// The RPC's name.
    pub name: &'static str,
    /// What it wants with the image.
    pub purpose: Purpose,
    /// Where the references are: each path ends at `ImageSpec.image`.
    pub images: &'static [&'static [Step]],
}

/// Every RPC that is not passed through unseen.
pub const TABLE: &[Method] = &[
    // PullImageRequest.image = 1, ImageSpec.image = 1.
    Method { service: IMAGE_SERVICE, name: "PullImage", purpose: Purpose::Pull, images: &[&[One(1), One(1)]] },
    Method { service: IMAGE_SERVICE, name: "ImageStatus", purpose: Purpose::Ask, images: &[&[One(1), One(1)]] },
    Method { service: IMAGE_SERVICE, name: "RemoveImage", purpose: Purpose::Use, images: &[&[One(1), One(1)]] },
    // ListImagesRequest.filter = 1, ImageFilter.image = 1.
    Method { service: IMAGE_SERVICE, name: "ListImages", purpose: Purpose::Use, images: &[&[One(1), One(1), One(1)]] },
    Method {
        service: IMAGE_SERVICE,
        name: "StreamImages",
        purpose: Purpose::Use,
        images: &[&[One(1), One(1), One(1)]],
    },
    // CreateContainerRequest.config = 2; ContainerConfig.image = 2, .mounts = 7; Mount.image = 9.
    Method {
        service: RUNTIME_SERVICE,
        name: "CreateContainer",
        purpose: Purpose::Use,
        images: &[&[One(2), One(2), One(1)], &[One(2), Many(7), One(9), One(1)]],
    },
];

/// Every RPC of CRI, in whatever version, by service: those that are counted by their name.
pub const RPCS: &[(&str, &[&str])] = &[
    (
        RUNTIME_SERVICE,
        &[
            "Version",
            "RunPodSandbox",
            "StopPodSandbox",
            "RemovePodSandbox",
            "PodSandboxStatus",
            "ListPodSandbox",
            "CreateContainer",
            "StartContainer",
            "StopContainer",
            "RemoveContainer",
            "ListContainers",
            "ContainerStatus",
            "UpdateContainerResources",
            "ReopenContainerLog",
            "ExecSync",
            "Exec",
            "Attach",
            "PortForward",
            "ContainerStats",
            "ListContainerStats",
            "PodSandboxStats",
            "ListPodSandboxStats",
            "UpdateRuntimeConfig",
            "Status",
            "CheckpointContainer",
            "GetContainerEvents",
            "ListMetricDescriptors",
            "ListPodSandboxMetrics",
            "RuntimeConfig",
            "UpdatePodSandboxResources",
            "StreamPodSandboxes",
            "StreamContainers",
            "StreamContainerStats",
            "StreamPodSandboxStats",
            "StreamPodSandboxMetrics",
            "CheckpointPod",
            "RestorePod",
        ],
    ),
    (IMAGE_SERVICE, &["ListImages", "ImageStatus", "PullImage", "RemoveImage", "ImageFsInfo", "StreamImages"]),
];

/// The service of pulls and presence.
pub const IMAGE_SERVICE: &str = "ImageService";
/// The service of pods and containers.
pub const RUNTIME_SERVICE: &str = "RuntimeService";

/// `PullImageRequest.auth`. Each occurrence is removed: what merges into one message is one secret.
pub const PULL_AUTH: &[Step] = &[Many(2)];
/// The number of that field, for an `auth` of our own.
pub const AUTH_OF_PULL: u32 = 2;
/// `PullImageRequest.sandbox_config.metadata.name`.
pub const PULL_POD_NAME: &[Step] = &[One(3), One(1), One(1)];
/// `PullImageRequest.sandbox_config.metadata.uid`.
pub const PULL_POD_UID: &[Step] = &[One(3), One(1), One(2)];
/// `PullImageRequest.sandbox_config.metadata.namespace`.
pub const PULL_POD_NAMESPACE: &[Step] = &[One(3), One(1), One(3)];
/// `PullImageResponse.image_ref`.
pub const PULLED_IMAGE_REF: &[Step] = &[One(1)];
/// `ImageSpec.image`.
pub const IMAGE_OF_SPEC: u32 = 1;
/// `ImageStatusRequest.image`, whose number is all that is needed to ask.
pub const ASKED_IMAGE: u32 = 1;
/// `ImageStatusResponse.image`: set if, and only if, the image is there.
pub const STATUS_IMAGE: &[Step] = &[One(1)];
/// `ImageStatusResponse.image.id`.
pub const STATUS_ID: &[Step] = &[One(1), One(1)];
/// `ImageStatusResponse.image.repo_digests`.
pub const STATUS_DIGESTS: &[Step] = &[One(1), Many(3)];

/// The versions of CRI there are. Each is a protobuf package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `runtime.v1`, spoken by kubelets from 1.23 on.
    V1,
    /// `runtime.v1alpha2`, spoken by kubelets up to 1.25.
    V1Alpha2,
}

impl Version {
    /// The version's usual name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1Alpha2 => "v1alpha2",
        }
    }
}

/// The path of a gRPC request, `/package.Service/Method`, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The version, where the package is CRI's.
    pub version: Version,
    /// The service within the package.
    pub service: &'a str,
    /// The RPC.
    pub method: &'a str,
}

impl<'a> Call<'a> {
    /// Takes a path apart; `None` where it is not CRI's.
    pub fn parse(path: &'a str) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        let (package, service) = service.rsplit_once('.')?;
        let version = match package {
            "runtime.v1" => Version::V1,
            "runtime.v1alpha2" => Version::V1Alpha2,
            _ => return None,
        };
        Some(Self { version, service, method })
    }

    /// Whether the runtime makes a pod then, with an image of its own choice that the call does not name.
    pub fn makes_pod(&self) -> bool {
        self.service == RUNTIME_SERVICE && self.method == "RunPodSandbox"
    }

    /// The RPC's name, if it is one of [`RPCS`].
    pub fn known(&self) -> Option<&'static str> {
        let (_, names) = RPCS.iter().find(|(service, _)| *service == self.service)?;
        names.iter().find(|name| **name == self.method).copied()
    }

    /// The row of [`TABLE`] for this call.
    pub fn row(&self) -> Option<&'static Method> {
        TABLE.iter().find(|row| row.service == self.service && row.name == self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_an_rpc_have_the_same_row() {
        for version in ["v1", "v1alpha2"] {
            let path = format!("/runtime.{version}.ImageService/PullImage");
            let call = Call::parse(&path).unwrap();
            assert_eq!(call.version.as_str(), version);
            assert_eq!(call.row().map(|row| row.purpose), Some(Purpose::Pull));
        }
    }

    /// The names of the RPCs of a service, in the order of the file.
    fn declared(proto: &str) -> Vec<(String, String)> {
        let word = |line: &str| line.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
        let mut service = String::new();
        let mut declared = Vec::new();
        for line in proto.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("service ") {
                service = word(rest);
            } else if let Some(rest) = line.strip_prefix("rpc ") {
                declared.push((service.clone(), word(rest)));
            }
        }
        declared
    }

    #[test]
    fn every_rpc_that_we_read_or_make_is_known_by_its_name() {
        let declared = declared(include_str!("../../proto/runtime/v1.proto"));
        assert!(declared.len() > 20, "{declared:?}");
        let of_table = TABLE.iter().map(|row| (row.service.to_owned(), row.name.to_owned()));
        for (service, name) in declared.into_iter().chain(of_table) {
            let path = format!("/runtime.v1alpha2.{service}/{name}");
            assert_eq!(Call::parse(&path).unwrap().known(), Some(name.as_str()), "{path}");
        }
    }

    #[test]
    fn a_name_is_known_once_and_only_where_it_belongs() {
        let mut names: Vec<_> = RPCS.iter().flat_map(|(_, names)| *names).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((all, names.len()), (43, 43));
        for path in ["/runtime.v1.ImageService/Version", "/runtime.v1.RuntimeService/version", "/runtime.v1.X/Version"]
        {
            assert_eq!(Call::parse(path).unwrap().known(), None, "{path}");
        }
    }

    #[test]
    fn what_is_not_cri_is_nobody_s_row() {
        for path in [
            "/grpc.health.v1.Health/Check",
            "/runtime.v2.ImageService/PullImage",
            "/x",
            "",
            "runtime.v1.ImageService/PullImage",
        ] {
            assert_eq!(Call::parse(path), None, "{path}");
        }
        let twin = Call::parse("/runtime.v1.RuntimeService/PullImage").unwrap();
        assert_eq!(twin.row(), None);
    }
}
