//! What the process answers when it ends. Documented API: scripts and units act on these numbers.

use std::process::ExitCode;

/// The exit codes, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done as asked.
    Done = 0,
    /// The world was against it: a socket in use, a file that can't be read. (Of `doctor`: something does harm.)
    Failed = 1,
    /// The command line is wrong. (Of `status --check`: it cannot be told.)
    Usage = 2,
    /// The configuration is wrong.
    Configuration = 3,
    /// It was to look for something, and found it: work for somebody.
    Findings = 5,
}

impl Exit {
    /// In the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Done, Self::Failed, Self::Usage, Self::Configuration, Self::Findings];

    /// What it says to whoever acts on it, as the man page has it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "Done as asked.",
            Self::Failed => {
                "It could not be done: a socket is in use, a file can't be read. Of `doctor`: something does harm."
            }
            Self::Usage => "The command line is wrong. Of `status --check`: it cannot be told.",
            Self::Configuration => "The configuration is wrong. All of its mistakes are told.",
            Self::Findings => "It was to look for something, and found it.",
        }
    }
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
        assert_eq!(Exit::ALL.map(|exit| exit as u8), [0, 1, 2, 3, 5]);
    }
}
