//! What files alone tell, below a root.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::Said;
use crate::support::repoint::{Output, run};
use crate::support::unit::{SERVICE, SOCKET};

/// A kubelet with kubeadm's unit, a containerd, and repoint as its package has it, pointed to.
const WELL: &[(&str, &str)] = &[
    (
        "/etc/systemd/system/kubelet.service",
        "[Service]\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\nEnvironmentFile=-/etc/default/kubelet\n\
         ExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n",
    ),
    (
        "/var/lib/kubelet/config.yaml",
        "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n",
    ),
    ("/etc/default/kubelet", "# ours\nKUBELET_EXTRA_ARGS=--image-service-endpoint=unix:///run/repoint/repoint.sock\n"),
    ("/usr/lib/systemd/system/repoint.service", SERVICE),
    ("/usr/lib/systemd/system/repoint.socket", SOCKET),
    (
        "/etc/containerd/config.toml",
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"registry.k8s.io/pause:3.9\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n",
    ),
    (
        "/etc/crictl.yaml",
        "runtime-endpoint: unix:///run/containerd/containerd.sock\nimage-endpoint: unix:///run/repoint/repoint.sock\n",
    ),
    ("/var/log/repoint/audit.jsonl", ""),
];

pub(super) const CONTAINERD: &str = "/etc/containerd/config.toml";
pub(super) const CRIO: &[(&str, &str)] = &[
    ("/etc/crio/crio.conf", "[crio.image]\npause_image = \"registry.k8s.io/pause:3.9\"\n"),
    ("/etc/containerd/config.toml", ""),
    (
        "/var/lib/kubelet/config.yaml",
        "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///var/run/crio/crio.sock\n",
    ),
];
/// k3s alone, which has its kubelet in its own process.
pub(super) const K3S: &[(&str, &str)] = &[
    ("/etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n"),
    ("/etc/systemd/system/multi-user.target.wants/k3s.service", ""),
];
pub(super) const KUBEADM_FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";

pub(super) fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A node with these files in the place of, or besides, those of one that is well.
pub(super) fn node(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in WELL.iter().chain(files) {
        put(directory.path(), path, text);
    }
    directory
}

pub(super) fn examined(root: &Path) -> (Output, Said) {
    let output = run(&["doctor", "--json", "--root", root.to_str().unwrap()], "");
    let said = Said::of(&output);
    (output, said)
}

/// Files, the name of what is found, how bad it is, and words of the reason, the remedy and the places.
pub(super) type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str, &'a str, &'a str, &'a str);

