//! Nodes as they are found: who set them up, in which files, and what becomes of these when they are generated anew.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::eyes;

pub const OURS: &str = "unix:///run/repoint/repoint.sock";
pub const CONTAINERD: &str = "unix:///run/containerd/containerd.sock";
pub const K3S: &str = "unix:///run/k3s/containerd/containerd.sock";
pub const SOCI: &str = "unix:///run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock";
const CRIO: &str = "unix:///var/run/crio/crio.sock";

/// A node.
#[derive(Clone)]
pub struct Layout {
    pub name: &'static str,
    files: Vec<(String, String)>,
    links: Vec<(&'static str, &'static str)>,
    /// What repoint has to be told: the runtime, and the socket for image calls.
    pub runtime: Option<&'static str>,
    pub image: Option<&'static str>,
    /// The one file that the kubelet is told in.
    pub wired: &'static str,
    /// Where its kubelet sends image calls, read off the files.
    pub endpoint: fn(&Path) -> Option<String>,
    /// What an upgrade, or the next boot, makes of it.
    pub regenerate: fn(&Path),
}

impl Layout {
    fn new(
        name: &'static str,
        wired: &'static str,
        endpoint: fn(&Path) -> Option<String>,
        regenerate: fn(&Path),
    ) -> Self {
        let links =
            vec![("/etc/systemd/system/sockets.target.wants/repoint.socket", "/usr/lib/systemd/system/repoint.socket")];
        Self { name, files: Vec::new(), links, runtime: Some(CONTAINERD), image: None, wired, endpoint, regenerate }
            .file("/usr/lib/systemd/system/repoint.socket", "[Socket]\nListenStream=/run/repoint/repoint.sock\n")
            .file("/usr/lib/systemd/system/repoint.service", "[Service]\nExecStart=/usr/bin/repoint serve\n")
            .file("/etc/os-release", "NAME=\"Some Linux\"\nID=some\n")
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.retain(|(other, _)| other != path);
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    fn link(mut self, path: &'static str, target: &'static str) -> Self {
        self.links.push((path, target));
        self
    }

    fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    fn before(self, runtime: &'static str, image: Option<&'static str>) -> Self {
        Self { runtime: Some(runtime), image, ..self }
    }

    /// Makes it, with modes that are not those of new files.
    pub fn make(&self, root: &Path) {
        for (path, text) in &self.files {
            put(root, path, text);
            let mode = if path.starts_with("/etc/default") { 0o640 } else { 0o644 };
            fs::set_permissions(at(root, path), fs::Permissions::from_mode(mode)).unwrap();
        }
        for (path, target) in &self.links {
            fs::create_dir_all(at(root, path).parent().unwrap()).unwrap();
            symlink(target, at(root, path)).unwrap();
        }
    }
}

pub fn at(root: &Path, path: &str) -> std::path::PathBuf {
    root.join(path.trim_start_matches('/'))
}

pub fn put(root: &Path, path: &str, text: &str) {
    fs::create_dir_all(at(root, path).parent().unwrap()).unwrap();
    fs::write(at(root, path), text).unwrap();
}

// === kubeadm ===

const KUBELET: &str = "[Unit]\nDescription=kubelet\n[Service]\nExecStart=/usr/bin/kubelet\nRestart=always\n[Install]\nWantedBy=multi-user.target\n";
const FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
const CONFIG: &str = "/var/lib/kubelet/config.yaml";
const INSTANCE: &str = "/var/lib/kubelet/instance-config.yaml";
const DEBIAN: &str = "/etc/default/kubelet";
const RPM: &str = "/etc/sysconfig/kubelet";

fn kubeadm(name: &'static str, extra: &'static str, endpoint: fn(&Path) -> Option<String>) -> Layout {
    let drop_in = format!(
        "# How kubeadm has the kubelet started.\n[Service]\n\
         Environment=\"KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf\"\n\
         Environment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"\n\
         EnvironmentFile=-{FLAGS}\nEnvironmentFile=-{extra}\nExecStart=\n\
         ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n"
    );
    let units = if extra == DEBIAN { "/lib/systemd/system" } else { "/usr/lib/systemd/system" };
    Layout::new(name, extra, endpoint, kubeadm_upgrade)
        .file(&format!("{units}/kubelet.service"), KUBELET)
        .file(&format!("{units}/kubelet.service.d/10-kubeadm.conf"), &drop_in)
        .file(CONFIG, "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDriver: systemd\nclusterDNS:\n- 10.96.0.10\n")
        .file(FLAGS, &format!("KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint={CONTAINERD} --pod-infra-container-image=registry.k8s.io/pause:3.9\"\n"))
}

fn on_debian(root: &Path) -> Option<String> {
    eyes::kubelet(root, &[CONFIG], &[(FLAGS, "KUBELET_KUBEADM_ARGS"), (DEBIAN, "KUBELET_EXTRA_ARGS")])
}

fn on_rpm(root: &Path) -> Option<String> {
    eyes::kubelet(root, &[CONFIG], &[(FLAGS, "KUBELET_KUBEADM_ARGS"), (RPM, "KUBELET_EXTRA_ARGS")])
}

/// Its flags and its configuration are written anew; the instance's own file goes over the latter.
fn kubeadm_upgrade(root: &Path) {
    if at(root, FLAGS).exists() {
        put(
            root,
            FLAGS,
            &format!("KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint={CONTAINERD} --node-labels=upgraded=1\"\n"),
        );
    }
    let instance = fs::read_to_string(at(root, INSTANCE)).unwrap_or_default();
    put(
        root,
        CONFIG,
        &format!(
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDriver: systemd\n{instance}"
        ),
    );
}

// === EKS ===

const ENVIRONMENT: &str = "/etc/eks/kubelet/environment";
const EKS_CONFIG: &str = "/etc/kubernetes/kubelet/config.json";
const EKS_DROP_IN: &str = "/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf";
const UNIT_DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/99-repoint.conf";

fn eks(name: &'static str, image: &str) -> Layout {
    let config = format!(
        "{{\n    \"kind\": \"KubeletConfiguration\",\n    \"apiVersion\": \"kubelet.config.k8s.io/v1beta1\",\n    \
         \"containerRuntimeEndpoint\": \"{CONTAINERD}\"{image}\n}}"
    );
    Layout::new(name, UNIT_DROP_IN, on_eks, nodeadm_at_boot)
        .file("/etc/systemd/system/kubelet.service", "[Service]\nEnvironmentFile=/etc/eks/kubelet/environment\nExecStart=/usr/bin/kubelet $NODEADM_KUBELET_ARGS\n")
        .file(EKS_CONFIG, &config)
        .file(ENVIRONMENT, &format!("NODEADM_KUBELET_ARGS=--config={EKS_CONFIG} --node-ip=10.0.0.1"))
}

fn on_eks(root: &Path) -> Option<String> {
    eyes::kubelet(root, &[EKS_CONFIG, EKS_DROP_IN], &[(ENVIRONMENT, "NODEADM_KUBELET_ARGS")])
        .into_iter()
        .chain(eyes::command(root))
        .last()
}

/// It writes everything anew, and has user data by now.
fn nodeadm_at_boot(root: &Path) {
    put(
        root,
        ENVIRONMENT,
        &format!(
            "NODEADM_KUBELET_ARGS=\"--config={EKS_CONFIG} --config-dir=/etc/kubernetes/kubelet/config.json.d --node-ip=10.0.0.2\"\nKUBELET_CONFIG_DROPIN_DIR_ALPHA=on\n"
        ),
    );
    put(
        root,
        EKS_CONFIG,
        &format!("{{\"containerRuntimeEndpoint\": \"{CONTAINERD}\", \"imageServiceEndpoint\": \"{SOCI}\"}}"),
    );
    put(root, EKS_DROP_IN, "{\"maxPods\": 42}");
}

// === k3s and RKE2 ===

fn rancher(
    name: &'static str,
    unit: &str,
    program: &str,
    wired: &'static str,
    endpoint: fn(&Path) -> Option<String>,
) -> Layout {
    let unit_file = format!(
        "[Service]\nType=notify\nEnvironmentFile=-/etc/default/%N\nEnvironmentFile=-/etc/systemd/system/{unit}.env\nExecStart=/usr/local/bin/{program} \\\n    '--node-label=a=b' \\\n\n"
    );
    Layout::new(name, wired, endpoint, |_| {})
        .file(&format!("/etc/systemd/system/{unit}"), &unit_file)
        .before(K3S, None)
}

fn on_k3s(root: &Path) -> Option<String> {
    eyes::rancher(root, "/etc/rancher/k3s/config.yaml")
}

fn on_rke2(root: &Path) -> Option<String> {
    eyes::rancher(root, "/etc/rancher/rke2/config.yaml")
}

const K3S_DROP_IN: &str = "/etc/rancher/k3s/config.yaml.d/99-repoint.yaml";

/// The installer writes its unit anew.
fn k3s_upgrade(root: &Path) {
    put(
        root,
        "/etc/systemd/system/k3s.service",
        "[Service]\nType=notify\nExecStart=/usr/local/bin/k3s server '--disable=traefik'\n",
    );
}

// === all of them ===

/// All kinds of nodes there are.
pub fn all() -> Vec<Layout> {
    let instance = format!("containerRuntimeEndpoint: \"{CONTAINERD}\"\n");
    let config_1_34 = format!("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n{instance}");
    let with_extra = |name, text: &str| kubeadm(name, DEBIAN, on_debian).file(DEBIAN, text);
    let plain = |start: &str| {
        Layout::new("plain", UNIT_DROP_IN, eyes::command, |_| {}).file(
            "/etc/systemd/system/kubelet.service",
            &format!("[Service]\nExecStart=/usr/local/bin/kubelet \\\n  {start}\n"),
        )
    };
    vec![
        kubeadm("kubeadm 1.25 on Debian", DEBIAN, on_debian).file(
            FLAGS,
            &format!("KUBELET_KUBEADM_ARGS=\"--container-runtime=remote --container-runtime-endpoint={CONTAINERD}\"\n"),
        ),
        kubeadm("kubeadm 1.28 with RPM", RPM, on_rpm).file(RPM, "KUBELET_EXTRA_ARGS=\n"),
        kubeadm("kubeadm 1.31 on Debian", DEBIAN, on_debian).file(DEBIAN, "KUBELET_EXTRA_ARGS=\n"),
        kubeadm("kubeadm 1.34", RPM, on_rpm)
            .file(RPM, "KUBELET_EXTRA_ARGS=--node-ip=10.0.0.1\n")
            .file(INSTANCE, &instance)
            .file(CONFIG, &config_1_34)
            .file(FLAGS, "KUBELET_KUBEADM_ARGS=\"--pod-infra-container-image=registry.k8s.io/pause:3.10\"\n"),
        with_extra("kubeadm, quoted", "# ours\nKUBELET_EXTRA_ARGS=\"--node-ip=10.0.0.1 --v=2\"\n# end\n"),
        with_extra("kubeadm, single quotes and spaces", "KUBELET_EXTRA_ARGS='--node-ip=10.0.0.1'   \n\n"),
        with_extra("kubeadm, no final line feed", "# note\nKUBELET_EXTRA_ARGS=--v=2"),
        with_extra("kubeadm, a comment without line feed", "# KUBELET_EXTRA_ARGS=--no"),
        with_extra("kubeadm, from Windows", "# note\r\nKUBELET_EXTRA_ARGS=\"--v=2\"\r\nOTHER=1\r\n"),
        with_extra("kubeadm, twice", "KUBELET_EXTRA_ARGS=--v=1\nKUBELET_EXTRA_ARGS=--v=2\n"),
        with_extra(
            "kubeadm, image endpoint elsewhere",
            &format!("KUBELET_EXTRA_ARGS=--image-service-endpoint={SOCI}\n"),
        )
        .before(CONTAINERD, Some(SOCI)),
        with_extra(
            "kubeadm, image endpoint the runtime's",
            &format!("KUBELET_EXTRA_ARGS=--image-service-endpoint={CONTAINERD}\n"),
        ),
        kubeadm("kubeadm with CRI-O", RPM, on_rpm)
            .file(FLAGS, &format!("KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint={CRIO}\"\n"))
            .before(CRIO, None)
            .regenerated_by(|root| {
                put(root, FLAGS, &format!("KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint={CRIO} --upgraded\"\n"));
            }),
        kubeadm("kubeadm with cri-dockerd", DEBIAN, on_debian)
            .file(FLAGS, "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/cri-dockerd.sock\"\n")
            .before("unix:///run/cri-dockerd.sock", None)
            .regenerated_by(|_| {}),
        kubeadm("kubeadm, arguments in a drop-in", DEBIAN, eyes::command)
            .file(
                "/etc/systemd/system/kubelet.service.d/20-ip.conf",
                "[Service]\nEnvironment=\"KUBELET_EXTRA_ARGS=--node-ip=10.0.0.1\"\n",
            )
            .wired_in(UNIT_DROP_IN),
        kubeadm("kubeadm, with drop-ins of its configuration", DEBIAN, |root| {
            eyes::kubelet(
                root,
                &[CONFIG, "/etc/kubernetes/kubelet.conf.d/10-x.conf", "/etc/kubernetes/kubelet.conf.d/99-repoint.conf"],
                &[],
            )
        })
        .file(DEBIAN, "KUBELET_EXTRA_ARGS=--config-dir=/etc/kubernetes/kubelet.conf.d\n")
        .file(FLAGS, "KUBELET_KUBEADM_ARGS=\"--v=2\"\n")
        .file(CONFIG, &config_1_34)
        .file("/etc/kubernetes/kubelet.conf.d/10-x.conf", &format!("imageServiceEndpoint: {SOCI}\n"))
        .before(CONTAINERD, Some(SOCI))
        .regenerated_by(|root| put(root, CONFIG, &format!("containerRuntimeEndpoint: {CONTAINERD}\nmaxPods: 42\n")))
        .wired_in("/etc/kubernetes/kubelet.conf.d/99-repoint.conf"),
        eks("EKS", ""),
        eks("EKS with SOCI", &format!(",\n    \"imageServiceEndpoint\": \"{SOCI}\"")).before(CONTAINERD, Some(SOCI)),
        rancher("k3s server", "k3s.service", "k3s server", K3S_DROP_IN, on_k3s)
            .file("/etc/rancher/k3s/config.yaml", "token: abc\nkubelet-arg:\n- max-pods=42\n")
            .regenerated_by(k3s_upgrade),
        rancher("k3s agent, nothing configured", "k3s-agent.service", "k3s agent", K3S_DROP_IN, on_k3s),
        rancher("k3s, a newer one with an image endpoint", "k3s.service", "k3s server", K3S_DROP_IN, on_k3s)
            .file("/etc/rancher/k3s/config.yaml", &format!("image-service-endpoint: {SOCI}\n"))
            .before(K3S, Some(SOCI)),
        rancher(
            "RKE2, both units",
            "rke2-server.service",
            "rke2 server",
            "/etc/rancher/rke2/config.yaml.d/99-repoint.yaml",
            on_rke2,
        )
        .file("/etc/systemd/system/rke2-agent.service", "[Service]\nExecStart=/usr/local/bin/rke2 agent\n")
        .link(
            "/etc/systemd/system/multi-user.target.wants/rke2-server.service",
            "/etc/systemd/system/rke2-server.service",
        )
        .file("/etc/rancher/rke2/config.yaml.d/50-x.yaml", "kubelet-arg+:\n  - \"max-pods=42\"\n"),
        plain(&format!("--kubeconfig=/k --container-runtime-endpoint={CONTAINERD}")),
        plain("--kubeconfig=/k").named("plain, nothing said").saying_nothing(),
    ]
}

impl Layout {
    fn regenerated_by(self, regenerate: fn(&Path)) -> Self {
        Self { regenerate, ..self }
    }

    fn wired_in(self, wired: &'static str) -> Self {
        Self { wired, ..self }
    }

    fn saying_nothing(self) -> Self {
        Self { runtime: None, ..self }
    }
}

/// The one of that name.
pub fn named(name: &str) -> Layout {
    all().into_iter().find(|layout| layout.name == name).unwrap()
}
