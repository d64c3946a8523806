//! How fast a log is read, and in how much memory: 1 GB (some 2.5 million records) in less than 5 s on two cores, in less
//! than 100 MiB. Fails where it takes longer, or more.
//!
//! `cargo bench --bench report` reads 200 MB, which has to take no more than a fifth; `cargo bench --bench report -- 1000` a
//! thousand. The log is made first, and then in the page cache: what is measured is the program, not the disk.

#![expect(clippy::expect_used, reason = "nothing but a measurement depends on this")]

#[path = "../tests/support/log.rs"]
#[expect(unreachable_pub, clippy::arithmetic_side_effects, reason = "it is written for tests, too")]
mod log;

use log::Fleet;
use repoint::args::{Layout, Report};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

/// The aim, for each MB.
const MICROSECONDS: f64 = 5_000.0;
/// The aim, for any length.
const PEAK_MIB: f64 = 100.0;
const DEFAULT_MB: u64 = 200;
const NODES: u64 = 1000;
/// The best of a few counts.
const ROUNDS: usize = 3;
/// The kernel tells processor time in these.
const TICKS: f64 = 100.0;

fn main() {
    let megabytes = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(DEFAULT_MB);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("audit.jsonl");
    let records = generate(&path, megabytes);
    let length = fs::metadata(&path).expect("it was written").len();
    let options = Report { sources: vec![path], format: Layout::Json, ..Report::default() };
    let (mut best, mut processor) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let (started, before) = (Instant::now(), processor_seconds());
        let now = "2023-04-20T00:00:00Z".parse().expect("a moment");
        assert!(repoint::cmd::report::report(&options, now, None, &mut io::sink()).is_ok(), "it reports");
        best = best.min(started.elapsed().as_secs_f64());
        processor = processor.min(processor_seconds() - before);
    }
    let (mb, peak) = (as_f64(length) / 1e6, peak_mib());
    let mut out = io::stdout();
    writeln!(
        out,
        "{mb:.0} MB, {records} records: {best:.2} s ({processor:.2} s of a processor), {:.0} MB/s, {:.0} records/s, at most {peak:.0} MiB of memory",
        mb / best,
        as_f64(records) / best,
    )
    .expect("somebody reads");
    // On a machine that does other things, time passes in which this does not run. What takes less of a processor takes less
    // time where there is one.
    assert!(best.min(processor) * 1e6 < MICROSECONDS * mb, "it is to take less than {:.2} s", MICROSECONDS * mb / 1e6);
    assert!(peak < PEAK_MIB, "it is to take less than {PEAK_MIB} MiB");
}

/// Writes a log, and says how many records are in it.
fn generate(path: &Path, megabytes: u64) -> u64 {
    let mut file = BufWriter::new(File::create(path).expect("it can be written"));
    let mut fleet = Fleet::new(NODES);
    let (mut length, mut records, mut line) = (0, 0, String::new());
    while length < megabytes.saturating_mul(1_000_000) {
        line.clear();
        fleet.record(&mut line);
        file.write_all(line.as_bytes()).expect("there is room");
        length = length.saturating_add(u64::try_from(line.len()).unwrap_or_default());
        records = u64::saturating_add(records, 1);
    }
    file.flush().expect("there is room");
    records
}

/// How long processors have worked on this.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux tells it");
    let (_, after_name) = stat.rsplit_once(')').expect("the name is in brackets");
    let ticks = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().expect("a number"));
    ticks.sum::<f64>() / TICKS
}

/// The most memory that this process ever had.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    peak.expect("it is among them") / 1024.0
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "these are far below 2^53")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
