//! The calls that repoint makes on its own account.
//!
//! They have a connection of their own: the data path's belongs to the kubelet's calls, and tonic's transport alters
//! what it carries, which is of no account here.

use super::{v1, v1alpha2};
use hyper_util::rt::TokioIo;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// Why a socket's owner is not a runtime one can talk to.
#[derive(Debug, thiserror::Error)]
pub enum NoRuntime {
    /// Nobody listens, or it is no HTTP/2.
    #[error("no connection")]
    Connection(#[from] tonic::transport::Error),
    /// It does not answer CRI's `Version`.
    #[error("no answer to CRI's Version: {}", .0.message())]
    Answer(Status),
}

/// What a kubelet accepts of one message. A thousand containers with their annotations are more than tonic's four megabytes.
const MESSAGE_LIMIT: usize = 16 << 20;

/// Asks the runtime at `socket` for its name and version, in CRI v1 or, failing that, v1alpha2.
///
/// # Errors
///
/// When what listens there is not a container runtime, or nothing does.
pub async fn version(socket: &Path) -> Result<v1::VersionResponse, NoRuntime> {
    let channel = connect(socket.to_owned()).await?;
    let request = || Request::new(v1::VersionRequest::default());
    let answer = v1::runtime_service_client::RuntimeServiceClient::new(channel.clone()).version(request()).await;
    let answer = match answer {
        Err(status) if status.code() == Code::Unimplemented => {
            v1alpha2::runtime_service_client::RuntimeServiceClient::new(channel).version(request()).await
        }
        answer => answer,
    };
    answer.map(tonic::Response::into_inner).map_err(NoRuntime::Answer)
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

async fn connect(socket: PathBuf) -> Result<Channel, tonic::transport::Error> {
    let connector = tower::service_fn(move |_| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    // The name goes into `:authority` only; newer kubelets send the same.
    Endpoint::from_static("http://localhost").connect_with_connector(connector).await
}
