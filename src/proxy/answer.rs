//! What came of asking a runtime to pull.

use super::Fault;
use super::message::{self, Read};
use crate::audit;
use crate::body::Body;
use crate::cri::method::PULLED_IMAGE_REF;
use crate::cri::secret;
use crate::error::Chain;
use crate::runtime::Failure;
use crate::wire::{self, Edit, Step};
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD};
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use std::fmt::Write;
use std::time::Duration;
use tonic::{Code, Status};

/// What the runtime said, or why it said nothing.
#[derive(Debug)]
pub struct Answer {
    given: Result<(Parts, Read), Fault>,
    /// Its status.
    pub status: audit::Status,
    /// What the runtime calls the image.
    pub image_ref: Option<String>,
}

/// An answer that can be given more than once: a failure.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The runtime's.
    Said {
        /// Its headers.
        head: Box<Parts>,
        /// Its message; an error has none, as a rule.
        data: Bytes,
        /// Its trailers.
        trailers: Option<HeaderMap>,
        /// What they say.
        status: audit::Status,
    },
    /// None came in time.
    Late {
        /// What was asked for.
        image: String,
        /// The time it had.
        limit: Duration,
    },
}

const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// `google.rpc.Status.message`.
const MESSAGE_OF_STATUS: u32 = 2;
/// gRPC senders should leave the padding out, and receivers have to take both.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

// === impl Answer ===

impl Answer {
    /// Reads the answer to `request` whole: its end, the status, may not reach the caller before the record of it is
    /// written. What is told of that status has no secret of the request in it; the caller gets it as it came.
    pub async fn read(response: Result<Response<Body>, Fault>, request: &[u8], limit: usize) -> Self {
        let (head, body) = match response {
            Ok(response) => response.into_parts(),
            Err(fault) => return Self::fault(fault),
        };
        let read = match message::read(body, limit).await {
            Ok(read) => read,
            Err(error) => return Self::fault(Fault::Runtime(Failure::Ended(error))),
        };
        let status =
            read.trailers().and_then(Status::from_header_map).or_else(|| Status::from_header_map(&head.headers));
        let image_ref =
            read.message.as_ref().ok().and_then(|message| wire::text(message, PULLED_IMAGE_REF)).map(str::to_owned);
        let status = match status {
            Some(status) => {
                let message = secret::redacted(status.message().to_owned(), request);
                audit::Status { code: status.code().into(), message }
            }
            None => audit::Status { code: Code::Unknown.into(), message: "the runtime sent no gRPC status".to_owned() },
        };
        Self { given: Ok((head, read)), status, image_ref }
    }

    /// No answer.
    pub fn fault(fault: Fault) -> Self {
        let status = match fault.status() {
            Some(status) => audit::Status { code: status.code().into(), message: status.message().to_owned() },
            None => audit::Status { code: Code::Unknown.into(), message: Chain(&fault).to_string() },
        };
        Self { given: Err(fault), status, image_ref: None }
    }

    /// Its gRPC code.
    pub fn code(&self) -> Code {
        Code::from_i32(self.status.code)
    }

    /// Whether no registry is to blame: there was no runtime to ask it.
    pub fn is_without_runtime(&self) -> bool {
        matches!(
            self.given,
            Err(Fault::Runtime(_) | Fault::Unseen(_) | Fault::Caller(_) | Fault::Stopping | Fault::Panic)
        )
    }

    /// Whether the time was over before it came.
    pub fn is_late(&self) -> bool {
        matches!(self.given, Err(Fault::Late { .. }))
    }

    /// Adds `more` at the end of what it says to people. Code and details stay, and how the message begins, which kubelets
    /// look at.
    pub fn say_also(&mut self, more: &str) {
        match &mut self.given {
            Ok((head, read)) => {
                let said = read.trailers_mut().filter(|trailers| trailers.contains_key(Status::GRPC_STATUS));
                amend(said.unwrap_or(&mut head.headers), more);
            }
            Err(Fault::Late { also, .. }) => also.push_str(more),
            Err(_) => {}
        }
    }

    /// What can be given again, if this is a failure that can.
    pub fn refusal(&self) -> Option<Refusal> {
        match &self.given {
            Ok((head, read)) => Some(Refusal::Said {
                head: Box::new(head.clone()),
                data: read.data()?,
                trailers: read.trailers().cloned(),
                status: self.status.clone(),
            }),
            Err(Fault::Late { image, limit, .. }) => Some(Refusal::Late { image: image.clone(), limit: *limit }),
            Err(_) => None,
        }
    }

