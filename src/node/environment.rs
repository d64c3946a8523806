//! Files that systemd reads variables from, such as `/etc/default/kubelet`: read as systemd does, which is not as a shell
//! would, and added to without another byte of them changing.

use super::unclear::Unclear;
use std::path::Path;

/// A variable that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its name.
    pub name: String,
    /// What it is set to.
    pub value: String,
    /// On which line, counted from 1.
    pub line: usize,
    /// Where in the file more of the value would go.
    end: usize,
}

/// Where a reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Line,
    Comment,
    Name,
    /// Before a value, or between two quoted parts of it.
    Before,
    Value,
    Quote(char),
}

/// Who reads it.
struct Reader<'a> {
    file: &'a Path,
    found: Vec<Assignment>,
    at: At,
    line: usize,
    name: String,
    value: String,
    /// How long the value is without spaces that nothing follows.
    trimmed: usize,
    end: usize,
    began: usize,
}

/// What a file sets, in order; the last one of a name holds.
///
/// # Errors
///
/// When a quote is not closed, or a comment goes on in the next line or does not, since nobody can say then what was meant.
pub fn read(file: &Path, text: &str) -> Result<Vec<Assignment>, Unclear> {
    no_comment_goes_on(file, text)?;
    let mut reader = Reader {
        file,
        found: Vec::new(),
        at: At::Line,
        line: 1,
        name: String::new(),
        value: String::new(),
        trimmed: 0,
        end: 0,
        began: 1,
    };
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        let escaped = if character == '\\' { characters.peek().map(|(_, next)| *next) } else { None };
        let has_eaten = reader.step(index, character, escaped);
        if character == '\n' {
            reader.line = reader.line.saturating_add(1);
        }
        if has_eaten && let Some((_, '\n')) = characters.next() {
            reader.line = reader.line.saturating_add(1);
        }
    }
    reader.finish()
}

/// A comment that ends in a backslash takes the next line with it up to systemd 253, and does not from 254 on.
fn no_comment_goes_on(file: &Path, text: &str) -> Result<(), Unclear> {
    let lines = text.lines().map(str::trim);
    for (index, (line, next)) in lines.clone().zip(lines.skip(1)).enumerate() {
        let is_comment = |line: &str| line.starts_with(['#', ';']);
        if is_comment(line) && line.ends_with('\\') && !is_comment(next) && next.contains('=') {
            let what = "this comment ends in a backslash: to systemd up to 253 the next line is part of it, later it is not. Take the \
                        backslash away";
            return Err(Unclear::line(file, index.saturating_add(1), what));
        }
    }
    Ok(())
}

/// The file with `word` added to the value of the last assignment of `name`, or to a new one; and what was put in.
///
/// # Errors
///
/// When the file can't be understood.
pub fn add(file: &Path, text: &str, name: &str, word: &str) -> Result<(String, String), Unclear> {
    let (at, put_in) = match read(file, text)?.into_iter().rfind(|found| found.name == name) {
        Some(Assignment { value, end, .. }) => {
            let is_apart = value.is_empty() || value.ends_with(char::is_whitespace);
            (end, if is_apart { word.to_owned() } else { format!(" {word}") })
        }
        None => {
            let line_feed = if text.contains("\r\n") { "\r\n" } else { "\n" };
            let ends = if text.is_empty() || text.ends_with('\n') { "" } else { line_feed };
            (text.len(), format!("{ends}{name}={word}{line_feed}"))
        }
    };
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    Ok((format!("{before}{put_in}{after}"), put_in))
}

// === impl Reader ===

