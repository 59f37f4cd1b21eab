//! Those who want to hear what a container says, for as long as they listen.

use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::wire::{self, Frame};

/// The listeners, and how it ended for those who come late.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sinks(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    listeners: Mutex<Vec<Listener>>,
    ended: Mutex<Option<i32>>,
    news: Condvar,
}

#[derive(Debug)]
struct Listener {
    stream: UnixStream,
    output: bool,
}

impl Sinks {
    /// Adds a listener, who hears the end, too, and the output if that is wanted.
    pub(crate) fn add(&self, stream: UnixStream, output: bool) {
        let ended = lock(&self.0.ended);
        match *ended {
            Some(code) => drop(wire::write(&stream, &Frame::Exit(code))),
            None => lock(&self.0.listeners).push(Listener { stream, output }),
        }
    }

    /// Passes output on; who has gone away is forgotten.
    pub(crate) fn say(&self, frame: &Frame) {
        lock(&self.0.listeners)
            .retain(|listener| !listener.output || wire::write(&listener.stream, frame).is_ok());
    }

    /// Tells everybody that it has ended.
    pub(crate) fn end(&self, code: i32) {
        let mut ended = lock(&self.0.ended);
        *ended = Some(code);
        for listener in lock(&self.0.listeners).drain(..) {
            let _ = wire::write(&listener.stream, &Frame::Exit(code));
        }
        self.0.news.notify_all();
    }

    /// Waits for the end.
    pub(crate) fn wait(&self) -> i32 {
        let mut ended = lock(&self.0.ended);
        loop {
            match *ended {
                Some(code) => return code,
                None => ended = self.0.news.wait(ended).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// A thread that panicked while it held one of these locks left the value whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
