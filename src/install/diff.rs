//! What would change, in the form that `patch -p1` applies.

use crate::node::Content;
use crate::output::is_invisible;
use similar::TextDiff;
use std::fmt::Write;
use std::path::Path;

/// The difference between two states of a file; nothing where there is none.
pub fn unified(path: &Path, before: Option<&Content>, after: Option<&Content>) -> String {
    let text =
        |content: Option<&Content>| String::from_utf8_lossy(content.map_or(&[], |content| &content.bytes)).into_owned();
    let name = |side: &str, content: Option<&Content>| match content {
        Some(_) => named(side, path),
        None => "/dev/null".to_owned(),
    };
    let (old, new) = (text(before), text(after));
    if before.is_some() == after.is_some() && old == new {
        return String::new();
    }
    // A line ends in a line feed, and in nothing else, to whoever applies it.
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut patch = format!("--- {}\n+++ {}\n", name("a", before), name("b", after));
    for hunk in TextDiff::from_slices(&old, &new).unified_diff().iter_hunks() {
        let _infallible = writeln!(patch, "{}", hunk.header());
        for change in hunk.iter_changes() {
            let line = change.value();
            let _infallible = write!(patch, "{}{line}", change.tag());
            if !line.ends_with('\n') {
                patch.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    patch
}

/// A file's name as git writes it: in quotes, with its bytes as numbers, where some of it would mean something else.
fn named(side: &str, path: &Path) -> String {
    let is_odd = |letter: char| letter.is_control() || is_invisible(letter) || matches!(letter, '"' | '\\');
    if let Some(name) = path.to_str().filter(|name| !name.contains(is_odd)) {
        // Behind a name with a blank in it, a tab says where that ends.
        return format!("{side}{name}{}", if name.contains(' ') { "\t" } else { "" });
    }
    let mut name = format!("\"{side}");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'"' | b'\\' => name.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => name.push(char::from(*byte)),
            _ => {
                let _infallible = write!(name, "\\{byte:03o}");
            }
        }
    }
    name.push('"');
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_be_read_as_something_else_is_in_quotes() {
        for (path, expected) in [
            ("/x", "a/x"),
            ("/x y", "a/x y\t"),
            ("/\u{e9}", "a/\u{e9}"),
            ("/x\ty", "\"a/x\\011y\""),
            ("/\"\\ \n\u{e9}\u{202e}", "\"a/\\\"\\\\ \\012\\303\\251\\342\\200\\256\""),
        ] {
            assert_eq!(named("a", Path::new(path)), expected);
        }
    }

    #[test]
    fn a_file_that_is_new_or_gone_or_has_no_last_line_feed_is_shown_as_that() {
        let path = Path::new("/etc/x");
        let content = |text: &str| Content::new(text);
        assert_eq!(unified(path, None, Some(&content("a\n"))), "--- /dev/null\n+++ b/etc/x\n@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified(path, Some(&content("a\n")), None), "--- a/etc/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
        let changed = unified(path, Some(&content("a\nb")), Some(&content("a\nb c")));
        assert_eq!(
            changed,
            "--- a/etc/x\n+++ b/etc/x\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b c\n\\ No newline at end of file\n"
        );
        assert_eq!(unified(path, Some(&content("a")), Some(&content("a"))), "");
        let changed = unified(path, Some(&content("x\ra\nb\r")), Some(&content("x\rc\nb\r")));
        assert_eq!(
            changed,
            "--- a/etc/x\n+++ b/etc/x\n@@ -1,2 +1,2 @@\n-x\ra\n+x\rc\n b\r\n\\ No newline at end of file\n"
        );
    }
}
