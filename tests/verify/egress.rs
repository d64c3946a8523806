//! The way out, followed once: every step, and where it ends in plain words.

use std::net::TcpListener;
use std::time::Duration;

use repoint::reference::Reference;
use repoint::registry::{Client, Kind, Limits, Platform, Proxies, Roots, Trace, Way, egress};

use super::server::{Answer, Authority, Identity, Server};
use super::store::{AMD64, Store, digest};

fn registry() -> Store {
    let mut store = Store::default();
    store.image("pause", "3.9", AMD64);
    store
}

/// From a client that trusts `authority`, if there is one.
async fn follow(host: &str, authority: Option<&Authority>, proxies: Proxies) -> Trace {
    let mut roots = Roots::none();
    if let Some(authority) = authority {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &authority.pem).unwrap();
        roots.add(file.path()).unwrap();
    }
    let limits = Limits { connect: Duration::from_secs(10), whole: Duration::from_secs(10) };
    follow_by(Way { roots, proxies, plain: Vec::new(), limits }, host).await
}

async fn follow_by(way: Way, host: &str) -> Trace {
    let image = format!("{host}/pause:3.9");
    egress(&Client::new(way), Reference::parse(&image).unwrap(), None, &AMD64.parse::<Platform>().unwrap()).await
}

async fn kind(host: &str) -> Option<Kind> {
    follow(host, None, Proxies::default()).await.fault.map(|fault| fault.kind)
}

#[tokio::test]
async fn every_host_on_the_way_is_met_with_its_address_and_its_certificates() {
    let authority = Authority::new("Corp CA");
    let store = registry();
    let far = store.clone();
    let far = Server::tls(authority.signs("127.0.0.1"), move |asked| far.answer(asked)).await;
    let to = far.host();
    let near = Server::tls(authority.signs("127.0.0.1"), move |asked| {
        if Store::is_blob(asked) {
            Answer::found(&format!("https://{to}{}?signature=s3cret", asked.path))
        } else {
            store.answer(asked)
        }
    })
    .await;
    let trace = follow(&near.host(), Some(&authority), Proxies::default()).await;
    assert_eq!(trace.fault, None);
    let steps: Vec<_> = trace.steps.iter().map(|step| (step.what.as_str(), &*step.host, step.status)).collect();
    let expected =
        [("manifest", &*near.host(), Some(200)), ("blob", &*near.host(), Some(307)), ("blob", &*far.host(), Some(200))];
    assert_eq!(steps, expected);
    assert_eq!(trace.steps.iter().map(|step| step.reused).collect::<Vec<_>>(), [false, true, false]);
    for (step, server) in [(&trace.steps[0], &near), (&trace.steps[2], &far)] {
        assert_eq!(step.address, Some(server.address));
        assert_eq!(step.certificates[0].subject, "CN=127.0.0.1");
        assert_eq!(step.certificates[0].issuer, "CN=Corp CA");
        assert_eq!(step.certificates[0].names, ["127.0.0.1"]);
        assert!(step.millis.connect.is_some() && step.millis.tls.is_some());
    }
    let written = serde_json::to_string(&trace).unwrap();
    assert!(!written.contains("s3cret"), "{written}");
}

#[tokio::test]
async fn of_an_index_it_follows_the_image_for_the_platform() {
    let mut store = Store::default();
    let other = store.image("pause", "arm", "linux/arm64");
    let own = store.image("pause", "amd", AMD64);
    let entry = |digest: &str, architecture: &str| serde_json::json!({ "digest": digest, "size": 1, "platform": { "os": "linux", "architecture": architecture } });
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [entry(&other, "arm64"), entry(&own, "amd64")] });
    let nested = store.manifest("pause", "nested", index.to_string().into_bytes());
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [{ "digest": nested, "size": 1 }] });
    store.manifest("pause", "3.9", index.to_string().into_bytes());
    let server = Server::plain(move |asked| store.answer(asked)).await;
    let trace = follow(&server.host(), None, Proxies::default()).await;
    assert_eq!(trace.fault, None);
    assert!(trace.steps[2].url.ends_with(&own), "{}", trace.steps[2].url);
}

