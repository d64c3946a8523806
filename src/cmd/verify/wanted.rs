//! Which images are to be looked for: those of a report, of a scan, or of audit logs.

use super::super::progress::Bar;
use crate::audit::read::{self, Faults, Outcome, Record, Source};
use crate::output::counted;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Images by the names they are asked for, with what is known of each.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) images: BTreeMap<String, Option<Known>>,
    /// What has to be known of where they are from, a line each.
    pub(super) told: Vec<String>,
}

/// The digest that an image had where it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) digest: String,
    pub(super) by: By,
    seen: Timestamp,
}

/// Who knows a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    /// The registry that the image is asked of by its name.
    OldRegistry,
    /// A record of a pull or a use.
    Log,
    /// A node that has it, or a manifest that names it.
    Scan,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSource {
    #[error("cannot read {name}")]
    Unreadable {
        name: String,
        #[source]
        error: io::Error,
    },
    #[error("{name} begins like a report or a scan in JSON, and is none: {error}")]
    Torn {
        name: String,
        #[source]
        error: serde_json::Error,
    },
    #[error("{0} is neither what `report --format json` or `scan --format json` print nor an audit log")]
    Foreign(String),
    #[error("there is no report, scan or record in {0}: if another command was to print one, it may have failed")]
    Nothing(String),
    #[error(transparent)]
    Log(#[from] read::Unreadable),
}

/// A report or a scan, as far as it matters.
#[derive(Deserialize)]
struct Document {
    images: Option<Vec<Reported>>,
    findings: Option<Vec<Found>>,
    /// What the scan could not read.
    unread: Option<Vec<IgnoredAny>>,
}

/// An image in a report.
#[derive(Deserialize)]
struct Reported {
    image: String,
    digest: Option<String>,
}

/// A finding of a scan.
#[derive(Deserialize)]
struct Found {
    image: String,
    /// Whether it is a part of a name.
    #[serde(default)]
    partial: bool,
    digest: Option<String>,
}

/// What there is at a source.
enum Begun {
    Document(Document),
    /// What was read to find out.
    Log(Vec<u8>),
}

/// More than any report has: one of a hundred thousand images.
const DOCUMENT: u64 = 256 << 20;
/// A first line that is longer is none of a log's.
const LINE: u64 = 16 << 20;

// === impl Wanted ===

impl Wanted {
    /// Those at `path`, or on standard input where there is none.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is something else.
    pub(super) fn read(path: Option<&Path>) -> Result<Self, NoSource> {
        let name = path.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
        let unreadable = |error| NoSource::Unreadable { name: name.clone(), error };
        let source = match path {
            Some(path) if path.is_dir() => Source::Path(path.to_owned()),
            Some(path) => {
                let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
                match begun(&mut file, &name)? {
                    Begun::Document(document) => return Ok(document.into()),
                    Begun::Log(_) => Source::Path(path.to_owned()),
                }
            }
            None => match begun(&mut BufReader::new(io::stdin()), &name)? {
                Begun::Document(document) => return Ok(document.into()),
                Begun::Log(begun) => Source::Stdin(begun),
            },
        };
        Self::of_log(source, &name)
    }

    fn of_log(source: Source, name: &str) -> Result<Self, NoSource> {
        let mut wanted = Self::default();
        let bar = Bar::new("{wide_bar} {bytes} of {total_bytes}, {eta} left");
        let read = read::read(&[source], &mut |record| wanted.add(record), &|now| bar.show(now.done, now.all));
        bar.end();
        let found = read?;
        if found.records == 0 && (found.foreign > 0 || !found.faults.are_none()) {
            return Err(NoSource::Foreign(name.to_owned()));
        }
        // An honest log has at least a start in it.
        if found.records == 0 {
            return Err(NoSource::Nothing(name.to_owned()));
        }
        wanted.told = told(&found.faults);
        Ok(wanted)
    }

    fn add(&mut self, record: &Record<'_>) {
        let Some(image) = record.image.as_deref() else { return };
        if record.event.is_of_service() {
            return;
        }
        let is_there = record.outcome.is_none_or(|outcome| outcome == Outcome::Pulled);
        let digest = record.digest.as_deref().filter(|_| is_there);
        let known = digest.map(|digest| Known { digest: digest.to_owned(), by: By::Log, seen: record.time });
        match self.images.get_mut(image) {
            Some(last) if last.as_ref().map(|last| last.seen) < known.as_ref().map(|known| known.seen) => *last = known,
            Some(_) => {}
            None => {
                self.images.insert(image.to_owned(), known);
            }
        }
    }
}

impl From<Document> for Wanted {
    fn from(Document { images, findings, unread }: Document) -> Self {
        let mut wanted = Self::default();
        let known = |digest, by| Known { digest, by, seen: Timestamp::MIN };
        for Reported { image, digest } in images.into_iter().flatten() {
            wanted.images.insert(image, digest.map(|digest| known(digest, By::Log)));
        }
        let mut parts = 0_u64;
        for Found { image, partial, digest } in findings.into_iter().flatten() {
            if partial {
                parts = parts.saturating_add(1);
                continue;
            }
            let known = digest.map(|digest| known(digest, By::Scan));
            let entry = wanted.images.entry(image).or_default();
            *entry = entry.take().or(known);
        }
        if parts > 0 {
            let what = counted(parts, "finding");
            wanted.told.push(format!("{what} passed over, where only a part of a name is written"));
        }
        let unread = unread.map_or(0, |unread| unread.len());
        if unread > 0 {
            let what = counted(u64::try_from(unread).unwrap_or(u64::MAX), "place");
            wanted.told.push(format!("{what} could not be read by the scan, or not as what it is"));
        }
        wanted
    }
}

/// What is at `input`. A log is lines with an object each, and neither a report nor a scan is one line of many; so the first line
/// tells, if it is an object by itself.
fn begun(input: &mut impl BufRead, name: &str) -> Result<Begun, NoSource> {
    let unreadable = |error| NoSource::Unreadable { name: name.to_owned(), error };
    let mut first = Vec::new();
    // What a BufReader has taken besides is only lost to a log on standard input, which is put together again below.
    input.by_ref().take(LINE).read_until(b'\n', &mut first).map_err(unreadable)?;
    let mut whole = first.trim_ascii_start().to_vec();
    if whole.first() != Some(&b'{') {
        return rest(input, first).map_err(unreadable);
    }
    match serde_json::from_slice::<Document>(&whole) {
        Ok(document) if document.is_one() => return Ok(Begun::Document(document)),
        Err(error) if error.is_eof() => {}
        _ => return rest(input, first).map_err(unreadable),
    }
    input.by_ref().take(DOCUMENT).read_to_end(&mut whole).map_err(unreadable)?;
    match serde_json::from_slice::<Document>(&whole) {
        Ok(document) if document.is_one() => Ok(Begun::Document(document)),
        Ok(_) => Err(NoSource::Foreign(name.to_owned())),
        Err(error) => Err(NoSource::Torn { name: name.to_owned(), error }),
    }
}

/// The first line of a log, and what was taken from the system along with it.
fn rest(input: &mut impl BufRead, mut first: Vec<u8>) -> io::Result<Begun> {
    let taken = input.fill_buf()?.len();
    first.extend_from_slice(input.fill_buf()?);
    input.consume(taken);
    Ok(Begun::Log(first))
}

fn told(faults: &Faults) -> Vec<String> {
    faults.first().iter().map(ToString::to_string).collect()
}

// === impl Document ===

impl Document {
    fn is_one(&self) -> bool {
        self.images.is_some() || self.findings.is_some()
    }
}
