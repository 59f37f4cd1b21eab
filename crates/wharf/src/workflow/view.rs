//! What a person sees while a workflow runs: every line with its job in front.

use std::io::Write;
use std::sync::Mutex;

use wharf_workflow::run::{News, RunResult, Sink};

/// Writes the log: to standard output, or to standard error where that holds a document.
pub(crate) struct View {
    to_stderr: bool,
    quiet: bool,
    lock: Mutex<()>,
}

impl View {
    pub(crate) fn new(to_stderr: bool, quiet: bool) -> Self {
        Self { to_stderr, quiet, lock: Mutex::new(()) }
    }

    /// A line of wharf's own.
    pub(crate) fn note(&self, text: &str) {
        self.line(&format!("note: {text}"));
    }

    fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        let _guard = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Whoever reads may have gone away; the run goes on.
        if self.to_stderr {
            let _ = writeln!(std::io::stderr(), "{text}");
        } else {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }
}

impl Sink for View {
    fn tell(&self, news: News<'_>) {
        match news {
            News::JobStarted(job) => self.line(&format!("[{job}] started")),
            News::StepStarted(job, step) => self.line(&format!("[{job}] ▸ {step}")),
            News::Line(job, text) => self.line(&format!("[{job}]   {text}")),
            News::StepEnded(job, step) => {
                let mark = match step.outcome {
                    RunResult::Success => "✓",
                    RunResult::Failure => "✗",
                    RunResult::Cancelled => "■",
                    RunResult::Skipped | RunResult::Planned => "-",
                };
                let message = step.message.as_deref().map_or(String::new(), |text| format!(": {text}"));
                let forgiven = if step.outcome != step.conclusion { " (continue-on-error)" } else { "" };
                self.line(&format!("[{job}] {mark} {} {}{forgiven}{message}", step.name, step.kind.word()));
            }
            News::JobEnded(job) => {
                let reason = job.reason.as_deref().map_or(String::new(), |text| format!(": {text}"));
                self.line(&format!("[{}] {}{reason}", job.name, job.result.word()));
            }
        }
    }
}
