//! Which line a byte is in.

/// A place in a text, which is moved on and never back: a text may be of one line alone, and have millions of characters in it.
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    column: usize,
}

/// What an editor does not show in front of a text.
const MARK: char = '\u{feff}';

// === impl Lines ===

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let at = if text.starts_with(MARK) { MARK.len_utf8() } else { 0 };
        Self { text, at, line: 1, column: 1 }
    }

    /// The line of a byte and the character in it, both counted from 1. No byte may be before the last one that was asked for.
    pub(super) fn place(&mut self, at: usize) -> (usize, usize) {
        for letter in self.text.get(self.at..at).unwrap_or_default().chars() {
            if letter == '\n' {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            } else {
                self.column = self.column.saturating_add(1);
            }
        }
        self.at = self.at.max(at);
        (self.line, self.column)
    }
}
