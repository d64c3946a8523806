//! What stands in for a registry and fails: a proxy before it, or who gives its tokens. It says nothing of an image.

use super::bench::{Bench, IMAGE, fault, verdicts};
use super::server::{Answer, Server};

#[tokio::test]
async fn a_proxy_that_does_not_get_there_is_named_and_asked_once() {
    for status in [403, 407, 502, 503, 504] {
        let proxy = Server::proxy(&[], move |_| Answer::page(status, "Squid")).await;
        let bench = Bench::looking_at("registry.example").environment("HTTPS_PROXY", &proxy.url());
        let images: Vec<String> = (0..40).map(|number| format!("old.example/a:{number}")).collect();
        let images: Vec<&str> = images.iter().map(String::as_str).collect();
        let (found, said, ended) = bench.verdicts(&images).await;
        assert!(found.iter().all(|(_, verdict)| verdict == "unknown"), "{found:?}");
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let (kind, reason) = fault(&said);
        assert_eq!(kind, "proxy", "{reason}");
        let words = [proxy.host(), format!("it answered `{status} "), "to CONNECT registry.example:443".to_owned()];
        assert!(words.iter().all(|words| reason.contains(words)), "{reason}");
        // As many as are asked for at once.
        assert!(proxy.seen().len() <= 8, "{}", proxy.seen().len());
    }
}

#[tokio::test]
async fn a_proxy_that_answers_for_a_registry_without_tls_is_named() {
    for (status, expected) in [(407, "proxy"), (502, "server_error"), (503, "server_error")] {
        let proxy = Server::proxy(&[], move |_| Answer::page(status, "Squid").with("retry-after", "0")).await;
        let bench = Bench::looking_at("registry.example").words(&["--plain-http", "registry.example"]);
        let (found, said, ended) = bench.environment("HTTP_PROXY", &proxy.url()).verdicts(&[IMAGE]).await;
        assert_eq!((found, ended.code), (verdicts(&[(IMAGE, "unknown")]), Some(1)), "{said}");
        let (kind, reason) = fault(&said);
        assert_eq!(kind, expected, "{reason}");
        let words = [proxy.host(), "registry.example".to_owned(), status.to_string()];
        assert!(words.iter().all(|words| reason.contains(words)), "{reason}");
    }
}

#[tokio::test]
async fn who_gives_no_tokens_is_named_with_the_registry_that_they_are_for() {
    let json = |status, body: &str| Answer::new(status, body).with("retry-after", "0");
    for (answer, verdict, kind, words) in [
        (json(500, ""), "unknown", "server_error", "500 "),
        (Answer::page(200, "Welcome"), "unknown", "web_page", "its title is `Welcome`"),
        (Answer::page(404, "Gone"), "unknown", "web_page", "its title is `Gone`"),
        (json(404, "{}"), "unknown", "status", "404 Not Found"),
        (json(200, "token"), "unknown", "malformed", "no token is in its answer"),
        (json(200, "{}"), "unknown", "malformed", "no token is in its answer"),
        (json(200, r#"{"token":"","access_token":null}"#), "unknown", "malformed", "no token is in its answer"),
        (json(200, "{\"token\":\"a\\nb\"}"), "unknown", "credentials", "bytes that no header may have"),
        (json(401, ""), "denied", "unauthorized", "401 Unauthorized"),
        (json(403, ""), "denied", "forbidden", "403 Forbidden"),
        (Answer::new(429, "").with("retry-after", "3600"), "unknown", "too_many_requests", "429 Too Many"),
        (Answer::found("ftp://x"), "unknown", "redirects", "none of http or https"),
    ] {
        let tokens = Server::plain(move |_| answer.clone()).await;
        let challenge = format!("Bearer realm=\"{}/token\"", tokens.url());
        let registry = Server::plain(move |_| Answer::new(401, "").with("www-authenticate", &challenge)).await;
        let (found, said, ended) = Bench::looking_at(&registry.host()).verdicts(&[IMAGE]).await;
        assert_eq!((found, ended.code), (verdicts(&[(IMAGE, verdict)]), Some(1)), "{words}: {said}");
        let (found, reason) = fault(&said);
        assert_eq!(found, kind, "{reason}");
        assert!(reason.contains(words) && reason.contains(&registry.host()), "{reason}");
        assert!(reason.contains(&tokens.host()) || kind == "credentials", "{reason}");
    }
}

#[tokio::test]
async fn a_registry_whose_tokens_nobody_gives_is_not_asked_for_every_image() {
    // Nobody listens on the port of discard.
    let challenge = "Bearer realm=\"http://127.0.0.1:9/token\"";
    let registry = Server::plain(move |_| Answer::new(401, "").with("www-authenticate", challenge)).await;
    let images: Vec<String> = (0..40).map(|number| format!("old.example/a:{number}")).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let (found, said, ended) = Bench::looking_at(&registry.host()).verdicts(&images).await;
    assert!(found.iter().all(|(_, verdict)| verdict == "unknown"), "{found:?}");
    assert_eq!((fault(&said).0, ended.code), ("refused", Some(1)));
    assert!(fault(&said).1.contains(&format!("it gives the tokens for {}", registry.host())), "{said}");
    assert!(registry.seen().len() <= 8, "{}", registry.seen().len());
}
