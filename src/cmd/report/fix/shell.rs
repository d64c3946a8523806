//! Words for a shell.

use std::fmt;

/// Displays a text as one word of a POSIX shell, whatever is in it.
pub(super) struct Word<'a>(pub(super) &'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@-+=,%".contains(&byte);
        if !self.0.is_empty() && self.0.bytes().all(is_plain) {
            return f.write_str(self.0);
        }
        write!(f, "'{}'", self.0.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::Word;

    #[test]
    fn a_word_is_one_word() {
        for text in
            ["k8s.gcr.io/pause:3.9", "[::1]:5000/x", "", "it's", "$(reboot)", "a b", "*", "~", "a\nb", "-x", "\\"]
        {
            let script = format!("for word in {}; do printf '%s|' \"$word\"; done", Word(text));
            let output = std::process::Command::new("sh").arg("-c").arg(&script).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{text}|"), "{script}");
        }
    }
}
