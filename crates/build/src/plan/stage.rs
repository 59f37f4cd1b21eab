//! Goes through the instructions of one stage, carrying what each leaves for the next.

use std::collections::BTreeMap;

use wharf_dockerfile::IgnorePatterns;
use wharf_dockerfile::lint::Finding;
use wharf_dockerfile::{ExpandError, Expansion, Instruction, InstructionKind, Lexer, Span};

use super::args::GlobalArgs;
use super::checks::Checks;
use super::graph::{Command, Graph};
use super::outline::Notes;
use super::state::State;
use super::{EnvVar, HistoryLine, Op, PlanError, Problem, Request, Source, Step};

/// What all stages share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) request: &'a Request,
    /// The request's build arguments, `SOURCE_DATE_EPOCH` brought into its plain form.
    pub(super) build_args: BTreeMap<String, String>,
    pub(super) globals: GlobalArgs,
    pub(super) lexer: Lexer,
    pub(super) checks: &'a Checks<'a>,
    pub(super) notes: &'a Notes,
    pub(super) proxy: Vec<EnvVar>,
    pub(super) ignore: IgnorePatterns,
}

/// Turns the commands of one stage into steps.
pub(super) struct StageBuilder<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) state: State,
    /// What the stage is called; `None` where it is the only one.
    pub(super) label: Option<&'a str>,
    /// Where each draft's files are found; `None` for stages that come later.
    pub(super) sources: &'a [Option<Source>],
    pub(super) graph: &'a Graph,
    pub(super) steps: Vec<Step>,
    /// How many operations have been counted, and how many there are.
    counted: (usize, usize),
    /// Where the stage itself has said these, if it has.
    pub(super) cmd: Option<Span>,
    pub(super) entrypoint: Option<Span>,
    pub(super) healthcheck: Option<Span>,
    is_trigger: bool,
}

