//! Running somebody else's program: with bounded time, bounded output, and no shell.

#[cfg(test)]
mod tests;

use crate::output::is_invisible;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::zeroize::Zeroizing;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A program to run.
pub(super) struct Program {
    /// Its path, or a name that is looked for on `PATH`.
    pub command: OsString,
    /// Its arguments.
    pub args: Vec<String>,
    /// What is in its environment besides our own: helpers want `HOME`, clouds' tools a proxy. What systemd says in ours
    /// is about us alone and not handed on, unless it is said here.
    pub env: Vec<(OsString, OsString)>,
    /// How long it may take.
    pub limit: Duration,
}

/// What a program left.
pub(super) struct Output {
    status: ExitStatus,
    stdout: Zeroizing<Vec<u8>>,
    stderr: Vec<u8>,
}

/// Lets so many programs run at once, and no more.
#[derive(Debug)]
pub(super) struct Gate(Semaphore);

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// There is none.
    #[error("there is no program `{0}`")]
    Missing(String),
    /// It is there, and who is to run it is not.
    #[error("`{0}` is there, but not the interpreter or loader that it asks for")]
    Uninterpreted(String),
    /// It could not be started, or talked to.
    #[error("`{program}` could not be run")]
    Broken {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// It took too long, and was killed.
    #[error("`{program}` did not end within {limit:?}")]
    Slow {
        /// The program.
        program: String,
        /// The time it had.
        limit: Duration,
    },
    /// Those before it took too long.
    #[error("`{program}` runs {AT_ONCE} times already, and has not ended within {limit:?}")]
    Busy {
        /// The program.
        program: String,
        /// The time it was waited for.
        limit: Duration,
    },
    /// It would not stop writing, and was killed.
    #[error("`{0}` wrote more than {LARGEST_OUTPUT} bytes")]
    Large(String),
    /// It says itself that it failed.
    #[error("`{program}` ended with {status}{}", Said(said))]
    Status {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last line it wrote to its standard error, shortened and cleaned.
        said: String,
    },
}

/// `: text`, or nothing.
struct Said<'a>(&'a str);

/// A process and what it started, for as long as it has not been waited for. Of that, what made itself the leader of
/// another group (`setsid`, as daemons do) is out of reach.
struct Group(Option<Pid>);

/// Of standard output. Tokens are a few kilobytes.
const LARGEST_OUTPUT: usize = 1 << 20;
/// Of standard error that is looked at; what comes after is read and dropped, so that the program can go on.
const LARGEST_COMPLAINT: usize = 16 << 10;
/// Of a line that is quoted.
const LONGEST_QUOTE: usize = 200;
/// At once, of one source. A node that starts asks for dozens of images at a time, and the answer to the first often
/// serves the others.
const AT_ONCE: usize = 4;
/// What a killed process may need until it is gone. One that hangs in a system call is left to tokio, which waits for
/// it in the background.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What systemd tells a service about itself (systemd.exec(5)). With it a helper would be shown to the credentials of
/// every other source, and could speak to systemd in our name. It runs as the same user: one that means harm finds both all
/// the same, so this is for those that mean none.
const OUR_OWN: &[&str] = &[
    "CREDENTIALS_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "CACHE_DIRECTORY",
    "LOGS_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "FDSTORE",
    "MAINPID",
    "MANAGERPID",
    "PIDFILE",
    "SYSTEMD_EXEC_PID",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
];

// === impl Program ===

impl Program {
    /// Runs the program once, with `input` on its standard input.
    ///
    /// If this is dropped, or fails, the program is killed with its process group: all it started, but for what left the
    /// group on purpose (`setsid`). That goes on until the service stops and systemd ends whatever is in its cgroup. It can't
    /// hold up a pull, though, since nobody waits for it beyond the time limit.
    ///
    /// # Errors
    ///
    /// When it could not be run to its end. How it ended is not judged here.
    pub(super) async fn run(&self, input: &[u8]) -> Result<Output, Failed> {
        let mut child = self.start()?;
        // After the child, so that it is dropped before: as long as the child is there, nobody else has its number.
        let group = Group::of(&child);
        let talk = tokio::time::timeout(self.limit, self.talk(&mut child, input)).await;
        let failed = match talk {
            Ok(Ok(output)) => {
                group.gone();
                return Ok(output);
            }
            Ok(Err(failed)) => failed,
            Err(_) => Failed::Slow { program: self.name(), limit: self.limit },
        };
        drop(group);
        let _reaped = tokio::time::timeout(LAST_WORDS, child.wait()).await;
        Err(failed)
    }