/// A manifest with layers of these sizes, and one that only its maker gives out.
fn layered(sizes: &[u64]) -> (Store, Vec<String>) {
    let digests: Vec<String> = sizes.iter().map(|size| digest(size.to_string().as_bytes())).collect();
    let layer = |(digest, size): (&String, &u64)| serde_json::json!({ "digest": digest, "size": size });
    let mut layers: Vec<_> = digests.iter().zip(sizes).map(layer).collect();
    let kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    layers.push(serde_json::json!({ "mediaType": kind, "digest": digest(b"foreign"), "size": 1 }));
    let config = serde_json::json!({ "digest": digest(b"config"), "size": 1 });
    let manifest = serde_json::json!({ "schemaVersion": 2, "config": config, "layers": layers });
    let mut store = Store::default();
    store.manifest("pause", "3.9", manifest.to_string().into_bytes());
    (store, digests)
}

#[tokio::test]
async fn of_a_large_layer_the_beginning_is_enough_and_of_all_the_smallest() {
    let (store, digests) = layered(&[9 << 30, 5 << 20, 0, 6 << 20]);
    let server = Server::plain(move |asked| match Store::is_blob(asked) {
        true => Answer::new(200, "").endless(),
        false => store.answer(asked),
    })
    .await;
    let trace = follow(&server.host(), None, Proxies::default()).await;
    assert_eq!(trace.fault, None);
    let [_, blob] = trace.steps.as_slice() else { panic!("{:?}", trace.steps) };
    assert!(blob.url.ends_with(&digests[1]), "{}", blob.url);
    assert!((1..1 << 20).contains(&blob.bytes), "{}", blob.bytes);
}

#[tokio::test]
async fn a_small_layer_is_no_longer_than_it_says_and_is_what_its_digest_says() {
    for (answer, expected) in [
        (Answer::new(200, "5"), None),
        (Answer::new(200, "6"), Some(Kind::WrongDigest)),
        (Answer::new(200, "").endless(), Some(Kind::TooLarge)),
        (Answer::page(200, "Blocked"), Some(Kind::WebPage)),
        (Answer::new(403, ""), Some(Kind::Forbidden)),
    ] {
        let (store, _) = layered(&[5]);
        let server = Server::plain(move |asked| match Store::is_blob(asked) {
            true => answer.clone(),
            false => store.answer(asked),
        })
        .await;
        assert_eq!(kind(&server.host()).await, expected);
    }
}

