//! What stands between here and a registry: TLS, proxies, tokens, redirects, limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::bench::{Bench, IMAGE, fault, verdicts};
use super::server::{Answer, Authority, Identity, Server};
use super::store::{AMD64, Store};

fn registry() -> Store {
    let mut store = Store::default();
    store.image("a", "1", AMD64);
    store
}

#[tokio::test]
async fn whoever_is_not_trusted_is_named_and_can_be_trusted() {
    let (store, authority) = (registry(), Authority::new("Inspecting Proxy CA"));
    let server = Server::tls(authority.signs("127.0.0.1"), move |asked| store.answer(asked)).await;
    let bench = Bench::looking_at(&server.host());

    let (found, said, ended) = bench.verdicts(&[IMAGE]).await;
    assert_eq!((found, ended.code), (verdicts(&[(IMAGE, "unknown")]), Some(1)), "{}", ended.stderr);
    let (kind, reason) = fault(&said);
    assert_eq!(kind, "unknown_authority");
    assert!(reason.contains("signed by `CN=Inspecting Proxy CA`"), "{reason}");
    assert!(server.seen().is_empty());

    let file = bench.file("ca.pem", &authority.pem);
    let bench = bench.environment("SSL_CERT_FILE", file.to_str().unwrap());
    let (found, ..) = bench.verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "there")]));
    let bench = bench.environment("SSL_CERT_FILE", "/dev/null").words(&["--ca", file.to_str().unwrap()]);
    let (found, ..) = bench.verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "there")]));
    let ended = bench.words(&["--ca", "/dev/null"]).verify(&[IMAGE]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("/dev/null has no certificate of an authority in it"), "{}", ended.stderr);
}

#[tokio::test]
async fn who_limits_is_asked_again_when_it_says_so_and_left_alone_when_it_says_so() {
    let (store, times) = (registry(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&times);
    let server = Server::plain(move |asked| match counted.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::new(429, "").with("retry-after", "0"),
        1 => Answer::new(503, ""),
        _ => store.answer(asked),
    })
    .await;
    let (found, _, ended) = Bench::looking_at(&server.host()).verdicts(&[IMAGE]).await;
    assert_eq!((found, ended.code), (verdicts(&[(IMAGE, "there")]), Some(0)));

    let server = Server::plain(|_| Answer::new(429, "").with("retry-after", "3600")).await;
    let images: Vec<String> = (0..40).map(|number| format!("old.example/a:{number}")).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let (found, said, ended) = Bench::looking_at(&server.host()).verdicts(&images).await;
    assert!(found.iter().all(|(_, verdict)| verdict == "unknown"), "{found:?}");
    assert_eq!(ended.code, Some(1));
    assert_eq!(fault(&said).0, "too_many_requests");
    // As many as are asked for at once.
    assert!(server.seen().len() <= 8, "{}", server.seen().len());
}

#[tokio::test]
async fn a_page_for_people_says_nothing_of_an_image() {
    for status in [200, 404] {
        let server = Server::plain(move |_| Answer::page(status, "Please log in to the guest network")).await;
        let (found, said, ended) = Bench::looking_at(&server.host()).verdicts(&[IMAGE]).await;
        assert_eq!((found, ended.code), (verdicts(&[(IMAGE, "unknown")]), Some(1)));
        let (kind, reason) = fault(&said);
        assert_eq!(kind, "web_page");
        assert!(reason.contains("its title is `Please log in to the guest network`"), "{reason}");
    }
}

