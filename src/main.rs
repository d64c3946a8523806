//! The binary: parse, dispatch, exit code; nothing else.

use clap::Parser;
use repoint::args::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    repoint::cmd::run(Cli::parse()).into()
}
