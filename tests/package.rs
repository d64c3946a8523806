//! What the packages are made of: the list of files, the question that is asked before a removal, the policy for `SELinux`.
//! (Whether the packages themselves install is in `tests/packages/`, which takes making them.)

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::unit::{SERVICE, Unit};
use crate::support::world::Missing;

const SOCKET: &str = "unix:///run/repoint/repoint.sock";

/// What this takes, by the Debian package that has it.
const PROGRAMS: [(&str, &str); 3] =
    [("checkmodule", "checkpolicy"), ("semodule_package", "semodule-utils"), ("logrotate", "logrotate")];

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether repoint can be taken off the node with its files below `root`, and if not, what is said.
pub(crate) fn may_be_removed(root: &Path) -> Result<(), String> {
    let output = Command::new("sh").arg(source("packaging/may-be-removed")).arg(root).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => {
            assert_eq!(said, "");
            Ok(())
        }
        Some(1) => Err(said),
        other => panic!("{other:?}: {said}"),
    }
}

/// A node's files.
struct Node(TempDir);

impl Node {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn has(self, path: &str, text: &str) -> Self {
        let file = self.0.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self
    }

    fn runs(self, words: &[&str]) -> Self {
        self.has("/proc/4711/cmdline", &format!("{}\0", words.join("\0")))
    }

    fn may_be_removed(&self) -> Result<(), String> {
        may_be_removed(self.0.path())
    }

    fn refuses_for(&self, place: &str) {
        let said = self.may_be_removed().expect_err(place);
        assert!(said.contains(&format!("    {place}")), "{place} is not in: {said}");
        // What to do, either way.
        assert!(said.contains("repoint uninstall") && said.contains("touch /etc/repoint/remove-anyway"), "{said}");
    }
}

/// A line of packaging/files.
struct Entry {
    mode: String,
    from: String,
    to: String,
}

fn entries() -> Vec<Entry> {
    let text = fs::read_to_string(source("packaging/files")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [mode, from, to] => Entry { mode: (*mode).to_owned(), from: (*from).to_owned(), to: (*to).to_owned() },
            _ => panic!("not a line of three: {line}"),
        })
        .collect()
}

/// What is shipped of this repository: where it is here, and where it goes.
fn shipped() -> Vec<(PathBuf, PathBuf)> {
    let mut all = Vec::new();
    for Entry { from, to, .. } in entries().into_iter().filter(|entry| !entry.from.starts_with("made/")) {
        let files = match from.strip_suffix("/*") {
            Some(directory) => fs::read_dir(source(directory)).unwrap().map(|entry| entry.unwrap().path()).collect(),
            None => vec![source(&from)],
        };
        for file in files {
            assert!(file.is_file(), "{} is listed and is no file", file.display());
            let to =
                if to.ends_with('/') { Path::new(&to).join(file.file_name().unwrap()) } else { PathBuf::from(&to) };
            all.push((file, to));
        }
    }
    all
}

#[test]
fn a_node_whose_kubelet_points_elsewhere_may_lose_it() {
    Node::new().may_be_removed().expect("there is no kubelet");
    let node = Node::new()
        .has("/var/lib/kubelet/config.yaml", "imageServiceEndpoint: unix:///run/containerd/containerd.sock\n")
        .has("/etc/default/kubelet", "# KUBELET_EXTRA_ARGS=--image-service-endpoint=unix:///run/repoint/repoint.sock\n")
        .has("/etc/crictl.yaml", "image-endpoint: unix:///run/repoint/repoint.sock\n")
        // It is no kubelet, and neither is repoint itself.
        .has("/proc/12/cmdline", "crictl\0--image-endpoint\0unix:///run/repoint/repoint.sock\0ps\0")
        .has("/proc/13/cmdline", "/usr/bin/repoint\0serve\0--listen\0unix:///run/repoint/repoint.sock\0")
        .runs(&["/usr/bin/kubelet", "--container-runtime-endpoint=unix:///run/containerd/containerd.sock"]);
    node.may_be_removed().expect("nothing points here");
}

