//! The checks that need the text alone.

use std::collections::HashSet;

use super::{Finding, found, rules};
use crate::{ArgDeclaration, Dockerfile, Instruction, InstructionKind, Span, Stage, expose};

/// Names that a stage cannot be found by.
const RESERVED: [&str; 2] = ["context", "scratch"];

/// Runs the checks of the whole file, which BuildKit runs for stages that are not built, too.
pub fn check(dockerfile: &Dockerfile) -> Vec<Finding> {
    let empty =
        |span: &Span| Finding::new(&rules::NO_EMPTY_CONTINUATION, "Empty continuation line".into(), *span);
    let mut findings: Vec<Finding> = dockerfile.empty_continuations.iter().map(empty).collect();
    for args in &dockerfile.global_args {
        findings.extend(arg_description(&args.args, &args.comments, args.span));
    }
    for stage in &dockerfile.stages {
        findings.extend(stage_line(stage));
        for instruction in &stage.instructions {
            findings.extend(instruction_line(instruction));
        }
    }
    findings.extend(stage_names(&dockerfile.stages));
    findings.extend(casing(&dockerfile.stages));
    findings
}

/// Runs the checks of single instructions as far as the text shows what they need: a value that holds a
/// variable is not judged. BuildKit runs them for the stages that it builds.
pub fn check_instructions(dockerfile: &Dockerfile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut rooted: HashSet<&str> = HashSet::new();
    for stage in &dockerfile.stages {
        let mut state =
            StageState { workdir_set: rooted.contains(stage.base.as_str()), ..StageState::default() };
        for instruction in &stage.instructions {
            state.check(instruction, &mut findings);
        }
        if let (Some(name), true) = (&stage.name, state.workdir_set) {
            rooted.insert(name);
        }
    }
    findings
}

/// What a stage has said so far.
#[derive(Default)]
struct StageState {
    workdir_set: bool,
    shell_set: bool,
    cmd: Option<Span>,
    entrypoint: Option<Span>,
    healthcheck: Option<Span>,
}

impl StageState {
    fn check(&mut self, instruction: &Instruction, findings: &mut Vec<Finding>) {
        let span = instruction.span;
        match &instruction.kind {
            InstructionKind::Arg(args) => {
                findings.extend(args.iter().filter_map(|arg| found::secret("ARG", &arg.name, span)));
            }
            InstructionKind::Env(pairs) => {
                for pair in pairs {
                    findings.extend(found::legacy_pair(pair, instruction));
                    findings.extend(found::secret("ENV", &pair.key, span));
                }
            }
            InstructionKind::Label(pairs) => {
                findings.extend(pairs.iter().filter_map(|pair| found::legacy_pair(pair, instruction)));
            }
            InstructionKind::Cmd(_) => {
                findings.extend(found::repeated(self.cmd.replace(span), instruction));
                findings.extend(found::shell_form(instruction).filter(|_| !self.shell_set));
            }
            InstructionKind::Entrypoint(_) => {
                findings.extend(found::repeated(self.entrypoint.replace(span), instruction));
                findings.extend(found::shell_form(instruction).filter(|_| !self.shell_set));
            }
            InstructionKind::Healthcheck(_) => {
                findings.extend(found::repeated(self.healthcheck.replace(span), instruction));
            }
            InstructionKind::Expose(words) => {
                for word in words.iter().filter(|word| !word.contains('$')) {
                    findings
                        .extend(expose::parse(word).iter().flat_map(|ports| found::ports(word, ports, span)));
                }
            }
            InstructionKind::Shell(_) => self.shell_set = true,
            InstructionKind::Workdir(dir) => {
                let is_known = !dir.contains(['$', '"', '\'']);
                if !std::mem::replace(&mut self.workdir_set, true) && is_known {
                    findings.extend(found::relative_workdir(dir, span));
                }
            }
            _ => {}
        }
    }
}

