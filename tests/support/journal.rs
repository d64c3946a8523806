//! systemd's journal, the real one, where the host's cannot be seen and it cannot be seen from the host.
//!
//! Only its daemon runs, in a mount namespace with a `/run` of its own, and a network namespace, which keeps it from the
//! kernel's auditing. No other part of systemd is needed, or started.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use super::world::Missing;

/// How long something that takes a moment may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

const DAEMON: &str = "/lib/systemd/systemd-journald";

/// A `/run` of one's own, with a journal in it or without.
pub struct Journal(Child);

impl Journal {
    /// A journal. `None` where none can be had, which is said; it is a failure under `CI=true` if only the package lacks.
    pub async fn start() -> Option<Self> {
        let lacks = [DAEMON, "/usr/bin/journalctl"].into_iter().find(|program| !Path::new(program).exists());
        if let Some(lacks) = lacks {
            Missing::Programs(vec![(lacks, "systemd")]).skip("no journal of one's own");
            return None;
        }
        let mut journal = Self::become_of(&[DAEMON])?;
        let started = Instant::now();
        while !journal.socket().exists() {
            assert!(started.elapsed() < LIMIT, "the journal does not start");
            assert_eq!(journal.0.try_wait().unwrap(), None, "the journal does not start");
            sleep(Duration::from_millis(10)).await;
        }
        Some(journal)
    }

    /// None, for certain.
    pub async fn absent() -> Option<Self> {
        let journal = Self::become_of(&["sleep", "1000"])?;
        let started = Instant::now();
        while !journal.socket().parent().unwrap().exists() || journal.name() != "sleep" {
            assert!(started.elapsed() < LIMIT, "there is no place without a journal");
            sleep(Duration::from_millis(10)).await;
        }
        Some(journal)
    }

    fn become_of(words: &[&str]) -> Option<Self> {
        let is_possible = Command::new("unshare")
            .args(["--mount", "--net", "true"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !is_possible {
            skip("namespaces cannot be made");
            return None;
        }
        let child = Command::new("unshare")
            .args(["--mount", "--net", "--propagation", "private"])
            .args(["sh", "-c", include_str!("journal.sh"), "journal.sh"])
            .args(words)
            .stdin(Stdio::null())
            .spawn()
            .expect("unshare starts");
        Some(Self(child))
    }

    /// Becomes another command, which sees this `/run`.
    pub fn within(&self) -> [String; 5] {
        let process = self.process().to_string();
        ["nsenter", "--mount", "--target", &process, "--"].map(str::to_owned)
    }

    fn process(&self) -> u32 {
        self.0.id()
    }

    fn name(&self) -> String {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", self.process())).unwrap_or_default();
        name.trim().to_owned()
    }

    /// Its socket, as others see it.
    pub fn socket(&self) -> PathBuf {
        format!("/proc/{}/root/run/systemd/journal/socket", self.process()).into()
    }

    /// The entries that these words of `journalctl` find, once there are as many.
    pub async fn entries(&self, words: &[&str], many: usize) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let within = self.within();
            let found = Command::new(&within[0])
                .args(&within[1..])
                .args(["journalctl", "--quiet", "--no-pager", "--all", "--output", "json"])
                .args(words)
                .output()
                .unwrap();
            let text = String::from_utf8(found.stdout).unwrap();
            let entries: Vec<_> =
                text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
            if entries.len() >= many {
                return entries;
            }
            assert!(started.elapsed() < LIMIT, "{words:?} finds {entries:#?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Past the capture of a test's output: a test that did not run must not look like one.
fn skip(why: &str) {
    writeln!(io::stderr(), "skipped, no journal of one's own can be had here: {why}").unwrap();
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped_already = self.0.wait();
    }
}
