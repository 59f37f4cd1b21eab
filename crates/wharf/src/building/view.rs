//! What a build tells, shown as tasks: one for each step, one for each blob on its way in.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use wharf_build::{Event, StepNumber};
use wharf_oci::{Digest, digest};

use super::timings::StepTime;
use crate::commands::history::cut;
use crate::output::progress::{Progress, Task};
use crate::output::size;

/// The width of a step's title, which stands before each line of its output.
const TITLE: usize = 48;

/// The view of one build.
pub(crate) struct View {
    progress: Progress,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    steps: HashMap<StepNumber, Task>,
    titles: HashMap<StepNumber, String>,
    times: Vec<StepTime>,
    blobs: HashMap<Digest, Task>,
    /// Blobs whose last byte has been told; their end is told once more when they are verified.
    arrived: HashSet<Digest>,
}

impl View {
    pub(crate) fn new(progress: &Progress) -> Self {
        Self { progress: progress.clone(), open: Mutex::default() }
    }

    /// Shows one piece of news.
    pub(crate) fn tell(&self, event: Event) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { step, title } => {
                open.steps.insert(step, self.progress.task(cut(&title, TITLE)));
                open.titles.insert(step, title);
            }
            Event::Executing { step, reason } => {
                if let Some(task) = open.steps.get(&step) {
                    task.log(&format!("running, because {reason}"));
                }
            }
            Event::Output { step, line, .. } => {
                if let Some(task) = open.steps.get(&step) {
                    task.log(&line);
                }
            }
            Event::Finished { step, cached, took } => {
                let title = open.titles.remove(&step).unwrap_or_default();
                open.times.push(StepTime { title, cached, took });
                if let Some(task) = open.steps.remove(&step) {
                    task.done(if cached { "cached" } else { "done" });
                }
            }
            Event::Failed { step, .. } => {
                if let Some(task) = open.steps.remove(&step) {
                    task.fail("failed");
                }
            }
            Event::Transfer { what, digest, done, total } => {
                self.transfer(&mut open, what, digest, done, total)
            }
            Event::Note { text } => self.progress.note(&text),
            Event::Warning { text } => self.progress.note(&format!("warning: {text}")),
            _ => {}
        }
    }

    /// How long each step took, in the order in which they ended.
    pub(super) fn times(&self) -> Vec<StepTime> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).times.clone()
    }

    fn transfer(&self, open: &mut Open, what: String, blob: Digest, done: u64, total: u64) {
        if open.arrived.contains(&blob) {
            return;
        }
        let name = || format!("{what} {} {}", digest::short(&blob, 12), size::bytes(total));
        let task = open.blobs.entry(blob.clone()).or_insert_with(|| self.progress.transfer(name()));
        task.bytes(done, total);
        if done >= total
            && let Some(task) = open.blobs.remove(&blob)
        {
            task.done("pulled");
            open.arrived.insert(blob);
        }
    }
}
