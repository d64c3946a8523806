//! What is not looked at, blanked out: each byte of it by one of a space, so that all others stay where they are.

/// How a text marks its comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comments {
    /// What begins one at the beginning of a line or after a space, and not within quotes.
    marks: &'static [&'static str],
    /// What begins one at the beginning of a line alone.
    first: Option<char>,
    /// What is around one that may be of many lines.
    around: Option<(&'static str, &'static str)>,
}

// === impl Comments ===

impl Comments {
    /// Those of YAML and of shells.
    pub const HASH: Self = Self { marks: &["#"], first: None, around: None };
    /// Those of templates of YAML: Jinja has some of its own.
    pub const TEMPLATE: Self = Self { around: Some(("{#", "#}")), ..Self::HASH };
    /// Those of a language that is not known.
    pub const ANY: Self = Self { marks: &["#", "//"], ..Self::HASH };

    /// Those of a file of that name, where it says its language.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        match name.rsplit('.').next().unwrap_or_default() {
            _ if !name.contains('.') && name != "jenkinsfile" => None,
            "hcl" | "jenkinsfile" | "json5" | "jsonc" | "jsonnet" | "libsonnet" | "nomad" | "tf" | "tfvars" => {
                Some(Self { around: Some(("/*", "*/")), ..Self::ANY })
            }
            "cfg" | "conf" | "ini" | "service" | "systemd" => Some(Self { first: Some(';'), ..Self::ANY }),
            "properties" => Some(Self { first: Some('!'), ..Self::ANY }),
            "ps1" => Some(Self { around: Some(("<#", "#>")), ..Self::ANY }),
            "cue" => Some(Self::ANY),
            _ => None,
        }
    }
}

/// The text without its comments, and without those of templates (`{{/* … */}}`).
pub fn mask(text: &str, mut comments: Comments) -> String {
    let mut bytes = text.as_bytes().to_vec();
    mask_templates(text, &mut bytes);
    let mut literal: Option<&str> = None;
    let (mut at, mut end) = (0_usize, 0_usize);
    while at < text.len() {
        if at >= end {
            end = find(text, at, "\n").map_or(text.len(), |end| end.saturating_add(1));
        }
        let line = text.get(at..end).unwrap_or_default();
        let is_literal = literal.is_some();
        literal = literal.filter(|mark| !closes(line, mark));
        let around = comments.around.filter(|_| !is_literal);
        match comment(line, Comments { around, ..comments }) {
            None => {
                literal = literal.or_else(|| around.filter(|_| !is_literal).and_then(|_| opened(line)));
                at = end;
            }
            Some((start, None)) => {
                blank(&mut bytes, at.saturating_add(start), end);
                at = end;
            }
            Some((start, Some((open, close)))) => {
                let start = at.saturating_add(start);
                match find(text, start.saturating_add(open.len()), close) {
                    Some(closed) => {
                        at = closed.saturating_add(close.len());
                        blank(&mut bytes, start, at);
                    }
                    // What does not end is no comment, and neither is what follows.
                    None => comments.around = None,
                }
            }
        }
    }
    // Only whole characters are blanked, so it is text still.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Comments of templates may be of many lines.
fn mask_templates(text: &str, bytes: &mut [u8]) {
    let mut from = 0;
    while let Some(start) = find(text, from, "/*") {
        from = start.saturating_add(2);
        if is_in_template(text, start) {
            let end = find(text, start, "*/").unwrap_or(text.len());
            blank(bytes, start, end);
            from = end;
        }
    }
}

/// What ends a text of several lines that begins in this one, such as a script, in which no comment of several lines can be.
fn opened(line: &str) -> Option<&str> {
    let is_odd = |mark: &&str| line.matches(*mark).count() % 2 == 1;
    let quotes = ["\"\"\"", "'''"].into_iter().find(is_odd);
    let text = quotes.or_else(|| Some("|||").filter(|mark| line.trim_end().ends_with(mark)));
    text.or_else(|| {
        let (_, word) = line.rsplit_once("<<")?;
        let word = word.trim().trim_start_matches('-');
        let is_word = !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        is_word.then_some(word)
    })
}

/// Whether this line is the last of such a text.
fn closes(line: &str, mark: &str) -> bool {
    if mark.starts_with(['"', '\'', '|']) { line.contains(mark) } else { line.trim() == mark }
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

/// Where the first comment of a line begins; and what is around it, unless the end of the line ends it.
fn comment(line: &str, comments: Comments) -> Option<(usize, Option<(&'static str, &'static str)>)> {
    let bare = line.trim_start();
    if comments.first.is_some_and(|mark| bare.starts_with(mark)) {
        return Some((line.len().saturating_sub(bare.len()), None));
    }
    let mut quote = None;
    let mut before = ' ';
    for (at, letter) in line.char_indices() {
        let is_next = |mark: &str| line.get(at..).is_some_and(|rest| rest.starts_with(mark));
        if quote.is_none() && matches!(letter, '#' | '/' | '<' | '{') {
            if before.is_whitespace() && comments.marks.iter().any(|mark| is_next(mark)) {
                return Some((at, None));
            }
            if comments.around.is_some_and(|(open, _)| is_next(open) && may_precede(before, open)) {
                return Some((at, comments.around));
            }
        }
        match quote {
            // An apostrophe within a word begins no quotation.
            None if matches!(letter, '"' | '\'') && !before.is_alphanumeric() => quote = Some(letter),
            Some(open) if open == letter => quote = None,
            None | Some(_) => {}
        }
        before = letter;
    }
    None
}

/// Whether a comment may begin behind this letter: `/tmp/*` is a pattern, and `${#a}` a shell's.
fn may_precede(before: char, open: &str) -> bool {
    if open == "{#" { before != '$' } else { before.is_whitespace() || "([{,;:=+".contains(before) }
}
