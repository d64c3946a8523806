//! A cause chain, printed once.
//!
//! Errors here display their own clause only, a lowercase fragment; [`Chain`] puts the colons between.

use std::error::Error;
use std::fmt;

/// Displays an error and all its sources: `a: b: c`.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let clause = cause.to_string();
            // Some libraries repeat their source in their own display; a person needs it once.
            if !last.ends_with(&clause) {
                write!(f, ": {clause}")?;
            }
            last = clause;
            next = cause.source();
        }
        Ok(())
    }
}

/// Whether `error`, or anything it was caused by, is an `E`.
pub fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_chain_is_one_line_of_clauses() {
        let error = Outer(std::io::Error::other("disk on fire"));
        assert_eq!(Chain(&error).to_string(), "cannot start: disk on fire");
    }

    #[test]
    fn a_cause_is_found_by_its_type() {
        let error = Outer(std::io::Error::other("disk on fire"));
        assert!(cause::<std::io::Error>(&error).is_some());
        assert!(cause::<fmt::Error>(&error).is_none());
    }
}
