//! The log as a whole: what its caller sees, what is in its files, and what is left when a step fails.

mod faults;
mod kept;
mod whole;

use super::*;
use crate::audit::record::{Body, Event, Use};
use jiff::Timestamp;
use std::fs;
use std::io::Read;
use std::path::Path;

/// Never rotated.
fn settings(file: &Path) -> Settings {
    let rotation = Rotation { bytes: 0, after: None, keep: 1000, compress: true };
    Settings { file: file.to_owned(), sync: false, required: false, rotation, journald: false, stdout: false }
}

/// The same, put aside whenever it has a few records.
fn rotating(file: &Path) -> Settings {
    let rotation = Rotation { bytes: 900, ..settings(file).rotation };
    Settings { rotation, ..settings(file) }
}

fn record_at(image: &str, time: Timestamp) -> Record {
    let used = Use {
        rule: "r".into(),
        image: image.into(),
        substitute: "s".into(),
        image_ref: None,
        digest: None,
        post_freeze: false,
        pods: None,
        times: 1,
    };
    Record { time, event: Event::Used, body: Body::Use(Box::new(used)) }
}

fn record(image: &str) -> Record {
    record_at(image, Timestamp::UNIX_EPOCH)
}

fn journal(settings: &Settings, disk: Arc<dyn Disk>) -> Journal {
    let mut journal = Journal::new(settings, Origin::somewhere(), disk, Sinks::default());
    journal.begin();
    journal
}

fn work(settings: &Settings, disk: Arc<dyn Disk>) -> Work {
    Work { names: Names::new(&settings.file), rotation: settings.rotation, disk, stop: Arc::default() }
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let file = fs::File::open(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        io::BufReader::new(file).read_to_string(&mut text).unwrap();
    }
    text
}

/// The number and the image of each record in a file.
fn lines(path: &Path) -> Vec<(u64, String)> {
    let of_line = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        (record["seq"].as_u64().unwrap(), record["image"].as_str().unwrap().to_owned())
    };
    text(path).lines().map(of_line).collect()
}

fn images(path: &Path) -> Vec<String> {
    lines(path).into_iter().map(|(_, image)| image).collect()
}

fn numbers(path: &Path) -> Vec<u64> {
    lines(path).into_iter().map(|(number, _)| number).collect()
}

/// Names in a directory, in their order.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// All records, in the order of the files' names, the log itself last.
fn all(file: &Path) -> Vec<(u64, String)> {
    let directory = file.parent().unwrap();
    let own = file.file_name().unwrap().to_str().unwrap();
    let aside = names(directory).into_iter().filter(|name| name.starts_with("audit-"));
    let mut all: Vec<_> = aside.flat_map(|name| lines(&directory.join(name))).collect();
    if directory.join(own).exists() {
        all.extend(lines(file));
    }
    all
}
