//! Files, and directories with all below them.

mod tree;

use super::document::{Document, Form, STDIN};
use super::{Kind, Unread};
use crate::output::counted;
use rustix::fs::{Mode, OFlags, open};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that was read.
#[derive(Debug)]
pub struct Input {
    /// Where it is; `None` for standard input.
    pub path: Option<PathBuf>,
    /// What people are told that is.
    pub name: String,
    /// What it says.
    pub text: String,
    /// How it is read.
    pub form: Form,
}

/// No file that people write is larger.
pub const LARGEST: u64 = 32 << 20;

/// All pods of a large cluster are more than that, but not more than this.
pub const LARGEST_INPUT: u64 = 512 << 20;

// === impl Input ===

impl Input {
    /// The document that it is.
    pub fn document<'a>(&'a self, namespace: Option<&'a str>) -> Document<'a> {
        Document { name: &self.name, text: &self.text, form: self.form, namespace }
    }

    /// Reads standard input to its end.
    ///
    /// # Errors
    ///
    /// When that can't be done, or it is no text that can be searched.
    pub fn stdin(input: &mut dyn Read) -> Result<Self, Unread> {
        let name = STDIN.to_owned();
        let text = text(&name, input, LARGEST_INPUT)?;
        Ok(Self { path: None, name, text, form: Form::Yaml(Kind::Manifest) })
    }

    /// Reads a file. One whose name does not say what it is says so itself.
    fn file(path: &Path, form: Option<Form>) -> Result<Self, Unread> {
        let name = name(path);
        let failed = |error: io::Error| unread(&name, format!("cannot be read: {}", plain(&error)));
        // Opened without waiting: a pipe that nobody writes to would hold up everything.
        let file = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        let mut file = File::from(file.map_err(|error| failed(error.into()))?);
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(unread(&name, "not a regular file"));
        }
        let text = text(&name, &mut file, LARGEST)?;
        let is_object = || text.lines().any(|line| line.starts_with("apiVersion:")) || text.starts_with('{');
        let own = || if is_object() { Form::Yaml(Kind::Manifest) } else { Form::text(path) };
        let form = form.unwrap_or_else(own);
        Ok(Self { path: Some(path.to_owned()), name, text, form })
    }
}

/// Shows `see` every file below these paths that is of a kind that is looked into, in order, each once. What is named outright is
/// looked into whatever it is.
pub fn walk(paths: &[PathBuf], see: &mut dyn FnMut(Result<Input, Unread>)) {
    let mut seen = HashSet::new();
    for path in paths {
        if !path.is_dir() {
            if is_new(path, &mut seen) {
                see(Input::file(path, Form::of(path)));
            }
            continue;
        }
        tree::walk(path, &mut |entry| match entry {
            Err((path, error)) => see(Err(unread(&name(&path), format!("cannot be read: {}", plain(&error))))),
            Ok(path) => {
                let form = Form::of(&path);
                if let Some(form) = form.filter(|_| is_new(&path, &mut seen)) {
                    see(Input::file(&path, Some(form)));
                }
            }
        });
    }
}

/// Whether it was not seen by another path.
fn is_new(path: &Path, seen: &mut HashSet<(u64, u64)>) -> bool {
    // What is not there is told of when it is opened.
    path.metadata().map_or(true, |file| seen.insert((file.dev(), file.ino())))
}

fn text(name: &str, input: &mut dyn Read, most: u64) -> Result<String, Unread> {
    let mut bytes = Vec::new();
    let read = input.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| unread(name, format!("cannot be read: {}", plain(&error))))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        let size = counted(most >> 20, "mebibyte");
        return Err(unread(name, format!("more than {size}: split it")));
    }
    let line = |at: usize| bytes.iter().take(at).filter(|byte| **byte == b'\n').count().saturating_add(1);
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(unread(&format!("{name}:{}", line(at)), "a NUL byte: this is no text, or not in UTF-8"));
    }
    match std::str::from_utf8(&bytes) {
        Err(error) => Err(unread(&format!("{name}:{}", line(error.valid_up_to())), "not in UTF-8")),
        Ok(_) => Ok(String::from_utf8(bytes).unwrap_or_default()),
    }
}

fn name(path: &Path) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.display().to_string()
}

fn unread(name: &str, why: impl Into<String>) -> Unread {
    Unread { place: name.to_owned(), why: why.into(), searched: false }
}

/// What the system says, without its number.
fn plain(error: &dyn std::error::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_owned()
}
