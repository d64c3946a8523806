//! YAML, and JSON, which is some of it: what a file says at its top.

use super::unclear::Unclear;
use serde_json::{Map, Value};
use std::path::Path;

/// The keys of a file and what they say. A file without any is not wrong.
///
/// # Errors
///
/// When it is no YAML, or no table of keys.
pub fn read(file: &Path, text: &str) -> Result<Map<String, Value>, Unclear> {
    match serde_saphyr::from_str::<Option<Map<String, Value>>>(text) {
        Ok(keys) => Ok(keys.unwrap_or_default()),
        Err(error) => {
            let line = error.location().map_or(1, |location| usize::try_from(location.line()).unwrap_or(1));
            let what = error.without_snippet().to_string();
            Err(Unclear::line(file, line.max(1), what.lines().next().unwrap_or("this is not YAML")))
        }
    }
}

/// A value as text, if it is one that can be written as such.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The line in which a key stands, counted from 1: at the top of YAML; somewhere in JSON, which has it in quotes.
pub fn line(text: &str, key: &str) -> Option<usize> {
    let is_key = |line: &str| {
        let rest = line.trim_start_matches(['"', '\'']).strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    };
    let quoted = format!("\"{key}\"");
    let found = text.lines().position(is_key).or_else(|| text.lines().position(|line| line.contains(&quoted)));
    found.map(|index| index.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_from_a_comment_about_it() {
        assert_eq!(line("# a: none\n'a': b\n", "a"), Some(2));
        assert_eq!(line("ab: c\nd:\n  a: e\na : f\n", "a"), Some(4));
        assert_eq!(line("{\"b\": 1,\n \"c\": 2, \"a\": 3}", "a"), Some(2));
        assert_eq!(line("b: c\n", "a"), None);
    }

    #[test]
    fn yaml_and_json_say_the_same_and_nonsense_has_a_line() {
        let file = Path::new("/c.yaml");
        for text in ["a: b\nc: [1]\n", "{\n    \"a\": \"b\",\n    \"c\": [1]\n}\n", "---\n# note\na: 'b'\n"] {
            assert_eq!(read(file, text).unwrap()["a"], "b", "{text}");
        }
        assert!(read(file, "# nothing\n").unwrap().is_empty());
        assert!(read(file, "").unwrap().is_empty());
        let error = read(file, "a: b\nc: [\n").unwrap_err().to_string();
        assert!(error.starts_with("/c.yaml:"), "{error}");
        assert!(read(file, "- a\n").is_err());
    }
}
