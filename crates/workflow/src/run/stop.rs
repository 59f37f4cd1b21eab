//! How a run is stopped: asked to, or at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Whether to go on. A stop of a parent is one of its children.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    state: Arc<AtomicU8>,
    parent: Option<Arc<Stop>>,
}

impl Stop {
    /// One that is also stopped by this one.
    pub fn child(&self) -> Self {
        Self { state: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    /// Asks: what runs is interrupted, and steps that always run still do. Asked twice, everything ends.
    pub fn ask(&self) {
        let _ =
            self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| Some((state + 1).min(2)));
    }

    /// Whether it was asked for.
    pub fn asked(&self) -> bool {
        self.state() > 0
    }

    /// Whether nothing may start any more.
    pub fn at_once(&self) -> bool {
        self.state() > 1
    }

    fn state(&self) -> u8 {
        let above = self.parent.as_ref().map_or(0, |parent| parent.state());
        self.state.load(Ordering::Relaxed).max(above)
    }
}