#[test]
fn wherever_a_kubelet_may_be_told_is_looked_at() {
    let flag = format!("--image-service-endpoint={SOCKET}");
    let key = format!("imageServiceEndpoint: {SOCKET}\n");
    let argument = format!("kubelet-arg:\n  - \"image-service-endpoint={SOCKET}\"\n");
    for (file, text) in [
        ("/var/lib/kubelet/kubeadm-flags.env", format!("KUBELET_KUBEADM_ARGS=\"{flag}\"\n")),
        ("/var/lib/kubelet/config.yaml", key.clone()),
        ("/var/lib/kubelet/instance-config.yaml", key.clone()),
        ("/etc/default/kubelet", format!("KUBELET_EXTRA_ARGS={flag}\n")),
        ("/etc/sysconfig/kubelet", format!("KUBELET_EXTRA_ARGS={flag}\n")),
        ("/etc/systemd/system/kubelet.service.d/20-image.conf", format!("[Service]\nEnvironment=\"X={flag}\"\n")),
        ("/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", format!("[Service]\nEnvironment=\"X={flag}\"\n")),
        // A line for each word, as k3s' installer writes them.
        (
            "/etc/systemd/system/k3s.service",
            format!("ExecStart=/usr/local/bin/k3s \\\n\t'--image-service-endpoint' \\\n\t'{SOCKET}' \\\n"),
        ),
        ("/etc/systemd/system/k3s-agent.service.env", format!("K3S_X={flag}\n")),
        ("/etc/rancher/k3s/config.yaml", format!("image-service-endpoint: {SOCKET}\n")),
        ("/etc/rancher/k3s/config.yaml.d/repoint.yaml", argument.clone()),
        ("/etc/rancher/rke2/config.yaml", argument),
        ("/var/lib/rancher/rke2/agent/etc/kubelet.conf.d/50-ours.conf", key.clone()),
        (
            "/etc/systemd/system/k0sworker.service",
            format!("ExecStart=/usr/bin/k0s worker --kubelet-extra-args={flag}\n"),
        ),
        ("/var/snap/microk8s/current/args/kubelet", format!("{flag}\n")),
        ("/etc/eks/kubelet/environment", format!("NODEADM_KUBELET_ARGS=\"{flag}\"\n")),
        ("/etc/eks/nodeadm.d/repoint.yaml", format!("spec:\n  kubelet:\n    config:\n      {key}")),
        (
            "/usr/local/lib/systemd/system/rke2-agent.service.d/10.conf",
            format!("[Service]\nEnvironment=\"X={flag}\"\n"),
        ),
        ("/etc/kubernetes/kubelet/config.json", format!("{{\"imageServiceEndpoint\": \"{SOCKET}\"}}\n")),
        (
            "/etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf",
            format!("{{\"imageServiceEndpoint\": \"{SOCKET}\"}}\n"),
        ),
        ("/home/kubernetes/kubelet-config.yaml", key.replace("/run/", "/var/run/")),
    ] {
        Node::new().has(file, &text).refuses_for(file);
    }
}

#[test]
fn a_kubelet_that_runs_counts_whatever_is_in_its_files() {
    let flag = format!("--image-service-endpoint={SOCKET}");
    let endpoints: [&[&str]; 3] = [
        &["/usr/bin/kubelet", "--v=2", &flag],
        &["/usr/bin/kubelet", "--image-service-endpoint", SOCKET],
        &["/usr/local/bin/k3s", "agent", "--kubelet-arg", "container-runtime-endpoint=/run/repoint/run/crio/crio.sock"],
    ];
    for words in endpoints {
        Node::new().has("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n").runs(words).refuses_for("process 4711");
    }
}

