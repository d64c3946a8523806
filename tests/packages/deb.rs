//! The .deb is installed, upgraded, removed and purged, and a node takes no harm from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::{Host, package};

/// As a node does it: nobody is asked anything. (Images of Debian leave documentation out, which is part of this.)
const INSTALL: &str = "dpkg --path-include='/usr/share/*' --install";

fn deb() -> PathBuf {
    package(".deb")
}

/// The next version, whose configuration file says something else if this does.
fn next(host: &Host, configuration: Option<&str>) -> String {
    let directory = host.shared().join("next");
    let run = |command: &mut Command| assert!(command.output().unwrap().status.success(), "{command:?}");
    run(Command::new("dpkg-deb").arg("--raw-extract").arg(deb()).arg(&directory));
    let control = directory.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control).unwrap();
    let version = text.lines().find(|line| line.starts_with("Version: ")).unwrap();
    std::fs::write(&control, text.replace(version, &format!("{version}+next"))).unwrap();
    if let Some(configuration) = configuration {
        std::fs::write(directory.join("etc/repoint/repoint.toml"), configuration).unwrap();
    }
    let file = host.shared().join("next.deb");
    run(Command::new("dpkg-deb").args(["--build", "-Znone"]).arg(&directory).arg(&file));
    "/mnt/next.deb".to_owned()
}

/// A host that has it, and what systemd was asked is forgotten.
fn installed() -> Option<Host> {
    let mut host = Host::running()?;
    let file = host.given(&deb());
    host.does(&format!("{INSTALL} {file}"));
    host.asked();
    Some(host)
}

#[test]
fn once_installed_it_is_there_enabled_and_running() {
    let Some(mut host) = Host::running() else { return };
    let file = host.given(&deb());
    let said = host.does(&format!("{INSTALL} {file}"));
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(
        host.asked(),
        ["--system daemon-reload", "--quiet --system start repoint.socket", "--quiet --system start repoint.service"]
    );
    for link in ["sockets.target.wants/repoint.socket", "multi-user.target.wants/repoint.service"] {
        assert!(host.has(&format!("/etc/systemd/system/{link}")), "{link}");
    }
    // As dpkg was told, each byte of it.
    assert_eq!(host.does("dpkg --verify repoint"), "");
    let modes = host.does(
        "stat -c '%a %U:%G %n' /usr/bin/repoint /usr/lib/systemd/system/repoint.service /etc/repoint \
         /etc/repoint/repoint.toml /usr/lib/repoint/may-be-removed",
    );
    assert_eq!(
        modes.lines().collect::<Vec<_>>(),
        [
            "755 root:root /usr/bin/repoint",
            "644 root:root /usr/lib/systemd/system/repoint.service",
            "755 root:root /etc/repoint",
            "644 root:root /etc/repoint/repoint.toml",
            "755 root:root /usr/lib/repoint/may-be-removed",
        ]
    );
    assert_eq!(
        host.does("dpkg-query --showformat='${Conffiles}' --show repoint | cut -d ' ' -f 2").trim(),
        "/etc/repoint/repoint.toml"
    );
    assert!(host.does("repoint --version").starts_with("repoint "));
    host.does("repoint config check");
    // With the program in its place, systemd has nothing to say about the units.
    assert_eq!(host.does("systemd-analyze verify --man=no repoint.service repoint.socket"), "");
    for page in ["man1/repoint.1.gz", "man1/repoint-serve.1.gz", "man5/repoint.toml.5.gz"] {
        host.does(&format!("gzip -dc /usr/share/man/{page} | grep -q '^.TH repoint'"));
    }
    host.does("bash -c 'source /usr/share/bash-completion/completions/repoint && complete -p repoint'");
    assert!(host.has("/usr/share/doc/repoint/systemd/network.conf"));
}

#[test]
fn where_no_systemd_runs_nothing_is_started_and_all_is_ready_for_the_boot() {
    let Some(mut host) = Host::at_rest() else { return };
    let file = host.given(&deb());
    host.does(&format!("{INSTALL} {file}"));
    assert_eq!(host.asked(), [""; 0]);
    assert!(host.has("/etc/systemd/system/sockets.target.wants/repoint.socket"));
    host.does("dpkg --purge repoint");
    assert_eq!(host.asked(), [""; 0]);
}

