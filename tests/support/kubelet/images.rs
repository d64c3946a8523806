//! What a kubelet asks of the image service.

use repoint::cri::v1::{
    AuthConfig, Image, ImageFilter, ImageSpec, ImageStatusRequest, ListImagesRequest, PodSandboxConfig,
    PullImageRequest, RemoveImageRequest,
};
use tonic::Status;

use super::{Api, Kubelet, MESSAGE_LIMIT};

impl Kubelet {
    /// As crictl does: for no pod and without credentials. Returns the image's ID, or what the
    /// runtime calls it.
    pub async fn pull(&self, image: &str) -> Result<String, Status> {
        self.pull_for(image, None, None).await
    }

    /// As the kubelet does: for a pod, with the credentials that it found for the registry.
    pub async fn pull_for(
        &self,
        image: &str,
        auth: Option<AuthConfig>,
        pod: Option<&PodSandboxConfig>,
    ) -> Result<String, Status> {
        let sandbox_config = pod.cloned();
        let request = PullImageRequest { image: named(image), auth, sandbox_config };
        Ok(images!(self, pull_image, request)?.image_ref)
    }

    /// `None` for an image that is not there.
    pub async fn image_status(&self, image: &str) -> Result<Option<Image>, Status> {
        let request = ImageStatusRequest { image: named(image), verbose: false };
        Ok(images!(self, image_status, request)?.image)
    }

    /// All images, or those that the runtime finds under a name.
    pub async fn list_images(&self, filter: Option<&str>) -> Result<Vec<Image>, Status> {
        let filter = filter.map(|image| ImageFilter { image: named(image) });
        Ok(images!(self, list_images, ListImagesRequest { filter })?.images)
    }

    pub async fn remove_image(&self, image: &str) -> Result<(), Status> {
        images!(self, remove_image, RemoveImageRequest { image: named(image) })?;
        Ok(())
    }
}

fn named(image: &str) -> Option<ImageSpec> {
    Some(ImageSpec { image: image.to_owned(), ..ImageSpec::default() })
}