    /// What the caller is answered.
    ///
    /// # Errors
    ///
    /// When there is no answer of a runtime's.
    pub fn into_outcome(self) -> Result<Response<Body>, Fault> {
        self.given.map(|(head, read)| Response::from_parts(head, read.into_body()))
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Said { head, data, trailers, status } => {
                Self { given: Ok((*head, Read::whole(data, trailers))), status, image_ref: None }
            }
            Refusal::Late { image, limit } => Self::fault(Fault::Late { image, limit, also: String::new() }),
        }
    }
}

/// Adds `more` to the message of a status, in both places where gRPC has it.
fn amend(headers: &mut HeaderMap, more: &str) {
    let mut message = headers.get(MESSAGE).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    message.extend(percent_encoded(more).into_bytes());
    if let Ok(message) = HeaderValue::from_bytes(&message) {
        headers.insert(MESSAGE, message);
    }
    // Where there are details, grpc-go shows their copy of the message and not the one above.
    if let Some(details) = headers.get(DETAILS).and_then(|details| amended(details.as_bytes(), more)) {
        headers.insert(DETAILS, details);
    }
}

/// An encoded `google.rpc.Status` with `more` at the end of its message, and every other byte as it was.
fn amended(details: &[u8], more: &str) -> Option<HeaderValue> {
    let status = LENIENT.decode(details).ok()?;
    let sites = wire::sites(&status, &[Step::One(MESSAGE_OF_STATUS)]).ok()?;
    let status = match sites.last() {
        Some(site) => {
            let message = [status.get(site.value.clone())?, more.as_bytes()].concat();
            wire::splice(&status, &[(site.value.clone(), Edit::Replace(message))]).ok()?
        }
        None => {
            let mut status = status;
            wire::append(MESSAGE_OF_STATUS, more.as_bytes(), &mut status);
            status
        }
    };
    STANDARD_NO_PAD.encode(status).parse().ok()
}

/// As gRPC encodes a status message: printable ASCII but `%` as it is, any other byte as `%` and its hex digits.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => {
                let _infallible = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a client reads it that knows tonic's statuses.
    fn read(headers: &HeaderMap) -> Status {
        Status::from_header_map(headers).unwrap()
    }

    fn status(code: Code, message: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        Status::new(code, message).add_header(&mut headers).unwrap();
        headers
    }

    #[test]
    fn what_is_added_comes_last_and_changes_nothing_else() {
        let mut headers = status(Code::NotFound, "RegistryUnavailable: é 100%\n");
        headers.insert("x-other", "y".parse().unwrap());
        let before = headers[MESSAGE].clone();
        amend(&mut headers, " (repoint: ü 1%)");
        assert!(headers[MESSAGE].as_bytes().starts_with(before.as_bytes()));
        assert_eq!(read(&headers).code(), Code::NotFound);
        assert_eq!(read(&headers).message(), "RegistryUnavailable: é 100%\n (repoint: ü 1%)");
        assert_eq!(headers["x-other"], "y");
    }

    #[test]
    fn a_status_without_a_message_gets_one() {
        let mut headers = status(Code::Unknown, "");
        amend(&mut headers, "more");
        assert_eq!(read(&headers).message(), "more");
    }

    #[test]
    fn the_copy_in_the_details_is_changed_likewise_and_the_details_are_not() {
        // google.rpc.Status: code = 1, message = 2, details = 3; and a field that nobody knows.
        let encoded = |message: &str| {
            let mut status = vec![0x08, 5];
            wire::append(2, message.as_bytes(), &mut status);
            wire::append(3, b"\x0a\x03a/b", &mut status);
            wire::append(99, b"new", &mut status);
            status
        };
        let padded = base64::engine::general_purpose::STANDARD.encode(encoded("no"));
        for sent in [padded.clone(), padded.trim_end_matches('=').to_owned()] {
            let details = amended(sent.as_bytes(), " way").unwrap();
            assert_eq!(LENIENT.decode(details.as_bytes()).unwrap(), encoded("no way"));
        }
        assert_eq!(amended(b"!", "more"), None);
        let without = STANDARD_NO_PAD.encode([0x08, 5]);
        let details = amended(without.as_bytes(), "more").unwrap();
        assert_eq!(LENIENT.decode(details.as_bytes()).unwrap(), b"\x08\x05\x12\x04more");
    }
}
