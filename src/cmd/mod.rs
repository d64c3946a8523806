//! The commands, one file each.

pub mod config;
pub mod doctor;
pub mod explain;
pub mod install;
pub mod override_rule;
mod progress;
pub mod report;
mod running;
pub mod scan;
pub mod serve;
mod service;
mod site;
pub mod status;
pub mod tail;
pub mod uninstall;
pub mod verify;

use crate::args::{Cli, Command};
use crate::error::Chain;
use crate::exit::Exit;
use crate::output::{self, Plain};
use std::error::Error;
use std::io::Write;

/// Why a command did not do what it was asked, and the code it ends with.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    cause: Box<dyn Error>,
}

impl Failure {
    fn new(exit: Exit, cause: impl Error + 'static) -> Self {
        Self { exit, cause: Box::new(cause) }
    }
}

/// Does what the command line says. An error is printed once, here.
pub fn run(cli: Cli) -> Exit {
    let outcome = match cli.command {
        Command::Serve(options) => serve::run(options).map(done),
        Command::Explain(options) => explain::run(&options).map(done),
        Command::Report(options) => report::run(&options).map(done),
        Command::Scan(options) => scan::run(&options),
        Command::Verify(options) => verify::run(&options),
        Command::Tail(options) => tail::run(&options).map(done),
        Command::Status(options) => status::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Override(options) => override_rule::run(&options).map(done),
        Command::Install(options) => install::run(&options).map(done),
        Command::Uninstall(options) => uninstall::run(&options).map(done),
        Command::Config(command) => config::run(&command).map(done),
    };
    match outcome {
        Ok(exit) => exit,
        Err(Failure { exit, cause }) => {
            let mut told = std::io::stderr();
            for line in Chain(cause.as_ref()).to_string().lines() {
                // There is nobody left to tell that nobody can be told. Causes quote paths, and files of others.
                let _closed = writeln!(told, "repoint: {}", Plain(line));
            }
            exit
        }
    }
}

/// Why nothing was said.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct Unwritable(#[from] std::io::Error);

fn print(text: &str) -> Result<(), Failure> {
    output::print(text).map_err(|error| Failure::new(Exit::Failed, Unwritable(error)))
}

/// That was all.
const fn done((): ()) -> Exit {
    Exit::Done
}

/// Says what has to be known besides what is printed, a line each.
fn note(lines: impl IntoIterator<Item = String>) {
    let mut told = std::io::stderr().lock();
    for line in lines {
        // There is nobody left to tell that nobody can be told.
        let _closed = writeln!(told, "repoint: {}", Plain(&line));
    }
}