#[tokio::test]
async fn redirects_are_followed_without_what_was_for_the_first() {
    let store = registry();
    let behind = store.clone();
    let far = Server::plain(move |asked| match asked.path.strip_prefix("/twice") {
        Some(path) => Answer::found(path),
        None => behind.answer(asked),
    })
    .await;
    let (to, from) = (far.url(), store);
    let near = Server::plain(move |asked| {
        if asked.header("authorization") != Some("Bearer t0ken") {
            return Answer::new(401, "").with("www-authenticate", "Bearer realm=\"/token\"");
        }
        if Store::is_blob(asked) {
            Answer::found(&format!("{to}/twice{}?sig=s3cret", asked.path))
        } else {
            from.answer(asked)
        }
    })
    .await;
    // A realm is an address.
    let (found, said, _) = Bench::looking_at(&near.host()).verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "unknown")]));
    assert!(fault(&said).1.contains("it wants a token from what is no address"), "{said}");
    drop(near);

    let tokens = Server::plain(|_| Answer::new(200, "{\"token\":\"t0ken\"}")).await;
    let (store, to, realm) = (registry(), far.url(), tokens.url());
    let near = Server::plain(move |asked| {
        if asked.header("authorization") != Some("Bearer t0ken") {
            let challenge = format!("Bearer realm=\"{realm}/token\",service=\"s\"");
            return Answer::new(401, "").with("www-authenticate", &challenge);
        }
        if Store::is_blob(asked) { Answer::found(&format!("{to}/twice{}", asked.path)) } else { store.answer(asked) }
    })
    .await;
    let (found, said, _) = Bench::looking_at(&near.host()).verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "there")]), "{said}");
    assert_eq!(tokens.paths(), ["/token?scope=repository:a:pull&service=s"]);
    assert_eq!(far.seen().len(), 2);
    assert!(far.seen().iter().all(|asked| asked.header("authorization").is_none()), "{:?}", far.seen());
}

#[tokio::test]
async fn a_token_is_asked_for_with_the_password_and_the_registry_with_the_token() {
    let tokens = Server::plain(|_| Answer::new(200, "{\"access_token\":\"t0ken\"}")).await;
    let (store, realm) = (registry(), tokens.url());
    let near = Server::plain(move |asked| match asked.header("authorization") {
        Some("Bearer t0ken") => store.answer(asked),
        _ => {
            let challenge = format!("Bearer realm=\"{realm}/token\"");
            Answer::new(401, "").with("www-authenticate", "Negotiate").with("www-authenticate", &challenge)
        }
    })
    .await;
    let target = format!("{{ location = {:?}, credentials = \"file\" }}", near.host());
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.json");
    let auth = json!({ "auths": { near.host(): { "auth": "cHVsbGVyOm9wZW4tc2VzYW1l" } } });
    std::fs::write(&config, auth.to_string()).unwrap();
    let source = format!("[credentials.file]\ndocker_config = {config:?}\n");
    let bench = Bench::with_targets("old.example", &target, &source).words(&["--skip-old", "--platform", AMD64]);
    let (found, said, _) = bench.verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "there")]), "{said}");
    let asked = tokens.seen();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), Some("Basic cHVsbGVyOm9wZW4tc2VzYW1l"));
    assert!(near.seen().iter().all(|asked| asked.header("authorization").is_none_or(|shown| shown == "Bearer t0ken")));
}

#[tokio::test]
async fn a_proxy_is_asked_as_the_environment_says() {
    let (store, authority) = (registry(), Authority::new("Corp CA"));
    let server = Server::tls(authority.signs("registry.example"), move |asked| store.answer(asked)).await;
    let refusing = |_: &super::server::Asked| Answer::new(407, "");
    let proxy = Server::proxy(&[("registry.example:443", server.address)], refusing).await;
    let bench = Bench::looking_at("registry.example");
    let file = bench.file("ca.pem", &authority.pem);
    let bench = bench
        .words(&["--ca", file.to_str().unwrap()])
        .environment("HTTPS_PROXY", &format!("http://user:pass%40word@{}", proxy.address));
    let (found, said, _) = bench.verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "there")]), "{said}");
    let asked = proxy.seen();
    assert!(asked.iter().all(|asked| asked.method == "CONNECT" && asked.path == "registry.example:443"), "{asked:?}");
    // "user:pass@word".
    assert_eq!(asked[0].header("proxy-authorization"), Some("Basic dXNlcjpwYXNzQHdvcmQ="));
    assert!(server.seen().iter().all(|asked| asked.header("proxy-authorization").is_none()));

    // Whom it does not know it refuses.
    let other = Bench::looking_at("elsewhere.example").environment("HTTPS_PROXY", &proxy.url());
    let (found, said, _) = other.verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "unknown")]));
    let (kind, reason) = fault(&said);
    assert_eq!(kind, "proxy");
    assert!(reason.contains("407 Proxy Authentication Required` to CONNECT elsewhere.example:443"), "{reason}");
}

