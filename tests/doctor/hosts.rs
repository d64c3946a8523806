//! What containerd is told of registries that rules are about, as containerd itself takes it, and advice that takes nothing away.

use super::Said;
use super::files::node;
use super::signatures::examined_of;
use crate::support::repoint::run;

type Files<'a> = &'a [(&'a str, &'a str)];

const CONTAINERD: &str = "/etc/containerd/config.toml";
const RULES: &str = "/etc/repoint/repoint.toml";
const PULL: &str = "capabilities = [\"pull\", \"resolve\"]\n";

/// What is found of that file of that directory.
fn found(directory: &str, text: &str, more: Files<'_>) -> Said {
    let file = format!("/etc/containerd/certs.d/{directory}/hosts.toml");
    examined(&[&[(file.as_str(), text)], more].concat())
}

fn examined(files: Files<'_>) -> Said {
    let directory = node(files);
    Said::of(&run(&["doctor", "--json", "--root", directory.path().to_str().unwrap()], ""))
}

fn rule(target: &str) -> String {
    format!(
        "builtin_rules = []\n[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\", \"*.old.example\"]\ntargets = [{target:?}]\n"
    )
}

#[test]
fn who_is_asked_in_the_place_of_a_target_is_told_and_nothing_is_to_be_thrown_away() {
    let mirror = format!("server = \"https://registry.k8s.io\"\n[host.\"https://m.example\"]\n{PULL}");
    let whole =
        format!("[host.\"https://u:s3cret@m.example:5000/v2/k8s\"]\n{PULL}ca = \"/ca.pem\"\noverride_path = true\n");
    let other = format!("[host.\"https://registry.k8s.io/v2/x\"]\n{PULL}override_path = true\n");
    let own = "registry.k8s.io";
    for (directory, text, verdict, told, remedy) in [
        (own, mirror.as_str(), "warning", "is asked of m.example first", "it can stay"),
        (own, &whole, "warning", "is asked of m.example:5000/k8s first", "name m.example:5000/k8s as the target"),
        (own, "server = \"m.example\"\n", "warning", "is asked of m.example instead", "leave /etc/containerd/certs.d"),
        (own, &other, "warning", "is asked of registry.k8s.io/x,", "it can stay"),
        (own, "[host.\"http://k8s.gcr.io\"]\n", "failure", "goes to k8s.gcr.io after all", "take k8s.gcr.io out of"),
        ("_default", &mirror, "warning", "of their own (registry.k8s.io) is asked of m.example first", "can stay"),
        ("_default", &mirror, "note", "for what is called *.old.example, k8s.gcr.io", "if that is meant"),
        ("a.old.example", &mirror, "note", "for what is called a.old.example", "if that is meant"),
        // Nobody else is asked.
        (own, "server = \"https://registry.k8s.io/v2\"\nskip_verify = true\n", "ok", "none leads elsewhere", ""),
        (own, "[host.\"https://m.example\"]\ncapabilities = [\"push\"]\n", "ok", "none leads elsewhere", ""),
        ("registry.k8s.io_443_", &mirror, "ok", "no hosts.toml in /etc/containerd/certs.d is about", ""),
        ("quay.io", &mirror, "ok", "no hosts.toml in", ""),
        // What containerd takes no notice of.
        (own, "server = 3\n", "failure", "takes no notice of /etc/containerd/certs.d", "mend /etc/containerd/certs.d"),
        (own, "host = \"https://u:s3cret@m\"\n", "failure", "itself, trusting", "mend /etc/containerd/certs.d"),
        (own, "[host.\"https://m.example\"]\ncapabilities = [\"pul\"]\n", "failure", "`pul` is no capability", ""),
        (own, "\n[host.\"x\"]\n\noverride_path = 1\n", "failure", "line 4 says", ""),
        (own, "ca = 3\n", "failure", "`ca` is neither", ""),
        (own, "client = [[\"a\", \"b\", \"c\"]]\n", "failure", "`client` is neither", ""),
        (own, "server =\n", "failure", "is no TOML", ""),
    ] {
        let said = found(directory, text, &[(RULES, &rule("registry.k8s.io"))]);
        let check = said.has("containerd.hosts", verdict, told, remedy);
        assert!(!check.to_string().contains("s3cret"), "{check:#}");
        let advised = check["remedy"].as_str().unwrap_or_default();
        assert!(verdict != "warning" || !advised.contains("remove"), "{check:#}");
    }
}

#[test]
fn a_registry_is_itself_by_every_name_and_path_that_it_is_asked_by() {
    let hub = "server = \"https://registry-1.docker.io\"\n";
    found("docker.io", hub, &[(RULES, &rule("docker.io/acme"))]).has(
        "containerd.hosts",
        "ok",
        "none leads elsewhere",
        "",
    );
    let project = format!("[host.\"https://harbor.corp/v2/k8s\"]\n{PULL}override_path = true\n");
    for (target, verdict, told) in [
        ("harbor.corp/k8s", "warning", "harbor.corp/k8s is asked of harbor.corp/k8s/k8s, where its path stands twice"),
        ("harbor.corp", "warning", "is asked of harbor.corp/k8s, and"),
    ] {
        found("harbor.corp", &project, &[(RULES, &rule(target))]).has("containerd.hosts", verdict, told, "");
    }
}

