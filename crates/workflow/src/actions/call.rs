//! One call of a native action: what it was given, and how it answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use crate::engine::Invocation;
use crate::run::{Fail, Leg, Post, PostWork, Process};

pub(crate) use crate::run::Left;

/// A call.
pub(crate) struct Call<'l, 'a> {
    pub(crate) leg: &'l mut Leg<'a>,
    pub(crate) step: &'l str,
    /// The major version that was asked for.
    pub(crate) version: Option<u32>,
    pub(crate) inputs: BTreeMap<String, String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) outputs: BTreeMap<String, String>,
}

impl Call<'_, '_> {
    /// An input without blanks around.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// An input as it is.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.inputs.get(name).map_or("", String::as_str)
    }

    /// A boolean input of YAML's core schema.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Fail> {
        match self.text(name) {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" | "" => Ok(false),
            _ => Err(Fail::Because(format!(
                "Input does not meet YAML 1.2 \"Core Schema\" specification: {name}\n\
                 Support boolean input list: `true | True | TRUE | false | False | FALSE`"
            ))),
        }
    }

    /// A list of lines.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        super::inputs::lines(self.raw(name))
    }

    /// A list of lines, of which each may be several values with commas.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        super::inputs::values(self.raw(name))
    }

    /// Sets an output.
    pub(crate) fn output(&mut self, name: &str, value: impl Into<String>) {
        self.outputs.insert(name.to_owned(), value.into());
    }

    /// Sets a variable for the steps that follow.
    pub(crate) fn export(&mut self, name: &str, value: &str) -> Result<(), Fail> {
        let step = self.step.to_owned();
        self.leg.export(&step, name, value.to_owned())
    }

    /// Something for the log.
    pub(crate) fn say(&self, text: &str) {
        self.leg.say(text);
    }

    /// A warning.
    pub(crate) fn warn(&mut self, message: &str) {
        let step = self.step.to_owned();
        self.leg.annotate(&step, "warning", message);
    }

    /// A variable as the step sees it.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.leg.environment(&self.env).get(name).cloned().filter(|value| !value.is_empty())
    }

    /// A path of the workspace.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match name.strip_prefix("~/") {
            Some(rest) => PathBuf::from(self.variable("HOME").unwrap_or_else(|| "/".into())).join(rest),
            None => self.leg.workspace.join(name),
        }
    }

    /// Runs a part of wharf.
    pub(crate) fn run(&mut self, invocation: Invocation) -> Result<Left, Fail> {
        self.run_in(invocation, self.leg.workspace.clone())
    }

    /// Runs a part of wharf in a folder.
    pub(crate) fn run_in(&mut self, invocation: Invocation, directory: PathBuf) -> Result<Left, Fail> {
        let process = Process {
            program: invocation.program,
            args: invocation.args,
            env: self.leg.environment(&self.env),
            directory,
            stdin: invocation.stdin,
        };
        self.leg.process(self.step, process, self.deadline)
    }

    /// Leaves something to be done at the job's end.
    pub(crate) fn afterwards(&mut self, work: PostWork) {
        self.leg.posts.push(Post { name: self.step.to_owned(), condition: None, work });
    }
}
