//! `repoint explain`: what becomes of an image on this node, and why. Nobody is asked and nothing is pulled.

mod fact;
mod text;

use super::{Failure, note};
use crate::args::{Explain, Serve};
use crate::config::{self, Settings};
use crate::exit::Exit;
use crate::machine;
use crate::rules::{Position, Standpoint};
use fact::Explanation;
use std::io::{self, BufRead, Write};

/// Why it was not done as asked.
#[derive(Debug, thiserror::Error)]
enum Undone {
    #[error("{invalid} of {all} references are invalid")]
    Invalid { invalid: usize, all: usize },
    #[error("cannot read standard input")]
    Unreadable(#[source] io::Error),
    #[error("cannot write to standard output")]
    Unwritable(#[source] io::Error),
}

/// Stands for standard input among the images.
const STDIN: &str = "-";

/// Explains every image, also those after an invalid one.
///
/// # Errors
///
/// When the configuration is wrong, a reference is invalid, or it can't read or write.
pub fn run(options: &Explain) -> Result<(), Failure> {
    let source = config::load(options.config.as_deref());
    let settings =
        config::settings(&Serve::default(), &source).map_err(|error| Failure::new(Exit::Configuration, error))?;
    let switch = config::source::switch(options.config.as_deref());
    if switch.symlink_metadata().is_ok() {
        note([format!("the kill switch is thrown: no pull is substituted while {} is there", switch.display())]);
    }
    let now = jiff::Timestamp::now();
    explain(options, &settings, now, &mut io::stdin().lock(), &mut io::stdout().lock()).or_else(|undone| match undone {
        // Who closes the pipe has read what they wanted.
        Undone::Unwritable(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        undone @ (Undone::Invalid { .. } | Undone::Unreadable(_) | Undone::Unwritable(_)) => {
            Err(Failure::new(Exit::Failed, undone))
        }
    })
}

fn explain(
    options: &Explain,
    settings: &Settings,
    now: jiff::Timestamp,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<(), Undone> {
    let node = Position::of(&machine::id().unwrap_or_else(|| settings.node.clone()));
    let (standpoint, namespace) = (Standpoint { node, now }, options.namespace.as_deref());
    let (mut invalid, mut all) = (0_usize, 0_usize);
    let mut say = |image: &str| {
        let explanation = Explanation::of(image, namespace, &settings.rules, standpoint);
        if !options.json && all > 0 {
            writeln!(output).map_err(Undone::Unwritable)?;
        }
        all = all.saturating_add(1);
        invalid = invalid.saturating_add(usize::from(explanation.error.is_some()));
        if options.json {
            serde_json::to_writer(&mut *output, &explanation).map_err(|error| Undone::Unwritable(error.into()))?;
            writeln!(output).map_err(Undone::Unwritable)
        } else {
            write!(output, "{}", text::Told(&explanation)).map_err(Undone::Unwritable)
        }
    };
    for image in &options.images {
        if image != STDIN {
            say(image)?;
            continue;
        }
        for line in input.by_ref().split(b'\n') {
            // What is no text is no reference either, which is for the explanation to say.
            let line = line.map_err(Undone::Unreadable)?;
            let line = String::from_utf8_lossy(&line);
            if !line.trim().is_empty() {
                say(line.trim())?;
            }
        }
    }
    if invalid == 0 { Ok(()) } else { Err(Undone::Invalid { invalid, all }) }
}

#[cfg(test)]
mod tests;
