//! The program under test, as a process of its own.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

/// How long something that takes a moment may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

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
    audit: String,
    tables: String,
    /// Words before its own.
    within: Vec<String>,
    /// By the name of the file, without its end.
    drop_ins: Vec<(String, String)>,
    /// In the place of all that makes a file.
    verbatim: Option<String>,
    /// Another file than its own, which somebody else has written.
    config: Option<PathBuf>,
    /// A socket that it is handed, and what that is called.
    handed: Option<(OwnedFd, String)>,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    stdout: Stdio,
}

/// What a run came to that ended by itself.
#[derive(Debug)]
pub struct Output {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Setup {
    /// Settings, as lines of TOML, that go before the tables of the file.
    pub fn settings(mut self, lines: &str) -> Self {
        self.settings.push_str(lines);
        self.settings.push('\n');
        self
    }

    /// A command that becomes it in the end, such as one that gives it namespaces of its own.
    pub fn within(mut self, words: &[&str]) -> Self {
        self.within.extend(words.iter().map(ToString::to_string));
        self
    }

    /// A rule in the place of the built-in one.
    pub fn rule(self, name: &str, pattern: &str, targets: &[&str]) -> Self {
        self.toml(&format!("[[rules]]\nname = {name:?}\nmatch = [{pattern:?}]\ntargets = {targets:?}\n"))
    }

    /// More of `[audit]`, as lines of TOML.
    pub fn audit(mut self, lines: &str) -> Self {
        self.audit.push_str(lines);
        self.audit.push('\n');
        self
    }

    /// Further tables, such as `[[rules]]`, as they are to stand at the end of the file.
    pub fn toml(mut self, text: &str) -> Self {
        self.tables.push_str(text);
        self.tables.push('\n');
        self
    }

    /// A file of this name in the directory beside the file.
    pub fn drop_in(mut self, name: &str, text: &str) -> Self {
        self.drop_ins.push((name.to_owned(), text.to_owned()));
        self
    }

    /// This file, whatever else was said.
    pub fn verbatim(mut self, text: &str) -> Self {
        self.verbatim = Some(text.to_owned());
        self
    }

    /// A file that is there, in the place of its own.
    pub fn config(mut self, file: &Path) -> Self {
        self.config = Some(file.to_owned());
        self
    }

    /// A socket that listens already, by this name, as systemd hands them over.
    pub fn handed(mut self, socket: impl Into<OwnedFd>, name: &str) -> Self {
        self.handed = Some((socket.into(), name.to_owned()));
        self
    }

    /// A variable of its environment, and of nobody else's.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where its standard output goes.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = stdout.into();
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

    /// Starts it, whether or not there will be anybody at its own socket.
    pub fn unreachable(self) -> Repoint {
        self.spawn()
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
        let file = self.file();
        let Self { directory, drop_ins, flags, environment, stdout, within, config, handed, .. } = self;
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("repoint.toml"), file).unwrap();
        for (name, text) in drop_ins {
            let drop_ins = directory.join("repoint.d");
            fs::create_dir_all(&drop_ins).unwrap();
            fs::write(drop_ins.join(format!("{name}.toml")), text).unwrap();
        }
        let log = directory.join("repoint.log");
        fs::write(&log, "").unwrap();
        // At its end, whoever else writes it: two may be started in one directory.
        let log = File::options().append(true).open(log).unwrap();
        let mut command = within;
        let stdin = match handed {
            None => Stdio::null(),
            // Descriptors are numbers: it comes as the first one, and a shell, whose process it then is, makes it the fourth.
            Some((socket, name)) => {
                let script = format!(
                    "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES='{name}'; \
                     export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; exec \"$@\""
                );
                command.extend(["sh", "-c", script.as_str(), "sh"].map(str::to_owned));
                socket.into()
            }
        };
        command.extend([program().display().to_string(), "serve".to_owned()]);
        let config = config.unwrap_or_else(|| directory.join("repoint.toml"));
        command.extend(["--config".to_owned(), config.display().to_string()]);
        command.extend(["--listen".to_owned(), format!("unix://{}", directory.join("repoint.sock").display())]);
        command.extend(flags);
        let child = Command::new(&command[0])
            .args(&command[1..])
            .env("RUST_LOG", "info,repoint=debug")
            // Where a configuration that is not gone by says nothing of its state: a test's is not the machine's.
            .env("STATE_DIRECTORY", directory.join("state"))
            .envs(environment)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not run: {error}", command[0]));
        Repoint { child, directory, command }
    }

