//! The .rpm does what the .deb does, as far as rpm has the like. It is installed by rpm itself, on a machine of Debian's.

use std::path::Path;
use std::process::Command;

use crate::host::{Host, package};
use crate::support::world::Missing;

/// Debian's rpm would rather not, and knows of no /bin/sh. The database is one of its own.
const RPM: &str = "rpm --force-debian --nodeps";

fn host() -> Option<Host> {
    if let Err(missing) = Missing::programs(&[("rpm", "rpm")]) {
        missing.skip("no rpm");
        return None;
    }
    Host::running()
}

fn installed() -> Option<Host> {
    let mut host = host()?;
    let file = host.given(&package(".rpm"));
    host.does(&format!("{RPM} --install {file}"));
    host.asked();
    Some(host)
}

/// The next one, made of the same files.
fn next(host: &Host) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new(root.join("target/tools/bin/cargo-generate-rpm"))
        .args(["generate-rpm", "--auto-req", "disabled", "--payload-compress", "none"])
        .args(["--set-metadata", "release = \"2\"", "--output"])
        .arg(host.shared().join("next.rpm"))
        .current_dir(root)
        .output()
        .expect("`make try` has made the other one with it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    "/mnt/next.rpm".to_owned()
}

#[test]
fn once_installed_it_is_there_enabled_and_running() {
    let Some(mut host) = host() else { return };
    let file = host.given(&package(".rpm"));
    host.does(&format!("{RPM} --install {file}"));
    assert_eq!(
        host.asked(),
        [
            "--no-reload preset repoint.socket repoint.service",
            "daemon-reload",
            "start repoint.socket",
            "start repoint.service"
        ]
    );
    assert_eq!(host.does("rpm --verify --nodeps repoint"), "");
    // What its scripts call is there before it, in an image that is being made as well.
    let required = host.does("rpm --query --requires repoint");
    for needed in ["systemd", "/bin/sh"] {
        assert!(required.lines().any(|line| line.split(' ').next() == Some(needed)), "{needed} is not in {required}");
    }
    let listed = host.does("rpm --query --list repoint");
    for file in
        ["/usr/bin/repoint", "/usr/lib/systemd/system-preset/80-repoint.preset", "/usr/share/man/man1/repoint.1.gz"]
    {
        assert!(listed.lines().any(|line| line == file), "{file} is not in {listed}");
    }
    assert_eq!(host.does("rpm --query --configfiles repoint").trim(), "/etc/repoint/repoint.toml");
    assert_eq!(host.does("stat -c '%a %U' /usr/bin/repoint /etc/repoint/repoint.toml"), "755 root\n644 root\n");
    host.does("repoint config check");
}

#[test]
fn an_administrators_presets_hold() {
    let Some(mut host) = host() else { return };
    // A policy under which nothing is enabled: presets do nothing then.
    host.does("sed -i 's/^        preset)/        unless)/' /usr/bin/systemctl");
    let file = host.given(&package(".rpm"));
    host.does(&format!("{RPM} --install {file}"));
    assert_eq!(host.asked(), ["--no-reload preset repoint.socket repoint.service", "daemon-reload"]);
}

#[test]
fn an_upgrade_begins_the_service_anew_leaves_the_socket_alone_and_keeps_what_was_changed() {
    let Some(mut host) = installed() else { return };
    host.points_here();
    host.does("echo 'node = \"mine\"' >/etc/repoint/repoint.toml");
    let next = next(&host);
    host.does(&format!("{RPM} --upgrade {next}"));
    assert_eq!(host.asked(), ["daemon-reload", "try-restart repoint.service", "daemon-reload"]);
    assert_eq!(host.does("cat /etc/repoint/repoint.toml"), "node = \"mine\"\n");
    assert!(host.has("/run/active.repoint.socket") && host.has("/usr/bin/repoint"));
    assert!(host.does("rpm --query repoint").contains("-2."));
}

#[test]
fn it_is_not_removed_while_the_kubelet_points_here() {
    let Some(mut host) = installed() else { return };
    host.points_here();
    let refused = host.run(&format!("{RPM} --erase repoint"));
    assert_ne!(refused.code, 0, "{}", refused.said);
    assert!(refused.said.contains("/var/lib/kubelet/kubeadm-flags.env"), "{}", refused.said);
    assert_eq!(host.asked(), [""; 0]);
    assert!(host.has("/usr/bin/repoint"));
    host.does(&format!("rm /var/lib/kubelet/kubeadm-flags.env; mkdir /run/repoint; {RPM} --erase repoint"));
    assert_eq!(
        host.asked(),
        ["--no-reload disable repoint.socket repoint.service", "stop repoint.socket repoint.service", "daemon-reload"]
    );
    assert!(!host.has("/usr/bin/repoint") && !host.has("/run/repoint"));
}
