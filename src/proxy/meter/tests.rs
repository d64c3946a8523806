use super::super::drain::{End, Pace};
use super::super::status::{Ending, rescue};
use super::*;
use crate::body::Body as Relayed;
use http_body_util::BodyExt;
use std::time::Duration;

const VERSION: &str = "/runtime.v1.RuntimeService/Version";

fn headers(code: Option<&str>) -> HeaderMap {
    code.into_iter().map(|code| (http::HeaderName::from_static("grpc-status"), code.parse().unwrap())).collect()
}

/// An answer with this code among its headers, data or none, and trailers with this code or none.
fn answer(head: Option<&str>, data: &'static [u8], trailers: Option<Option<&str>>) -> Response<Relayed> {
    let mut response = Response::new(Relayed::new(Bytes::from_static(data), trailers.map(headers)));
    *response.headers_mut() = headers(head);
    response
}

/// Of a service that goes on.
fn ending() -> Ending {
    let end = End::default();
    let held = end.calls.hold(Pace::Usual);
    Ending::new(end, Pace::Usual, held)
}

fn followed(metrics: &Metrics, outcome: Result<Response<Relayed>, Fault>) -> Result<Response<Metered>, Fault> {
    Meter::start(metrics, VERSION).follow(rescue(outcome, metrics, ending()))
}

fn counted(metrics: &Metrics, method: &'static str, code: &'static str) -> u64 {
    metrics.calls.get(&Call { method, code }).map_or(0, |count| count.get())
}

#[tokio::test]
async fn a_call_is_counted_once_under_the_code_that_is_told() {
    for (answer, code) in [
        (answer(None, b"data", Some(Some("0"))), "OK"),
        (answer(None, b"", Some(Some("13"))), "Internal"),
        // All in the headers, where an answer has no message.
        (answer(Some("5"), b"", None), "NotFound"),
        (answer(Some("16"), b"", None), "Unauthenticated"),
        // No code that there is, or none at all.
        (answer(None, b"data", Some(Some("17"))), "Unknown"),
        (answer(None, b"data", Some(Some("ok"))), "Unknown"),
        (answer(None, b"data", Some(None)), "Unknown"),
        (answer(None, b"data", None), "Unknown"),
        (answer(None, b"", None), "Unknown"),
    ] {
        let metrics = Metrics::default();
        let printed = format!("{answer:?}");
        let read = followed(&metrics, Ok(answer)).unwrap().into_body().collect().await.unwrap();
        drop(read);
        assert_eq!(counted(&metrics, "Version", code), 1, "{printed}");
    }
}

#[tokio::test]
async fn what_goes_by_is_what_came() {
    let metrics = Metrics::default();
    let mut body = followed(&metrics, Ok(answer(None, b"data", Some(Some("0"))))).unwrap().into_body();
    assert!(!body.is_end_stream());
    assert_eq!(body.size_hint().exact(), None, "hyper would make a content-length of it");
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data");
    assert!(!body.is_end_stream());
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap()["grpc-status"], "0");
    assert!(body.is_end_stream());
    assert_eq!(counted(&metrics, "Version", "OK"), 0, "it goes on");
    assert!(body.frame().await.is_none());
    drop(body);
    assert_eq!(counted(&metrics, "Version", "OK"), 1);
    assert!(followed(&metrics, Ok(answer(Some("0"), b"", None))).unwrap().into_body().is_end_stream());
}

#[tokio::test]
async fn a_call_that_is_given_up_was_cancelled() {
    let metrics = Metrics::default();
    // Before there is an answer.
    drop(Meter::start(&metrics, VERSION));
    // Before the head of it is taken, and in the middle.
    drop(followed(&metrics, Ok(answer(None, b"data", Some(Some("0"))))).unwrap());
    let mut body = followed(&metrics, Ok(answer(None, b"data", Some(Some("0"))))).unwrap().into_body();
    let _data = body.frame().await;
    drop(body);
    assert_eq!(counted(&metrics, "Version", "Canceled"), 3);
}

#[test]
fn what_repoint_answers_is_counted_as_it_answers() {
    let metrics = Metrics::default();
    drop(followed(&metrics, Err(Fault::Denied("it is retired".to_owned()))).unwrap());
    assert_eq!(counted(&metrics, "Version", "PermissionDenied"), 1);
    drop(followed(&metrics, Err(Fault::Unseen(h2::Reason::REFUSED_STREAM.into()))).unwrap_err());
    assert_eq!(counted(&metrics, "Version", "reset"), 1);
}

#[test]
fn whatever_a_client_calls_has_few_names() {
    let metrics = Metrics::default();
    for number in 0..1000 {
        drop(Meter::start(&metrics, &format!("/runtime.v1.RuntimeService/Made{number}")));
    }
    drop(Meter::start(&metrics, "/other.v1.RuntimeService/Version"));
    assert_eq!(counted(&metrics, "other", "Canceled"), 1001);
}

#[tokio::test(start_paused = true)]
async fn what_a_relayed_call_takes_here_is_all_but_the_wait_for_the_runtime() {
    let metrics = Metrics::default();
    let meter = Meter::start(&metrics, VERSION);
    tokio::time::advance(Duration::from_millis(70)).await;
    let mut relayed = answer(Some("0"), b"", None);
    relayed.extensions_mut().insert(Waited(Duration::from_millis(55)));
    drop(meter.follow(rescue(Ok(relayed), &metrics, ending())).unwrap());
    let page = metrics.encode(&crate::metrics::Moment::default()).unwrap();
    for line in ["bucket{le=\"0.01\"} 0", "bucket{le=\"0.02\"} 1", "count 1", "sum 0.015"] {
        assert!(page.contains(&format!("\nrepoint_relay_overhead_seconds_{line}\n")), "{line}: {page}");
    }
    // Whoever looks into a call does more than relay it.
    drop(followed(&metrics, Ok(answer(Some("0"), b"", None))).unwrap());
    let page = metrics.encode(&crate::metrics::Moment::default()).unwrap();
    assert!(page.contains("\nrepoint_relay_overhead_seconds_count 1\n"), "{page}");
}

#[test]
fn a_connection_is_open_until_it_is_not() {
    let metrics = Metrics::default();
    let (one, other) = (Open::one(&metrics.connections), Open::one(&metrics.connections));
    assert_eq!(metrics.connections.get(), 2);
    drop((one, other));
    assert_eq!(metrics.connections.get(), 0);
}
