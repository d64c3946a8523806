//! Namespaces of a world's own, so that ending one process ends them all.
//!
//! A runtime's shims are made to outlive it, and what they mount outlives them. Looking for them one
//! by one afterwards would miss whatever a test or a crash left half done. In a process namespace the
//! kernel does it, and no mount of theirs is ever seen outside.

use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long the enclosure may take to do as it is told, and to end.
const LIMIT: Duration = Duration::from_secs(20);

/// A process namespace and a mount namespace with `init.sh` in them.
pub struct Enclosure {
    unshare: Child,
    /// Unset once the end has begun: closing it is what ends the enclosure.
    orders: Option<ChildStdin>,
    done: Lines<BufReader<ChildStdout>>,
}

/// What `init.sh` can be told to do.
#[derive(Debug, Clone, Copy)]
pub enum Order<'a> {
    /// Starts a registry, which has its settings in `NAME.yml` and its log in `NAME.log`.
    Registry(&'a str),
    /// Starts containerd, which is also what those below are about.
    Start,
    /// As a service manager stops it.
    Stop,
    /// As a crash ends it.
    Kill,
}

// === impl Enclosure ===

impl Enclosure {
    pub fn start(directory: &Path) -> Self {
        let mut unshare = Command::new("unshare")
            // So that it can be ended by force, should init.sh not end by itself.
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", include_str!("init.sh"), "init.sh"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let orders = unshare.stdin.take();
        let done = unshare.stdout.take().expect("its output is a pipe");
        Self { unshare, orders, done: BufReader::new(done).lines() }
    }

    /// Returns when it is done.
    pub async fn order(&mut self, order: Order<'_>) -> Result<(), String> {
        let (word, name) = match order {
            Order::Registry(name) => ("registry", name),
            Order::Start => ("start", ""),
            Order::Stop => ("stop", ""),
            Order::Kill => ("kill", ""),
        };
        let orders = self.orders.as_mut().ok_or("the enclosure has ended")?;
        let line = format!("{word} {name}\n");
        orders.write_all(line.as_bytes()).await.map_err(|error| format!("{word}: {error}"))?;
        match timeout(LIMIT, self.done.next_line()).await {
            Ok(Ok(Some(said))) if said == word => Ok(()),
            Ok(other) => Err(format!("{word}: the enclosure answered {other:?}")),
            Err(_) => Err(format!("{word}: no answer within {LIMIT:?}")),
        }
    }

    /// Ends all processes in it, whatever they do. Blocks, since it has to work in a `Drop`.
    pub fn end(&mut self) -> Result<(), String> {
        self.orders = None;
        if self.exits_within(LIMIT) {
            return Ok(());
        }
        self.unshare.start_kill().map_err(|error| format!("the enclosure stays: {error}"))?;
        if self.exits_within(LIMIT) {
            return Err(format!("the enclosure had to be killed after {LIMIT:?}"));
        }
        Err("the enclosure survives being killed".to_owned())
    }

    /// Whether unshare has exited, which it does when the last process of the namespace is gone.
    fn exits_within(&mut self, limit: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < limit {
            if matches!(self.unshare.try_wait(), Ok(Some(_))) {
                return true;
            }
            thread::sleep(Duration::from_millis(2));
        }
        false
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        // A world that never came to be has nobody else to end this before its directory goes.
        drop(self.end());
    }
}
