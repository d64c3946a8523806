mod editors;
mod files;
mod mistakes;
mod pages;
mod properties;
mod shipped;

use super::*;
use crate::args::Serve;
use crate::credentials;
use crate::reference::Reference;
use crate::rules::{self, Action, Credentials, OnFailure, Percent, Rule};
use crate::runtime::Endpoint;
use std::path::Path;
use std::time::Duration;

fn checked(text: &str) -> Result<Settings, Mistakes> {
    settings(&Serve::default(), &Source::of("/c.toml", text.as_bytes()))
}

fn mistakes(text: &str) -> Vec<String> {
    checked(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}

/// The one mistake there is.
fn mistake(text: &str) -> String {
    let mut all = mistakes(text);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

/// Settings, as far as two of the same configuration are the same. (A table's index has no order.)
fn held(settings: &Settings) -> String {
    // A default that is said is said, for the hash, which says nothing of what holds.
    let Settings { listen, admin, metrics_tcp, access, drain, reload_on_change, .. } = settings;
    let Settings { runtime, audit, node, labels, message_limit, state, credentials, rules, .. } = settings;
    let env = |source: &credentials::Source| match source {
        credentials::Source::Provider { env, .. } => env.clone(),
        credentials::Source::DockerConfig { .. } | credentials::Source::Systemd { .. } => Vec::new(),
    };
    let env: Vec<_> = credentials.iter().map(|(_, source)| env(source)).collect();
    let own = (listen, admin, runtime, audit, node, labels, message_limit, state, credentials, env);
    let service = (metrics_tcp, access, drain, reload_on_change);
    format!("{own:#?} {service:#?} {:#?} {:#?}", rules.rules(), rules.replaced())
}

fn substitute(settings: &Settings, image: &str) -> Option<String> {
    settings
        .rules
        .decide(Reference::parse(image).unwrap(), None)
        .and_then(|found| found.substitutes().next())
        .map(|(_, name)| name)
}

fn rule(text: &str) -> Rule {
    let settings = checked(&format!("builtin_rules = []\n[[rules]]\nname = \"r\"\n{text}")).unwrap();
    Rule::clone(&settings.rules.rules()[0])
}

#[test]
fn with_nothing_said_the_built_in_default_holds() {
    let settings = checked("").unwrap();
    assert_eq!(settings.listen.to_string(), check::LISTEN);
    assert!(matches!(&settings.runtime.runtime, Endpoint::AnyOf(usual) if usual.len() > 5));
    assert_eq!(settings.runtime.image, None);
    assert_eq!(settings.audit.file, Path::new(check::AUDIT_FILE));
    assert_eq!(settings.state, Path::new(check::STATE));
    assert_eq!(settings.credentials, []);
    assert!(!settings.node.is_empty());
    assert_eq!(substitute(&settings, "k8s.gcr.io/pause:3.9").as_deref(), Some("registry.k8s.io/pause:3.9"));
}

#[test]
fn the_defaults_that_are_told_are_those_that_hold() {
    let said = |table: &keys::Table| {
        let lines = table.keys.iter().filter_map(|key| match key.unsaid {
            keys::Unsaid::Default(value) => Some(format!("{} = {value}\n", key.name)),
            keys::Unsaid::Required | keys::Unsaid::Unset(_) => None,
        });
        lines.collect::<String>()
    };
    let top = format!("{}[audit]\n{}", said(&keys::TOP), said(&keys::AUDIT));
    let rule = "[[rules]]\nname = \"r\"\nmatch = [\"x.example\"]\n";
    let target = said(&keys::TARGET).replace('\n', ", ");
    let provider = "[credentials.p]\nprovider = \"/p\"\n";
    for (with, without) in [
        (top, String::new()),
        (
            format!("{rule}{}", said(&keys::RULE).replace("\"rewrite\"", "\"observe\"")),
            format!("{rule}action = \"observe\""),
        ),
        (
            format!("{rule}targets = [{{ {target}location = \"y.example\" }}]"),
            format!("{rule}action = \"rewrite\"\ntargets = [\"y.example\"]"),
        ),
        (format!("{provider}{}", said(&keys::CREDENTIALS)), provider.to_owned()),
    ] {
        assert_eq!(held(&checked(&with).unwrap()), held(&checked(&without).unwrap()), "{with}");
    }
}

#[test]
fn flags_go_before_the_file() {
    let flags = Serve { listen: Some("/run/a.sock".to_owned()), ..Serve::default() };
    let source = Source::of("/c.toml", b"listen = \"/run/b.sock\"\nruntime = \"/run/c.sock\"");
    let settings = settings(&flags, &source).unwrap();
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
fn all_that_a_rule_can_say_is_understood() {
    let rule = rule(
        r#"
match = ["*.old.example", "k8s.gcr.io/team"]
exclude = ["a.old.example"]
namespaces = ["team-*"]
exclude_namespaces = ["team-b"]
percent = 12.5
from = 2026-12-01
targets = ["a.example", { location = "b.example/x", credentials = "forward", timeout = "1m 30s" }]
on_failure = "original"
"#,
    );
    let names = |all: &[rules::Glob]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(rule.patterns.iter().map(ToString::to_string).collect::<Vec<_>>(), ["*.old.example", "k8s.gcr.io/team"]);
    assert_eq!(rule.exclude[0].to_string(), "a.old.example");
    assert_eq!(
        (names(&rule.namespaces.only), names(&rule.namespaces.except)),
        (vec!["team-*".into()], vec!["team-b".into()])
    );
    assert_eq!((rule.action, rule.on_failure, rule.builtin), (Action::Rewrite, OnFailure::Original, false));
    assert_eq!(rule.rollout.percent, Percent::from_hundredths(1250).unwrap());
    assert_eq!(rule.rollout.from.unwrap().to_string(), "2026-12-01T00:00:00Z");
    let [first, second] = &rule.targets[..] else { panic!("{:?}", rule.targets) };
    assert_eq!((first.place.as_str(), &first.credentials, first.timeout), ("a.example", &Credentials::Usual, None));
    assert_eq!((second.place.as_str(), &second.credentials), ("b.example/x", &Credentials::Forward));
    assert_eq!(second.timeout, Some(Duration::from_secs(90)));
}

#[test]
fn shares_and_moments_are_written_as_people_write_them() {
    let with = |key: &str, value: &str| {
        checked(&format!("[[rules]]\nname = \"r\"\nmatch = [\"x.example\"]\naction = \"deny\"\n{key} = {value}"))
            .map(|settings| settings.rules.rules()[0].rollout)
    };
    for (value, expected) in [
        ("0", Some("0")),
        ("100", Some("100")),
        ("0.05", Some("0.05")),
        ("12.34", Some("12.34")),
        ("1e1", Some("10")),
        ("0x10", Some("16")),
        ("99.99", Some("99.99")),
        ("-0.0", Some("0")),
        ("12.345", None),
        ("100.01", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("\"5\"", None),
        ("99999999999", None),
    ] {
        let got = with("percent", value).ok().map(|rollout| rollout.percent.to_string());
        assert_eq!(got.as_deref(), expected, "{value}");
    }
    for (value, expected) in [
        ("2026-12-01", Some("2026-12-01T00:00:00Z")),
        ("\"2026-12-01\"", Some("2026-12-01T00:00:00Z")),
        ("2026-12-01T08:00:00+02:00", Some("2026-12-01T06:00:00Z")),
        ("2026-12-01 08:00:00.5Z", Some("2026-12-01T08:00:00.5Z")),
        ("2026-12-01T08:00Z", Some("2026-12-01T08:00:00Z")),
        ("\"2026-12-01T08:00:00Z\"", Some("2026-12-01T08:00:00Z")),
        ("2026-12-01T08:00:00", None),
        ("08:00:00", None),
        ("\"tomorrow\"", None),
        ("20261201", None),
    ] {
        let got = with("from", value).ok().and_then(|rollout| rollout.from).map(|from| from.to_string());
        assert_eq!(got.as_deref(), expected, "{value}");
    }
}

#[test]
fn sources_of_credentials_are_one_of_three() {
    let text = r#"
[credentials.hub]
docker_config = "/etc/docker.json"
[credentials.ecr]
provider = "/usr/libexec/ecr"
args = ["get"]
env = { REGION = "eu" }
cache = "12h"
timeout = "1m"
[credentials.unit]
systemd = "harbor"
"#;
    let ten = Duration::from_secs(10);
    let env = vec![("REGION".to_owned(), "eu".to_owned())];
    let (command, args) = ("/usr/libexec/ecr".into(), vec!["get".to_owned()]);
    let default_cache = Duration::from_secs(12 * 3600);
    let provider =
        credentials::Source::Provider { command, args, env, default_cache, timeout: Duration::from_secs(60) };
    assert_eq!(
        checked(text).unwrap().credentials,
        [
            ("hub".to_owned(), credentials::Source::DockerConfig { path: "/etc/docker.json".into(), timeout: ten }),
            ("ecr".to_owned(), provider),
            ("unit".to_owned(), credentials::Source::Systemd { name: "harbor".to_owned(), timeout: ten }),
        ]
    );
}

#[test]
fn what_kubeadm_puts_elsewhere_is_found_where_the_alias_is_on() {
    let mirror = "[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [\"m.example/k8s\"]\n";
    let settings = checked(&format!("builtin_rules = [\"coredns/coredns\"]\n{mirror}")).unwrap();
    let image = "k8s.gcr.io/coredns/coredns:v1.9";
    assert_eq!(substitute(&settings, image).as_deref(), Some("m.example/k8s/coredns:v1.9"));
}

#[test]
fn what_is_right_and_was_perhaps_not_meant_is_a_warning() {
    let text = "[credentials.hub]\nsystemd = \"x\"\n[[rules]]\nname = \"kubernetes\"\nmatch = [\"x.example\"]\naction = \"deny\"";
    assert_eq!(
        warned(text),
        [
            "/c.toml:1:14: `credentials.hub`: no target uses it",
            "/c.toml:4:8: `rules.kubernetes.name`: a built-in rule goes by this name, too: records can't tell them apart",
        ]
    );
}

/// The warnings of a configuration that has no mistakes.
fn warned(text: &str) -> Vec<String> {
    let source = Source::of("/c.toml", text.as_bytes());
    let warnings = warnings(&source, &settings(&Serve::default(), &source).unwrap());
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn an_argument_that_may_be_a_secret_is_a_warning_without_it() {
    let warned = |args: &str| {
        warned(&format!(
            "[credentials.p]\nprovider = \"/bin/sh\"\nargs = [{args}]\n[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\ntargets = [{{ location = \"y.example\", credentials = \"p\" }}]"
        ))
    };
    let expected = |column: usize| {
        format!(
            "/c.toml:3:{column}: `credentials.p.args`: everybody on the node can see the arguments of a program: a secret belongs into `env`, or into a file that the program reads"
        )
    };
    for args in [
        "\"--token=hunter2\"",
        "\"-password=hunter2\"",
        "\"--API_KEY\", \"hunter2\"",
        "\"--proxy=http://robot:hunter2@proxy.example\"",
        "\"http://robot:hunter2@proxy.example\"",
    ] {
        assert_eq!(warned(args), [expected(9)], "{args}");
    }
    assert_eq!(warned("\"get\", \"--client-secret=hunter2\""), [expected(16)]);
    for args in [
        "",
        "\"get-credentials\"",
        "\"get-token\", \"--v=3\"",
        "\"--token-file=/run/token\"",
        "\"--token=/run/token\"",
        "\"--password-stdin\"",
        "\"--secret\", \"--v=3\"",
        "\"--token=\"",
        "\"--secret-id\", \"mirror\"",
        "\"--endpoint=https://sts.example/@x\"",
    ] {
        assert_eq!(warned(args), [""; 0], "{args}");
    }
}

#[test]
fn a_share_of_no_nodes_is_a_warning() {
    let rule = |more: &str| {
        warned(&format!("[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\ntargets = [\"y.example\"]\n{more}"))
    };
    let expected = "/c.toml:5:11: `rules.a.percent`: it observes on every node, since none is in a share of 0: `action = \"observe\"` says so";
    assert_eq!(rule("percent = 0"), [expected]);
    // There is nobody for whom that day comes.
    assert_eq!(rule("percent = 0.0\nfrom = 2026-12-01"), [expected]);
    assert_eq!(rule("percent = 0\naction = \"observe\""), [""; 0]);
    assert_eq!(rule("percent = 0.01"), [""; 0]);
}

#[test]
fn a_namespace_that_is_named_and_excluded_is_a_warning() {
    let rule = |only: &str, except: &str| {
        warned(&format!(
            "[[rules]]\nname = \"a\"\nmatch = [\"x.example\"]\naction = \"deny\"\nnamespaces = [{only}]\nexclude_namespaces = [{except}]"
        ))
    };
    assert_eq!(
        rule("\"prod\", \"team-*\", \"team-a\"", "\"team-*\", \"test\""),
        [
            "/c.toml:5:23: `rules.a.namespaces`: `team-*` is of no effect: all of it is excluded, by `team-*`",
            "/c.toml:5:33: `rules.a.namespaces`: `team-a` is of no effect: all of it is excluded, by `team-*`",
        ]
    );
    assert_eq!(rule("\"team-*\", \"t?\"", "\"team-a\", \"t1\""), [""; 0]);
}

#[test]
fn a_place_that_is_matched_twice_is_a_warning() {
    let rule =
        |patterns: &str| warned(&format!("[[rules]]\nname = \"a\"\nmatch = [{patterns}]\ntargets = [\"y.example\"]"));
    assert_eq!(
        rule("\"x.example/a\", \"*.x.example\", \"X.example:443/a\", \"*.x.example\""),
        [
            "/c.toml:3:40: `rules.a.match`: `X.example:443/a` is of no effect: it is in `match` already, as `x.example/a`",
            "/c.toml:3:59: `rules.a.match`: `*.x.example` is of no effect: it is in `match` already, as `*.x.example`",
        ]
    );
    // Of the longer one, less is replaced.
    assert_eq!(rule("\"x.example\", \"x.example/a\", \"*.x.example\""), [""; 0]);
}

#[test]
fn a_log_that_is_never_rotated_has_nothing_to_keep() {
    let warnings = |text: &str| {
        let source = Source::of("/c.toml", text.as_bytes());
        warnings(&source, &settings(&Serve::default(), &source).unwrap()).len()
    };
    assert_eq!(warnings("[audit]\nrotate_bytes = 0\nkeep = 5\ncompress = true\n"), 2);
    assert_eq!(warnings("[audit]\nrotate_bytes = 0\nrotate_after = \"1d\"\nkeep = 5\n"), 0);
}

#[test]
fn what_is_said_of_the_audit_log_holds() {
    let text = r#"
[audit]
sync = true
required = true
rotate_bytes = 0
rotate_after = "7d"
keep = 1
compress = false
[labels]
cluster = "prod"
"node image" = ""
"#;
    let settings = checked(text).unwrap();
    let after = Some(Duration::from_secs(7 * 24 * 3600));
    let rotation = crate::audit::Rotation { bytes: 0, after, keep: 1, compress: false };
    assert_eq!((settings.audit.sync, settings.audit.required, settings.audit.rotation), (true, true, rotation));
    let labels: Vec<_> = settings.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("cluster", "prod"), ("node image", "")]);
}

#[test]
fn nodes_with_one_configuration_have_one_hash_however_it_is_cut_and_whatever_they_are_called() {
    let hash = |text: &str| checked(text).unwrap().hash;
    let rule = "[[rules]]\nname = \"a\"\nmatch = [\"old.example\"]\ntargets = [\"new.example\"]\n";
    let one = hash(&format!("runtime_wait = \"3s\"\n{rule}"));
    assert_eq!(one.len(), 12);
    assert_eq!(hash(&format!("# A remark.\nnode = \"n7\"\nruntime_wait=\"3s\"\n\n{rule}")), one);
    assert_eq!(hash(&format!("runtime_wait = \"3s\"\n[labels]\ncluster = \"prod\"\n{rule}")), one);
    assert_ne!(hash(&format!("runtime_wait = \"3s\"\n[audit]\nsync = true\n{rule}")), one);
    assert_ne!(hash(&format!("runtime_wait = \"4s\"\n{rule}")), one);
    assert_ne!(hash(&format!("runtime_wait = \"3s\"\n{}", rule.replace("new", "newer"))), one);
}

#[test]
fn what_a_rule_matches_or_excludes_for_nothing_is_a_warning() {
    let warned = |patterns: &str, exclude: &str| {
        warned(&format!(
            "[[rules]]\nname = \"a\"\nmatch = [{patterns}]\nexclude = [{exclude}]\ntargets = [\"m.corp\"]\n"
        ))
    };
    for exclude in ["\"x.example/a\"", "\"X.example:443/a/b\", \"y.example\"", "\"*.example/a\""] {
        assert_eq!(warned("\"x.example\", \"*.example/b\"", exclude), [""; 0], "{exclude}");
    }
    assert_eq!(
        warned("\"x.example/a\", \"y.example\"", "\"*.example/a\", \"x.exmaple\", \"x.example/ab\""),
        [
            "/c.toml:3:10: `rules.a.match`: `x.example/a` is of no effect: all of it is excluded, by `*.example/a`",
            "/c.toml:4:27: `rules.a.exclude`: `x.exmaple` is of no effect: nothing of it is in `match`",
            "/c.toml:4:40: `rules.a.exclude`: `x.example/ab` is of no effect: nothing of it is in `match`",
        ]
    );
}
