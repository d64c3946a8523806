//! What is left when a step fails, or is the last: for each of all the steps there are.

use super::*;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A disk that does so many steps.
#[derive(Debug)]
struct Faulty {
    left: AtomicUsize,
    then: Then,
    /// Whether of the write before the fault half is done.
    halves: bool,
    syncs: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// Nothing is done any more, as by a process that was killed.
    Nothing,
    /// One step fails.
    Failure(i32),
}

const NO_SPACE: i32 = 28;
const INTERRUPTED: i32 = 4;

impl Faulty {
    fn new(left: usize, then: Then) -> Arc<Self> {
        Self::halving(left, then, false)
    }

    fn halving(left: usize, then: Then, halves: bool) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(left), then, halves, syncs: AtomicUsize::new(0) })
    }

    fn step(&self) -> io::Result<()> {
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match (before, self.then) {
            (Ok(1), Then::Failure(error)) => Err(io::Error::from_raw_os_error(error)),
            (Ok(1) | Err(_), Then::Nothing) => Err(io::Error::other("killed")),
            (Ok(_), _) | (Err(_), Then::Failure(_)) => Ok(()),
        }
    }
}

impl Disk for Faulty {
    fn open(&self, path: &Path) -> io::Result<File> {
        self.step().and_then(|()| System.open(path))
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        if self.halves && self.left.load(Ordering::Relaxed) == 2 {
            self.step()?;
            return System.write(file, &bytes[..bytes.len().div_ceil(2)]);
        }
        self.step().and_then(|()| System.write(file, bytes))
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        self.step().and_then(|()| System.cut(file, length))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        // Nobody cuts the power here; what it takes to outlive that would take most of the time.
        assert!(file.metadata().unwrap().is_file());
        self.step()
    }

    fn sync_names(&self, directory: &Path) -> io::Result<()> {
        assert!(directory.is_dir());
        self.step()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().and_then(|()| System.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| System.remove(path))
    }
}

/// Records, rotations and compressions. Returns which records were said to be written.
fn run(settings: &Settings, disk: &Arc<Faulty>) -> Vec<String> {
    let mut journal = journal(settings, disk.clone());
    let mut written = Vec::new();
    for number in 0..14 {
        let image = format!("image-{number}");
        let done = journal.append(&record(&image)).and_then(|()| if settings.sync { journal.sync() } else { Ok(()) });
        if done.is_ok() {
            written.push(image);
        }
        if journal.was_rotated() {
            work(settings, disk.clone()).tidy();
        }
    }
    written
}

/// How many steps there are.
fn steps(sync: bool) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let disk = Faulty::new(usize::MAX, Then::Nothing);
    let settings = Settings { sync, ..rotating(&dir.path().join("audit.jsonl")) };
    assert_eq!(run(&settings, &disk).len(), 14);
    disk.left.load(Ordering::Relaxed).abs_diff(usize::MAX)
}

#[test]
fn whenever_the_process_ends_no_record_is_lost_that_was_said_to_be_written_and_none_stays_doubled() {
    for (sync, halves) in [(false, false), (false, true), (true, false), (true, true)] {
        let steps = steps(sync);
        assert!(steps > 50, "{steps}");
        for last in 1..=steps + 1 {
            let dir = tempfile::tempdir().unwrap();
            let settings = Settings { sync, ..rotating(&dir.path().join("audit.jsonl")) };
            let written = run(&settings, &Faulty::halving(last, Then::Nothing, halves));

            // The next process finishes what was left, and goes on.
            let mut journal = journal(&settings, Arc::new(System));
            journal.append(&record("next")).unwrap();
            work(&settings, Arc::new(System)).tidy();
            let found = all(&settings.file);
            let numbers: Vec<_> = found.iter().map(|(number, _)| *number).collect();
            let expected: Vec<_> = (1..=numbers.len() as u64).collect();
            assert_eq!(numbers, expected, "after {last} steps: {:?}", names(dir.path()));
            let images: Vec<_> = found.into_iter().map(|(_, image)| image).collect();
            assert!(
                written.iter().all(|image| images.contains(image)),
                "after {last} steps: {images:?} of {written:?}"
            );
            assert_eq!(images.last().map(String::as_str), Some("next"));
            // A record more may be there, whose writer did not live to say so.
            assert!(images.len() <= written.len() + 2, "after {last} steps");
            let of_us = |name: &String| name == "audit.jsonl" || name.ends_with("Z.jsonl.gz");
            let left: Vec<_> = names(dir.path()).into_iter().filter(|name| !of_us(name)).collect();
            assert!(left.is_empty() || left == [".audit.jsonl.tmp"], "after {last} steps: {left:?}");
        }
    }
}

