//! Steps, and what a workflow or a job presets for them.

use crate::availability::{Available, STEP, STEP_IF};
use crate::source::Span;
use crate::template::{Template, Templates};
use crate::yaml::Node;

/// A name and its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// The text.
    pub value: Template,
}

/// `defaults.run`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults {
    /// The shell.
    pub shell: Option<Template>,
    /// Where steps run.
    pub working_directory: Option<Template>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where it stands.
    pub span: Span,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its name, where it has one.
    pub name: Option<Template>,
    /// When it runs.
    pub condition: Option<Template>,
    /// Its variables.
    pub env: Vec<Entry>,
    /// Whether its failure is none of the job's.
    pub continue_on_error: Option<Template>,
    /// How long it may take.
    pub timeout_minutes: Option<Template>,
    /// What it does.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// A script.
    Run {
        /// The script.
        script: Template,
        /// The shell, where it is said.
        shell: Option<Template>,
        /// Where, where it is said.
        working_directory: Option<Template>,
    },
    /// An action.
    Uses {
        /// Which.
        action: String,
        /// Where that stands.
        span: Span,
        /// Its inputs.
        with: Vec<Entry>,
    },
}

impl Step {
    /// What the step is called where it has no name, as GitHub shows it.
    pub fn title(&self) -> String {
        match (&self.name, &self.kind) {
            (Some(name), _) => name.raw.clone(),
            (None, StepKind::Run { script, .. }) => {
                let line = script.raw.trim().lines().next().unwrap_or_default();
                format!("Run {line}")
            }
            (None, StepKind::Uses { action, .. }) => format!("Run {action}"),
        }
    }

    /// Every template of the step.
    pub fn templates(&self) -> Vec<&Template> {
        let mut all: Vec<&Template> = self.env.iter().map(|entry| &entry.value).collect();
        all.extend(
            self.name
                .iter()
                .chain(&self.condition)
                .chain(&self.continue_on_error)
                .chain(&self.timeout_minutes),
        );
        match &self.kind {
            StepKind::Run { script, shell, working_directory } => {
                all.push(script);
                all.extend(shell.iter().chain(working_directory));
            }
            StepKind::Uses { with, .. } => all.extend(with.iter().map(|entry| &entry.value)),
        }
        all
    }
}

const KEYS: [&str; 11] = [
    "id",
    "name",
    "if",
    "uses",
    "run",
    "shell",
    "with",
    "env",
    "working-directory",
    "continue-on-error",
    "timeout-minutes",
];

impl Templates<'_> {
    pub(super) fn defaults(&mut self, node: &Node, available: &Available) -> Defaults {
        let mut defaults = Defaults::default();
        for (key, _, value) in self.mapping(node, "`defaults`", &["run"]) {
            if key != "run" {
                continue;
            }
            for (key, _, value) in self.mapping(value, "`defaults.run`", &["shell", "working-directory"]) {
                match key {
                    "shell" => defaults.shell = Some(self.read(value, available)),
                    "working-directory" => defaults.working_directory = Some(self.read(value, available)),
                    _ => {}
                }
            }
        }
        defaults
    }

    /// One step; `composite` steps must name their shell.
    pub(crate) fn step(&mut self, node: &Node, composite: bool) -> Option<Step> {
        let (mut uses, mut run) = (None, None);
        let (mut shell, mut working_directory, mut with) = (None, None, Vec::new());
        let mut step = Step {
            span: node.span,
            id: None,
            name: None,
            condition: None,
            env: Vec::new(),
            continue_on_error: None,
            timeout_minutes: None,
            kind: StepKind::Uses { action: String::new(), span: node.span, with: Vec::new() },
        };
        let mut own = Vec::new();
        for (key, span, value) in self.mapping(node, "a step", &KEYS) {
            if value.is_null() && key != "env" && key != "with" {
                self.fault(span, format!("`{key}` has no value"));
                continue;
            }
            match key {
                "id" => {
                    let id = self.string(value, "`id`");
                    self.check_id(&id, value.span, "step");
                    step.id = Some(id);
                }
                "name" => step.name = Some(self.read(value, &STEP)),
                "if" => step.condition = self.condition(value, &STEP_IF),
                "uses" => uses = Some((self.string(value, "`uses`"), value.span)),
                "run" => run = Some(self.read(value, &STEP)),
                "shell" => shell = Some(self.read(value, &STEP)),
                "with" => with = self.entries(value, "`with`", &STEP),
                "env" => step.env = self.entries(value, "`env`", &STEP),
                "working-directory" => working_directory = Some(self.read(value, &STEP)),
                "continue-on-error" => step.continue_on_error = Some(self.read(value, &STEP)),
                "timeout-minutes" => step.timeout_minutes = Some(self.read(value, &STEP)),
                _ => {}
            }
            own.push((key, span));
        }
        let misplaced: &[&str] = if uses.is_some() { &["shell", "working-directory"] } else { &["with"] };
        for (key, span) in own.into_iter().filter(|(key, _)| misplaced.contains(key)) {
            let other = if uses.is_some() { "run" } else { "uses" };
            self.fault(span, format!("`{key}` only goes with `{other}`"));
        }
        step.kind = match (uses, run) {
            (Some((_, span)), Some(_)) => {
                self.fault(span, "a step has `uses` or `run`, not both");
                return None;
            }
            (Some((action, span)), None) => {
                self.check_uses(&action, span);
                StepKind::Uses { action, span, with }
            }
            (None, Some(script)) => {
                if composite && shell.is_none() {
                    self.fault(node.span, "Required property is missing: shell");
                }
                StepKind::Run { script, shell, working_directory }
            }
            (None, None) => {
                self.fault(node.span, "Every step must define a `uses` or `run` key");
                return None;
            }
        };
        Some(step)
    }

    fn check_uses(&mut self, action: &str, span: Span) {
        if action.starts_with("./") || action.starts_with("docker://") {
            return;
        }
        let (path, reference) = action.split_once('@').unwrap_or((action, ""));
        if path.split('/').filter(|part| !part.is_empty()).count() < 2 || reference.is_empty() {
            self.fault(
                span,
                format!(
                    "Expected format {{owner}}/{{repo}}[/path]@{{ref}}. Actual '{action}'. \
                     Also docker://{{image}} and ./{{path}} are known"
                ),
            );
        }
    }
}
