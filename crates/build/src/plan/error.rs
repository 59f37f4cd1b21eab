//! Why a Dockerfile has no plan.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;

use wharf_dockerfile::lint::Finding;
use wharf_dockerfile::{ExpandError, MountError, ParseError, Span};
use wharf_oci::{PlatformError, ReferenceError};

/// How much of an instruction is shown, characters.
const SHOWN: usize = 200;

/// What a base resolver fails with.
pub type ResolveError = Box<dyn Error + Send + Sync>;

/// What is wrong, and where in the Dockerfile.
#[derive(Debug)]
pub struct PlanError {
    /// What is wrong.
    pub problem: Box<Problem>,
    /// The instruction; `None` where the request is at fault and not the Dockerfile.
    pub location: Option<Location>,
}

/// An instruction of the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Where it stands.
    pub span: Span,
    /// The instruction as one line.
    pub text: String,
}

impl fmt::Display for PlanError {
    /// The problem, then on a line of its own where it is, with the instruction itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)?;
        match &self.location {
            Some(Location { span, text }) => {
                write!(f, "\nline {}, column {}: {text:.SHOWN$}", span.line, span.column)
            }
            None => Ok(()),
        }
    }
}

impl Error for PlanError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.problem.source()
    }
}

impl PlanError {
    /// The location that `span` and `text` give, unless the error already has one.
    pub(super) fn at(mut self, span: Span, text: &str) -> Self {
        self.location.get_or_insert_with(|| Location { span, text: text.into() });
        self
    }
}

impl<P: Into<Problem>> From<P> for PlanError {
    fn from(problem: P) -> Self {
        Self { problem: Box::new(problem.into()), location: None }
    }
}

/// What is wrong. The sentences are BuildKit's where it has one, so that scripts which look for them work.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A word could not be expanded.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// A `--mount` is wrong.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// A trigger of a base image is no instruction.
    #[error("the ONBUILD trigger `{trigger}` of the base image cannot be used")]
    Trigger {
        /// The trigger.
        trigger: String,
        /// Why.
        source: ParseError,
    },
    /// The base of a stage expands to nothing.
    #[error("base name ({expression}) should not be blank")]
    BlankBase {
        /// As it was written.
        expression: String,
    },
    /// `--platform` expands to nothing.
    #[error("empty platform value from expression {expression}")]
    BlankPlatform {
        /// As it was written.
        expression: String,
    },
    /// `--platform` is no platform.
    #[error("failed to parse platform {expression}")]
    Platform {
        /// As it was written.
        expression: String,
        /// Why.
        source: PlatformError,
    },
    /// The base of a stage, or what `--from` names, is neither a stage nor an image reference.
    #[error("failed to parse stage name {name:?}{}", suggestion(nearest))]
    Reference {
        /// What was named.
        name: String,
        /// The stage it may have meant.
        nearest: Option<String>,
        /// Why.
        source: ReferenceError,
    },
    /// A stage's name cannot be looked up among the named contexts.
    #[error("invalid context name {name}")]
    ContextName {
        /// The name.
        name: String,
        /// Why.
        source: ReferenceError,
    },
    /// A base image could not be had.
    #[error("{name}: failed to resolve source metadata for {reference}{}", suggestion(nearest))]
    Base {
        /// As it was written.
        name: String,
        /// In full.
        reference: String,
        /// The stage it may have meant.
        nearest: Option<String>,
        /// Why.
        source: ResolveError,
    },
    /// `--target` names no stage.
    #[error("target stage {name:?} could not be found{}", suggestion(nearest))]
    UnknownTarget {
        /// What was asked for.
        name: String,
        /// The nearest stage.
        nearest: Option<String>,
    },
    /// `--from` has the number of no stage.
    #[error("invalid stage index {index}")]
    StageIndex {
        /// The number.
        index: i64,
    },
    /// A variable in `--from`.
    #[error(
        "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"
    )]
    FromVariable,
    /// Stages use one another.
    #[error("circular dependency detected on stage: {stage}")]
    Cycle {
        /// One of them.
        stage: String,
    },
    /// A stage is used before it is defined.
    #[error("cannot {verb} from stage {from:?}, it needs to be defined before current stage {stage:?}")]
    LaterStage {
        /// `copy` or `mount`.
        verb: &'static str,
        /// The later stage.
        from: String,
        /// The stage that uses it.
        stage: String,
    },
    /// A step needs more than the build was allowed.
    #[error("{entitlement} is not allowed")]
    Entitlement {
        /// What `--allow` has to say.
        entitlement: &'static str,
    },
    /// Checks found something, and the Dockerfile says that this is an error.
    #[error("lint violation found for rules: {}", rules(findings))]
    Lint {
        /// What they found.
        findings: Vec<Finding>,
    },
    /// An instruction says what it may not say.
    #[error("{0}")]
    Instruction(String),
}

/// The names of the rules, each once, and a line for each finding.
fn rules(findings: &[Finding]) -> String {
    let names: BTreeSet<&str> = findings.iter().map(|finding| finding.rule.name).collect();
    let line = |finding: &Finding| {
        format!("\nline {}: {} ({})", finding.span.line, finding.message, finding.rule.name)
    };
    let lines: String = findings.iter().map(line).collect();
    Vec::from_iter(names).join(", ") + &lines
}

/// The name that may have been meant, as BuildKit words it.
fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(" (did you mean {name}?)")).unwrap_or_default()
}
