//! What the process answers when it ends. Documented API: scripts and units act on these numbers.

use std::process::ExitCode;

/// The exit codes, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done as asked.
    Done = 0,
    /// The world was against it: a socket in use, a file that can't be read.
    Failed = 1,
    /// The command line is wrong. (Of `status --check`: it cannot be told.)
    Usage = 2,
    /// The configuration is wrong.
    Configuration = 3,
    /// It was to look for something, and found it: work for somebody.
    Findings = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_numbers_are_a_promise() {
        let all = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Configuration, Exit::Findings];
        assert_eq!(all.map(|exit| exit as u8), [0, 1, 2, 3, 5]);
    }
}
