//! From the stages of a Dockerfile to drafts: `FROM` expanded, platforms read, named contexts noticed.

use wharf_dockerfile::lint::found;
use wharf_dockerfile::{Dockerfile, Expansion, Lexer, Stage};
use wharf_oci::{Platform, Reference};

use super::args::GlobalArgs;
use super::checks::Checks;
use super::contexts::Contexts;
use super::error::Location;
use super::graph::{Draft, Graph};
use super::{PlanError, Problem};

/// What `FROM` is read with.
pub(super) struct Declaring<'a> {
    pub(super) globals: &'a GlobalArgs,
    pub(super) contexts: &'a Contexts<'a>,
    pub(super) lexer: Lexer,
    pub(super) checks: &'a Checks<'a>,
}

impl Declaring<'_> {
    /// Drafts of all stages, without their instructions.
    pub(super) fn graph(&self, dockerfile: &Dockerfile) -> Result<Graph, PlanError> {
        let mut graph = Graph::default();
        for (index, stage) in dockerfile.stages.iter().enumerate() {
            let draft = self.draft(stage, index);
            graph.add(draft.map_err(|problem| PlanError::from(problem).at(stage.span, &stage.text))?);
        }
        Ok(graph)
    }

    fn draft(&self, stage: &Stage, index: usize) -> Result<Draft, Problem> {
        let base = self.expand(stage, &stage.base)?;
        if base.text.is_empty() {
            return Err(Problem::BlankBase { expression: stage.base.clone() });
        }
        let platform =
            stage.platform.as_deref().map(|expression| self.platform(stage, expression)).transpose()?;
        let replaced_by = match &stage.name {
            Some(name) => self.contexts.find(name)?.map(str::to_owned),
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

    fn platform(&self, stage: &Stage, expression: &str) -> Result<Platform, Problem> {
        let expanded = self.expand(stage, expression)?;
        let target = self.globals.env.get("TARGETPLATFORM");
        self.checks.report(found::redundant_target_platform(stage, &expanded, target));
        self.checks.report(found::constant_platform(stage, &expanded));
        if expanded.text.is_empty() {
            return Err(Problem::BlankPlatform { expression: expression.into() });
        }
        expanded.text.parse().map_err(|source| Problem::Platform { expression: expression.into(), source })
    }

    fn expand(&self, stage: &Stage, text: &str) -> Result<Expansion, Problem> {
        let expanded = self.lexer.word(text, self.globals.env.lookup())?;
        self.checks.undefined_in_from(&expanded.unset, self.globals, stage.span);
        Ok(expanded)
    }
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
