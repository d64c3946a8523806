//! `repoint config`: looks at the configuration, turns it into others' and back, and changes nothing that holds.

mod check;
mod export;
mod import;
mod schema;
mod show;

use super::{Failure, note};
use crate::args::Config;
use crate::exit::Exit;
use crate::output;

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
