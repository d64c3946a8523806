//! The command line and the configuration, as one reads them without running the program: man pages and completions.
//!
//! All of it is rendered from what the program itself goes by, so that it can't tell of an option that is gone. What is
//! written here is what no definition has: which files there are, and which variables.

mod command;
mod settings;

use std::io;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::roff::{Roff, bold, roman};
use repoint::args::Cli;

/// All pages and completions, by the names of their files.
pub fn all() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for command in commands() {
        all.push((format!("man/{}.1", called(&command)), command::page(&command)?));
    }
    all.push(("man/repoint.toml.5".to_owned(), settings::page()?));
    for (shell, name) in [(Shell::Bash, "repoint"), (Shell::Zsh, "_repoint"), (Shell::Fish, "repoint.fish")] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "repoint", &mut text);
        all.push((format!("completions/{shell}/{name}"), text));
    }
    Ok(all)
}

/// repoint itself and everything that it can be told to do, the one before those below it.
pub fn commands() -> Vec<Command> {
    // `repoint help report` is `repoint report --help`, which has a page.
    let mut top = Cli::command().disable_help_subcommand(true);
    top.build();
    let mut all = vec![top];
    let mut next = 0;
    while let Some(command) = all.get(next) {
        let below: Vec<_> = command.get_subcommands().cloned().collect();
        all.extend(below);
        next = next.saturating_add(1);
    }
    all
}

/// What its page is called: `repoint-config-check`.
pub fn called(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

/// The first line, and what it makes a page's head and foot of. No date: what is rendered from the same source is the
/// same.
fn title(roff: &mut Roff, name: &str, section: &str) {
    let version = format!("repoint {}", env!("CARGO_PKG_VERSION"));
    roff.control("TH", [name, section, "", version.as_str(), "repoint"]);
}

/// Other pages, as one refers to them.
fn see_also(roff: &mut Roff, pages: &[(String, &str)]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for (name, section) in pages {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(name.as_str()), roman(format!("({section})"))]);
    }
    roff.text(line);
}

/// A name, and what it is.
fn item(roff: &mut Roff, name: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(text)]);
}

fn written(roff: &Roff, page: &mut Vec<u8>) -> io::Result<()> {
    roff.to_writer(page)
}