#[test]
fn whoever_says_that_nothing_is_to_be_started_is_asked() {
    let Some(mut host) = Host::running() else { return };
    host.does("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d");
    let file = host.given(&deb());
    host.does(&format!("{INSTALL} {file}"));
    assert_eq!(host.asked(), ["--system daemon-reload"]);
}

#[test]
fn an_upgrade_begins_the_service_anew_and_leaves_the_socket_alone() {
    let Some(mut host) = installed() else { return };
    let next = next(&host, None);
    host.does(&format!("{INSTALL} {next}"));
    // To start what runs is nothing.
    assert_eq!(
        host.asked(),
        ["--system daemon-reload", "--quiet --system start repoint.socket", "--quiet --system restart repoint.service"]
    );
    assert!(host.does("dpkg-query --showformat='${Version}' --show repoint").ends_with("+next"));
}

#[test]
fn an_upgrade_is_not_kept_from_a_node_whose_kubelet_points_here() {
    let Some(mut host) = installed() else { return };
    host.points_here();
    let next = next(&host, None);
    host.does(&format!("{INSTALL} {next}"));
    assert!(host.asked().iter().any(|asked| asked.ends_with("restart repoint.service")));
}

#[test]
fn a_configuration_that_was_changed_survives_upgrades() {
    let Some(mut host) = installed() else { return };
    host.does("echo 'node = \"mine\"' >/etc/repoint/repoint.toml; mkdir /etc/repoint/repoint.d; touch /etc/repoint/repoint.d/a.toml");
    // With the same file as before, nobody is asked; with another one, a node that asks nobody keeps its own.
    let same = next(&host, None);
    host.does(&format!("{INSTALL} {same}"));
    assert_eq!(host.does("cat /etc/repoint/repoint.toml"), "node = \"mine\"\n");
    host.does("rm -rf /mnt/next");
    let other = next(&host, Some("# The next one's.\n"));
    host.does(&format!("dpkg --force-confdef --force-confold --install {other}"));
    assert_eq!(host.does("cat /etc/repoint/repoint.toml"), "node = \"mine\"\n");
    assert_eq!(host.does("cat /etc/repoint/repoint.toml.dpkg-dist"), "# The next one's.\n");
    assert!(host.has("/etc/repoint/repoint.d/a.toml"));
}

#[test]
fn a_service_that_does_not_come_back_leaves_no_package_half_installed() {
    let Some(mut host) = installed() else { return };
    let next = next(&host, None);
    host.does("touch /run/broken.repoint.service");
    let said = host.does(&format!("{INSTALL} {next}"));
    assert!(said.contains("systemctl status repoint"), "{said}");
    assert_eq!(host.does("dpkg-query --showformat='${db:Status-Status}' --show repoint"), "installed");
}

#[test]
fn what_was_disabled_stays_so() {
    let Some(mut host) = installed() else { return };
    host.does("systemctl stop repoint.socket repoint.service; systemctl disable repoint.socket repoint.service");
    host.asked();
    let next = next(&host, None);
    host.does(&format!("{INSTALL} {next}"));
    assert_eq!(host.asked(), ["--system daemon-reload"]);
    assert!(!host.has("/etc/systemd/system/sockets.target.wants/repoint.socket"));
}

#[test]
fn it_is_not_removed_while_the_kubelet_points_here() {
    let Some(mut host) = installed() else { return };
    host.points_here();
    for removal in ["dpkg --remove repoint", "dpkg --purge repoint"] {
        let refused = host.run(removal);
        assert_ne!(refused.code, 0, "{}", refused.said);
        assert!(refused.said.contains("/var/lib/kubelet/kubeadm-flags.env"), "{}", refused.said);
        assert!(refused.said.contains("touch /etc/repoint/remove-anyway"), "{}", refused.said);
        // It was not even interrupted.
        let asked = host.asked();
        assert!(!asked.iter().any(|asked| asked.contains("stop") || asked.contains("restart")), "{asked:?}");
        assert_eq!(
            host.does("dpkg-query --showformat='${Status}' --show repoint").split(' ').next_back(),
            Some("installed")
        );
        assert!(host.has("/usr/bin/repoint") && host.has("/run/active.repoint.service"));
    }
}

