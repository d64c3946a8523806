//! What is told of what is wrong.

use super::{Serve, Source, mistake, mistakes, settings};

#[test]
fn a_misspelt_key_is_told_with_line_column_and_what_was_meant() {
    let told = mistake("listen = \"/run/a.sock\"\n[audit]\n  fil = \"/x\"\n");
    assert_eq!(told, "/c.toml:3:3: `audit.fil`: there is no such key; did you mean `file`?");
    let told = mistake("[audit]\ncolour = 1");
    assert_eq!(
        told,
        "/c.toml:2:1: `audit.colour`: there is no such key; there is `file`, `sync`, `required`, `rotate_bytes`, `rotate_after`, `keep`, `compress`, `journald` and `stdout`"
    );
    let told = mistake("[audit]\nnode = \"x\"");
    assert!(told.ends_with("it belongs at the top of a file, before the first `[table]`"), "{told}");
    // Of a rule, it is its targets that have these.
    let rule = "[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\ntargets = [\"y.example\"]\n";
    for key in ["credentials = \"c\"", "timeout = \"2m\""] {
        let told = mistake(&format!("{rule}{key}"));
        assert!(
            told.ends_with("or in a target, such as `{ location = \"mirror.example.com\", timeout = \"2m\" }`"),
            "{told}"
        );
    }
}

#[test]
fn a_wrong_type_is_told_with_its_key() {
    let told = mistake("listen = 5");
    let expected = "expected a unix socket, such as \"unix:///run/containerd/containerd.sock\", found the integer 5";
    assert_eq!(told, format!("/c.toml:1:10: `listen`: {expected}"));
    let told = mistakes("[[rules]]\nname = \"a\"\nmatch = \"k8s.gcr.io\"\ntargets = []");
    let expected =
        "expected a list such as [\"k8s.gcr.io\"], found the string \"k8s.gcr.io\"; did you mean [\"k8s.gcr.io\"]?";
    assert_eq!(told[0], format!("/c.toml:3:9: `rules.a.match`: {expected}"));
    let told = mistake("[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\n");
    assert_eq!(told, "/c.toml:1:1: `rules.a.targets`: expected at least one registry, for a rule that rewrites");
    let told = mistake("[rules]\nname = \"a\"");
    assert_eq!(told, "/c.toml:1:1: `rules`: expected tables, each under a line `[[rules]]`, found a table");
}

#[test]
fn an_audit_log_that_would_keep_next_to_nothing_is_a_mistake() {
    for (key, expected) in [
        ("rotate_bytes = 100", "that is next to nothing: expected 65536 bytes or more, or 0 for never"),
        ("rotate_bytes = -1", "expected a number from 0 to 2147483648, found the integer -1"),
        (
            "rotate_after = \"0s\"",
            "expected a time such as \"10s\" or \"2m\", longer than none, found the string \"0s\"",
        ),
        (
            "rotate_after = 7",
            "expected a time such as \"10s\" or \"2m\", longer than none, found the integer 7; did you mean \"7s\"?",
        ),
        ("keep = 0", "expected a number from 1 to 10000, found the integer 0"),
        ("compress = \"true\"", "expected true or false, found the string \"true\"; did you mean true?"),
        ("sync = 1", "expected true or false, found the integer 1"),
    ] {
        let name = key.split(' ').next().unwrap();
        let column = name.len() + 4;
        assert_eq!(mistake(&format!("[audit]\n{key}")), format!("/c.toml:2:{column}: `audit.{name}`: {expected}"));
    }
}

#[test]
fn labels_are_few_and_short() {
    let many: String = (0..33).map(|number| format!("l{number:02} = \"\"\n")).collect();
    assert_eq!(mistake(&format!("[labels]\n{many}")), "/c.toml:34:1: `labels`: there are more than 32 labels");
    let long = "x".repeat(257);
    assert_eq!(mistake(&format!("[labels]\na = \"{long}\"")), "/c.toml:2:5: `labels.a`: it is longer than 256 bytes");
    assert_eq!(mistake("[labels]\n\"\" = \"x\""), "/c.toml:2:1: `labels.\"\"`: a label's name has 1 to 63 bytes");
    assert_eq!(mistake("[labels]\na = 5"), "/c.toml:2:5: `labels.a`: expected a string, found the integer 5");
    assert!(mistake("labels = \"x\"").contains("expected a table of strings, such as { cluster = \"prod\" }"));
}

#[test]
fn what_is_no_toml_is_told_in_one_line() {
    let told = mistake("listen = \n");
    assert!(told.starts_with("/c.toml:1:") && !told.contains('\n'), "{told}");
}

#[test]
fn every_line_that_is_no_toml_is_told_and_nothing_that_follows_from_it() {
    let told = mistakes("listen = \nnode = \"x\"\nnode = \"y\"\n[audit\nfile = 5\n");
    assert_eq!(
        told,
        [
            "/c.toml:1:10: string values must be quoted, expected literal string",
            "/c.toml:3:1: duplicate key `node`",
            "/c.toml:4:7: unclosed table, expected `]`",
        ]
    );
}