#[test]
fn whichever_step_fails_once_the_log_stays_whole_and_a_record_that_is_missing_leaves_a_gap() {
    for (sync, halves) in [(false, false), (false, true), (true, false), (true, true)] {
        for failing in 1..=steps(sync) {
            let dir = tempfile::tempdir().unwrap();
            let settings = Settings { sync, ..rotating(&dir.path().join("audit.jsonl")) };
            let written = run(&settings, &Faulty::halving(failing, Then::Failure(NO_SPACE), halves));
            assert!(written.len() >= 13, "step {failing}: {written:?}");
            work(&settings, Arc::new(System)).tidy();
            let found = all(&settings.file);
            for (number, image) in &found {
                assert_eq!(*image, format!("image-{}", number - 1), "step {failing}");
            }
            let images: Vec<_> = found.into_iter().map(|(_, image)| image).collect();
            assert!(written.iter().all(|image| images.contains(image)), "step {failing}: {images:?} of {written:?}");
            let mut once = images.clone();
            once.dedup();
            assert_eq!(images, once, "step {failing}");
        }
    }
}

#[test]
fn a_write_that_a_signal_interrupts_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("audit.jsonl"));
    let mut journal = journal(&settings, Faulty::halving(3, Then::Failure(INTERRUPTED), true));
    journal.append(&record("a")).unwrap();
    journal.append(&record("b")).unwrap();
    assert_eq!(images(&settings.file), ["a", "b"]);
}

#[test]
fn half_a_line_that_cannot_be_cut_is_ended_before_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("audit.jsonl"));
    // It is opened, half of a line written; neither the other half nor its cut succeed.
    let disk = Faulty::halving(3, Then::Nothing, true);
    let mut journal = journal(&settings, disk.clone());
    journal.append(&record("a")).unwrap_err();
    disk.left.store(usize::MAX, Ordering::Relaxed);
    journal.append(&record("b")).unwrap();
    journal.append(&record("c")).unwrap();
    let text = fs::read_to_string(&settings.file).unwrap();
    let lines: Vec<_> = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).collect();
    assert_eq!(lines, [false, true, true], "{text}");
}

#[test]
fn a_record_counts_as_written_once_the_disk_has_it_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    for (sync, records, expected) in [(false, 10, 0), (true, 10, 1), (true, 2 * 256, 2)] {
        let disk = Faulty::new(usize::MAX, Then::Nothing);
        let settings = Settings { sync, ..settings(&file) };
        let (jobs, inbox) = mpsc::channel(1024);
        let mut waiting = Vec::new();
        for _ in 0..records {
            let (job, written) = job(record("a"));
            jobs.try_send(job).unwrap();
            waiting.push(written);
        }
        drop(jobs);
        let thread = Thread {
            journal: Journal::new(&settings, Origin::somewhere(), disk.clone(), Sinks::default()),
            is_synced: sync,
            failures: Counter::default(),
            tidy: None,
        };
        // Those that wait at one time share what it takes.
        thread.run(inbox);
        assert_eq!(disk.syncs.load(Ordering::Relaxed), expected);
        for mut written in waiting {
            written.try_recv().unwrap().unwrap();
        }
    }
}

#[test]
fn a_disk_that_does_not_keep_what_it_took_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { sync: true, ..settings(&dir.path().join("audit.jsonl")) };
    // It is opened and its name synced; the record written.
    let mut journal = journal(&settings, Faulty::new(4, Then::Failure(5)));
    journal.append(&record("a")).unwrap();
    journal.sync().unwrap_err();
    journal.append(&record("b")).unwrap();
    journal.sync().unwrap();
}