#[test]
fn nor_while_one_runs_that_does() {
    let Some(mut host) = installed() else { return };
    // It is a script, so that its words are what a kubelet's are. What it leaves behind ends with the host.
    host.does(
        "printf '#!/bin/sh\\ntouch /run/kubelet.runs\\nsleep 600\\n' >/usr/local/bin/kubelet; chmod 755 /usr/local/bin/kubelet; \
         setsid kubelet --image-service-endpoint=unix:///run/repoint/repoint.sock >/dev/null 2>&1 & \
         for _ in $(seq 600); do [ -e /run/kubelet.runs ] && exit 0; sleep 0.1; done; exit 1",
    );
    let refused = host.run("dpkg --remove repoint");
    assert_ne!(refused.code, 0, "{}", refused.said);
    assert!(refused.said.contains("process "), "{}", refused.said);
}

#[test]
fn removed_it_is_stopped_and_its_configuration_log_and_state_stay() {
    let Some(mut host) = installed() else { return };
    host.does(
        "mkdir -p /run/repoint /var/lib/repoint /var/log/repoint; touch /run/repoint/repoint.sock \
         /var/lib/repoint/names /var/log/repoint/audit.jsonl",
    );
    host.does("dpkg --remove repoint");
    assert_eq!(host.asked(), ["stop repoint.socket repoint.service", "--system daemon-reload"]);
    for kept in ["/etc/repoint/repoint.toml", "/var/lib/repoint/names", "/var/log/repoint/audit.jsonl"] {
        assert!(host.has(kept), "{kept}");
    }
    for gone in ["/usr/bin/repoint", "/run/repoint", "/usr/lib/repoint", "/usr/share/doc/repoint"] {
        assert!(!host.has(gone), "{gone}");
    }
    // Installed again, it goes on.
    let file = host.given(&deb());
    host.does(&format!("{INSTALL} {file}"));
    assert!(host.has("/run/active.repoint.socket") && host.has("/run/active.repoint.service"));
}

#[test]
fn purged_it_leaves_nothing() {
    let Some(mut host) = Host::running() else { return };
    // Whatever else has been run on this machine.
    host.does("rm -rf /var/lib/repoint /var/log/repoint /etc/repoint");
    let before = host.traces();
    let file = host.given(&deb());
    host.does(&format!("{INSTALL} {file}"));
    assert!(host.traces().len() > before.len() + 20);
    host.does(
        "mkdir -p /run/repoint /var/lib/repoint /var/log/repoint /etc/repoint/repoint.d; touch /run/repoint/repoint.sock \
         /var/lib/repoint/last-good.json /var/log/repoint/audit.jsonl /etc/repoint/disabled /etc/repoint/repoint.d/a.toml",
    );
    host.does("dpkg --purge repoint; rm -f /run/active.*");
    assert_eq!(host.traces(), before);
    for directory in ["/etc/repoint", "/var/lib/repoint", "/var/log/repoint", "/run/repoint"] {
        assert!(!host.has(directory), "{directory}");
    }
}

#[test]
fn who_knows_better_can_have_it_removed_and_has_said_so_once() {
    let Some(mut host) = installed() else { return };
    host.points_here();
    host.does("touch /etc/repoint/remove-anyway && dpkg --remove repoint");
    assert!(!host.has("/usr/bin/repoint") && !host.has("/etc/repoint/remove-anyway"));
}

#[test]
fn this_machine_has_heard_nothing_of_it() {
    let Some(mut host) = installed() else { return };
    assert!(host.has("/var/lib/dpkg/info/repoint.list"));
    for file in ["/var/lib/dpkg/info/repoint.list", "/etc/systemd/system/sockets.target.wants/repoint.socket"] {
        assert!(!Path::new(file).exists(), "{file}");
    }
}
