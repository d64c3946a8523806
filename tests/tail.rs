//! `repoint tail`: a log that grows, is moved away and is begun anew; and the ways of ending.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use crate::support::repoint::run;

/// How long a line may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

struct Tail {
    child: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn of(path: &Path, words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repoint"));
        let mut child = command.arg("tail").arg(path).args(words).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(100);
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("a line")
    }

    /// Ends it by this signal, and returns its exit code.
    fn end(mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_log_is_followed_across_rotation_and_truncation() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    append(&path, "{\"seq\":1}\n{\"seq\":2}\n{\"seq\":3}\n");
    let tail = Tail::of(&path, &["-n", "2"]);
    assert_eq!([tail.line(), tail.line()], ["{\"seq\":2}", "{\"seq\":3}"]);
    append(&path, "{\"seq\":");
    append(&path, "4}\n");
    assert_eq!(tail.line(), "{\"seq\":4}");
    for rotation in 5..9 {
        append(&path, &format!("{{\"seq\":{rotation}0}}\n"));
        fs::rename(&path, directory.path().join(format!("audit.jsonl.{rotation}"))).unwrap();
        append(&path, &format!("{{\"seq\":{rotation}1}}\n"));
        assert_eq!(
            [tail.line(), tail.line()],
            [format!("{{\"seq\":{rotation}0}}"), format!("{{\"seq\":{rotation}1}}")]
        );
    }
    File::create(&path).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    append(&path, "{\"seq\":9}\n");
    assert_eq!(tail.line(), "{\"seq\":9}");
    assert_eq!(tail.end("TERM"), Some(0));
}

#[test]
fn it_waits_for_a_log_that_is_not_there_and_an_interrupt_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let tail = Tail::of(&path, &["--json"]);
    std::thread::sleep(Duration::from_millis(300));
    append(&path, "{\"seq\":1}\n");
    assert_eq!(tail.line(), "{\"seq\":1}");
    assert_eq!(tail.end("INT"), Some(0));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    append(&path, "{\"seq\":1}\n");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = Command::new(env!("CARGO_BIN_EXE_repoint"));
    let output = child.arg("tail").arg(&path).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn what_cannot_be_read_is_said() {
    let ended = run(&["tail", "/dev"], "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("repoint: cannot read /dev: "), "{}", ended.stderr);
}
