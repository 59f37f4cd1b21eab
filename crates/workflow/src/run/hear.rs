//! Listens to a step: what is a command is done, the rest is logged with secrets hidden.

use std::collections::BTreeMap;

use super::command::{self, Line};
use super::mask::Masker;
use super::report::Annotation;
use super::setup::{News, Sink};

/// What a step says while it runs.
pub(crate) struct Listener<'a> {
    pub(crate) sink: &'a dyn Sink,
    pub(crate) masker: &'a Masker,
    pub(crate) job: String,
    pub(crate) step: String,
    /// Outputs given with `::set-output`.
    pub(crate) outputs: Vec<(String, String)>,
    /// State given with `::save-state`.
    pub(crate) state: Vec<(String, String)>,
    pub(crate) annotations: Vec<Annotation>,
    /// What ends `::stop-commands::`.
    stopped: Option<String>,
    /// Commands are shown too.
    echo: bool,
    /// The last lines, for an error that says why.
    tail: Vec<String>,
}

/// So many last lines are kept.
const TAIL: usize = 20;

impl<'a> Listener<'a> {
    pub(crate) fn new(sink: &'a dyn Sink, masker: &'a Masker, job: &str, step: &str) -> Self {
        Self {
            sink,
            masker,
            job: job.to_owned(),
            step: step.to_owned(),
            outputs: Vec::new(),
            state: Vec::new(),
            annotations: Vec::new(),
            stopped: None,
            echo: false,
            tail: Vec::new(),
        }
    }

    /// Something for the log.
    pub(crate) fn say(&mut self, text: &str) {
        for line in text.split('\n') {
            let masked = self.masker.mask(line);
            self.sink.tell(News::Line(&self.job, &masked));
            if !masked.trim().is_empty() {
                if self.tail.len() == TAIL {
                    self.tail.remove(0);
                }
                self.tail.push(masked);
            }
        }
    }

    /// An annotation of the runner's own.
    pub(crate) fn annotate(&mut self, level: &str, message: &str) {
        self.note(level, &BTreeMap::new(), message);
    }

    /// The last error line that was said, or the last line.
    pub(crate) fn last_words(&self) -> Option<&str> {
        let says_error = |line: &&String| {
            line.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("error:"))
        };
        let error = self.tail.iter().rev().find(says_error);
        error.or(self.tail.last()).map(String::as_str)
    }

    /// One line of the step's output.
    pub(crate) fn hear(&mut self, line: String) {
        if let Some(token) = &self.stopped {
            if line.trim() == format!("::{token}::") {
                self.stopped = None;
            } else {
                self.say(&line);
            }
            return;
        }
        let (name, properties, data) = match command::read(&line) {
            Line::Text(text) => return self.say(&text),
            Line::Command(name, properties, data) => (name, properties, data),
        };
        let property = |key: &str| properties.get(key).cloned().unwrap_or_default();
        match name.as_str() {
            "group" => self.say(&format!("▾ {data}")),
            "endgroup" => {}
            "error" | "warning" | "notice" => self.note(&name, &properties, &data),
            "debug" => {}
            "add-mask" => {
                self.masker.add(&data);
                return;
            }
            "stop-commands" => self.stopped = Some(data.clone()),
            "echo" => self.echo = data.eq_ignore_ascii_case("on"),
            "set-output" => {
                self.outputs.push((property("name"), data.clone()));
                self.note(
                    "warning",
                    &BTreeMap::new(),
                    "The `set-output` command is deprecated; write to $GITHUB_OUTPUT",
                );
            }
            "save-state" => self.state.push((property("name"), data.clone())),
            "set-env" | "add-path" => {
                self.note(
                    "error",
                    &BTreeMap::new(),
                    &format!("The `{name}` command is disabled. Please upgrade to using Environment Files"),
                );
            }
            "add-matcher" | "remove-matcher" => {}
            "command" => self.say(&format!("$ {data}")),
            "section" => self.say(&data),
            _ => self.say(&line),
        }
        if self.echo {
            self.say(&line);
        }
    }

    fn note(&mut self, level: &str, properties: &BTreeMap<String, String>, data: &str) {
        let message = self.masker.mask(data);
        let file = properties.get("file").cloned();
        let line = properties.get("line").and_then(|line| line.parse().ok());
        let place = match (&file, line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            _ => String::new(),
        };
        let title = properties.get("title").cloned();
        let heading = title.as_ref().map_or(String::new(), |title| format!("{title}: "));
        self.say(&format!("{level}: {place}{heading}{message}"));
        self.annotations.push(Annotation {
            level: level.to_owned(),
            message,
            title,
            file,
            line,
            job: self.job.clone(),
            step: self.step.clone(),
        });
    }
}
