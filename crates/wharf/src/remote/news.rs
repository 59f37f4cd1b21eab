//! What a builder tells, in the words of builds on this machine: the same view shows both.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use wharf_build::{Event, StepNumber};
use wharf_buildkit::{News, Warning};

use crate::output::size;

/// Translates, and counts.
#[derive(Default)]
pub(super) struct Translator {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cached: usize,
    executed: usize,
    warnings: Vec<String>,
    /// Steps that are instructions of the Dockerfile, and not the builder's own chores.
    instructions: HashSet<usize>,
    /// What is being moved for each step, and how far it was when it was last told, in tenths.
    moved: HashMap<(usize, String), u64>,
}

/// What came of a build.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) cached: usize,
    pub(super) executed: usize,
    pub(super) warnings: Vec<String>,
}

impl Translator {
    /// The event for one piece of news; `None` for what is remembered only.
    pub(super) fn event(&self, news: News) -> Option<Event> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match news {
            News::Started { vertex, title } => {
                if title.starts_with('[') && !title.starts_with("[internal]") && !title.starts_with("[auth]")
                {
                    state.instructions.insert(vertex.0);
                }
                Event::Started { step: StepNumber(vertex.0), title }
            }
            News::Output { vertex, error, line } => Event::Output { step: StepNumber(vertex.0), error, line },
            News::Transfer { vertex, what, done, total, ended } => {
                let line = state.transfer((vertex.0, what), done, total, ended)?;
                Event::Output { step: StepNumber(vertex.0), error: false, line }
            }
            News::Finished { vertex, cached, took } => {
                match (state.instructions.remove(&vertex.0), cached) {
                    (true, true) => state.cached += 1,
                    (true, false) => state.executed += 1,
                    (false, _) => {}
                }
                Event::Finished { step: StepNumber(vertex.0), cached, took }
            }
            News::Failed { vertex, took, .. } => Event::Failed { step: StepNumber(vertex.0), took },
            News::Warned(warning) => {
                let text = sentence(&warning);
                if !state.warnings.contains(&text) {
                    state.warnings.push(text);
                }
                return None;
            }
            _ => return None,
        })
    }

    /// What came of it.
    pub(super) fn counts(self) -> Counts {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Counts { cached: state.cached, executed: state.executed, warnings: state.warnings }
    }
}

impl State {
    /// A line now and then: at the begin, at each tenth, and at the end.
    fn transfer(&mut self, of: (usize, String), done: u64, total: u64, ended: bool) -> Option<String> {
        let what = of.1.clone();
        let tenth = match (ended, total) {
            (true, _) => u64::MAX,
            // Of what nobody knows the size, each 64 MiB are as good as a tenth.
            (false, 0) => done >> 26,
            (false, total) => done.saturating_mul(10) / total,
        };
        let told = self.moved.insert(of, tenth);
        if told == Some(tenth) {
            return None;
        }
        let done = size::bytes(done);
        Some(match total {
            0 => format!("{what} {done}"),
            total => format!("{what} {done} of {}", size::bytes(total)),
        })
    }
}

/// A warning as builds on this machine say it: `Rule: what is wrong (line 3)`.
fn sentence(warning: &Warning) -> String {
    // New builders say the line themselves.
    let said = warning.text.contains("(line ");
    let at = warning.lines.filter(|_| !said).map(|(first, _)| format!(" (line {first})")).unwrap_or_default();
    let source = warning.source.as_deref().map(|line| format!("\n    | {line}")).unwrap_or_default();
    format!("{}{at}{source}", warning.text)
}

/// How long a build took, as a whole: a builder does not tell its phases apart.
pub(super) fn timings(took: Duration) -> wharf_build::Timings {
    wharf_build::Timings { steps: took, ..wharf_build::Timings::default() }
}

#[cfg(test)]
mod tests {
    use wharf_buildkit::Vertex;

    use super::*;

    #[test]
    fn transfers_are_told_now_and_then() {
        let translator = Translator::default();
        let line = |done| {
            let ended = done == 100;
            let news = News::Transfer { vertex: Vertex(1), what: "context".into(), done, total: 100, ended };
            translator.event(news).is_some()
        };
        assert_eq!(
            [line(0), line(1), line(9), line(10), line(55), line(100)],
            [true, false, false, true, true, true]
        );
    }
}
