//! In front of real registries: there, missing, another, not for all platforms, not for us.

use serde_json::{Value, json};

use super::bench::{Bench, verdicts};
use crate::support::world::{Image, Registries, Registry};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An old registry and a mirror of it.
async fn two() -> Option<(Registries, Registry, Registry)> {
    let mut registries = Registries::start()?;
    let old = registries.open("old").await;
    let mirror = registries.open("mirror").await;
    Some((registries, old, mirror))
}

fn here() -> &'static str {
    if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" }
}

fn elsewhere() -> &'static str {
    if cfg!(target_arch = "aarch64") { "linux/amd64" } else { "linux/arm64" }
}

#[tokio::test]
async fn what_is_there_is_told_from_what_is_missing_and_from_what_is_another() {
    let Some((_registries, old, mirror)) = two().await else { return };
    for name in ["same:1", "another:1", "missing:1"] {
        old.push(name, &Image::busybox()).await;
    }
    mirror.push("same:1", &Image::busybox()).await;
    let digest = mirror.push("another:1", &Image::busybox().label("is", "another")).await;
    let bench = Bench::new(&old.host(), &mirror.host());
    let image = |name: &str| format!("{}/{name}:1", old.host());
    let [same, another, missing] = ["same", "another", "missing"].map(image);

    let (found, said, ended) = bench.verdicts(&[&same, &another, &missing]).await;
    let expected = [(&*missing, "missing"), (&*another, "differs"), (&*same, "there")];
    assert_eq!(found, verdicts(&expected));
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("2 of 3 images are not where the rules look for them"), "{}", ended.stderr);
    assert_eq!(said["images"][1]["targets"][0]["digest"], json!(digest));
    assert_eq!(said["images"][1]["expected"]["by"], json!("old_registry"));
    assert_eq!(said["images"][0]["old"]["state"], json!("there"));

    let (found, _, ended) = bench.verdicts(&[&same]).await;
    assert_eq!((found, ended.code), (verdicts(&[(&*same, "there")]), Some(0)), "{}", ended.stderr);

    // Nobody says any more what it was.
    let bench = bench.words(&["--skip-old"]);
    let (found, said, ended) = bench.verdicts(&[&another]).await;
    assert_eq!((found, ended.code), (verdicts(&[(&*another, "there")]), Some(0)), "{}", ended.stderr);
    assert_eq!(said["images"][0]["old"]["state"], json!("not_asked"));
}

#[tokio::test]
async fn a_digest_in_the_name_is_the_same_wherever_it_is() {
    let Some((_registries, old, mirror)) = two().await else { return };
    let digest = mirror.push("pinned:1", &Image::busybox()).await;
    let other = old.push("pinned:1", &Image::busybox().label("is", "another")).await;
    let image = |digest: &str| format!("{}/pinned@{digest}", old.host());
    let (there, missing) = (image(&digest), image(&other));
    let (found, ..) = Bench::new(&old.host(), &mirror.host()).verdicts(&[&there, &missing]).await;
    assert_eq!(found, verdicts(&[(&*missing, "missing"), (&*there, "there")]));
}

#[tokio::test]
async fn an_old_registry_that_is_away_is_told_of_and_is_no_failure() {
    let Some(mut registries) = Registries::start() else { return };
    let mirror = registries.open("mirror").await;
    mirror.push("a:1", &Image::busybox()).await;
    // Nobody listens on the port of discard.
    let bench = Bench::new("127.0.0.1:9", &mirror.host());
    let ended = bench.verify(&["127.0.0.1:9/a:1"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("the old registry could not be asked: 127.0.0.1:9: connection refused"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn an_image_has_to_be_there_for_every_platform_in_use() {
    let Some((_registries, _old, mirror)) = two().await else { return };
    let digest = mirror.push("one:1", &Image::busybox()).await;
    let (os, architecture) = here().split_once('/').unwrap();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": Image::busybox().pack().manifest.bytes.len(),
            "platform": { "os": os, "architecture": architecture },
        }],
    });
    mirror.push_manifest("one", "index", INDEX, index.to_string().as_bytes()).await;
    let bench = Bench::new("old.example", &mirror.host()).words(&["--skip-old"]);
    let images = ["old.example/one:1", "old.example/one:index"];

    let (found, _, ended) = bench.verdicts(&images).await;
    assert_eq!(found, verdicts(&[(images[0], "there"), (images[1], "there")]));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let bench = bench.words(&["--platform", here(), "--platform", elsewhere()]);
    let (found, said, ended) = bench.verdicts(&images).await;
    assert_eq!(found, verdicts(&[(images[0], "lacks_platform"), (images[1], "lacks_platform")]));
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    for row in said["images"].as_array().unwrap() {
        assert_eq!(row["targets"][0]["lacking"], json!([elsewhere()]));
    }

    let ended = bench.words(&["--platform", "linux"]).verify(&images).await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("`linux` is not a platform"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_private_registry_is_shown_what_its_target_brings() {
    let Some(mut registries) = Registries::start() else { return };
    let mirror = registries.guarded("private").await;
    mirror.push("a:1", &Image::busybox()).await;
    let image = ["old.example/a:1"];
    let with = |config: &str| {
        let target = format!("{{ location = {:?}, credentials = \"file\" }}", mirror.host());
        let source = format!("[credentials.file]\ndocker_config = {config:?}\n");
        Bench::with_targets("old.example", &target, &source).words(&["--skip-old"])
    };
    let bench = Bench::new("old.example", &mirror.host()).words(&["--skip-old"]);
    // "puller:open-sesame".
    let auth = format!("{{\"auths\": {{\"{}\": {{\"auth\": \"cHVsbGVyOm9wZW4tc2VzYW1l\"}}}}}}", mirror.host());
    let config = bench.file("config.json", auth);

    let (found, _, ended) = with(config.to_str().unwrap()).verdicts(&image).await;
    assert_eq!((found, ended.code), (verdicts(&[(image[0], "there")]), Some(0)), "{}", ended.stderr);

    // Neither there nor missing.
    let (found, said, ended) = bench.verdicts(&image).await;
    assert_eq!((found, ended.code), (verdicts(&[(image[0], "denied")]), Some(1)), "{}", ended.stderr);
    assert_eq!(said["images"][0]["targets"][0]["fault"], json!("unauthorized"));

    let (_, said, ended) = with("/nonexistent/config.json").verdicts(&image).await;
    assert_eq!(ended.code, Some(1));
    let reason = said["images"][0]["targets"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("401") && reason.contains("/nonexistent/config.json"), "{reason}");
    assert!(!format!("{said}{}", ended.stderr).contains("open-sesame"));
}

#[tokio::test]
async fn each_target_is_asked_and_one_may_be_enough() {
    let Some((_registries, first, second)) = two().await else { return };
    second.push("a:1", &Image::busybox()).await;
    let targets = format!("{:?}, {:?}", first.host(), second.host());
    let bench = Bench::with_targets("old.example", &targets, "").words(&["--skip-old"]);
    let (found, said, ended) = bench.verdicts(&["old.example/a:1"]).await;
    assert_eq!((found, ended.code), (verdicts(&[("old.example/a:1", "missing")]), Some(5)));
    let of = |row: &Value| row["verdict"].as_str().unwrap().to_owned();
    let targets = said["images"][0]["targets"].as_array().unwrap();
    assert_eq!(targets.iter().map(of).collect::<Vec<_>>(), ["missing", "there"]);
    let ended = bench.words(&["--any-target"]).verify(&["old.example/a:1"]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}
