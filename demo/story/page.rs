//! The form of what is printed: plain text for a terminal of a hundred columns.

use std::io::Write;

use super::Failed;

const WIDTH: usize = 100;

/// Before everything but a heading.
const INDENT: &str = "   ";

/// What stands on the left of a pair.
const LABEL: usize = 12;

/// A page that is printed as it is written.
pub struct Page<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Page<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    pub fn heading(&mut self, text: &str) -> Result<(), Failed> {
        writeln!(self.out, "\n{text}")?;
        // What comes next may take a second.
        Ok(self.out.flush()?)
    }

    pub fn text(&mut self, text: &str) -> Result<(), Failed> {
        for line in wrapped(text, WIDTH.saturating_sub(INDENT.len())) {
            writeln!(self.out, "{INDENT}{line}")?;
        }
        Ok(())
    }

    pub fn pair(&mut self, label: &str, text: &str) -> Result<(), Failed> {
        let room = WIDTH.saturating_sub(INDENT.len()).saturating_sub(LABEL);
        for (number, line) in wrapped(text, room).iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            writeln!(self.out, "{INDENT}{label:LABEL$}{line}")?;
        }
        Ok(self.out.flush()?)
    }

    /// A command line, each option on a line of its own, to be copied whole.
    pub fn command(&mut self, words: &[String]) -> Result<(), Failed> {
        write!(self.out, "{INDENT}$")?;
        for word in words {
            let option = word.starts_with("--");
            let before = if option { format!(" \\\n{INDENT}    ") } else { " ".to_owned() };
            write!(self.out, "{before}{word}")?;
        }
        Ok(writeln!(self.out)?)
    }

    /// Lines that are broken where they have to be.
    pub fn block(&mut self, text: &str) -> Result<(), Failed> {
        for line in text.lines() {
            writeln!(self.out, "{INDENT}{line}")?;
        }
        Ok(())
    }

    pub fn end(self) -> Result<(), Failed> {
        Ok(self.out.flush()?)
    }
}

/// Lines of that width, but for a word that is longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count().saturating_add(word.chars().count()) < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
