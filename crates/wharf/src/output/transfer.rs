//! Transfers between the store and a registry, shown as tasks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wharf_oci::{Digest, digest};
use wharf_registry::{Event, Outcome};

use super::progress::{Progress, Task};
use super::size;

/// The view of one push or pull: a task for the whole, and one for each blob that travels.
pub(crate) struct Transfers {
    progress: Progress,
    whole: Mutex<Option<Task>>,
    blobs: Mutex<HashMap<Digest, Task>>,
    sent: Mutex<u64>,
}

impl Transfers {
    /// Starts the task of the whole.
    pub(crate) fn new(progress: &Progress, name: String) -> Self {
        Self {
            whole: Mutex::new(Some(progress.task(name))),
            progress: progress.clone(),
            blobs: Mutex::default(),
            sent: Mutex::default(),
        }
    }

    /// Shows news of a transfer.
    pub(crate) fn tell(&self, event: Event) {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Advanced { digest, done, total } => blobs
                .entry(digest.clone())
                .or_insert_with(|| {
                    self.progress.transfer(format!("{} {}", digest::short(&digest, 12), size::bytes(total)))
                })
                .bytes(done, total),
            Event::Finished { digest, total, outcome } => {
                if outcome == Outcome::Transferred {
                    *self.sent.lock().unwrap_or_else(PoisonError::into_inner) += total;
                }
                if let Some(task) = blobs.remove(&digest) {
                    task.done(word(outcome));
                }
            }
            Event::Retrying { what, cause, wait } => {
                self.progress.note(&format!("{what}: {cause}; trying again in {}", size::duration(wait)));
            }
            Event::Warning { registry, text } => self.progress.note(&format!("{registry} says: {text}")),
            _ => {}
        }
    }

    /// The whole ended well.
    pub(crate) fn done(&self) {
        let sent = *self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = self.whole.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.done(&format!("{} moved", size::bytes(sent)));
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Existing => "exists",
        Outcome::Mounted => "mounted",
        Outcome::Transferred => "done",
    }
}
