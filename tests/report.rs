//! `repoint report`: the numbers, the formats, the fixes, the exit codes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::log::Fleet;
use crate::support::repoint::{Output, run};

/// What it answers about these sources.
fn report(words: &[&str], stdin: &str) -> Output {
    run(&[&["report", "--until", "2023-03-20T12:00:00Z"], words].concat(), stdin)
}

fn json(words: &[&str], stdin: &str) -> Value {
    let ended = report(&[words, &["--format", "json"]].concat(), stdin);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// A record of `node` at this time on 2023-03-20.
fn record(node: &str, seq: u64, time: &str, rest: &str) -> String {
    format!(
        "{{\"schema\":1,\"time\":\"2023-03-20T{time}:00.000000Z\",\"seq\":{seq},\"node\":{node:?},\"machine_id\":\"m-{node}\",{rest}}}\n"
    )
}

fn pull(image: &str, pod: &str, outcome: &str) -> String {
    let event = if outcome == "pulled" { "substituted" } else { "failed" };
    format!(
        r#""event":"{event}","image":"k8s.gcr.io/{image}","substitute":"registry.k8s.io/{image}","pod":{{"namespace":"default","name":"{pod}","uid":"u-{pod}"}},"outcome":"{outcome}","post_freeze":false"#
    )
}

const HEARTBEAT: &str = r#""event":"heartbeat","since":"2023-03-20T00:00:00Z","last_call":null"#;

fn directory(files: &[(&str, &[u8])]) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let path = directory.path().display().to_string();
    (directory, path)
}

/// A frame of one raw block: Zstandard that needs no compressor.
fn zstd(text: &str) -> Vec<u8> {
    let header = 1 | u32::try_from(text.len()).unwrap() << 3;
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3], &header.to_le_bytes()[..3], text.as_bytes()].concat()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// What jq says of a file; nothing where there is none, which is a failure under `CI=true`.
fn jq(program: &str, file: &Path) -> Option<Value> {
    let output = match Command::new("jq").args(["-n", "-c", program]).arg(file).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "jq is missing: apt-get install jq");
            writeln!(io::stderr(), "skipped: jq is missing: apt-get install jq").unwrap();
            return None;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{output:?}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The same numbers, by another program.
