//! What is in its files, over restarts, rotations and repairs.

use super::*;
use std::os::unix::fs::PermissionsExt;

/// A journal of its own for each record, as after a restart.
fn restarted(settings: &Settings, image: &str) {
    journal(settings, Arc::new(System)).append(&record(image)).unwrap();
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    (dir, file)
}

#[test]
fn numbers_go_on_over_restarts() {
    let (_dir, file) = place();
    for image in ["a", "b", "c"] {
        restarted(&settings(&file), image);
    }
    assert_eq!(lines(&file), [(1, "a".into()), (2, "b".into()), (3, "c".into())]);
}

#[test]
fn numbers_go_on_over_a_rotation_with_a_restart_right_after_it() {
    let (_dir, file) = place();
    let settings = rotating(&file);
    let mut journal = journal(&settings, Arc::new(System));
    for _ in 0..10 {
        journal.append(&record("a")).unwrap();
    }
    drop(journal);
    // As if the process had ended before the first record of the new file.
    let last = numbers(&file).len() as u64;
    fs::write(&file, "").unwrap();
    restarted(&settings, "b");
    assert_eq!(numbers(&file), [11 - last]);
    // And before there was a new file, with the old one compressed since.
    work(&settings, Arc::new(System)).tidy();
    assert!(names(file.parent().unwrap()).iter().any(|name| name.ends_with(".jsonl.gz")));
    fs::remove_file(&file).unwrap();
    restarted(&settings, "c");
    assert_eq!(numbers(&file), [11 - last]);
}

#[test]
fn numbers_go_on_after_somebody_else_rotated_however_they_do() {
    for rotate in [
        |file: &Path| fs::rename(file, file.with_extension("jsonl.1")).unwrap(),
        |file: &Path| {
            fs::rename(file, file.with_extension("jsonl-20261124")).unwrap();
            fs::write(file, "").unwrap();
        },
        |file: &Path| {
            fs::copy(file, file.with_extension("jsonl.1")).unwrap();
            fs::write(file, "").unwrap();
        },
        |file: &Path| {
            let packed = fs::File::create(file.with_extension("jsonl.1.gz")).unwrap();
            let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
            io::Write::write_all(&mut packed, &fs::read(file).unwrap()).unwrap();
            packed.finish().unwrap();
            fs::remove_file(file).unwrap();
        },
    ] {
        let (_dir, file) = place();
        let settings = settings(&file);
        fs::write(file.with_extension("jsonl.2"), "not a record\n").unwrap();
        restarted(&settings, "a");
        restarted(&settings, "b");
        // By a process that goes on, and by one that begins.
        let mut journal = journal(&settings, Arc::new(System));
        journal.append(&record("c")).unwrap();
        rotate(&file);
        journal.append(&record("d")).unwrap();
        assert_eq!(numbers(&file), [4]);
        drop(journal);
        fs::remove_file(&file).unwrap();
        restarted(&settings, "e");
        assert_eq!(numbers(&file), [4]);
    }
}

#[test]
fn a_log_that_is_truncated_under_our_hands_goes_on_at_its_beginning() {
    let (_dir, file) = place();
    let mut journal = journal(&settings(&file), Arc::new(System));
    journal.append(&record("a")).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
    journal.append(&record("b")).unwrap();
    assert_eq!(lines(&file), [(2, "b".into())]);
}

#[test]
fn a_torn_line_is_cut_and_its_number_is_free() {
    let (_dir, file) = place();
    let settings = settings(&file);
    restarted(&settings, "a");
    let whole = fs::read_to_string(&file).unwrap();
    for torn in ["{", "{\"schema\":1,\"time\":\"2026-11-24T13:15:00.000000Z\",\"seq\":2,\"no", "\0\0\0\0"] {
        fs::write(&file, format!("{whole}{torn}")).unwrap();
        let mut journal = Journal::new(&settings, Origin::somewhere(), Arc::new(System), Sinks::default());
        assert_eq!(journal.begin(), torn.len() as u64);
        journal.append(&record("b")).unwrap();
        assert_eq!(lines(&file), [(1, "a".into()), (2, "b".into())]);
    }
}

#[test]
fn a_file_that_is_something_else_is_left_alone_until_it_is_moved_away() {
    let (_dir, file) = place();
    for foreign in ["precious", "precious\nand more"] {
        fs::write(&file, foreign).unwrap();
        let mut journal = journal(&settings(&file), Arc::new(System));
        let error = journal.append(&record("a")).unwrap_err();
        assert!(error.to_string().ends_with("audit.jsonl does not end as an audit log does: move it away"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), foreign);
        fs::remove_file(&file).unwrap();
        journal.append(&record("b")).unwrap();
        assert_eq!(lines(&file), [(2, "b".into())]);
    }
}

