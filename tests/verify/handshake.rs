//! What keeps TLS from coming to be is told apart: who speaks none from who speaks another.

use super::bench::{Bench, IMAGE};
use super::server::{Answer, Authority, Server};

/// Kind and reason of an image that could not be asked for at `host`.
async fn fault(host: &str, authority: &Authority) -> (String, String) {
    let bench = Bench::looking_at(host);
    let file = bench.file("ca.pem", &authority.pem);
    // Without the proxy that leads nowhere.
    let bench = bench.words(&["--ca", file.to_str().unwrap()]).environment("NO_PROXY", "0.0.0.0");
    let (found, said, ended) = bench.verdicts(&[IMAGE]).await;
    assert_eq!((&*found[0].1, ended.code), ("unknown", Some(1)), "{said}");
    let (kind, reason) = super::bench::fault(&said);
    (kind.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_from_who_speaks_another() {
    let authority = Authority::new("CA");
    let alert = |code| -> &'static [u8] { Box::leak(Box::new([0x15, 3, 3, 0, 2, 2, code])) };
    for (bytes, words) in [
        (
            &b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request\n"[..],
            "speaks no TLS, but perhaps plain HTTP",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "speaks no TLS"),
        (alert(40), "agrees to nothing that it is offered"),
        (alert(70), "it speaks TLS, but neither 1.2 nor 1.3"),
        (alert(112), "knows no host of this name"),
        (alert(80), "received fatal alert: InternalError"),
    ] {
        let server = Server::saying(bytes).await;
        // An address of this machine that nobody takes for loopback, where plain HTTP would be tried.
        let (kind, reason) = fault(&format!("0.0.0.0:{}", server.address.port()), &authority).await;
        assert_eq!(kind, "tls", "{reason}");
        assert!(reason.contains(words), "{words}: {reason}");
        assert_eq!(reason.contains("speaks no TLS"), words.contains("speaks no TLS"), "{reason}");
    }
}

#[tokio::test]
async fn a_registry_that_wants_a_certificate_to_be_shown_says_so() {
    let authority = Authority::new("CA");
    let identity = authority.signs("127.0.0.1").wanting(&authority);
    let server = Server::tls(identity, |_| Answer::new(200, "")).await;
    let (kind, reason) = fault(&server.host(), &authority).await;
    assert_eq!(kind, "tls", "{reason}");
    assert!(reason.contains("it wants to be shown a certificate"), "{reason}");
}
