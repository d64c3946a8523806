//! A password goes to the registry that it is for, and to whom that names, by TLS if that is how the registry is asked.

use serde_json::json;
use tempfile::TempDir;

use super::bench::{Bench, IMAGE, fault, verdicts};
use super::server::{Answer, Authority, Server};
use super::store::{AMD64, Store};

/// "puller:open-sesame".
const PASSWORD: &str = "cHVsbGVyOm9wZW4tc2VzYW1l";

/// A rule that looks at `target` and has a password for it, and where that is.
fn bench(target: &str, authority: Option<&Authority>) -> (Bench, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.json");
    let auths = json!({ "auths": { target: { "auth": PASSWORD } } });
    std::fs::write(&config, auths.to_string()).unwrap();
    let source = format!("[credentials.file]\ndocker_config = {config:?}\n");
    let targets = format!("{{ location = {target:?}, credentials = \"file\" }}");
    let bench = Bench::with_targets("old.example", &targets, &source).words(&["--skip-old", "--platform", AMD64]);
    match authority {
        Some(authority) => {
            let file = bench.file("ca.pem", &authority.pem);
            (bench.words(&["--ca", file.to_str().unwrap()]), directory)
        }
        None => (bench, directory),
    }
}

fn is_told(server: &Server) -> bool {
    server.seen().iter().any(|asked| asked.header("authorization").is_some())
}

fn wants_token_of(realm: &str) -> Answer {
    Answer::new(401, "").with("www-authenticate", &format!("Bearer realm=\"{realm}/token\""))
}

#[tokio::test]
async fn where_a_redirect_leads_nobody_is_told_a_password() {
    let authority = Authority::new("CA");
    let tokens = Server::plain(|_| Answer::new(200, "{\"token\":\"t0ken\"}")).await;
    let realm = tokens.url();
    let plain = Server::plain(move |_| wants_token_of(&realm)).await;
    let basic = Server::plain(|_| Answer::new(401, "").with("www-authenticate", "Basic realm=\"x\"")).await;
    let basic_by_tls = Server::tls(authority.signs("127.0.0.1"), |_| {
        Answer::new(401, "").with("www-authenticate", "Basic realm=\"x\"")
    })
    .await;
    let by_tls = format!("https://{}", basic_by_tls.host());
    for end in [plain.url(), basic.url(), by_tls] {
        let to = end.clone();
        let registry =
            Server::tls(authority.signs("127.0.0.1"), move |asked| Answer::found(&format!("{to}{}", asked.path))).await;
        let (bench, _directory) = bench(&registry.host(), Some(&authority));
        let (found, said, ended) = bench.verdicts(&[IMAGE]).await;
        assert_eq!((found, ended.code), (verdicts(&[(IMAGE, "denied")]), Some(1)), "{end}: {said}");
        assert!(!is_told(&registry), "{end}: {:?}", registry.seen());
    }
    for server in [&plain, &basic, &basic_by_tls] {
        assert!(!server.seen().is_empty() && !is_told(server), "{:?}", server.seen());
    }
    assert!(tokens.seen().is_empty(), "{:?}", tokens.seen());
}

#[tokio::test]
async fn a_registry_with_tls_has_no_password_sent_without() {
    let authority = Authority::new("CA");
    let tokens = Server::plain(|_| Answer::new(200, "{\"token\":\"t0ken\"}")).await;
    // One that says TLS and has none is no better, also on loopback.
    for (realm, kind) in [(tokens.url(), "credentials"), (format!("https://{}", tokens.host()), "tls")] {
        let to = realm.clone();
        let registry = Server::tls(authority.signs("127.0.0.1"), move |_| wants_token_of(&to)).await;
        let (bench, _directory) = bench(&registry.host(), Some(&authority));
        let (found, said, ended) = bench.verdicts(&[IMAGE]).await;
        assert_eq!((found, ended.code), (verdicts(&[(IMAGE, "unknown")]), Some(1)), "{realm}: {said}");
        assert_eq!(fault(&said).0, kind, "{realm}: {said}");
        assert!(!is_told(&tokens), "{realm}: {:?}", tokens.seen());
    }
    // Nor where it is said that there is none: it is the registry that decides how it is asked.
    let realm = format!("https://{}", tokens.host());
    let registry = Server::tls(authority.signs("127.0.0.1"), move |_| wants_token_of(&realm)).await;
    let (bench, _directory) = bench(&registry.host(), Some(&authority));
    let (_, said, _) = bench.words(&["--plain-http", &tokens.host()]).verdicts(&[IMAGE]).await;
    assert_eq!(fault(&said).0, "credentials", "{said}");
    assert!(!is_told(&tokens), "{:?}", tokens.seen());
}

#[tokio::test]
async fn one_without_tls_is_told_its_password_as_it_is_asked() {
    let mut store = Store::default();
    store.image("a", "1", AMD64);
    let answers = move |asked: &super::server::Asked| {
        if asked.header("authorization") != Some(&format!("Basic {PASSWORD}")) {
            return Answer::new(401, "").with("www-authenticate", "Basic realm=\"x\"");
        }
        let path = asked.path.split_once("/v2/").map(|(_, path)| format!("/v2/{path}")).unwrap_or_default();
        store.answer(&super::server::Asked { path, ..asked.clone() })
    };
    // Found out on loopback.
    let registry = Server::plain(answers.clone()).await;
    let (found_out, _directory) = bench(&registry.host(), None);
    let (found, said, _) = found_out.verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "there")]), "{said}");
    // Said of a host, which then has another port.
    let proxy = Server::proxy(&[], answers).await;
    let (bench, _directory) = bench("registry.example", None);
    let bench = bench.words(&["--plain-http", "registry.example"]).environment("HTTP_PROXY", &proxy.url());
    let (found, said, _) = bench.verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "there")]), "{said}");
    assert!(proxy.paths().iter().all(|path| path.starts_with("http://registry.example/v2/a/")), "{:?}", proxy.paths());
}

#[tokio::test]
async fn who_is_limited_without_a_password_is_asked_with_it() {
    let mut store = Store::default();
    store.image("new/a", "1", AMD64);
    let tokens = Server::plain(|asked| {
        let token = if asked.header("authorization").is_some() { "known" } else { "anybody" };
        Answer::new(200, json!({ "token": token }).to_string())
    })
    .await;
    let realm = tokens.url();
    let registry = Server::plain(move |asked| match asked.header("authorization") {
        Some("Bearer known") => store.answer(asked),
        Some(_) => Answer::new(429, "").with("retry-after", "3600"),
        None => wants_token_of(&realm),
    })
    .await;
    let host = registry.host();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.json");
    std::fs::write(&config, json!({ "auths": { &host: { "auth": PASSWORD } } }).to_string()).unwrap();
    let source = format!("[credentials.file]\ndocker_config = {config:?}\n");
    let targets = format!("{{ location = \"{host}/new\", credentials = \"file\" }}");
    // The old name is asked for first, with nobody's.
    let bench = Bench::with_targets(&format!("{host}/old"), &targets, &source).words(&["--platform", AMD64]);
    let image = format!("{host}/old/a:1");
    let (found, said, _) = bench.verdicts(&[&image]).await;
    assert_eq!(found, verdicts(&[(&image, "there")]), "{said}");
    assert_eq!(said["images"][0]["old"]["state"], "unknown");
}
