//! The commands, one file each.

pub mod config;
pub mod explain;
pub mod report;
pub mod serve;
pub mod tail;

use crate::args::{Cli, Command};
use crate::error::Chain;
use crate::exit::Exit;
use crate::output::Plain;
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
        Command::Serve(options) => serve::run(options),
        Command::Explain(options) => explain::run(&options),
        Command::Report(options) => report::run(&options),
        Command::Tail(options) => tail::run(&options),
        Command::Config(command) => config::run(&command),
    };
    match outcome {
        Ok(()) => Exit::Done,
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

/// Says what has to be known besides what is printed, a line each.
fn note(lines: impl IntoIterator<Item = String>) {
    let mut told = std::io::stderr().lock();
    for line in lines {
        // There is nobody left to tell that nobody can be told.
        let _closed = writeln!(told, "repoint: {}", Plain(&line));
    }
}
