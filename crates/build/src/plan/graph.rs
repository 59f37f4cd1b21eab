//! Stages and what they use: names, numbers, reachability and cycles.
//!
//! Every stage of the Dockerfile has a draft here, and so has every image or context that an instruction
//! takes files from without a stage of its own (`COPY --from=image`). Drafts keep the order of the
//! Dockerfile; the others follow in the order in which they are first used.

use std::collections::HashMap;

use wharf_dockerfile::{Copy, Dockerfile, Instruction, InstructionKind, Lexer, MountFlag};
use wharf_oci::Platform;

use super::error::Location;
use super::{PlanError, Problem};

/// A stage before it is known what comes out of it.
#[derive(Debug)]
pub(super) struct Draft {
    /// The name after `AS`, lower case.
    pub(super) name: Option<String>,
    /// What it is called in messages: its name, or `stage-N`.
    pub(super) label: String,
    /// What it starts from, expanded.
    pub(super) base_name: String,
    /// The earlier stage that `base_name` names.
    pub(super) base: Option<usize>,
    /// `--platform`, expanded.
    pub(super) platform: Option<Platform>,
    /// The named context that stands in for the whole stage.
    pub(super) replaced_by: Option<String>,
    /// It stands for an image or a context and has no `FROM`.
    pub(super) implied: bool,
    /// What is done in it, triggers of its base first.
    pub(super) commands: Vec<Command>,
    /// Its `FROM`, or the instruction that uses it.
    pub(super) location: Location,
}

impl Draft {
    /// Whether its steps are carried out: it is neither an image nor replaced by a context.
    pub(super) fn is_stage(&self) -> bool {
        !self.implied && self.replaced_by.is_none()
    }

    /// What its `ONBUILD` instructions leave for stages built on it.
    pub(super) fn recorded_triggers(&self) -> Vec<String> {
        let recorded = self.commands.iter().filter_map(|command| match &command.instruction.kind {
            InstructionKind::Onbuild(trigger) => Some(trigger.clone()),
            _ => None,
        });
        recorded.collect()
    }
}

/// An instruction with the drafts it takes files from.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) instruction: Instruction,
    /// For `COPY`, at most one; for `RUN`, one place for each mount.
    pub(super) sources: Vec<Option<usize>>,
    /// It is a trigger of the base image.
    pub(super) is_trigger: bool,
}

/// All drafts.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) drafts: Vec<Draft>,
    by_name: HashMap<String, usize>,
}