#[tokio::test]
async fn a_certificate_that_is_refused_is_shown_and_says_why() {
    let (trusted, other) = (Authority::new("Corp CA"), Authority::new("Inspecting Proxy CA"));
    let cases: [(Identity, Kind, &str); 4] = [
        (other.signs("127.0.0.1"), Kind::UnknownAuthority, "signed by `CN=Inspecting Proxy CA`"),
        (trusted.signs_for_years("127.0.0.1", 2001, 2002), Kind::Expired, "valid from 2001-01-01 to 2002-01-01"),
        (trusted.signs_for_years("127.0.0.1", 2090, 2091), Kind::NotYetValid, "the clock here says 20"),
        (trusted.signs("else.example"), Kind::WrongName, "it is for else.example"),
    ];
    for (identity, kind, words) in cases {
        let server = Server::tls(identity, |_| Answer::new(200, "")).await;
        let trace = follow(&server.host(), Some(&trusted), Proxies::default()).await;
        let fault = trace.fault.unwrap();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.to_string().contains(words), "{fault}");
        assert!(fault.certificate.is_some());
        let step = trace.steps.last().unwrap();
        assert_eq!((step.address, step.certificates.len(), step.status), (Some(server.address), 1, None));
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn what_a_server_says_is_told_apart() {
    for (status, expected) in [
        (401, Kind::Unauthorized),
        (403, Kind::Forbidden),
        (404, Kind::NotFound),
        (418, Kind::Status),
        (429, Kind::TooManyRequests),
        (502, Kind::ServerError),
        (511, Kind::WebPage),
    ] {
        let server = Server::plain(move |_| Answer::new(status, "").with("retry-after", "7")).await;
        let trace = follow(&server.host(), None, Proxies::default()).await;
        let fault = trace.fault.unwrap();
        assert_eq!(fault.kind, expected);
        assert_eq!(fault.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(trace.steps.last().unwrap().status, Some(status));
        // It is followed once.
        assert_eq!(server.seen().len(), 1);
    }
    let portal = Server::plain(|asked| match asked.path.as_str() {
        "/login" => Answer::page(200, "Welcome"),
        _ => Answer::found("/login"),
    })
    .await;
    let trace = follow(&portal.host(), None, Proxies::default()).await;
    assert_eq!(trace.fault.unwrap().kind, Kind::WebPage);
    assert!(trace.steps.last().unwrap().url.ends_with("/login"));
}

#[tokio::test]
async fn a_blob_that_is_not_whole_is_told_from_one_that_is_another() {
    for (is_torn, expected) in [(true, Kind::Truncated), (false, Kind::WrongDigest)] {
        let store = registry();
        let server = Server::plain(move |asked| match (Store::is_blob(asked), is_torn) {
            (false, _) => store.answer(asked),
            (true, true) => store.answer(asked).torn(10),
            (true, false) => Answer::new(200, "something else"),
        })
        .await;
        assert_eq!(kind(&server.host()).await, Some(expected));
    }
    assert_ne!(digest(b"something else"), digest(b""));
}

#[tokio::test]
async fn nobody_who_listens_is_told_from_nobody_who_answers() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = closed.local_addr().unwrap().to_string();
    drop(closed);
    assert_eq!(kind(&host).await, Some(Kind::Refused));

    // It takes connections, and says nothing on them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = Limits { connect: Duration::from_millis(200), whole: Duration::from_secs(10) };
    let way = Way { limits, roots: Roots::none(), proxies: Proxies::default(), plain: Vec::new() };
    let trace = follow_by(way, &silent.local_addr().unwrap().to_string()).await;
    assert_eq!(trace.fault.unwrap().kind, Kind::Timeout);
}

#[tokio::test]
async fn what_comes_byte_by_byte_ends_when_its_time_is_over() {
    let server = Server::plain(|_| Answer::new(200, "{}").dripping()).await;
    let limits = Limits { connect: Duration::from_secs(10), whole: Duration::from_millis(500) };
    let way =
        Way { limits, roots: Roots::none(), proxies: Proxies::default(), plain: vec![server.host().parse().unwrap()] };
    let trace = follow_by(way, &server.host()).await;
    assert_eq!(trace.fault.unwrap().kind, Kind::Timeout);
}

#[tokio::test]
async fn a_proxy_may_have_tls_of_its_own() {
    let (store, authority) = (registry(), Authority::new("Corp CA"));
    let server = Server::tls(authority.signs("registry.example"), move |asked| store.answer(asked)).await;
    let names = [("registry.example:443", server.address)];
    let proxy = Server::tls_proxy(authority.signs("127.0.0.1"), &names).await;
    let proxies = Proxies::new(Some(&format!("https://{}", proxy.address)), None, None);
    let trace = follow("registry.example", Some(&authority), proxies.clone()).await;
    assert_eq!(trace.fault, None);
    assert_eq!(trace.steps[0].certificates[0].subject, "CN=registry.example");
    let fault = follow("registry.example", None, proxies).await.fault.unwrap();
    assert_eq!((fault.kind, fault.host), (Kind::UnknownAuthority, proxy.host()));
}

#[tokio::test]
async fn the_proxy_is_named_in_every_step_and_its_refusal_is_not_the_registrys() {
    let (store, authority) = (registry(), Authority::new("Corp CA"));
    let server = Server::tls(authority.signs("registry.example"), move |asked| store.answer(asked)).await;
    let proxy = Server::proxy(&[("registry.example:443", server.address)], |_| Answer::new(403, "")).await;
    let proxies = Proxies::new(Some(&proxy.url()), None, None);
    let trace = follow("registry.example", Some(&authority), proxies.clone()).await;
    assert_eq!(trace.fault, None);
    assert!(trace.steps.iter().all(|step| step.proxy.as_deref() == Some(&*proxy.host())));
    assert_eq!(trace.steps[0].certificates[0].subject, "CN=registry.example");
    let away = Proxies::new(Some("http://127.0.0.1:9"), None, None);
    let fault = follow("registry.example", Some(&authority), away).await.fault.unwrap();
    assert_eq!(fault.kind, Kind::Refused);
    assert!(fault.to_string().ends_with("it is the proxy on the way to registry.example"), "{fault}");
    let trace = follow("blocked.example", Some(&authority), proxies).await;
    let fault = trace.fault.unwrap();
    assert_eq!((fault.kind, fault.host), (Kind::Proxy, proxy.host()));
}
