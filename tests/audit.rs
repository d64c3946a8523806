//! Accountable: whoever has the answer to a substituted pull finds its record, whatever happens to the disk, the file or the
//! process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use repoint::cri::v1::{ImageSpec, PullImageRequest};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::caller::Caller;
use crate::support::grpc;
use crate::support::repoint::{Repoint, Setup};
use crate::support::standin::Standin;
use crate::support::world::World;

const PULL: &str = "/runtime.v1.ImageService/PullImage";

/// Longer than anything takes that happens.
const LIMIT: Duration = Duration::from_secs(60);

/// A stand-in runtime, and where repoint is to run in front of it.
struct Place {
    directory: TempDir,
    standin: Standin,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let standin = Standin::start(&directory.path().join("runtime.sock"));
        Self { directory, standin }
    }

    fn setup(&self) -> Setup {
        Repoint::before(&self.directory.path().join("runtime.sock"), self.directory.path())
    }

    /// Where the log is.
    fn logs(&self) -> PathBuf {
        self.directory.path().join("repoint")
    }
}

fn pull_of(image: &str) -> Bytes {
    let image = Some(ImageSpec { image: image.to_owned(), ..ImageSpec::default() });
    grpc::encoded(&PullImageRequest { image, ..PullImageRequest::default() })
}

/// Pulls these all at once, and returns those that were answered.
async fn pull_all(caller: &Caller, images: impl IntoIterator<Item = String>) -> Vec<String> {
    pull_counted(caller, images, &Arc::new(Semaphore::new(0))).await
}

/// The same; `answered` gets a permit for each that was.
async fn pull_counted(
    caller: &Caller,
    images: impl IntoIterator<Item = String>,
    answered: &Arc<Semaphore>,
) -> Vec<String> {
    let mut pulls = JoinSet::new();
    for image in images {
        let begun = caller.begun(PULL, pull_of(&image));
        let answered = Arc::clone(answered);
        pulls.spawn(async move {
            let body = begun.await.ok()?.into_body().collect().await.ok()?;
            let is_pulled = body.trailers()?.get("grpc-status")? == "0";
            is_pulled.then(|| answered.add_permits(1))?;
            Some(image)
        });
    }
    timeout(LIMIT, pulls.join_all()).await.unwrap().into_iter().flatten().collect()
}

fn text(path: &Path) -> String {
    let (mut text, file) = (String::new(), File::open(path).unwrap());
    let read = match path.extension().is_some_and(|end| end == "gz") {
        true => MultiGzDecoder::new(file).read_to_string(&mut text),
        false => { file }.read_to_string(&mut text),
    };
    read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text
}

/// Every record by its number, of the log and of what was put aside. A file that is there plain and compressed is one file.
fn records(directory: &Path) -> BTreeMap<u64, Value> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("audit") {
            names.insert(name);
        }
    }
    let mut records = BTreeMap::new();
    for name in names.iter().filter(|name| !names.contains(&format!("{name}.gz"))) {
        for line in text(&directory.join(name)).lines() {
            let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
            let number = record["seq"].as_u64().unwrap();
            let twice = records.insert(number, record);
            assert!(twice.is_none(), "{name}: there are two of number {number}: {twice:?}");
        }
    }
    records
}

/// The images of pulls.
fn images(records: &BTreeMap<u64, Value>) -> BTreeSet<String> {
    records.values().filter_map(|record| Some(record.get("image")?.as_str()?.to_owned())).collect()
}

/// The images of records of one event.
fn images_of(records: &BTreeMap<u64, Value>, event: &str) -> BTreeSet<String> {
    let of_event = records.iter().filter(|(_, record)| record["event"] == event);
    images(&of_event.map(|(number, record)| (*number, record.clone())).collect())
}

