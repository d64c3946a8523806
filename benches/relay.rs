//! What repoint costs: the same calls straight to a runtime and through `repoint serve`, in turns, as ratios.
//!
//! Times on a machine that does other things drift, and both sides drift alike only if they take short turns. So the ratios are
//! what to read. One row compares the direct way with itself and says how far to trust the others.
//!
//! The client is hyper's, on one connection per side as a kubelet has, and is part of both sides: what it costs
//! makes the ratios smaller than those of repoint alone, as any client would.

// Unwrapping is how a measurement fails.
#![expect(clippy::expect_used, clippy::arithmetic_side_effects, reason = "nothing but a measurement depends on this")]

// The language of the tests, most of which is not needed here.
#[path = "../tests/support/mod.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::explicit_write,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "it is written for tests, where clippy lets these pass"
)]
mod support;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use repoint::cri::v1::{ImageSpec, ImageStatusRequest, ListImagesRequest, VersionRequest};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use support::caller::Caller;
use support::grpc;
use support::kubelet::Kubelet;
use support::repoint::Repoint;
use support::standin::{Answer, Standin, User};
use support::world::{Image, World};

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const LIST: &str = "/runtime.v1.ImageService/ListImages";

const OLD: &str = "k8s.gcr.io/busybox:1";
const NEW: &str = "registry.k8s.io/busybox:1";

/// The largest answer that a kubelet takes, less what frames it.
const LARGE: usize = (16 << 20) - 5;

/// How long one row is measured. With eight rows and the making of a node the whole stays below a minute.
const ROW: Duration = Duration::from_secs(5);

/// How many calls one side makes before it is the other's turn, times callers: some milliseconds' worth.
const TURN: usize = 64;
const TURN_OF_LARGE: usize = 2;

/// What the first form of repoint is to achieve.
const RATIO_AIM: f64 = 1.6;
const IDLE_AIM: f64 = 8.0;

/// How long a process takes at most to settle after a start or a load.
const SETTLED: Duration = Duration::from_millis(500);

/// One kind of call.
struct Case {
    what: &'static str,
    callers: usize,
    turn: usize,
    /// Where either side calls, and with what.
    direct: Side,
    through: Side,
}

#[derive(Clone)]
struct Side {
    socket: std::path::PathBuf,
    path: &'static str,
    request: Bytes,
}

/// What came of it.
struct Outcome {
    what: &'static str,
    callers: usize,
    direct: Times,
    through: Times,
}

/// How long each call took, from the shortest to the longest.
struct Times(Vec<Duration>);

/// A stand-in runtime on a thread of its own. It ends when this is dropped.
struct Elsewhere {
    _end: DropGuard,
}

