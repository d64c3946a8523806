//! A node of one's own: a real containerd and a real registry, which nobody else can see and of
//! which nothing is left.
//!
//! The registry is `registry.k8s.io` to that containerd. Any other host, `k8s.gcr.io` first of all,
//! refuses connections, and nothing ever leaves the loopback interface.

mod cgroup;
mod containerd;
mod enclosure;
mod image;
mod login;
mod missing;
mod pod;
mod registries;
mod registry;
mod witness;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;

pub use self::cgroup::named as cgroups_named;
use self::enclosure::{Enclosure, Order};
pub use self::image::Image;
pub use self::login::{LOGIN, Login};
pub use self::missing::Missing;
pub use self::registries::Registries;
use self::registry::Door;
pub use self::registry::Registry;
pub use self::witness::{Refusal, Witness};
use super::kubelet::Kubelet;

/// The one that every world has in its registry.
pub const PAUSE: &str = "registry.k8s.io/pause:3.9";

/// How long things that take a tenth of a second may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// A node. What is in it ends with it, after a panic too.
pub struct World {
    enclosure: Enclosure,
    registry: Registry,
    /// Also the name of its cgroup.
    name: String,
    /// Last, so that it is removed last. Unset once the end has begun.
    directory: Option<TempDir>,
}

// === impl World ===

impl World {
    /// The programs that one is made of, by the Debian package that has it.
    pub const PROGRAMS: &[(&str, &str)] = &missing::PROGRAMS;

    /// Whether worlds can be made on this machine.
    pub fn available() -> Result<(), Missing> {
        missing::missing()
    }

    /// A node whose runtime has its pause image from the new registry. `None` where none can be
    /// made, which is said, and which is a failure where CI promises that one can.
    pub async fn start() -> Option<Self> {
        Self::start_with_sandbox_image(PAUSE).await
    }

    /// The same with another pause image in the runtime's configuration.
    pub async fn start_with_sandbox_image(sandbox_image: &str) -> Option<Self> {
        if let Err(missing) = Self::available() {
            missing.skip("no world");
            return None;
        }

        // A short prefix: a socket's path has 108 bytes at most.
        let directory = tempfile::Builder::new().prefix("rp-").tempdir().expect("a directory");
        let at = directory.path().to_owned();
        fs::create_dir(at.join("data")).expect("the place for the data");
        fs::write(at.join("containerd.toml"), containerd::settings(&at, sandbox_image)).expect("the settings");

        let mut enclosure = Enclosure::start(&at);
        if let Err(error) = enclosure.order(Order::Start).await {
            panic!("no world: {error}");
        }
        let registry = Registry::start(&mut enclosure, &at, "registry.k8s.io", Door::Open).await;
        containerd::cut_off(&at, "_default");
        containerd::serve(&at, "registry.k8s.io", registry.address);

        let name = at.file_name().and_then(|name| name.to_str()).expect("ours").to_owned();
        let world = Self { enclosure, registry, name, directory: Some(directory) };
        world.push("pause:3.9", &Image::busybox()).await;
        world.containerd_answers().await;
        Some(world)
    }

    /// The runtime's own socket, which its native services are on too.
    pub fn containerd_socket(&self) -> PathBuf {
        self.path().join("containerd.sock")
    }

    /// For whatever else a test wants gone when its world is.
    pub fn path(&self) -> &Path {
        self.directory.as_ref().expect("the world has not ended").path()
    }

    /// Where its registry listens.
    pub fn registry(&self) -> SocketAddr {
        self.registry.address
    }

    /// Puts an image into the registry under a `name:tag` without a host and returns its digest.
    pub async fn push(&self, name: &str, image: &Image) -> String {
        self.registry.push(name, image).await
    }

    /// Lets the runtime pull this host's images from the registry as well.
    pub fn serve(&self, host: &str) {
        self.serve_from(host, self.registry.address);
    }

    /// Leads the runtime from this host to whoever listens there: to a [`Witness`], say. An address as the host
    /// (`127.0.0.1:5000`) has to be served as well, before it can be pulled from.
    pub fn serve_from(&self, host: &str, address: SocketAddr) {
        containerd::serve(self.path(), host, address);
    }

    /// A second registry, which the runtime finds under this name and under its address, and which serves and takes
    /// images only with [`LOGIN`]. It ends with the world.
    pub async fn guarded_registry(&mut self, host: &str) -> Registry {
        let at = self.path().to_owned();
        let registry = Registry::start(&mut self.enclosure, &at, host, Door::Guarded).await;
        self.serve_from(host, registry.address);
        self.serve_from(&registry.host(), registry.address);
        registry
    }

    /// A registry that the runtime finds under its address alone, which speaks TLS, and whose certificate nobody has signed.
    pub async fn sealed_registry(&mut self) -> Registry {
        let at = self.path().to_owned();
        let registry = Registry::start(&mut self.enclosure, &at, "sealed.example", Door::Sealed).await;
        containerd::serve_sealed(&at, &registry.host(), registry.address);
        registry
    }

    /// Takes this host away from the runtime.
    pub fn cut_off(&self, host: &str) {
        containerd::cut_off(self.path(), host);
    }

    /// Ends containerd as a service manager does; its containers go on.
    pub async fn stop_containerd(&mut self) {
        self.order(Order::Stop).await;
    }

    /// Ends containerd as a crash does; its containers go on.
    pub async fn kill_containerd(&mut self) {
        self.order(Order::Kill).await;
    }

    /// Returns when it answers.
    pub async fn start_containerd(&mut self) {
        self.order(Order::Start).await;
        self.containerd_answers().await;
    }

    pub async fn restart_containerd(&mut self) {
        self.stop_containerd().await;
        self.start_containerd().await;
    }

    /// Ends it as dropping does, and fails the test if something of it stays.
    pub fn stop(mut self) {
        self.end().expect("the world ends");
    }

    async fn order(&mut self, order: Order<'_>) {
        self.enclosure.order(order).await.expect("the enclosure does as it is told");
    }

    async fn containerd_answers(&self) {
        let kubelet = Kubelet::v1(&self.containerd_socket());
        wait_for("containerd", &self.path().join("containerd.log"), async || {
            // Unlike Version, this is refused until it has found its containers and images again.
            kubelet.list_images(None).await.ok()
        })
        .await;
    }

    /// Does all of it whatever fails, and says what failed first.
    fn end(&mut self) -> Result<(), String> {
        let Some(directory) = self.directory.take() else {
            return Ok(());
        };
        let ended = self.enclosure.end();
        let left = cgroup::remove(&self.name, LIMIT);
        let removed = directory.close().map_err(|error| error.to_string());
        ended.and(left).and(removed)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("something of a world stays: {error}");
        }
    }
}

/// Asks until there is an answer; without one in time, shows what the log says.
async fn wait_for<T>(what: &str, log: &Path, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        if let Some(answer) = ask().await {
            return answer;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let log = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
    panic!("{what} does not answer within {LIMIT:?}; its log ends:\n{}", tail.join("\n"));
}
