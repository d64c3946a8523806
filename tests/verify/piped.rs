//! What `scan` prints, read by `verify`: both as they are.

use serde_json::{Value, json};

use super::bench::{Bench, verdicts};
use super::server::Server;
use super::store::{AMD64, Store};

const FILE: &str = "\
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: team-a }
spec:
  initContainers: [{ name: i, image: old.example/gone:1 }]
  containers: [{ name: a, image: old.example/a:1 }, { name: b, image: elsewhere.example/b:1 }]
";
const TEMPLATE: &str = "containers:\n- image: old.example/a:{{ .Values.tag }}\n- image: old.example/t:1\n{{ end }}\n";
const THERE: &str = "old.example/a:1";
const GONE: &str = "old.example/gone:1";

/// A registry with `a:1` and `t:1`, as these say, and an index `a:2` with the first in it; and the digests of both of `a`.
async fn registry() -> (Server, [String; 2]) {
    let mut store = Store::default();
    let digest = store.image("a", "1", AMD64);
    store.image("t", "1", AMD64);
    let platform = json!({ "os": "linux", "architecture": "amd64" });
    let index = json!({ "schemaVersion": 2, "manifests": [{ "digest": digest, "size": 1, "platform": platform }] });
    let index = store.manifest("a", "2", index.to_string().into_bytes());
    (Server::plain(move |asked| store.answer(asked)).await, [digest, index])
}

#[tokio::test]
async fn what_a_scan_finds_is_asked_for_and_what_it_has_in_part_is_told_of() {
    let (server, _) = registry().await;
    let bench = Bench::looking_at(&server.host());
    let files = [("a.yaml", FILE), ("t.yaml", TEMPLATE), ("kubeadm.yaml", "imageRepository: old.example/part\n")];
    let files = files.map(|(name, text)| bench.file(name, text).display().to_string());
    let torn = bench.file("torn.yaml", "a: [\n").display().to_string();
    let mut words: Vec<&str> = files.iter().map(String::as_str).collect();
    words.push(&torn);
    let (found, _, ended) = bench.verdicts_of(&bench.scan(&words, "")).await;
    let expected = [(GONE, "missing"), (THERE, "there"), ("old.example/t:1", "there")];
    assert_eq!((found, ended.code), (verdicts(&expected), Some(5)), "{}", ended.stderr);
    for told in
        ["2 findings passed over, where only a part of a name is written", "1 place could not be read by the scan"]
    {
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
    assert!(server.paths().iter().all(|path| !path.contains("part")), "{:?}", server.paths());
}

#[tokio::test]
async fn the_digest_that_runs_is_the_one_to_be_there() {
    let (server, [digest, index]) = registry().await;
    let bench = Bench::looking_at(&server.host());
    for (image, runs, verdict, code) in [
        (THERE, &*digest, "there", 0),
        (THERE, "sha256:0000", "differs", 5),
        (THERE, &*index, "differs", 5),
        ("old.example/a:2", &*index, "there", 0),
        // CRI-O knows both of an image.
        ("old.example/a:2", &*digest, "there", 0),
        ("old.example/a:2", "sha256:0000", "differs", 5),
    ] {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": "p", "namespace": "n", "uid": "u" },
            "spec": { "containers": [{ "name": "c", "image": image }] },
            "status": { "containerStatuses": [{ "name": "c", "imageID": format!("old.example/a@{runs}") }] },
        });
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": [pod] }).to_string();
        let (found, said, ended) = bench.verdicts_of(&bench.scan(&["-"], &list)).await;
        assert_eq!((found, ended.code), (verdicts(&[(image, verdict)]), Some(code)), "{}", ended.stderr);
        assert_eq!(said["images"][0]["expected"], json!({ "digest": runs, "by": "scan" }));
    }
}

#[tokio::test]
async fn where_no_namespace_is_said_every_rule_that_may_decide_has_to_serve_it() {
    let ((server, _), empty) = (registry().await, Server::plain(|_| super::server::Answer::new(404, "{}")).await);
    // Of the three targets, two are the same: the rule for some namespaces has none but that.
    let all = format!(
        "\n[[rules]]\nname = \"all\"\nmatch = [\"old.example\"]\ntargets = [{0:?}, {1:?}]\n",
        server.host(),
        empty.host()
    );
    for (teams, verdict) in [(&empty, "missing"), (&server, "there")] {
        let rules = format!("namespaces = [\"team-*\"]\n{all}");
        let bench = Bench::with_targets("old.example", &format!("{:?}", teams.host()), &rules);
        let bench = bench.words(&["--skip-old", "--platform", AMD64, "--any-target"]);
        let scan = bench.scan(&["-"], &format!("image: {THERE}\n"));
        let read: Value = serde_json::from_str(&scan).unwrap();
        assert_eq!(read["findings"][0]["alternatives"][0]["rule"], json!("mirror"), "{scan}");
        let (found, said, _) = bench.verdicts_of(&scan).await;
        assert_eq!(found, verdicts(&[(THERE, verdict)]), "{said}");
        assert_eq!(said["images"][0]["targets"].as_array().unwrap().len(), 2, "{said}");
    }
}
