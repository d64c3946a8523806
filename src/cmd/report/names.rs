//! Names by number: a log says the same few over and over.

use std::collections::HashMap;
use std::sync::Arc;

/// Names, each with a number from 0 on.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Arc<str>, u32>,
    all: Vec<Arc<str>>,
    /// The last one asked for: in the log of a node, its name is always the same.
    last: u32,
}

// === impl Names ===

impl Names {
    /// The number of `name`, a new one where it has none.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if self.name(self.last) != Some(name) {
            self.last = match self.numbers.get(name) {
                Some(number) => *number,
                None => self.add(name),
            };
        }
        self.last
    }

    /// The name of that number.
    pub(super) fn name(&self, number: u32) -> Option<&str> {
        self.all.get(usize::try_from(number).unwrap_or(usize::MAX)).map(|name| &**name)
    }

    /// The number of `name`, if it has one.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    fn add(&mut self, name: &str) -> u32 {
        let (number, name) = (u32::try_from(self.all.len()).unwrap_or(u32::MAX), Arc::from(name));
        self.all.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }
}
