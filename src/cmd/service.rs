//! Asks the service that runs on this node, on its admin socket.

use super::Failure;
use crate::args::{Serve, Service};
use crate::config::{self, check};
use crate::exit::Exit;
use crate::runtime::Address;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio::net::UnixStream;

/// Why the service did not answer, or not as it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// There is nobody to ask.
    #[error("the service does not answer at {address}: is it running (systemctl status repoint)?")]
    Unreachable {
        /// Where.
        address: Address,
        /// What went wrong.
        #[source]
        error: Box<dyn Error + Send + Sync>,
    },
    /// It said no.
    #[error("{0}")]
    Refused(String),
    /// It said something else.
    #[error(
        "the service answers what this version does not understand (the program and the service may be of different versions)"
    )]
    Odd(#[from] serde_json::Error),
}

/// How long it has for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// More is no answer.
const LARGEST: usize = 16 << 20;

/// Where the service is.
///
/// # Errors
///
/// When that is no address.
pub(super) fn address(service: &Service) -> Result<Address, Failure> {
    if let Some(said) = &service.admin {
        return said.parse().map_err(|error| Failure::new(Exit::Usage, error));
    }
    let source = config::load(service.config.as_deref());
    match config::settings(&Serve::default(), &source) {
        Ok(settings) => Ok(settings.admin),
        // A service runs, whatever is written: where it said last, or where it usually is.
        Err(mistakes) => {
            let said = &source.said;
            let beside = said.listen.as_ref().map(|listen| listen.value.beside(check::ADMIN));
            let usual = || check::LISTEN.parse::<Address>().ok().map(|listen| listen.beside(check::ADMIN));
            let found = said.admin.as_ref().map(|admin| admin.value.clone()).or(beside).or_else(usual);
            found.ok_or_else(|| Failure::new(Exit::Configuration, mistakes))
        }
    }
}

/// Asks; returns what is answered where all is well.
///
/// # Errors
///
/// When there is no such answer.
pub(super) fn ask(address: &Address, method: Method, path: &str, body: Vec<u8>) -> Result<String, Unanswered> {
    let unreachable = |error: Box<dyn Error + Send + Sync>| Unanswered::Unreachable { address: address.clone(), error };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unreachable(error.into()))?;
    let asked = async { tokio::time::timeout(PATIENCE, exchange(address, method, path, body)).await };
    let (status, text) = match runtime.block_on(asked) {
        Ok(answered) => answered.map_err(unreachable)?,
        Err(_) => return Err(unreachable(io::Error::from(io::ErrorKind::TimedOut).into())),
    };
    if status == StatusCode::OK { Ok(text) } else { Err(Unanswered::Refused(text.trim_end().to_owned())) }
}

async fn exchange(
    address: &Address,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, String), Box<dyn Error + Send + Sync>> {
    let stream = UnixStream::connect(address.path()).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .body(Full::new(Bytes::from(body)))?;
    let answered = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let text = Limited::new(body, LARGEST).collect().await?.to_bytes();
        Ok((head.status, String::from_utf8_lossy(&text).into_owned()))
    };
    tokio::pin!(connection);
    tokio::pin!(answered);
    tokio::select! {
        answered = &mut answered => answered,
        // It carries the answer, which may be there after its end.
        ended = &mut connection => match ended {
            Ok(()) => answered.await,
            Err(error) => Err(error.into()),
        },
    }
}
