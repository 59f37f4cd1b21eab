//! What is going on, for people and for machines: a live view on a terminal, timestamped lines without
//! one, JSON lines with `--json`. All of it goes to standard error; results go to standard output.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::size;
use crate::cli;

/// The view. Clones show in the same place.
#[derive(Clone)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
}

struct Shared {
    style: Style,
    started: Instant,
    open: Mutex<HashMap<u64, Open>>,
    live: MultiProgress,
}

/// How lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Live,
    Plain,
    Json,
    Quiet,
}

struct Open {
    name: String,
    since: Instant,
    bar: Option<ProgressBar>,
    /// When bytes were last told in a line.
    told: Instant,
}

/// How often a transfer says how far it is where every word is a line for good.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The same for machines, which read quicker.
const EVENT_EVERY: Duration = Duration::from_millis(500);

/// One thing that is going on. It ends with [`Task::done`], [`Task::fail`], or when it is dropped.
pub(crate) struct Task {
    progress: Progress,
    id: u64,
}

impl Progress {
    /// The view that the flags and the terminal ask for.
    pub(crate) fn new(globals: &cli::Globals) -> Self {
        let style = match globals.progress {
            _ if globals.json => Style::Json,
            cli::Progress::Quiet => Style::Quiet,
            cli::Progress::Plain => Style::Plain,
            cli::Progress::Tty => Style::Live,
            cli::Progress::Auto if std::io::stderr().is_terminal() => Style::Live,
            cli::Progress::Auto => Style::Plain,
        };
        let shared = Shared {
            style,
            started: Instant::now(),
            open: Mutex::new(HashMap::new()),
            live: MultiProgress::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts something.
    pub(crate) fn task(&self, name: impl Into<String>) -> Task {
        self.start(name.into(), true)
    }

    /// Starts the transfer of one blob. There are many, and most are small: a log has a line when it is done.
    pub(crate) fn transfer(&self, name: impl Into<String>) -> Task {
        self.start(name.into(), self.shared.style != Style::Plain)
    }

    fn start(&self, name: String, announced: bool) -> Task {
        let bar = (self.shared.style == Style::Live).then(|| self.live_bar(&name));
        let mut open = self.open();
        let id = open.keys().max().map_or(1, |last| last + 1);
        if announced {
            self.line(id, &name, "started", None);
        }
        open.insert(id, Open { name, since: Instant::now(), bar, told: Instant::now() });
        drop(open);
        Task { progress: self.clone(), id }
    }

    /// Something worth a line of its own, such as a warning.
    pub(crate) fn note(&self, text: &str) {
        match self.shared.style {
            Style::Live => drop(self.shared.live.println(text)),
            Style::Plain => self.plain(text),
            Style::Json => self.json(json!({ "event": "note", "text": text })),
            Style::Quiet => {}
        }
    }

    fn live_bar(&self, name: &str) -> ProgressBar {
        let bar = self.shared.live.add(ProgressBar::new_spinner());
        // The template is a constant, so it parses; indicatif's default is the answer if it ever does not.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed:>5}") {
            bar.set_style(style);
        }
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        // A panic elsewhere does not make the list of names wrong.
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change of one task, as a line where lines are shown.
    fn line(&self, id: u64, name: &str, what: &str, since: Option<Duration>) {
        match self.shared.style {
            Style::Plain if since.is_some() || what != "started" => {
                self.plain(&format!("{name}: {what}{}", took(since)))
            }
            Style::Plain => self.plain(name),
            Style::Json => self.json(json!({
                "event": if since.is_some() { "end" } else { "start" },
                "id": id,
                "task": name,
                "result": since.map(|_| what),
                "seconds": since.map(|t| t.as_secs_f64()),
            })),
            Style::Live | Style::Quiet => {}
        }
    }

    fn plain(&self, text: &str) {
        let at = size::duration(self.shared.started.elapsed());
        // Standard error may be closed; the work goes on.
        let _ = writeln!(std::io::stderr(), "[{at:>6}] {text}");
    }

    fn json(&self, document: serde_json::Value) {
        let _ = writeln!(std::io::stderr(), "{document}");
    }
}

impl Task {
    /// Output of what is running.
    pub(crate) fn log(&self, text: &str) {
        let open = self.progress.open();
        let Some(entry) = open.get(&self.id) else { return };
        match self.progress.shared.style {
            Style::Live => {
                entry.bar.iter().for_each(|bar| bar.set_message(format!("{}  {text}", entry.name)))
            }
            Style::Plain => self.progress.plain(&format!("{} | {text}", entry.name)),
            Style::Json => {
                self.progress.json(json!({ "event": "log", "id": self.id, "task": entry.name, "text": text }))
            }
            Style::Quiet => {}
        }
    }

    /// How far a transfer is: at once in the live view, now and then where each word is a line.
    pub(crate) fn bytes(&self, done: u64, total: u64) {
        let mut open = self.progress.open();
        let Some(entry) = open.get_mut(&self.id) else { return };
        let rate = (done as f64 / entry.since.elapsed().as_secs_f64().max(0.001)) as u64;
        let far = || format!("{} of {} ({}/s)", size::bytes(done), size::bytes(total), size::bytes(rate));
        match self.progress.shared.style {
            Style::Live => {
                entry.bar.iter().for_each(|bar| bar.set_message(format!("{}  {}", entry.name, far())));
            }
            Style::Plain if entry.is_due(LINE_EVERY) => {
                self.progress.plain(&format!("{}: {}", entry.name, far()))
            }
            Style::Json if entry.is_due(EVENT_EVERY) => self.progress.json(json!({
                "event": "progress", "id": self.id, "task": entry.name,
                "bytes": done, "total": total, "bytesPerSecond": rate,
            })),
            Style::Plain | Style::Json | Style::Quiet => {}
        }
    }

    /// It ended well; `result` says how, such as `cached` or `3.1GB`.
    pub(crate) fn done(self, result: &str) {
        self.end("✓", result);
    }

    /// It ended badly.
    pub(crate) fn fail(self, result: &str) {
        self.end("✗", result);
    }

    fn end(&self, mark: &str, result: &str) {
        let Some(entry) = self.progress.open().remove(&self.id) else { return };
        let took = entry.since.elapsed();
        if let Some(bar) = entry.bar {
            bar.finish_and_clear();
            self.progress.note(&format!("{mark} {}  {result} {}", entry.name, size::duration(took)));
        } else {
            self.progress.line(self.id, &entry.name, result, Some(took));
        }
    }
}

impl Open {
    /// Whether it is time for a line about bytes again.
    fn is_due(&mut self, every: Duration) -> bool {
        let due = self.told.elapsed() >= every;
        if due {
            self.told = Instant::now();
        }
        due
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.end("✗", "failed");
    }
}

/// Times under a tenth of a second say nothing in a log.
fn took(since: Option<Duration>) -> String {
    since.filter(|t| t.as_millis() >= 100).map(|t| format!(" ({})", size::duration(t))).unwrap_or_default()
}
