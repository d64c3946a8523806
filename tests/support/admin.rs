//! What the service tells about itself, asked for with as little HTTP as there can be.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::page::Page;
use super::repoint::Repoint;

/// How long something that takes a moment may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Who asks at the admin socket, or over TCP.
#[derive(Debug, Clone)]
pub enum Admin {
    Socket(PathBuf),
    Tcp(SocketAddr),
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: u16,
    /// In lower case, with the line that has the code.
    pub head: String,
    pub body: String,
}

/// Both ways at once.
trait Line: Read + Write {}

impl<T: Read + Write> Line for T {}

// === impl Admin ===

impl Admin {
    /// At the socket of one that has just started; returns when it is there.
    pub async fn of(repoint: &Repoint) -> Self {
        let socket = repoint.admin();
        until("its admin socket is there", || UnixStream::connect(&socket).is_ok()).await;
        Self::Socket(socket)
    }

    /// At this address; returns when somebody is there.
    pub async fn over_tcp(address: SocketAddr) -> Self {
        until("somebody listens", || TcpStream::connect(address).is_ok()).await;
        Self::Tcp(address)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, body)
    }

    pub fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut line = self.connect();
        let said = request(method, path, body);
        // Whoever refuses to read all of it has an answer all the same.
        let _refused = line.write_all(said.as_bytes());
        Answer::read(line)
    }

    /// How it is.
    pub fn status(&self) -> Value {
        let answer = self.get("/status");
        assert_eq!(answer.code, 200, "{answer:?}");
        serde_json::from_str(&answer.body).expect("an object")
    }

    pub fn page(&self) -> Page {
        Page::read(&self.get("/metrics").body)
    }

    /// Waits until it is so; returns how it is then.
    pub async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut status = Value::Null;
        until(what, || {
            status = self.status();
            holds(&status)
        })
        .await;
        status
    }

    /// Waits until so many reloads have come to that (`loaded` or `refused`).
    pub async fn reloaded(&self, outcome: &str, times: usize) {
        let count = || self.page().count("repoint_config_reloads_total", &[("outcome", outcome)]);
        until(&format!("{times} reloads are {outcome}"), || count() == times).await;
    }

    /// Waits until the service has looked at everything that it looks at every second.
    pub async fn looked(&self, repoint: &Repoint) {
        // One of those is the kill switch, which shows that it was looked at. Of the others each has had its turn, too,
        // between two looks at it; and once more for those that have clocks of their own.
        let switch = repoint.config().with_file_name("disabled");
        for _ in 0..2 {
            std::fs::write(&switch, "").unwrap();
            self.until("the kill switch is thrown", |status| status["disabled"] == true).await;
            std::fs::remove_file(&switch).unwrap();
            self.until("the kill switch is put back", |status| status["disabled"] == false).await;
        }
    }

    fn connect(&self) -> Box<dyn Line> {
        match self {
            Self::Socket(path) => Box::new(connected(path)),
            Self::Tcp(address) => {
                let line = TcpStream::connect(address).expect("somebody listens");
                line.set_read_timeout(Some(LIMIT)).unwrap();
                Box::new(line)
            }
        }
    }
}

/// A line to the socket on which nothing takes for ever.
pub fn connected(socket: &Path) -> UnixStream {
    let line = UnixStream::connect(socket).expect("somebody listens");
    line.set_read_timeout(Some(LIMIT)).unwrap();
    line
}

/// A request, as it is written.
pub fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Waits until it is so.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

// === impl Answer ===

impl Answer {
    /// All that comes on a line until its end.
    pub fn read(mut line: impl Read) -> Self {
        let mut said = Vec::new();
        let mut part = [0; 4096];
        // A line that is reset after the answer, for what was not read, has told the answer all the same.
        while let Ok(count @ 1..) = line.read(&mut part) {
            said.extend_from_slice(&part[..count]);
        }
        let said = String::from_utf8(said).expect("text");
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {said:?}"));
        let code = head.strip_prefix("HTTP/1.1 ").and_then(|head| head.get(..3)?.parse().ok()).expect("a code");
        Self { code, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}
