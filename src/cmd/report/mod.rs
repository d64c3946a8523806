//! `repoint report`: from the logs of one node or of thousands to a list of what to fix, and whether one is done.
//!
//! Records are counted as they are read (`tally`); `row` puts the images in order; `completeness` says what the log does not
//! say; `ready` judges; `layout` writes it down, and `fix` writes what mends it.

mod completeness;
mod fix;
mod layout;
mod names;
mod nodes;
mod presence;
mod ready;
mod row;
mod tally;
mod window;

use super::progress::Bar;
use super::{Failure, note};
use crate::args::{Layout, Report as Options, Serve};
use crate::audit::read::{self, Found, Source};
use crate::config::{self, Settings};
use crate::exit::Exit;
use crate::output::{self, counted};
use crate::rules::Glob;
use jiff::Timestamp;
use layout::Report;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use tally::Tally;
use window::Window;

/// Why it did not end well.
#[derive(Debug, thiserror::Error)]
enum Undone {
    #[error("{} asked for by an old name", if *.0 == 1 { "1 image is".to_owned() } else { format!("{} images are", .0) })]
    Legacy(usize),
    #[error("not ready to remove: {}", if *.0 == 1 { "1 reason".to_owned() } else { format!("{} reasons", .0) })]
    NotReady(usize),
    #[error("{} could not be read to the end", counted(*.0, "file"))]
    Incomplete(u64),
    #[error("--ready-to-remove has no --format csv: the reasons are no table")]
    NoTable,
    #[error("cannot write to standard output")]
    Unwritable(#[source] io::Error),
}

/// Stands for standard input among the sources.
const STDIN: &str = "-";

/// Reports to standard output.
///
/// # Errors
///
/// When it can't read or write, and when it found what it was to look for.
pub fn run(options: &Options) -> Result<(), Failure> {
    report(options, Timestamp::now(), output::width(), &mut io::stdout().lock())
}

/// Reports as of `now`, for a terminal of `width` columns.
///
/// # Errors
///
/// As [`run`] does.
pub fn report(options: &Options, now: Timestamp, width: Option<u16>, out: &mut impl Write) -> Result<(), Failure> {
    let usage = |error| Failure::new(Exit::Usage, error);
    let mut window = Window::new(options.since.as_deref(), options.until.as_deref(), now)
        .map_err(|error| Failure::new(Exit::Usage, error))?;
    if options.ready_to_remove {
        if options.format == Layout::Csv {
            return Err(usage(Undone::NoTable));
        }
        window = window.of_days(options.days);
    }
    let settings = settings(options)?;
    let failed = |error| Failure::new(Exit::Failed, error);
    let nodes =
        options.nodes.as_deref().map(nodes::read).transpose().map_err(|error| Failure::new(Exit::Failed, error))?;
    let mut tally = Tally::new(window, options.namespaces.iter().map(|glob| Glob::new(glob)).collect());
    let bar = Bar::new("{wide_bar} {bytes} of {total_bytes}, {eta} left");
    let read = read::read(&sources(options, settings.as_ref()), &mut |record| tally.add(record), &|now| {
        bar.show(now.done, now.all);
    });
    bar.end();
    let found = read.map_err(|error| Failure::new(Exit::Failed, error))?;
    note(warnings(&found, &tally));

    let images = row::rows(&tally);
    let completeness = nodes.as_ref().map(|nodes| completeness::completeness(nodes, &tally, &found));
    let ready = completeness.as_ref().filter(|_| options.ready_to_remove);
    let ready = ready.map(|whole| ready::ready(options.days, whole, &images, found.newer, tally.unknown));
    let report = Report {
        since: window.from,
        until: window.until,
        first: tally.span.map(|(first, _)| first),
        last: tally.span.map(|(_, last)| last),
        records: found.records,
        duplicates: found.duplicates,
        unreadable_lines: found.faults.lines.saturating_add(found.faults.torn),
        unreadable_files: found.faults.files,
        images,
        completeness,
        ready,
    };
    if options.fix.is_some() || options.format == Layout::Csv {
        // What is printed has no place for it.
        note(report.completeness.iter().flat_map(completeness::Completeness::told));
    }
    let mut out = BufWriter::new(out);
    let written = match (&settings, options.fix) {
        (Some(settings), Some(tool)) => out.write_all(fix::text(tool, &report.images, &settings.rules).as_bytes()),
        _ => match options.format {
            Layout::Table => out.write_all(report.text(width).as_bytes()),
            Layout::Json => json(&report, &mut out),
            Layout::Csv => out.write_all(report.csv().as_bytes()),
            Layout::Markdown => out.write_all(report.markdown().as_bytes()),
        },
    };
    match written.and_then(|()| out.flush()) {
        // Who closes the pipe has read what they wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.map_err(|error| failed(Undone::Unwritable(error)))?,
    }
    verdict(options, &report)
}

/// What it comes to for whoever asks by the exit code.
fn verdict(options: &Options, report: &Report<'_>) -> Result<(), Failure> {
    match &report.ready {
        Some(ready) if !ready.is_ready => {
            return Err(Failure::new(Exit::Findings, Undone::NotReady(ready.reasons.len())));
        }
        _ if options.fail_on_legacy && !report.images.is_empty() => {
            return Err(Failure::new(Exit::Findings, Undone::Legacy(report.images.len())));
        }
        _ => {}
    }
    match report.unreadable_files {
        0 => Ok(()),
        files => Err(Failure::new(Exit::Failed, Undone::Incomplete(files))),
    }
}

/// The configuration, where it is needed: a report of other nodes' logs is made where there may be none.
fn settings(options: &Options) -> Result<Option<Settings>, Failure> {
    if options.config.is_none() && options.fix.is_none() && !options.sources.is_empty() {
        return Ok(None);
    }
    let source = config::load(options.config.as_deref());
    let settings = config::settings(&Serve::default(), &source);
    settings.map(Some).map_err(|mistakes| Failure::new(Exit::Configuration, mistakes))
}

/// Where to read.
fn sources(options: &Options, settings: Option<&Settings>) -> Vec<Source> {
    let said = options.sources.iter().map(|path| match path.as_os_str() == STDIN {
        true => Source::Stdin(Vec::new()),
        false => Source::Path(path.clone()),
    });
    let configured = || {
        let file = &settings?.audit.file;
        // With what it was rotated to.
        Some(Source::Path(file.parent().unwrap_or_else(|| Path::new("/")).to_owned()))
    };
    if options.sources.is_empty() { configured().into_iter().collect() } else { said.collect() }
}

fn json(report: &Report<'_>, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// What has to be known of the sources, a line each.
fn warnings(found: &Found, tally: &Tally) -> Vec<String> {
    let faults = &found.faults;
    let mut warnings: Vec<String> = faults.first().iter().map(ToString::to_string).collect();
    let all = faults.lines.saturating_add(faults.torn).saturating_add(faults.files);
    let more = all.saturating_sub(u64::try_from(warnings.len()).unwrap_or(u64::MAX));
    if more > 0 {
        warnings.push(format!("{} like these", counted(more, "more fault")));
    }
    if found.foreign > 0 {
        warnings.push(format!("{} without a record passed over", counted(found.foreign, "line")));
    }
    if found.newer > 0 {
        warnings.push(format!(
            "{} of a later form read as far as it is known: a newer repoint reads all of it",
            counted(found.newer, "record")
        ));
    }
    if tally.unknown > 0 {
        warnings.push(format!(
            "{} of an image in a way that is not known here passed over",
            counted(tally.unknown, "record")
        ));
    }
    warnings
}
