//! Command lines, as systemd takes them apart.

/// Takes a line apart at its spaces, with quotes and backslashes heeded and removed; `None` where a quote is not closed.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', Some('"') | None) => word.get_or_insert_default().push(characters.next()?),
            (_, Some(open)) if character == open => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(character),
            ('"' | '\'', None) => {
                word.get_or_insert_default();
                quote = Some(character);
            }
            (_, None) if character.is_whitespace() => words.extend(word.take()),
            (_, None) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn quotes_keep_words_together_and_are_gone() {
        for (line, expected) in [
            ("a  b\tc", vec!["a", "b", "c"]),
            (r#"'a b' "c d"e f"#, vec!["a b", "c de", "f"]),
            (r#"--x="1 2" '' \  "\"q""#, vec!["--x=1 2", "", " ", "\"q"]),
            ("  ", vec![]),
        ] {
            assert_eq!(split(line).unwrap(), expected, "{line}");
        }
        assert_eq!(split("'a"), None);
        assert_eq!(split("a\\"), None);
    }
}