impl Graph {
    /// Adds a draft. A stage is looked up under its base's name as it is written, and later under its own
    /// name in lower case; a name used twice means the later stage.
    pub(super) fn add(&mut self, mut draft: Draft) -> usize {
        let index = self.drafts.len();
        if draft.replaced_by.is_none() {
            draft.base = self.by_name.get(&draft.base_name).copied();
        }
        if let Some(name) = &draft.name {
            self.by_name.insert(name.clone(), index);
        }
        self.drafts.push(draft);
        index
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&name.to_lowercase()).copied()
    }

    /// What stages are called, for suggestions.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.drafts.iter().filter(|draft| !draft.implied).map(|draft| draft.label.as_str())
    }

    /// Finds out what the instructions of the stages use.
    pub(super) fn link(&mut self, dockerfile: &Dockerfile, lexer: Lexer) -> Result<(), PlanError> {
        for (index, stage) in dockerfile.stages.iter().enumerate() {
            let mut commands = Vec::with_capacity(stage.instructions.len());
            for instruction in &stage.instructions {
                commands.push(self.command(instruction.clone(), lexer, false)?);
            }
            self.drafts[index].commands = commands;
        }
        self.refuse_cycles()
    }

    /// An instruction with what it uses, adding drafts for images that no stage stands for.
    pub(super) fn command(
        &mut self,
        instruction: Instruction,
        lexer: Lexer,
        is_trigger: bool,
    ) -> Result<Command, PlanError> {
        let location = Location { span: instruction.span, text: instruction.text.clone() };
        let sources = match &instruction.kind {
            InstructionKind::Copy(copy) => self.copy_source(copy, lexer, &location),
            InstructionKind::Run(run) => {
                let from = |mount: &MountFlag| Some(self.named(mount.from()?, &location));
                Ok(run.mounts.iter().map(from).collect())
            }
            _ => Ok(Vec::new()),
        };
        let sources =
            sources.map_err(|problem| PlanError::from(problem).at(location.span, &location.text))?;
        Ok(Command { instruction, sources, is_trigger })
    }

    fn copy_source(
        &mut self,
        copy: &Copy,
        lexer: Lexer,
        location: &Location,
    ) -> Result<Vec<Option<usize>>, Problem> {
        let Some(from) = copy.from.as_deref().filter(|from| !from.is_empty()) else { return Ok(Vec::new()) };
        if lexer.word(from, |_| None)?.text != from {
            return Err(Problem::FromVariable);
        }
        let draft = match from.parse::<i64>() {
            Ok(index) => usize::try_from(index)
                .ok()
                .filter(|index| *index < self.drafts.len())
                .ok_or(Problem::StageIndex { index })?,
            Err(_) => self.named(from, location),
        };
        Ok(vec![Some(draft)])
    }

    /// The stage of this name, or a draft for the image or context that it must be.
    fn named(&mut self, name: &str, location: &Location) -> usize {
        self.find(name).unwrap_or_else(|| {
            self.add(Draft {
                name: None,
                label: name.into(),
                base_name: name.into(),
                base: None,
                platform: None,
                replaced_by: None,
                implied: true,
                commands: Vec::new(),
                location: location.clone(),
            })
        })
    }

    /// The drafts that `index` takes files from, its base left out.
    fn uses(&self, index: usize) -> impl Iterator<Item = (usize, &Command)> {
        let commands = self.drafts[index].commands.iter();
        commands.flat_map(|command| command.sources.iter().flatten().map(move |source| (*source, command)))
    }

    /// Which drafts are needed for the result of `target`.
    pub(super) fn reachable(&self, target: usize) -> Vec<bool> {
        let mut reached = vec![false; self.drafts.len()];
        let mut waiting = vec![target];
        while let Some(index) = waiting.pop() {
            if !std::mem::replace(&mut reached[index], true) {
                waiting.extend(self.drafts[index].base);
                waiting.extend(self.uses(index).map(|(used, _)| used));
            }
        }
        reached
    }

    /// Fails where a stage takes files, directly or through others, from itself.
    fn refuse_cycles(&self) -> Result<(), PlanError> {
        #[derive(Clone, Copy, PartialEq)]
        enum Visit {
            Not,
            Open,
            Done,
        }
        let mut visits = vec![Visit::Not; self.drafts.len()];
        for start in 0..self.drafts.len() {
            // Each entry is a draft and what it uses that has not been looked at.
            let mut path: Vec<(usize, Vec<(usize, &Command)>)> = Vec::new();
            let mut next = (visits[start] == Visit::Not).then_some(start);
            loop {
                if let Some(index) = next.take() {
                    visits[index] = Visit::Open;
                    path.push((index, self.uses(index).collect()));
                }
                let Some((index, left)) = path.last_mut() else { break };
                match left.pop() {
                    None => {
                        visits[*index] = Visit::Done;
                        path.pop();
                    }
                    Some((used, command)) => match visits[used] {
                        Visit::Done => {}
                        Visit::Not => next = Some(used),
                        Visit::Open => {
                            let cycle = Problem::Cycle { stage: self.drafts[start].label.clone() };
                            return Err(PlanError::from(cycle)
                                .at(command.instruction.span, &command.instruction.text));
                        }
                    },
                }
            }
        }
        Ok(())
    }
}
