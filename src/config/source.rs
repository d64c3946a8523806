//! Which files there are, and what they say together.

use super::kept::Text;
use super::mistake::Mistake;
use super::parse;
use super::place::File;
use super::said::Said;
use super::trust;
use rustix::fs::{OFlags, makedev};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where the file is, if nobody says otherwise. It need not be there.
pub const DEFAULT: &str = "/etc/repoint/repoint.toml";

/// All files together.
#[derive(Debug, Default)]
pub struct Source {
    /// The file that the others are beside.
    pub path: PathBuf,
    /// Whether it is there.
    pub is_there: bool,
    /// Those that go before it, the last one first of all.
    pub drop_ins: Vec<PathBuf>,
    /// Files beside these that are not read, and were perhaps meant to be.
    pub unread: Vec<PathBuf>,
    /// What holds of what they say.
    pub said: Said,
    /// What is wrong with any of them.
    pub mistakes: Vec<Mistake>,
    /// Those that could be read, in the order in which they hold.
    pub texts: Vec<Text>,
    /// Whether each could be read and is TOML, so that what is not in them is nowhere.
    pub is_whole: bool,
}

/// More than this is no configuration.
const LARGEST: u64 = 16 << 20;
/// What stands for standard input elsewhere. It can be read once, and a configuration may be read again.
const DASH: &str = "-";
/// How the names of files end, in lower case, that people who know other programs take for drop-ins, and how editors call
/// what was one. What package managers leave has ends of its own, and is left by their rules.
const MEANT: &[&str] = &[".toml", ".conf", ".toml~"];
/// The numbers of `/dev/null`.
const NULL: (u32, u32) = (1, 3);

/// Reads `path`, or the default file where it is there, and the drop-ins beside it.
pub fn load(path: Option<&Path>) -> Source {
    read(path, |_path| None)
}

/// The same; what somebody else may have written is not looked at, and is a mistake.
pub fn load_trusted(path: Option<&Path>) -> Source {
    read(path, trust::doubt)
}

/// The kill switch, beside the file: while something of that name is there, nothing is substituted.
pub fn switch(path: Option<&Path>) -> PathBuf {
    path.unwrap_or_else(|| Path::new(DEFAULT)).with_file_name("disabled")
}

fn read(path: Option<&Path>, doubt: fn(&Path) -> Option<String>) -> Source {
    let (path, must_exist) = path.map_or_else(|| (Path::new(DEFAULT), false), |path| (path, true));
    let mut source = Source { path: path.to_owned(), is_whole: true, ..Source::default() };
    match text(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {}
        read => {
            source.is_there = true;
            source.add(1, path, read, doubt);
        }
    }
    match drop_ins(path) {
        Ok(found) => (source.drop_ins, source.unread) = found,
        Err((directory, error)) => source.unreadable(2, "directory", &directory, &error),
    }
    // Who can write into the directory can add a file to it, or take one away.
    let directory = source.drop_ins.first().and_then(|first| first.parent());
    if let Some(why) = directory.and_then(doubt) {
        source.drop_ins.clear();
        source.distrusted(2, &why);
    }
    for (number, path) in source.drop_ins.clone().iter().enumerate() {
        source.add(number.saturating_add(2), path, text(path), doubt);
    }
    source
}

// === impl Source ===

impl Source {
    /// What a text says that stands nowhere else.
    #[cfg(test)]
    pub fn of(path: &str, text: &[u8]) -> Self {
        let mut source = Self { path: path.into(), is_there: true, is_whole: true, ..Self::default() };
        source.add(1, Path::new(path), Ok(text.to_owned()), |_path| None);
        source
    }

    /// What texts say that were read before.
    pub fn of_texts(texts: &[Text]) -> Self {
        let path = texts.first().map(|first| first.path.clone()).unwrap_or_default();
        let mut source = Self { path, is_there: !texts.is_empty(), is_whole: true, ..Self::default() };
        for (number, Text { path, text }) in texts.iter().enumerate() {
            source.add(number.saturating_add(1), path, Ok(text.clone().into_bytes()), |_path| None);
        }
        source
    }

