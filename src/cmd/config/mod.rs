//! `repoint config`: looks at the configuration, turns it into others' and back, and changes nothing that holds.

mod check;
mod export;
mod import;
mod schema;
mod show;

use super::{Failure, note, print};
use crate::args::Config;

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
