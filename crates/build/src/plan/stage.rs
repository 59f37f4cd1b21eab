//! Goes through the instructions of one stage, carrying what each leaves for the next.

use wharf_dockerfile::IgnorePatterns;
use wharf_dockerfile::lint::Finding;
use wharf_dockerfile::{ExpandError, Instruction, InstructionKind, Lexer, Span};
use wharf_oci::{History, ImageConfig, Platform};

use super::args::GlobalArgs;
use super::base::Origin;
use super::checks::Checks;
use super::env::{self, ConfigEnv, DEFAULT_PATH, Declared, Env};
use super::graph::{Command, Graph};
use super::{EnvVar, HistoryLine, Op, PlanError, Problem, Request, Source, Step, path};

/// The comment of every line that a build adds to an image's history.
const COMMENT: &str = "buildkit.dockerfile.v0";
/// The most that one stage may write into its image's history and into files that stand in the Dockerfile,
/// bytes. Values that refer to one another could otherwise fill any memory.
const TEXT_MAX: usize = 32 << 20;

/// What all stages share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) request: &'a Request,
    /// The request's build arguments, `SOURCE_DATE_EPOCH` brought into its plain form.
    pub(super) build_args: std::collections::BTreeMap<String, String>,
    pub(super) globals: GlobalArgs,
    pub(super) lexer: Lexer,
    pub(super) checks: &'a Checks<'a>,
    pub(super) proxy: Vec<EnvVar>,
    pub(super) ignore: IgnorePatterns,
}

/// What one instruction leaves for the next, and a stage for those built on it.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// What expansion and steps see: variables of the image and arguments.
    pub(super) env: Env,
    /// The variables of the image.
    pub(super) image_env: ConfigEnv,
    /// Everything else of the image.
    pub(super) image: ImageConfig,
    /// The working directory; empty where nothing has named one.
    pub(super) dir: String,
    /// Whom steps run as; empty where nothing has named one.
    pub(super) user: String,
    pub(super) platform: Platform,
    /// The arguments declared so far.
    pub(super) args: Declared,
    /// A `WORKDIR` has been seen in this Dockerfile.
    pub(super) workdir_seen: bool,
    /// How much text has gone into history and inline files.
    text_length: usize,
}

impl State {
    /// The state before the first instruction of a stage that starts from `origin`.
    pub(super) fn at_origin(origin: &Origin) -> Self {
        let mut image = origin.config.clone();
        Self {
            env: Env::default(),
            image_env: ConfigEnv::new(image.config.env.take().unwrap_or_default()),
            image,
            dir: String::new(),
            user: String::new(),
            platform: origin.platform.clone(),
            args: Declared::default(),
            workdir_seen: false,
            text_length: 0,
        }
        .entered()
    }

    /// The state before the first instruction of a stage that is built on this one.
    pub(super) fn below(&self) -> Self {
        let mut state = self.clone();
        state.image.config.on_build = None;
        state.entered()
    }

    /// Takes over what the image says: its variables win over arguments of the same name from below.
    fn entered(mut self) -> Self {
        if !self.image_env.contains("PATH") && self.platform.os != "windows" {
            let (name, value) = env::split(DEFAULT_PATH);
            self.image_env.set(name, value);
        }
        for (name, value) in self.image_env.iter() {
            self.env.set(name, value);
        }
        let dir = self.image.config.working_dir.clone();
        if !dir.is_empty() {
            self.dir = path::workdir(&dir, &dir);
            self.image.config.working_dir.clone_from(&self.dir);
        }
        if !self.image.config.user.is_empty() {
            self.user.clone_from(&self.image.config.user);
        }
        self
    }

    /// The image as it comes out.
    pub(super) fn to_image(&self) -> ImageConfig {
        let mut image = self.image.clone();
        let lines = self.image_env.to_lines();
        image.config.env = (!lines.is_empty()).then_some(lines);
        image
    }
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

    /// Plans all commands. `pulls_base` counts the base image as the first operation.
    pub(super) fn run_all(&mut self, commands: &[Command], pulls_base: bool) -> Result<(), PlanError> {
        let operations = commands.iter().filter(|command| command.is_trigger || command.has_operation());
        let base = usize::from(pulls_base);
        self.counted = (base, base + operations.count());
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
        let seen = |expansion: wharf_dockerfile::Expansion| {
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
        self.push(Step {
            title,
            span,
            history: Some(HistoryLine { created_by, empty_layer: true }),
            op: None,
        })
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
        self.push(Step {
            title,
            span,
            history: Some(HistoryLine { created_by, empty_layer: false }),
            op: Some(op),
        })
    }

    /// Adds a step that leaves no trace in the history.
    pub(super) fn note_silently(&mut self, span: Span, title: String) -> Result<(), Problem> {
        self.push(Step { title, span, history: None, op: None })
    }

    fn push(&mut self, step: Step) -> Result<(), Problem> {
        if let Some(line) = &step.history {
            self.take_text(line.created_by.len())?;
            self.state.image.history.push(History {
                created_by: Some(line.created_by.clone()),
                comment: Some(COMMENT.into()),
                empty_layer: line.empty_layer,
                ..History::default()
            });
        }
        self.steps.push(step);
        Ok(())
    }

    /// Counts text that is kept.
    pub(super) fn take_text(&mut self, length: usize) -> Result<(), Problem> {
        self.state.text_length += length;
        if self.state.text_length > TEXT_MAX {
            return Err(Problem::Instruction(format!(
                "the history of the stage grows beyond {} MiB",
                TEXT_MAX >> 20
            )));
        }
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