    fn start(&self) -> Result<Child, Failed> {
        self.command().spawn().map_err(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                self.broken(error)
            } else if self.is_there() {
                // The system says the same of both.
                Failed::Uninterpreted(self.name())
            } else {
                Failed::Missing(self.name())
            }
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.command);
        command.args(&self.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        // First, so that one of these can be given to a program on purpose.
        for name in OUR_OWN {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    async fn talk(&self, child: &mut Child, input: &[u8]) -> Result<Output, Failed> {
        let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(stdin) = &mut stdin {
                // Whoever needs no input does not read it. What counts is the answer.
                let _unread = stdin.write_all(input).await;
            }
            drop(stdin);
            Ok(())
        };
        let answer = async {
            match stdout {
                Some(stdout) => self.read(stdout).await,
                None => Ok(Zeroizing::default()),
            }
        };
        let complaint = async {
            match stderr {
                Some(stderr) => self.skim(stderr).await,
                None => Ok(Vec::new()),
            }
        };
        let ((), stdout, stderr) = tokio::try_join!(feed, answer, complaint)?;
        let status = child.wait().await.map_err(|error| self.broken(error))?;
        Ok(Output { status, stdout, stderr })
    }

    /// Reads to the end, into a buffer with room for all there may be: one that grows leaves behind what it held.
    async fn read(&self, mut from: impl AsyncRead + Unpin) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let mut out = Zeroizing::new(Vec::with_capacity(LARGEST_OUTPUT.saturating_add(1)));
        while out.len() <= LARGEST_OUTPUT {
            if from.read_buf(&mut *out).await.map_err(|error| self.broken(error))? == 0 {
                return Ok(out);
            }
        }
        Err(Failed::Large(self.name()))
    }

    /// Reads to the end and keeps the beginning.
    async fn skim(&self, mut from: impl AsyncRead + Unpin) -> Result<Vec<u8>, Failed> {
        let mut out = Vec::new();
        let mut kept = (&mut from).take(LARGEST_COMPLAINT as u64);
        kept.read_to_end(&mut out).await.map_err(|error| self.broken(error))?;
        tokio::io::copy(&mut from, &mut tokio::io::sink()).await.map_err(|error| self.broken(error))?;
        Ok(out)
    }

    /// Whether its path leads to something. Of one that is looked for on `PATH` nobody knows.
    fn is_there(&self) -> bool {
        let path = Path::new(&self.command);
        path.is_absolute() && path.exists()
    }

    fn name(&self) -> String {
        self.command.to_string_lossy().into_owned()
    }

    fn broken(&self, error: io::Error) -> Failed {
        Failed::Broken { program: self.name(), error }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys of cloud accounts are handed over in the environment.
        f.debug_struct("Program").field("command", &self.command).field("limit", &self.limit).finish_non_exhaustive()
    }
}

// === impl Output ===

impl Output {
    /// What a program that succeeded wrote.
    ///
    /// # Errors
    ///
    /// When `program`, whose output this is, did not succeed.
    pub(super) fn success(self, program: &Program) -> Result<Zeroizing<Vec<u8>>, Failed> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        Err(Failed::Status { program: program.name(), status: self.status, said: quote(&self.stderr) })
    }

    /// What a program that failed wrote where answers are due.
    pub(super) fn refusal(&self) -> Option<&[u8]> {
        (!self.status.success()).then_some(&self.stdout)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("status", &self.status).finish_non_exhaustive()
    }
}

// === impl Gate ===

impl Gate {
    /// A gate that is open.
    pub(super) fn new() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }

    /// Waits until `program` may run.
    ///
    /// # Errors
    ///
    /// When those before it take longer than it may take itself.
    pub(super) async fn enter(&self, program: &Program) -> Result<SemaphorePermit<'_>, Failed> {
        match tokio::time::timeout(program.limit, self.0.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            // Nobody closes it, so it is the time that is over.
            Ok(Err(_)) | Err(_) => Err(Failed::Busy { program: program.name(), limit: program.limit }),
        }
    }
}

// === impl Said ===

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

// === impl Group ===

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// The process has been waited for: its number may be another's by now.
    fn gone(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It fails if there is nobody left.
            let _gone = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// The last line of what a program said, such as a person can be shown. The last, since what comes before is how it
/// came to that.
fn quote(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let is_plain = |c: &char| !c.is_control() && !is_invisible(*c);
    let mut quote: String = line.chars().filter(is_plain).take(LONGEST_QUOTE).collect();
    if line.chars().count() > LONGEST_QUOTE {
        quote.push('…');
    }
    quote
}
