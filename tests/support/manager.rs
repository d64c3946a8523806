//! What systemd is to a service: who is told that it is ready, that it lives, and how it is.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// How long something that takes a moment may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Listens to a service.
pub struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
    heard: Vec<String>,
}

// === impl Manager ===

impl Manager {
    pub fn start(directory: &Path) -> Self {
        let path = directory.join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { path, socket, heard: Vec::new() }
    }

    /// What `$NOTIFY_SOCKET` is.
    pub fn address(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// All it was told so far, one message each.
    pub fn heard(&mut self) -> &[String] {
        let mut message = [0; 8192];
        while let Ok(length) = self.socket.recv(&mut message) {
            self.heard.push(String::from_utf8(message[..length].to_vec()).unwrap());
        }
        &self.heard
    }

    /// Waits for the first message from number `from` on that has `line` in it, or a line that begins so; says which it is.
    pub async fn hears(&mut self, from: usize, line: &str) -> (usize, String) {
        let started = Instant::now();
        loop {
            let found = self.heard().iter().enumerate().skip(from);
            let mut found = found.filter(|(_, message)| message.lines().any(|one| one.starts_with(line)));
            if let Some((number, message)) = found.next() {
                return (number, message.clone());
            }
            assert!(started.elapsed() < LIMIT, "it does not say {line}: {:#?}", self.heard);
            sleep(Duration::from_millis(5)).await;
        }
    }
}
