//! `repoint config`: looks at the configuration, turns it into others' and back, and changes nothing that holds.

mod check;
mod export;
mod import;
mod schema;
mod show;

use super::Failure;
use crate::args::Config;
use crate::exit::Exit;
use crate::output::{self, Plain};
use std::io::Write;

/// Does what the command line says.
///
/// # Errors
///
/// When the configuration is wrong, or nothing can be written.
pub fn run(command: &Config) -> Result<(), Failure> {
    match command {
        Config::Check(file) => check::run(file),
        Config::Show(file) => show::run(file),
        Config::Schema => schema::run(),
        Config::Export(options) => export::run(options),
        Config::Import(options) => import::run(options),
    }
}

/// Why nothing was said.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct Unwritable(#[from] std::io::Error);

fn print(text: &str) -> Result<(), Failure> {
    output::print(text).map_err(|error| Failure::new(Exit::Failed, Unwritable(error)))
}

/// Says what has to be known besides what is printed, a line each.
fn note(lines: impl IntoIterator<Item = String>) {
    let mut told = std::io::stderr().lock();
    for line in lines {
        // There is nobody left to tell that nobody can be told.
        let _closed = writeln!(told, "repoint: {}", Plain(&line));
    }
}
