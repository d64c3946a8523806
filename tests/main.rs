//! The integration tests.

#![cfg(test)]

// The house stands on its floors.
mod floors;
