//! The calls that repoint makes on its own account.
//!
//! They have a connection of their own: the data path's belongs to the kubelet's calls, and tonic's transport alters
//! what it carries, which is of no account here.

use super::method::Version;
use super::{v1, v1alpha2};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// Why a socket's owner is not a runtime one can talk to.
#[derive(Debug, thiserror::Error)]
pub enum NoRuntime {
    /// Nobody listens, or it is no HTTP/2.
    #[error("no connection")]
    Connection(#[from] tonic::transport::Error),
    /// It does not answer, or not with what was asked for.
    #[error("no answer by CRI: {}", .0.message())]
    Answer(Status),
}

/// What a kubelet accepts of one message. A thousand containers with their annotations are more than tonic's four megabytes.
const MESSAGE_LIMIT: usize = 16 << 20;

/// Who calls, for those who read the runtime's log.
pub const USER_AGENT: &str = concat!("repoint/", env!("CARGO_PKG_VERSION"));

/// Makes one call in the version that is spoken. The clients of the two are of different types with the same methods,
/// which no function can be generic over.
macro_rules! call {
    ($socket:expr, $api:expr, $service:ident :: $client:ident, $method:ident, $request:expr) => {{
        let channel = connect($socket.to_owned()).await?;
        let answer = match $api {
            Version::V1 => {
                v1::$service::$client::new(channel)
                    .max_decoding_message_size(MESSAGE_LIMIT)
                    .$method(Request::new($request))
                    .await
            }
            Version::V1Alpha2 => {
                v1alpha2::$service::$client::new(channel)
                    .max_decoding_message_size(MESSAGE_LIMIT)
                    .$method(Request::new($request))
                    .await
            }
        };
        answer.map(tonic::Response::into_inner).map_err(NoRuntime::Answer)
    }};
}

/// Asks the runtime at `socket` for its name and version, in CRI v1 or, failing that, v1alpha2.
///
/// # Errors
///
/// When what listens there is not a container runtime, or nothing does.
pub async fn version(socket: &Path) -> Result<v1::VersionResponse, NoRuntime> {
    introduction(socket).await.map(|(version, _)| version)
}

/// The same, and which of the two it was.
///
/// # Errors
///
/// When what listens there is not a container runtime, or nothing does.
pub async fn introduction(socket: &Path) -> Result<(v1::VersionResponse, Version), NoRuntime> {
    let channel = connect(socket.to_owned()).await?;
    let request = || Request::new(v1::VersionRequest::default());
    let answer = v1::runtime_service_client::RuntimeServiceClient::new(channel.clone()).version(request()).await;
    let (answer, api) = match answer {
        Err(status) if status.code() == Code::Unimplemented => {
            let answer = v1alpha2::runtime_service_client::RuntimeServiceClient::new(channel).version(request()).await;
            (answer, Version::V1Alpha2)
        }
        answer => (answer, Version::V1),
    };
    answer.map(|answer| (answer.into_inner(), api)).map_err(NoRuntime::Answer)
}

/// The same in that version alone.
///
/// # Errors
///
/// When it does not speak it, or nobody is there.
pub async fn version_by(socket: &Path, api: Version) -> Result<v1::VersionResponse, NoRuntime> {
    call!(socket, api, runtime_service_client::RuntimeServiceClient, version, v1::VersionRequest::default())
}

/// What comes of a call, if that is in time. (What was begun in the runtime may go on.)
///
/// # Errors
///
/// As the call's own, or when it takes longer.
pub async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, NoRuntime>>) -> Result<T, NoRuntime> {
    let late = || Status::deadline_exceeded(format!("timed out after {} s", limit.as_secs()));
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| Err(NoRuntime::Answer(late())))
}

/// What the runtime says of itself at length, by key: its configuration among it, as JSON, for some.
///
/// # Errors
///
/// When there is no such answer.
pub async fn information(socket: &Path, api: Version) -> Result<HashMap<String, String>, NoRuntime> {
    let request = v1::StatusRequest { verbose: true };
    call!(socket, api, runtime_service_client::RuntimeServiceClient, status, request).map(|status| status.info)
}

