//! When to try again, and when to stop trying.

use std::time::Duration;

use crate::Cause;

/// The longest wait of our own between two tries.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest that a registry may ask us to wait.
const OBEYED: Duration = Duration::from_secs(300);

/// How often to try again without progress, and how long to wait first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) retries: u32,
    pub(crate) backoff: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { retries: 5, backoff: Duration::from_millis(250) }
    }
}

/// The tries of one piece of work.
#[derive(Debug)]
pub(crate) struct Tries {
    patience: Patience,
    failed: u32,
}

impl Patience {
    pub(crate) fn start(self) -> Tries {
        Tries { patience: self, failed: 0 }
    }
}

impl Tries {
    /// Something was achieved: the next failure counts as the first.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
    }

    /// How many tries have failed since the last progress.
    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }

    /// How long to wait before the next try, or `None` to give up: `cause` is final, patience is at its end,
    /// or the registry asks for more time than it gets.
    pub(crate) fn after(&mut self, cause: &Cause) -> Option<Duration> {
        if cause.is_transient() { self.wait(cause) } else { None }
    }

    /// The same for a cause that the caller knows to be passing.
    pub(crate) fn wait(&mut self, cause: &Cause) -> Option<Duration> {
        if self.failed >= self.patience.retries {
            return None;
        }
        let wait = self.patience.backoff.saturating_mul(1 << self.failed.min(16)).min(LONGEST);
        self.failed += 1;
        match cause.retry_after() {
            Some(asked) if asked > OBEYED => None,
            Some(asked) => Some(asked.max(wait)),
            // Many clients that lost the same registry must not all come back at the same moment.
            None => Some(wait.mul_f64(rand::random_range(0.5..1.0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Cause {
        Cause::Refused { status, code: None, message: String::new() }
    }

    fn limited(seconds: u64) -> Cause {
        Cause::RateLimited { registry: "r".into(), retry_after: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn waits_grow_until_patience_ends_and_progress_renews_it() {
        let mut tries = Patience { retries: 2, backoff: Duration::from_secs(1) }.start();
        let first = tries.after(&refused(503)).unwrap();
        let second = tries.after(&refused(503)).unwrap();
        assert!((500..1000).contains(&first.as_millis()) && (1000..2000).contains(&second.as_millis()));
        assert_eq!(tries.after(&refused(503)), None);
        tries.progressed();
        assert!(tries.after(&refused(503)).is_some());
    }

    #[test]
    fn what_is_final_is_not_tried_again() {
        let mut tries = Patience::default().start();
        assert_eq!(tries.after(&refused(400)), None);
        assert_eq!(tries.after(&Cause::NotFound { message: String::new() }), None);
    }

    #[test]
    fn a_registry_is_given_the_time_it_asks_for_but_not_any_time() {
        let mut tries = Patience::default().start();
        assert_eq!(tries.after(&limited(7)), Some(Duration::from_secs(7)));
        assert_eq!(tries.after(&limited(3600)), None);
    }
}
