//! Files that whoever looks can't read, though whoever they are for can: nothing in them is known to be wrong.

use super::files::{CONTAINERD, CRIO, examined, node};

#[test]
fn a_file_that_the_doctor_cannot_read_is_not_said_to_be_broken() {
    let large = "#\n".repeat(3 << 20);
    let policy = "/etc/containers/policy.json";
    for (files, path, id) in [
        (&[][..], CONTAINERD, "containerd.hosts"),
        (&[], CONTAINERD, "images.sandbox"),
        (&[], "/etc/containerd/certs.d/registry.k8s.io/hosts.toml", "containerd.hosts"),
        (&[], "/etc/crictl.yaml", "crictl.endpoint"),
        (&[], "/var/lib/kubelet/config.yaml", "kubelet.endpoint"),
        (&[], "/etc/systemd/system/repoint.service", "service.units"),
        (CRIO, "/etc/crio/crio.conf.d/10-x.conf", "crio.signatures"),
        (CRIO, "/etc/crio/crio.conf.d/10-x.conf", "images.sandbox"),
        (CRIO, policy, "crio.signatures"),
    ] {
        let directory = node(&[files, &[(path, large.as_str())]].concat());
        let (_, said) = examined(directory.path());
        let check = said.has(id, "warning", &format!("cannot read {path}: it has more than 4 MiB"), "");
        assert_eq!(check["remedy"], "make it readable to whoever runs this (root), or look into it by hand", "{id}");
    }
}

#[test]
fn policies_that_cannot_be_listed_are_not_taken_for_none() {
    let directory = node(CRIO);
    let policies = directory.path().join("etc/crio/policies");
    std::os::unix::fs::symlink("policies", &policies).unwrap();
    examined(directory.path()).1.has("crio.signatures", "warning", "cannot read /etc/crio/policies", "by hand");
}