fn assert_no_gap(records: &BTreeMap<u64, Value>) {
    let missing: Vec<_> = (1..=records.len() as u64).filter(|number| !records.contains_key(number)).take(10).collect();
    assert_eq!(missing, [] as [u64; 0], "of {} records", records.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_pulls_at_once_have_a_whole_record_each_with_a_number_of_its_own() {
    let place = Place::new();
    let repoint = place.setup().start().await;
    let mut clients = JoinSet::new();
    for client in 0..10 {
        let caller = Caller::dial(&repoint.socket()).await;
        let images = (0..1000).map(move |number| format!("k8s.gcr.io/c{client}/i:{number}"));
        clients.spawn(async move { pull_all(&caller, images).await.len() });
    }
    assert_eq!(clients.join_all().await.into_iter().sum::<usize>(), 10_000);
    let records = records(&place.logs());
    assert_no_gap(&records);
    assert_eq!(images(&records).len(), 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_two_hundred_times_it_loses_no_record_of_an_answered_pull() {
    let place = Place::new();
    let setup = || place.setup().audit("rotate_bytes = 65536\nkeep = 10000");
    let (mut answered, mut asked) = (BTreeSet::new(), 0);
    let mut kills = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..200 {
        let repoint = setup().env("RUST_LOG", "warn").start().await;
        let caller = Caller::dial(&repoint.socket()).await;
        let images: Vec<_> = (0..100).map(|number| format!("k8s.gcr.io/r{round}/i:{number}")).collect();
        asked += images.len();
        // A linear congruential generator: random enough, and the same each time.
        kills = kills.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let enough = u32::try_from((kills >> 33) % 100).unwrap();
        let so_far = Arc::new(Semaphore::new(0));
        let kill = async {
            // After so many answers, and not after some time: a busy machine gives few in any.
            let _answered = timeout(LIMIT, so_far.acquire_many(enough)).await.expect("it answers");
            // Dropped, it is killed.
            drop(repoint);
        };
        let (pulled, ()) = tokio::join!(pull_counted(&caller, images, &so_far), kill);
        answered.extend(pulled);
    }
    assert!(answered.len() > asked / 10, "{} of {asked} pulls were answered", answered.len());
    assert!(answered.len() < asked, "all were answered: it was killed too late");
    // One start more mends the last end.
    let repoint = setup().start().await;
    assert_eq!(pull_all(&Caller::dial(&repoint.socket()).await, ["k8s.gcr.io/last:1".to_owned()]).await.len(), 1);
    assert!(repoint.stop().await.success());
    let records = records(&place.logs());
    assert_no_gap(&records);
    let recorded = images(&records);
    let lost: Vec<_> = answered.difference(&recorded).take(10).collect();
    assert!(lost.is_empty(), "of {} answered pulls {lost:?} have no record", answered.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_load_loses_nothing() {
    let place = Place::new();
    let repoint = place.setup().audit("rotate_bytes = 65536\nkeep = 1000").start().await;
    let caller = Caller::dial(&repoint.socket()).await;
    let asked: Vec<_> = (0..2000).map(|number| format!("k8s.gcr.io/i:{number}")).collect();
    for some in asked.chunks(200) {
        assert_eq!(pull_all(&caller, some.iter().cloned()).await.len(), some.len());
        // Each of them is there at once, wherever it is by now.
        let read = tokio::task::block_in_place(|| text(&repoint.audit_file()));
        assert!(read.len() <= 65536);
    }
    assert!(repoint.stop().await.success());
    let records = records(&place.logs());
    assert_no_gap(&records);
    assert_eq!(images(&records), asked.into_iter().collect());
    let mut packed = 0;
    for entry in fs::read_dir(place.logs()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("audit") {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777 & !0o640, 0, "{name}");
            packed += usize::from(name.ends_with("Z.jsonl.gz"));
        }
    }
    assert!(packed > 0, "nothing was compressed");
}

#[tokio::test]
async fn another_may_rotate_it_and_say_so_by_a_signal() {
    let place = Place::new();
    let repoint = place.setup().start().await;
    let caller = Caller::dial(&repoint.socket()).await;
    pull_all(&caller, ["k8s.gcr.io/a:1".to_owned()]).await;
    fs::rename(repoint.audit_file(), place.logs().join("audit.jsonl.1")).unwrap();
    repoint.signal("USR1");
    let started = Instant::now();
    while !repoint.audit_file().exists() {
        assert!(started.elapsed() < LIMIT, "it is not opened: {}", repoint.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    pull_all(&caller, ["k8s.gcr.io/b:1".to_owned()]).await;
    // And without a signal, and by who truncates.
    fs::rename(repoint.audit_file(), place.logs().join("audit.jsonl.2")).unwrap();
    pull_all(&caller, ["k8s.gcr.io/c:1".to_owned()]).await;
    fs::copy(repoint.audit_file(), place.logs().join("audit.jsonl.3")).unwrap();
    File::options().write(true).open(repoint.audit_file()).unwrap().set_len(0).unwrap();
    pull_all(&caller, ["k8s.gcr.io/d:1".to_owned()]).await;
    let records = records(&place.logs());
    assert_no_gap(&records);
    assert_eq!(images(&records), ["a", "b", "c", "d"].map(|name| format!("k8s.gcr.io/{name}:1")).into());
}

#[tokio::test]
async fn a_torn_line_is_cut_at_the_start_and_labels_are_in_every_record() {
    let place = Place::new();
    fs::create_dir(place.logs()).unwrap();
    fs::write(place.logs().join("audit.jsonl"), "{\"schema\":1,\"time").unwrap();
    let repoint = place.setup().toml("[labels]\ncluster = \"prod\"\n").start().await;
    pull_all(&Caller::dial(&repoint.socket()).await, ["k8s.gcr.io/a:1".to_owned()]).await;
    let records = records(&place.logs());
    assert_no_gap(&records);
    for record in records.values() {
        assert_eq!(record["labels"], serde_json::json!({ "cluster": "prod" }), "{record}");
    }
    let log = repoint.log();
    assert!(log.contains("Cut off a line that was not written to its end") && log.contains("bytes=17"), "{log}");
}

/// A small disk of its own for its log. Where none can be made, that is said, and is a failure where CI promises that one
/// can.
async fn on_a_small_disk(place: &Place, more: &str) -> Option<Repoint> {
    if let Err(missing) = World::available() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no small disk: {missing}");
        writeln!(io::stderr(), "skipped, no small disk can be made here: {missing}").unwrap();
        return None;
    }
    let disk = place.directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let script = format!("mount -t tmpfs -o size=256k tmpfs {} && exec \"$@\"", disk.display());
    let setup = place.setup().within(&["unshare", "--mount", "sh", "-c", &script, "sh"]);
    let file = disk.join("audit.jsonl");
    Some(setup.drop_in("10-small", &format!("[audit]\nfile = {file:?}\n{more}\n")).start().await)
}

/// The disk, as only the process sees it.
fn seen_from_within(place: &Place, repoint: &Repoint) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", repoint.pid(), place.directory.path().join("disk").display()))
}

/// Fills a disk to the last byte, but for less than a record has. Returns what to remove for there to be room again.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut filler = File::create(&path).unwrap();
    while filler.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    path
}

#[tokio::test]
async fn where_a_record_is_required_nothing_is_pulled_from_elsewhere_on_a_full_disk() {
    let place = Place::new();
    let Some(repoint) = on_a_small_disk(&place, "required = true").await else { return };
    let disk = seen_from_within(&place, &repoint);
    let caller = Caller::dial(&repoint.socket()).await;
    let pull = async |numbers: std::ops::Range<u64>| {
        pull_all(&caller, numbers.map(|number| format!("k8s.gcr.io/i:{number}"))).await.len()
    };
    assert_eq!(pull(0..10).await, 10);
    let filler = fill(&disk);
    // What is left of the last page holds a few records more, and then no other.
    let answered = pull(10..210).await;
    let asked = || place.standin.calls().iter().filter(|seen| seen.path() == PULL).count();
    assert!(answered < 50, "{answered} pulls were told as done on a full disk");
    let before = asked();
    assert_eq!(pull(210..220).await, 0);
    assert_eq!(asked(), before, "nobody is asked");
    let ends = images_of(&records(&disk), "substituted");
    assert_eq!(ends.len(), 10 + answered, "what was told as done has its record");

    fs::remove_file(filler).unwrap();
    assert_eq!(pull(220..230).await, 10);
}

#[tokio::test]
async fn a_full_disk_stops_no_pull_and_what_is_missing_leaves_a_gap_once_there_is_room() {
    let place = Place::new();
    let Some(repoint) = on_a_small_disk(&place, "").await else { return };
    let disk = seen_from_within(&place, &repoint);
    let caller = Caller::dial(&repoint.socket()).await;
    let pull = async |from: u64, to: u64| {
        let images = (from..to).map(|number| format!("k8s.gcr.io/i:{number}"));
        assert_eq!(pull_all(&caller, images).await.len() as u64, to - from);
    };
    pull(0, 10).await;
    assert_no_gap(&records(&disk));
    let before = records(&disk).len() as u64;

    let filler = fill(&disk);
    pull(10, 210).await;
    let full = records(&disk);
    let fitted = full.len() as u64 - before;
    assert!(fitted < 50, "{fitted} records were written on a full disk");
    let lost = 200 - fitted;
    let metrics = repoint.metrics();
    assert!(metrics.contains(&format!("repoint_audit_failures_total {lost}\n")), "{lost}: {metrics}");
    let log = repoint.log();
    assert!(log.contains("A pull is not in the audit log") && log.contains("No space left on device"), "{log}");

    fs::remove_file(filler).unwrap();
    pull(210, 220).await;
    let records = records(&disk);
    assert_eq!(records.len() as u64, before + fitted + 10);
    let last = *records.last_key_value().unwrap().0;
    assert_eq!(last, before + 200 + 10, "the gap says how many are missing");
}