#[test]
fn its_configuration_is_found_where_it_was_told_to_look() {
    let key = format!("imageServiceEndpoint: {SOCKET}\n");
    for (words, file) in [
        (vec!["kubelet", "--config=/opt/node.yaml"], "/opt/node.yaml"),
        (vec!["kubelet", "--config", "/opt/node.yaml"], "/opt/node.yaml"),
        (vec!["kubelet", "--config-dir=/opt/node.d"], "/opt/node.d/50.conf"),
        (vec!["kubelet", "--config-dir", "/opt/node.d"], "/opt/node.d/50.conf"),
        (vec!["k3s", "server", "-c", "/opt/k3s.yaml"], "/opt/k3s.yaml"),
        (vec!["rke2", "agent", "--config=/opt/rke2.yaml"], "/opt/rke2.yaml.d/50.yaml"),
    ] {
        Node::new().has(file, &key).runs(&words).refuses_for(file);
    }
}

#[test]
fn a_socket_in_another_place_is_known_by_what_puts_it_there() {
    let file = "/var/lib/kubelet/config.yaml";
    let elsewhere = || Node::new().has(file, "imageServiceEndpoint: unix:///run/cri/images.sock\n");
    elsewhere().may_be_removed().expect("nobody has heard of that one");
    for (config, text) in [
        ("/etc/repoint/repoint.toml", "# listen\nlisten = \"unix:///run/cri/images.sock\"\n"),
        ("/etc/repoint/repoint.d/listen.toml", "listen='/run/cri/images.sock' # by path\n"),
        (
            "/etc/systemd/system/repoint.socket.d/here.conf",
            "[Socket]\nListenStream=\nListenStream=/run/cri/images.sock\n",
        ),
        ("/etc/systemd/system/repoint.socket.d/here.conf", "[Socket]\n ListenStream = %t/cri/images.sock \n"),
    ] {
        elsewhere().has(config, text).refuses_for(file);
    }
    // The default that is written down as a comment adds nothing, and neither does the line that empties the list.
    let shipped = fs::read_to_string(source("systemd/repoint.toml")).unwrap();
    let emptied = "[Socket]\nListenStream=\n";
    elsewhere()
        .has("/etc/repoint/repoint.toml", &shipped)
        .has("/etc/systemd/system/repoint.socket.d/here.conf", emptied)
        .may_be_removed()
        .expect("a comment is no word of anybody's");
}

#[test]
fn what_was_installed_counts_whatever_files_it_is_in() {
    let record = "/var/lib/repoint/install.json";
    Node::new().has(record, "{}").refuses_for(record);
    let elsewhere = "/opt/state/install.json";
    Node::new()
        .has("/etc/repoint/repoint.toml", "state = \"/opt/state\"\n")
        .has(elsewhere, "{}")
        .refuses_for(elsewhere);
}

#[test]
fn who_knows_better_has_the_last_word() {
    Node::new()
        .has("/var/lib/kubelet/config.yaml", &format!("imageServiceEndpoint: {SOCKET}\n"))
        .has("/etc/repoint/remove-anyway", "")
        .may_be_removed()
        .expect("it was said");
}

#[test]
fn what_the_units_name_is_where_they_name_it() {
    let entries = entries();
    let goes = |to: &str| entries.iter().any(|entry| entry.to == to);
    let service = Unit::new(SERVICE);
    let program = service.value("ExecStart").unwrap().split(' ').next().unwrap();
    assert!(goes(program.trim_start_matches('/')), "{program}");
    for file in
        ["usr/lib/systemd/system/repoint.service", "usr/lib/systemd/system/repoint.socket", "etc/repoint/repoint.toml"]
    {
        assert!(goes(file), "{file}");
    }
    for Entry { mode, to, .. } in &entries {
        let runs = ["usr/bin/", "usr/lib/repoint/"].iter().any(|directory| to.starts_with(directory));
        assert_eq!(mode == "755", runs, "{to} has mode {mode}");
    }
}

#[test]
fn all_that_is_there_to_be_shipped_is() {
    let shipped: BTreeSet<_> = shipped().into_iter().map(|(from, _)| from).collect();
    for directory in ["systemd", "docs", "packaging"] {
        for entry in fs::read_dir(source(directory)).unwrap().map(Result::unwrap) {
            // Of these the packages are made; they are not in them.
            if ["deb", "rpm", "pages", "files"].iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let has = |file: &Path| shipped.contains(file);
            let is_there = if entry.path().is_dir() {
                fs::read_dir(entry.path()).unwrap().all(|file| has(&file.unwrap().path()))
            } else {
                has(&entry.path())
            };
            assert!(is_there, "{} is in no package", entry.path().display());
        }
    }
}