    /// Adds the next file.
    fn add(&mut self, rank: usize, path: &Path, read: io::Result<Vec<u8>>, doubt: fn(&Path) -> Option<String>) {
        if let Some(why) = doubt(path) {
            return self.distrusted(rank, &why);
        }
        let text = match read.map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => {
                let end = error.utf8_error().valid_up_to();
                let valid = String::from_utf8_lossy(error.as_bytes().get(..end).unwrap_or_default()).into_owned();
                let place = File::new(rank, path, valid).place(&(end..end));
                self.mistakes.push(Mistake::in_text(place, "here it is no longer valid UTF-8"));
                self.is_whole = false;
                return;
            }
            Err(error) => return self.unreadable(rank, "file", path, &error),
        };
        self.texts.push(Text { path: path.to_owned(), text: text.clone() });
        let (said, mistakes) = parse::file(&File::new(rank, path, text));
        self.mistakes.extend(mistakes);
        match said {
            Some(said) => self.said.add(said),
            None => self.is_whole = false,
        }
    }

    fn distrusted(&mut self, rank: usize, why: &str) {
        self.mistakes.push(Mistake::in_file(rank, why));
        self.is_whole = false;
    }

    fn unreadable(&mut self, rank: usize, what: &str, path: &Path, error: &io::Error) {
        let what = format!("cannot read the configuration {what} {}: {error}", path.display());
        self.mistakes.push(Mistake::in_file(rank, what));
        self.is_whole = false;
    }
}

/// What is in a file, if it is no more than anybody says of a configuration.
pub(super) fn text(path: &Path) -> io::Result<Vec<u8>> {
    if path == Path::new(DASH) {
        return Err(io::Error::other("`-` does not stand for standard input here; a file of that name is `./-`"));
    }
    // Before it is opened, which some devices take for a command; and after, in case it is another one by then. One that
    // became a pipe in between is not waited for.
    regular(&fs::metadata(path)?)?;
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    regular(&file.metadata()?)?;
    let mut text = Vec::new();
    let read = file.take(LARGEST.saturating_add(1)).read_to_end(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= LARGEST) {
        Ok(text)
    } else {
        Err(io::Error::other("it has more than 16 MiB"))
    }
}

/// Refuses what nobody keeps a configuration in: a pipe that nobody writes to would be waited for. A directory is refused
/// by the system, in its own words.
fn regular(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    // A drop-in that leads there is masked, as systemd has it.
    let is_null = kind.is_char_device() && found.rdev() == makedev(NULL.0, NULL.1);
    if kind.is_file() || kind.is_dir() || is_null { Ok(()) } else { Err(io::Error::other("it is not a regular file")) }
}

/// The drop-ins for `path`: of `repoint.toml`, those in `repoint.d` beside it, in the order of their names; and files that
/// were perhaps meant to be some.
fn drop_ins(path: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), (PathBuf, io::Error)> {
    let Some(stem) = path.file_stem() else { return Ok(Default::default()) };
    let mut name = OsString::from(stem);
    name.push(".d");
    let directory = path.with_file_name(name);
    if directory == path {
        return Ok(Default::default());
    }
    let mut names = match names(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Default::default()),
        Err(error) => return Err((directory, error)),
        Ok(names) => names,
    };
    names.sort();
    let (read, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| has_end(name, &[".toml"]));
    let meant = others.into_iter().filter(|name| has_end(&name.to_ascii_lowercase(), MEANT));
    let in_directory = |name: OsString| directory.join(name);
    Ok((read.into_iter().map(in_directory).collect(), meant.map(in_directory).collect()))
}

/// The files in a directory. Editors leave hidden ones behind; those are not meant.
fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if !name.as_encoded_bytes().starts_with(b".") && (kind.is_file() || kind.is_symlink()) {
            found.push(name);
        }
    }
    Ok(found)
}

fn has_end(name: &OsStr, ends: &[&str]) -> bool {
    ends.iter().any(|end| name.as_encoded_bytes().ends_with(end.as_bytes()))
}
