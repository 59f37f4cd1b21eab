//! One step: whether it runs, with what, and what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::command;
use super::context::object;
use super::hear::Listener;
use super::leg::{Frame, Leg};
use super::process::{Ended, Process};
use super::report::{RunResult, StepReport};
use super::setup::News;
use super::shell::{self, shell};
use crate::actions;
use crate::expr;
use crate::model::{Step, StepKind};
use crate::source::Fault;
use crate::template::{Template, holds};

/// How a step is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// By wharf itself.
    Native,
    /// As a process.
    Executed,
    /// Not at all: its condition, or nobody knows the action.
    Skipped,
    /// It cannot be.
    Refused,
}

impl Kind {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Executed => "executed",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
        }
    }
}

/// Why a step failed.
#[derive(Debug, Clone)]
pub(crate) enum Fail {
    /// With a reason.
    Because(String),
    /// It cannot be carried out, and why.
    Refused(String),
    /// It is not carried out, and why; that is no failure.
    Skipped(String),
    /// The run was stopped.
    Cancelled,
}

impl From<String> for Fail {
    fn from(reason: String) -> Self {
        Self::Because(reason)
    }
}

/// The files through which a step speaks.
pub(crate) struct Files {
    directory: PathBuf,
    id: String,
}

const FILES: [(&str, &str); 5] = [
    ("GITHUB_OUTPUT", "set_output"),
    ("GITHUB_ENV", "set_env"),
    ("GITHUB_PATH", "add_path"),
    ("GITHUB_STATE", "save_state"),
    ("GITHUB_STEP_SUMMARY", "step_summary"),
];
/// GitHub's limit for a step's summary.
const SUMMARY_MAX: usize = 1 << 20;

impl Files {
    fn new(leg: &Leg<'_>) -> Result<Self, Fail> {
        let files =
            Self { directory: leg.temp.join("_runner_file_commands"), id: uuid::Uuid::new_v4().to_string() };
        for (_, name) in FILES {
            std::fs::write(files.path(name), "")
                .map_err(|error| Fail::Because(format!("writing {name}: {error}")))?;
        }
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}_{}", self.id))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read(self.path(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

/// What a step leaves.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) state: BTreeMap<String, String>,
}