/// Lines about the memory of a process, in MB.
struct Memory(Vec<(&'static str, [f64; 3])>);

fn main() -> io::Result<()> {
    // `cargo test --benches` runs benchmarks without this, to see whether they run; half a minute is too much for that.
    if !std::env::args().any(|argument| argument == "--bench") {
        return writeln!(io::stdout(), "not measured: `cargo bench` is the way to ask for it");
    }
    // One thread: what the client costs is then the same on both sides, wherever the system puts it.
    runtime().block_on(measured())
}

async fn measured() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let standin = directory.path().join("runtime.sock");
    let _elsewhere = Elsewhere::start(&standin);
    let world = match World::available() {
        Ok(()) => World::start().await,
        Err(missing) => {
            writeln!(io::stdout(), "No containerd can be run here ({missing}): small calls go to the stand-in.")?;
            None
        }
    };
    let (real, place) = match &world {
        Some(world) => {
            world.push("busybox:1", &Image::busybox()).await;
            (world.containerd_socket(), world.path())
        }
        None => (standin.clone(), directory.path()),
    };
    let runtime = if world.is_some() { "containerd" } else { "the stand-in" };

    let mut memory = Memory(Vec::new());
    let small = Repoint::before(&real, &place.join("small")).start().await;
    memory.note("idle after its start", &small).await;
    let kubelet = Kubelet::v1(&small.socket());
    kubelet.version().await.expect("the runtime answers");
    memory.note("idle after a first call, its connection open", &small).await;
    // Pulled through repoint, so that it knows which name served.
    kubelet.pull(OLD).await.expect("the image is in the registry");

    let side = |socket: &Path, path, request| Side { socket: socket.to_owned(), path, request };
    let case = |what, callers, path, direct, through| Case {
        what,
        callers,
        turn: TURN / callers,
        direct: side(&real, path, direct),
        through: side(&small.socket(), path, through),
    };
    let version = grpc::encoded(&VersionRequest { version: "0.1.0".repeat(20) });
    let mut outcomes = Vec::new();
    let mut control = case("control: direct against direct", 1, VERSION, version.clone(), version.clone());
    control.through = control.direct.clone();
    outcomes.push(control.run().await);
    for callers in [1, 16] {
        outcomes.push(case("Version", callers, VERSION, version.clone(), version.clone()).run().await);
        outcomes.push(case("ImageStatus, not matched", callers, STATUS, status(NEW), status(NEW)).run().await);
    }
    // Asked directly for what repoint finds, so that both get the same answer.
    outcomes.push(case("ImageStatus, matched", 1, STATUS, status(NEW), status(OLD)).run().await);
    memory.note("after small calls, connections closed", &small).await;

    let large = Repoint::before(&standin, &directory.path().join("large")).start().await;
    let list = grpc::encoded(&ListImagesRequest::default());
    let case = Case {
        what: "16 MB answer (the stand-in)",
        callers: 1,
        turn: TURN_OF_LARGE,
        direct: side(&standin, LIST, list.clone()),
        through: side(&large.socket(), LIST, list),
    };
    outcomes.push(case.run().await);
    memory.note("after 16 MB answers, connection closed", &large).await;

    report(&mut io::stdout().lock(), runtime, &outcomes, &memory)?;
    if let Some(world) = world {
        world.stop();
    }
    Ok(())
}

fn report(out: &mut impl Write, runtime: &str, outcomes: &[Outcome], memory: &Memory) -> io::Result<()> {
    writeln!(out, "Calls to {runtime}, directly and through repoint, in turns. Times in µs.\n")?;
    let cells = ["callers", "calls", "direct p50", "through p50", "ratio", "direct p99", "through p99", "ratio"];
    write!(out, "{:<32}", "")?;
    for cell in cells {
        write!(out, "{cell:>12}")?;
    }
    writeln!(out)?;
    for outcome in outcomes {
        let Outcome { what, callers, direct, through } = outcome;
        write!(out, "{what:<32}{callers:>12}{:>12}", direct.0.len())?;
        for part in [50, 99] {
            let (direct, through) = (direct.percentile(part), through.percentile(part));
            let micros = |time: Duration| time.as_secs_f64() * 1e6;
            write!(out, "{:>12.0}{:>12.0}{:>12.2}", micros(direct), micros(through), ratio(through, direct))?;
        }
        writeln!(out)?;
    }
    if let Some(large) = outcomes.last() {
        let rate = |times: &Times| 16.0 * 1.048_576 / times.percentile(50).as_secs_f64();
        let (direct, through) = (rate(&large.direct), rate(&large.through));
        writeln!(out, "\n16 MB answer: {direct:.0} MB/s directly, {through:.0} MB/s through: {:.2}", through / direct)?;
    }

    write!(out, "\n{:<48}", "Memory of repoint, MB")?;
    writeln!(out, "{:>12}{:>12}{:>12}", "resident", "anonymous", "peak")?;
    for (when, [resident, anonymous, peak]) in &memory.0 {
        writeln!(out, "{when:<48}{resident:>12.1}{anonymous:>12.1}{peak:>12.1}")?;
    }

    let alone = outcomes.iter().filter(|outcome| outcome.callers == 1 && outcome.what.starts_with("Version"));
    let worst = alone.map(Outcome::ratio).fold(0.0, f64::max);
    writeln!(
        out,
        "\nAim: at most {RATIO_AIM} × the direct p50 at one caller, against containerd: {worst:.2} against {runtime}, {}",
        verdict(worst <= RATIO_AIM)
    )?;
    let idle = memory.0.iter().take(2).map(|(_, [resident, ..])| *resident).fold(0.0, f64::max);
    writeln!(out, "Aim: at most {IDLE_AIM} MB resident when idle: {idle:.1}, {}", verdict(idle <= IDLE_AIM))
}

const fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "NOT MET" }
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn status(image: &str) -> Bytes {
    let image = Some(ImageSpec { image: image.to_owned(), ..ImageSpec::default() });
    grpc::encoded(&ImageStatusRequest { image, verbose: false })
}

