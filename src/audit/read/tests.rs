#![expect(clippy::arithmetic_side_effects, reason = "in a test, an overflow is a failure like any other")]

use super::*;
use std::fs;
use std::io::Write;
use std::path::Path;

/// A record of a pull.
fn record(seq: u64) -> String {
    format!(
        r#"{{"schema":1,"time":"2023-03-20T12:00:00.000000Z","seq":{seq},"node":"n","machine_id":"m","event":"substituted","image":"k8s.gcr.io/pause:\u0033.9","pod":{{"namespace":"a","name":"b","uid":"c"}},"later":[1]}}"#
    )
}

/// What is in a file of these bytes: the numbers of the records, in order, and the rest.
fn read_bytes(bytes: &[u8]) -> (Vec<u64>, Found) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.jsonl"), bytes).unwrap();
    read_path(directory.path())
}

fn read_path(path: &Path) -> (Vec<u64>, Found) {
    let mut numbers = Vec::new();
    let mut each = |record: &Record<'_>| {
        assert_eq!(record.image.as_deref(), Some("k8s.gcr.io/pause:3.9"));
        assert_eq!(record.all_pods().count(), 1);
        numbers.push(record.seq);
    };
    let found = read(&[Source::Path(path.to_owned())], &mut each, &|_| {}).unwrap();
    numbers.sort_unstable();
    (numbers, found)
}

fn told(found: &Found) -> Vec<String> {
    found.faults.first().iter().map(|fault| format!("{}: {}", fault.line, fault.what)).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// Zstandard without compression: a frame of raw blocks, which one can write by hand.
fn zstd(text: &str) -> Vec<u8> {
    // A window of 1 KiB << 7, no checksum, no length.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];
    let blocks: Vec<&[u8]> = text.as_bytes().chunks(1000).collect();
    for (number, block) in blocks.iter().enumerate() {
        let is_last = u32::from(number + 1 == blocks.len());
        let header = is_last | u32::try_from(block.len()).unwrap() << 3;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(*block);
    }
    frame
}

#[test]
fn a_record_is_found_in_whatever_it_is_wrapped() {
    let text = |seq| serde_json::to_string(&format!("{}\n", record(seq))).unwrap();
    let bytes = |seq| serde_json::to_string(record(seq).as_bytes()).unwrap();
    let twice = serde_json::to_string(&format!(r#"{{"log":{}}}"#, text(12))).unwrap();
    let lines = [
        record(1),
        // The journal, as text and as bytes.
        format!(r#"{{"__CURSOR":"s=1","_PID":"1","MESSAGE":{}}}"#, text(2)),
        format!(r#"{{"__CURSOR":"s=1","MESSAGE":{}}}"#, bytes(3)),
        // vector; Fluent Bit and docker; the collector.
        format!(r#"{{"file":"/var/log/x","host":"h","message":{},"source_type":"file"}}"#, text(4)),
        format!(r#"{{"log":{},"stream":"stdout","time":"2023-03-20T12:00:00Z"}}"#, text(5)),
        format!(r#"{{"body":{}}}"#, text(6)),
        format!(r#"{{"Body":{{"stringValue":{}}},"SeverityText":""}}"#, text(7)),
        format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{{"stringValue":{}}}}},{{"body":{{"stringValue":{}}}}}]}}]}}]}}"#,
            text(8),
            text(9)
        ),
        // Parsed by the agent, and merged or put below.
        format!(r#"{{"kubernetes":{{"host":"h"}},{}"#, record(10).trim_start_matches('{')),
        format!(r#"{{"@timestamp":1,"repoint":{}}}"#, record(11)),
        format!(r#"{{"message":{twice}}}"#),
        // A container's log, and syslog.
        format!("2023-03-20T12:00:00.000000000Z stdout F {}", record(13)),
        format!("Mar 20 12:00:00 n repoint[1]: {}", record(14)),
        format!("[{},{}]", record(15), record(16)),
        String::new(),
    ];
    let (numbers, found) = read_bytes(lines.join("\n").as_bytes());
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
    assert_eq!((told(&found), found.foreign), (vec![], 0));
}

#[test]
fn lines_of_others_are_passed_over_and_broken_ones_told() {
    let lines = [
        r#"{"MESSAGE":"Started repoint.","_PID":"1"}"#.to_owned(),
        "some text".to_owned(),
        r#"{"MESSAGE":null,"REPOINT_EVENT":"used"}"#.to_owned(),
        record(1).replace("12:00", "25:00"),
        record(2).replace("\"seq\":2", "\"seq\":-2"),
        // Torn, and another program went on in the same line.
        format!("{}{}", &record(3)[..70], record(4)),
        r#"{"message":"{\"schema\":1,\"ti"}"#.to_owned(),
        record(5),
        record(6)[..50].to_owned(),
    ];
    let (numbers, found) = read_bytes(lines.join("\n").as_bytes());
    assert_eq!((numbers, found.foreign), (vec![4, 5], 2));
    assert_eq!((found.faults.lines, found.faults.torn, found.faults.files), (5, 1, 0));
    let told = told(&found);
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told[0].starts_with("3: the journal left out its text"), "{told:?}");
    for (told, line) in told.iter().zip(["3: ", "4: ", "5: ", "6: ", "7: "]) {
        assert!(told.starts_with(line), "{told}");
    }
}

