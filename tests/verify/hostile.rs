//! A registry that means harm is bounded, and believed in nothing.

use serde_json::json;

use super::bench::{Bench, IMAGE, verdicts};
use super::server::{Answer, Server};
use super::store::{AMD64, Store, digest};

async fn verdict_of(server: &Server) -> (String, String) {
    let bench = Bench::looking_at(&server.host());
    let (found, said, ended) = bench.verdicts(&[IMAGE]).await;
    assert!(ended.code == Some(1) || ended.code == Some(5), "{:?} {}", ended.code, ended.stderr);
    let fault = said["images"][0]["targets"][0]["fault"].as_str().unwrap_or_default().to_owned();
    (found[0].1.clone(), fault)
}

fn unknown(fault: &str) -> (String, String) {
    ("unknown".to_owned(), fault.to_owned())
}

#[tokio::test]
async fn a_manifest_without_end_is_not_read_to_its_end() {
    let server = Server::plain(|_| Answer::new(200, "").endless()).await;
    assert_eq!(verdict_of(&server).await, unknown("too_large"));
}

#[tokio::test]
async fn a_head_without_end_is_not_read_to_its_end() {
    let server = Server::plain(|_| Answer::new(200, "").with("x-long", &"x".repeat(1 << 20))).await;
    assert_eq!(verdict_of(&server).await, unknown("malformed"));
}

#[tokio::test]
async fn a_redirect_without_end_is_not_followed_to_its_end() {
    let server = Server::plain(|asked| Answer::found(&format!("{}x", asked.path))).await;
    assert_eq!(verdict_of(&server).await, unknown("redirects"));
    assert_eq!(server.seen().len(), 11);
}

#[tokio::test]
async fn a_redirect_to_what_is_no_registry_leads_nowhere() {
    for location in ["file:///etc/passwd", "https://user:pw@127.0.0.1/", "http://127.0.0.1:99999/", "\\\\host\\x"] {
        let server = Server::plain(move |_| Answer::found(location)).await;
        let (verdict, fault) = verdict_of(&server).await;
        // The last one is a path for all who read it so.
        assert!(verdict == "unknown" && (fault == "redirects" || location.starts_with('\\')), "{location}: {fault}");
    }
}

#[tokio::test]
async fn bytes_are_believed_if_their_digest_is_right() {
    let mut store = Store::default();
    let digest_of = store.image("a", "1", AMD64);
    let known = store.clone();
    let lying = Server::plain(move |asked| known.answer(asked).with("docker-content-digest", &digest(b"else"))).await;
    assert_eq!(verdict_of(&lying).await, unknown("wrong_digest"));

    let known = store.clone();
    let swapped = Server::plain(move |asked| match Store::is_blob(asked) {
        true => Answer::new(200, "{\"os\":\"linux\",\"architecture\":\"amd64\"}"),
        false => known.answer(asked),
    })
    .await;
    assert_eq!(verdict_of(&swapped).await, unknown("wrong_digest"));

    // By digest, the name says which bytes they are.
    let server = Server::plain(|_| Answer::new(200, "{\"schemaVersion\":2}")).await;
    let bench = Bench::new("old.example", &server.host()).words(&["--skip-old"]);
    let image = format!("old.example/a@{digest_of}");
    let (found, ..) = bench.verdicts(&[&image]).await;
    assert_eq!(found, verdicts(&[(&image, "unknown")]));
}

#[tokio::test]
async fn what_breaks_off_is_not_there() {
    let mut store = Store::default();
    store.image("a", "1", AMD64);
    let server = Server::plain(move |asked| store.answer(asked).torn(20)).await;
    assert_eq!(verdict_of(&server).await, unknown("truncated"));
    // It may pass, as a connection that breaks off before.
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn what_is_no_manifest_is_none() {
    for body in ["", "null", "[]", "{}", "{\"schemaVersion\":1}", "{\"manifests\":1}", "\u{0}\u{1}"] {
        let server = Server::plain(move |_| Answer::new(200, body)).await;
        assert_eq!(verdict_of(&server).await, unknown("malformed"), "{body}");
    }
    let server = Server::plain(|_| Answer::new(200, "[".repeat(100_000))).await;
    assert_eq!(verdict_of(&server).await, unknown("malformed"));
}

#[tokio::test]
async fn an_index_that_names_what_is_not_there_lacks_it() {
    let mut store = Store::default();
    let index = json!({
        "schemaVersion": 2,
        "manifests": [
            { "digest": digest(b"gone"), "size": 4, "platform": { "os": "linux", "architecture": "amd64" } },
            { "digest": digest(b"attestation"), "size": 4, "platform": { "os": "unknown", "architecture": "unknown" } },
        ],
    });
    store.manifest("a", "1", index.to_string().into_bytes());
    let server = Server::plain(move |asked| store.answer(asked)).await;
    assert_eq!(verdict_of(&server).await, ("lacks_platform".to_owned(), String::new()));
}

#[tokio::test]
async fn a_configuration_that_is_said_to_be_huge_is_not_asked_for() {
    let mut store = Store::default();
    let manifest = json!({ "schemaVersion": 2, "config": { "digest": digest(b""), "size": u64::MAX }, "layers": [] });
    store.manifest("a", "1", manifest.to_string().into_bytes());
    let server = Server::plain(move |asked| store.answer(asked)).await;
    assert_eq!(verdict_of(&server).await, unknown("too_large"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_it_says_moves_no_cursor() {
    let said = json!({ "errors": [{ "code": "\u{1b}[2J", "message": "\u{7}\u{202e}gone\r\n| x |" }] }).to_string();
    let server = Server::plain(move |_| Answer::new(404, said.clone())).await;
    for format in ["table", "markdown", "csv"] {
        let bench = Bench::new("old.example", &server.host()).words(&["--skip-old", "--format", format]);
        let ended = bench.verify(&[IMAGE]).await;
        assert_eq!(ended.code, Some(5));
        assert!(ended.stdout.contains("gone"), "{}", ended.stdout);
        let text = ended.stdout.replace("\r\n", "\n");
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{text:?}");
    }
    // Programs have it as it is, in JSON's own escapes.
    let bench = Bench::new("old.example", &server.host()).words(&["--skip-old"]);
    let (_, said, ended) = bench.verdicts(&[IMAGE]).await;
    assert!(ended.stdout.chars().all(|c| c >= ' ' || c == '\n'), "{:?}", ended.stdout);
    assert!(
        said["images"][0]["targets"][0]["reason"].as_str().unwrap().contains("\u{1b}[2J: \u{7}\u{202e}gone\r\n| x |")
    );
}
