//! Lines in pipes and files.

use super::{failures, hand, line, pulled, wait_until};
use crate::audit::sink::{Failures, Sinks};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::{PipeReader, Read, Seek, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// A pipe as standard output.
fn piped(counted: &Failures) -> (Sinks, PipeReader) {
    let (reader, writer) = pipe().unwrap();
    let out = File::from(OwnedFd::from(writer));
    (Sinks::default().with_stdout(out, counted).unwrap(), reader)
}

#[test]
fn standard_output_has_the_lines_of_the_file() {
    let (sinks, mut reader) = piped(&Failures::default());
    let mut expected = Vec::new();
    for number in 1..=3 {
        let record = pulled("k8s.gcr.io/x:1");
        expected.extend(line(&record, number));
        hand(&sinks, &record, number);
    }
    drop(sinks);
    let mut got = Vec::new();
    reader.read_to_end(&mut got).unwrap();
    assert_eq!(got, expected);
}

#[test]
fn a_pipe_that_nobody_empties_holds_up_nobody_and_tears_no_line() {
    let counted = Failures::default();
    let (sinks, mut reader) = piped(&counted);
    let record = pulled(&"x".repeat(4096));
    let line = line(&record, 1);
    let started = Instant::now();
    for number in 0..3000 {
        sinks.hand(&record, number, &line);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let lost = failures(&counted, "stdout");
    assert!(lost > 1000, "{lost}");
    // What waits is still written when it is emptied in the end.
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    drop(sinks);
    let all = reading.join().unwrap();
    assert!(all.chunks(line.len()).all(|got| got == line));
    assert_eq!((all.len() / line.len()) as u64 + lost, 3000);
}

#[test]
fn a_reader_that_has_gone_ends_the_sink() {
    let counted = Failures::default();
    let (sinks, reader) = piped(&counted);
    drop(reader);
    for number in 1..=3 {
        hand(&sinks, &pulled("k8s.gcr.io/x:1"), number);
    }
    wait_until(|| failures(&counted, "stdout") == 3);
}

#[test]
fn a_disk_that_is_full_is_counted_each_time() {
    let counted = Failures::default();
    let out = File::options().write(true).open("/dev/full").unwrap();
    let sinks = Sinks::default().with_stdout(out, &counted).unwrap();
    hand(&sinks, &pulled("k8s.gcr.io/x:1"), 1);
    hand(&sinks, &pulled("k8s.gcr.io/x:2"), 2);
    wait_until(|| failures(&counted, "stdout") == 2);
}

#[test]
fn a_line_that_was_cut_off_costs_no_other() {
    // A page that may not grow takes the beginning of a line and refuses the rest.
    let memory = memfd_create("full", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let mut memory = File::from(memory);
    memory.set_len(4096).unwrap();
    fcntl_add_seals(&memory, SealFlags::GROW).unwrap();
    let counted = Failures::default();
    let sinks = Sinks::default().with_stdout(memory.try_clone().unwrap(), &counted).unwrap();
    hand(&sinks, &pulled(&"x".repeat(4096)), 1);
    wait_until(|| failures(&counted, "stdout") == 1);
    assert_eq!(memory.stream_position().unwrap(), 4096);
    memory.rewind().unwrap();
    let record = pulled("k8s.gcr.io/x:2");
    hand(&sinks, &record, 2);
    drop(sinks);
    let mut got = vec![0; line(&record, 2).len() + 1];
    memory.read_exact_at(&mut got, 0).unwrap();
    assert_eq!(got, [b"\n".as_slice(), &line(&record, 2)].concat());
}