#[test]
fn a_last_line_counts_if_it_is_whole() {
    let (numbers, found) = read_bytes(format!("{}\n{}", record(1), record(2)).as_bytes());
    assert_eq!((numbers, found.faults.torn), (vec![1, 2], 0));
    let (numbers, found) = read_bytes(format!("{}\n{}", record(1), &record(2)[..100]).as_bytes());
    assert_eq!((numbers, found.faults.torn, found.faults.are_none()), (vec![1], 1, true));
    assert_eq!(told(&found), ["2: the last line is half written"]);
}

#[test]
fn one_line_that_is_no_text_takes_no_other_with_it() {
    let bytes = [record(1).as_bytes(), b"\n\xff\xfe\n", record(2).as_bytes(), b"\n"].concat();
    let (numbers, found) = read_bytes(&bytes);
    assert_eq!((numbers, told(&found)), (vec![1, 2], vec!["2: it is not valid UTF-8".to_owned()]));
}

#[test]
fn packed_files_are_read_by_what_they_begin_with() {
    let text = |numbers: std::ops::Range<u64>| numbers.map(|seq| record(seq) + "\n").collect::<String>();
    let directory = tempfile::tempdir().unwrap();
    let nothing = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let file = |name: &str, bytes: &[&[u8]]| fs::write(directory.path().join(name), bytes.concat()).unwrap();
    file("a.jsonl.2.gz", &[&gzip(&text(0..10)), &gzip(&text(10..20))]);
    file("a.jsonl.1.zst", &[&zstd(&text(20..30)), &nothing, &zstd(&text(30..40))]);
    file("b.jsonl", &[&nothing, &zstd(&text(40..50))]);
    file("not-a-log.txt", &[b"{"]);
    let (numbers, found) = read_path(directory.path());
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    assert!(found.faults.are_none() && found.seen.gaps().is_empty());
}

#[test]
fn a_packed_file_that_ends_early_is_told_of_and_read_so_far() {
    let mut text = String::new();
    for seq in 0..10_000 {
        text.push_str(&record(seq));
        text.push('\n');
    }
    for whole in [gzip(&text), zstd(&text)] {
        let (numbers, found) = read_bytes(&whole[..whole.len() / 2]);
        assert!(numbers.len() > 1000, "{}", numbers.len());
        assert_eq!((found.faults.files, found.faults.are_none()), (1, false), "{:?}", told(&found));
    }
}

#[test]
fn long_lines_and_many_blocks_keep_their_numbers() {
    let padding = "x".repeat(300_000);
    let mut text = String::new();
    for seq in 0..30 {
        text.push_str(&record(seq).replace("[1]", &format!("\"{padding}\"")));
        text.push('\n');
    }
    text.push_str("{\"schema\":1,\n");
    text.push_str(&"y".repeat(17 << 20));
    text.push_str("\n{\"schema\":2,\n");
    text.push_str(&record(30));
    let (numbers, found) = read_bytes(text.as_bytes());
    assert_eq!(numbers, (0..=30).collect::<Vec<_>>());
    let told = told(&found);
    assert!(told[0].starts_with("31: ") && told[2].starts_with("33: "), "{told:?}");
    assert_eq!(told[1], "32: it is longer than 16 MiB");
}

#[test]
fn copies_are_dropped_and_later_forms_are_read_as_far_as_they_are_known() {
    let newer = record(2).replace("\"schema\":1", "\"schema\":2").replace("substituted", "thawed");
    let text = format!("{}\n{newer}\n{}\n", record(1), record(1));
    let (numbers, found) = read_bytes(text.as_bytes());
    assert_eq!((numbers, found.records, found.duplicates, found.newer), (vec![1, 2], 2, 1, 1));
}

#[test]
fn a_source_that_is_not_there_is_an_error_and_says_so() {
    let sources = [Source::Path("/nonexistent/audit.jsonl".into())];
    let error = read(&sources, &mut |_| {}, &|_| {}).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nonexistent/audit.jsonl");
}
