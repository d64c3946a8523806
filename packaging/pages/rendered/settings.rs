//! repoint.toml(5), from the table of keys.

use std::io;

use clap_mangen::roff::{Roff, bold, roman};
use repoint::config::keys::{Key, TABLES, Unsaid};

use super::{see_also, title, written};

const ABOUT: &str = "\
It is TOML. Files in the directory repoint.d beside it that end in .toml are read after it, in the order of their \
names, and go before it: single keys as such, rules and credentials as a whole, by name. One that is not there says \
nothing, and then the defaults hold. A mistake takes nothing down: what was good last stays in force.";

pub fn page() -> io::Result<Vec<u8>> {
    let mut roff = Roff::new();
    title(&mut roff, "repoint.toml", "5");
    roff.control("SH", ["NAME"]);
    roff.text([roman("repoint.toml - the configuration of repoint")]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([roman("/etc/repoint/repoint.toml, /etc/repoint/repoint.d/*.toml")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(ABOUT)]);
    for table in TABLES {
        // Not in capitals, which keys are not written in.
        roff.control("SH", [table.at.replace('`', "").as_str()]);
        for key in table.keys {
            said(&mut roff, key);
        }
        if !table.one_of.is_empty() {
            roff.control("PP", []);
            roff.text([roman(format!("Exactly one of {} is there.", table.one_of.join(", ")))]);
        }
    }
    see_also(&mut roff, &[("repoint-config-check".to_owned(), "1"), ("repoint-config-show".to_owned(), "1")]);
    let mut page = Vec::new();
    written(&roff, &mut page)?;
    Ok(page)
}

fn said(roff: &mut Roff, key: &Key) {
    roff.control("TP", []);
    roff.text([bold(key.name)]);
    roff.text([roman(key.about)]);
    let then = match key.unsaid {
        Unsaid::Required => "It has to be there.".to_owned(),
        Unsaid::Default(value) => format!("Default: {value}."),
        Unsaid::Unset(then) => format!("Not set: {then}."),
    };
    roff.text([roman(format!("It is {}. {then}", key.kind.expected()))]);
}
