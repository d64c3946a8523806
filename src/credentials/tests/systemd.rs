//! What systemd hands over.

use super::*;

fn source(name: &str) -> Source {
    Source::Systemd { name: name.into(), timeout: AMPLE }
}

#[tokio::test]
async fn a_line_is_for_whichever_registry_is_asked() {
    let node = Node::new();
    node.file("mirror", "robot:hunter2\n");
    let store = node.store(source("mirror"));
    assert_eq!(find(&store, "a.example/x").await, basic("robot", "hunter2"));
    assert_eq!(find(&store, "b.example/x").await, basic("robot", "hunter2"));
}

#[tokio::test]
async fn a_config_is_for_those_it_names() {
    let node = Node::new();
    node.file("mirror", " \n{\"auths\": {\"a.example\": {\"username\": \"robot\", \"password\": \"hunter2\"}}}");
    let store = node.store(source("mirror"));
    assert_eq!(find(&store, "a.example/x").await, basic("robot", "hunter2"));
    assert_eq!(find(&store, "b.example/x").await, Found::Nothing);
}

#[tokio::test]
async fn anything_else_is_told_without_a_piece_of_it() {
    let node = Node::new();
    let path = node.file("mirror", "hunter2\n");
    let why = format!("{} gives none: it is neither a docker config.json nor one line `user:password`", path.display());
    assert_eq!(find(&node.store(source("mirror")), "a.example/x").await, unavailable(why));
    node.file("mirror", "{hunter2");
    let why = format!("{} gives none: not JSON at line 1 column 2", path.display());
    assert_eq!(find(&node.store(source("mirror")), "a.example/x").await, unavailable(why));
}

#[tokio::test]
async fn without_a_directory_it_is_said_what_the_unit_lacks() {
    let store = Store::new(vec![("test".into(), source("mirror"))], None, Clock::SYSTEM);
    let why = "$CREDENTIALS_DIRECTORY is not set: the unit's [Service] section needs `LoadCredential=mirror:/path`";
    assert_eq!(find(&store, "a.example/x").await, unavailable(why));
}

#[tokio::test]
async fn a_name_leads_to_no_other_directory() {
    let node = Node::new();
    for name in ["", ".", "..", "../x", "x/", "/etc/passwd", "x/y", "./x"] {
        let why = format!("`{name}` is not the name of a file");
        assert_eq!(find(&node.store(source(name)), "a.example/x").await, unavailable(why));
    }
}
