//! The page of a command.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, roman};
use repoint::exit::Exit;

use super::{called, item, see_also, title, written};

/// What can be set from outside. Of repoint's own there is none: a service is configured by its file.
pub const ENVIRONMENT: [(&str, &str); 6] = [
    ("RUST_LOG", "What is logged to standard error, such as `debug`, or `info,repoint::proxy=debug`. Not set: `info`."),
    ("NO_COLOR", "If it is not empty, `repoint tail` shows no colours."),
    ("NOTIFY_SOCKET, WATCHDOG_USEC", "Where systemd is told that the service is ready and alive, and how often."),
    (
        "LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID",
        "The sockets that systemd hands over. The one called `repoint` is taken.",
    ),
    ("STATE_DIRECTORY", "Where the last good configuration is kept, if the present one can't be read to say so."),
    ("CREDENTIALS_DIRECTORY", "Where systemd puts the credentials that it hands to the service."),
];

/// What is where, unless the configuration says otherwise.
pub const FILES: [(&str, &str); 8] = [
    ("/etc/repoint/repoint.toml", "The configuration, with every key and its default. See repoint.toml(5)."),
    ("/etc/repoint/repoint.d/*.toml", "Drop-ins, which go before it."),
    ("/etc/repoint/disabled", "The kill switch: while there is such a file, no pull is substituted."),
    ("/run/repoint/repoint.sock", "The socket that the kubelet is pointed to."),
    ("/run/repoint/admin.sock", "Metrics, status and overrides, for root."),
    ("/var/log/repoint/audit.jsonl", "The audit log, and beside it the files that were put aside."),
    ("/var/lib/repoint", "What outlives a restart."),
    ("/usr/share/doc/repoint", "The documentation, and examples."),
];

pub fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    let name = called(command);
    let is_top = name == "repoint";

    let mut roff = Roff::new();
    title(&mut roff, &name, "1");
    written(&roff, &mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }

    let mut roff = Roff::new();
    if is_top {
        // In the place of what ends `repoint --help`, which says the same in three lines.
        exit_codes(&mut roff);
        items(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
        items(&mut roff, "FILES", &FILES);
    } else if let Some(notes) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        roff.control("SH", ["NOTES"]);
        as_it_is(&mut roff, &notes.to_string());
    }
    let mut others: Vec<_> = command.get_subcommands().map(|below| (called(below), "1")).collect();
    if !is_top {
        others.insert(0, ("repoint".to_owned(), "1"));
    }
    others.push(("repoint.toml".to_owned(), "5"));
    see_also(&mut roff, &others);
    written(&roff, &mut page)?;
    Ok(page)
}

fn exit_codes(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        item(roff, &(exit as u8).to_string(), exit.meaning());
    }
}

fn items(roff: &mut Roff, heading: &str, items: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (name, text) in items {
        item(roff, name, text);
    }
}

/// Text in which line ends and columns mean something.
fn as_it_is(roff: &mut Roff, text: &str) {
    roff.control("nf", []);
    for line in text.lines() {
        // An empty line is a paragraph's end to some, and a request for none to others.
        roff.text(if line.is_empty() { vec![Inline::LineBreak] } else { vec![roman(line)] });
    }
    roff.control("fi", []);
}
