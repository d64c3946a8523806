//! containerd's own records of images: what a name leads to. They are on the socket that CRI is on.
//!
//! CRI can pull an image and remove it, and has no call to give it another name; this has. containerd's CRI service hears of
//! every record in its namespace and shows it, a moment later.

use crate::cri::client;
use api::images_client::ImagesClient;
use api::{CreateImageRequest, Descriptor, FieldMask, GetImageRequest, GetImageResponse, Image, UpdateImageRequest};
use std::path::Path;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// The messages and the client.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "generated; proto/ says what there is to say"
)]
pub mod api {
    tonic::include_proto!("containerd.services.images.v1");
}

/// The records of one containerd, over one connection.
#[derive(Debug, Clone)]
pub struct Records(ImagesClient<InterceptedService<Channel, InNamespace>>);

/// Says in which of containerd's namespaces a call is meant: that of CRI.
#[derive(Debug, Clone, Copy)]
pub struct InNamespace;

/// What containerd's CRI service gives its own records, and heeds in others'.
pub const MANAGED: (&str, &str) = ("io.cri-containerd.image", "managed");
/// By which it knows images that are not to be collected as garbage.
pub const PINNED: (&str, &str) = ("io.cri-containerd.pinned", "pinned");

/// No image has this name.
const NOBODY: &str = "repoint.invalid/nothing:latest";

// === impl Records ===

impl Records {
    /// Those of whoever listens at `socket`.
    ///
    /// # Errors
    ///
    /// When nobody does.
    pub async fn connect(socket: &Path) -> Result<Self, tonic::transport::Error> {
        let channel = client::connect(socket.to_owned()).await?;
        Ok(Self(ImagesClient::with_interceptor(channel, InNamespace)))
    }

    /// Whether there are any, which by its name alone not every containerd has.
    ///
    /// # Errors
    ///
    /// When nobody says.
    pub async fn are_kept(&self) -> Result<bool, Status> {
        match self.get(NOBODY).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == Code::Unimplemented => Ok(false),
            Err(status) => Err(status),
        }
    }

    /// The record of that name.
    ///
    /// # Errors
    ///
    /// When nobody says.
    pub async fn get(&self, name: &str) -> Result<Option<Image>, Status> {
        match self.0.clone().get(GetImageRequest { name: name.to_owned() }).await.map(tonic::Response::into_inner) {
            Ok(GetImageResponse { image }) => Ok(image),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Adds a record; `false` where there is one of that name.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn create(&self, image: Image) -> Result<bool, Status> {
        match self.0.clone().create(CreateImageRequest { image: Some(image) }).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == Code::AlreadyExists => Ok(false),
            Err(status) => Err(status),
        }
    }

    /// Changes what `paths` name in the record of that name; `false` where there is none.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn update(&self, image: Image, paths: Vec<String>) -> Result<bool, Status> {
        let request = UpdateImageRequest { image: Some(image), update_mask: Some(FieldMask { paths }) };
        match self.0.clone().update(request).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == Code::NotFound => Ok(false),
            Err(status) => Err(status),
        }
    }
}

// === impl Image ===

impl Image {
    /// The digest of what it leads to.
    pub fn digest(&self) -> &str {
        self.target.as_ref().map_or("", |Descriptor { digest, .. }| digest.as_str())
    }

    /// Whether it has this label, with this value.
    pub fn is_labelled(&self, (key, value): (&str, &str)) -> bool {
        self.labels.get(key).is_some_and(|found| found == value)
    }
}

// === impl InNamespace ===

impl Interceptor for InNamespace {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("containerd-namespace", MetadataValue::from_static("k8s.io"));
        Ok(request)
    }
}
