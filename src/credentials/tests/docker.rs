//! docker's config.json, and the helpers it names.

use super::*;

/// `robot:hunter2`.
const AUTH: &str = "cm9ib3Q6aHVudGVyMg==";

fn entry(key: &str) -> String {
    format!(r#"{{"auths": {{"{key}": {{"auth": "{AUTH}"}}}}}}"#)
}

#[tokio::test]
async fn an_entry_is_for_its_host_and_no_other() {
    let node = Node::new();
    let config = entry("mirror.example.com:5000");
    assert_eq!(node.config(&config, "mirror.example.com:5000/k8s/pause:3.9").await, basic("robot", "hunter2"));
    assert_eq!(node.config(&config, "mirror.example.com/k8s/pause:3.9").await, Found::Nothing);
    let config = entry("https://index.docker.io/v1/");
    assert_eq!(node.config(&config, "busybox").await, basic("robot", "hunter2"));
}

#[tokio::test]
async fn an_entry_has_one_of_many_forms() {
    let node = Node::new();
    for (entry, expected) in [
        (r#"{"auth": "cm9ib3Q6aHVudGVyMg=="}"#, basic("robot", "hunter2")),
        (r#"{"auth": " cm9ib3Q6aHVudGVyMg\n"}"#, basic("robot", "hunter2")),
        (r#"{"auth": "cm9ib3Q6YTpiOmPDpCA="}"#, basic("robot", "a:b:cä ")),
        (r#"{"auth": "cm9ib3Q6aHVudGVyMgAA"}"#, basic("robot", "hunter2")),
        (r#"{"auth": "cm9ib3Q6"}"#, basic("robot", "")),
        (r#"{"username": "robot", "password": "hunter2", "email": "x"}"#, basic("robot", "hunter2")),
        (r#"{"username": "robot", "password": "q\"\u00e4"}"#, basic("robot", "q\"ä")),
        (r#"{"username": "robot"}"#, basic("robot", "")),
        (r#"{"username": "other", "password": "x", "auth": "cm9ib3Q6aHVudGVyMg=="}"#, basic("robot", "hunter2")),
        // What docker writes for Azure's registries.
        (
            r#"{"auth": "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==", "identitytoken": "t0ken"}"#,
            Found::Identity("t0ken".into()),
        ),
        (r#"{"registrytoken": "t0ken"}"#, Found::Registry("t0ken".into())),
        (r#"{"auth": "", "username": "", "password": "x", "identitytoken": ""}"#, Found::Nothing),
        (r#"{"auth": null}"#, Found::Nothing),
        ("{}", Found::Nothing),
        ("null", Found::Nothing),
    ] {
        let config = format!(r#"{{"auths": {{"a.example": {entry}}}, "HttpHeaders": {{"X": "y"}}, "psFormat": 3}}"#);
        assert_eq!(node.config(&config, "a.example/x").await, expected, "{entry}");
    }
}

#[tokio::test]
async fn the_most_specific_entry_that_says_something_decides() {
    let node = Node::new();
    let config = r#"{"auths": {
        "a.example": {"username": "host", "password": "x"},
        "a.example/team": {"username": "team", "password": "x"},
        "a.example/team/empty": {},
        "*.example": {"username": "pattern", "password": "x"}
    }}"#;
    for (image, user) in [
        ("a.example/x", "host"),
        ("a.example/team/x", "team"),
        ("a.example/teams/x", "host"),
        ("a.example/team/empty/x", "team"),
        ("b.example/x", "pattern"),
    ] {
        assert_eq!(node.config(config, image).await, basic(user, "x"), "{image}");
    }
}

#[tokio::test]
async fn a_file_with_nothing_for_us_gives_nothing() {
    let node = Node::new();
    for config in ["{}", r#"{"auths": null, "credHelpers": null, "credsStore": null}"#, r#"{"credsStore": ""}"#] {
        assert_eq!(node.config(config, "a.example/x").await, Found::Nothing, "{config}");
    }
}

#[tokio::test]
async fn a_file_is_read_anew_for_every_lookup() {
    let node = Node::new();
    let path = node.path("config.json");
    let store = node.store(Source::DockerConfig { path: path.clone(), timeout: AMPLE });
    let missing = format!("cannot read {}: No such file or directory (os error 2)", path.display());
    assert_eq!(find(&store, "a.example/x").await, unavailable(missing));
    node.file("config.json", &entry("a.example"));
    assert_eq!(find(&store, "a.example/x").await, basic("robot", "hunter2"));
    node.file("config.json", "{}");
    assert_eq!(find(&store, "a.example/x").await, Found::Nothing);
}

#[tokio::test]
async fn a_file_that_makes_no_sense_is_told_with_its_place() {
    let node = Node::new();
    let file = node.path("config.json");
    for (config, why) in [
        ("", "JSON that ends too early at line 1 column 0"),
        ("{\n \"auths\": hunter2", "not JSON at line 2 column 11"),
        (r#"{"auths": {"a.example": {"auth": 4711}}}"#, "JSON of another form than expected at line 1 column 37"),
        (
            r#"{"auths": {"a.example": {"auth": "!!"}}}"#,
            "`auth` for a.example is not the base64 form of `user:password`",
        ),
        (
            r#"{"auths": {"a.example": {"auth": "cm9ib3Q="}}}"#,
            "`auth` for a.example is not the base64 form of `user:password`",
        ),
    ] {
        let expected = unavailable(format!("{} gives none: {why}", file.display()));
        assert_eq!(node.config(config, "a.example/x").await, expected, "{config}");
    }
    // Somebody else's entry is somebody else's trouble.
    let config = r#"{"auths": {"a.example": {"auth": "!!"}}}"#;
    assert_eq!(node.config(config, "b.example/x").await, Found::Nothing);
}

/// Says for which server it was asked, and answers with its own name as the user.
const HELPER: &str = r#"echo run >>"$NODE/runs"
[ "$1" = get ] || exit 9
server=$(cat)
printf '{"ServerURL": "%s", "Username": "%s", "Secret": "%s"}' "$server" "${0##*-}" "$server""#;
const NONE: &str = "echo credentials not found in native keychain; exit 1";

#[tokio::test]
async fn a_helper_for_the_registry_goes_before_the_one_for_all() {
    let node = Node::new();
    node.program("docker-credential-own", HELPER);
    node.program("docker-credential-all", HELPER);
    let config = r#"{
        "credHelpers": {"a.example:5000": "own", "b.example": "", "https://index.docker.io/v1/": "own"},
        "credsStore": "all",
        "auths": {"a.example:5000": {}, "b.example": {"username": "file", "password": "x"}}
    }"#;
    for (image, found) in [
        ("a.example:5000/x", basic("own", "a.example:5000")),
        ("c.example/x", basic("all", "c.example")),
        ("busybox", basic("own", "https://index.docker.io/v1/")),
        ("b.example/x", basic("file", "x")),
    ] {
        assert_eq!(node.config(config, image).await, found, "{image}");
    }
}

#[tokio::test]
async fn a_helper_that_has_none_leaves_it_to_the_file_and_is_the_only_one_asked() {
    let node = Node::new();
    node.program("docker-credential-none", NONE);
    node.program("docker-credential-all", HELPER);
    let config = r#"{
        "credHelpers": {"a.example": "none", "b.example": "none"},
        "credsStore": "all",
        "auths": {"a.example": {"username": "file", "password": "x"}, "b.example": {}}
    }"#;
    assert_eq!(node.config(config, "a.example/x").await, basic("file", "x"));
    assert_eq!(node.config(config, "b.example/x").await, Found::Nothing);
    assert_eq!(node.runs(), 0);
}

#[tokio::test]
async fn a_helper_answers_with_a_user_or_a_token() {
    let node = Node::new();
    for (answer, found) in [
        (r#"{"ServerURL":"x","Username":"robot","Secret":"hunter2"}"#, basic("robot", "hunter2")),
        (r#"{"username":"robot","secret":"hunter2","more":1}"#, basic("robot", "hunter2")),
        (r#"{"ServerURL":"x","Username":"<token>","Secret":"t0ken"}"#, Found::Identity("t0ken".into())),
        (r#"{"ServerURL":"","Username":"","Secret":""}"#, Found::Nothing),
        ("{}", Found::Nothing),
    ] {
        node.program("docker-credential-test", &format!("echo '{answer}'"));
        assert_eq!(node.config(r#"{"credsStore": "test"}"#, "a.example/x").await, found, "{answer}");
    }
}

#[tokio::test]
async fn a_helper_that_fails_is_no_helper_that_has_none() {
    let node = Node::new();
    let file = node.path("config.json");
    let program = "`docker-credential-test`";
    for (body, why) in [
        ("exit 1", format!("{program} ended with exit status: 1")),
        ("echo hunter2; echo locked >&2; exit 2", format!("{program} ended with exit status: 2: locked")),
        // Only a failure can mean that there is none.
        (
            "echo credentials not found in native keychain",
            format!("the answer of {program} cannot be read: not JSON at line 1 column 1"),
        ),
        ("echo '{\"Secret\": \"hunter2\"}'", format!("the answer of {program} has a password and no user")),
        ("echo '[hunter2'", format!("the answer of {program} cannot be read: not JSON at line 1 column 2")),
        ("true", format!("the answer of {program} cannot be read: JSON that ends too early at line 1 column 0")),
    ] {
        node.program("docker-credential-test", body);
        // What is in the file is not what the operator chose to be asked first.
        let config = r#"{"credsStore": "test", "auths": {"a.example": {"username": "file", "password": "x"}}}"#;
        let expected = unavailable(format!("{} gives none: {why}", file.display()));
        assert_eq!(node.config(config, "a.example/x").await, expected, "{body}");
    }
    let config = r#"{"credsStore": "absent"}"#;
    let expected = format!("{} gives none: there is no program `docker-credential-absent`", file.display());
    assert_eq!(node.config(config, "a.example/x").await, unavailable(expected));
}

#[tokio::test]
async fn a_helper_has_a_limited_time() {
    let node = Node::new();
    node.program("docker-credential-slow", "exec sleep 600");
    let path = node.file("config.json", r#"{"credsStore": "slow"}"#);
    let why = format!("{} gives none: `docker-credential-slow` did not end within 100ms", path.display());
    let store = node.store(Source::DockerConfig { path, timeout: Duration::from_millis(100) });
    assert_eq!(find(&store, "a.example/x").await, unavailable(why));
}

#[tokio::test]
async fn the_name_of_a_helper_leads_nowhere_else() {
    let node = Node::new();
    for name in ["x/../../bin/true", "/bin/true", "..\\\\x", "a b", "hunter2\\u0000", "ä"] {
        let config = format!(r#"{{"credsStore": "{name}"}}"#);
        let Found::Unavailable(why) = node.config(&config, "a.example/x").await else { panic!("{name}") };
        assert!(why.ends_with("other characters than letters, digits, `.`, `_` and `-`"), "{why}");
    }
}
