//! From the stages of a Dockerfile to drafts: `FROM` expanded, platforms read, named contexts noticed.

use wharf_dockerfile::lint::found;
use wharf_dockerfile::{Dockerfile, Lexer, Stage};
use wharf_oci::{Platform, Reference};

use super::args::GlobalArgs;
use super::checks::Checks;
use super::contexts::Contexts;
use super::error::Location;
use super::graph::{Draft, Graph};
use super::{PlanError, Problem};

/// Drafts of all stages, without their instructions.
pub(super) fn declare(
    dockerfile: &Dockerfile,
    globals: &GlobalArgs,
    contexts: &Contexts,
    lexer: Lexer,
    checks: &Checks,
) -> Result<Graph, PlanError> {
    let mut graph = Graph::default();
    for (index, stage) in dockerfile.stages.iter().enumerate() {
        let draft = draft(stage, index, globals, contexts, lexer, checks);
        graph.add(draft.map_err(|problem| PlanError::from(problem).at(stage.span, &stage.text))?);
    }
    Ok(graph)
}

fn draft(
    stage: &Stage,
    index: usize,
    globals: &GlobalArgs,
    contexts: &Contexts,
    lexer: Lexer,
    checks: &Checks,
) -> Result<Draft, Problem> {
    let base = lexer.word(&stage.base, globals.env.lookup());
    if let Ok(base) = &base {
        checks.undefined_in_from(&base.unset, globals, stage.span);
    }
    let base = base?;
    if base.text.is_empty() {
        return Err(Problem::BlankBase { expression: stage.base.clone() });
    }
    let platform = match &stage.platform {
        Some(expression) => Some(platform(stage, expression, globals, lexer, checks)?),
        None => None,
    };
    let replaced_by = match &stage.name {
        Some(name) => contexts.find(name)?.map(str::to_owned),
        None => None,
    };
    Ok(Draft {
        name: stage.name.clone(),
        label: stage.name.clone().unwrap_or_else(|| format!("stage-{index}")),
        base_name: base.text,
        base: None,
        platform,
        replaced_by,
        implied: false,
        commands: Vec::new(),
        location: Location { span: stage.span, text: stage.text.clone() },
    })
}

fn platform(
    stage: &Stage,
    expression: &str,
    globals: &GlobalArgs,
    lexer: Lexer,
    checks: &Checks,
) -> Result<Platform, Problem> {
    let expanded = lexer.word(expression, globals.env.lookup())?;
    checks.undefined_in_from(&expanded.unset, globals, stage.span);
    checks.report(found::redundant_target_platform(stage, &expanded, globals.env.get("TARGETPLATFORM")));
    checks.report(found::constant_platform(stage, &expanded));
    if expanded.text.is_empty() {
        return Err(Problem::BlankPlatform { expression: expression.into() });
    }
    expanded.text.parse().map_err(|source| Problem::Platform { expression: expression.into(), source })
}

/// Warns of bases that would be no reference if no build argument were given.
pub(super) fn check_defaults(dockerfile: &Dockerfile, defaults: &GlobalArgs, lexer: Lexer, checks: &Checks) {
    for stage in &dockerfile.stages {
        let Ok(base) = lexer.word(&stage.base, defaults.env.lookup()) else { return };
        if base.text.parse::<Reference>().is_err() {
            checks.report([found::invalid_default_arg_in_from(&stage.base, stage.span)]);
        }
    }
}