const COUNT: &str = r#"
[inputs | select(.image != null)] | group_by(.image) | map({
  image: .[0].image,
  pulls: (map(select(.event != "used")) | length),
  uses: (map(select(.event == "used") | [.times, 1] | max) | add // 0),
  failures: (map(select(.event != "used" and .outcome != "pulled")) | length),
  fell_back: (map(select(.event == "fell_back")) | length),
  failing: (group_by(.node) | map(map(select(.event != "used")) | max_by(.time) | select(. != null and .outcome != "pulled")) | length),
  post_freeze: (any(.post_freeze)),
  pods: (map(.pod, (.pods // [])[] | select(. != null)) | unique | length),
  nodes: (map(.node) | unique | length),
  namespaces: (map(.pod, (.pods // [])[] | select(. != null) | .namespace) | unique),
  first_seen: (map(.time) | min),
  last_seen: (map(.time) | max)
})"#;

#[test]
fn the_numbers_are_those_that_another_program_counts() {
    let mut fleet = Fleet::new(17);
    let mut text = String::new();
    (0..20_000).for_each(|_| fleet.record(&mut text));
    let (directory, path) = directory(&[("audit.jsonl", text.as_bytes())]);
    let Some(counted) = jq(COUNT, &directory.path().join("audit.jsonl")) else { return };
    let told = run(&["report", &path, "--format", "json", "--until", "2024-01-01"], "");
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["records"], &told["duplicates"]), (&20_000.into(), &0.into()));
    let mut images: BTreeMap<&str, &Value> = BTreeMap::new();
    for row in told["images"].as_array().unwrap() {
        images.insert(row["image"].as_str().unwrap(), row);
        let owned: u64 = row["owners"].as_array().unwrap().iter().map(|owner| owner["pods"].as_u64().unwrap()).sum();
        assert_eq!(owned + row["other_pods"].as_u64().unwrap(), row["pods"].as_u64().unwrap(), "{row}");
    }
    let counted = counted.as_array().unwrap();
    assert!(counted.len() > 150, "{}", counted.len());
    assert_eq!(images.len(), counted.len());
    for count in counted {
        let row = images[count["image"].as_str().unwrap()];
        for (field, expected) in count.as_object().unwrap() {
            assert_eq!(&row[field], expected, "{field} of {row}");
        }
    }
}

#[test]
fn all_kinds_of_files_come_together_and_copies_count_once() {
    let lines: Vec<String> = (1..=9)
        .map(|seq| record("n", seq, "11:00", &pull("pause:3.9", &format!("web-5d78c9869d-{:05}", "x2kqz"), "pulled")))
        .collect();
    let journal =
        |line: &str| format!("{{\"_PID\":\"1\",\"MESSAGE\":{}}}\n", serde_json::to_string(line.trim_end()).unwrap());
    let agent = |line: &str| format!("{{\"message\":{}}}\n", serde_json::to_string(line).unwrap());
    let (_directory, path) = directory(&[
        ("n/audit.jsonl", format!("{}{}", lines[8], &lines[0][..99]).as_bytes()),
        ("n/audit.jsonl.1", lines[6..9].concat().as_bytes()),
        ("n/audit.jsonl.2.gz", &gzip(&lines[4..6].concat())),
        ("n/audit.jsonl.3.zst", &zstd(&lines[2..4].concat())),
        ("vector.json", agent(&lines[1]).as_bytes()),
        ("notes.txt", b"not a log"),
    ]);
    let stdin = journal(&lines[0]) + &journal(&lines[8]);
    let ended = report(&[&path, "-", "--format", "json"], &stdin);
    assert_eq!(ended.code, Some(0));
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&told["records"], &told["duplicates"]), (&9.into(), &2.into()));
    assert_eq!(told["images"][0]["pulls"], 9);
    assert_eq!(told["images"][0]["pods"], 1);
    assert_eq!(ended.stderr, format!("repoint: {path}/n/audit.jsonl:2: the last line is half written\n"));
}

#[test]
fn what_to_fix_first_comes_first() {
    let used =
        r#""event":"used","image":"k8s.gcr.io/used:1","substitute":null,"post_freeze":false,"pods":null,"times":3"#;
    let log = [
        record("a", 1, "09:00", &pull("many:1", "web-5d78c9869d-x2kqz", "pulled")),
        record("a", 2, "09:00", &pull("many:1", "web-5d78c9869d-b9vfd", "pulled")),
        record("a", 3, "09:00", &pull("mended:1", "db-0", "failed")),
        record("a", 4, "09:10", &pull("mended:1", "db-0", "pulled")),
        record("a", 5, "09:00", &pull("new:1", "db-0", "pulled").replace("freeze\":false", "freeze\":true")),
        record("a", 6, "09:00", &pull("behind:1", "db-0", "pulled").replace("substituted", "fell_back")),
        record("a", 7, "09:00", &pull("broken:1", "kube-proxy-a", "failed")),
        record("a", 8, "10:00", used),
    ]
    .concat();
    let told = json(&["-"], &log);
    let images: Vec<_> = told["images"].as_array().unwrap().iter().map(|row| row["image"].as_str().unwrap()).collect();
    let expected = ["broken:1", "behind:1", "new:1", "many:1", "mended:1", "used:1"];
    assert_eq!(images, expected.map(|image| format!("k8s.gcr.io/{image}")));
    assert_eq!(told["images"][0]["owners"][0]["kind"], "static_pod");
    let owner = &told["images"][3]["owners"][0];
    assert_eq!((&owner["name"], &owner["kind"], &owner["pods"]), (&"web".into(), &"deployment".into(), &2.into()));
    assert_eq!((&told["images"][4]["failures"], &told["images"][4]["failing"]), (&1.into(), &0.into()));
    // Pulled long ago and merely restarted.
    assert_eq!((&told["images"][5]["uses"], &told["images"][5]["node_names"][0]), (&3.into(), &"a".into()));
}

#[test]
fn time_and_namespace_narrow_it_down() {
    let other = pull("b:1", "db-0", "pulled").replace("default", "team-b");
    let log = [record("a", 1, "09:00", &pull("a:1", "db-0", "pulled")), record("a", 2, "11:00", &other)].concat();
    let images = |words: &[&str]| json(words, &log)["images"].as_array().unwrap().len();
    assert_eq!(images(&["-"]), 2);
    assert_eq!(images(&["-", "--since", "2h"]), 1);
    assert_eq!(images(&["-", "--since", "2023-03-21"]), 0);
    assert_eq!(images(&["-", "--namespace", "team-*"]), 1);
    assert_eq!(images(&["-", "--namespace", "x,default", "--since", "1d"]), 1);
    let wrong = report(&["-", "--since", "soon"], "");
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("`--since soon` is neither"), "{}", wrong.stderr);
}

#[test]
fn a_name_breaks_neither_table_nor_line() {
    let pod = r"\u001b[2J\r\nx|y,\u202e";
    let log = record("a", 1, "09:00", &pull(r"x\n\u0007y", pod, "pulled").replace("default", r"d\t\u009b"));
    for format in ["table", "markdown", "csv"] {
        let ended = report(&["-", "--format", format], &log);
        assert_eq!(ended.code, Some(0));
        let is_harmless = |c: char| (!c.is_control() && c != '\u{202e}') || "\r\n".contains(c);
        assert!(ended.stdout.chars().all(is_harmless), "{:?}", ended.stdout);
        if format != "markdown" {
            assert!(ended.stdout.contains(r"k8s.gcr.io/x\n\u{7}y"), "{}", ended.stdout);
        }
    }
    let csv = report(&["-", "--format", "csv"], &log).stdout;
    assert_eq!((csv.lines().count(), csv.matches("\r\n").count()), (2, 2), "{csv:?}");
    // Programs have it as it is, in JSON's own escapes.
    let said = report(&["-", "--format", "json"], &log).stdout;
    assert!(said.chars().all(|c| c >= ' ' || c == '\n'), "{said:?}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["images"][0]["image"], "k8s.gcr.io/x\n\u{7}y");
    assert_eq!(said["images"][0]["namespaces"][0], "d\t\u{9b}");
}

#[test]
fn legacy_is_found_and_said_by_the_exit_code() {
    let log = record("a", 1, "09:00", &pull("a:1", "db-0", "pulled"));
    let found = report(&["-", "--fail-on-legacy"], &log);
    assert_eq!((found.code, found.stderr.as_str()), (Some(5), "repoint: 1 image is asked for by an old name\n"));
    assert!(found.stdout.contains("registry.k8s.io/a:1"));
    assert_eq!(report(&["-", "--fail-on-legacy", "--since", "1h"], &log).code, Some(0));
    assert_eq!(report(&["-", "--fail-on-legacy"], &record("a", 1, "09:00", HEARTBEAT)).code, Some(0));
    assert_eq!(report(&["/nonexistent", "--fail-on-legacy"], "").code, Some(1));
}

#[test]
fn what_mends_it_follows_the_configuration() {
    let config =
        "[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [\"m.example/k8s\", \"registry.k8s.io\"]\n";
    let (_directory, path) = directory(&[("c.toml", config.as_bytes())]);
    let log = record("a", 1, "09:00", &pull("pause:3.9", "db-0", "pulled"));
    let fix = |tool| {
        let ended = report(&["-", "--config", &format!("{path}/c.toml"), "--fix", tool], &log);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        ended.stdout
    };
    assert_eq!(fix("crane"), "crane copy registry.k8s.io/pause:3.9 m.example/k8s/pause:3.9\n");
    assert!(fix("skopeo").ends_with(" docker://registry.k8s.io/pause:3.9 docker://m.example/k8s/pause:3.9\n"));
    assert_eq!(fix("kustomize"), "images:\n- name: k8s.gcr.io/pause\n  newName: m.example/k8s/pause\n");
    assert!(fix("sed").contains("k8s\\.gcr\\.io/pause:3\\.9"));
    let wrong = report(&["-", "--config", "/nonexistent", "--fix", "sed"], &log);
    assert_eq!(wrong.code, Some(3));
}

#[test]
fn a_log_that_is_not_whole_says_what_is_missing() {
    let mut log = String::new();
    for (seq, hour) in (1..).zip(0..12) {
        let time = format!("{hour:02}:30");
        log.push_str(&record("whole", seq, &time, HEARTBEAT));
        if !(3..=5).contains(&seq) {
            log.push_str(&record("gap", seq, &time, HEARTBEAT));
        }
        if hour < 6 {
            log.push_str(&record("stale", seq, &time, HEARTBEAT));
        }
    }
    let quiet = HEARTBEAT.replace("last_call\":null", "last_call\":\"2023-03-20T01:00:00Z\"");
    log.push_str(&record("stranger", 1, "11:00", &quiet));
    log = log.replace("\"since\":\"2023-03-20T00:00:00Z\",", "");
    let (_directory, path) =
        directory(&[("nodes", b"# ours\nnode/whole\ngap\nstale\nnode/missing\n"), ("a.jsonl", log.as_bytes())]);
    let (log, nodes) = (format!("{path}/a.jsonl"), format!("{path}/nodes"));
    let whole = &json(&[&log, "--nodes", &nodes], "")["completeness"];
    assert_eq!((&whole["nodes"], &whole["complete"]), (&4.into(), &1.into()));
    assert_eq!((&whole["missing"][0], &whole["unexpected"][0]), (&"missing".into(), &"stranger".into()));
    let gap =
        r#"[{"node":"gap","missing":3,"after":"2023-03-20T01:30:00.000000Z","before":"2023-03-20T05:30:00.000000Z"}]"#;
    assert_eq!(whole["gaps"].to_string(), gap);
    assert_eq!(whole["stale"][0]["last_heartbeat"], "2023-03-20T05:30:00.000000Z");
    let text = report(&[&log, "--nodes", &nodes], "").stdout;
    assert!(text.starts_with("Completeness: 1 of 4 nodes are complete\n  - no record at all: missing\n"), "{text}");
    assert!(text.contains("gap (3 between 2023-03-20 01:30 and 2023-03-20 05:30)"), "{text}");
}

/// Heartbeats of one node for this many days before 2023-03-20T12:00Z, every hour.
fn heartbeats(node: &str, days: i64) -> String {
    let end: jiff::Timestamp = "2023-03-20T12:00:00Z".parse().unwrap();
    let mut log = String::new();
    for (seq, hour) in (1..).zip((0..=days * 24).rev()) {
        let time = end - jiff::SignedDuration::from_hours(hour);
        let rest = format!(r#""event":"heartbeat","since":"{time:.6}","last_call":"{time:.6}""#);
        writeln!(
            log,
            r#"{{"schema":1,"time":"{time:.6}","seq":{seq},"node":"{node}","machine_id":"m-{node}",{rest}}}"#
        )
        .unwrap();
    }
    log
}

#[test]
fn the_old_registry_goes_when_all_were_there_and_nobody_asked() {
    let good = heartbeats("a", 31) + &heartbeats("b", 31);
    let (_directory, path) = directory(&[("nodes", b"a\nb\n"), ("three", b"a\nb\nc\n"), ("none", b"#\n")]);
    let ready = |log: &str, nodes: &str, days: &str| {
        let nodes = format!("{path}/{nodes}");
        report(&["-", "--ready-to-remove", "--days", days, "--nodes", &nodes, "--format", "json"], log)
    };
    let reasons = |log: &str, nodes: &str, days: &str| {
        let ended = ready(log, nodes, days);
        assert_eq!(ended.code, Some(5), "{}", ended.stdout);
        let told: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(told["ready"]["is_ready"], false);
        let reasons = told["ready"]["reasons"].as_array().unwrap();
        reasons.iter().map(|reason| reason["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let ended = ready(&good, "nodes", "30");
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(reasons(&good, "three", "30"), ["missing"]);
    assert_eq!(reasons(&good, "nodes", "60"), ["late"]);
    assert_eq!(reasons("", "none", "30"), ["no_nodes"]);
    let with = |rest: &str| good.clone() + &record("a", 746, "12:00", rest);
    assert_eq!(reasons(&with(&pull("a:1", "db-0", "pulled")), "nodes", "30"), ["pulled"]);
    assert_eq!(reasons(&with(r#""event":"used","image":"k8s.gcr.io/a""#), "nodes", "30"), ["used"]);
    assert_eq!(reasons(&with(r#""event":"sandbox_image","image":"k8s.gcr.io/a""#), "nodes", "30"), ["configured"]);
    assert_eq!(reasons(&with(r#""event":"intended","image":"k8s.gcr.io/a""#), "nodes", "30"), ["intended"]);
    assert_eq!(reasons(&with(r#""event":"thawed","image":"k8s.gcr.io/a""#), "nodes", "30"), ["unknown"]);
    let without = |what: &dyn Fn(usize) -> bool| {
        let lines = good.lines().enumerate().filter(|(number, _)| !what(*number));
        lines.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(reasons(&without(&|number| number == 500), "nodes", "30"), ["gap"]);
    assert_eq!(reasons(&without(&|number| (500..505).contains(&number)), "nodes", "30"), ["gap", "silence"]);
    assert_eq!(reasons(&without(&|number| (700..745).contains(&number)), "nodes", "30"), ["stale"]);
    assert_eq!(ready(&without(&|number| number == 2), "nodes", "30").code, Some(0), "before the window");
    assert_eq!(reasons(&format!("{good}{{\"schema\":1,\n"), "nodes", "30"), ["unreadable"]);
    let idle = good.replace("\"last_call\":\"2023-03-19T12", "\"last_call\":\"2023-03-18T12");
    assert_eq!(reasons(&idle, "nodes", "30"), ["unasked"]);
    let cloned = good.replace("m-b", "m-a");
    assert_eq!(reasons(&cloned, "nodes", "30"), ["shared"]);
}

#[test]
fn the_page_for_the_board_says_what_it_rests_on() {
    let good = heartbeats("a", 31);
    let (_directory, path) = directory(&[("nodes", b"a\n"), ("young", b"a 2023-03-18\n")]);
    let words = |nodes: &str, format: &str, log: &str| {
        report(&["-", "--ready-to-remove", "--nodes", &format!("{path}/{nodes}"), "--format", format], log)
    };
    assert_eq!(
        words("nodes", "table", &good).stdout,
        "Ready to remove: yes\nAsked: the 30 days from 2023-02-18 12:00 to 2023-03-20 12:00 (UTC)\n\
         Completeness: 1 of 1 nodes are complete\nAsked for by old names: 0 images, 0 pulls, 0 uses\n\
         Read: 745 records, from 2023-02-18 12:00 to 2023-03-20 12:00\n"
    );
    let ended = words("nodes", "markdown", &heartbeats("a", 2));
    assert_eq!(ended.code, Some(5));
    assert!(ended.stdout.starts_with("Ready to remove: no\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("\n* the log begins too late: a (2023-03-18 12:00)\n"), "{}", ended.stdout);
    assert_eq!(ended.stderr, "repoint: not ready to remove: 1 reason\n");
    let young = good.lines().skip(31 * 24 - 47).map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(words("young", "table", &young).code, Some(5), "it came twelve hours before its log begins");
    assert_eq!(words("nodes", "csv", &good).code, Some(2));
    assert_eq!(report(&["-", "--ready-to-remove"], "").code, Some(2), "nobody said which nodes there are");
}

#[test]
fn ten_thousand_nodes_are_one_list() {
    let mut log = String::new();
    let mut nodes = String::new();
    for node in 0..10_000 {
        writeln!(nodes, "node/worker-{node}").unwrap();
        let name = format!("worker-{node}");
        log.push_str(&record(&name, 1, "10:30", HEARTBEAT).replace(HEARTBEAT, r#""event":"started","rules":1"#));
        log.push_str(&record(&name, 2, "11:30", &pull("pause:3.9", &format!("etcd-{name}"), "pulled")));
    }
    let (_directory, path) = directory(&[("nodes", nodes.as_bytes()), ("all.log", log.as_bytes())]);
    let told = json(&[&path, "--nodes", &format!("{path}/nodes")], "");
    let row = &told["images"][0];
    assert_eq!((&row["pods"], &row["nodes"]), (&10_000.into(), &10_000.into()));
    assert_eq!(
        row["owners"].to_string(),
        r#"[{"namespace":"default","name":"etcd","kind":"static_pod","pods":10000}]"#
    );
    assert_eq!(told["completeness"]["complete"], 10_000);
}

#[test]
fn the_configured_log_is_the_source_where_none_is_named() {
    let log = record("a", 1, "09:00", &pull("a:1", "db-0", "pulled"));
    let (directory, path) = directory(&[("log/audit.jsonl", log.as_bytes())]);
    let config = format!("[audit]\nfile = \"{path}/log/audit.jsonl\"\n");
    fs::write(directory.path().join("c.toml"), config).unwrap();
    let told = json(&["--config", &format!("{path}/c.toml")], "");
    assert_eq!(told["images"][0]["image"], "k8s.gcr.io/a:1");
}

#[test]
fn every_field_is_in_the_documentation() {
    fn fields(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.keys().cloned());
                object.values().for_each(|value| fields(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| fields(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut log = record("a", 1, "00:00", &pull("a:1", "db-0", "pulled"));
    log.push_str(&record("a", 3, "05:00", &HEARTBEAT.replace("null", "\"2023-03-20T00:00:00Z\"")));
    log.push_str(&record("b", 3, "05:00", HEARTBEAT).replace("m-b", "m-a"));
    let (_directory, path) = directory(&[("nodes", b"a\nb\n")]);
    let words = ["-", "--ready-to-remove", "--nodes", &format!("{path}/nodes"), "--format", "json"];
    let told: Value = serde_json::from_str(&report(&words, &log).stdout).unwrap();
    let mut found = Vec::new();
    fields(&told, &mut found);
    assert!(found.len() > 60, "{told}");
    let page = include_str!("../docs/report.md");
    for field in found {
        assert!(page.contains(&format!("`{field}`")), "{field} is not in docs/report.md");
    }
}

/// The reasons against removal that it gives, of the 30 days before the end of [`heartbeats`].
fn reasons(log: &str, nodes: &str) -> Vec<String> {
    let (_directory, path) = directory(&[("nodes", nodes.as_bytes())]);
    let ended = report(&["-", "--ready-to-remove", "--nodes", &format!("{path}/nodes"), "--format", "json"], log);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let reasons = told["ready"]["reasons"].as_array().unwrap();
    assert_eq!(ended.code, Some(if reasons.is_empty() { 0 } else { 5 }));
    reasons.iter().map(|reason| reason["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_record_that_was_lost_without_a_number_is_missing_too() {
    let good = heartbeats("a", 31);
    let lost = |number: u64| {
        let rest = format!(
            r#""event":"heartbeat","since":"2023-03-20T11:00:00Z","counters":{{"calls":9,"lost":{number}}},"last_call":"2023-03-20T11:00:00Z""#
        );
        good.clone() + &record("a", 746, "12:00", &rest)
    };
    assert_eq!(reasons(&lost(0), "a"), [""; 0]);
    assert_eq!(reasons(&lost(2), "a"), ["lost"]);
}

#[test]
fn a_node_of_which_nothing_says_that_its_kubelet_calls_is_not_ready() {
    // One that ends before its first heartbeat, again and again.
    let mut log = String::new();
    for line in heartbeats("a", 31).lines() {
        let (head, _) = line.split_once("\"event\"").unwrap();
        writeln!(log, "{head}\"event\":\"started\",\"rules\":1,\"repaired\":0}}").unwrap();
    }
    assert_eq!(reasons(&log, "a"), ["uncalled"]);
    // One that is restarted so often that its heartbeats are too young to say anything.
    let log = heartbeats("a", 31).lines().fold(String::new(), |mut log, line| {
        let (head, _) = line.split_once(",\"last_call\"").unwrap();
        writeln!(log, "{head},\"last_call\":null}}").unwrap();
        log
    });
    assert_eq!(reasons(&log, "a"), ["uncalled"]);
}

#[test]
fn a_pull_that_was_written_down_by_a_wrong_clock_is_not_left_out_in_silence() {
    let good = heartbeats("a", 31);
    let wrong = |time: &str| {
        // Between two records of the window, by its number.
        let renumbered = good.lines().enumerate().map(|(at, line)| {
            let (old, new) = (format!("\"seq\":{},", at + 1), format!("\"seq\":{},", at + 2));
            if at < 400 { format!("{line}\n") } else { format!("{}\n", line.replace(&old, &new)) }
        });
        renumbered.collect::<String>()
            + &record("a", 401, "12:00", &pull("a:1", "db-0", "pulled")).replace("2023-03-20T12", time)
    };
    assert_eq!(reasons(&wrong("1970-01-01T00"), "a"), ["misdated"]);
    assert_eq!(reasons(&wrong("2037-01-01T00"), "a"), ["misdated"]);
    assert_eq!(reasons(&wrong("2023-03-10T00"), "a"), ["pulled"]);
}

#[test]
fn a_node_that_is_named_twice_may_be_two_of_which_one_is_missing() {
    let (_directory, path) = directory(&[("nodes", b"a\nb\nnode/a\n")]);
    let log = heartbeats("a", 31) + &heartbeats("b", 31);
    let ended = report(&["-", "--ready-to-remove", "--nodes", &format!("{path}/nodes")], &log);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stderr.contains("nodes:3: `a` is named twice"), "{}", ended.stderr);
}

#[test]
fn two_machines_with_one_id_and_one_name_are_told_apart_by_their_boots() {
    let booted =
        |id: &str| heartbeats("a", 31).replace("\"machine_id\"", &format!("\"boot_id\":\"{id}\",\"machine_id\""));
    let (one, other) = (booted("1"), booted("2"));
    // A machine that was started again goes on counting.
    let rebooted: String =
        one.lines().take(300).chain(other.lines().skip(300)).map(|line| format!("{line}\n")).collect();
    assert_eq!(reasons(&rebooted, "a"), [""; 0]);
    // What the other one says in a second, and under a number, that this one has is taken for a copy.
    let hidden = other.lines().nth(720).unwrap();
    let (head, _) = hidden.split_once("\"event\"").unwrap();
    let hidden = format!("{head}{}}}\n", pull("a:1", "db-0", "pulled"));
    assert_eq!(reasons(&format!("{one}{hidden}"), "a"), ["restarted"]);
}

#[test]
fn a_node_without_a_rule_looks_for_nothing() {
    let good = heartbeats("a", 31);
    let start = |rules: u8| {
        let (first, rest) = good.split_once('\n').unwrap();
        let (head, _) = first.split_once("\"event\"").unwrap();
        format!("{head}\"event\":\"started\",\"rules\":{rules},\"repaired\":0}}\n{rest}")
    };
    assert_eq!(reasons(&start(1), "a"), [""; 0]);
    assert_eq!(reasons(&start(0), "a"), ["ruleless"]);
}

#[test]
fn an_image_that_is_found_by_its_old_name_is_not_said_to_come_from_there() {
    let used = |substitute: &str| {
        format!(
            r#""event":"used","image":"k8s.gcr.io/a:1","substitute":"{substitute}","post_freeze":false,"pods":null,"times":1"#
        )
    };
    let substitute = |log: &str| {
        let told: Value = serde_json::from_str(&report(&["-", "--format", "json"], log).stdout).unwrap();
        told["images"][0]["substitute"].clone()
    };
    let found = record("a", 1, "01:00", &used("k8s.gcr.io/a:1"));
    assert_eq!(substitute(&found), Value::Null);
    let pulled = record("a", 1, "00:00", &used("m.example/a:1")) + &record("a", 2, "01:00", &used("k8s.gcr.io/a:1"));
    assert_eq!(substitute(&pulled), "m.example/a:1");
}