/// The casing and the comment of a `FROM`.
fn stage_line(stage: &Stage) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some((word, written)) = &stage.alias else { return findings };
    if *written != written.to_lowercase() {
        let message = format!("Stage name '{written}' should be lowercase");
        findings.push(Finding::new(&rules::STAGE_NAME_CASING, message, stage.span));
    }
    let from = &stage.keyword;
    let matches = match Case::of(from) {
        Some(Case::Lower) => *word == word.to_lowercase(),
        Some(Case::Upper) => *word == word.to_uppercase(),
        // The instruction itself is what is reported then.
        None => true,
    };
    if !matches {
        let message = format!("'{word}' and '{from}' keywords' casing do not match");
        findings.push(Finding::new(&rules::FROM_AS_CASING, message, stage.span));
    }
    let names: Vec<&str> = stage.name.as_deref().into_iter().collect();
    findings.extend(description("FROM", &names, &stage.comments, stage.span));
    findings
}

fn instruction_line(instruction: &Instruction) -> Option<Finding> {
    match &instruction.kind {
        InstructionKind::Maintainer(_) => {
            let message = "Maintainer instruction is deprecated in favor of using label".into();
            Some(Finding::new(&rules::MAINTAINER_DEPRECATED, message, instruction.span))
        }
        InstructionKind::Arg(args) => arg_description(args, &instruction.comments, instruction.span),
        _ => None,
    }
}

fn arg_description(args: &[ArgDeclaration], comments: &[String], span: Span) -> Option<Finding> {
    let names: Vec<&str> = args.iter().map(|arg| arg.name.as_str()).collect();
    description("ARG", &names, comments, span)
}

/// The comment right above a definition begins with the name that is defined.
fn description(instruction: &str, names: &[&str], comments: &[String], span: Span) -> Option<Finding> {
    let (comment, first) = (comments.last()?, names.first()?);
    let word = comment.split(' ').next().unwrap_or_default();
    if names.contains(&word) {
        return None;
    }
    let example = if names.len() > 1 { "<arg_key>" } else { first };
    let message = format!("Comment for {instruction} should follow the format: `# {example} <description>`");
    Some(Finding::new(&rules::INVALID_DEFINITION_DESCRIPTION, message, span))
}

fn stage_names(stages: &[Stage]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = HashSet::new();
    for (name, span) in stages.iter().filter_map(|stage| Some((stage.name.as_deref()?, stage.span))) {
        if RESERVED.contains(&name) {
            let message = format!("Stage name should not use the same name as reserved stage {name:?}");
            findings.push(Finding::new(&rules::RESERVED_STAGE_NAME, message, span));
        }
        if !seen.insert(name) {
            let message = format!("Duplicate stage name {name:?}, stage names should be unique");
            findings.push(Finding::new(&rules::DUPLICATE_STAGE_NAME, message, span));
        }
    }
    findings
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
}

impl Case {
    /// `None` for mixed case.
    fn of(word: &str) -> Option<Self> {
        if word == word.to_lowercase() {
            return Some(Self::Lower);
        }
        (word == word.to_uppercase()).then_some(Self::Upper)
    }
}

/// Instructions are cased as most are; upper case where there is no majority.
fn casing(stages: &[Stage]) -> Vec<Finding> {
    let keywords = || {
        stages.iter().flat_map(|stage| {
            let instructions = stage.instructions.iter();
            let instructions =
                instructions.map(|instruction| (instruction.keyword.as_str(), instruction.span));
            std::iter::once((stage.keyword.as_str(), stage.span)).chain(instructions)
        })
    };
    let count = |case| keywords().filter(|(keyword, _)| Case::of(keyword) == Some(case)).count();
    let (wanted, name) = match count(Case::Lower) > count(Case::Upper) {
        true => (Case::Lower, "lowercase"),
        false => (Case::Upper, "uppercase"),
    };
    let odd = keywords().filter(|(keyword, _)| Case::of(keyword) != Some(wanted));
    let finding = |(keyword, span): (&str, Span)| {
        let message = format!("Command '{keyword}' should match the case of the command majority ({name})");
        Finding::new(&rules::CONSISTENT_INSTRUCTION_CASING, message, span)
    };
    odd.map(finding).collect()
}
