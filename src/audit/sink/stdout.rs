//! Lines to standard output. The service's own log goes to standard error, so there is nothing else on it.
//!
//! Its thread writes as a program does that has nothing else to do: a full pipe is waited for. Writing without waiting
//! would leave the choice between half a line and a buffer that is this queue once more.

use super::queue::Undelivered;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Stdout {
    out: File,
    /// Whether what is there ends in the middle of a line.
    is_torn: bool,
}

/// The pause before one that would not wait is asked again.
const PAUSE: Duration = Duration::from_millis(10);

// === impl Stdout ===

impl Stdout {
    pub(super) fn new(out: File) -> Self {
        Self { out, is_torn: false }
    }

    /// Writes one line. What a full disk cut off before is ended first, so that it costs no more than itself.
    pub(super) fn write(&mut self, line: &[u8]) -> Result<(), Undelivered> {
        if self.is_torn {
            self.all_of(b"\n")?;
        }
        self.all_of(line)
    }

    fn all_of(&mut self, mut rest: &[u8]) -> Result<(), Undelivered> {
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Whoever shares it can have made it so, and has then for all.
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Err(Undelivered::Gone),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