#[test]
fn a_log_that_was_not_in_its_place_at_first_is_not_numbered_twice() {
    let (dir, file) = place();
    let settings = settings(&file);
    for image in ["a", "b", "c"] {
        restarted(&settings, image);
    }
    // As where its disk is mounted late.
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    let mut journal = journal(&settings, Arc::new(System));
    journal.append(&record("d")).unwrap();
    fs::rename(&elsewhere, &file).unwrap();
    journal.append(&record("e")).unwrap();
    assert_eq!(numbers(&file), [1, 2, 3, 4]);
    // And where nothing could be written until then.
    fs::rename(&file, &elsewhere).unwrap();
    fs::create_dir(&file).unwrap();
    let mut journal = self::journal(&settings, Arc::new(System));
    journal.append(&record("f")).unwrap_err();
    journal.append(&record("g")).unwrap_err();
    fs::remove_dir(&file).unwrap();
    fs::rename(&elsewhere, &file).unwrap();
    journal.append(&record("h")).unwrap();
    assert_eq!(numbers(&file), [1, 2, 3, 4, 7]);
}

#[test]
fn a_directory_that_is_removed_is_made_again() {
    let (dir, _) = place();
    let file = dir.path().join("log/audit.jsonl");
    let mut journal = journal(&rotating(&file), Arc::new(System));
    journal.append(&record("a")).unwrap();
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    journal.append(&record("b")).unwrap();
    assert_eq!(numbers(&file), [2]);
}

#[test]
fn a_log_is_put_aside_by_age_from_its_first_record_on_over_restarts() {
    let (dir, file) = place();
    let hour = Duration::from_secs(3600);
    let rotation = Rotation { bytes: 0, after: Some(hour), keep: 10, compress: false };
    let settings = Settings { rotation, ..settings(&file) };
    let at = |text: &str| record_at("a", text.parse().unwrap());
    for time in ["2026-11-24T12:00:00Z", "2026-11-24T12:59:59Z", "2026-11-24T13:00:00Z", "2026-11-24T13:30:00Z"] {
        journal(&settings, Arc::new(System)).append(&at(time)).unwrap();
    }
    assert_eq!(names(dir.path()), ["audit-20261124T130000.000000Z.jsonl", "audit.jsonl"]);
    assert_eq!(
        (numbers(&dir.path().join("audit-20261124T130000.000000Z.jsonl")), numbers(&file)),
        (vec![1, 2], vec![3, 4])
    );
    // A clock that was ahead of time is not waited for.
    let mut journal = journal(&settings, Arc::new(System));
    journal.append(&at("2099-01-01T00:00:00Z")).unwrap();
    journal.append(&at("2026-11-24T13:31:00Z")).unwrap();
    journal.append(&at("2026-11-24T14:31:00Z")).unwrap();
    assert_eq!(numbers(&file), [7]);
}

#[test]
fn what_is_put_aside_keeps_its_mode_and_gives_it_to_the_next() {
    let (dir, file) = place();
    let settings = rotating(&file);
    let mut journal = journal(&settings, Arc::new(System));
    journal.append(&record("a")).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777 & !0o640, 0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    for _ in 0..10 {
        journal.append(&record("a")).unwrap();
    }
    work(&settings, Arc::new(System)).tidy();
    assert!(names(dir.path()).len() > 2);
    for name in names(dir.path()) {
        assert_eq!(fs::metadata(dir.path().join(&name)).unwrap().permissions().mode() & 0o777, 0o640, "{name}");
    }
}

#[test]
fn the_newest_are_kept_and_what_others_rotated_is_theirs() {
    let (dir, file) = place();
    let rotation = Rotation { keep: 2, ..rotating(&file).rotation };
    let settings = Settings { rotation, ..rotating(&file) };
    fs::write(dir.path().join("audit.jsonl.1"), "theirs").unwrap();
    let mut journal = journal(&settings, Arc::new(System));
    for _ in 0..30 {
        journal.append(&record("a")).unwrap();
    }
    work(&settings, Arc::new(System)).tidy();
    let found = names(dir.path());
    assert_eq!(found.len(), 4, "{found:?}");
    let found: Vec<_> = all(&file).into_iter().map(|(number, _)| number).collect();
    assert_eq!(found.last(), Some(&30));
    assert_eq!(found, (found[0]..=30).collect::<Vec<_>>());
}

#[test]
fn a_link_is_not_put_aside_in_the_place_of_what_it_leads_to() {
    let (dir, file) = place();
    std::os::unix::fs::symlink("elsewhere", &file).unwrap();
    let mut journal = journal(&rotating(&file), Arc::new(System));
    for _ in 0..10 {
        journal.append(&record("a")).unwrap();
    }
    assert_eq!(names(dir.path()), ["audit.jsonl", "elsewhere"]);
    assert_eq!(numbers(&file), (1..=10).collect::<Vec<_>>());
}

#[test]
fn what_somebody_compresses_by_hand_is_not_removed_before_they_are_done() {
    let (dir, file) = place();
    let settings = rotating(&file);
    let mut journal = journal(&settings, Arc::new(System));
    for _ in 0..10 {
        journal.append(&record("a")).unwrap();
    }
    let before = all(&file);
    let plain = dir.path().join(&names(dir.path())[0]);
    fs::write(plain.with_extension("jsonl.gz"), "half").unwrap();
    work(&settings, Arc::new(System)).tidy();
    assert!(!plain.exists());
    assert_eq!(all(&file), before);
}
