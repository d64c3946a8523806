//! Credential providers of the kubelet.

use super::*;
use crate::credentials::provider::Answer;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::task::JoinSet;

fn provider(command: PathBuf) -> Source {
    Source::Provider {
        command,
        args: vec!["--region".into(), "eu".into()],
        env: vec![("GIVEN".into(), "given".into())],
        default_cache: Duration::ZERO,
        timeout: AMPLE,
    }
}

/// An answer with a secret for each of some patterns, which is the pattern.
fn answer(cache: &str, patterns: &[&str]) -> String {
    let auth: Vec<String> = patterns
        .iter()
        .map(|pattern| format!(r#""{pattern}": {{"username": "robot", "password": "{pattern}"}}"#))
        .collect();
    format!(
        r#"{{"kind": "CredentialProviderResponse", "apiVersion": "credentialprovider.kubelet.k8s.io/v1", {cache}, "auth": {{{}}}}}"#,
        auth.join(", ")
    )
}

/// A script that notes its run and answers.
fn answering(answer: &str) -> String {
    format!("cat >>\"$NODE/runs\"; echo >>\"$NODE/runs\"\ncat <<'EOF'\n{answer}\nEOF")
}

#[tokio::test]
async fn a_provider_is_asked_as_the_kubelet_asks() {
    let node = Node::new();
    let body = r#"cat >"$NODE/request"; echo "$*" "$GIVEN" >"$NODE/args"; "#.to_owned()
        + &answering(&answer(r#""cacheKeyType": "Image""#, &["a.example"]));
    let store = node.store(provider(node.program("provider", &body)));
    assert_eq!(find(&store, "a.example/x/y:1").await, basic("robot", "a.example"));
    let request: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(node.path("request")).unwrap()).unwrap();
    let expected = serde_json::json!({
        "kind": "CredentialProviderRequest",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        // Without a tag.
        "image": "a.example/x/y",
    });
    assert_eq!(request, expected);
    assert_eq!(std::fs::read_to_string(node.path("args")).unwrap(), "--region eu given\n");
}

#[tokio::test]
async fn the_most_specific_pattern_decides() {
    let node = Node::new();
    let patterns = ["*.dkr.ecr.*.amazonaws.com", "1.dkr.ecr.eu.amazonaws.com", "1.dkr.ecr.eu.amazonaws.com/team"];
    let command = node.program("provider", &answering(&answer(r#""cacheKeyType": "Image""#, &patterns)));
    let store = node.store(provider(command));
    for (image, found) in [
        ("2.dkr.ecr.us.amazonaws.com/x", basic("robot", patterns[0])),
        ("1.dkr.ecr.eu.amazonaws.com/x", basic("robot", patterns[1])),
        ("1.dkr.ecr.eu.amazonaws.com/team/x", basic("robot", patterns[2])),
        ("dkr.ecr.eu.amazonaws.com/x", Found::Nothing),
        ("1.dkr.ecr.eu.amazonaws.com:5000/x", Found::Nothing),
    ] {
        assert_eq!(find(&store, image).await, found, "{image}");
    }
}

#[tokio::test]
async fn an_answer_holds_for_what_it_says() {
    for (holds, runs) in [
        // How often the provider runs in all, after each of the images below.
        (r#""cacheKeyType": "Image", "cacheDuration": "1h0m0s""#, [1, 1, 2, 3]),
        (r#""cacheKeyType": "Registry", "cacheDuration": "1h0m0s""#, [1, 1, 1, 2]),
        (r#""cacheKeyType": "Global", "cacheDuration": "1h0m0s""#, [1, 1, 1, 1]),
        (r#""cacheKeyType": "Global", "cacheDuration": "0s""#, [1, 2, 3, 4]),
        // The default of these tests is not to keep it.
        (r#""cacheKeyType": "Global""#, [1, 2, 3, 4]),
        (r#""cacheKeyType": "Global", "cacheDuration": null"#, [1, 2, 3, 4]),
    ] {
        let node = Node::new();
        let command = node.program("provider", &answering(&answer(holds, &["*.example"])));
        let store = node.store(provider(command));
        let images = ["a.example/x:1", "a.example/x:2", "A.example:443/y", "b.example/z"];
        for (image, runs) in images.iter().zip(runs) {
            assert_eq!(find(&store, image).await, basic("robot", "*.example"), "{holds} {image}");
            assert_eq!(node.runs(), runs, "{holds} {image}");
        }
    }
}

#[tokio::test]
async fn an_answer_holds_as_long_as_it_says_or_else_as_configured() {
    static NOW: AtomicI64 = AtomicI64::new(1_000_000);
    let clock = Clock::new(|| Timestamp::from_second(NOW.load(Ordering::Relaxed)).unwrap());
    for (duration, seconds) in [(r#", "cacheDuration": "1m30s""#, 90), ("", 45)] {
        let node = Node::new();
        let answer = answer(&format!(r#""cacheKeyType": "Registry"{duration}"#), &["a.example"]);
        let mut source = provider(node.program("provider", &answering(&answer)));
        if let Source::Provider { default_cache, .. } = &mut source {
            *default_cache = Duration::from_secs(45);
        }
        let store = node.store_at(source, clock);
        for (passed, runs) in [(0, 1), (seconds - 1, 1), (1, 2), (seconds - 1, 2), (1, 3)] {
            NOW.fetch_add(passed, Ordering::Relaxed);
            assert_eq!(find(&store, "a.example/x").await, basic("robot", "a.example"));
            assert_eq!(node.runs(), runs, "{duration} {passed}");
        }
    }
}

#[tokio::test]
async fn that_there_is_nothing_is_kept_too() {
    let empty = answer(r#""cacheKeyType": "Image", "cacheDuration": "1h""#, &[]);
    for auth in ["{}", "null", r#"{"a.example": null}"#, r#"{"a.example": {"username": "", "password": "x"}}"#] {
        let node = Node::new();
        let answer = empty.replace(r#""auth": {}"#, &format!(r#""auth": {auth}"#));
        let store = node.store(provider(node.program("provider", &answering(&answer))));
        for _ in 0..3 {
            assert_eq!(find(&store, "a.example/x").await, Found::Nothing, "{auth}");
        }
        assert_eq!(node.runs(), 1, "{auth}");
    }
}

#[tokio::test]
async fn who_asks_for_the_same_at_once_waits_for_one_run() {
    let node = Node::new();
    let answer = answer(r#""cacheKeyType": "Image", "cacheDuration": "0s""#, &["a.example"]);
    let store = node.store(provider(node.program("provider", &answering(&answer))));
    let found = tokio::join!(find(&store, "a.example/x:1"), find(&store, "a.example/x:2"));
    assert_eq!(found, (basic("robot", "a.example"), basic("robot", "a.example")));
    assert_eq!(node.runs(), 1);
    assert_eq!(find(&store, "a.example/x").await, basic("robot", "a.example"));
    assert_eq!(node.runs(), 2);
}

#[tokio::test]
async fn a_run_goes_on_for_those_who_still_wait() {
    let node = Node::new();
    // The first run never ends; the second, which takes over when the first is dropped, does.
    let body = r#"mkdir "$NODE/first" 2>/dev/null && exec sleep 600; "#.to_owned()
        + &answering(&answer(r#""cacheKeyType": "Image""#, &["a.example"]));
    let store = node.store(provider(node.program("provider", &body)));
    let mut first = Box::pin(find(&store, "a.example/x"));
    let begun = async {
        while !node.path("first").exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        found = &mut first => panic!("{found:?}"),
        () = begun => {}
    }
    let second = find(&store, "a.example/x");
    let (found, ()) = tokio::join!(second, async { drop(first) });
    assert_eq!(found, basic("robot", "a.example"));
}

#[tokio::test]
async fn many_images_of_a_registry_take_few_runs() {
    let node = Node::new();
    let answer = answer(r#""cacheKeyType": "Registry", "cacheDuration": "1h""#, &["a.example"]);
    let store = Arc::new(node.store(provider(node.program("provider", &answering(&answer)))));
    let images: Vec<String> = (0..40).map(|number| format!("a.example/x{number}")).collect();
    let mut lookups = JoinSet::new();
    for image in images {
        let store = Arc::clone(&store);
        lookups.spawn(async move { find(&store, &image).await });
    }
    for found in lookups.join_all().await {
        assert_eq!(found, basic("robot", "a.example"));
    }
    // Those that began together. All others found the answer.
    assert!((1..=4).contains(&node.runs()), "{}", node.runs());
}

#[tokio::test]
async fn a_failure_is_told_and_not_kept() {
    let node = Node::new();
    let body = r#"mkdir "$NODE/first" 2>/dev/null && { echo hunter2; echo no metadata >&2; exit 1; }; "#.to_owned()
        + &answering(&answer(r#""cacheKeyType": "Image""#, &["a.example"]));
    let command = node.program("provider", &body);
    let store = node.store(provider(command.clone()));
    let why = format!("`{}` ended with exit status: 1: no metadata", command.display());
    let (one, two) = tokio::join!(find(&store, "a.example/x"), find(&store, "a.example/x"));
    assert_eq!((one, two), (unavailable(why.clone()), unavailable(why)));
    assert_eq!(find(&store, "a.example/x").await, basic("robot", "a.example"));
}

#[tokio::test]
async fn a_provider_has_a_limited_time() {
    let node = Node::new();
    let command = node.program("provider", "exec sleep 600");
    let mut source = provider(command.clone());
    if let Source::Provider { timeout, .. } = &mut source {
        *timeout = Duration::from_millis(100);
    }
    let why = format!("`{}` did not end within 100ms", command.display());
    assert_eq!(find(&node.store(source), "a.example/x").await, unavailable(why));
}

#[tokio::test]
async fn an_answer_of_an_old_version_is_told() {
    let node = Node::new();
    let old = answer(r#""cacheKeyType": "Image""#, &["a.example"]).replace("k8s.io/v1", "k8s.io/v1beta1");
    let command = node.program("provider", &answering(&old));
    let why = format!(
        "the answer of `{}` cannot be used: it is no CredentialProviderResponse of credentialprovider.kubelet.k8s.io/v1",
        command.display()
    );
    assert_eq!(find(&node.store(provider(command)), "a.example/x").await, unavailable(why));
}

#[test]
fn an_answer_that_makes_no_sense_is_told_without_a_piece_of_it() {
    let fine = answer(r#""cacheKeyType": "Image", "cacheDuration": "1h", "more": [1]"#, &["a.example"]);
    assert!(Answer::read(fine.as_bytes()).is_ok());
    let kind = "it is no CredentialProviderResponse of credentialprovider.kubelet.k8s.io/v1";
    for (from, to, why) in [
        ("CredentialProviderResponse", "hunter2", kind),
        ("v1", "hunter2", kind),
        ("\"Image\"", "\"hunter2\"", "it has no `cacheKeyType` of Image, Registry or Global"),
        ("\"Image\"", "null", "it has no `cacheKeyType` of Image, Registry or Global"),
        ("1h", "hunter2", "it has a `cacheDuration` that is not such as `6h0m0s`"),
        ("\"1h\"", "4711", "JSON of another form than expected at line 1 column 139"),
        ("\"robot\"", "hunter2", "not JSON at line 1 column 190"),
    ] {
        let error = Answer::read(fine.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(Chain(&error).to_string(), why, "{to}");
    }
}