#[tokio::test]
async fn what_is_exempt_goes_past_the_proxy() {
    let store = registry();
    // An address of this machine that nobody takes for loopback.
    let server = Server::plain(move |asked| store.answer(asked)).await;
    let target = format!("0.0.0.0:{}", server.address.port());
    let behind = registry();
    let proxy = Server::proxy(&[], move |asked| {
        let path = asked.path.split_once("/v2/").map(|(_, path)| format!("/v2/{path}")).unwrap_or_default();
        behind.answer(&super::server::Asked { path, ..asked.clone() })
    })
    .await;
    let bench = Bench::looking_at(&target).words(&["--plain-http", &target]).environment("HTTP_PROXY", &proxy.url());
    let (found, said, _) = bench.verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "there")]), "{said}");
    assert!(server.seen().is_empty());
    assert!(
        proxy.paths().iter().all(|path| path.starts_with(&format!("http://{target}/v2/a/"))),
        "{:?}",
        proxy.paths()
    );

    let before = proxy.seen().len();
    let (found, said, _) = bench.environment("NO_PROXY", "0.0.0.0/8").verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "there")]), "{said}");
    assert_eq!((proxy.seen().len(), server.seen().is_empty()), (before, false));
}

#[tokio::test]
async fn a_registry_may_be_its_own_authority() {
    let store = registry();
    let start = async |host: &str, until| {
        let (identity, pem) = Identity::of_itself(host, until);
        let store = store.clone();
        (Server::tls(identity, move |asked| store.answer(asked)).await, pem)
    };
    let other = Authority::new("Other CA");
    let (server, pem) = start("127.0.0.1", 2090).await;
    for (trusted, verdict, kind) in [(&pem, "there", ""), (&other.pem, "unknown", "unknown_authority")] {
        let bench = Bench::looking_at(&server.host());
        let file = bench.file("ca.pem", trusted);
        let (found, said, _) = bench.words(&["--ca", file.to_str().unwrap()]).verdicts(&[IMAGE]).await;
        assert_eq!((found, fault(&said).0), (verdicts(&[(IMAGE, verdict)]), kind), "{said}");
    }
    // It is not believed more than others.
    for (host, until, kind) in [("elsewhere.example", 2090, "wrong_name"), ("127.0.0.1", 2021, "expired")] {
        let (server, pem) = start(host, until).await;
        let bench = Bench::looking_at(&server.host());
        let file = bench.file("ca.pem", &pem);
        let (found, said, _) = bench.words(&["--ca", file.to_str().unwrap()]).verdicts(&[IMAGE]).await;
        assert_eq!((found, fault(&said).0), (verdicts(&[(IMAGE, "unknown")]), kind), "{said}");
    }
}

#[tokio::test]
async fn who_keeps_the_blobs_of_one_image_keeps_nobody_from_the_others() {
    let mut store = registry();
    store.image("b", "1", AMD64);
    let server = Server::plain(move |asked| match Store::is_blob(asked) && asked.path.starts_with("/v2/a/") {
        // Nobody listens on the port of discard.
        true => Answer::found("http://127.0.0.1:9/blob"),
        false => store.answer(asked),
    })
    .await;
    let mut images: Vec<String> = (0..40).map(|number| format!("old.example/b:{number}")).collect();
    images.push(IMAGE.to_owned());
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let (found, said, _) = Bench::looking_at(&server.host()).verdicts(&images).await;
    let of = |image: &str| found.iter().find(|(name, _)| name == image).unwrap().1.clone();
    assert_eq!((of(IMAGE), of("old.example/b:1")), ("unknown".to_owned(), "there".to_owned()), "{said}");
    assert!(
        found.iter().filter(|(name, _)| name.contains("/b:")).all(|(_, verdict)| verdict != "unknown"),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_names_no_registry_is_told() {
    for place in ["ht tp://x", "http://h", "h/path", "h:99999", "user@h", ""] {
        let ended = Bench::looking_at("registry.example").words(&["--plain-http", place]).verify(&[IMAGE]).await;
        assert_eq!(ended.code, Some(2), "{place}: {}", ended.stderr);
        assert!(ended.stderr.contains("is not HOST[:PORT]"), "{place}: {}", ended.stderr);
    }
}