#[test]
fn a_table_that_is_there_twice_is_told_once() {
    let told =
        mistakes("[audit]\nfile = \"/a\"\n[audit]\nfile = \"/b\"\n[credentials.a]\nsystemd = \nsystemd = \"x\"\n");
    assert_eq!(
        told,
        [
            "/c.toml:3:2: duplicate key `audit`",
            "/c.toml:6:11: string values must be quoted, expected literal string",
            "/c.toml:7:1: duplicate key `systemd`",
        ]
    );
}

#[test]
fn rules_under_one_bracket_and_under_two_are_told_which_it_is() {
    let expected =
        "duplicate key `rules`: each rule stands under a line `[[rules]]` of its own, and none under `[rules]`";
    let (one, two) = ("[rules]\nname = \"a\"\n", "[[rules]]\nname = \"a\"\n");
    assert_eq!(mistakes(&[one, two].concat()), [format!("/c.toml:3:3: {expected}")]);
    assert_eq!(mistakes(&[two, one].concat()), [format!("/c.toml:3:2: {expected}")]);
    assert_eq!(mistakes(&[one, one].concat()), [format!("/c.toml:3:2: {expected}")]);
}

#[test]
fn what_is_no_utf_8_is_told_with_its_place() {
    let source = Source::of("/c.toml", b"node = \"x\"\n# \xc3\xa4 \xff");
    let told = settings(&Serve::default(), &source).unwrap_err().to_string();
    assert_eq!(told, "/c.toml:2:5: here it is no longer valid UTF-8");
}

const WRONG: &str = include_str!("wrong.toml");

#[test]
fn every_mistake_is_told() {
    let told = mistakes(WRONG).join("\n") + "\n";
    assert_eq!(told, include_str!("wrong.txt"), "what is told is:\n{told}");
}

#[test]
fn a_proxy_of_itself_is_refused() {
    let told = mistake("listen = \"/run/x.sock\"\nruntime = \"unix:///run/x.sock\"");
    let expected = "this is the socket that repoint itself listens on: name the container runtime's";
    assert_eq!(told, format!("/c.toml:2:11: `runtime`: {expected}"));
    let flags = Serve { image_endpoint: Some("/run/x.sock".to_owned()), ..Serve::default() };
    let told = settings(&flags, &Source::of("/c.toml", b"listen = \"/run/x.sock\"")).unwrap_err().to_string();
    assert_eq!(told, format!("--image-endpoint: {expected}"));
    assert!(mistake("listen = \"/run/x.sock\"\nadmin = \"/run/x.sock\"").starts_with("/c.toml:2:9: `admin`: "));
}

#[test]
fn a_socket_is_the_same_however_its_path_is_written() {
    for same in ["/run/y/../x.sock", "/run//x.sock", "unix:///run/./x.sock", "/../run/x.sock"] {
        for key in ["runtime", "image_endpoint", "admin"] {
            let told = mistake(&format!("listen = \"/run/x.sock\"\n{key} = \"{same}\""));
            assert!(told.starts_with("/c.toml:2:") && told.contains(&format!("`{key}`: this is the socket")), "{told}");
        }
    }
    let told = mistake("admin = \"/run/r/../r.sock\"\nruntime = \"/run/r.sock\"");
    assert_eq!(told, "/c.toml:1:9: `admin`: this is the container runtime's socket: metrics need one of their own");
    super::checked("listen = \"/run/x.sock\"\nruntime = \"/run/y/x.sock\"\nadmin = \"/run/y/../z.sock\"").unwrap();
}

#[test]
fn rules_that_contradict_each_other_are_told_by_name_at_the_later_one() {
    let told = mistake("[[rules]]\nname = \"mirror\"\nmatch = [\"registry.k8s.io\"]\ntargets = [\"mirror.corp\"]");
    let expected = "/c.toml:3:9: `rules.mirror.match`: rule `kubernetes` pulls from `registry.k8s.io`, which rule `mirror` matches";
    assert!(told.starts_with(expected), "{told}");
    let one = "[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\ntargets = [\"a.example\"]\n";
    let told = mistake(&format!(
        "{one}[[rules]]\nname = \"b\"\nmatch = [\"y.example\", \"X.example\"]\ntargets = [\"b.example\"]\n"
    ));
    assert!(told.starts_with("/c.toml:7:23: `rules.b.match`: rules `a` and `b` both match `X.example`"), "{told}");
    let told = mistake(&format!(
        "{one}[[rules]]\nname = \"b\"\nmatch = [\"y.example\"]\ntargets = [\"b.example\", \"x.example\"]\n"
    ));
    assert!(told.starts_with("/c.toml:8:25: `rules.b.targets`: rule `b` pulls from `x.example`"), "{told}");
}

