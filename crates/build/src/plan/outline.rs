//! What can be given to a build, as far as its target asks for it: arguments, secrets, agents.
//!
//! This is BuildKit's `outline`. It is noted while the plan is made, because only then is it known which stages
//! count and what each value is.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use wharf_dockerfile::{ArgDeclaration, Dockerfile, Lexer, Span};

use super::args::GlobalArgs;
use super::{PlanError, Request};

/// What a build of one target takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The name of the target, and what the comment above it says.
    pub target: Option<String>,
    /// See `target`.
    pub description: Option<String>,
    /// The build arguments, in the order of the Dockerfile.
    pub args: Vec<Argument>,
    /// The secrets.
    pub secrets: Vec<Wanted>,
    /// The SSH agents.
    pub agents: Vec<Wanted>,
}

/// A build argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What it is now: given, or its default.
    pub value: Option<String>,
    /// What the comment above it says.
    pub description: Option<String>,
    /// Where it is declared.
    pub span: Span,
}

/// A secret or an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its id.
    pub name: String,
    /// Whether a step fails without it.
    pub required: bool,
    /// Where it is mounted.
    pub span: Span,
}

/// What has been noted so far. Later stages, which are nearer to the target, count more.
#[derive(Debug, Default)]
pub(super) struct Notes {
    noted: RefCell<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    /// The stages that were planned, by their place in the Dockerfile.
    stages: Vec<usize>,
    /// Names of arguments that are asked for.
    used: BTreeSet<String>,
    args: BTreeMap<String, Argument>,
    secrets: BTreeMap<String, (bool, Span)>,
    agents: BTreeMap<String, (bool, Span)>,
}

impl Notes {
    pub(super) fn stage(&self, index: usize) {
        self.noted.borrow_mut().stages.push(index);
    }

    /// An `ARG` in a stage; `inherited` where it only lets one from before the first `FROM` in.
    pub(super) fn arg(&self, arg: &ArgDeclaration, value: Option<&str>, inherited: bool, span: Span) {
        let mut noted = self.noted.borrow_mut();
        noted.used.insert(arg.name.clone());
        if !inherited {
            noted.args.insert(arg.name.clone(), argument(arg, value, span));
        }
    }

    pub(super) fn secret(&self, id: &str, required: bool, span: Span) {
        self.noted.borrow_mut().secrets.insert(id.to_owned(), (required, span));
    }

    pub(super) fn agent(&self, id: &str, required: bool, span: Span) {
        self.noted.borrow_mut().agents.insert(id.to_owned(), (required, span));
    }

    /// The outline, with the arguments that `FROM` uses.
    pub(super) fn outline(self, dockerfile: &Dockerfile, request: &Request) -> Result<Outline, PlanError> {
        let lexer = Lexer::new(dockerfile.directives.escape);
        let globals = GlobalArgs::automatic(request, "").declare(dockerfile, lexer, &request.build_args)?;
        let mut noted = self.noted.into_inner();
        let uses =
            |text: &str| lexer.word(text, globals.env.lookup()).map(|found| found.used).unwrap_or_default();
        for stage in noted.stages.iter().filter_map(|index| dockerfile.stages.get(*index)) {
            noted.used.extend(uses(&stage.base));
            noted.used.extend(stage.platform.iter().flat_map(|platform| uses(platform)));
        }
        // From the last to the first, as a default may use those before it.
        let globals_used = dockerfile
            .global_args
            .iter()
            .rev()
            .flat_map(|instruction| instruction.args.iter().rev().map(|arg| (arg, instruction.span)));
        for (arg, span) in globals_used {
            if !noted.used.contains(&arg.name) {
                continue;
            }
            noted.used.extend(arg.default.iter().flat_map(|default| uses(default)));
            let global = argument(arg, globals.env.get(&arg.name), span);
            noted.args.entry(arg.name.clone()).or_insert(global);
        }
        let target = noted.stages.last().and_then(|index| dockerfile.stages.get(*index));
        let mut args: Vec<Argument> = noted.args.into_values().collect();
        args.sort_by_key(|arg| arg.span.start);
        Ok(Outline {
            target: target.and_then(|stage| stage.name.clone()),
            description: target.and_then(|stage| stage.description.clone()),
            args,
            secrets: wanted(noted.secrets),
            agents: wanted(noted.agents),
        })
    }
}

fn argument(arg: &ArgDeclaration, value: Option<&str>, span: Span) -> Argument {
    Argument {
        name: arg.name.clone(),
        value: value.map(str::to_owned),
        description: arg.description.clone(),
        span,
    }
}

fn wanted(noted: BTreeMap<String, (bool, Span)>) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> =
        noted.into_iter().map(|(name, (required, span))| Wanted { name, required, span }).collect();
    wanted.sort_by_key(|wanted| wanted.span.start);
    wanted
}
