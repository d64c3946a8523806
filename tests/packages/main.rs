//! The packages themselves, as `make dist` has made them: `make try` runs this. It is none of `make test`, since it takes
//! the minutes that making them takes.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "in a test, an overflow is a failure like any other")]

#[expect(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the language of the other tests, of which this takes few words"
)]
#[path = "../support/mod.rs"]
mod support;

#[expect(unreachable_pub, reason = "`pub` says what the tests may use; nothing is outside of them")]
mod host;

// Installed, upgraded, removed and purged on Debian.
mod deb;
// The same on those who have rpm.
mod rpm;
// The program alone, in a directory with nothing else in it.
mod alone;
// What is handed out is one thing, and says what it is made of.
mod whole;
