//! Results that several threads want and one works out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::StepError;
use crate::id::Id;

/// Results by id. Each is worked out once, while others who want it wait; a failure is a result, too.
#[derive(Debug)]
pub(crate) struct Once<T> {
    results: Mutex<HashMap<Id, Slot<T>>>,
}

type Slot<T> = Arc<OnceLock<Result<T, StepError>>>;

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self { results: Mutex::default() }
    }
}

impl<T: Clone> Once<T> {
    /// The result for `id`, which `work` works out if nobody has.
    pub(crate) fn get(&self, id: Id, work: impl FnOnce() -> Result<T, StepError>) -> Result<T, StepError> {
        let slot = {
            // Insertion is the only thing done under the lock.
            let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
            results.entry(id).or_default().clone()
        };
        slot.get_or_init(work).clone()
    }
}
