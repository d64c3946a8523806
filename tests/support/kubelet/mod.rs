//! What a kubelet, or crictl, asks of a CRI socket, in either version of the API.

use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use repoint::cri::v1::{VersionRequest, VersionResponse};
use tokio::net::UnixStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// What the kubelet's own client takes.
const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;

/// Longer than any call here takes on a busy machine, and shorter than a developer's patience.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// A client of one socket.
#[derive(Debug, Clone)]
pub struct Kubelet {
    channel: Channel,
    api: Api,
}

#[derive(Debug, Clone, Copy)]
enum Api {
    V1,
    V1alpha2,
}

/// One typed call in the version of the API that this kubelet speaks. The clients of the two are of
/// different types with the same methods, which no function can be generic over.
macro_rules! call {
    ($kubelet:expr, $service:ident :: $client:ident, $method:ident, $request:expr) => {{
        let channel = $kubelet.channel.clone();
        let answer = match $kubelet.api {
            Api::V1 => {
                repoint::cri::v1::$service::$client::new(channel)
                    .max_decoding_message_size(MESSAGE_LIMIT)
                    .$method($request)
                    .await
            }
            Api::V1alpha2 => {
                repoint::cri::v1alpha2::$service::$client::new(channel)
                    .max_decoding_message_size(MESSAGE_LIMIT)
                    .$method($request)
                    .await
            }
        };
        answer.map(tonic::Response::into_inner)
    }};
}

macro_rules! runtime {
    ($kubelet:expr, $method:ident, $request:expr) => {
        call!($kubelet, runtime_service_client::RuntimeServiceClient, $method, $request)
    };
}

macro_rules! images {
    ($kubelet:expr, $method:ident, $request:expr) => {
        call!($kubelet, image_service_client::ImageServiceClient, $method, $request)
    };
}

// Here, because a macro is known only below its definition.
mod images;
mod pods;

// === impl Kubelet ===

impl Kubelet {
    /// Connects when it first calls, and again whenever the connection is gone.
    pub fn v1(socket: &Path) -> Self {
        Self { channel: dial(socket), api: Api::V1 }
    }

    /// As kubelets did up to 1.22, and up to 1.25 if they had to.
    pub fn v1alpha2(socket: &Path) -> Self {
        Self { channel: dial(socket), api: Api::V1alpha2 }
    }

    pub async fn version(&self) -> Result<VersionResponse, Status> {
        runtime!(self, version, VersionRequest::default())
    }
}

fn dial(socket: &Path) -> Channel {
    let socket = socket.to_owned();
    // `localhost` is what newer kubelets send as authority, and for a socket it names nothing.
    Endpoint::from_static("http://localhost").timeout(CALL_LIMIT).connect_with_connector_lazy(service_fn(
        move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        },
    ))
}
