//! The node while it runs: repoint, the kubelet, systemd, and whoever presses control-C.

use super::Failure;
use super::service::{Unanswered, address, ask};
use super::site::tell;
use crate::args::{Service, Well};
use crate::daemon::status::Status;
use crate::exit::Exit;
use crate::install::watch::{Look, Watch};
use crate::runtime::Address;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A node that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// repoint's admin socket.
    admin: Address,
    /// The unit that has the kubelet in it.
    pub unit: String,
    healthz: SocketAddr,
    wait: Duration,
    ears: Ears,
}

/// Who hears that it is to end, so that what was begun can be undone first.
#[derive(Debug)]
struct Ears {
    runtime: tokio::runtime::Runtime,
    signals: Vec<Signal>,
}

/// Why nothing is done, or why it is undone.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwell {
    #[error("repoint has to run before the kubelet is pointed to it (systemctl enable --now repoint.service)")]
    NoService(#[source] Unanswered),
    #[error("repoint's configuration is not in force (repoint config check): {0}")]
    Refused(String),
    #[error("the kubelet runs in none of {0}: nothing is changed on a node that is not well (systemctl status)")]
    NoKubelet(String),
    #[error("{unit} is not well as it is: {why}: nothing is changed on a node that is not well")]
    Before { unit: String, why: &'static str },
    #[error("{unit} was not well within {} s: {why} (journalctl -u {unit})", wait.as_secs())]
    After { unit: String, wait: Duration, why: &'static str },
    #[error("it was interrupted")]
    Interrupted,
    #[error("`systemctl show {0}` does not say how it is")]
    Silent(String, #[source] io::Error),
    #[error("--wait {0}: expected a time such as 3m or 90s")]
    NoTime(String),
    #[error("cannot hear signals")]
    Deaf(#[source] io::Error),
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a service that restarts may take until it answers.
const RESTART: Duration = Duration::from_secs(40);
/// How long `/healthz` may take.
const HEALTH: Duration = Duration::from_secs(3);

// === impl Unwell ===

impl From<Unwell> for Failure {
    fn from(unwell: Unwell) -> Self {
        let exit = if matches!(unwell, Unwell::NoTime(_)) { Exit::Usage } else { Exit::Failed };
        Self::new(exit, unwell)
    }
}

// === impl Running ===

impl Running {
    /// The node whose kubelet is in one of `units`.
    ///
    /// # Errors
    ///
    /// When none of them runs.
    pub(super) fn find(units: &[String], well: &Well) -> Result<Self, Failure> {
        // One that ends again and again is not active all the time. Of several, it is the one that is.
        let mut candidates = units.to_vec();
        if units.len() > 1 {
            let states = units.iter().map(|unit| Ok((unit, state(unit)?))).collect::<Result<Vec<_>, Failure>>()?;
            let of = |is: fn(&State) -> bool| {
                states.iter().filter(|(_, state)| is(state)).map(|(unit, _)| (*unit).clone()).collect()
            };
            candidates = of(State::is_active);
            if candidates.is_empty() {
                candidates = of(State::is_wanted);
            }
        }
        let [unit] = candidates.as_slice() else { return Err(Unwell::NoKubelet(units.join(", ")).into()) };
        Self::of(unit, well)
    }

    /// Whether none of these is to run: somebody stopped it, or there is none any more. One that failed is to run.
    pub(super) fn is_stopped(units: &[String]) -> Result<bool, Failure> {
        for unit in units {
            if state(unit)?.is_wanted() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The node whose kubelet is in `unit`.
    pub(super) fn of(unit: &str, well: &Well) -> Result<Self, Failure> {
        let wait = well.wait.parse::<SignedDuration>().ok().and_then(|wait| Duration::try_from(wait).ok());
        let wait = wait.ok_or_else(|| Unwell::NoTime(well.wait.clone()))?;
        let admin = address(&Service::default())?;
        let ears = Ears::open().map_err(Unwell::Deaf)?;
        Ok(Self { admin, unit: unit.to_owned(), healthz: well.healthz, wait, ears })
    }

    /// How repoint is, if what is configured is in force.
    pub(super) fn service(&self) -> Result<Status, Failure> {
        let text = ask(&self.admin, Method::GET, "/status", Vec::new()).map_err(Unwell::NoService)?;
        let status: Status = serde_json::from_str(&text).map_err(|error| Unwell::NoService(error.into()))?;
        match &status.configuration.refused {
            None if status.configuration.source == "files" => Ok(status),
            refused => {
                let why = refused.as_ref().map_or("see `repoint status`", |refused| refused.message.as_str());
                Err(Unwell::Refused(why.to_owned()).into())
            }
        }
    }

    /// How the kubelet is before anything is changed.
    ///
    /// # Errors
    ///
    /// When it is not well.
    pub(super) fn before(&self) -> Result<Look, Failure> {
        let look = self.look(Timestamp::MIN)?;
        let why = match look {
            Look { is_healthy: Some(false), .. } => "it says so itself (/healthz)",
            Look { is_active: false, .. } | Look { pid: 0, .. } => "it does not run",
            _ => return Ok(look),
        };
        Err(Unwell::Before { unit: self.unit.clone(), why }.into())
    }

    /// How it is, well or not.
    pub(super) fn before_or_not(&self) -> Result<Look, Failure> {
        self.look(Timestamp::MIN)
    }

    /// Waits until repoint, started anew, answers.
    pub(super) fn wait_for_service(&mut self) -> Result<Status, Failure> {
        let began = Instant::now();
        loop {
            match self.service() {
                Err(failure) if began.elapsed() > RESTART => return Err(failure),
                Err(_) => self.ears.pause(PAUSE)?,
                Ok(status) => return Ok(status),
            }
        }
    }

    /// Waits until the kubelet, started anew after that look, is well.
    pub(super) fn wait_for_kubelet(&mut self, before: Look, has_to_call: bool) -> Result<(), Failure> {
        tell(&format!("waiting until {} is well, for {} s at the most", self.unit, self.wait.as_secs()));
        let mut watch = Watch::new(before, has_to_call);
        let began = Instant::now();
        let mut since = Timestamp::now();
        loop {
            self.ears.pause(PAUSE)?;
            let look = self.look(since)?;
            if look.pid == before.pid || look.pid == 0 {
                since = Timestamp::now();
            }
            match watch.see(look) {
                None => return Ok(()),
                Some(why) if began.elapsed() > self.wait => {
                    return Err(Unwell::After { unit: self.unit.clone(), wait: self.wait, why }.into());
                }
                Some(_) => {}
            }
        }
    }

    /// Whoever presses control-C from now on is not heard: what goes on must not be left half done.
    pub(super) fn hear_no_more(&mut self) {
        self.ears.signals.clear();
    }

    /// Runs something that may take a while.
    pub(super) fn run<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Failure> {
        self.ears.run(what)
    }

    fn look(&self, since: Timestamp) -> Result<Look, Failure> {
        let state = state(&self.unit)?;
        // While repoint is asked whether it was called, whether it answers is another matter.
        let called = ask(&self.admin, Method::GET, "/status", Vec::new()).ok();
        let status = called.and_then(|text| serde_json::from_str::<Status>(&text).ok());
        let has_called = status.and_then(|status| status.last_call).is_some_and(|last| last > since);
        Ok(Look { is_active: state.is_active(), pid: state.pid, is_healthy: health(self.healthz), has_called })
    }
}

// === impl Ears ===

impl Ears {
    fn open() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let signals = runtime.block_on(async { kinds.into_iter().map(signal).collect::<io::Result<Vec<_>>>() })?;
        Ok(Self { runtime, signals })
    }

    fn pause(&mut self, time: Duration) -> Result<(), Failure> {
        self.run(async move { tokio::time::sleep(time).await })
    }

    fn run<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Failure> {
        let Self { runtime, signals } = self;
        let heard = async {
            let heard = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
            let mut heard: Vec<_> = heard.collect();
            std::future::poll_fn(|context| {
                let is_any = heard.iter_mut().any(|signal| signal.as_mut().poll(context).is_ready());
                if is_any { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
        };
        runtime.block_on(async {
            tokio::select! {
                done = what => Ok(done),
                () = heard => Err(Unwell::Interrupted.into()),
            }
        })
    }
}

/// How systemd sees a unit.
struct State {
    /// In systemd's word. A unit that there is none of is `inactive`.
    says: String,
    /// The number of its process; 0 where there is none.
    pid: u32,
}

impl State {
    fn is_active(&self) -> bool {
        self.says == "active"
    }

    /// Whether it is to run: one that failed, and one that is about to, are.
    fn is_wanted(&self) -> bool {
        self.says != "inactive"
    }
}

fn state(unit: &str) -> Result<State, Failure> {
    let output = Command::new("systemctl")
        .args(["show", unit, "--property=ActiveState", "--property=MainPID"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Unwell::Silent(unit.to_owned(), error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let pid = value("MainPID=").and_then(|pid| pid.parse().ok()).unwrap_or_default();
    Ok(State { says: value("ActiveState=").unwrap_or_default().to_owned(), pid })
}

/// Whether somebody says there that all is well; unset where nobody says anything.
fn health(address: SocketAddr) -> Option<bool> {
    let mut stream = TcpStream::connect_timeout(&address, HEALTH).ok()?;
    stream.set_read_timeout(Some(HEALTH)).ok()?;
    stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    Some(head.ends_with(b" 200"))
}
