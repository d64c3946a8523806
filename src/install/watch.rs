//! Whether a kubelet that was started anew is well, and stays so for a moment.

/// What is seen of it at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether its unit is active.
    pub is_active: bool,
    /// The number of its process; 0 where there is none.
    pub pid: u32,
    /// Whether it says itself that it is well; unset where nobody answers.
    pub is_healthy: Option<bool>,
    /// Whether it has called repoint since it was started.
    pub has_called: bool,
}

/// What is wanted of it, and how far that has come.
#[derive(Debug)]
pub struct Watch {
    /// The process that was there before.
    former: u32,
    /// Whether it said that it is well before, so that it has to now.
    has_health: bool,
    /// Whether it has to call repoint.
    has_to_call: bool,
    last: Option<u32>,
    times: u32,
}

/// So often in a row, the same process: one that ends and is started again looks well for a moment each time.
const ENOUGH: u32 = 5;

// === impl Watch ===

impl Watch {
    /// Over the process that comes after `former`.
    pub fn new(former: Look, has_to_call: bool) -> Self {
        Self { former: former.pid, has_health: former.is_healthy.is_some(), has_to_call, last: None, times: 0 }
    }

    /// Takes a look. Says what is missing; nothing, once it is well.
    pub fn see(&mut self, look: Look) -> Option<&'static str> {
        let wrong = self.wrong(look);
        if wrong.is_some() || self.last != Some(look.pid) {
            self.times = 0;
        }
        self.last = Some(look.pid);
        if wrong.is_none() {
            self.times = self.times.saturating_add(1);
        }
        wrong.or_else(|| (self.times < ENOUGH).then_some("it does not stay up"))
    }

    fn wrong(&self, look: Look) -> Option<&'static str> {
        if !look.is_active || look.pid == 0 {
            Some("its unit is not active")
        } else if look.pid == self.former {
            Some("it was not started anew")
        } else if look.is_healthy == Some(false) || (self.has_health && look.is_healthy.is_none()) {
            Some("it does not say that it is well (/healthz)")
        } else if self.has_to_call && !look.has_called {
            Some("it has not called repoint")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Look = Look { is_active: true, pid: 1, is_healthy: Some(true), has_called: false };
    const WELL: Look = Look { is_active: true, pid: 2, is_healthy: Some(true), has_called: true };

    #[test]
    fn well_is_who_is_new_healthy_calls_and_stays() {
        let mut watch = Watch::new(BEFORE, true);
        for (look, expected) in [
            (BEFORE, "it was not started anew"),
            (Look { is_active: false, ..WELL }, "its unit is not active"),
            (Look { is_healthy: None, ..WELL }, "it does not say that it is well (/healthz)"),
            (Look { is_healthy: Some(false), ..WELL }, "it does not say that it is well (/healthz)"),
            (Look { has_called: false, ..WELL }, "it has not called repoint"),
        ] {
            assert_eq!(watch.see(look), Some(expected));
        }
        for _ in 1..ENOUGH {
            assert_eq!(watch.see(WELL), Some("it does not stay up"));
        }
        assert_eq!(watch.see(WELL), None);
    }

    #[test]
    fn a_process_that_ends_again_and_again_is_not_well() {
        let mut watch = Watch::new(BEFORE, true);
        for pid in 2..100 {
            assert!(watch.see(Look { pid, ..WELL }).is_some());
        }
    }

    #[test]
    fn what_was_not_there_before_is_not_wanted_after() {
        let mut watch = Watch::new(Look { is_healthy: None, ..BEFORE }, false);
        let look = Look { is_healthy: None, has_called: false, ..WELL };
        assert!((0..ENOUGH).any(|_| watch.see(look).is_none()));
    }
}