#[test]
fn links_in_what_is_shipped_lead_to_what_is_shipped() {
    let shipped = shipped();
    let mut followed = 0;
    for (from, to) in shipped.iter().filter(|(from, _)| from.extension().is_some_and(|end| end == "md")) {
        let text = fs::read_to_string(from).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            // What is elsewhere, and here; and the way into the code, which is of use to who has the code.
            if link.is_empty() || link.contains("://") || link == "ARCHITECTURE.md" {
                continue;
            }
            let mut leads_to = to.parent().unwrap().to_owned();
            for part in Path::new(link) {
                if part == ".." { assert!(leads_to.pop()) } else { leads_to.push(part) }
            }
            let is_there = shipped.iter().any(|(_, to)| to.starts_with(&leads_to));
            assert!(is_there, "{}: {link} leads to {}", from.display(), leads_to.display());
            followed += 1;
        }
    }
    assert!(followed > 10, "only {followed} links were found: is the reading still right?");
}

#[test]
fn every_script_is_one() {
    for directory in ["packaging/deb", "packaging/rpm"] {
        for file in fs::read_dir(source(directory)).unwrap().map(|entry| entry.unwrap().path()) {
            let output = Command::new("sh").arg("-n").arg(&file).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn the_policy_can_be_compiled() {
    if let Err(missing) = Missing::programs(&PROGRAMS[..2]) {
        return missing.skip("no opinion about the policy");
    }
    let directory = tempfile::tempdir().unwrap();
    let [module, package] = ["repoint.mod", "repoint.pp"].map(|name| directory.path().join(name));
    let policy = |end: &str| source("packaging/selinux").join(format!("repoint.{end}"));
    let mut compile = Command::new("checkmodule");
    compile.args(["-M", "-m", "-o"]).arg(&module).arg(policy("te"));
    let mut pack = Command::new("semodule_package");
    pack.arg("-o").arg(&package).arg("-m").arg(&module).arg("-f").arg(policy("fc"));
    for mut step in [compile, pack] {
        let output = step.output().unwrap();
        assert!(output.status.success(), "{step:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(fs::metadata(package).unwrap().len() > 0);
}

#[test]
fn the_policy_has_a_label_for_every_directory_of_the_units() {
    let labels = fs::read_to_string(source("packaging/selinux/repoint.fc")).unwrap();
    let unit = Unit::new(SERVICE);
    for (directory, setting) in [
        ("run", "RuntimeDirectory"),
        ("var/lib", "StateDirectory"),
        ("var/log", "LogsDirectory"),
        ("etc", "ConfigurationDirectory"),
    ] {
        let path = format!("/{directory}/{}(/.*)?", unit.value(setting).unwrap());
        assert!(labels.lines().any(|line| line.split_whitespace().next() == Some(&path)), "{path}");
    }
}

#[test]
fn logrotate_understands_the_example() {
    if let Err(missing) = Missing::programs(&PROGRAMS[2..]) {
        return missing.skip("no opinion of logrotate's");
    }
    let directory = tempfile::tempdir().unwrap();
    // It insists on a file that is root's, or whoever runs it, and that nobody else can write to.
    let file = directory.path().join("repoint");
    fs::copy(source("packaging/logrotate/repoint"), &file).unwrap();
    let state = directory.path().join("state");
    let output = Command::new("logrotate").arg("--debug").arg("--state").arg(state).arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("error:"), "{said}");
    assert!(said.contains("/var/log/repoint/audit.jsonl"), "{said}");
}

#[test]
fn the_set_up_installs_what_this_takes() {
    let script = include_str!("../scripts/set-up");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for (program, package) in PROGRAMS {
        assert!(script.lines().any(|line| words(line) == [program, package]), "no line has {program}");
    }
}
