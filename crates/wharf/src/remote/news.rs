//! What a builder tells, in the words of builds on this machine: the same view shows both.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wharf_build::{Event, StepNumber};
use wharf_buildkit::{News, Vertex, Warning};

use crate::output::size;

/// Translates what one builder tells of one build, and counts.
pub(super) struct Translator<'a> {
    /// How many steps have been heard of, here and from others whose news are shown beside these.
    steps: &'a AtomicUsize,
    /// Which of several shares this is.
    label: Option<String>,
    known: HashMap<Vertex, StepNumber>,
    running: HashSet<Vertex>,
    counts: Counts,
    /// Steps that are instructions of the Dockerfile, and not the builder's own chores.
    instructions: HashSet<Vertex>,
    /// What is being moved for each step, and how far it was when it was last told, in tenths.
    moved: HashMap<(Vertex, String), u64>,
}

/// What came of a build.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    pub(super) cached: usize,
    pub(super) executed: usize,
    pub(super) warnings: Vec<String>,
}

impl Counts {
    /// Takes those of another share; what both warn of is said once.
    pub(super) fn add(&mut self, other: Self) {
        self.cached += other.cached;
        self.executed += other.executed;
        other.warnings.into_iter().for_each(|text| self.warn(text));
    }

    fn warn(&mut self, text: String) {
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }
}

impl<'a> Translator<'a> {
    pub(super) fn new(steps: &'a AtomicUsize, label: Option<String>) -> Self {
        Self {
            steps,
            label,
            known: HashMap::new(),
            running: HashSet::new(),
            counts: Counts::default(),
            instructions: HashSet::new(),
            moved: HashMap::new(),
        }
    }

    /// The event for one piece of news; `None` for what is remembered only.
    pub(super) fn event(&mut self, news: News) -> Option<Event> {
        Some(match news {
            News::Started { vertex, title } => {
                let is_chore =
                    !title.starts_with('[') || title.starts_with("[internal]") || title.starts_with("[auth]");
                // One that begins again, as layers of a cache are fetched or a second output is made, counts once.
                if !is_chore && !self.known.contains_key(&vertex) {
                    self.instructions.insert(vertex);
                }
                self.running.insert(vertex);
                Event::Started { step: self.step(vertex), title: self.labelled(title) }
            }
            News::Output { vertex, error, line } => Event::Output { step: self.step(vertex), error, line },
            News::Transfer { vertex, what, done, total, ended } => {
                let line = self.transfer((vertex, what), done, total, ended)?;
                Event::Output { step: self.step(vertex), error: false, line }
            }
            News::Finished { vertex, cached, took } => {
                match (self.instructions.remove(&vertex), cached) {
                    (true, true) => self.counts.cached += 1,
                    (true, false) => self.counts.executed += 1,
                    (false, _) => {}
                }
                self.running.remove(&vertex);
                Event::Finished { step: self.step(vertex), cached, took }
            }
            News::Failed { vertex, took, .. } => {
                self.running.remove(&vertex);
                Event::Failed { step: self.step(vertex), took }
            }
            News::Warned(warning) => {
                self.counts.warn(sentence(&warning));
                return None;
            }
            _ => return None,
        })
    }

    /// The ends of steps of which no more will be heard.
    pub(super) fn abandoned(&mut self) -> Vec<Event> {
        let running = std::mem::take(&mut self.running);
        running
            .into_iter()
            .map(|vertex| Event::Failed { step: self.step(vertex), took: Duration::ZERO })
            .collect()
    }

    /// What came of it.
    pub(super) fn counts(&self) -> Counts {
        self.counts.clone()
    }

    fn step(&mut self, vertex: Vertex) -> StepNumber {
        let steps = self.steps;
        *self.known.entry(vertex).or_insert_with(|| StepNumber(steps.fetch_add(1, Ordering::Relaxed)))
    }

    /// A title that says whose it is, as one builder of several platforms says it: `[linux/arm64 2/3] COPY . .`.
    fn labelled(&self, title: String) -> String {
        match (&self.label, title.strip_prefix('[')) {
            (None, _) => title,
            (Some(label), Some(rest)) if rest.starts_with(label.as_str()) => title,
            (Some(label), Some(rest)) => format!("[{label} {rest}"),
            (Some(label), None) => format!("[{label}] {title}"),
        }
    }

    /// A line now and then: at the begin, at each tenth, and at the end.
    fn transfer(&mut self, of: (Vertex, String), done: u64, total: u64, ended: bool) -> Option<String> {
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
    use super::*;

    #[test]
    fn transfers_are_told_now_and_then() {
        let steps = AtomicUsize::new(0);
        let mut translator = Translator::new(&steps, None);
        let mut line = |done| {
            let ended = done == 100;
            let news = News::Transfer { vertex: Vertex(1), what: "context".into(), done, total: 100, ended };
            translator.event(news).is_some()
        };
        assert_eq!(
            [line(0), line(1), line(9), line(10), line(55), line(100)],
            [true, false, false, true, true, true]
        );
    }

    #[test]
    fn steps_of_several_builders_are_told_apart() {
        let steps = AtomicUsize::new(0);
        let begin = |translator: &mut Translator<'_>, title: &str| match translator
            .event(News::Started { vertex: Vertex(0), title: title.into() })
        {
            Some(Event::Started { step, title }) => (step.0, title),
            other => panic!("{other:?}"),
        };
        let mut one = Translator::new(&steps, Some("linux/amd64".into()));
        let mut other = Translator::new(&steps, Some("linux/arm64".into()));
        assert_eq!(begin(&mut one, "[1/2] COPY . ."), (0, "[linux/amd64 1/2] COPY . .".into()));
        assert_eq!(begin(&mut other, "exporting"), (1, "[linux/arm64] exporting".into()));
        assert_eq!(begin(&mut one, "[linux/amd64 2/2] RUN x"), (0, "[linux/amd64 2/2] RUN x".into()));
        assert!(matches!(one.abandoned()[..], [Event::Failed { .. }]));
        assert!(one.abandoned().is_empty());
    }
}
