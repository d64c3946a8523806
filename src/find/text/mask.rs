//! What is not looked at, blanked out: each byte of it by one of a space, so that all others stay where they are.

/// How a text marks its comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comments {
    /// `#`, at the beginning of a line or after a space, and not within quotes.
    Hash,
    /// That, and `//`, likewise.
    HashAndSlashes,
}

/// The text without its comments, and without those of templates (`{{/* … */}}`).
pub fn mask(text: &str, comments: Comments) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut from = 0;
    // Those of templates may be of many lines.
    while let Some(start) = find(text, from, "/*") {
        from = start.saturating_add(2);
        if is_in_template(text, start) {
            let end = find(text, start, "*/").unwrap_or(text.len());
            blank(&mut bytes, start, end);
            from = end;
        }
    }
    let mut line_start = 0_usize;
    for line in text.split_inclusive('\n') {
        if let Some(at) = comment(line, comments) {
            blank(&mut bytes, line_start.saturating_add(at), line_start.saturating_add(line.len()));
        }
        line_start = line_start.saturating_add(line.len());
    }
    // Only whole characters are blanked, so it is text still.
    String::from_utf8(bytes).unwrap_or_default()
}

/// The text of a double-quoted scalar without its escapes, which are no part of any name.
pub fn without_escapes(written: &str) -> String {
    let mut bytes = written.as_bytes().to_vec();
    let mut at = 0_usize;
    while let Some(next) = find(written, at, "\\") {
        let letter = written.as_bytes().get(next.saturating_add(1)).copied();
        let end = next.saturating_add(match letter {
            Some(b'x') => 4,
            Some(b'u') => 6,
            Some(b'U') => 10,
            _ => 2,
        });
        let end = end.min(written.len());
        if bytes.get(next..end).is_some_and(<[u8]>::is_ascii) {
            blank(&mut bytes, next, end);
            // What follows begins a line.
            if let (Some(b'n'), Some(byte)) = (letter, bytes.get_mut(next)) {
                *byte = b'\n';
            }
        }
        at = end.max(next.saturating_add(1));
        while !written.is_char_boundary(at) {
            at = at.saturating_add(1);
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn find(text: &str, from: usize, what: &str) -> Option<usize> {
    text.get(from..)?.find(what).map(|at| from.saturating_add(at))
}

fn is_in_template(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let before = before.strip_suffix(' ').unwrap_or(before);
    before.strip_suffix('-').unwrap_or(before).ends_with("{{")
}

fn blank(bytes: &mut [u8], start: usize, end: usize) {
    for byte in bytes.get_mut(start..end).into_iter().flatten() {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Where the comment of a line begins.
fn comment(line: &str, comments: Comments) -> Option<usize> {
    let mut quote = None;
    let mut before = ' ';
    for (at, letter) in line.char_indices() {
        let starts = letter == '#'
            || (comments == Comments::HashAndSlashes && line.get(at..).is_some_and(|rest| rest.starts_with("//")));
        match quote {
            None if starts && before.is_whitespace() => return Some(at),
            // An apostrophe within a word begins no quotation.
            None if matches!(letter, '"' | '\'') && !before.is_alphanumeric() => quote = Some(letter),
            Some(open) if open == letter => quote = None,
            None | Some(_) => {}
        }
        before = letter;
    }
    None
}
