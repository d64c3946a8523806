//! `cargo run --example pages -- DIR`: the man pages and the completions, as files of DIR. The packages are made with it.

#[expect(unreachable_pub, reason = "`pub` says what main may use; nothing is outside of it")]
mod rendered;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return complain("usage: pages DIR", 2);
    };
    match write(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("cannot write to {}: {error}", directory.display()), 1),
    }
}

fn write(directory: &Path) -> io::Result<()> {
    for (name, text) in rendered::all()? {
        let file = directory.join(name);
        fs::create_dir_all(file.parent().unwrap_or(directory))?;
        fs::write(file, text)?;
    }
    Ok(())
}

fn complain(what: &str, code: u8) -> ExitCode {
    // There is nobody left to tell that nobody can be told.
    let _closed = writeln!(io::stderr(), "pages: {what}");
    ExitCode::from(code)
}