#[test]
fn a_mistake_in_one_rule_makes_no_other_look_wrong() {
    // Were the first not there, the built-in rule would not stand back, and pull from what the second matches.
    let text = r#"
[[rules]]
name = "first"
match = ["k8s.gcr.io"]
targets = ["mirror.example"]
percent = 200
[[rules]]
name = "second"
match = ["registry.k8s.io"]
targets = ["mirror.example"]
"#;
    assert!(mistake(text).contains("`rules.first.percent`"));
    // Nor is a source missing that is in a file that is broken.
    let uses = "[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\ntargets = [{ location = \"y.example\", credentials = \"z\" }]\n";
    assert_eq!(mistakes(&format!("{uses}[credentials.z\n")).len(), 1);
}

#[test]
fn an_alias_that_would_do_nothing_is_a_mistake() {
    let told = mistake("builtin_rules = [\"k8s.gcr.io\", \"coredns/coredns\"]");
    assert_eq!(
        told,
        "/c.toml:1:32: `builtin_rules`: `coredns/coredns` is for a mirror that kubeadm filled, and there is no rule with such a mirror: write a rule that matches `k8s.gcr.io` and has your mirror in `targets`"
    );
}

#[test]
fn a_denied_pull_has_no_failure_to_speak_of_but_a_dry_run_says_what_it_would_do() {
    let rule = |action: &str| {
        format!(
            "[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\ntargets = [\"y.example\"]\naction = \"{action}\"\non_failure = \"original\""
        )
    };
    assert!(mistake(&rule("deny")).starts_with("/c.toml:6:14: `rules.a.on_failure`: it has no effect"));
    super::checked(&rule("observe")).unwrap();
}

#[test]
fn what_may_be_a_secret_is_not_told() {
    let text = r#"
[credentials.a]
docker_config = "robot:hunter2"
args = "hunter2"
password = "hunter2"
env = { TOKEN = 1234567, OTHER = ["hunter2"], "A=hunter" = "hunter2" }
cache = "hunter2"
systemd = "/hunter2"
[credentials.b]
provider = "/p"
env = { TOKEN = "hunter2" }
"#;
    let source = Source::of("/c.toml", text.as_bytes());
    let told = mistakes(text).join("\n");
    assert_eq!(told.lines().count(), 8, "{told}");
    for text in [told, format!("{:?}", source.said)] {
        assert!(!text.contains("hunter2") && !text.contains("1234567"), "{text}");
    }
}

#[test]
fn what_stands_in_the_place_of_all_credentials_is_not_told_either() {
    for text in ["credentials = \"hunter2\"", "credentials = [\"hunter2\"]", "credentials = 4711"] {
        let told = mistake(text);
        assert_eq!(told, "/c.toml:1:15: `credentials`: expected tables, each under a line `[credentials.NAME]`");
    }
    let told = mistake("[credentials]\ndocker_config = \"/hunter2\"");
    let expected = "expected a table: a source has a name, as `mirror` in `[credentials.mirror]`";
    assert_eq!(told, format!("/c.toml:2:17: `credentials.docker_config`: {expected}"));
}

#[test]
fn what_stands_in_the_place_of_a_source_s_name_is_told_only_if_it_could_be_one() {
    let uses = |name: &str| {
        format!(
            "[credentials.harbor]\nsystemd = \"x\"\n[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\ntargets = [{{ location = \"y.example\", credentials = {name} }}]"
        )
    };
    let told = mistake(&uses("\"harbour\""));
    assert!(told.ends_with("there is no [credentials.harbour]; did you mean `harbor`?"), "{told}");
    for name in ["\"robot:hunter2\"", "\"hunter2!\"", "\"/hunter2\"", "\"hunter2 \""] {
        let told = mistake(&uses(name));
        let expected =
            "`rules.a.targets.credentials`: no source has this name; there is `harbor`, `none` and `forward`";
        assert_eq!(told, format!("/c.toml:6:52: {expected}"), "{name}");
    }
    for value in ["4711", "[\"hunter2\"]", "\"\""] {
        let told = mistake(&uses(value));
        assert!(told.ends_with("`rules.a.targets.credentials`: expected a string that is not empty"), "{told}");
    }
}

#[test]
fn what_no_file_and_no_argument_can_have_in_it_is_a_mistake() {
    for text in [
        "state = \"/a\\u0000\"",
        "[audit]\nfile = \"/a\\u0000\"",
        "[credentials.a]\nprovider = \"/a\"\nargs = [\"a\\u0000\"]",
        "[credentials.a]\nprovider = \"/a\"\nenv = { A = \"a\\u0000\" }",
        "[credentials.a]\nsystemd = \"a\\u0000\"",
        "listen = \"/a\\u0000\"",
    ] {
        let told = mistake(text);
        assert!(told.ends_with("a NUL ends a text wherever the system is given it"), "{told}");
    }
}

#[test]
fn what_a_terminal_would_act_on_is_not_told_as_it_is() {
    let told = mistake("[[rules]]\nname = \"a\\u001b[2J\\n\"\nmatch = [\"x.example\"]");
    assert_eq!(
        told,
        "/c.toml:1:1: `rules.\"a\\u{1b}[2J\\n\".targets`: expected at least one registry, for a rule that rewrites"
    );
}