/// Looks at a node with the files of each case.
pub(super) fn are_found(cases: &[Case<'_>]) {
    for (files, id, verdict, found, remedy, place) in cases {
        let directory = node(files);
        let (_, said) = examined(directory.path());
        let check = said.has(id, verdict, found, remedy);
        let places = check["places"].as_array().unwrap();
        assert!(place.is_empty() || places.iter().any(|at| at == place), "{place}: {check:#}");
    }
}

/// A node with CRI-O on which containerd was before.
pub(super) fn left_over() -> Vec<(&'static str, &'static str)> {
    let old = [
        (CONTAINERD, "[plugins.cri]\nsandbox_image = \"k8s.gcr.io/pause:3.1\"\n"),
        ("/etc/containerd/certs.d/registry.k8s.io/hosts.toml", "server = \"https://m.example\"\n"),
    ];
    [CRIO, &old].concat()
}

#[test]
fn a_node_whose_files_are_well_is_well() {
    let directory = node(&[]);
    let (output, said) = examined(directory.path());
    said.comes_to(&output, "skipped");
    let endpoint = said.has("kubelet.endpoint", "ok", "a flag, /etc/default/kubelet:2", "");
    assert_eq!(endpoint["places"], serde_json::json!(["/etc/default/kubelet:2"]));
    said.has("images.sandbox", "ok", "registry.k8s.io/pause:3.9", "");
    said.has("kubelet.lasting", "ok", "/etc/default/kubelet:2", "");
    said.has("crictl.endpoint", "ok", "repoint", "");
    said.has("audit.writable", "ok", "/var/log/repoint/audit.jsonl", "");
    assert_eq!(said.all("service.units").len(), 2);
    for id in
        ["runtime.reachable", "kubelet.calls", "targets.pull", "service.running", "service.version", "audit.whole"]
    {
        said.has(id, "skipped", "", "");
    }
}

#[test]
fn what_is_wrong_in_a_file_is_found_and_the_line_to_change_is_named() {
    let policy = |old: &str, new: &str| {
        format!(
            "{{\n\"default\": [{{\"type\": \"reject\"}}],\n\"transports\": {{\"docker\": {{\n\"k8s.gcr.io\": [{{\"type\": \"{old}\"}}],\n\
             \"*.k8s.io\": [{{\"type\": \"{new}\"}}]\n}}}}\n}}\n"
        )
    };
    let (reject, signed, same) = (
        policy("insecureAcceptAnything", "reject"),
        policy("signedBy", "insecureAcceptAnything"),
        policy("insecureAcceptAnything", "insecureAcceptAnything"),
    );
    let crio = |more: &[(&'static str, &'static str)]| [CRIO, more].concat();
    let policies = [
        [CRIO, &[("/etc/containers/policy.json", reject.as_str())]].concat(),
        [CRIO, &[("/etc/crio/policies/prod.json", signed.as_str())]].concat(),
        [CRIO, &[("/etc/containers/policy.json", same.as_str())]].concat(),
        crio(&[("/etc/containers/policy.json", "{")]),
        crio(&[
            ("/etc/crio/crio.conf.d/10-p.conf", "[crio.image]\nsignature_policy = \"/etc/p.json\"\n"),
            ("/etc/p.json", "[]"),
        ]),
    ];
    let below = crio(&[(
        "/etc/containers/policy.json",
        "{\n\"default\": [{\"type\": \"reject\"}],\n\"transports\": {\"docker\": {\n\"k8s.gcr.io\": [{\"type\": \"insecureAcceptAnything\"}],\n\
         \"k8s.gcr.io/secure/x\": [{\"type\": \"signedBy\"}],\n\"registry.k8s.io\": [{\"type\": \"insecureAcceptAnything\"}],\n\
         \"registry.k8s.io/etcd:3\": [{\"type\": \"reject\"}]\n}}\n}\n",
    )]);
    are_found(&[
        // Others who ask somebody else.
        (
            &[("/etc/containerd/certs.d/registry.k8s.io/hosts.toml", "server = \"https://m.example\"\n")],
            "containerd.hosts",
            "warning",
            "is asked of m.example instead",
            "/etc/containerd/certs.d/registry.k8s.io/hosts.toml",
            "/etc/containerd/certs.d/registry.k8s.io/hosts.toml",
        ),
        (
            &[("/etc/containerd/certs.d/registry.k8s.io/hosts.toml", "[host.\"https://k8s.gcr.io\"]\n")],
            "containerd.hosts",
            "failure",
            "goes to k8s.gcr.io after all",
            "take k8s.gcr.io out of /etc/containerd/certs.d/registry.k8s.io/hosts.toml",
            "/etc/containerd/certs.d/registry.k8s.io/hosts.toml",
        ),
        (
            &[("/etc/containerd/certs.d/k8s.gcr.io/hosts.toml", "server = \"https://registry.k8s.io\"\n")],
            "containerd.hosts",
            "note",
            "without a record",
            "/etc/containerd/certs.d/k8s.gcr.io/hosts.toml",
            "/etc/containerd/certs.d/k8s.gcr.io/hosts.toml",
        ),
        (
            &[("/etc/containerd/certs.d/k8s.gcr.io/hosts.toml", "server =\n")],
            "containerd.hosts",
            "failure",
            "is no TOML",
            "mend",
            "/etc/containerd/certs.d/k8s.gcr.io/hosts.toml",
        ),
        (
            &[(
                CONTAINERD,
                "[plugins.cri.registry]\nconfig_path = \"/etc/containerd/certs.d\"\n[plugins.cri.registry.mirrors.\"quay.io\"]\nendpoint = []\n",
            )],
            "containerd.mirrors",
            "failure",
            "serves no CRI",
            "/etc/containerd/config.toml:3",
            "/etc/containerd/config.toml:3",
        ),
        (
            &[(CONTAINERD, "[plugins.cri.registry.mirrors.\"registry.k8s.io\"]\nendpoint = []\n")],
            "containerd.mirrors",
            "warning",
            "what repoint asks of registry.k8s.io elsewhere",
            "DIRECTORY/registry.k8s.io/hosts.toml",
            "/etc/containerd/config.toml:1",
        ),
        (
            &[(CONTAINERD, "[plugins.cri.registry.mirrors.\"*\"]\nendpoint = [\"https://m.example\"]\n")],
            "containerd.mirrors",
            "warning",
            "leads every registry elsewhere that has none of its own",
            "DIRECTORY/_default/hosts.toml",
            "/etc/containerd/config.toml:1",
        ),
        // Signatures.
        (
            &below,
            "crio.signatures",
            "warning",
            "signedBy (by `k8s.gcr.io/secure/x`) of k8s.gcr.io/secure/x, and insecureAcceptAnything (by `registry.k8s.io`) of registry.k8s.io/secure/x",
            "\"prefix\": \"registry.k8s.io/secure/x\", \"signedPrefix\": \"k8s.gcr.io/secure/x\"",
            "/etc/containers/policy.json:5",
        ),
        (
            &below,
            "crio.signatures",
            "failure",
            "insecureAcceptAnything (by `k8s.gcr.io`) of k8s.gcr.io/etcd:3, and reject (by `registry.k8s.io/etcd:3`)",
            "",
            "/etc/containers/policy.json:7",
        ),
        (
            &policies[0],
            "crio.signatures",
            "failure",
            "`*.k8s.io`",
            "an entry for registry.k8s.io",
            "/etc/containers/policy.json:4",
        ),
        (
            &policies[1],
            "crio.signatures",
            "warning",
            "signedBy (by `k8s.gcr.io`)",
            "remapIdentity",
            "/etc/crio/policies/prod.json:5",
        ),
        (&policies[2], "crio.signatures", "ok", "", "", ""),
        (
            &policies[3],
            "crio.signatures",
            "failure",
            "/etc/containers/policy.json: EOF",
            "mend",
            "/etc/containers/policy.json",
        ),
        (&policies[4], "crio.signatures", "failure", "/etc/p.json", "mend", "/etc/p.json"),
        // repoint itself.
        (
            &[("/etc/repoint/repoint.toml", "listn = 1\n")],
            "service.configuration",
            "failure",
            "listn",
            "repoint config check",
            "",
        ),
        (
            &[("/usr/lib/systemd/system/repoint.service", "[Service]\nExecStart=/usr/bin/repoint serve\n")],
            "service.units",
            "warning",
            "from line 1 on",
            "install the package again",
            "/usr/lib/systemd/system/repoint.service",
        ),
        (
            &[("/etc/systemd/system/repoint.socket", "[Socket]\nListenStream=/run/repoint/repoint.sock\n")],
            "service.units",
            "warning",
            "/etc/systemd/system/repoint.socket is not as",
            "remove /etc/systemd/system/repoint.socket",
            "/etc/systemd/system/repoint.socket",
        ),
        (
            &[("/etc/systemd/system/repoint.service.d/network.conf", "[Service]\nPrivateNetwork=no\n")],
            "service.units",
            "ok",
            "with /etc/systemd/system/repoint.service.d/network.conf",
            "",
            "/etc/systemd/system/repoint.service.d/network.conf",
        ),
        (
            &[("/etc/repoint/repoint.toml", "[audit]\nfile = \"/srv/audit/a.jsonl\"\n"), ("/srv/audit/x", "")],
            "audit.writable",
            "failure",
            "/srv/audit/a.jsonl is elsewhere",
            "ReadWritePaths=/srv/audit",
            "/srv/audit/a.jsonl",
        ),
        (
            &[("/etc/repoint/repoint.toml", "[audit]\nfile = \"/var/log/repoint\"\n")],
            "audit.writable",
            "failure",
            "/var/log/repoint is not a file",
            "move /var/log/repoint away",
            "/var/log/repoint",
        ),
        (
            &[("/var/log/repoint/audit.jsonl", "{\"time\":\"2222-01-01T00:00:00Z\"}\n{\"time\":")],
            "node.clock",
            "failure",
            "2222-01-01",
            "timedatectl",
            "",
        ),
    ]);
}

#[test]
fn a_password_in_the_url_of_a_mirror_is_not_shown() {
    let url = "https://robot:s3cret@m.example/v2?token=s3cret";
    let directory = node(&[
        ("/etc/containerd/certs.d/registry.k8s.io/hosts.toml", &format!("server = {url:?}\n")),
        ("/etc/containerd/certs.d/_default/hosts.toml", &format!("[host.{url:?}]\n")),
    ]);
    let (output, said) = examined(directory.path());
    said.has("containerd.hosts", "warning", "is asked of m.example instead", "");
    said.has("containerd.hosts", "note", "containerd asks m.example for what is called", "");
    assert!(!output.stdout.contains("s3cret"), "{output:?}");
}

#[test]
fn a_password_on_a_command_line_is_not_shown() {
    let wrapper = "[Service]\nExecStart=/usr/bin/docker run -e HTTPS_PROXY=http://joe:s3cret@m.example kubelet\n";
    let flag = "[Service]\nExecStart=/usr/bin/kubelet --container-runtime-endpoint=tcp://joe:s3cret@m.example:1\n";
    for (unit, found) in [(wrapper, "but /usr/bin/docker"), (flag, "tcp://…@m.example:1")] {
        let directory = node(&[("/etc/systemd/system/kubelet.service", unit)]);
        let (output, said) = examined(directory.path());
        said.has("kubelet.endpoint", "warning", found, "");
        assert!(!output.stdout.contains("s3cret"), "{output:?}");
    }
}

#[test]
fn a_log_that_a_root_without_capabilities_cannot_write_is_found_from_outside() {
    use std::os::unix::fs::PermissionsExt;
    let directory = node(&[]);
    let log = directory.path().join("var/log/repoint");
    for (path, mode, remedy) in [("audit.jsonl", 0o440, "chmod u+w"), (".", 0o550, "chmod u+rwx")] {
        let path = log.join(path);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        examined(directory.path()).1.has("audit.writable", "failure", "without capabilities", remedy);
        fs::set_permissions(&path, before).unwrap();
    }
    examined(directory.path()).1.has("audit.writable", "ok", "", "");
}

#[test]
fn hostile_files_neither_garble_what_is_said_nor_keep_it() {
    let long = "x".repeat(3 << 20);
    let image = "k8s.gcr.io/\u{1b}[2J\u{202e}pause";
    let toml = format!("[plugins.cri]\nsandbox_image = \"{}\"\n", image.replace('\u{1b}', "\\u001b"));
    let wrong = format!("{}\u{1b}[31m = \n", "a".repeat(1 << 16));
    let directory = node(&[
        (CONTAINERD, &toml),
        ("/etc/crictl.yaml", &format!("image-endpoint: \"\\e[2J{long}\"\n")),
        ("/etc/repoint/repoint.toml", &wrong),
        ("/etc/crio/crio.conf", &wrong),
        ("/etc/containerd/certs.d/k8s.gcr.io/hosts.toml", "server = \"https://\\u001b[2J.example\"\n"),
        ("/etc/systemd/system/repoint.service.d/\u{1b}[2J.conf", "[Service]\n"),
    ]);
    let root = directory.path();
    // What is waited for by whoever opens it.
    fs::remove_file(root.join("var/log/repoint/audit.jsonl")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(root.join("var/log/repoint/audit.jsonl")).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("policy.json", root.join("etc/policy.json")).unwrap();
    for words in
        [&["doctor", "--root", root.to_str().unwrap()][..], &["doctor", "--json", "--root", root.to_str().unwrap()]]
    {
        let output = run(words, "");
        assert_eq!(output.code, Some(1), "{output:?}");
        let acts = |text: &str| text.chars().any(|one| (one.is_control() && one != '\n') || one == '\u{202e}');
        assert!(!acts(&output.stdout) && !acts(&output.stderr), "{}", output.stdout);
        assert!(output.stdout.len() < 40_000, "{} bytes", output.stdout.len());
    }
}

#[test]
fn a_root_that_is_none_and_a_socket_that_is_none_are_named() {
    for (words, expected) in [(["--root", "/nonexistent"], "/nonexistent"), (["--runtime", "tcp://x"], "tcp://x")] {
        let output = run(&[&["doctor"][..], &words[..]].concat(), "");
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains(expected), "{output:?}");
    }
}

#[test]
fn what_the_unit_lets_the_service_write_is_told_by_its_lines() {
    let log = |file: &str| format!("[audit]\nfile = {file:?}\n");
    let (srv, home, tmp) = (log("/srv/audit/a.jsonl"), log("/root/a.jsonl"), log("/tmp/a.jsonl"));
    let usual = log("/var/log/repoint/audit.jsonl");
    let there = ("/srv/audit/x", "");
    for (log, drop_in, file, verdict, found, remedy) in [
        (&srv, "", there, "failure", "is elsewhere: ProtectSystem=strict", "`systemctl edit"),
        (&srv, "", ("/x", ""), "failure", "is elsewhere", "first `mkdir -p /srv/audit`"),
        (
            &srv,
            "",
            there,
            "failure",
            "is elsewhere",
            "ReadWritePaths=/srv/audit; then `systemctl daemon-reload` and `systemctl restart",
        ),
        (&srv, "ReadWritePaths=/srv/audit", there, "ok", "can be written", ""),
        (&srv, "ReadWritePaths=/srv", there, "ok", "can be written", ""),
        (&srv, "ReadWritePaths=/srv/audit", ("/x", ""), "failure", "226/NAMESPACE", "`mkdir -p /srv/audit`, or take"),
        (&srv, "ReadWritePaths=-/srv/audit", ("/x", ""), "failure", "is elsewhere", "first `mkdir -p /srv/audit`"),
        (&srv, "ReadWritePaths=-/srv/audit", there, "ok", "can be written", ""),
        (&srv, "ProtectSystem=full", there, "ok", "can be written", ""),
        (&srv, "ProtectSystem=no", there, "ok", "can be written", ""),
        (
            &srv,
            "ReadWritePaths=/srv\nReadOnlyPaths=/srv/audit",
            there,
            "failure",
            "ReadOnlyPaths=/srv/audit",
            "take that line out",
        ),
        (
            &srv,
            "ReadWritePaths=/srv/audit\nInaccessiblePaths=/srv",
            there,
            "failure",
            "InaccessiblePaths=/srv",
            "another place",
        ),
        (&srv, "ReadWritePaths=%S/x", there, "note", "is not known: what ReadWritePaths=%S/x", "repoint status"),
        (&srv, "BindPaths=/data:/srv", there, "note", "BindPaths=/data:/srv", "repoint status"),
        (&srv, "ReadWritePaths=/srv/audit\nUser=root", there, "ok", "can be written", ""),
        (&home, "", ("/root/x", ""), "failure", "ProtectHome=yes", "name another place"),
        (&home, "ReadWritePaths=/root", ("/root/x", ""), "failure", "ProtectHome=yes", "name another place"),
        (&home, "ProtectHome=no\nReadWritePaths=/root", ("/root/x", ""), "ok", "can be written", ""),
        (&tmp, "", ("/tmp/x", ""), "failure", "PrivateTmp=yes", "name another place"),
        (&usual, "", there, "ok", "can be written", ""),
        (
            &usual,
            "LogsDirectory=\nLogsDirectory=other",
            there,
            "failure",
            "is elsewhere",
            "ReadWritePaths=/var/log/repoint",
        ),
        (
            &usual,
            "ReadOnlyPaths=/var/log/repoint",
            there,
            "failure",
            "ReadOnlyPaths=/var/log/repoint",
            "take that line out",
        ),
    ] {
        let drop_in = format!("[Service]\n{drop_in}\n");
        let place = "/etc/systemd/system/repoint.service.d/x.conf";
        let directory = node(&[("/etc/repoint/repoint.toml", log), (place, &drop_in), file]);
        examined(directory.path()).1.has("audit.writable", verdict, found, remedy);
    }
}
