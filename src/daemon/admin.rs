//! What is counted, for who may know: HTTP on a socket of its own, beside the one the kubelet uses.

use super::page::Page;
use crate::error::Chain;
use crate::proxy::listener::Listener;
use crate::runtime::Address;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long one client may take. They are served one after the other: a scraper asks every few seconds, and nobody who
/// asks more often shall cost the node more.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause after a client could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The form of the page.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Serves for ever. Without its socket the proxy does as well, so a failure is said and no more.
pub async fn serve(address: Address, counted: Page) {
    let listener = match Listener::bind(&address) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(error = %Chain(&error), "There will be no metrics");
            return std::future::pending().await;
        }
    };
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let _too_slow = tokio::time::timeout(PATIENCE, answer(stream, &counted)).await;
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn answer(stream: UnixStream, counted: &Page) {
    let service =
        service_fn(async |request: Request<Incoming>| Ok::<_, Infallible>(page(request.uri().path(), counted).await));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(error = %Chain(&error), "A client of the metrics went away");
    }
}

async fn page(path: &str, counted: &Page) -> Response<String> {
    let mut response = match (path, counted.text().await) {
        ("/metrics", Ok(text)) => Response::new(text),
        _ => {
            let mut response = Response::new("there is /metrics\n".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        }
    };
    response.headers_mut().insert(header::CONTENT_TYPE, OPEN_METRICS);
    response
}
