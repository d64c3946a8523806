//! The configurations of shippers, as far as they can be tested without the shippers.

use std::path::{Path, PathBuf};

use repoint::audit::record::MOST_PODS;
use repoint::config::check::AUDIT_FILE;
use serde_json::{Value, json};

use crate::support::yaml;

const PLACE: &str = "/var/lib/repoint-shipper";

/// The log, with what logrotate puts aside, and what repoint does.
const FILES: [&str; 2] = ["/var/log/repoint/audit.jsonl*", "/var/log/repoint/audit-*.jsonl"];

/// More than a record of names of 4096 bytes each.
const LONGEST: usize = MOST_PODS * 3 * (4096 + 64);

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/shippers").join(name)
}

/// What the file says.
fn read(name: &str) -> Option<Value> {
    yaml::read(&shipped(name))
}

#[test]
fn the_log_is_where_the_files_look_for_it() {
    assert_eq!(FILES[0].strip_suffix('*'), Some(AUDIT_FILE));
    assert_eq!(FILES[1].replace("-*", ""), AUDIT_FILE);
}

#[test]
fn vector_reads_the_log_from_its_start_and_keeps_its_place() {
    let Some(file) = read("vector.yaml") else { return };
    let source = &file["sources"]["repoint"];
    assert_eq!(source["include"], json!(FILES));
    assert_eq!(source["exclude"], json!(["/var/log/repoint/*.gz*", "/var/log/repoint/*.zst*"]));
    assert_eq!((&source["data_dir"], &source["read_from"]), (&json!(PLACE), &json!("beginning")));
    assert!(source["max_line_bytes"].as_u64().unwrap() > LONGEST as u64);
    assert_eq!(file["transforms"]["repoint_record"]["inputs"], json!(["repoint"]));
    assert_eq!(file["sinks"]["engine"]["inputs"], json!(["repoint_record"]));
    assert_eq!(file["sinks"]["engine"]["acknowledgements"]["enabled"], true);
}

#[test]
fn fluent_bit_reads_the_log_from_its_start_and_keeps_its_place() {
    let Some(file) = read("fluent-bit.yaml") else { return };
    let [input] = &file["pipeline"]["inputs"].as_array().unwrap()[..] else { panic!("{file}") };
    assert_eq!(input["path"], FILES.join(","));
    assert_eq!(input["exclude_path"], "*.gz*,*.zst*");
    assert!(input["db"].as_str().unwrap().starts_with(PLACE));
    assert_eq!((&input["read_from_head"], &input["skip_long_lines"]), (&json!(true), &json!(true)));
    let mebibytes: usize = input["buffer_max_size"].as_str().unwrap().strip_suffix('M').unwrap().parse().unwrap();
    assert!(mebibytes << 20 > LONGEST);
    assert_eq!(input["parser"], file["parsers"][0]["name"]);
    assert_eq!(input["tag"], file["pipeline"]["outputs"][0]["match"]);
    assert_eq!(file["pipeline"]["outputs"][0]["retry_limit"], "no_limits");
}

#[test]
fn the_collector_reads_the_log_from_its_start_and_keeps_its_place() {
    let Some(file) = read("otel-collector.yaml") else { return };
    let receiver = &file["receivers"]["file_log/repoint"];
    assert_eq!(receiver["include"], json!(FILES));
    assert_eq!(receiver["exclude"], json!(["/var/log/repoint/*.gz*", "/var/log/repoint/*.zst*"]));
    assert_eq!(receiver["start_at"], "beginning");
    let mebibytes: usize = receiver["max_log_size"].as_str().unwrap().strip_suffix("MiB").unwrap().parse().unwrap();
    assert!(mebibytes << 20 > LONGEST);
    let storage = receiver["storage"].as_str().unwrap();
    assert_eq!(file["extensions"][storage]["directory"], PLACE);
    // What is named in a pipeline is there, and what is there is named.
    assert_eq!(file["service"]["extensions"], json!([storage]));
    for kind in ["receivers", "exporters"] {
        let there: Vec<_> = file[kind].as_object().unwrap().keys().collect();
        assert_eq!(file["service"]["pipelines"]["logs/repoint"][kind], json!(there), "{kind}");
    }
}

#[test]
fn the_shipper_stops_after_repoint_and_has_the_place_that_the_files_name() {
    let unit = std::fs::read_to_string(shipped("shipper.conf")).unwrap();
    let said = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(said("Before="), "repoint.service");
    assert_eq!(Path::new("/var/lib").join(said("StateDirectory=")), Path::new(PLACE));
    let seconds: u64 = said("ExecStop=/bin/sleep ").parse().unwrap();
    assert!(said("TimeoutStopSec=").parse::<u64>().unwrap() > seconds + 60);
}