impl<'a> StageBuilder<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        state: State,
        label: Option<&'a str>,
        sources: &'a [Option<Source>],
        graph: &'a Graph,
    ) -> Self {
        Self {
            shared,
            state,
            label,
            sources,
            graph,
            steps: Vec::new(),
            counted: (0, 0),
            cmd: None,
            entrypoint: None,
            healthcheck: None,
            is_trigger: false,
        }
    }

    /// Plans all commands. `before` are the operations for the base: how many are shown, and how many count.
    pub(super) fn run_all(&mut self, commands: &[Command], before: (usize, usize)) -> Result<(), PlanError> {
        let operations = commands.iter().filter(|command| command.is_trigger || command.has_operation());
        self.counted = (before.0, before.1 + operations.count());
        for command in commands {
            let Instruction { span, text, .. } = &command.instruction;
            self.is_trigger = command.is_trigger;
            self.command(command).map_err(|problem| PlanError::from(problem).at(*span, text))?;
        }
        Ok(())
    }

    fn command(&mut self, command: &Command) -> Result<(), Problem> {
        let mut instruction = command.instruction.clone();
        self.expand(&mut instruction)?;
        let span = instruction.span;
        match &instruction.kind {
            InstructionKind::Add(add) => self.add(add, &instruction),
            InstructionKind::Arg(args) => self.arg(args, &instruction),
            InstructionKind::Cmd(line) => self.set_cmd(line, &instruction),
            InstructionKind::Copy(copy) => self.copy(copy, &instruction, &command.sources),
            InstructionKind::Entrypoint(line) => self.set_entrypoint(line, &instruction),
            InstructionKind::Env(pairs) => self.set_env(pairs, &instruction),
            InstructionKind::Expose(words) => self.expose(words, &instruction),
            InstructionKind::Healthcheck(check) => self.set_healthcheck(check, &instruction),
            InstructionKind::Label(pairs) => self.set_labels(pairs, &instruction),
            InstructionKind::Maintainer(name) => self.set_author(name, span),
            InstructionKind::Onbuild(trigger) => self.record_trigger(trigger, &instruction),
            InstructionKind::Run(run) => self.run(run, &instruction, &command.sources),
            InstructionKind::Shell(words) => self.set_shell(words, span),
            InstructionKind::StopSignal(signal) => self.set_stop_signal(signal, span),
            InstructionKind::User(user) => self.set_user(user, span),
            InstructionKind::Volume(paths) => self.add_volumes(paths, span),
            InstructionKind::Workdir(dir) => self.workdir(dir, &instruction),
        }
    }

    /// Expands what the instruction allows. `ARG` does it itself, because a value given to the build makes
    /// its default, and any fault in it, moot.
    fn expand(&self, instruction: &mut Instruction) -> Result<(), Problem> {
        if matches!(instruction.kind, InstructionKind::Arg(_)) {
            return Ok(());
        }
        let span = instruction.span;
        let lookup = self.state.env.lookup();
        let seen = |expansion: Expansion| {
            self.shared.checks.undefined(&expansion.unset, &self.state, span);
            expansion.text
        };
        let word =
            |text: &str| -> Result<String, ExpandError> { self.shared.lexer.word(text, &lookup).map(seen) };
        let raw = |text: &str| -> Result<String, ExpandError> { Lexer::raw(text, &lookup).map(seen) };
        Ok(instruction.kind.expand(word, raw)?)
    }

    /// Keeps what a check found.
    pub(super) fn report(&self, found: impl IntoIterator<Item = Finding>) {
        self.shared.checks.report(found);
    }

    /// Adds a step that changes the config only.
    pub(super) fn note(&mut self, span: Span, created_by: String) -> Result<(), Problem> {
        let title = created_by.clone();
        let line = HistoryLine { created_by, empty_layer: true };
        self.state.record(&line)?;
        self.steps.push(Step { title, span, history: Some(line), op: None });
        Ok(())
    }

    /// Adds a step that changes files, shown as `shown`.
    pub(super) fn operate(
        &mut self,
        span: Span,
        shown: &str,
        created_by: String,
        op: Op,
    ) -> Result<(), Problem> {
        self.counted.0 += 1;
        let title = self.titled(shown);
        let line = HistoryLine { created_by, empty_layer: false };
        self.state.record(&line)?;
        self.state.add_layer(&op, &title);
        self.steps.push(Step { title, span, history: Some(line), op: Some(op) });
        Ok(())
    }

    /// `[linux/arm64 builder 2/5] ONBUILD RUN make`.
    fn titled(&self, shown: &str) -> String {
        let mut parts = Vec::new();
        if self.shared.request.multi_platform {
            parts.push(self.state.platform.to_string());
        }
        parts.extend(self.label.map(str::to_owned));
        let (number, total) = self.counted;
        parts.push(format!("{number:>width$}/{total}", width = total.to_string().len()));
        let trigger = if self.is_trigger { "ONBUILD " } else { "" };
        format!("[{}] {trigger}{shown}", parts.join(" "))
    }

    /// The instruction as it is shown: its name in capitals, and variables replaced where that works.
    pub(super) fn shown(&self, instruction: &Instruction) -> String {
        capitalised(&self.shared.lexer.title(&instruction.text, self.state.env.lookup()))
    }

    /// The command line of a shell-form instruction.
    pub(super) fn with_shell(&self, line: &str) -> Vec<String> {
        let shell = self.state.image.config.shell.clone().filter(|shell| !shell.is_empty());
        let mut words = shell.unwrap_or_else(|| default_shell(&self.state.image.os));
        words.push(line.into());
        words
    }
}

impl Command {
    fn has_operation(&self) -> bool {
        use InstructionKind::{Add, Copy, Run, Workdir};
        matches!(self.instruction.kind, Add(_) | Copy(_) | Run(_) | Workdir(_))
    }
}

/// The text with its first word in capitals.
pub(super) fn capitalised(text: &str) -> String {
    match text.split_once(' ') {
        Some((name, rest)) => format!("{} {rest}", name.to_uppercase()),
        None => text.to_uppercase(),
    }
}

fn default_shell(os: &str) -> Vec<String> {
    let words: &[&str] = if os == "windows" { &["cmd", "/S", "/C"] } else { &["/bin/sh", "-c"] };
    words.iter().map(|word| (*word).to_owned()).collect()
}