/// All images there are.
///
/// # Errors
///
/// When there is no such answer.
pub async fn images(socket: &Path, api: Version) -> Result<Vec<v1::Image>, NoRuntime> {
    let request = v1::ListImagesRequest::default();
    call!(socket, api, image_service_client::ImageServiceClient, list_images, request).map(|list| list.images)
}

/// The image of that name, if there is one.
///
/// # Errors
///
/// When there is no such answer.
pub async fn image(socket: &Path, api: Version, name: &str) -> Result<Option<v1::Image>, NoRuntime> {
    let request = v1::ImageStatusRequest { image: Some(spec(name)), verbose: false };
    call!(socket, api, image_service_client::ImageServiceClient, image_status, request).map(|status| status.image)
}

/// Has an image pulled, for no pod.
///
/// # Errors
///
/// When it can't be had.
pub async fn pull(socket: &Path, api: Version, name: &str, auth: Option<v1::AuthConfig>) -> Result<(), NoRuntime> {
    let request = v1::PullImageRequest { image: Some(spec(name)), auth, sandbox_config: None };
    call!(socket, api, image_service_client::ImageServiceClient, pull_image, request).map(|_| ())
}

/// Has an image removed.
///
/// # Errors
///
/// When it stays.
pub async fn remove(socket: &Path, api: Version, name: &str) -> Result<(), NoRuntime> {
    let request = v1::RemoveImageRequest { image: Some(spec(name)) };
    call!(socket, api, image_service_client::ImageServiceClient, remove_image, request).map(|_| ())
}

/// All sandboxes of pods, ready or not.
///
/// # Errors
///
/// When there is no such answer.
pub async fn sandboxes(socket: &Path, api: Version) -> Result<Vec<v1::PodSandbox>, NoRuntime> {
    let request = v1::ListPodSandboxRequest::default();
    call!(socket, api, runtime_service_client::RuntimeServiceClient, list_pod_sandbox, request).map(|list| list.items)
}

/// What the runtime says of a sandbox at length, by key.
///
/// # Errors
///
/// When there is no such answer.
pub async fn sandbox(socket: &Path, api: Version, id: &str) -> Result<HashMap<String, String>, NoRuntime> {
    let request = v1::PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: true };
    let answer = call!(socket, api, runtime_service_client::RuntimeServiceClient, pod_sandbox_status, request);
    answer.map(|status| status.info)
}

fn spec(name: &str) -> v1::ImageSpec {
    v1::ImageSpec { image: name.to_owned(), ..v1::ImageSpec::default() }
}

/// Asks the runtime at `socket` for all its containers, in whichever version it speaks.
///
/// # Errors
///
/// When what listens there is not a container runtime, or nothing does.
pub async fn containers(socket: &Path) -> Result<Vec<v1::Container>, NoRuntime> {
    let channel = connect(socket.to_owned()).await?;
    let request = || Request::new(v1::ListContainersRequest::default());
    let mut client =
        v1::runtime_service_client::RuntimeServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_LIMIT);
    let answer = match client.list_containers(request()).await {
        Err(status) if status.code() == Code::Unimplemented => {
            v1alpha2::runtime_service_client::RuntimeServiceClient::new(channel)
                .max_decoding_message_size(MESSAGE_LIMIT)
                .list_containers(request())
                .await
        }
        answer => answer,
    };
    answer.map(|answer| answer.into_inner().containers).map_err(NoRuntime::Answer)
}

/// A connection for calls of our own.
///
/// # Errors
///
/// When nobody listens, or it is no HTTP/2.
pub async fn connect(socket: PathBuf) -> Result<Channel, tonic::transport::Error> {
    let connector = tower::service_fn(move |_| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    // The name goes into `:authority` only; newer kubelets send the same.
    Endpoint::from_static("http://localhost").user_agent(USER_AGENT)?.connect_with_connector(connector).await
}
