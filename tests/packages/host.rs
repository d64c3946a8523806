//! A host to install packages on, which is gone afterwards.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::support::world::Missing;

/// A throw-away copy of this machine, with a stand-in for systemd that writes down what it is asked.
pub struct Host {
    shared: PathBuf,
    orders: Option<ChildStdin>,
    done: Lines<BufReader<ChildStdout>>,
    init: Child,
    commands: usize,
    // After everything that is in it.
    _directory: TempDir,
}

/// What came of a command.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    /// Of both its outputs.
    pub said: String,
}

/// Where `scripts/package` puts what it makes.
pub fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/packages")
}

/// The one package whose name ends so.
pub fn package(end: &str) -> PathBuf {
    let all = fs::read_dir(packages()).expect("`make try` makes the packages first");
    let mut found = all.map(|entry| entry.unwrap().path()).filter(|path| path.to_str().unwrap().ends_with(end));
    let package = found.next().unwrap_or_else(|| panic!("no {end}: `make try` makes the packages first"));
    assert_eq!(found.next(), None, "more than one {end}");
    package
}

// === impl Host ===

impl Host {
    /// Where systemd runs. `None` where there can be no such host, which is said, and a failure under `CI=true`.
    pub fn running() -> Option<Self> {
        let mut host = Self::at_rest()?;
        // By this it is known everywhere.
        host.does("mkdir /run/systemd /run/systemd/system");
        Some(host)
    }

    /// Where it does not: a chroot, an image that is being made.
    pub fn at_rest() -> Option<Self> {
        let needed = [("unshare", "util-linux"), ("dpkg", "dpkg"), ("deb-systemd-invoke", "init-system-helpers")];
        if let Err(missing) = Missing::privilege().and_then(|()| Missing::programs(&needed)) {
            missing.skip("no host to install on");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let shared = directory.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::write(shared.join("systemctl"), include_str!("systemctl")).unwrap();
        let mut init = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", include_str!("init.sh"), "init.sh"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = init.stdin.take();
        let done = BufReader::new(init.stdout.take().unwrap()).lines();
        let mut host = Self { shared, orders, done, init, commands: 0, _directory: directory };
        // Images of Debian have a policy of starting nothing. rpm's scripts have a PATH of rpm's, so that the stand-in is where
        // the real one was.
        host.does("rm -f /usr/sbin/policy-rc.d; install -m 755 /mnt/systemctl /usr/bin/systemctl; touch /run/asked");
        Some(host)
    }

    /// Runs a script of the shell's in it.
    pub fn run(&mut self, script: &str) -> Outcome {
        self.commands += 1;
        let n = self.commands;
        fs::write(self.shared.join(format!("{n}.sh")), script).unwrap();
        writeln!(self.orders.as_ref().unwrap(), "{n}").unwrap();
        let code = self.done.next().expect("the host is there").unwrap().parse().unwrap();
        let said = fs::read(self.shared.join(format!("{n}.out"))).unwrap();
        Outcome { code, said: String::from_utf8_lossy(&said).into_owned() }
    }

    /// One that succeeds. What it says.
    pub fn does(&mut self, script: &str) -> String {
        let Outcome { code, said } = self.run(script);
        assert_eq!(code, 0, "{script}: {said}");
        said
    }

    pub fn has(&mut self, path: &str) -> bool {
        self.run(&format!("test -e '{path}' || test -L '{path}'")).code == 0
    }

    /// A file from outside, by its path inside.
    pub fn given(&self, file: &Path) -> String {
        let name = file.file_name().unwrap();
        fs::copy(file, self.shared.join(name)).unwrap();
        format!("/mnt/{}", name.to_str().unwrap())
    }

    /// Where that directory is, outside.
    pub fn shared(&self) -> &Path {
        &self.shared
    }

    /// What systemd was asked since the last time.
    pub fn asked(&mut self) -> Vec<String> {
        let asked = self.does("cat /run/asked; : >/run/asked");
        // That somebody looks changes nothing, and what is done to files (--root=/) is done without a systemd that runs.
        let acts = |line: &&str| !["is-enabled", "is-active", "--root=/"].iter().any(|word| line.contains(word));
        asked.lines().filter(acts).map(str::to_owned).collect()
    }

    /// A kubelet that is pointed to repoint, by its flags.
    pub fn points_here(&mut self) {
        self.does(
            "mkdir -p /var/lib/kubelet; \
             echo 'KUBELET_KUBEADM_ARGS=\"--image-service-endpoint=unix:///run/repoint/repoint.sock\"' \
             >/var/lib/kubelet/kubeadm-flags.env",
        );
    }

    /// All that is called so, where packages put things and leave them. What dpkg keeps of a package besides its log are
    /// files that are named so, too.
    pub fn traces(&mut self) -> Vec<String> {
        let found = self.does("find /etc /usr /var /run /lib /opt -xdev -name '*repoint*' | sort");
        found.lines().map(str::to_owned).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Its end is what the end of input is for; a directory with mounts in it can't be removed before.
        self.orders = None;
        let _ended = self.init.wait();
    }
}
