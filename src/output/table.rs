//! Rows and columns: for people, for a wiki, for a spreadsheet.

use super::Plain;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use std::ops::Range;

/// Lines for a terminal of `width` columns; as wide as it gets where there is none. The columns of `numbers` are set to the
/// right. What is in the cells is taken for safe, line feeds among it.
pub fn table<const N: usize>(
    header: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
    numbers: Range<usize>,
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(numbers.start).take(numbers.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Text that Markdown shows as it is.
pub fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for character in Plain(text).to_string().chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '|' | '<' | '>' | '[' | ']' | '&' | '#' | '~') {
            safe.push('\\');
        }
        safe.push(character);
    }
    safe
}

/// A field of CSV, on one line: it is looked at in terminals, too, and read by `cut` and `grep`. What a spreadsheet would take for
/// a formula is taken for text behind an apostrophe: no image is called so, but somebody may ask for one.
pub fn quoted(field: &str) -> String {
    let is_formula = field.len() > 1 && field.starts_with(['=', '+', '-', '@']);
    let text = format!("{}{}", if is_formula { "'" } else { "" }, Plain(field));
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_csv_is_quoted_where_it_has_to_be_and_is_no_formula() {
        for (field, expected) in [
            ("k8s.gcr.io/pause:3.9", "k8s.gcr.io/pause:3.9"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\r\nb", "a\\r\\nb"),
            ("\u{1b}[2J,\u{202e}", "\"\\u{1b}[2J,\\u{202e}\""),
            ("=cmd()", "'=cmd()"),
            ("\t=cmd()", "\\t=cmd()"),
            ("-", "-"),
        ] {
            assert_eq!(quoted(field), expected);
        }
    }

    #[test]
    fn markdown_shows_text_as_it_is() {
        assert_eq!(escaped("a|b_c\n<x>"), "a\\|b\\_c\\\\n\\<x\\>");
    }
}
