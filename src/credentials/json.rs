//! JSON that has secrets in it.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// Where a document stops making sense. The parser's own error would quote the value it did not expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line} column {column}")]
pub(super) struct Malformed {
    what: &'static str,
    line: usize,
    column: usize,
}

/// Reads a document.
///
/// # Errors
///
/// When it is not JSON, or not of the form of a `T`.
pub(super) fn read<T: DeserializeOwned>(document: &[u8]) -> Result<T, Malformed> {
    serde_json::from_slice(document).map_err(|error| {
        let what = match error.classify() {
            Category::Syntax | Category::Io => "not JSON",
            Category::Eof => "JSON that ends too early",
            Category::Data => "JSON of another form than expected",
        };
        Malformed { what, line: error.line(), column: error.column() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::credential::Text;
    use std::collections::BTreeMap;

    #[test]
    fn an_error_says_where_and_never_what() {
        for (document, expected) in [
            ("\n {hunter2", "not JSON at line 2 column 3"),
            ("{\"hunter2\"", "JSON that ends too early at line 1 column 10"),
            ("{\"x\": 4711}", "JSON of another form than expected at line 1 column 10"),
        ] {
            assert_eq!(read::<BTreeMap<String, Text>>(document.as_bytes()).unwrap_err().to_string(), expected);
        }
    }
}