impl Leg<'_> {
    /// The steps of a job or of an action, in order.
    pub(crate) fn steps(&mut self, steps: &[Step], frame: &mut Frame) {
        for step in steps {
            self.step(step, frame);
        }
    }

    fn step(&mut self, step: &Step, frame: &mut Frame) {
        let began = Instant::now();
        self.refresh(frame);
        let name = self.step_name(step);
        let uses = match &step.kind {
            StepKind::Uses { action, .. } => Some(action.clone()),
            StepKind::Run { .. } => None,
        };
        let mut report = StepReport {
            name: self.masker.mask(&name),
            id: step.id.clone(),
            depth: frame.depth,
            line: frame.source.place(step.span.start).line,
            uses,
            kind: Kind::Skipped,
            outcome: RunResult::Skipped,
            conclusion: RunResult::Skipped,
            seconds: 0.0,
            outputs: BTreeMap::new(),
            message: None,
        };
        let runs = holds(step.condition.as_ref(), &self.names);
        let runs = if self.stop.at_once() { Ok(false) } else { runs };
        let position = self.reports.len();
        self.reports.push(report.clone());
        match runs {
            Ok(false) => report.message = Some(self.why_skipped(step, frame)),
            Err(fault) => {
                self.listen(&name).annotate("error", &self.located(&fault, frame));
                self.set_failed(&mut report, Fail::Because(self.located(&fault, frame)));
            }
            Ok(true) => {
                self.sink.tell(News::StepStarted(&self.name, &report.name));
                report.kind = self.kind_of(step);
                let result = self.carry_out(step, &name, frame, &mut report.outputs);
                match result {
                    Ok(()) => report.outcome = RunResult::Success,
                    Err(fail) => self.set_failed(&mut report, fail),
                }
                report.conclusion = report.outcome;
                if report.outcome == RunResult::Failure && self.forgives(step.continue_on_error.as_ref()) {
                    report.conclusion = RunResult::Success;
                }
            }
        }
        report.seconds = began.elapsed().as_secs_f64();
        if report.conclusion == RunResult::Failure {
            frame.failed = true;
        }
        if let Some(id) = &step.id {
            let outputs: BTreeMap<String, String> = report.outputs.clone();
            frame.outputs.insert(
                id.clone(),
                json!({"outputs": object(&outputs), "outcome": report.outcome.word(), "conclusion": report.conclusion.word()}),
            );
        }
        report.outputs = report.outputs.iter().map(|(k, v)| (k.clone(), self.masker.mask(v))).collect();
        report.message = report.message.map(|message| self.masker.mask(&message));
        self.sink.tell(News::StepEnded(&self.name, &report));
        self.reports[position] = report;
    }

    fn set_failed(&self, report: &mut StepReport, fail: Fail) {
        report.outcome = RunResult::Failure;
        report.message = match fail {
            Fail::Because(reason) => Some(reason),
            Fail::Refused(reason) => {
                report.kind = Kind::Refused;
                Some(reason)
            }
            Fail::Skipped(reason) => {
                report.kind = Kind::Skipped;
                report.outcome = RunResult::Skipped;
                Some(reason)
            }
            Fail::Cancelled => {
                report.outcome = RunResult::Cancelled;
                Some("The operation was canceled.".into())
            }
        };
        report.conclusion = report.outcome;
    }

    fn why_skipped(&self, step: &Step, frame: &Frame) -> String {
        match &step.condition {
            _ if self.stop.at_once() => "the run was stopped".into(),
            Some(condition) if condition.exprs().any(|(expr, _)| expr.asks_status()) || !frame.failed => {
                format!("its condition is false: {}", condition.raw.trim())
            }
            _ if self.stop.asked() => "the run was stopped".into(),
            _ => "an earlier step failed".into(),
        }
    }

    /// The message of a fault with its place.
    pub(crate) fn located(&self, fault: &Fault, frame: &Frame) -> String {
        let place = frame.source.place(fault.span.start);
        format!("{}:{}:{}: {}", frame.source.name, place.line, place.column, fault.message)
    }

    fn step_name(&self, step: &Step) -> String {
        match &step.name {
            Some(name) => name.text(&self.names).unwrap_or_else(|_| name.raw.clone()),
            None => match &step.kind {
                StepKind::Run { script, .. } => {
                    let text = script.text(&self.names).unwrap_or_else(|_| script.raw.clone());
                    format!("Run {}", text.trim().lines().next().unwrap_or_default())
                }
                StepKind::Uses { action, .. } => format!("Run {action}"),
            },
        }
    }

    pub(crate) fn kind_of(&self, step: &Step) -> Kind {
        match &step.kind {
            StepKind::Uses { action, .. } if actions::find(action).is_some() => Kind::Native,
            _ => Kind::Executed,
        }
    }

    fn forgives(&self, continue_on_error: Option<&Template>) -> bool {
        continue_on_error.is_some_and(|text| text.value(&self.names).is_ok_and(|value| expr::truthy(&value)))
    }

    fn carry_out(
        &mut self,
        step: &Step,
        name: &str,
        frame: &mut Frame,
        outputs: &mut BTreeMap<String, String>,
    ) -> Result<(), Fail> {
        let fault = |fault: Fault, leg: &Self| Fail::Because(leg.located(&fault, frame));
        let mut own = BTreeMap::new();
        for entry in &step.env {
            let value = entry.value.text(&self.names).map_err(|f| fault(f, self))?;
            own.insert(entry.name.clone(), value);
        }
        let mut env: BTreeMap<String, String> =
            frame.env.iter().chain(&own).map(|(k, v)| (k.clone(), v.clone())).collect();
        self.names.set("env", object(&self.job_env_with(&env)));
        env.insert("GITHUB_ACTION".into(), step.id.clone().unwrap_or_else(|| "__run".into()));
        if frame.inputs.is_some() {
            env.insert("GITHUB_ACTION_PATH".into(), frame.action_path.display().to_string());
        }
        let deadline = self.step_deadline(step.timeout_minutes.as_ref()).map_err(|f| fault(f, self))?;
        match &step.kind {
            StepKind::Run { script, shell: named, working_directory } => {
                let script = script.text(&self.names).map_err(|f| fault(f, self))?;
                let named = named.as_ref().or(frame.defaults.shell.as_ref());
                let named =
                    named.map(|text| text.text(&self.names)).transpose().map_err(|f| fault(f, self))?;
                let directory = working_directory.as_ref().or(frame.defaults.working_directory.as_ref());
                let directory =
                    directory.map(|text| text.text(&self.names)).transpose().map_err(|f| fault(f, self))?;
                let left =
                    self.script(name, named.as_deref(), &script, directory.as_deref(), &env, deadline)?;
                *outputs = left.outputs;
                Ok(())
            }
            StepKind::Uses { action, with, .. } => {
                let mut given = BTreeMap::new();
                for entry in with {
                    let value = entry.value.text(&self.names).map_err(|f| fault(f, self))?;
                    given.insert(entry.name.to_ascii_lowercase(), value);
                }
                let left = if actions::find(action).is_some() {
                    actions::run(self, action, given, name, env, deadline)?
                } else if action.starts_with("./") {
                    self.local_action(action, given, name, frame, &env, deadline)?
                } else {
                    return Err(self.unknown(action));
                };
                *outputs = left.outputs;
                Ok(())
            }
        }
    }

    fn step_deadline(&self, minutes: Option<&Template>) -> Result<Option<Instant>, Fault> {
        let Some(minutes) = minutes else { return Ok(self.deadline) };
        let value = minutes.value(&self.names)?;
        let number =
            expr::text(&value).parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
        let Some(number) = number else {
            return Err(Fault::new(
                minutes.span,
                format!("`timeout-minutes` is `{}`: expected a number", minutes.raw),
            ));
        };
        let own = Instant::now() + Duration::from_secs_f64((number * 60.0).min(1e7));
        Ok(Some(self.deadline.map_or(own, |job| job.min(own))))
    }

    fn script(
        &mut self,
        name: &str,
        named: Option<&str>,
        script: &str,
        directory: Option<&str>,
        env: &BTreeMap<String, String>,
        deadline: Option<Instant>,
    ) -> Result<Left, Fail> {
        let env = self.environment(env);
        let path = env.get("PATH").map_or("", String::as_str);
        let shell = shell(named, script, path)?;
        let file = self.temp.join(format!("{}{}", uuid::Uuid::new_v4(), shell.extension));
        std::fs::write(&file, &shell.script)
            .map_err(|error| Fail::Because(format!("writing the script: {error}")))?;
        let shown = file.display().to_string();
        let directory = self.workspace.join(directory.unwrap_or_default());
        if !directory.is_dir() {
            return Err(Fail::Because(format!(
                "the working directory {} does not exist",
                directory.display()
            )));
        }
        let process = Process {
            program: shell.program,
            args: shell.args.iter().map(|arg| arg.replace("{0}", &shown)).collect(),
            env,
            directory,
            stdin: None,
        };
        let result = self.process(name, process, deadline);
        let _ = std::fs::remove_file(file);
        result
    }

    /// Runs a process of a step with the files through which it speaks.
    pub(crate) fn process(
        &mut self,
        name: &str,
        mut process: Process,
        deadline: Option<Instant>,
    ) -> Result<Left, Fail> {
        let files = Files::new(self)?;
        for (variable, file) in FILES {
            process.env.insert(variable.into(), files.path(file).display().to_string());
        }
        let masker = self.masker;
        let mut listener = Listener::new(self.sink, masker, &self.name, name);
        let ended = process.run(deadline, &self.stop, &mut |line| listener.hear(line));
        let last = listener.last_words().map(str::to_owned);
        let (said, state) = (std::mem::take(&mut listener.outputs), std::mem::take(&mut listener.state));
        self.annotations.append(&mut listener.annotations);
        let mut left = Left { outputs: said.into_iter().collect(), state: state.into_iter().collect() };
        let taken = self.take(name, &files, &mut left);
        match ended.map_err(Fail::Because)? {
            Ended::Code(0) => taken.map(|()| left),
            Ended::Code(code) => {
                let why = last.map_or(String::new(), |line| format!(": {}", line.trim()));
                self.annotate(name, "error", &format!("Process completed with exit code {code}."));
                Err(Fail::Because(format!("Process completed with exit code {code}{why}")))
            }
            Ended::TimedOut => {
                let message = "The action has timed out; it and all it started were stopped.";
                self.annotate(name, "error", message);
                Err(Fail::Because(message.into()))
            }
            Ended::Cancelled => Err(Fail::Cancelled),
        }
    }

    /// Takes what a step wrote into its files.
    fn take(&mut self, name: &str, files: &Files, left: &mut Left) -> Result<(), Fail> {
        let wrong = |file: &str, why: String| {
            Fail::Because(format!("Unable to process file command '{file}' successfully. {why}"))
        };
        left.outputs.extend(command::pairs(&files.read("set_output")).map_err(|why| wrong("output", why))?);
        left.state.extend(command::pairs(&files.read("save_state")).map_err(|why| wrong("state", why))?);
        for (variable, value) in command::pairs(&files.read("set_env")).map_err(|why| wrong("env", why))? {
            self.export(name, &variable, value)?;
        }
        for line in files.read("add_path").lines().filter(|line| !line.is_empty()) {
            self.paths.insert(0, line.to_owned());
        }
        let summary = files.read("step_summary");
        if summary.len() > SUMMARY_MAX {
            self.annotate(
                name,
                "error",
                &format!(
                    "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got {}k",
                    summary.len() / 1024
                ),
            );
        } else if !summary.is_empty() {
            let masked = self.masker.mask(&summary);
            self.summary.push_str(masked.trim_end_matches('\n'));
            self.summary.push('\n');
        }
        Ok(())
    }

    /// Sets a variable for the steps that follow.
    pub(crate) fn export(&mut self, step: &str, variable: &str, value: String) -> Result<(), Fail> {
        if variable.eq_ignore_ascii_case("NODE_OPTIONS") {
            return Err(Fail::Because(format!(
                "Can't store {variable} output parameter using '$GITHUB_ENV' command."
            )));
        }
        if variable.starts_with("GITHUB_") || variable.starts_with("RUNNER_") {
            self.annotate(step, "warning", &format!("`{variable}` cannot be changed through $GITHUB_ENV"));
            return Ok(());
        }
        self.exported.insert(variable.to_owned(), value);
        Ok(())
    }

    /// An annotation of the runner's own.
    pub(crate) fn annotate(&mut self, step: &str, level: &str, message: &str) {
        let mut listener = Listener::new(self.sink, self.masker, &self.name, step);
        listener.annotate(level, message);
        let mut annotations = listener.annotations;
        self.annotations.append(&mut annotations);
    }

    fn listen(&self, step: &str) -> Listener<'_> {
        Listener::new(self.sink, self.masker, &self.name, step)
    }

    /// Something for the log.
    pub(crate) fn say(&self, text: &str) {
        self.listen("").say(text);
    }

    /// A program on the step's search path.
    pub(crate) fn which(&self, name: &str) -> Option<PathBuf> {
        let env = self.environment(&BTreeMap::new());
        shell::which(name, env.get("PATH").map_or("", String::as_str))
    }

    /// `steps`, `job` and `env` as they are now.
    pub(crate) fn refresh(&mut self, frame: &Frame) {
        self.names.set("steps", Value::Object(frame.outputs.clone()));
        let cancelled = self.stop.asked();
        self.names.status.cancelled = cancelled;
        self.names.status.failure = frame.failed;
        self.names.status.success = !frame.failed && !cancelled;
        let word = if cancelled {
            "cancelled"
        } else if frame.failed {
            "failure"
        } else {
            "success"
        };
        self.names.set_in("job", "status", word.into());
        self.names.set("env", object(&self.job_env_with(&frame.env)));
        if let Some(inputs) = &frame.inputs {
            self.names.set("inputs", inputs.clone());
            self.names.set_in("github", "action_path", frame.action_path.display().to_string().into());
            self.names.set_in("github", "action_status", word.into());
        }
    }
}
