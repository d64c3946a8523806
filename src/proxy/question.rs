//! `ImageStatus`: asked on our own account, and read where the caller asked it.

use super::message::{self, Unread};
use super::{Context, Fault, deadline};
use crate::body::Body;
use crate::cri::method::{Call, IMAGE_SERVICE, STATUS_DIGESTS, STATUS_ID, STATUS_IMAGE};
use crate::reference::Reference;
use crate::rules::place::normal;
use crate::runtime::Failure;
use crate::wire;
use http::{Response, request};
use std::time::Duration;
use tonic::{Code, Status};

/// What the runtime said to one `ImageStatus`.
#[derive(Debug)]
pub struct Found {
    /// Its answer, as it came.
    pub response: Response<Body>,
    /// What that says.
    pub presence: Presence,
}

/// Whether an image is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Present(Image),
    /// It is not.
    Absent,
    /// An error, or an answer that can't be read: not a reason to look elsewhere.
    Unknown,
}

/// An image that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// What the runtime calls it.
    pub id: String,
    /// By which manifests it goes, `repository@digest`.
    digests: Vec<String>,
}

/// The head of such a question, for a call that came with `head` and took `spent` so far.
pub fn head(head: &request::Parts, spent: Duration) -> request::Parts {
    let mut head = head.clone();
    deadline::spend(&mut head.headers, spent);
    // We have to read the answer. Runtimes compress what was asked for compressed, and nothing else.
    head.headers.remove("grpc-accept-encoding");
    head.headers.remove("grpc-encoding");
    head.uri = uri(&head.uri);
    head
}

/// The path of `ImageStatus` in the package that `uri` names.
fn uri(uri: &http::Uri) -> http::Uri {
    let Some(call) = Call::parse(uri.path()) else { return uri.clone() };
    let path = format!("/runtime.{}.{IMAGE_SERVICE}/ImageStatus", call.version.as_str());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    http::Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

// === impl Found ===

impl Found {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// When it breaks off.
    pub async fn read(response: Response<Body>, context: &Context) -> Result<Self, Fault> {
        let (head, body) = response.into_parts();
        let read =
            message::read(body, context.message_limit).await.map_err(|error| Fault::Runtime(Failure::Ended(error)))?;
        let status =
            read.trailers().and_then(Status::from_header_map).or_else(|| Status::from_header_map(&head.headers));
        let presence = match (&read.message, status.map(|status| status.code())) {
            (Ok(message), Some(Code::Ok)) => Presence::said(message),
            // No runtime is known to say it so; the meaning is plain all the same.
            (Err(Unread::Empty), Some(Code::NotFound)) => Presence::Absent,
            (Err(why @ (Unread::TooLarge | Unread::Compressed)), _) => {
                context.passed_unread("ImageStatus", *why);
                Presence::Unknown
            }
            _ => Presence::Unknown,
        };
        Ok(Self { response: Response::from_parts(head, read.into_body()), presence })
    }
}

// === impl Presence ===

impl Presence {
    /// What an `ImageStatusResponse` says.
    fn said(message: &[u8]) -> Self {
        match wire::sites(message, STATUS_IMAGE) {
            Ok(image) if image.is_empty() => Self::Absent,
            Ok(_) => Self::Present(Image {
                id: wire::text(message, STATUS_ID).unwrap_or_default().to_owned(),
                digests: wire::texts(message, STATUS_DIGESTS).into_iter().map(str::to_owned).collect(),
            }),
            Err(_) => Self::Unknown,
        }
    }
}

// === impl Image ===

impl Image {
    /// The digest of the manifest that `name` was pulled by, as far as that is known: an image may have several names.
    pub fn digest(&self, name: &str) -> Option<&str> {
        let name = Reference::parse(name).ok()?;
        self.digests.iter().find_map(|known| {
            let reference = Reference::parse(known).ok()?;
            let is_same =
                normal(reference.registry()) == normal(name.registry()) && reference.components().eq(name.components());
            reference.digest().filter(|_| is_same)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::v1::{self, ImageStatusResponse};
    use prost::Message;

    #[test]
    fn the_digest_is_that_of_the_name_that_was_pulled() {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let digests = ["registry.k8s.io/pause@", "mirror.example/pause@"];
        let image = v1::Image {
            id: "sha256:id".to_owned(),
            repo_digests: digests
                .iter()
                .zip(["a", "b"])
                .map(|(name, digit)| format!("{name}{}", digest(digit)))
                .collect(),
            ..v1::Image::default()
        };
        let message = ImageStatusResponse { image: Some(image), ..ImageStatusResponse::default() }.encode_to_vec();
        let Presence::Present(image) = Presence::said(&message) else { panic!("it is there") };
        assert_eq!(image.id, "sha256:id");
        assert_eq!(image.digest("mirror.example:443/pause:3.9"), Some(digest("b").as_str()));
        assert_eq!(image.digest("mirror.example/pause/x:3.9"), None);
        assert_eq!(Presence::said(&[]), Presence::Absent);
        assert_eq!(Presence::said(&[0x0a, 9]), Presence::Unknown);
    }
}
