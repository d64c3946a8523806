//! For what an image is, where its index does not say it, and what is none.

use serde_json::{Value, json};

use super::bench::{Bench, IMAGE, fault, verdicts};
use super::server::{Answer, Server};
use super::store::{AMD64, Store, digest};

const ARM64: &str = "linux/arm64";

/// An index of these, without a word on what they are for; and its digest.
fn index(store: &mut Store, tag: &str, digests: &[&str]) -> String {
    let manifests: Vec<Value> = digests.iter().map(|digest| json!({ "digest": digest, "size": 1 })).collect();
    let index = json!({ "schemaVersion": 2, "manifests": manifests });
    store.manifest("a", tag, index.to_string().into_bytes())
}

/// An artifact, whose configuration is no JSON; and its digest.
fn artifact(store: &mut Store, tag: &str) -> String {
    let config = json!({ "mediaType": "application/vnd.example.v1", "digest": digest(b"words"), "size": 5 });
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [{ "digest": digest(b"x"), "size": 1 }] });
    store.manifest("a", tag, manifest.to_string().into_bytes())
}

#[tokio::test]
async fn what_an_index_does_not_say_is_said_by_what_is_in_it() {
    let mut store = Store::default();
    let (amd64, other) = (store.image("a", "amd64", AMD64), artifact(&mut store, "other"));
    let nested = index(&mut store, "nested", &[&digest(b"gone"), &other, &amd64]);
    index(&mut store, "1", &[&nested]);
    // One that has itself in it can't be; one that goes deep can.
    let mut deep = nested;
    for number in 0..20 {
        deep = index(&mut store, &format!("deep{number}"), &[&deep]);
    }
    let server = Server::plain(move |asked| store.answer(asked)).await;
    for (tag, platform, verdict) in [
        ("nested", AMD64, "there"),
        ("1", AMD64, "there"),
        ("1", ARM64, "lacks_platform"),
        ("deep19", AMD64, "lacks_platform"),
    ] {
        let image = format!("old.example/a:{tag}");
        let bench = Bench::new("old.example", &server.host()).words(&["--skip-old", "--platform", platform]);
        let (found, said, _) = bench.verdicts(&[&image]).await;
        assert_eq!(found, verdicts(&[(&image, verdict)]), "{platform}: {said}");
    }
    assert!(server.seen().len() < 40, "{}", server.seen().len());
}

#[tokio::test]
async fn an_artifact_is_for_every_platform() {
    let mut store = Store::default();
    artifact(&mut store, "1");
    let server = Server::plain(move |asked| store.answer(asked)).await;
    let (found, said, _) = Bench::looking_at(&server.host()).verdicts(&[IMAGE]).await;
    assert_eq!(found, verdicts(&[(IMAGE, "there")]), "{said}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_manifest_of_the_first_version_is_told_as_one() {
    let server = Server::plain(|_| {
        Answer::new(200, "{\"schemaVersion\":1,\"signatures\":[]}")
            .with("content-type", "application/vnd.docker.distribution.manifest.v1+prettyjws")
            .with("docker-content-digest", &digest(b"without its signatures"))
    })
    .await;
    let (found, said, ended) = Bench::looking_at(&server.host()).verdicts(&[IMAGE]).await;
    assert_eq!((found, ended.code), (verdicts(&[(IMAGE, "unknown")]), Some(1)));
    let (kind, reason) = fault(&said);
    assert_eq!(kind, "malformed");
    assert!(reason.contains("the first version of docker's manifests"), "{reason}");
}
