use super::*;
use crate::args::Serve;
use crate::error::Chain;
use crate::reference::Reference;
use crate::runtime::Endpoint;
use std::path::Path;

fn source(text: &str) -> file::Source {
    file::parse(Path::new("/c.toml"), text.to_owned()).unwrap()
}

fn checked(text: &str) -> Result<Settings, check::Mistakes> {
    settings(&Serve::default(), &source(text))
}

fn syntax_error(text: &str) -> String {
    Chain(&file::parse(Path::new("/c.toml"), text.to_owned()).unwrap_err()).to_string()
}

fn mistakes(text: &str) -> Vec<String> {
    checked(text).unwrap_err().0
}

fn substitute(settings: &Settings, image: &str) -> Option<String> {
    settings
        .rules
        .decide(Reference::parse(image).unwrap(), None)
        .and_then(|found| found.substitutes().next())
        .map(|(_, name)| name)
}

#[test]
fn with_nothing_said_the_built_in_default_holds() {
    let settings = checked("").unwrap();
    assert_eq!(settings.listen.to_string(), check::LISTEN);
    assert!(matches!(&settings.runtime.runtime, Endpoint::AnyOf(usual) if usual.len() > 5));
    assert_eq!(settings.runtime.image, None);
    assert_eq!(settings.audit.file, Path::new(check::AUDIT_FILE));
    assert!(!settings.node.is_empty());
    assert_eq!(substitute(&settings, "k8s.gcr.io/pause:3.9").as_deref(), Some("registry.k8s.io/pause:3.9"));
}

#[test]
fn the_shipped_file_says_what_holds_anyway() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/repoint.toml");
    let text = std::fs::read_to_string(shipped).unwrap();
    let said = |text: &str| format!("{:?}", checked(text).unwrap());
    assert_eq!(said(&text), said(""), "as shipped");
    // What stands behind one mark is a default, said; behind two, an example, or what stands for "not set".
    let is_key = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) => Some(rest).filter(is_key).unwrap_or_default().to_owned() + "\n",
        None => line.to_owned() + "\n",
    };
    let uncommented: String = text.lines().map(uncomment).collect();
    assert!(uncommented.contains("runtime_wait = "));
    assert_eq!(said(&uncommented), said(""), "with its defaults said: {uncommented}");
    for key in [
        "listen",
        "admin",
        "runtime",
        "image_endpoint",
        "node",
        "runtime_wait",
        "message_limit_bytes",
        "builtin_rules",
        "file",
        "[[rules]]",
        "name",
        "match",
        "targets",
    ] {
        assert!(text.contains(&format!("#{key}")), "{key} is not shown");
    }
}

#[test]
fn flags_go_before_the_file() {
    let flags = Serve { listen: Some("/run/a.sock".to_owned()), ..Serve::default() };
    let settings = settings(&flags, &source("listen = \"/run/b.sock\"\nruntime = \"/run/c.sock\"")).unwrap();
    assert_eq!(settings.listen.to_string(), "unix:///run/a.sock");
    assert!(matches!(&settings.runtime.runtime, Endpoint::At(address) if address.to_string() == "unix:///run/c.sock"));
}

#[test]
fn a_user_s_rule_for_the_same_registry_replaces_the_built_in_one() {
    let settings =
        checked("[[rules]]\nname = \"ours\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [\"mirror.corp/k8s\"]").unwrap();
    assert_eq!(substitute(&settings, "k8s.gcr.io/pause:3.9").as_deref(), Some("mirror.corp/k8s/pause:3.9"));
    let off = checked("builtin_rules = []").unwrap();
    assert_eq!(substitute(&off, "k8s.gcr.io/pause:3.9"), None);
}

#[test]
fn a_misspelt_key_is_told_with_line_column_and_what_was_expected() {
    let error = syntax_error("listen = \"/run/a.sock\"\n[audit]\n  fil = \"/x\"\n");
    assert_eq!(error, "/c.toml:3:3: `audit.fil`: unknown field `fil`, expected `file`");
}

#[test]
fn a_wrong_type_is_told_with_its_key() {
    assert_eq!(syntax_error("listen = 5"), "/c.toml:1:10: `listen`: invalid type: integer `5`, expected a string");
    let error = syntax_error("[[rules]]\nname = \"a\"\nmatch = \"k8s.gcr.io\"\ntargets = []");
    assert_eq!(error, "/c.toml:3:9: `rules.match`: invalid type: string \"k8s.gcr.io\", expected a sequence");
    let error = syntax_error("[[rules]]\nname = \"a\"\nmatch = []\n");
    assert!(error.starts_with("/c.toml:1:1: ") && error.contains("missing field `targets`"), "{error}");
}

#[test]
fn what_is_no_toml_is_told_in_one_line() {
    let error = syntax_error("listen = \n");
    assert!(error.starts_with("/c.toml:1:") && !error.contains('\n'), "{error}");
}

#[test]
fn every_mistake_is_told() {
    let text = r#"
listen = "tcp://1.2.3.4:5"
runtime_wait = "soon"
message_limit_bytes = 0
builtin_rules = ["docker.io"]

[[rules]]
name = "a"
match = ["pause", "old.example/x:1"]
targets = []
"#;
    assert_eq!(
        mistakes(text),
        [
            "/c.toml:2:10: `listen`: `tcp://1.2.3.4:5` is not a unix socket: write it as `unix:///run/containerd/containerd.sock`",
            "/c.toml:3:16: `runtime_wait`: expected a time such as \"5s\" or \"500ms\"",
            "/c.toml:4:23: `message_limit_bytes`: expected 1 to 1073741824",
            "/c.toml:9:10: `rules.match`: `pause` does not begin with a registry (a host name with a dot or a port, such as `registry.k8s.io`)",
            "/c.toml:9:19: `rules.match`: `old.example/x:1` is not a registry with an optional path: malformed tag at byte 15",
            "/c.toml:10:11: `rules.targets`: expected at least one registry",
            "/c.toml:5:18: `builtin_rules`: there is no built-in rule `docker.io`, only `k8s.gcr.io`, `*.gcr.io/k8s-artifacts-prod`, `*-docker.pkg.dev/k8s-artifacts-prod/images`, `gcr.io/google-containers`, `gcr.io/google_containers`, `coredns/coredns`",
        ]
    );
}

#[test]
fn a_proxy_of_itself_is_refused() {
    let told = mistakes("listen = \"/run/x.sock\"\nruntime = \"unix:///run/x.sock\"");
    assert_eq!(told, ["`runtime` is the socket that repoint itself listens on: name the container runtime's"]);
}

#[test]
fn rules_that_contradict_each_other_are_told_by_name() {
    let told = mistakes("[[rules]]\nname = \"mirror\"\nmatch = [\"registry.k8s.io\"]\ntargets = [\"mirror.corp\"]");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("rule `kubernetes` pulls from `registry.k8s.io`, which rule `mirror` matches"),
        "{told:?}"
    );
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let error = load(Some(Path::new("/nonexistent/c.toml"))).unwrap_err();
    assert_eq!(
        Chain(&error).to_string(),
        "cannot read the configuration file /nonexistent/c.toml: No such file or directory (os error 2)"
    );
}
