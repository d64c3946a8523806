//! What `config show` and `config schema` write.

use super::{Serve, Settings, Source, held, keys, schema, settings, show};
use serde_json::Value;

const FULL: &str = r#"
listen = "unix:///run/l.sock"
runtime = "/run/r.sock"
image_endpoint = "/run/i.sock"
keep_original_name = "never"
sandbox_image = "k8s.gcr.io/pause:3.9"
node = "n\u001b\u202e\"1"
runtime_wait = "1500ms"
message_limit_bytes = 77
builtin_rules = ["k8s.gcr.io", "gcr.io/google-containers", "coredns/coredns"]
[audit]
file = "/a b/c"
sync = true
required = true
rotate_bytes = 65536
rotate_after = "1w 12h"
keep = 7
compress = false
journald = true
stdout = true
[labels]
cluster = "a\u001bb"
"a b" = ""
[credentials."a b"]
docker_config = "/d.json"
timeout = "1m 30s"
[credentials.p]
provider = "/p"
args = ["a", ""]
cache = "12h"
[credentials.s]
systemd = "s"
[[rules]]
name = "mi\\rror"
match = ["k8s.gcr.io", "*.old.example/x"]
exclude = ["a.old.example"]
namespaces = ["a*"]
exclude_namespaces = ["ab"]
percent = 0.05
from = 2026-12-01T08:00:00.25+01:00
targets = ["m.example", { location = "n.example/x", credentials = "a b", timeout = "250us" }]
on_failure = "original"
[[rules]]
name = "no"
match = ["no.example"]
action = "deny"
[[rules]]
name = "look"
match = ["look.example"]
action = "observe"
"#;

fn of(text: &str) -> (Source, Settings) {
    let source = Source::of("/c.toml", text.as_bytes());
    let settings = settings(&Serve::default(), &source).unwrap();
    (source, settings)
}

fn shown(text: &str) -> String {
    let (source, settings) = of(text);
    show::show(&source, &settings)
}

#[test]
fn what_is_shown_says_the_same_as_a_file() {
    for text in ["", FULL] {
        let page = shown(text);
        assert_eq!(held(&of(&page).1), held(&of(text).1), "{page}");
        assert!(!page.contains(['\u{1b}', '\u{202e}']), "{page}");
    }
}

#[test]
fn every_value_that_is_shown_has_its_origin() {
    let page = shown(FULL);
    for line in [
        "listen = \"unix:///run/l.sock\" # /c.toml:2",
        "admin = \"unix:///run/admin.sock\" # default: admin.sock, beside `listen`",
        "state = \"/var/lib/repoint\" # default",
        "node = \"n\\U0000001B\\U0000202E\\\"1\" # /c.toml:7",
        "[credentials.\"a b\"] # /c.toml:24",
        "timeout = \"1m 30s\" # /c.toml:26",
        "percent = 0.05 # /c.toml:39",
        "from = 2026-12-01T07:00:00.25Z # /c.toml:40",
        "targets = [\"m.example\", { location = \"n.example/x\", credentials = \"a b\", timeout = \"250µs\" }] # /c.toml:41",
        "sync = true # /c.toml:13",
        "rotate_after = \"180h\" # /c.toml:16",
        "cluster = \"a\\U0000001Bb\" # /c.toml:22",
        "\"a b\" = \"\" # /c.toml:23",
        "journald = true # /c.toml:19",
        "# built-in rule `k8s.gcr.io`",
        "# it stands back from `k8s.gcr.io`, for the rule `mi\\rror`",
        "#name = \"google-containers\" # built-in rule `gcr.io/google-containers`",
        "#name = \"mi\\\\rror-coredns\" # built-in rule `coredns/coredns`",
        "# `from` is not set: at any time",
    ] {
        assert!(page.lines().any(|shown| shown == line), "no `{line}` in\n{page}");
    }
    for line in page.lines().filter(|line| line.contains(" = ")) {
        assert!(line.contains(" # "), "{line}");
    }
    let bare = shown("");
    assert!(bare.contains("# `runtime` is not set: whichever of the usual sockets answers\n"), "{bare}");
    assert!(bare.contains("# `labels` is not set: none\n") && bare.contains("keep = 10 # default\n"), "{bare}");
}

#[test]
fn a_secret_is_not_shown_and_what_stands_for_it_is_no_value() {
    let page = shown("[credentials.p]\nprovider = \"/p\"\nenv = { TOKEN = \"hunter2\" }\n");
    assert!(page.contains("env = { TOKEN = \"…\" } # /c.toml:3\n") && !page.contains("hunter2"), "{page}");
    let told = super::mistake(&page);
    assert!(
        told.contains("`credentials.p.env.TOKEN`: this stands for a value that `config show` does not show"),
        "{told}"
    );
}

/// The properties of a schema's object.
fn properties(schema: &Value) -> Vec<&str> {
    schema["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_schema_has_every_key_and_no_other() {
    let schema = schema::schema();
    let at = |path: &str| schema.pointer(path).unwrap();
    for (path, table) in [
        ("", &keys::TOP),
        ("/properties/audit", &keys::AUDIT),
        ("/properties/credentials/additionalProperties", &keys::CREDENTIALS),
        ("/properties/rules/items", &keys::RULE),
        ("/properties/rules/items/properties/targets/items/oneOf/1", &keys::TARGET),
    ] {
        assert_eq!(properties(at(path)), table.names().collect::<Vec<_>>(), "{path}");
        assert_eq!(at(path)["additionalProperties"], false, "{path}");
        for (key, property) in at(path)["properties"].as_object().unwrap() {
            assert!(property["description"].as_str().is_some_and(|about| about.ends_with('.')), "{key}");
        }
    }
    assert_eq!(at("/properties/runtime_wait/default"), "5s");
    assert_eq!(
        at("/properties/rules/items/properties/action/enum"),
        &serde_json::json!(["rewrite", "observe", "deny"])
    );
    assert_eq!(at("/properties/rules/items/required"), &serde_json::json!(["name", "match"]));
}