// === impl Case ===

impl Case {
    async fn run(self) -> Outcome {
        let Self { what, callers, turn, direct, through } = self;
        let (mut direct, mut through) = (Turns::dial(direct).await, Turns::dial(through).await);
        for side in [&mut direct, &mut through] {
            side.take(callers, turn).await;
            // The first calls pay for connections and warm caches.
            side.took.clear();
        }
        let started = Instant::now();
        while started.elapsed() < ROW {
            // There and back, so that neither side always comes after the other.
            for side in [true, false, false, true] {
                let side = if side { &mut direct } else { &mut through };
                side.take(callers, turn).await;
            }
        }
        Outcome { what, callers, direct: Times::sorted(direct.took), through: Times::sorted(through.took) }
    }
}

// === impl Outcome ===

impl Outcome {
    fn ratio(&self) -> f64 {
        ratio(self.through.percentile(50), self.direct.percentile(50))
    }
}

/// One side of a case while it is measured.
struct Turns {
    side: Side,
    caller: Caller,
    took: Vec<Duration>,
}

// === impl Turns ===

impl Turns {
    async fn dial(side: Side) -> Self {
        Self { caller: Caller::dial(&side.socket).await, side, took: Vec::new() }
    }

    async fn take(&mut self, callers: usize, turn: usize) {
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            let (mut caller, side) = (self.caller.clone(), self.side.clone());
            tasks.spawn(async move {
                let mut took = Vec::with_capacity(turn);
                for _ in 0..turn {
                    took.push(call(&mut caller, &side).await);
                }
                took
            });
        }
        for took in tasks.join_all().await {
            self.took.extend(took);
        }
    }
}

/// One call, until the last of its answer, which nobody gathers: that would cost more than repoint does.
async fn call(caller: &mut Caller, side: &Side) -> Duration {
    let since = Instant::now();
    let response = caller.begin(side.path, HeaderMap::new(), side.request.clone()).await.expect("headers");
    let mut body = response.into_body();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        trailers = frame.expect("all of the answer").into_trailers().ok();
    }
    let took = since.elapsed();
    let trailers = trailers.expect("an answer that is no refusal");
    assert_eq!(trailers.get("grpc-status").map(http::HeaderValue::as_bytes), Some(&b"0"[..]), "{}", side.path);
    took
}

// === impl Times ===

impl Times {
    fn sorted(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that so many of a hundred calls did not exceed.
    fn percentile(&self, part: usize) -> Duration {
        *self.0.get(self.0.len() * part / 100).expect("calls were made")
    }
}

// === impl Elsewhere ===

impl Elsewhere {
    fn start(socket: &Path) -> Self {
        let socket = socket.to_owned();
        let end = CancellationToken::new();
        let ended = end.clone();
        let (ready, listens) = sync_channel(1);
        thread::spawn(move || {
            runtime().block_on(async move {
                let standin = Standin::start(&socket);
                standin.has_image(NEW, User::Unsaid);
                let large = grpc::frame(grpc::PLAIN, &vec![0; LARGE]);
                standin.answers(LIST, move |_| Answer::frames([large.clone()]));
                ready.send(()).expect("somebody waits for it");
                ended.cancelled().await;
            });
        });
        listens.recv().expect("it starts");
        Self { _end: end.drop_guard() }
    }
}

// === impl Memory ===

impl Memory {
    async fn note(&mut self, when: &'static str, repoint: &Repoint) {
        tokio::time::sleep(SETTLED).await;
        let status = fs::read_to_string(format!("/proc/{}/status", repoint.pid())).expect("it runs, on Linux");
        let megabytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux says so");
            let kibibytes = line.trim_start_matches(':').trim().trim_end_matches(" kB");
            kibibytes.parse::<f64>().expect("a number") * 1024.0 / 1e6
        };
        self.0.push((when, ["VmRSS", "RssAnon", "VmHWM"].map(megabytes)));
    }
}