    /// What is in its file.
    pub fn file(&self) -> String {
        if let Some(text) = &self.verbatim {
            return text.clone();
        }
        let Self { settings, audit: more, tables, .. } = self;
        let audit = self.directory.join("audit.jsonl");
        let state = self.directory.join("state");
        format!("node = \"node-1\"\nstate = {state:?}\n{settings}[audit]\nfile = {audit:?}\n{more}{tables}")
    }
}

/// The binary. cargo tells tests where it is; to an example, which is one more directory down, it does not.
pub fn program() -> PathBuf {
    match option_env!("CARGO_BIN_EXE_repoint") {
        Some(path) => path.into(),
        None => {
            let own = std::env::current_exe().expect("a running program has a path");
            own.ancestors().nth(2).expect("cargo's directory for this profile").join("repoint")
        }
    }
}

/// Runs it once, with these words and this on its standard input. Blocks: a test with a stand-in that it is to talk to
/// gives it a thread of its own.
pub fn run(words: &[&str], stdin: &str) -> Output {
    run_with(words, &[], stdin)
}

/// The same, with these variables in its environment.
pub fn run_with(words: &[&str], environment: &[(&str, &str)], stdin: &str) -> Output {
    // Files and not pipes: nobody has to empty one while another fills.
    let [mut input, stdout, stderr] = std::array::from_fn(|_| tempfile::tempfile().unwrap());
    input.write_all(stdin.as_bytes()).unwrap();
    input.rewind().unwrap();
    let mut child = Command::new(program())
        .args(words)
        .envs(environment.iter().copied())
        .stdin(input)
        .stdout(stdout.try_clone().unwrap())
        .stderr(stderr.try_clone().unwrap())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{words:?} does not end: {}", all_of(stderr));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Output { code: status.code(), stdout: all_of(stdout), stderr: all_of(stderr) }
}

fn all_of(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

impl Repoint {
    /// One whose files are in `directory`, in front of no runtime yet.
    pub fn in_directory(directory: &Path) -> Setup {
        Setup {
            directory: Self::directory_in(directory),
            settings: String::new(),
            audit: String::new(),
            tables: String::new(),
            within: Vec::new(),
            drop_ins: Vec::new(),
            verbatim: None,
            config: None,
            handed: None,
            flags: Vec::new(),
            environment: Vec::new(),
            stdout: Stdio::null(),
        }
    }

    /// Where one of those has its files.
    pub fn directory_in(directory: &Path) -> PathBuf {
        directory.join("repoint")
    }

    /// One in front of `runtime`.
    pub fn before(runtime: &Path, directory: &Path) -> Setup {
        Self::in_directory(directory).flag("--runtime", runtime)
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("repoint.sock")
    }

    /// Its configuration file. Drop-ins are in `repoint.d` beside it, and so is the kill switch.
    pub fn config(&self) -> PathBuf {
        self.directory.join("repoint.toml")
    }

    /// Its admin socket.
    pub fn admin(&self) -> PathBuf {
        self.directory.join("admin.sock")
    }

    /// How it is, as `/status` has it.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.page("/status")).expect("an object")
    }

    /// Waits until `is_so` of what it recorded.
    pub async fn recorded(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            // The last line may be on its way.
            let text = fs::read_to_string(self.audit_file()).unwrap_or_default();
            let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(found) = whole.into_iter().find(|record| is_so(record)) {
                return found;
            }
            assert!(started.elapsed() < LIMIT, "it does not record {what}: {text}\n{}", self.log());
            sleep(Duration::from_millis(5)).await;
        }
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

    /// What it recorded of pulls.
    pub fn records(&self) -> Vec<Value> {
        self.all_records().into_iter().filter(|record| record["attempts"].is_array()).collect()
    }

    /// What it recorded.
    pub fn all_records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.audit_file()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// What it counts, as a scraper sees it.
    pub fn metrics(&self) -> String {
        self.page("/metrics")
    }

    /// A page of its admin socket.
    fn page(&self, path: &str) -> String {
        let started = Instant::now();
        let mut line = loop {
            // It comes a moment after the other one.
            match UnixStream::connect(self.admin()) {
                Ok(line) => break line,
                Err(error) => assert!(started.elapsed() < LIMIT, "it has no admin socket: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        line.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
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