#[test]
fn the_directory_is_the_one_that_containerd_takes() {
    let config = |path: &str| format!("[plugins.cri.registry]\nconfig_path = {path:?}\n");
    let mirror = "[host.\"https://m.example\"]\n";
    let (both, itself) = (config("/one:/two"), "server = \"https://registry.k8s.io\"\n");
    let rules = (RULES, rule("registry.k8s.io"));
    let (rules, config) = ((rules.0, rules.1.as_str()), (CONTAINERD, both.as_str()));
    let of_two = ("/two/registry.k8s.io/hosts.toml", itself);
    // One for all of the first directory goes before one of the second.
    examined(&[config, rules, ("/one/_default/hosts.toml", mirror), of_two]).has(
        "containerd.hosts",
        "warning",
        "is asked of m.example first",
        "",
    );
    examined(&[config, rules, ("/two/_default/hosts.toml", mirror), of_two, ("/two/k8s.gcr.io/x", "")]).has(
        "containerd.hosts",
        "note",
        "what is called *.old.example:",
        "",
    );
}

#[test]
fn what_is_made_of_another_file_is_to_be_changed_there() {
    let unit = ("/etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n");
    let wanted = ("/etc/systemd/system/multi-user.target.wants/k3s.service", "");
    for data in ["/var/lib/rancher/k3s", "/data/k3s"] {
        let config = format!(
            "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = \"{data}/agent/etc/containerd/certs.d\"\n"
        );
        let file = format!("{data}/agent/etc/containerd/certs.d/registry.k8s.io/hosts.toml");
        let text = "[host]\n[host.\"https://m.example\"]\n";
        let said = examined(&[
            unit,
            wanted,
            ("/etc/rancher/k3s/config.yaml", &format!("data-dir: {data}\n")),
            (&format!("{data}/agent/etc/containerd/config.toml"), &config),
            (&file, text),
        ]);
        said.has("containerd.hosts", "warning", "m.example first", "leave /etc/rancher/k3s/registries.yaml (of which");
    }
}

#[test]
fn both_deprecated_ways_are_refused_beside_the_new_one() {
    let cri = "plugins.\"io.containerd.grpc.v1.cri\".registry";
    let path = format!("version = 2\n[{cri}]\nconfig_path = \"/etc/containerd/certs.d\"\n");
    let tls = format!("[{cri}.configs.\"m.example\".tls]\ninsecure_skip_verify = true\n");
    let login = format!("[{cri}.configs.\"m.example\".auth]\nusername = \"joe\"\n");
    let mirrors = format!("[{cri}.mirrors.\"registry.k8s.io\"]\nendpoint = [\"https://m.example\"]\n");
    for (text, verdict, told, remedy) in [
        (format!("{path}{tls}"), "failure", "both `config_path` and `configs.*.tls`", "config.toml:4 to a hosts.toml"),
        (format!("{path}{mirrors}"), "failure", "both `config_path` and `mirrors`", "config.toml:4 to a hosts.toml"),
        (format!("{path}{login}"), "ok", "no deprecated `mirrors`", ""),
        (format!("version = 2\n{tls}"), "ok", "", ""),
        (format!("version = 2\n{mirrors}"), "warning", "leads what", "DIRECTORY/registry.k8s.io/hosts.toml, and name"),
    ] {
        let check = examined(&[(CONTAINERD, &text)]);
        let check = check.has("containerd.mirrors", verdict, told, remedy);
        assert!(!check.to_string().contains("config export"), "{check:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_known_is_gone_by() {
    let file = "/etc/containerd/certs.d/registry.k8s.io/hosts.toml";
    let (server, mirror) = ("server = \"https://m.example\"\n", "[host.\"https://m.example\"]\n");
    let path =
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";
    let tls =
        "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"m.example\".tls]\ninsecure_skip_verify = true\n";
    let both = format!("{path}{tls}");
    for (version, config, text, id, verdict, told) in [
        ("1.7.27", path, server, "containerd.hosts", "failure", "it has no `[host]` table"),
        ("v1.7.34", path, server, "containerd.hosts", "warning", "m.example instead"),
        ("2.1.0", path, server, "containerd.hosts", "warning", "m.example instead"),
        ("1.7.27", path, mirror, "containerd.hosts", "warning", "m.example first"),
        ("1.7.27", "", mirror, "containerd.hosts", "ok", "reads no hosts.toml"),
        ("2.2.0", "", mirror, "containerd.hosts", "warning", "m.example first"),
        ("1.7.27", &both, mirror, "containerd.mirrors", "failure", "`configs.*.tls`"),
        ("2.0.0", &both, mirror, "containerd.mirrors", "warning", "takes no notice of `configs.*.tls`"),
    ] {
        let directory = node(&[(CONTAINERD, config), (file, text)]);
        let said = examined_of(directory.path(), "containerd", version).await;
        said.has(id, verdict, told, "");
    }
    // Where it is not, what may be is told, with what to do.
    let check = examined(&[(CONTAINERD, ""), (file, mirror)]);
    let check = check.has("containerd.hosts", "note", "m.example first", "it can stay");
    assert_eq!((check["about"].as_str(), &check["places"][0]), (Some("registry.k8s.io"), &file.into()));
}
