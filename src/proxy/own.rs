//! Calls of our own that go the way of the kubelet's: the same rules, credentials and records are for them.

use super::answer::Answer;
use super::message;
use super::question::{Found, Presence};
use super::{Below, Context, Fault};
use crate::body::Body;
use crate::cri::client::USER_AGENT;
use crate::cri::method::{IMAGE_SERVICE, Version};
use crate::cri::v1::{ImageSpec, PullImageRequest};
use crate::rewrite;
use http::{HeaderValue, Request, header};
use prost::Message;
use std::time::Duration;
use tower::ServiceExt;

/// How long a target may take of a call of our own while there are others: with the call, for the round to see. What we
/// pull is small, and pods wait for it; and whoever waits for us gives up before a round would with its usual patience,
/// which would then never come to the next target.
#[derive(Debug, Clone, Copy)]
pub struct Patience(pub Duration);

/// That of every pull.
const PATIENCE: Patience = Patience(Duration::from_secs(30));

/// Pulls an image for no pod, through the layer that decides.
///
/// # Errors
///
/// When there is no answer, or one that can't be given.
pub async fn pull<S: Below>(stack: S, context: &Context, api: Version, image: &str) -> Result<Answer, Fault> {
    let spec = ImageSpec { image: image.to_owned(), ..ImageSpec::default() };
    let message = PullImageRequest { image: Some(spec), ..PullImageRequest::default() }.encode_to_vec();
    let mut request = request(api, "PullImage", &message)?;
    request.extensions_mut().insert(PATIENCE);
    let response = stack.oneshot(request).await;
    Ok(Answer::read(response, &message, context.message_limit).await)
}

/// What the runtime says of an image by just that name.
///
/// # Errors
///
/// When there is no answer.
pub async fn presence<S: Below>(stack: S, context: &Context, api: Version, image: &str) -> Result<Presence, Fault> {
    let response = stack.oneshot(request(api, "ImageStatus", &rewrite::question(image))?).await?;
    Ok(Found::read(response, context).await?.presence)
}

fn request(api: Version, rpc: &str, message: &[u8]) -> Result<Request<Body>, Fault> {
    Request::post(format!("/runtime.{}.{IMAGE_SERVICE}/{rpc}", api.as_str()))
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(header::TE, HeaderValue::from_static("trailers"))
        .header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))
        .body(message::body(message, None))
        // Nothing in it is anybody's text.
        .map_err(|_| Fault::Panic)
}
