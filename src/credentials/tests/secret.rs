//! No secret is seen, whatever goes wrong.

use super::*;

const SECRET: &str = "hunter2";
/// `robot:hunter2`, which is as good as the password.
const ENCODED: &str = "cm9ib3Q6aHVudGVyMg==";

fn assert_silent(what: &str, printed: &str) {
    assert!(!printed.contains(SECRET) && !printed.contains(ENCODED), "{what}: {printed}");
}

async fn printed(store: &Store, image: &str) -> String {
    let image = Reference::parse(image).unwrap();
    match store.find("test", image).await {
        Ok(found) => format!("{found:?} {store:?}"),
        Err(error) => format!("{} {error} {error:?} {store:?}", Chain(&error)),
    }
}

#[tokio::test]
async fn no_config_shows_a_secret_however_it_is_malformed() {
    let node = Node::new();
    let whole = format!(
        r#"{{"auths": {{"a.example": {{"auth": "{ENCODED}"}}, "b.example": {{"username": "robot", "password": "{SECRET}"}}}}, "credsStore": "{SECRET}/x"}}"#
    );
    let mut configs = vec![
        format!(r#"{{"auths": "{SECRET}"}}"#),
        format!(r#"{{"auths": {{"a.example": "{SECRET}"}}}}"#),
        format!(r#"{{"auths": {{"a.example": {{"auth": ["{SECRET}"]}}}}}}"#),
        format!(r#"{{"auths": {{"a.example": {{"auth": "{SECRET}"}}}}}}"#),
        format!(r#"{{"auths": {{"a.example": {{"auth": "{ENCODED}", "auth": "{SECRET}"}}}}}}"#),
        format!(r#"{{"auths": {{"https://robot:{SECRET}@a.example": {{"auth": "!"}}}}}}"#),
        format!(r#"{{"credHelpers": {{"a.example": {{"{SECRET}": 1}}}}}}"#),
        format!(r#""{SECRET}""#),
        format!("{SECRET}: {ENCODED}"),
    ];
    configs.extend((0..whole.len()).map(|end| whole[..end].to_owned()));
    configs.push(whole);
    let path = node.path("config.json");
    let stores = [
        node.store(Source::DockerConfig { path, timeout: AMPLE }),
        node.store(Source::Systemd { name: "config.json".into(), timeout: AMPLE }),
    ];
    for config in configs {
        node.file("config.json", &config);
        for (store, image) in stores.iter().flat_map(|store| ["a.example/x", "b.example/x"].map(|image| (store, image)))
        {
            assert_silent(&config, &printed(store, image).await);
        }
    }
}

#[tokio::test]
async fn no_program_shows_a_secret_that_it_prints() {
    let node = Node::new();
    let bodies = [
        "echo hunter2; exit 1",
        "echo hunter2",
        r#"echo '{"Username": "robot", "Secret": "hunter2"}'; exit 1"#,
        r#"echo '{"Username": "robot", "Secret": "hunter2"}'"#,
        r#"echo '{"Username": "robot", "Secret": "hunter2"'"#,
        r#"echo '{"Username": 4711, "Secret": "hunter2"}'"#,
        r#"echo '{"Secret": "hunter2"}'"#,
        r#"echo '{"kind": "hunter2", "apiVersion": "hunter2"}'"#,
        "echo hunter2; exec sleep 600",
        "yes hunter2",
    ];
    for body in bodies {
        let command = node.program("docker-credential-test", body);
        let path = node.file("config.json", r#"{"credsStore": "test"}"#);
        let timeout = if body.contains("sleep") { Duration::from_millis(100) } else { AMPLE };
        let env = vec![("KEY".to_owned(), SECRET.to_owned())];
        let sources = [
            Source::DockerConfig { path, timeout },
            Source::Provider { command, args: vec![], env, default_cache: Duration::ZERO, timeout },
        ];
        for source in sources {
            let shown = format!("{source:?}");
            assert_silent(body, &format!("{shown} {}", printed(&node.store(source), "a.example/x").await));
        }
    }
}

#[tokio::test]
async fn a_cache_shows_no_secret() {
    let node = Node::new();
    let body = r#"echo '{"kind": "CredentialProviderResponse", "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "cacheKeyType": "Global", "cacheDuration": "1h", "auth": {"a.example": {"username": "robot", "password": "hunter2"}}}'"#;
    let command = node.program("provider", body);
    let env = vec![];
    let source = Source::Provider { command, args: vec![], env, default_cache: AMPLE, timeout: AMPLE };
    let shown = printed(&node.store(source), "a.example/x").await;
    assert!(shown.contains("1 answers"), "{shown}");
    assert_silent("cache", &shown);
}
