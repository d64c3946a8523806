//! What containerd is told: everything of its own in one directory, and no host but those served.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// Plugins that look around on the host, or wait for something there, and serve no container here.
const UNNEEDED: [&str; 8] = [
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.native",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.restart",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
];

/// Nobody listens on the first port, so that a connection is refused at once.
const NOBODY: &str = "127.0.0.1:1";

pub fn settings(directory: &Path, sandbox_image: &str) -> String {
    let at = |name: &str| directory.join(name);
    format!(
        r#"version = 2
root = {root:?}
state = {state:?}
disabled_plugins = {UNNEEDED:?}

[grpc]
address = {socket:?}

[plugins."io.containerd.internal.v1.opt"]
path = {opt:?}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {sandbox_image:?}
# Where the tests themselves run in a container, neither is theirs to set.
restrict_oom_score_adj = true
disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {cni:?}
conf_dir = {cni:?}

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = {hosts:?}
"#,
        root = at("data/root"),
        state = at("data/state"),
        socket = at("containerd.sock"),
        opt = at("data/opt"),
        cni = at("cni"),
        hosts = at("hosts"),
    )
}

/// From now on this host's images are pulled from the registry there.
pub fn serve(directory: &Path, host: &str, registry: SocketAddr) {
    write_host(directory, host, &format!("http://{registry}"));
}

/// The same by TLS.
pub fn serve_sealed(directory: &Path, host: &str, registry: SocketAddr) {
    write_host(directory, host, &format!("https://{registry}"));
}

/// From now on nothing can be pulled from this host; `_default` is every host not named.
pub fn cut_off(directory: &Path, host: &str) {
    write_host(directory, host, &format!("http://{NOBODY}"));
}

fn write_host(directory: &Path, host: &str, url: &str) {
    let directory = directory.join("hosts").join(host);
    fs::create_dir_all(&directory).expect("a directory for the host");
    // containerd reads it anew for every pull. The table is empty but needed: without one, 1.6 takes
    // no notice of the server and asks the real host.
    let toml = format!("server = {url:?}\n[host.{url:?}]\n");
    fs::write(directory.join("hosts.toml"), toml).expect("the file that maps the host");
}
