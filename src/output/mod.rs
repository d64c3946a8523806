//! Standard output, tables, and text from elsewhere that a terminal, a wiki or a spreadsheet may be shown.

mod table;

pub use table::{escaped, quoted, table};

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, IsTerminal, Write as _};

/// Text on one line in which nothing moves a cursor, rings a bell or turns the direction of writing: what would is
/// escaped.
#[derive(Debug, Clone, Copy)]
pub struct Plain<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_debug())?;
            } else if is_invisible(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Whether a character shows as nothing, or changes how those around it show.
pub fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Writes `text` to standard output.
///
/// # Errors
///
/// When it can't be written. A reader that has gone, as `head` does, has what it wanted.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// How many columns the terminal has that standard output is; `None` where it is none, or does not say.
pub fn width() -> Option<u16> {
    let out = io::stdout();
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
    size.map(|size| size.ws_col).filter(|width| *width > 0)
}

/// `1 node`, `2 nodes`.
pub fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::Plain;

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_what_people_write_is_not() {
        for (text, expected) in [
            ("k8s.gcr.io/pause:3.9 — Größe, 名前", "k8s.gcr.io/pause:3.9 — Größe, 名前"),
            ("\u{1b}[2Jgone\r\n\u{7}", "\\u{1b}[2Jgone\\r\\n\\u{7}"),
            ("a\u{202e}b\u{9b}1m", "a\\u{202e}b\\u{9b}1m"),
            ("c:\\", "c:\\"),
        ] {
            assert_eq!(Plain(text).to_string(), expected);
        }
    }
}
