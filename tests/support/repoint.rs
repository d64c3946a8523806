//! The program under test, as a process of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

/// How long something that takes a moment may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// A `repoint serve`, with its socket, its audit log and its own log in a directory of the test's.
pub struct Repoint {
    child: Child,
    directory: PathBuf,
    command: Vec<String>,
}

/// What it is started with.
pub struct Setup {
    directory: PathBuf,
    settings: String,
    rules: String,
    flags: Vec<String>,
}

impl Setup {
    /// Settings, as lines of TOML, that go before the tables of the file.
    pub fn settings(mut self, lines: &str) -> Self {
        self.settings.push_str(lines);
        self.settings.push('\n');
        self
    }

    /// A rule in the place of the built-in one.
    pub fn rule(mut self, name: &str, pattern: &str, targets: &[&str]) -> Self {
        let rule = format!("[[rules]]\nname = {name:?}\nmatch = [{pattern:?}]\ntargets = {targets:?}\n");
        self.rules.push_str(&rule);
        self
    }

    pub fn flag(mut self, name: &str, value: &Path) -> Self {
        self.flags.extend([name.to_owned(), format!("unix://{}", value.display())]);
        self
    }

    /// Starts it, and returns when its socket takes connections.
    pub async fn start(self) -> Repoint {
        let mut repoint = self.spawn();
        let started = Instant::now();
        while UnixStream::connect(repoint.socket()).is_err() {
            assert!(started.elapsed() < LIMIT, "it does not listen: {}", repoint.log());
            if let Some(status) = repoint.child.try_wait().unwrap() {
                panic!("it ended with {status}: {}", repoint.log());
            }
            sleep(Duration::from_millis(5)).await;
        }
        repoint
    }

    /// Starts it in the expectation that it ends by itself. Returns how, and what it said.
    pub fn refused(self) -> (ExitStatus, String) {
        let mut repoint = self.spawn();
        let started = Instant::now();
        loop {
            if let Some(status) = repoint.child.try_wait().unwrap() {
                return (status, repoint.log());
            }
            assert!(started.elapsed() < LIMIT, "it goes on: {}", repoint.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn spawn(self) -> Repoint {
        let Self { directory, settings, rules, flags } = self;
        fs::create_dir_all(&directory).unwrap();
        let audit = directory.join("audit.jsonl");
        let state = directory.join("state");
        let file = format!("node = \"node-1\"\nstate = {state:?}\n{settings}[audit]\nfile = {audit:?}\n{rules}");
        fs::write(directory.join("repoint.toml"), file).unwrap();
        let log = File::create(directory.join("repoint.log")).unwrap();
        let mut command = vec![program().display().to_string(), "serve".to_owned()];
        command.extend(["--config".to_owned(), directory.join("repoint.toml").display().to_string()]);
        command.extend(["--listen".to_owned(), format!("unix://{}", directory.join("repoint.sock").display())]);
        command.extend(flags);
        let child = Command::new(&command[0])
            .args(&command[1..])
            .env("RUST_LOG", "info,repoint=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not run: {error}", command[0]));
        Repoint { child, directory, command }
    }
}

/// The binary. cargo tells tests where it is; to an example, which is one more directory down, it does not.
fn program() -> PathBuf {
    match option_env!("CARGO_BIN_EXE_repoint") {
        Some(path) => path.into(),
        None => {
            let own = std::env::current_exe().expect("a running program has a path");
            own.ancestors().nth(2).expect("cargo's directory for this profile").join("repoint")
        }
    }
}

impl Repoint {
    /// One whose files are in `directory`, in front of no runtime yet.
    pub fn in_directory(directory: &Path) -> Setup {
        Setup { directory: directory.join("repoint"), settings: String::new(), rules: String::new(), flags: Vec::new() }
    }

    /// One in front of `runtime`.
    pub fn before(runtime: &Path, directory: &Path) -> Setup {
        Self::in_directory(directory).flag("--runtime", runtime)
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("repoint.sock")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The words it was started with.
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// What it said on standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("repoint.log")).unwrap_or_default()
    }

    /// Where it records.
    pub fn audit_file(&self) -> PathBuf {
        self.directory.join("audit.jsonl")
    }

    /// What it recorded.
    pub fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.audit_file()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// What it counts, as a scraper sees it.
    pub fn metrics(&self) -> String {
        let mut line = UnixStream::connect(self.directory.join("admin.sock")).expect("it tells its metrics");
        line.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut page = String::new();
        line.read_to_string(&mut page).unwrap();
        let (head, body) = page.split_once("\r\n\r\n").expect("a page");
        assert!(head.starts_with("HTTP/1.1 200 "), "{page}");
        body.to_owned()
    }

    /// Ends it as a service manager does.
    pub async fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until it has ended.
    pub async fn ended(mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < LIMIT, "it does not stop: {}", self.log());
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Repoint {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
        if std::thread::panicking() {
            eprintln!("repoint said:\n{}", self.log());
        }
    }
}