impl Reader<'_> {
    /// Takes a character; says whether the one that it escapes is taken with it.
    fn step(&mut self, index: usize, character: char, escaped: Option<char>) -> bool {
        // systemd takes a carriage return for the end of a line, too.
        let is_end = matches!(character, '\n' | '\r');
        let after = index.saturating_add(character.len_utf8());
        match self.at {
            At::Line => match character {
                '#' | ';' => self.at = At::Comment,
                _ if character.is_whitespace() => {}
                _ => {
                    (self.at, self.began) = (At::Name, self.line);
                    self.name = String::from(character);
                }
            },
            At::Comment if is_end => self.at = At::Line,
            // A comment that ends in a backslash goes on in the next line.
            At::Comment => return escaped.is_some(),
            At::Name if is_end => self.at = At::Line,
            At::Name if character == '=' => {
                (self.at, self.end) = (At::Before, after);
                self.value.clear();
                self.trimmed = 0;
            }
            At::Name => self.name.push(character),
            At::Before | At::Value if is_end => self.assign(),
            At::Before if matches!(character, ' ' | '\t') => {}
            At::Before if matches!(character, '\'' | '"') => (self.at, self.end) = (At::Quote(character), after),
            At::Before | At::Value => {
                self.at = At::Value;
                if let Some(escaped) = escaped {
                    if !matches!(escaped, '\n' | '\r') {
                        self.value.push(escaped);
                    }
                    (self.trimmed, self.end) = (self.value.len(), after.saturating_add(escaped.len_utf8()));
                    return true;
                }
                self.value.push(character);
                if !matches!(character, ' ' | '\t') {
                    (self.trimmed, self.end) = (self.value.len(), after);
                }
            }
            At::Quote(quote) if character == quote => {
                // What is added goes inside.
                (self.at, self.trimmed, self.end) = (At::Before, self.value.len(), index);
            }
            At::Quote('"') if let Some(escaped) = escaped => {
                match escaped {
                    '"' | '\\' | '`' | '$' => self.value.push(escaped),
                    '\n' => {}
                    _ => self.value.extend(['\\', escaped]),
                }
                return true;
            }
            At::Quote(_) => self.value.push(character),
        }
        false
    }

    fn assign(&mut self) {
        self.value.truncate(self.trimmed);
        self.found.push(Assignment {
            name: self.name.trim_end().to_owned(),
            value: std::mem::take(&mut self.value),
            line: self.began,
            end: self.end,
        });
        self.at = At::Line;
    }

    fn finish(mut self) -> Result<Vec<Assignment>, Unclear> {
        match self.at {
            At::Line | At::Comment | At::Name => {}
            At::Before | At::Value => self.assign(),
            At::Quote(quote) => {
                let what = format!("the value of {} has a {quote} that is not closed", self.name);
                return Err(Unclear::line(self.file, self.began, what));
            }
        }
        Ok(self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "/etc/default/kubelet";

    fn value(text: &str) -> Option<String> {
        let found = read(Path::new(FILE), text).unwrap();
        found.into_iter().rfind(|found| found.name == "X").map(|found| found.value)
    }

    #[test]
    fn values_are_those_that_systemd_sees() {
        for (text, expected) in [
            ("X=--a --b  \n", "--a --b"),
            ("X=\"--a  \"\n", "--a  "),
            ("X='a'\"b\"c\n", "abc"),
            ("X=a\\\n b\n", "a b"),
            ("X=1\r\nX=2\r\n", "2"),
            ("# c \\\n# X=no\nX=yes", "yes"),
            ("; c\n  X = spaced\n", "spaced"),
            // There are no comments behind a value.
            ("X=\"--a\" # note\n", "--a# note"),
            ("X=\"a\\\"b\\c\"\n", "a\"b\\c"),
            ("X=\n", ""),
        ] {
            assert_eq!(value(text).as_deref(), Some(expected), "{text:?}");
        }
        assert_eq!(value("Y=1\nX\n"), None);
        let error = read(Path::new(FILE), "\nX='1\nY=2\n").unwrap_err();
        assert_eq!(error.to_string(), "/etc/default/kubelet:2: the value of X has a ' that is not closed");
        let error = read(Path::new(FILE), "X=1\n# c \\\nX=2\n").unwrap_err();
        assert!(error.to_string().starts_with("/etc/default/kubelet:2: this comment ends in a backslash"), "{error}");
    }

    #[test]
    fn a_word_is_added_and_every_other_byte_stays() {
        for (text, expected) in [
            ("", "X=-w\n"),
            ("# note", "# note\nX=-w\n"),
            ("A=1\r\n", "A=1\r\nX=-w\r\n"),
            ("X=\n", "X=-w\n"),
            ("X=\"\"  \n", "X=\"-w\"  \n"),
            ("X=--a  \r\nB=1", "X=--a -w  \r\nB=1"),
            ("X='--a' \n# end", "X='--a -w' \n# end"),
            ("X=\"--a \"\n", "X=\"--a -w\"\n"),
            ("X=\"--a\" # note\n", "X=\"--a\" # note -w\n"),
            ("X=--a \\\n  --b\n", "X=--a \\\n  --b -w\n"),
            ("X=1\nX=2", "X=1\nX=2 -w"),
        ] {
            let (after, put_in) = add(Path::new(FILE), text, "X", "-w").unwrap();
            assert_eq!(after, expected, "{text:?}");
            assert_eq!(after.replacen(&put_in, "", 1), text, "what was put in is all that changed");
            assert!(value(&after).unwrap().ends_with("-w"));
        }
    }
}
